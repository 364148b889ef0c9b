/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The smallest script that still breaks what a seed breaks. Acts are removed in chunks that become
 * smaller and smaller, until none can be missed: delta debugging (Zeller and Hildebrandt,
 * "Simplifying and Isolating Failure-Inducing Input", IEEE TSE 28(2), 2002), of which the tests of
 * complements are done. Then what is left is made simpler, value by value.
 */
#include "meshd/core/mutant.h"
#include "tests/sim/simulation.h"

enum shrink_outcome {
        SHRINK_DONE = 0,
        SHRINK_PASSES = 1, /* the seed violates nothing */
        SHRINK_DIFFERS,    /* its acts, played, violate something else, or nothing */
};

/**
 * shrink() - make a script of a seed that fails
 * @world:      to play in
 * @seed:       that fails
 * @ret_script: zeroed; for script_deinit()
 *
 * Progress goes to standard error, if that is a terminal. world->violation is that of the script.
 */
enum shrink_outcome shrink(struct world *world, uint64_t seed, struct script *ret_script);

/**
 * shrink_to_file() - the same, into a file, with a line on standard output
 * @mutant: planted; MUTANT_NONE: none
 *
 * Return: 0, or 1 if there is no script; standard error says why.
 */
int shrink_to_file(struct world *world, uint64_t seed, enum mutant mutant, const char *path);

/* The invariant that a violation names: its first word. */
void shrink_code(const struct world *world, char ret_code[SCRIPT_CODE_MAX]);
