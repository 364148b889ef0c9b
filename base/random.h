/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Numbers that spread things, such as the times at which many processes try again. They repeat with
 * the seed, so a test can repeat a run, and can be foretold: secrets and ids come from elsewhere.
 */
#include <stdint.h>

/* The next number of 64 bits; @state is the caller's own, and any value is a good seed. SplitMix64:
 * G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", 2014. */
static inline uint64_t cmi_random_next(uint64_t *state)
{
        uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return z ^ (z >> 31);
}

/* A number from 0 to @limit, both included. The slight bias towards small ones does not matter to a
 * timer. */
static inline uint64_t cmi_random_up_to(uint64_t *state, uint64_t limit)
{
        uint64_t drawn = cmi_random_next(state);

        return limit == UINT64_MAX ? drawn : drawn % (limit + 1);
}
