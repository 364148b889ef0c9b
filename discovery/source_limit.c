/* SPDX-License-Identifier: MIT */
#include "discovery/source_limit.h"

#include "base/time.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define TOKEN_NS (CMI_NS_PER_S / SOURCE_LIMIT_RATE)

void source_limit_init(struct source_limit *limit, uint64_t seed)
{
        *limit = (struct source_limit){.seed = seed};
        for (int i = 0; i < SOURCE_LIMIT_BUCKETS; i++) {
                limit->buckets[i].n_tokens = SOURCE_LIMIT_BURST;
        }
}

static void refill(struct source_limit_bucket *bucket, uint64_t now_ns)
{
        uint64_t n;

        if (now_ns <= bucket->filled_ns) {
                return;
        }
        n = (now_ns - bucket->filled_ns) / TOKEN_NS;
        if (n >= SOURCE_LIMIT_BURST - bucket->n_tokens) {
                bucket->n_tokens = SOURCE_LIMIT_BURST;
                bucket->filled_ns = now_ns;
                return;
        }
        bucket->n_tokens += (uint32_t)n;
        bucket->filled_ns += n * TOKEN_NS;
}

bool source_limit_take(
                struct source_limit *limit, const struct cmi_endpoint *source, uint64_t now_ns)
{
        XXH64_hash_t hash =
                        XXH3_64bits_withSeed(source->address, sizeof(source->address), limit->seed);
        struct source_limit_bucket *bucket = &limit->buckets[hash % SOURCE_LIMIT_BUCKETS];

        refill(bucket, now_ns);
        if (bucket->n_tokens == 0) {
                return false;
        }
        bucket->n_tokens--;
        return true;
}
