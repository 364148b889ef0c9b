/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Counters of a region: each thread counts in a block of its own, and reading adds the blocks up. A
 * block belongs to a thread record and stays with it when the thread ends.
 */
#include "libcachemesh/pin.h"

struct cm;
struct cm_region;

#define CMI_REASONS 9 /* of enum cm_reason, CM_REASON_NONE too */

enum cmi_count {
        CMI_COUNT_HIT,
        CMI_COUNT_NEGATIVE_HIT,
        CMI_COUNT_PUT,
        CMI_COUNT_REFUSED,
        CMI_COUNT_LOAD,
        CMI_COUNT_LOAD_ERROR,
        CMI_COUNT_LOAD_WAIT,
        CMI_COUNT_BUSY,
        CMI_COUNT_STALE,
        CMI_COUNT_SHARED,
        CMI_COUNT_MISS, /* and those that follow, by enum cm_reason */
        CMI_COUNT_N = CMI_COUNT_MISS + CMI_REASONS,
};

struct cmi_counters {
        _Alignas(64) _Atomic uint64_t counts[CMI_COUNT_N];
        const struct cmi_thread *thread;
        struct cmi_counters *next;
};

/* The thread's block for a region, made at its first use; NULL if memory is short. */
struct cmi_counters *cmi_counters_find(struct cmi_thread *thread, struct cm_region *region);

static inline void cmi_counters_add(struct cmi_counters *counters, enum cmi_count count)
{
        uint64_t n = atomic_load_explicit(&counters->counts[count], memory_order_relaxed);

        atomic_store_explicit(&counters->counts[count], n + 1, memory_order_relaxed);
}

void cmi_count_slow(struct cmi_thread *thread, struct cm_region *region, enum cmi_count count);

static inline void cmi_count(struct cmi_thread *thread, struct cm_region *region,
                uint32_t region_id, enum cmi_count count)
{
        unsigned i = region_id % CMI_COUNTERS_CACHED;

        if (__builtin_expect(thread->counters[i].region_id == region_id, 1)) {
                cmi_counters_add(thread->counters[i].counters, count);
        } else {
                cmi_count_slow(thread, region, count);
        }
}

void cmi_counters_free_all(struct cm *cm, struct cm_region *region);
