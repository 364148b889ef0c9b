/* SPDX-License-Identifier: MIT */
#include "meshd/local/load_name.h"

#define XXH_INLINE_ALL
#include <sys/random.h>
#include <xxhash.h>

/* One for the life of the process. That the kernel gives one the daemon has seen before: the
 * numbers of its stream and of its page come from there, and it does not start without. */
static uint64_t secret(void)
{
        static uint64_t random;

        if (random == 0 && getrandom(&random, sizeof(random), 0) != sizeof(random)) {
                random = 1;
        }
        return random;
}

/* The key comes last, under a seed that nobody outside knows: not the page's, which apps read. */
uint64_t load_name_hash(const struct load_name *name)
{
        uint64_t owner[] = {name->uid, name->index, name->version};

        return XXH3_64bits_withSeed(name->key.data, name->key.len,
                        XXH3_64bits_withSeed(owner, sizeof(owner), secret()));
}

bool load_name_equal(const struct load_name *a, const struct load_name *b)
{
        return a->uid == b->uid && a->index == b->index && a->version == b->version &&
               cmi_slice_equal(a->key, b->key);
}
