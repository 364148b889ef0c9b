/* SPDX-License-Identifier: MIT */
/*
 * Regions: which index in the page each one has. An index is given at the first call, and kept as
 * long as anybody holds it and nobody needs it after that; then it goes to another region, the one
 * that was held by nobody for longest first. Who holds one is known to the caller.
 *
 * Somebody may still read the page at an index that he has lost: an app whose connection ended
 * without its knowledge. What it has stored is dead by the stamp, and it stores nothing more, since
 * the index has another owner: see cmi_page_owner(). Operations on the region that lost it find no
 * index, or a new one, and have nothing to do at the old one.
 */
#include "meshd/core/state.h"

#include <errno.h>

#define BUCKET_MASK (REGION_BUCKETS - 1)

/* Index of a region, or NONE; *ret_bucket is where it is or would be. */
static uint32_t find(const struct core *core, struct cmi_slice name, uint32_t *ret_bucket)
{
        uint64_t hash = XXH3_64bits(name.data, name.len);
        uint32_t bucket = (uint32_t)hash & BUCKET_MASK;

        for (; core->region_buckets[bucket] != 0; bucket = (bucket + 1) & BUCKET_MASK) {
                uint32_t index = core->region_buckets[bucket] - 1u;

                if (cmi_slice_equal(name, core_region_name(core, index))) {
                        *ret_bucket = bucket;
                        return index;
                }
        }
        *ret_bucket = bucket;
        return NONE;
}

uint32_t region_find(const struct core *core, struct cmi_slice name)
{
        uint32_t bucket;

        return find(core, name, &bucket);
}

/* Empties a bucket; what had to go past it moves back. Source: Knuth, TAOCP 6.4, algorithm R. */
static void empty_bucket(struct core *core, uint32_t hole)
{
        uint32_t at = hole;

        for (;;) {
                uint32_t home;

                at = (at + 1) & BUCKET_MASK;
                if (core->region_buckets[at] == 0) {
                        break;
                }
                home = (uint32_t)core->regions[core->region_buckets[at] - 1].hash & BUCKET_MASK;
                if (((at - home) & BUCKET_MASK) >= ((at - hole) & BUCKET_MASK)) {
                        core->region_buckets[hole] = core->region_buckets[at];
                        hole = at;
                }
        }
        core->region_buckets[hole] = 0;
}

/* An index for a new region: a new one, or that of the region that nobody held for longest. */
static uint32_t take_index(struct core *core)
{
        uint32_t oldest = NONE;
        uint32_t bucket;

        if (core->n_regions < CMI_PAGE_REGIONS) {
                return core->n_regions++;
        }
        for (uint32_t i = 0; i < CMI_PAGE_REGIONS; i++) {
                const struct region *region = &core->regions[i];

                if (region->n_holders == 0 &&
                                (oldest == NONE || region->unheld < core->regions[oldest].unheld)) {
                        oldest = i;
                }
        }
        if (oldest != NONE) {
                find(core, core_region_name(core, oldest), &bucket);
                empty_bucket(core, bucket);
        }
        return oldest;
}

/*
 * Operations on a region without an index change nothing, since no entry of it can exist here. But
 * a token may be older than the index, so the region's slot is stamped when the index is given:
 * what was loaded before is refused, and what was stored for the region before it is dead.
 */
int core_region(struct core *core, struct cmi_slice name, uint32_t *ret_index)
{
        uint32_t bucket, index;

        if (name.len == 0 || name.len > CMI_REGION_NAME_MAX) {
                return -EINVAL;
        }
        index = find(core, name, &bucket);
        if (index == NONE) {
                index = take_index(core);
                if (index == NONE) {
                        return -ENOSPC;
                }
                core->regions[index] = (struct region){
                                .hash = XXH3_64bits(name.data, name.len),
                                .owner = ++core->n_owners,
                                .unheld = ++core->n_unheld,
                                .len = (uint8_t)name.len,
                };
                memcpy(core->regions[index].name, name.data, name.len);
                find(core, name, &bucket); /* the hole may have moved things */
                core->region_buckets[bucket] = (uint16_t)(index + 1);
                apply_region(core, index);
                core->regions[index].given = cmi_page_begin(&core->page) - 1;
                intent_region(core, index);
                hold_region_opened(core, index);
        }
        *ret_index = index;
        return 0;
}

int core_region_find(const struct core *core, struct cmi_slice name, uint32_t *ret_index)
{
        uint32_t index = region_find(core, name);

        if (index == NONE) {
                return -ENOENT;
        }
        *ret_index = index;
        return 0;
}

uint64_t core_region_given(const struct core *core, uint32_t index)
{
        return core->regions[index].given;
}

void core_region_hold(struct core *core, uint32_t index)
{
        core->regions[index].n_holders++;
}

void core_region_drop(struct core *core, uint32_t index)
{
        struct region *region = &core->regions[index];

        if (--region->n_holders == 0) {
                region->unheld = ++core->n_unheld;
                region_options_forget(core, index);
        }
}

uint64_t core_region_owner(const struct core *core, uint32_t index)
{
        return core->regions[index].owner;
}

struct cmi_slice core_region_name(const struct core *core, uint32_t index)
{
        if (index >= core->n_regions) {
                return cmi_slice(NULL, 0);
        }
        return cmi_slice(core->regions[index].name, core->regions[index].len);
}
