/* SPDX-License-Identifier: MIT */
/*
 * Holds: slots that stay flagged for a while after an invalidation, since the region is filled from
 * a source that lags behind (hold_ms of its options). A hold has no owner and no place in a stream;
 * it is counted on each node from the receipt of the operation that carried it, and its end stamps
 * the slot, so what was loaded meanwhile is dead.
 *
 * Two holds of a slot are one, until the later end. Where no more fit that region is held as a
 * whole of which most is held, so that it is not the others who pay for it.
 * Of operations that did not come here, or were for regions without an index, only the latest end
 * for each region is known (hold_ends.c): if it gets an index before that, it is held whole.
 *
 * Of others not even that is known: whoever published them is dead, or lost his log. So when it is
 * forgotten what was cached, for something may have been missed, each region is held whole for as
 * long as its apps, or operations on it, have said that its source may lag behind.
 *
 * Ends are rounded up to a grid, so that however many are running, they are looked through at most
 * sixty times a second.
 */
#include "meshd/core/state.h"

#define GRID_NS (16 * CMI_NS_PER_MS)
#define MAX_NS (CMI_HOLD_MS_MAX * CMI_NS_PER_MS)

static uint64_t end_of(struct cmi_time now, uint64_t hold_ns)
{
        return (now.mono_ns + hold_ns + GRID_NS) / GRID_NS * GRID_NS;
}

static bool is_held(struct core *core, struct apply_target target)
{
        const struct flag *flag = flag_find(core, target.name);

        return flag->n > 0 && flag->hold > 0;
}

/* It counts for its region while it is of no other one. */
static void disown(struct hold_table *table, struct hold *hold)
{
        if (hold->region != NONE) {
                table->n_of[hold->region]--;
                hold->region = NONE;
        }
}

static void hold_slot(struct core *core, uint32_t region, struct apply_target target, uint64_t seq,
                uint64_t end_ns)
{
        struct hold_table *table = core->holds;
        struct hold *hold;

        if (is_held(core, target)) {
                hold = &table->holds[flag_find(core, target.name)->hold - 1];
                cmi_page_stamp_flag(target.slot, seq, true);
                if (hold->region != region) {
                        disown(table, hold);
                }
        } else {
                flag_raise(core, target, seq);
                hold = &table->holds[table->n++];
                *hold = (struct hold){.name = target.name, .region = region};
                flag_find(core, target.name)->hold = table->n;
                if (region != NONE) {
                        table->n_of[region]++;
                }
        }
        if (end_ns > hold->end_ns) {
                hold->end_ns = end_ns;
        }
        if (table->next_ns == 0 || end_ns < table->next_ns) {
                table->next_ns = end_ns;
        }
}

static void hold_region(struct core *core, uint32_t region, uint64_t end_ns)
{
        uint64_t seq = cmi_page_begin(&core->page);

        hold_slot(core, NONE, apply_region_target(core, region), seq, end_ns);
        cmi_page_publish(&core->page, seq);
}

static void hold_list(struct core *core, enum cmi_page_kind kind, uint32_t region,
                struct cmi_reader list, uint32_t n, uint64_t end_ns)
{
        uint64_t seq = cmi_page_begin(&core->page);

        for (uint32_t i = 0; i < n; i++) {
                hold_slot(core, region, apply_target(core, kind, region, cmi_op_next(&list)), seq,
                                end_ns);
        }
        cmi_page_publish(&core->page, seq);
}

/* The last one takes its place. */
static void end(struct core *core, uint32_t index, uint64_t seq)
{
        struct hold_table *table = core->holds;
        struct apply_target target = {
                        apply_named(core, table->holds[index].name), table->holds[index].name};

        disown(table, &table->holds[index]);
        flag_find(core, target.name)->hold = 0;
        table->holds[index] = table->holds[--table->n];
        if (index < table->n) {
                flag_find(core, table->holds[index].name)->hold = index + 1;
        }
        flag_lower(core, target,
                        MUTANT(HOLD_END_UNSTAMPED)
                                        ? atomic_load_explicit(target.slot, memory_order_relaxed) &
                                                          ~CMI_PAGE_INTENT_FLAG
                                        : seq);
}

static void tell_widened(struct core *core, uint32_t region)
{
        const struct core_event event = {
                        .kind = CORE_EVENT_WIDENED,
                        .name = "",
                        .number = region,
                        .region = core_region_name(core, region),
        };

        core->sink.event(core->sink.context, &event);
}

/* The region is held until the last of its keys and tags would be, and @end_ns, instead of these.
 * Slots that it shares with other regions stay held. */
static void widen(struct core *core, uint32_t region, uint64_t end_ns)
{
        struct hold_table *table = core->holds;
        bool is_new = !is_held(core, apply_region_target(core, region));
        uint64_t latest = end_ns;
        uint64_t seq;

        for (uint32_t i = 0; i < table->n; i++) {
                const struct hold *hold = &table->holds[i];

                latest = hold->region == region && hold->end_ns > latest ? hold->end_ns : latest;
        }
        hold_region(core, region, latest);
        seq = cmi_page_begin(&core->page);
        for (uint32_t i = table->n; i > 0; i--) {
                if (table->holds[i - 1].region == region) {
                        end(core, i - 1, seq);
                }
        }
        cmi_page_publish(&core->page, seq);
        core->counters.holds_widened++;
        if (is_new) {
                tell_widened(core, region);
        }
}

/* The region of which most is held, @n of this one too. */
static uint32_t find_largest(const struct core *core, uint32_t region, uint32_t n)
{
        uint32_t largest = region;
        uint32_t most = core->holds->n_of[region] + n;

        for (uint32_t i = 0; i < core->n_regions; i++) {
                if (core->holds->n_of[i] > most) {
                        most = core->holds->n_of[i];
                        largest = i;
                }
        }
        return largest;
}

