/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Schedule: when this node sends its beacon. Five within the first second, then one about every
 * second while someone is missing, else about every five seconds, each interval drawn from +-20 %
 * so that nodes that started together drift apart. It reads no clock and sends nothing. All times
 * are nanoseconds of one monotonic clock.
 *
 *     START --(fifth beacon)--> STEADY --schedule_restart()--> START
 */
#include "base/random.h"

#include <stdbool.h>
#include <stdint.h>

enum schedule_number {
        SCHEDULE_BURST = 5,           /* beacons in the first second */
        SCHEDULE_BURST_MS = 200,      /* apart */
        SCHEDULE_MISSING_MS = 1000,   /* apart while someone is missing */
        SCHEDULE_COMPLETE_MS = 5000,  /* apart when nobody is */
        SCHEDULE_JITTER_PERCENT = 20, /* each way */
};

struct schedule {
        uint64_t random;
        uint64_t last_ns;        /* when the newest beacon was sent, or the burst began */
        uint32_t factor_percent; /* of the interval after it: 80 to 120 */
        uint32_t n_burst;        /* beacons of the burst that are still to be sent */
};

/**
 * schedule_init() - begin with a burst, whose first beacon is due at once
 * @schedule: to set up
 * @seed:     random, different on each node
 * @now_ns:   start
 */
void schedule_init(struct schedule *schedule, uint64_t seed, uint64_t now_ns);

/**
 * schedule_restart() - begin a burst anew, as after a network came (back) up
 * @schedule: initialized
 * @now_ns:   its first beacon is due now
 *
 * Changes nothing during a burst, so that a flapping interface cannot make
 * more than one out of many.
 */
void schedule_restart(struct schedule *schedule, uint64_t now_ns);

/**
 * schedule_deadline() - when the next beacon is due
 * @schedule:   initialized
 * @is_missing: whether a known node has no link, or no node is known
 *
 * Return: a time, which may lie in the past. It comes nearer when @is_missing becomes true.
 */
uint64_t schedule_deadline(const struct schedule *schedule, bool is_missing);

/**
 * schedule_due() - whether to send a beacon now
 * @schedule:   initialized
 * @is_missing: as for schedule_deadline()
 * @now_ns:     now
 *
 * A caller that comes late gets one beacon for all that it missed.
 *
 * Return: 1 once for each beacon that is to be sent, else 0.
 */
int schedule_due(struct schedule *schedule, bool is_missing, uint64_t now_ns);
