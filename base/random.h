/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Numbers that spread things, such as the times at which many processes try again. They can be
 * foretold: secrets and ids come from elsewhere.
 */
#include <stdint.h>

/* The next number; @state is the caller's own, seeded with anything but 0. xorshift64*: S. Vigna,
 * "An experimental exploration of Marsaglia's xorshift generators, scrambled", 2016. */
static inline uint64_t cmi_random_next(uint64_t *state)
{
        *state ^= *state >> 12;
        *state ^= *state << 25;
        *state ^= *state >> 27;
        return *state * UINT64_C(0x2545f4914f6cdd1d);
}
