/* SPDX-License-Identifier: MIT */
#pragma once
/* "Did you mean": which of some known words is closest to a mistyped one. */
#include <stdbool.h>

#define CMI_NEAREST_WORD_MAX 32 /* of longer words the beginning counts; none is close to another */

/* Optimal string alignment distance: insertions, deletions, replacements, swaps of neighbours. */
unsigned int cmi_nearest_distance(const char *a, const char *b);

/* Is this close enough to be what was meant? A third of the word may be wrong, or it is the
 * beginning of the word. @ret_distance is set in any case. */
bool cmi_nearest_is_close(const char *typed, const char *word, unsigned int *ret_distance);
