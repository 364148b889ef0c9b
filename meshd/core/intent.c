/* SPDX-License-Identifier: MIT */
/*
 * Write intents: which are open here, and which slots they keep flagged. An intent is {stream,
 * number of its INTENT_BEGIN}; it is opened by the stream, or by being told by a member whose
 * stream is joined, and closed once: by its INTENT_END, or at its deadline, which each node counts
 * from its own receipt. No death closes it: an app that was killed may have sent its COMMIT.
 * Whatever closes it stamps its slots, so what was loaded while it was open is dead.
 *
 * Where no more fit, nothing at all is served or stored, in regions of any kind: the floor of the
 * page is flagged until the last one that found no room is over.
 */
#include "meshd/core/state.h"

#include <assert.h>
#include <errno.h>

#define INTENTS_MAGIC UINT64_C(0x31746e69206d63) /* "cm int1" */
#define INTENTS_VERSION 3
#define DEADLINE_MAX_NS (CMI_INTENT_MS_MAX * CMI_NS_PER_MS)

static bool is_open(const struct intent_record *record)
{
        return atomic_load_explicit(&record->is_open, memory_order_relaxed) != 0;
}

static uint64_t deadline_of(const struct intent_record *record)
{
        return atomic_load_explicit(&record->deadline_ns, memory_order_relaxed);
}

static struct cmi_op op_of(const struct intent_record *record)
{
        struct cmi_op op = {0};
        int r = cmi_op_decode(cmi_slice(record->op, record->op_len), &op);

        assert(r == 0);
        (void)r;
        return op;
}

enum change {
        CHANGE_FLAG = 1,
        CHANGE_CLEAR = 2,
};

static void change_slot(
                struct core *core, struct apply_target target, enum change change, uint64_t seq)
{
        if (change == CHANGE_FLAG) {
                flag_raise(core, target, seq);
        } else {
                flag_lower(core, target,
                                MUTANT(INTENT_END_UNSTAMPED)
                                                ? atomic_load_explicit(target.slot,
                                                                  memory_order_relaxed) &
                                                                  ~CMI_PAGE_INTENT_FLAG
                                                : seq);
        }
}

static void change_slots(struct core *core, uint32_t region, struct cmi_op op, enum change change)
{
        uint64_t seq = cmi_page_begin(&core->page);

        for (uint32_t i = 0; i < op.n_keys; i++) {
                change_slot(core, apply_target(core, CMI_PAGE_KEY, region, cmi_op_next(&op.keys)),
                                change, seq);
        }
        for (uint32_t i = 0; i < op.n_tags; i++) {
                change_slot(core, apply_target(core, CMI_PAGE_TAG, region, cmi_op_next(&op.tags)),
                                change, seq);
        }
        cmi_page_publish(&core->page, seq);
}

/* The index is held while slots that were found by it are flagged. A region without an index has no
 * entries here; it gets the flags with one: intent_region(). */
static void flag(struct core *core, uint32_t index)
{
        struct cmi_op op = op_of(&core->intents->memory->records[index]);
        uint32_t region = region_find(core, op.region);

        core->intents->regions[index] = region;
        if (region != NONE) {
                core_region_hold(core, region);
                change_slots(core, region, op, CHANGE_FLAG);
        }
}

static void close_intent(struct core *core, uint32_t index)
{
        struct intent_record *record = &core->intents->memory->records[index];
        uint32_t region = core->intents->regions[index];

        if (region != NONE) {
                change_slots(core, region, op_of(record), CHANGE_CLEAR);
                core_region_drop(core, region);
        }
        atomic_store_explicit(&record->is_open, 0, memory_order_release);
        core->intents->n_open--;
        core->intents->n_own -= core->intents->is_own[index];
}

static uint32_t find(const struct core *core, uint64_t stream, uint64_t number)
{
        const struct intent_table *table = core->intents;

        for (uint32_t i = 0; table->n_open > 0 && i < table->limit; i++) {
                const struct intent_record *record = &table->memory->records[i];

                if (is_open(record) && record->stream == stream && record->number == number) {
                        return i;
                }
        }
        return NONE;
}

static uint32_t find_free(const struct core *core)
{
        for (uint32_t i = 0; i < CORE_INTENTS_MAX; i++) {
                if (!is_open(&core->intents->memory->records[i])) {
                        return i;
                }
        }
        return NONE;
}

