/* SPDX-License-Identifier: MIT */
#pragma once
/* "Did you mean": which of some known words is closest to a mistyped one. */
#include <stddef.h>

#define NEAREST_WORD_MAX 32 /* longer words are near to nothing */

/* Optimal string alignment distance: insertions, deletions, replacements, swaps of neighbours. */
unsigned nearest_distance(const char *a, const char *b);

/* Is this close enough to be what was meant? A third of the word may be wrong, or it is the
 * beginning of the word. */
int nearest_is_close(const char *typed, const char *word, unsigned *ret_distance);
