/* SPDX-License-Identifier: MIT */
#include "libcachemesh/orphan.h"

#include "libcachemesh/heap.h"
#include "libcachemesh/pin.h"

/* Moves the entries that nobody has pinned to the front of *ret_free; keeps the others. */
static void sort_out(struct cmi_orphanage *orphanage, const struct cmi_pin_set *set,
                struct cmi_entry **ret_free)
{
        struct cmi_entry **link = &orphanage->entries;

        while (*link) {
                struct cmi_entry *entry = *link;

                if (cmi_pin_set_has(set, entry)) {
                        link = &entry->older;
                        continue;
                }
                *link = entry->older;
                entry->older = *ret_free;
                *ret_free = entry;
        }
}

/* Lock held: two threads may release values of one heap. */
static void free_entries(const struct cm_allocator *allocator, struct cmi_entry *entry)
{
        while (entry) {
                struct cmi_entry *next = entry->older;
                struct cmi_heap *heap = (struct cmi_heap *)entry->newer;

                if (!heap) {
                        allocator->deallocate(allocator->userdata, entry, cmi_entry_size(entry));
                } else {
                        cmi_heap_give(heap, entry);
                        if (heap->n_blocks == 0) {
                                cmi_heap_free(heap);
                        }
                }
                entry = next;
        }
}

/*
 * One round over one orphanage; false when there is nothing more to free. The lock is held
 * from before the barrier: an entry that joined after the slots were looked at might be
 * pinned without our knowing.
 */
static bool reclaim_one(void)
{
        struct cmi_orphanage **link = &cmi_process->orphanages;
        struct cmi_orphanage *orphanage = NULL;
        struct cmi_entry *entries = NULL;
        struct cm_allocator allocator;
        struct cmi_pin_set set;

        cmi_process_lock();
        if (!cmi_barrier()) {
                cmi_process_unlock();
                return false;
        }
        cmi_pin_set_fill(&set);
        for (; (orphanage = *link); link = &orphanage->next) {
                sort_out(orphanage, &set, &entries);
                if (entries) {
                        break;
                }
        }
        if (entries) {
                allocator = orphanage->allocator;
                free_entries(&allocator, entries);
                if (!orphanage->entries) {
                        *link = orphanage->next;
                        atomic_fetch_sub(&cmi_process->n_orphanages, 1);
                        allocator.deallocate(allocator.userdata, orphanage, sizeof(*orphanage));
                }
        }
        cmi_process_unlock();
        return entries != NULL;
}

void cmi_orphans_reclaim(void)
{
        while (reclaim_one()) {
        }
}

void cmi_orphanage_adopt(struct cmi_orphanage *orphanage, struct cmi_entry *entries)
{
        orphanage->entries = entries;
        if (!entries) {
                orphanage->allocator.deallocate(
                                orphanage->allocator.userdata, orphanage, sizeof(*orphanage));
                return;
        }
        cmi_process_lock();
        orphanage->next = cmi_process->orphanages;
        cmi_process->orphanages = orphanage;
        atomic_fetch_add(&cmi_process->n_orphanages, 1);
        cmi_process_unlock();
        cmi_orphans_reclaim();
}
