/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A program that plants each bug of a list, and wants it found by random plays: plays that find
 * nothing prove nothing. Its arguments are the names that the build knows, so that none is left out
 * of either list.
 */
#include <stddef.h>
#include <stdint.h>

struct mutant_suite {
        const char *name;         /* of the program's cases: /name/bug_is_found */
        const char *const *names; /* of the bugs; the first one is none, and NULL */
        size_t n_names;
        void (*choose)(unsigned bug);       /* 0: none */
        const char *(*play)(uint64_t seed); /* what is broken, or NULL */
        uint64_t plays_max;                 /* until a bug must have been found */
};

/* All of main(). */
int mutant_suite_run(const struct mutant_suite *suite, int argc, char **argv);
