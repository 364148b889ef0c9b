/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The simulator's chance: one generator per seed, so that a seed is a history. Source: splitmix64,
 * Sebastiano Vigna, prng.di.unimi.it.
 */
#include <stdbool.h>
#include <stdint.h>

struct random {
        uint64_t state;
};

static inline uint64_t random_next(struct random *random)
{
        uint64_t z = (random->state += UINT64_C(0x9e3779b97f4a7c15));

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return z ^ (z >> 31);
}

/* From 0 to @n - 1; @n is far below 2^32, so the bias does not matter. */
static inline uint64_t random_below(struct random *random, uint64_t n)
{
        return n == 0 ? 0 : random_next(random) % n;
}

/* From @low to @high, both included. */
static inline uint64_t random_between(struct random *random, uint64_t low, uint64_t high)
{
        return low + random_below(random, high - low + 1);
}

static inline bool random_chance(struct random *random, uint32_t ppm)
{
        return ppm != 0 && random_below(random, 1000000) < ppm;
}

/* Durations: each power of two between @low (at least 1) and @high is as likely as the others. */
static inline uint64_t random_duration(struct random *random, uint64_t low, uint64_t high)
{
        uint32_t octaves = 0;
        uint64_t base;

        while (low << (octaves + 1) <= high) {
                octaves++;
        }
        base = low << random_below(random, octaves + 1);
        base = random_between(random, base, 2 * base);
        return base < high ? base : high;
}
