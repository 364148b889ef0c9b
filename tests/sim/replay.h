/* SPDX-License-Identifier: MIT */
#pragma once
/* Scripts played again: what once went wrong must not, and what a planted bug breaks must break. */
#include "tests/sim/simulation.h"

/**
 * replay_files() - play scripts, and print TAP
 * @world: to play in
 * @paths: scripts, or files with a seed only
 *
 * A script must keep every promise. In a program with planted bugs, one that names such a bug must
 * break its invariant when that is planted.
 *
 * Return: 0 if all did, else 1.
 */
int replay_files(struct world *world, char **paths, int n_paths);
