/* SPDX-License-Identifier: MIT */
#include "meshd/nearest.h"

#include <string.h>

unsigned int nearest_distance(const char *a, const char *b)
{
        unsigned int row[32];
        size_t n = strnlen(b, 31);

        for (size_t j = 0; j <= n; j++) {
                row[j] = (unsigned int)j;
        }
        for (size_t i = 0; a[i] && i < 31; i++) {
                unsigned int diagonal = row[0]++;

                for (size_t j = 0; j < n; j++) {
                        unsigned int best = diagonal + (a[i] != b[j]);

                        best = row[j] + 1 < best ? row[j] + 1 : best;
                        best = row[j + 1] + 1 < best ? row[j + 1] + 1 : best;
                        diagonal = row[j + 1];
                        row[j + 1] = best;
                }
        }
        return row[n];
}
