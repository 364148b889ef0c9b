/* SPDX-License-Identifier: MIT */
/*
 * Operations on the shared page. The only file of the core that stamps slots; lease.c writes the
 * lease ends.
 */
#include "meshd/core/state.h"

void apply_region(struct core *core, uint32_t index)
{
        uint64_t seq = cmi_page_begin(&core->page);

        cmi_page_set_owner(&core->page, index, core_region_owner(core, index));
        cmi_page_stamp_region(&core->page, index, seq);
        cmi_page_publish(&core->page, seq);
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
        uint32_t region = region_find(core, op.region);
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
