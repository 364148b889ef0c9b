/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Source limit: a token bucket for each address that sends beacons, in fixed memory. Sources whose
 * hash is the same share a bucket, so invented addresses get no more than all buckets together; the
 * hash is seeded, so that nobody can aim at a neighbour's. The address is not proven by anything:
 * this bounds work, it admits nobody.
 */
#include "base/endpoint.h"

#include <stdbool.h>
#include <stdint.h>

enum source_limit_number {
        SOURCE_LIMIT_BUCKETS = 256,
        SOURCE_LIMIT_RATE = 64,   /* beacons a second from one source, */
        SOURCE_LIMIT_BURST = 256, /* and at once: many nodes may start on one host */
};

struct source_limit {
        uint64_t seed;
        struct source_limit_bucket {
                uint64_t filled_ns;
                uint32_t n_tokens;
        } buckets[SOURCE_LIMIT_BUCKETS];
};

/**
 * source_limit_init() - all buckets are full
 * @limit: to set up
 * @seed:  random
 */
void source_limit_init(struct source_limit *limit, uint64_t seed);

/**
 * source_limit_take() - one datagram came
 * @limit:  to take a token from
 * @source: whose address counts, not its port
 * @now_ns: monotonic
 *
 * Return: whether it may be looked at.
 */
bool source_limit_take(
                struct source_limit *limit, const struct cmi_endpoint *source, uint64_t now_ns);
