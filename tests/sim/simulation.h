/* SPDX-License-Identifier: MIT */
#pragma once
/* One seed from start to verdict. */
#include "tests/sim/world.h"

/**
 * simulation_run() - play one seed
 * @world: zeroed, or used before, with is_tracing and until_ns set; the result is
 *         in it until the next run
 *
 * Return: false if something was violated; then world->violation says what.
 */
bool simulation_run(struct world *world, uint64_t seed);

void simulation_free(struct world *world);
