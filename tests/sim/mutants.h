/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The planted bugs, and within how many seeds each must be found. A simulator that misses one
 * proves nothing.
 */
#include "meshd/core/mutant.h"
#include "tests/sim/session_mutants.h"
#include "tests/sim/simulation.h"

#ifdef CM_MUTANTS_CHOSEN
#define MUTANTS_CAN_CHOOSE true
#else
#define MUTANTS_CAN_CHOOSE false
#endif

/* Return: MUTANT_NONE if none has that name. */
enum mutant mutants_find(const char *name);
const char *mutants_name(enum mutant mutant);

/* Until another one is chosen. In a program without planted bugs only MUTANT_NONE can be. */
void mutants_choose(enum mutant mutant);

/**
 * mutants_run() - look for planted bugs, and print a TAP table of which seed found which
 * @world:     to play in
 * @only:      this one; MUTANT_NONE: each
 * @first:     first seed
 * @most:      seeds for each; 0: its own limit
 * @directory: where a script of each that was found is written, NAME.mesh; NULL: nowhere
 *
 * Return: 0 if each was found, else 1.
 */
int mutants_run(struct world *world, enum mutant only, uint64_t first, uint64_t most,
                const char *directory);
