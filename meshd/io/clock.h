/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The two clocks of a lease. Read after a receipt and before what is sent because of it, never
 * once for a whole turn.
 */
#include "base/time.h"

#include <time.h>

static inline uint64_t clock_read_ns(clockid_t id)
{
        struct timespec now;

        clock_gettime(id, &now);
        return (uint64_t)now.tv_sec * CMI_NS_PER_S + (uint64_t)now.tv_nsec;
}

static inline struct cmi_time clock_now(void)
{
        return (struct cmi_time){clock_read_ns(CLOCK_MONOTONIC), clock_read_ns(CLOCK_REALTIME)};
}
