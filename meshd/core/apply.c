/* SPDX-License-Identifier: MIT */
/*
 * Operations on the shared page. The only file of the core that stamps slots; lease.c writes the
 * lease ends.
 */
#include "meshd/core/state.h"

#include <errno.h>

static uint32_t region_bucket(struct cmi_slice name)
{
        return (uint32_t)XXH3_64bits(name.data, name.len) & (REGION_BUCKETS - 1);
}

/* Index of a region, or NONE; *ret_bucket is where it is or would be. */
static uint32_t region_find(const struct core *core, struct cmi_slice name, uint32_t *ret_bucket)
{
        uint32_t bucket = region_bucket(name);

        for (; core->region_buckets[bucket] != 0; bucket = (bucket + 1) & (REGION_BUCKETS - 1)) {
                uint32_t index = core->region_buckets[bucket] - 1u;

                if (cmi_slice_equal(name, core_region_name(core, index))) {
                        *ret_bucket = bucket;
                        return index;
                }
        }
        *ret_bucket = bucket;
        return NONE;
}

/*
 * Operations on a region without a number change nothing, since no entry of it can exist here. But
 * a token may be older than the number, so the region's slot is stamped when the number is given:
 * what was loaded before is refused.
 */
int core_region(struct core *core, struct cmi_slice name, uint32_t *ret_index)
{
        uint32_t bucket, index;
        uint64_t seq;

        if (name.len == 0 || name.len > CMI_REGION_NAME_MAX) {
                return -EINVAL;
        }
        index = region_find(core, name, &bucket);
        if (index == NONE) {
                if (core->n_regions == CMI_PAGE_REGIONS) {
                        return -ENOSPC;
                }
                index = core->n_regions++;
                core->region_buckets[bucket] = (uint16_t)(index + 1);
                core->regions[index].len = (uint8_t)name.len;
                memcpy(core->regions[index].name, name.data, name.len);
                seq = cmi_page_begin(&core->page);
                cmi_page_stamp_region(&core->page, index, seq);
                cmi_page_publish(&core->page, seq);
        }
        *ret_index = index;
        return 0;
}

struct cmi_slice core_region_name(const struct core *core, uint32_t index)
{
        if (index >= core->n_regions) {
                return cmi_slice(NULL, 0);
        }
        return cmi_slice(core->regions[index].name, core->regions[index].len);
}

void apply_forget(struct core *core, const struct member *member, const char *reason)
{
        uint64_t seq = cmi_page_begin(&core->page);

        cmi_page_stamp_floor(&core->page, seq);
        cmi_page_publish(&core->page, seq);
        core->counters.forgot++;
        core_emit(core, CORE_EVENT_FORGOT, member, reason);
}

static void apply_invalidate(struct core *core, struct cmi_op op)
{
        uint32_t bucket, region = region_find(core, op.region, &bucket);
        uint64_t seq;

        if (region == NONE) {
                core->counters.unknown_regions++;
                return;
        }
        seq = cmi_page_begin(&core->page);
        /* So many keys would wear out the tables for all regions; one stamp on the region says the
         * same and more. */
        if (op.is_whole_region || op.n_keys > core->page.key_mask / 8 ||
                        op.n_tags > core->page.tag_mask / 8) {
                cmi_page_stamp_region(&core->page, region, seq);
        } else {
                for (uint32_t i = 0; i < op.n_keys; i++) {
                        struct cmi_slice key = cmi_op_next(&op.keys);

                        cmi_page_stamp_key(&core->page, region, key.data, key.len, seq);
                }
                for (uint32_t i = 0; i < op.n_tags; i++) {
                        struct cmi_slice tag = cmi_op_next(&op.tags);

                        cmi_page_stamp_tag(&core->page, region, tag.data, tag.len, seq);
                }
        }
        cmi_page_publish(&core->page, seq);
}

static void apply_stamps(struct core *core, const struct cmi_op *op, const struct member *source)
{
        if (op->kind == CMI_OP_INVALIDATE) {
                apply_invalidate(core, *op);
        } else if (op->kind == CMI_OP_ALL) {
                apply_forget(core, source, "an operation says so");
        } else {
                core->counters.unknown_operations++;
                if (!MUTANT(UNKNOWN_OP_SKIPPED)) {
                        apply_forget(core, source, "an operation of an unknown kind");
                }
        }
}

void apply_own(struct core *core, const struct cmi_op *op, uint64_t number)
{
        apply_stamps(core, op, NULL);
        core->counters.published++;
        core->counters.published_keys += op->n_keys;
        if (core->sink.applied) {
                core->sink.applied(core->sink.context, core->name, number, op);
        }
}

void apply_foreign(struct core *core, struct cmi_slice bytes, const struct member *source,
                uint64_t number)
{
        struct cmi_op op;

        core->counters.applied++;
        if (cmi_op_decode(bytes, &op) < 0) {
                /* Its place in the stream is taken, so it must not be without effect. */
                core->counters.unknown_operations++;
                apply_forget(core, source, "an operation that cannot be read");
                return;
        }
        apply_stamps(core, &op, source);
        core->counters.applied_keys += op.n_keys;
        if (core->sink.applied) {
                core->sink.applied(core->sink.context, source->name, number, &op);
        }
}
