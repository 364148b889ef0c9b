/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Which changes of a member's state the seeds have seen: a state that nobody reaches is untested.
 */
#include "tests/sim/world.h"

/**
 * changes_print() - a table of all changes
 * @tally: of many seeds
 * @least: as often should each be seen
 *
 * Return: was each that there should be, and none that there should not?
 */
bool changes_print(const struct tally *tally, uint64_t least);
