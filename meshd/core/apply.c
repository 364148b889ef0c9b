/* SPDX-License-Identifier: MIT */
/*
 * Operations on the shared page, and where its slots are. Flags are stamped by flag.c, hold.c and
 * intent.c; lease.c writes the lease ends.
 */
#include "meshd/core/state.h"
#include "wire/session_local.h"

#define NAME_TAG (UINT32_C(1) << 31)
#define NAME_REGION (UINT32_C(1) << 30)

static_assert(CMI_PAGE_SLOTS_MAX <= NAME_REGION, "slots have names");

struct apply_target apply_region_target(const struct core *core, uint32_t index)
{
        return (struct apply_target){&core->page.regions[index], index | NAME_REGION};
}

_Atomic uint64_t *apply_named(const struct core *core, uint32_t name)
{
        return name & NAME_TAG      ? &core->page.tags[name & ~NAME_TAG]
               : name & NAME_REGION ? &core->page.regions[name & ~NAME_REGION]
                                    : &core->page.keys[name];
}

struct apply_target apply_target(const struct core *core, enum cmi_page_kind kind, uint32_t region,
                struct cmi_slice key)
{
        XXH128_hash_t hash = cmi_page_hash(core->page.seed, kind, region, key.data, key.len);
        uint32_t slot;

        if (kind == CMI_PAGE_TAG) {
                slot = cmi_page_slot(hash, core->page.tag_mask);
                return (struct apply_target){&core->page.tags[slot], slot | NAME_TAG};
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

static void apply_invalidate(struct core *core, const struct cmi_op *op)
{
        uint32_t region = region_find(core, op->region);
        uint64_t seq;

        if (region == NONE) {
                core->counters.unknown_regions++;
                hold_apply(core, NONE, op);
                return;
        }
        seq = cmi_page_begin(&core->page);
        /* So many keys would wear out the tables for all regions; one stamp on the region says the
         * same and more. */
        if (op->is_whole_region || op->n_keys > core->page.key_mask / 8 ||
                        op->n_tags > core->page.tag_mask / 8) {
                cmi_page_stamp_region(&core->page, region, seq);
        } else {
                struct cmi_op left = *op;

                for (uint32_t i = 0; i < op->n_keys; i++) {
                        stamp(core, CMI_PAGE_KEY, region, cmi_op_next(&left.keys), seq);
                }
                for (uint32_t i = 0; i < op->n_tags; i++) {
                        stamp(core, CMI_PAGE_TAG, region, cmi_op_next(&left.tags), seq);
                }
        }
        cmi_page_publish(&core->page, seq);
        hold_apply(core, region, op);
}

/* Sessions have a table of slots for all spaces, and copies of all of them are kept in one region:
 * without that nobody here keeps any. */
static void apply_sessions(struct core *core, const struct cmi_op *op)
{
        struct cmi_slice name = cmi_slice(CMI_SESSION_REGION, strlen(CMI_SESSION_REGION));
        bool is_all = op->kind == CMI_OP_SESSION_TAKEN || op->n_keys > core->page.session_mask / 8;
        uint32_t region = is_all ? region_find(core, name) : NONE;
        uint64_t seq = cmi_page_begin(&core->page);
        struct cmi_op left = *op;

        if (region != NONE) {
                cmi_page_stamp_region(&core->page, region, seq);
        }
        for (uint32_t i = 0; !is_all && i < op->n_keys; i++) {
                cmi_page_stamp_session(&core->page, cmi_op_next(&left.keys).data, seq);
        }
        cmi_page_publish(&core->page, seq);
}

static void apply_stamps(struct core *core, const struct cmi_op *op, struct cmi_slice bytes,
                const struct member *source, uint64_t number)
{
        if (op->kind == CMI_OP_INVALIDATE) {
                apply_invalidate(core, op);
        } else if (op->kind == CMI_OP_INTENT_BEGIN) {
                core->counters.intents_begun++;
                intent_begin(core, source, number, op, bytes);
        } else if (op->kind == CMI_OP_INTENT_END) {
                intent_end(core, op);
                if (!MUTANT(INTENT_END_UNSTAMPED)) {
                        apply_invalidate(core, op);
                }
        } else if (cmi_op_is_of_sessions(op)) {
                apply_sessions(core, op);
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
