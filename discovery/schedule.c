/* SPDX-License-Identifier: MIT */
#include "discovery/schedule.h"

#include "base/time.h"

static void draw_factor(struct schedule *schedule)
{
        uint64_t drawn = cmi_random_up_to(&schedule->random, 2 * SCHEDULE_JITTER_PERCENT);

        schedule->factor_percent = (uint32_t)(100 - SCHEDULE_JITTER_PERCENT + drawn);
}

void schedule_init(struct schedule *schedule, uint64_t seed, uint64_t now_ns)
{
        *schedule = (struct schedule){.random = seed, .n_burst = SCHEDULE_BURST};
        schedule->last_ns = now_ns;
        draw_factor(schedule);
}

void schedule_restart(struct schedule *schedule, uint64_t now_ns)
{
        if (schedule->n_burst == 0) {
                schedule->n_burst = SCHEDULE_BURST;
                schedule->last_ns = now_ns;
        }
}

uint64_t schedule_deadline(const struct schedule *schedule, bool is_missing)
{
        uint64_t interval_ms = is_missing ? SCHEDULE_MISSING_MS : SCHEDULE_COMPLETE_MS;

        if (schedule->n_burst == SCHEDULE_BURST) {
                return schedule->last_ns;
        }
        if (schedule->n_burst > 0) {
                interval_ms = SCHEDULE_BURST_MS;
        }
        return schedule->last_ns + cmi_ms(interval_ms) * schedule->factor_percent / 100;
}

int schedule_due(struct schedule *schedule, bool is_missing, uint64_t now_ns)
{
        if (now_ns < schedule_deadline(schedule, is_missing)) {
                return 0;
        }
        schedule->last_ns = now_ns;
        if (schedule->n_burst > 0) {
                schedule->n_burst--;
        }
        draw_factor(schedule);
        return 1;
}
