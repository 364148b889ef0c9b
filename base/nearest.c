/* SPDX-License-Identifier: MIT */
#include "base/nearest.h"

#include <string.h>

static unsigned int least(unsigned int a, unsigned int b)
{
        return a < b ? a : b;
}

/* Three rows of the usual matrix are enough, since a swap looks back two. */
unsigned int cmi_nearest_distance(const char *a, const char *b)
{
        unsigned int rows[3][CMI_NEAREST_WORD_MAX + 1];
        size_t n_a = strnlen(a, CMI_NEAREST_WORD_MAX), n_b = strnlen(b, CMI_NEAREST_WORD_MAX);

        for (size_t j = 0; j <= n_b; j++) {
                rows[0][j] = (unsigned int)j;
        }
        for (size_t i = 1; i <= n_a; i++) {
                unsigned int *row = rows[i % 3], *above = rows[(i - 1) % 3];

                row[0] = (unsigned int)i;
                for (size_t j = 1; j <= n_b; j++) {
                        row[j] = least(above[j], row[j - 1]) + 1;
                        row[j] = least(row[j], above[j - 1] + (a[i - 1] != b[j - 1]));
                        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                                row[j] = least(row[j], rows[(i - 2) % 3][j - 2] + 1);
                        }
                }
        }
        return rows[n_a % 3][n_b];
}

bool cmi_nearest_is_close(const char *typed, const char *word, unsigned int *ret_distance)
{
        size_t length = strlen(typed);
        unsigned int distance = cmi_nearest_distance(typed, word);
        bool is_beginning = length >= 2 && strncmp(typed, word, length) == 0;

        *ret_distance = is_beginning ? 0 : distance;
        return is_beginning || (length <= CMI_NEAREST_WORD_MAX && distance <= (length + 2) / 3 &&
                                               distance < length);
}
