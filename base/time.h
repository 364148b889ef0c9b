/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Units of time. All durations inside cachemesh are nanoseconds in uint64_t and carry the unit in
 * their name. This header reads no clock: meshd/core and discovery's pure half get the time as an
 * argument.
 */
#include <stdint.h>

#define CMI_NS_PER_US UINT64_C(1000)
#define CMI_NS_PER_MS UINT64_C(1000000)
#define CMI_NS_PER_S UINT64_C(1000000000)

/* One instant on two clocks: what a lease needs, since a suspended host stops one of them. */
struct cmi_time {
        uint64_t mono_ns; /* CLOCK_MONOTONIC */
        uint64_t real_ns; /* CLOCK_REALTIME */
};

static inline uint64_t cmi_ms(uint64_t ms)
{
        return ms * CMI_NS_PER_MS;
}