/* Clocks of two nodes differ in rate: no node may be over with it before its owner is. */
static uint64_t end_of(const struct core *core, struct cmi_time now, uint64_t left_ns)
{
        if (left_ns > DEADLINE_MAX_NS + core_drift_ns(core, DEADLINE_MAX_NS) * 4) {
                left_ns = DEADLINE_MAX_NS + core_drift_ns(core, DEADLINE_MAX_NS) * 4;
        }
        return now.mono_ns + left_ns + core_drift_ns(core, left_ns) + CMI_NS_PER_MS;
}

static void flag_floor(struct core *core, bool is_flagged)
{
        uint64_t seq = cmi_page_begin(&core->page);

        cmi_page_flag_floor(&core->page, seq, is_flagged);
        cmi_page_publish(&core->page, seq);
}

static void overflow(struct core *core, struct cmi_time now, uint64_t end_ns)
{
        struct intent_memory *memory = core->intents->memory;

        flag_floor(core, true);
        if (end_ns > atomic_load_explicit(&memory->overflow_ns, memory_order_relaxed)) {
                atomic_store_explicit(&memory->overflow_ns, end_ns, memory_order_release);
        }
        core->counters.intents_refused++;
        lease_update(core, now);
}

/* One that is known already lasts as long as the later of what two members say. */
static uint32_t add(struct core *core, struct cmi_time now, const struct cmi_intent *intent)
{
        struct intent_table *table = core->intents;
        uint32_t index = find(core, intent->stream, intent->number);
        uint64_t end_ns = end_of(core, now, intent->left_ns);
        struct intent_record *record;

        if (index != NONE) {
                record = &table->memory->records[index];
                if (end_ns > deadline_of(record)) {
                        atomic_store_explicit(&record->deadline_ns, end_ns, memory_order_relaxed);
                }
                return index;
        }
        index = find_free(core);
        if (index == NONE) {
                overflow(core, now, end_ns);
                return NONE;
        }
        record = &table->memory->records[index];
        record->stream = intent->stream;
        record->number = intent->number;
        record->origin = intent->origin;
        record->begun_ns = now.mono_ns;
        record->op_len = intent->op.len;
        memcpy(record->op, intent->op.data, intent->op.len);
        atomic_store_explicit(&record->deadline_ns, end_ns, memory_order_relaxed);
        atomic_store_explicit(&record->is_open, 1, memory_order_release);
        table->regions[index] = NONE;
        table->owners[index] = 0;
        table->is_own[index] = intent->stream == log_stream(core->log);
        table->n_own += table->is_own[index];
        table->n_open++;
        if (index >= table->limit) {
                table->limit = index + 1;
        }
        return index;
}

/* Those of the process before */

static bool is_intact(const struct intent_record *record)
{
        struct cmi_op op;

        return record->op_len <= CMI_INTENT_SIZE_MAX && record->stream != 0 &&
               cmi_op_decode(cmi_slice(record->op, record->op_len), &op) == 0 &&
               op.kind == CMI_OP_INTENT_BEGIN;
}

/* Not in the log: the process died before anybody could learn of it. */
static bool is_known(const struct core *core, const struct intent_record *record)
{
        return record->stream != log_stream(core->log) || record->number <= log_newest(core->log);
}

static void take_over(struct core *core, struct cmi_time now)
{
        struct intent_table *table = core->intents;
        uint64_t latest = end_of(core, now, UINT64_MAX);

        for (uint32_t i = 0; i < CORE_INTENTS_MAX; i++) {
                struct intent_record *record = &table->memory->records[i];

                if (!is_open(record)) {
                        continue;
                }
                if (!is_intact(record) || !is_known(core, record) || MUTANT(INTENT_NOT_DURABLE)) {
                        table->is_damaged |= !is_intact(record);
                        record->is_open = 0;
                        continue;
                }
                if (deadline_of(record) > latest) {
                        record->deadline_ns = latest; /* the host was started anew */
                }
                record->begun_ns = record->begun_ns < now.mono_ns ? record->begun_ns : now.mono_ns;
                table->regions[i] = NONE;
                table->is_own[i] = record->stream == log_stream(core->log);
                table->n_own += table->is_own[i];
                table->n_open++;
                table->limit = i + 1;
        }
        if (table->memory->overflow_ns > latest) {
                table->memory->overflow_ns = latest;
        }
        if (table->memory->overflow_ns != 0) {
                flag_floor(core, true);
        }
}

