/* SPDX-License-Identifier: MIT */
#pragma once
/* How far a word that was typed is from one that exists. */

/* Edits that turn one word into the other (Levenshtein 1965), for words of up to 31 characters. */
unsigned int nearest_distance(const char *a, const char *b);
