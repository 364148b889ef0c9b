/* SPDX-License-Identifier: MIT */
/*
 * Eviction: SIEVE. New entries join at one end of a queue; a hand moves from the other end towards
 * the new ones, spares each entry that was hit since it last came by (and takes the mark off), and
 * throws out the first that was not. Hits change nothing but the mark. Source: Zhang and others,
 * "SIEVE is simpler than LRU" (NSDI 2024).
 *
 * Three things are added. Entries that can never be served again go without being spared. Pinned
 * ones stay, since throwing them out would free nothing. And since victims lie in all chunks of the
 * heap, nearly all would have to go before one becomes empty: where memory must go back to the
 * allocator, one chunk's entries move into the room that victims left in the others.
 */
#include "libcachemesh/region.h"

#include <stddef.h>

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
        cmi_heap_set_movable(entry, true);
}

void cmi_sieve_remove(struct cm_region *region, struct cmi_entry *entry)
{
        cmi_heap_set_movable(entry, false);
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
               cmi_own_is_dead(region, entry);
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

/* Readers may set the mark of the old one meanwhile; nothing else of it changes. */
static void copy(struct cmi_entry *to, const struct cmi_entry *from)
{
        size_t rest = offsetof(struct cmi_entry, tag_slots);

        memcpy((void *)to, (const void *)from, offsetof(struct cmi_entry, is_visited));
        atomic_init(&to->is_visited, atomic_load_explicit(&from->is_visited, memory_order_relaxed));
        memcpy(to->tag_slots, from->tag_slots, cmi_entry_size(from) - rest);
}

/* A copy takes an entry's place in table and queue. */
static void replace(struct cm_region *region, struct cmi_entry *old, struct cmi_entry *entry)
{
        *(old->newer ? &old->newer->older : &region->newest) = entry;
        *(old->older ? &old->older->newer : &region->oldest) = entry;
        if (region->hand == old) {
                region->hand = entry;
        }
        cmi_heap_set_movable(entry, true);
        cmi_heap_set_movable(old, false);
        cmi_table_replace(&region->table, old, entry);
        cmi_region_retire(region, old);
}

static size_t move_or_evict(struct cm_region *region, struct cmi_entry *entry)
{
        size_t size = cmi_entry_size(entry);
        void *memory;

        if (cmi_heap_take(region->heap, size, 0, &memory) == 0) {
                copy(memory, entry);
                replace(region, entry, memory);
        } else {
                cmi_region_unlink(region, entry);
                region->n_evicted++;
        }
        return size;
}

static bool is_pinned(struct cmi_heap_chunk *chunk)
{
        struct cmi_pin_set set;
        struct cmi_entry *entry = NULL;

        cmi_pin_set_fill(&set);
        while ((entry = cmi_heap_next_movable(chunk, entry))) {
                if (cmi_pin_set_has(&set, entry)) {
                        return true;
                }
        }
        return false;
}

size_t cmi_sieve_empty_chunk(struct cm_region *region)
{
        struct cmi_heap_chunk *chunk = cmi_heap_fence(region->heap);
        struct cmi_entry *entry = NULL;
        size_t unlinked = 0;

        if (!chunk) {
                return 0;
        }
        if (!cmi_heap_is_fixed(chunk) && !is_pinned(chunk)) {
                while ((entry = cmi_heap_next_movable(chunk, entry))) {
                        if (atomic_load_explicit(&entry->is_visited, memory_order_relaxed)) {
                                unlinked += move_or_evict(region, entry);
                        }
                }
                while ((entry = cmi_heap_next_movable(chunk, entry))) {
                        unlinked += move_or_evict(region, entry);
                }
        }
        cmi_heap_unfence(region->heap, chunk);
        return unlinked;
}
