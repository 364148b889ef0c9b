/* SPDX-License-Identifier: MIT */
#include "libcachemesh/region.h"

#include <errno.h>

struct cmi_counters *cmi_counters_find(struct cmi_thread *thread, struct cm_region *region)
{
        unsigned i = region->id % CMI_COUNTERS_CACHED;
        struct cmi_counters *counters =
                        atomic_load_explicit(&region->counters, memory_order_acquire);

        while (counters && counters->thread != thread) {
                counters = counters->next;
        }
        if (!counters) {
                counters = cmi_handle_allocate(region->cm, 64, sizeof(*counters));
                if (!counters) {
                        return NULL;
                }
                memset((void *)counters, 0, sizeof(*counters));
                counters->thread = thread;
                counters->next = atomic_load_explicit(&region->counters, memory_order_relaxed);
                while (!atomic_compare_exchange_weak(
                                &region->counters, &counters->next, counters)) {
                }
        }
        thread->counters[i].region_id = region->id;
        thread->counters[i].counters = counters;
        return counters;
}

void cmi_count_slow(struct cmi_thread *thread, struct cm_region *region, enum cmi_count count)
{
        struct cmi_counters *counters = cmi_counters_find(thread, region);

        if (counters) {
                cmi_counters_add(counters, count);
        }
}

void cmi_counters_free_all(struct cm *cm, struct cm_region *region)
{
        struct cmi_counters *counters = atomic_exchange(&region->counters, NULL);

        while (counters) {
                struct cmi_counters *next = counters->next;

                cmi_handle_deallocate(cm, counters, sizeof(*counters));
                counters = next;
        }
}

static void add_up(struct cm_region *region, uint64_t sums[CMI_COUNT_N])
{
        struct cmi_counters *counters =
                        atomic_load_explicit(&region->counters, memory_order_acquire);

        for (; counters; counters = counters->next) {
                for (unsigned i = 0; i < CMI_COUNT_N; i++) {
                        sums[i] += atomic_load_explicit(&counters->counts[i], memory_order_relaxed);
                }
        }
}

int cm_region_stats(struct cm_region *region, struct cm_region_stats *ret_stats)
{
        uint64_t sums[CMI_COUNT_N] = {0};
        struct cm_region_stats stats = {0};
        int r;

        if (!region || !ret_stats || ret_stats->size < sizeof(size_t)) {
                return cmi_fail(-EINVAL, "cm_region_stats() needs a region and a sized struct");
        }
        r = cmi_handle_enter(region->cm);
        if (r < 0) {
                return r;
        }
        stats.size = ret_stats->size;
        add_up(region, sums);
        stats.n_hits = sums[CMI_COUNT_HIT];
        stats.n_negative_hits = sums[CMI_COUNT_NEGATIVE_HIT];
        memcpy(stats.n_misses, &sums[CMI_COUNT_MISS], CMI_REASONS * sizeof(stats.n_misses[0]));
        stats.n_puts = sums[CMI_COUNT_PUT];
        stats.n_refused = sums[CMI_COUNT_REFUSED];
        stats.n_loads = sums[CMI_COUNT_LOAD];
        stats.n_load_errors = sums[CMI_COUNT_LOAD_ERROR];
        stats.n_load_waits = sums[CMI_COUNT_LOAD_WAIT];
        stats.n_busy = sums[CMI_COUNT_BUSY];
        stats.n_shared = sums[CMI_COUNT_SHARED];
        stats.n_stale = sums[CMI_COUNT_STALE];
        stats.n_pinned = cmi_pin_count(region->id);
        stats.budget_bytes = region->options.budget_bytes;
        pthread_mutex_lock(&region->lock);
        stats.n_evicted = region->n_evicted;
        stats.n_entries = region->table.n_entries;
        stats.bytes = cmi_region_bytes(region);
        pthread_mutex_unlock(&region->lock);
        memcpy(ret_stats, &stats, stats.size < sizeof(stats) ? stats.size : sizeof(stats));
        return 0;
}
