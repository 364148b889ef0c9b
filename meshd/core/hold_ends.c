/* SPDX-License-Identifier: MIT */
/*
 * When the latest hold of each region ends, as far as it came here: for regions that get an index
 * before that, for the process that comes after this one, and for other nodes that missed what
 * began it. They hold these regions as a whole, and no others. What a hold does is in hold.c.
 *
 * Of so many regions as have a place each has its own time; of the others there is one for all
 * regions. A place is free when its time is over. It is in memory that outlives the process, and
 * of a process that is killed at any instruction a time is too long or lost, never too short.
 */
#include "meshd/core/state.h"

static struct hold_ends *ends_of(const struct core *core)
{
        return &core->intents->memory->holds;
}

static uint64_t load(const _Atomic uint64_t *time)
{
        return atomic_load_explicit(time, memory_order_relaxed);
}

static void lengthen(_Atomic uint64_t *time, uint64_t end_ns)
{
        if (end_ns > load(time)) {
                atomic_store_explicit(time, end_ns, memory_order_release);
        }
}

static void cut(_Atomic uint64_t *time, uint64_t limit_ns)
{
        if (load(time) > limit_ns) {
                atomic_store_explicit(time, limit_ns, memory_order_relaxed);
        }
}

void hold_ends_open(struct core *core, uint64_t limit_ns)
{
        struct hold_ends *ends = ends_of(core);

        cut(&ends->others_ns, limit_ns);
        for (uint32_t i = 0; i < CORE_HOLD_ENDS; i++) {
                cut(&ends->named[i].end_ns, limit_ns);
        }
}

/* Place of the region, else a free one, else NONE. */
static uint32_t find(const struct core *core, uint64_t region)
{
        const struct hold_ends *ends = ends_of(core);
        uint32_t place = NONE;

        for (uint32_t i = 0; i < CORE_HOLD_ENDS; i++) {
                uint64_t end_ns = load(&ends->named[i].end_ns);

                if (end_ns != 0 && load(&ends->named[i].region) == region) {
                        return i;
                }
                if (end_ns <= core->last_call.mono_ns) {
                        place = i;
                }
        }
        return place;
}

void hold_ends_note(struct core *core, uint64_t region, uint64_t end_ns)
{
        struct hold_ends *ends = ends_of(core);
        uint32_t place = region == 0 ? NONE : find(core, region);

        if (place == NONE) {
                lengthen(&ends->others_ns, end_ns);
                return;
        }
        if (load(&ends->named[place].region) != region) {
                /* Never another region's time under this name. */
                atomic_store_explicit(&ends->named[place].end_ns, 0, memory_order_release);
                atomic_signal_fence(memory_order_seq_cst);
                atomic_store_explicit(&ends->named[place].region, region, memory_order_release);
        }
        lengthen(&ends->named[place].end_ns, end_ns);
}

uint64_t hold_ends_of(const struct core *core, uint64_t region)
{
        const struct hold_ends *ends = ends_of(core);
        uint64_t latest = load(&ends->others_ns);

        for (uint32_t i = 0; i < CORE_HOLD_ENDS; i++) {
                uint64_t end_ns = load(&ends->named[i].end_ns);

                if (load(&ends->named[i].region) == region && end_ns > latest) {
                        latest = end_ns;
                }
        }
        return latest;
}

uint64_t hold_ends_latest(const struct core *core)
{
        const struct hold_ends *ends = ends_of(core);
        uint64_t latest = load(&ends->others_ns);

        for (uint32_t i = 0; i < CORE_HOLD_ENDS; i++) {
                uint64_t end_ns = load(&ends->named[i].end_ns);

                latest = end_ns > latest ? end_ns : latest;
        }
        return latest;
}

static uint64_t left_ms(uint64_t end_ns, struct cmi_time now)
{
        return end_ns > now.mono_ns ? (end_ns - now.mono_ns + CMI_NS_PER_MS - 1) / CMI_NS_PER_MS
                                    : 0;
}

static void add(struct cmi_reset *reset, uint64_t region, uint64_t left)
{
        if (left > 0) {
                reset->holds[reset->n_holds++] = (struct cmi_hold){region, left};
        }
}

void hold_ends_write(const struct core *core, struct cmi_time now, struct cmi_reset *ret_reset)
{
        const struct hold_ends *ends = ends_of(core);

        static_assert(CORE_HOLD_ENDS + 1 <= CMI_RESET_HOLDS_MAX, "all are told");
        ret_reset->hold_ms = left_ms(hold_ends_latest(core), now);
        ret_reset->n_holds = 0;
        for (uint32_t i = 0; i < CORE_HOLD_ENDS; i++) {
                add(ret_reset, load(&ends->named[i].region),
                                left_ms(load(&ends->named[i].end_ns), now));
        }
        add(ret_reset, 0, left_ms(load(&ends->others_ns), now));
}
