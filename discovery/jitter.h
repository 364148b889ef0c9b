/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Jitter: cheap random numbers for spreading timers, from a seed that the caller gives, so that a
 * test can repeat a run. Nothing here is fit for secrets. The generator is SplitMix64 (Steele,
 * Lea, Flood, OOPSLA 2014).
 */
#include <stdint.h>

struct jitter {
        uint64_t state; /* any value is a good seed */
};

/* A number from all of 64 bits. */
static inline uint64_t jitter_next(struct jitter *jitter)
{
        uint64_t z = jitter->state += UINT64_C(0x9e3779b97f4a7c15);

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return z ^ (z >> 31);
}

/* A number from 0 to @limit, both included. The slight bias towards small ones does
 * not matter to a timer. */
static inline uint64_t jitter_up_to(struct jitter *jitter, uint64_t limit)
{
        return limit == UINT64_MAX ? jitter_next(jitter) : jitter_next(jitter) % (limit + 1);
}
