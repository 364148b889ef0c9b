/* SPDX-License-Identifier: MIT */
/*
 * Eviction: SIEVE. New entries join at one end of a queue; a hand moves from the other end towards
 * the new ones, spares each entry that was hit since it last came by (and takes the mark off), and
 * throws out the first that was not. Hits change nothing but the mark. Source: Zhang and others,
 * "SIEVE is simpler than LRU" (NSDI 2024).
 *
 * Two things are added: entries that can never be served again go without being spared, and pinned
 * ones stay, since throwing them out would free nothing.
 */
#include "libcachemesh/region.h"

void cmi_sieve_insert(struct cm_region *region, struct cmi_entry *entry)
{
        entry->newer = NULL;
        entry->older = region->newest;
        if (region->newest) {
                region->newest->newer = entry;
        } else {
                region->oldest = entry;
        }
        region->newest = entry;
}

void cmi_sieve_remove(struct cm_region *region, struct cmi_entry *entry)
{
        if (region->hand == entry) {
                region->hand = entry->newer;
        }
        if (entry->newer) {
                entry->newer->older = entry->older;
        } else {
                region->newest = entry->older;
        }
        if (entry->older) {
                entry->older->newer = entry->newer;
        } else {
                region->oldest = entry->newer;
        }
}

static bool is_dead(const struct cm_region *region, const struct cmi_mapping *mapping,
                const struct cmi_entry *entry, uint64_t now_ns)
{
        return !mapping || entry->serial != mapping->serial || now_ns >= entry->expires_ns ||
               cmi_is_locally_dead(region, entry);
}

size_t cmi_sieve_evict(struct cm_region *region, const struct cmi_mapping *mapping, size_t bytes)
{
        uint64_t now_ns = cmi_clock_ns(CLOCK_MONOTONIC_COARSE);
        size_t n_steps = 2 * (size_t)region->table.n_entries;
        struct cmi_pin_set set;
        size_t unlinked = 0;

        cmi_pin_set_fill(&set);
        while (unlinked < bytes && n_steps-- > 0) {
                struct cmi_entry *entry = region->hand ? region->hand : region->oldest;

                if (!entry) {
                        break;
                }
                region->hand = entry->newer;
                if (!is_dead(region, mapping, entry, now_ns) &&
                                atomic_load_explicit(&entry->is_visited, memory_order_relaxed)) {
                        atomic_store_explicit(&entry->is_visited, 0, memory_order_relaxed);
                        continue;
                }
                if (cmi_pin_set_has(&set, entry)) {
                        continue;
                }
                unlinked += cmi_entry_size(entry);
                cmi_region_unlink(region, entry);
                region->n_evicted++;
        }
        return unlinked;
}
