/* SPDX-License-Identifier: MIT */
/*
 * Freeing entries: unlinked first, freed when no slot holds them. A barrier costs microseconds and
 * interrupts every running thread of the process, so it is paid for many entries at a time; until
 * then they count in the budget.
 */
#include "libcachemesh/region.h"

#define UNLINKED_MAX 128 /* entries that wait for one barrier */
#define BUDGET_SHARE 32  /* or this fraction of the budget */

void cmi_region_free_entry(struct cm_region *region, struct cmi_entry *entry)
{
        if (entry->flags & CMI_ENTRY_DETACHED) {
                cmi_handle_deallocate(region->cm, entry, cmi_entry_size(entry));
        } else {
                cmi_heap_give(region->heap, entry);
        }
}

void cmi_region_retire(struct cm_region *region, struct cmi_entry *entry)
{
        entry->older = region->unlinked;
        region->unlinked = entry;
        region->n_unlinked++;
        region->unlinked_bytes += cmi_entry_size(entry);
}

void cmi_region_unlink(struct cm_region *region, struct cmi_entry *entry)
{
        cmi_table_remove(&region->table, entry);
        cmi_sieve_remove(region, entry);
        cmi_region_retire(region, entry);
}

bool cmi_region_reclaim_is_due(const struct cm_region *region)
{
        return region->n_unlinked - region->n_kept >= UNLINKED_MAX ||
               region->unlinked_bytes - region->kept_bytes >=
                               region->options.budget_bytes / BUDGET_SHARE;
}

size_t cmi_region_reclaim(struct cm_region *region)
{
        struct cmi_entry **link = &region->unlinked;
        struct cmi_pin_set set;
        size_t n_freed = 0;

        if (!region->unlinked || !cmi_barrier()) {
                return 0;
        }
        cmi_pin_set_fill(&set);
        while (*link) {
                struct cmi_entry *entry = *link;

                if (cmi_pin_set_has(&set, entry)) {
                        link = &entry->older;
                        continue;
                }
                *link = entry->older;
                region->n_unlinked--;
                region->unlinked_bytes -= cmi_entry_size(entry);
                cmi_region_free_entry(region, entry);
                n_freed++;
        }
        region->n_kept = region->n_unlinked;
        region->kept_bytes = region->unlinked_bytes;
        return n_freed;
}

size_t cmi_region_bytes(const struct cm_region *region)
{
        return region->heap->bytes + cmi_table_size(&region->table);
}

void cmi_region_empty(struct cm_region *region)
{
        while (region->newest) {
                cmi_region_unlink(region, region->newest);
        }
}
