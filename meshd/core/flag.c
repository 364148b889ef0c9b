/* SPDX-License-Identifier: MIT */
/*
 * Flags of slots: how many reasons there are for which nothing of a slot may be served or stored
 * (intent.c and hold.c have them), so that the last one takes the flag away. It knows neither
 * when a reason began nor when it is over.
 *
 * An open-addressed table by the slots' names; a count of 0 ends a probe.
 */
#include "meshd/core/state.h"

#define MASK (FLAG_BUCKETS - 1)

static_assert(FLAG_BUCKETS * 2 / 3 >= CORE_INTENTS_MAX * CMI_INTENT_TARGETS_MAX + HOLDS_MAX,
                "the counts have room");

static uint32_t home_of(uint32_t name)
{
        return (name * UINT32_C(2654435769)) >> (32 - FLAG_BITS);
}

struct flag *flag_find(struct core *core, uint32_t name)
{
        uint32_t bucket = home_of(name);

        while (core->flags[bucket].n != 0 && core->flags[bucket].name != name) {
                bucket = (bucket + 1) & MASK;
        }
        return &core->flags[bucket];
}

/* What had to go past it moves back. Source: Knuth, TAOCP 6.4, algorithm R. */
static void empty(struct core *core, struct flag *flag)
{
        uint32_t hole = (uint32_t)(flag - core->flags);
        uint32_t at = hole;

        for (;;) {
                uint32_t home;

                at = (at + 1) & MASK;
                if (core->flags[at].n == 0) {
                        break;
                }
                home = home_of(core->flags[at].name);
                if (((at - home) & MASK) >= ((at - hole) & MASK)) {
                        core->flags[hole] = core->flags[at];
                        hole = at;
                }
        }
        core->flags[hole] = (struct flag){0};
}

void flag_raise(struct core *core, struct apply_target target, uint64_t seq)
{
        struct flag *flag = flag_find(core, target.name);

        flag->name = target.name;
        flag->n++;
        cmi_page_stamp_flag(target.slot, seq, true);
}

void flag_lower(struct core *core, struct apply_target target, uint64_t seq)
{
        struct flag *flag = flag_find(core, target.name);

        if (flag->n > 1) {
                flag->n--;
                cmi_page_stamp_flag(target.slot, seq, true);
                return;
        }
        if (flag->n == 1) {
                empty(core, flag);
        }
        cmi_page_stamp_flag(target.slot, seq, false);
}