void intent_open(struct core *core, struct intent_memory *memory, struct cmi_time now)
{
        struct intent_table *table = core->intents;

        table->memory = memory;
        table->is_damaged = false;
        if (memory->magic != INTENTS_MAGIC || memory->version != INTENTS_VERSION ||
                        !cmi_id_equal(&memory->node_id, &core->options.node_id)) {
                /* A new file is all zero, and one of another node has an empty log now. */
                table->is_damaged = log_newest(core->log) != 0 ||
                                    (memory->magic != 0 && memory->magic != INTENTS_MAGIC);
                memory->magic = 0;
                for (uint32_t i = 0; i < CORE_INTENTS_MAX; i++) {
                        memory->records[i].is_open = 0;
                }
                memory->overflow_ns = 0;
                memory->holds = (struct hold_ends){0};
                memory->version = INTENTS_VERSION;
                memory->node_id = core->options.node_id;
                atomic_signal_fence(memory_order_seq_cst);
                memory->magic = INTENTS_MAGIC;
        }
        take_over(core, now);
        hold_open(core, now);
}

/* Opening and closing */

int intent_prepare(struct core *core, struct cmi_time now, const struct cmi_op *op,
                struct cmi_slice bytes, uint64_t owner)
{
        struct intent_table *table = core->intents;
        const struct cmi_intent intent = {
                        .origin = core->options.node_id,
                        .stream = log_stream(core->log),
                        .number = log_newest(core->log) + 1,
                        .left_ns = op->deadline_ms * CMI_NS_PER_MS,
                        .op = bytes,
        };
        uint32_t index;

        if (table->n_open == CORE_INTENTS_MAX || table->n_own >= CORE_INTENTS_OWN_MAX) {
                return -ENOSPC;
        }
        index = add(core, now, &intent);
        assert(index != NONE);
        table->owners[index] = owner;
        return 0;
}

void intent_begin(struct core *core, const struct member *source, uint64_t number,
                const struct cmi_op *op, struct cmi_slice bytes)
{
        const struct cmi_intent intent = {
                        .origin = source ? source->id : core->options.node_id,
                        .stream = source ? source->stream : log_stream(core->log),
                        .number = number,
                        .left_ns = op->deadline_ms * CMI_NS_PER_MS,
                        .op = bytes,
        };
        uint32_t index = add(core, core->last_call, &intent);

        if (index != NONE && core->intents->regions[index] == NONE) {
                flag(core, index);
        }
}

bool intent_is_open(const struct core *core, const struct cmi_op *op)
{
        return find(core, op->stream, op->number) != NONE;
}

void intent_end(struct core *core, const struct cmi_op *op)
{
        uint32_t index = find(core, op->stream, op->number);

        if (index != NONE) {
                close_intent(core, index);
        } else if (MUTANT(INTENT_LATE_END_TWICE) && region_find(core, op->region) != NONE) {
                change_slots(core, region_find(core, op->region), *op, CHANGE_CLEAR);
        }
}

static void expire(struct core *core, uint32_t index)
{
        const struct intent_record *record = &core->intents->memory->records[index];
        const struct member *member = member_find(core, &record->origin);
        struct cmi_op op = op_of(record);
        uint32_t region = core->intents->regions[index];
        struct core_event event = {
                        .kind = CORE_EVENT_EXPIRED,
                        .id = record->origin,
                        .name = core->intents->is_own[index] ? core->name
                                : member                     ? member->name
                                                             : "",
                        .number = record->number,
                        .op = &op,
        };

        close_intent(core, index);
        hold_apply(core, region, &op);
        core->counters.intents_expired++;
        core->sink.event(core->sink.context, &event);
}

void intent_tick(struct core *core, struct cmi_time now)
{
        struct intent_table *table = core->intents;
        uint64_t overflow_ns =
                        atomic_load_explicit(&table->memory->overflow_ns, memory_order_relaxed);

        for (uint32_t i = 0; table->n_open > 0 && i < table->limit; i++) {
                const struct intent_record *record = &table->memory->records[i];

                if (is_open(record) && deadline_of(record) <= now.mono_ns) {
                        expire(core, i);
                }
        }
        if (table->n_open == 0) {
                table->limit = 0;
        }
        if (overflow_ns != 0 && overflow_ns <= now.mono_ns) {
                flag_floor(core, false);
                apply_forget(core, NULL, "more write intents were open than have room here");
                atomic_store_explicit(&table->memory->overflow_ns, 0, memory_order_release);
        }
}

uint64_t intent_next_ns(const struct core *core)
{
        const struct intent_table *table = core->intents;
        uint64_t overflow_ns =
                        atomic_load_explicit(&table->memory->overflow_ns, memory_order_relaxed);
        uint64_t next = overflow_ns == 0 ? NEVER : overflow_ns;

        for (uint32_t i = 0; table->n_open > 0 && i < table->limit; i++) {
                const struct intent_record *record = &table->memory->records[i];

                if (is_open(record) && deadline_of(record) < next) {
                        next = deadline_of(record);
                }
        }
        return next;
}