/* For so many of this region. False: it was the largest, and is held as a whole. */
static bool make_room(struct core *core, uint32_t region, uint32_t n, uint64_t end_ns)
{
        while (core->holds->n + n > core->options.holds_max) {
                uint32_t largest = find_largest(core, region, n);

                widen(core, largest, largest == region ? end_ns : 0);
                if (largest == region) {
                        return false;
                }
        }
        return true;
}

static void lengthen(struct region *region, uint64_t hold_ms)
{
        if (hold_ms > region->hold_ms) {
                region->hold_ms = hold_ms < CMI_HOLD_MS_MAX ? hold_ms : CMI_HOLD_MS_MAX;
        }
}

void hold_apply(struct core *core, uint32_t region, const struct cmi_op *op)
{
        uint64_t end_ns = end_of(core->last_call, op->hold_ms * CMI_NS_PER_MS);

        if (op->hold_ms == 0) {
                return;
        }
        core->counters.holds++;
        if (region == NONE || !MUTANT(HOLD_INDEX_LOST)) {
                hold_ends_note(core, region_options_name(op), end_ns);
        }
        if (region == NONE) {
                return;
        }
        lengthen(&core->regions[region], op->hold_ms);
        if (op->is_whole_region) {
                hold_region(core, region, end_ns);
        } else if (make_room(core, region, op->n_keys + op->n_tags, end_ns)) {
                hold_list(core, CMI_PAGE_KEY, region, op->keys, op->n_keys, end_ns);
                hold_list(core, CMI_PAGE_TAG, region, op->tags, op->n_tags, end_ns);
        }
}

/* What was missed last may have held it from then on. */
static void hold_for_missed(struct core *core, uint32_t index)
{
        const struct region *region = &core->regions[index];
        uint64_t hold_ns = region->hold_ms * CMI_NS_PER_MS;
        uint64_t end_ns = end_of(core->missed, hold_ns);

        if (hold_ns > 0 && core->missed.mono_ns != 0 && end_ns > core->last_call.mono_ns) {
                hold_ends_note(core, region->hash, end_ns);
                hold_region(core, index, end_ns);
        }
}

void hold_missed(struct core *core, struct cmi_time now)
{
        if (MUTANT(HOLD_MISSED)) {
                return;
        }
        core->missed = now;
        for (uint32_t i = 0; i < core->n_regions; i++) {
                hold_for_missed(core, i);
        }
}

void hold_named(struct core *core, uint32_t region, uint64_t hold_ms)
{
        if (hold_ms != CMI_HOLD_UNTOLD && hold_ms > core->regions[region].hold_ms) {
                lengthen(&core->regions[region], hold_ms);
                hold_for_missed(core, region);
        }
}

/* For how long is this region held by what was told? */
static uint64_t told_ms(const struct cmi_reset *reset, uint64_t region)
{
        uint64_t longest = reset->n_holds == 0 ? reset->hold_ms : 0;

        for (uint32_t i = 0; i < reset->n_holds; i++) {
                const struct cmi_hold *told = &reset->holds[i];

                if ((told->region == region || told->region == 0) && told->left_ms > longest) {
                        longest = told->left_ms;
                }
        }
        return longest;
}

static uint64_t told_end_of(struct cmi_time now, uint64_t left_ms)
{
        uint64_t bounded_ms = left_ms < CMI_HOLD_MS_MAX ? left_ms : CMI_HOLD_MS_MAX;

        return left_ms == 0 ? 0 : end_of(now, bounded_ms * CMI_NS_PER_MS);
}

void hold_told(struct core *core, struct cmi_time now, const struct cmi_reset *reset)
{
        if (reset->n_holds == 0) {
                hold_ends_note(core, 0, told_end_of(now, reset->hold_ms));
        }
        for (uint32_t i = 0; i < reset->n_holds; i++) {
                hold_ends_note(core, reset->holds[i].region,
                                told_end_of(now, reset->holds[i].left_ms));
        }
        for (uint32_t i = 0; i < core->n_regions; i++) {
                uint64_t end_ns = told_end_of(now, told_ms(reset, core->regions[i].hash));

                if (end_ns != 0) {
                        hold_region(core, i, end_ns);
                }
        }
}

void hold_region_opened(struct core *core, uint32_t region)
{
        uint64_t end_ns = hold_ends_of(core, core->regions[region].hash);

        if (end_ns > core->last_call.mono_ns) {
                hold_region(core, region, end_ns);
        }
}

/* Beyond the limit: the host was started anew. */
void hold_open(struct core *core, struct cmi_time now)
{
        hold_ends_open(core, end_of(now, MAX_NS));
}

void hold_tick(struct core *core, struct cmi_time now)
{
        struct hold_table *table = core->holds;
        uint64_t next = NEVER;
        uint64_t seq;

        if (table->n == 0 || table->next_ns > now.mono_ns) {
                return;
        }
        seq = cmi_page_begin(&core->page);
        for (uint32_t i = table->n; i > 0; i--) {
                uint64_t end_ns = table->holds[i - 1].end_ns;

                if (end_ns <= now.mono_ns) {
                        end(core, i - 1, seq);
                } else if (end_ns < next) {
                        next = end_ns;
                }
        }
        table->next_ns = table->n > 0 ? next : 0;
        cmi_page_publish(&core->page, seq);
}

uint64_t hold_next_ns(const struct core *core)
{
        return core->holds->n > 0 ? core->holds->next_ns : NEVER;
}
