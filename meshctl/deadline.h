/* SPDX-License-Identifier: MIT */
#pragma once
/* Points in time on CLOCK_MONOTONIC at which meshctl stops waiting. */
#include "base/time.h"

#include <limits.h>
#include <time.h>

#define DEADLINE_NEVER UINT64_MAX

static inline uint64_t deadline_now_ns(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * CMI_NS_PER_S + (uint64_t)now.tv_nsec;
}

static inline uint64_t deadline_in_ms(uint64_t ms)
{
        return deadline_now_ns() + cmi_ms(ms);
}

/* Milliseconds left as poll() takes them: rounded up, 0 when it has passed, -1
 * for DEADLINE_NEVER. */
static inline int deadline_left_ms(uint64_t deadline_ns)
{
        uint64_t now = deadline_now_ns(), ms;

        if (deadline_ns == DEADLINE_NEVER) {
                return -1;
        }
        ms = deadline_ns > now ? (deadline_ns - now + CMI_NS_PER_MS - 1) / CMI_NS_PER_MS : 0;
        return ms > INT_MAX ? INT_MAX : (int)ms;
}