bool intent_has_overflown(const struct core *core)
{
        return atomic_load_explicit(&core->intents->memory->overflow_ns, memory_order_relaxed) != 0;
}

void intent_region(struct core *core, uint32_t region)
{
        struct intent_table *table = core->intents;

        for (uint32_t i = 0; table->n_open > 0 && i < table->limit; i++) {
                struct intent_record *record = &table->memory->records[i];
                struct cmi_op op;

                if (!is_open(record) || table->regions[i] != NONE) {
                        continue;
                }
                op = op_of(record);
                if (cmi_slice_equal(op.region, core_region_name(core, region))) {
                        flag(core, i);
                }
        }
}

void intent_death(struct core *core, uint64_t stream)
{
        for (uint32_t i = 0; i < core->intents->limit; i++) {
                const struct intent_record *record = &core->intents->memory->records[i];

                if (is_open(record) && record->stream == stream) {
                        close_intent(core, i);
                }
        }
}

/* Telling others, and being told */

uint32_t intent_count(const struct core *core)
{
        return MUTANT(INTENT_UNTOLD) ? 0 : core->intents->n_open;
}

uint32_t intent_write(const struct core *core, struct cmi_time now, uint32_t from,
                struct cmi_intent *ret_intent)
{
        const struct intent_table *table = core->intents;

        for (uint32_t i = from; i < table->limit && !MUTANT(INTENT_UNTOLD); i++) {
                const struct intent_record *record = &table->memory->records[i];

                if (!is_open(record)) {
                        continue;
                }
                *ret_intent = (struct cmi_intent){
                                .origin = record->origin,
                                .stream = record->stream,
                                .number = record->number,
                                .left_ns = deadline_of(record) > now.mono_ns
                                                           ? deadline_of(record) - now.mono_ns
                                                           : 0,
                                .op = cmi_slice(record->op, record->op_len),
                };
                return i + 1;
        }
        return 0;
}

/* Has its place in a stream been passed here? Then it is open here, or was closed. */
static bool is_passed(const struct core *core, const struct cmi_intent *intent)
{
        if (intent->stream == log_stream(core->log)) {
                return intent->number <= log_newest(core->log);
        }
        for (uint32_t i = 0; i < core->member_limit; i++) {
                const struct member *member = &core->members[i];

                if (member->is_used && member->stream == intent->stream &&
                                member->applied >= intent->number) {
                        return true;
                }
        }
        return false;
}

void intent_told(struct core *core, struct cmi_time now, const struct cmi_intent *intent,
                uint64_t mark)
{
        uint32_t index = find(core, intent->stream, intent->number);

        if (index == NONE && !is_passed(core, intent)) {
                index = add(core, now, intent);
                if (index != NONE) {
                        flag(core, index);
                }
        }
        if (index != NONE) {
                core->intents->marks[index] = mark;
        }
}

/* The origin has told all that are open of its stream up to @number: the others are closed. */
void intent_settle(struct core *core, uint64_t stream, uint64_t number, uint64_t mark)
{
        struct intent_table *table = core->intents;

        for (uint32_t i = 0; table->n_open > 0 && i < table->limit; i++) {
                const struct intent_record *record = &table->memory->records[i];

                if (is_open(record) && record->stream == stream && record->number <= number &&
                                (mark == 0 || table->marks[i] != mark)) {
                        close_intent(core, i);
                }
        }
}

/* Looking in */

uint32_t core_intents_of(const struct core *core, uint64_t owner)
{
        uint32_t n = 0;

        for (uint32_t i = 0; i < core->intents->limit; i++) {
                n += is_open(&core->intents->memory->records[i]) &&
                     core->intents->owners[i] == owner;
        }
        return n;
}

bool core_intents_are_damaged(const struct core *core)
{
        return core->intents->is_damaged;
}

bool core_intent(const struct core *core, uint32_t *at, struct core_intent *ret_intent)
{
        const struct intent_table *table = core->intents;

        for (; *at < table->limit; (*at)++) {
                const struct intent_record *record = &table->memory->records[*at];

                if (!is_open(record)) {
                        continue;
                }
                *ret_intent = (struct core_intent){
                                .origin = record->origin,
                                .place = {record->stream, record->number},
                                .owner = table->owners[*at],
                                .begun_ns = record->begun_ns,
                                .deadline_ns = deadline_of(record),
                                .op = op_of(record),
                };
                (*at)++;
                return true;
        }
        return false;
}
