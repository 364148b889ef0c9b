/* SPDX-License-Identifier: MIT */
/*
 * How long something has to be known. What is over is decided by UTC and by the clock that nobody
 * sets, whichever is later: a clock that was wrong for a while has made nothing go.
 */
#include "meshd/session/state.h"

static uint64_t margin_ms(const struct store *store)
{
        return SESSION_MUTANT(TOMBSTONE_WITHOUT_MARGIN) ? 0 : store->options.margin_ms;
}

void life_extend(struct life *life, struct cmi_time now, uint64_t until_ms)
{
        life->until_ms = later(life->until_ms, until_ms);
        life->until_ns = later(life->until_ns, due_at_ns(now, until_ms));
}

bool life_is_over(const struct store *store, const struct life *life, struct cmi_time now)
{
        return now.mono_ns >= life_due_ns(store, life, now);
}

bool life_is_told(const struct store *store, const struct life *life, struct cmi_time now)
{
        return utc_ms(now) < life->until_ms + margin_ms(store) ||
               (now.mono_ns < life->until_ns && !SESSION_MUTANT(UNTOLD_BY_CLOCK));
}

uint64_t life_due_ns(const struct store *store, const struct life *life, struct cmi_time now)
{
        uint64_t by_utc_ns = due_at_ns(now, life->until_ms + margin_ms(store));

        if (SESSION_MUTANT(FORGOTTEN_BY_CLOCK)) {
                return by_utc_ns;
        }
        return later(by_utc_ns, life->until_ns + cmi_ms(margin_ms(store)));
}

uint64_t life_end_max_ms(const struct store *store, struct cmi_time now, uint64_t n_margins)
{
        return utc_ms(now) + store->options.life_max_ms + n_margins * store->options.margin_ms;
}
