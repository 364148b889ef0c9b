/* SPDX-License-Identifier: MIT */
#include "libcachemesh/orphan.h"

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

/* The hooks belong to the app and may take their time: no lock is held here. */
static void free_entries(const struct cm_allocator *allocator, struct cmi_entry *entry)
{
        while (entry) {
                struct cmi_entry *next = entry->older;

                allocator->deallocate(allocator->userdata, entry, cmi_entry_size(entry));
                entry = next;
        }
}

/*
 * One round over one orphanage; false when there is nothing more to free. The lock is held from before the barrier: an
 * entry that joined after the slots were looked at might be pinned without our knowing.
 */
static bool reclaim_one(void)
{
        struct cmi_orphanage **link = &cmi_process->orphanages;
        struct cmi_orphanage *orphanage = NULL;
        struct cmi_orphanage *empty = NULL;
        struct cmi_entry *entries = NULL;
        struct cm_allocator allocator = {0};
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
                        allocator = orphanage->allocator;
                        if (!orphanage->entries) {
                                *link = orphanage->next;
                                empty = orphanage;
                                atomic_fetch_sub(&cmi_process->n_orphanages, 1);
                        }
                        break;
                }
        }
        cmi_process_unlock();
        free_entries(&allocator, entries);
        if (empty) {
                allocator.deallocate(allocator.userdata, empty, sizeof(*empty));
        }
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
