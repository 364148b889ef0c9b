/* SPDX-License-Identifier: MIT */
#include "meshd/local/load_name.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t load_name_hash(const struct load_name *name)
{
        uint64_t seed = name->index ^ (uint64_t)name->uid << 32 ^ name->version * UINT64_C(31);

        return XXH3_64bits_withSeed(name->key.data, name->key.len, seed);
}

bool load_name_equal(const struct load_name *a, const struct load_name *b)
{
        return a->uid == b->uid && a->index == b->index && a->version == b->version &&
               cmi_slice_equal(a->key, b->key);
}
