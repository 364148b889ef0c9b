/* SPDX-License-Identifier: MIT */
/*
 * Operations on the shared page. The only file of the core that stamps slots; lease.c writes the
 * lease ends.
 */
#include "meshd/core/state.h"

struct apply_target apply_target(const struct core *core, enum cmi_page_kind kind, uint32_t region,
                struct cmi_slice key)
{
        XXH128_hash_t hash = cmi_page_hash(core->page.seed, kind, region, key.data, key.len);
        uint32_t slot;

        if (kind == CMI_PAGE_TAG) {
                slot = cmi_page_slot(hash, core->page.tag_mask);
                return (struct apply_target){&core->page.tags[slot], slot | UINT32_C(1) << 31};
        }
        slot = cmi_page_slot(hash, core->page.key_mask);
        return (struct apply_target){&core->page.keys[slot], slot};
}

static void stamp(struct core *core, enum cmi_page_kind kind, uint32_t region, struct cmi_slice key,
                uint64_t seq)
{
        _Atomic uint64_t *slot = apply_target(core, kind, region, key).slot;

        if (MUTANT(INTENT_FLAG_LOST)) {
                cmi_page_stamp_flag(slot, seq, false);
        } else {
                cmi_page_stamp(slot, seq);
        }
}

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
                        stamp(core, CMI_PAGE_KEY, region, cmi_op_next(&op.keys), seq);
                }
                for (uint32_t i = 0; i < op.n_tags; i++) {
                        stamp(core, CMI_PAGE_TAG, region, cmi_op_next(&op.tags), seq);
                }
        }
        cmi_page_publish(&core->page, seq);
}

static void apply_stamps(struct core *core, const struct cmi_op *op, struct cmi_slice bytes,
                const struct member *source, uint64_t number)
{
        if (op->kind == CMI_OP_INVALIDATE) {
                apply_invalidate(core, *op);
        } else if (op->kind == CMI_OP_INTENT_BEGIN) {
                core->counters.intents_begun++;
                intent_begin(core, source, number, op, bytes);
        } else if (op->kind == CMI_OP_INTENT_END) {
                intent_end(core, op);
                if (!MUTANT(INTENT_END_UNSTAMPED)) {
                        apply_invalidate(core, *op);
                }
        } else if (op->kind == CMI_OP_ALL) {
                apply_forget(core, source, "an operation says so");
        } else {
                core->counters.unknown_operations++;
                if (!MUTANT(UNKNOWN_OP_SKIPPED)) {
                        apply_forget(core, source, "an operation of an unknown kind");
                }
        }
}

void apply_own(struct core *core, const struct cmi_op *op, struct cmi_slice bytes, uint64_t number)
{
        apply_stamps(core, op, bytes, NULL, number);
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
        apply_stamps(core, &op, bytes, source, number);
        core->counters.applied_keys += op.n_keys;
        if (core->sink.applied) {
                core->sink.applied(core->sink.context, source->name, number, &op);
        }
}
