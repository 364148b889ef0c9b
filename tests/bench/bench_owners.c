/* SPDX-License-Identifier: MIT */
/*
 * What it costs to find the owners of a key: two copies, among 2 to 100 nodes with equal weights,
 * each on a host of its own. usage: bench_owners [KEYS]. Processor time of this thread; prints one
 * JSON document with the median of some rounds in nanoseconds per key.
 */
#include "meshd/session/owners.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define N_MAX 100
#define ROUNDS 9
#define COPIES 2

static uint64_t cpu_ns(void)
{
        struct timespec now;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

/* ns per key; *sum keeps the compiler from leaving the work out. */
static double measure(const struct owner_candidate *candidates, uint32_t n, uint64_t n_keys,
                uint64_t *sum)
{
        uint64_t begin = cpu_ns();

        for (uint64_t i = 0; i < n_keys; i++) {
                struct cmi_id key = {{0}};
                uint32_t owners[COPIES];

                memcpy(key.bytes, &i, sizeof(i));
                owners_find(&key, candidates, n, COPIES, owners);
                *sum += owners[0];
        }
        return (double)(cpu_ns() - begin) / (double)n_keys;
}

int main(int argc, char **argv)
{
        static const uint32_t sizes[] = {2, 8, 32, 100};
        uint64_t n_keys = argc > 1 ? strtoull(argv[1], NULL, 10) : 200000;
        struct owner_candidate candidates[N_MAX] = {0};
        uint64_t sum = 0;

        if (n_keys == 0) {
                fprintf(stderr, "usage: bench_owners [KEYS]\n");
                return 64;
        }
        for (uint32_t i = 0; i < N_MAX; i++) {
                candidates[i] = (struct owner_candidate){{{(uint8_t)(i + 1)}}, 1, i + 1};
        }
        printf("{\"copies\": %d, \"keys\": %llu, \"ns_per_key\": {", COPIES,
                        (unsigned long long)n_keys);
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
                double rounds[ROUNDS];

                for (int round = 0; round < ROUNDS; round++) {
                        rounds[round] = measure(candidates, sizes[i], n_keys, &sum);
                }
                qsort(rounds, ROUNDS, sizeof(rounds[0]), compare);
                printf("%s\"%u\": %.1f", i > 0 ? ", " : "", sizes[i], rounds[ROUNDS / 2]);
        }
        printf("}, \"sum\": %llu}\n", (unsigned long long)sum);
        return 0;
}
