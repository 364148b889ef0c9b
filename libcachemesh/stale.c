/* SPDX-License-Identifier: MIT */
/*
 * The last value of a key, for the answer CM_STALE to a load that failed.
 *
 * It lives where it was stored: an entry that fails the check stays in the table until a new value
 * of its key takes its place, or until room is needed, which such entries give first. So it costs
 * no memory beyond the region's budget, and is a matter of luck in a region that is full. A new
 * page gives the region a new place, under which old entries are not found any more: the place
 * before it is remembered, so that a restart of meshd does not take the last values away.
 *
 * What is not given: see cm_get_or_load(). That this process's own invalidations count is decided
 * by its own stamps (own_stamps.c), as at a put. Those of a tag or a region go by slots of the
 * present page, so after any of them no entry of the place before is given; the key's own takes the
 * entry out of the table, under both places. A put of the old place cannot come in afterwards,
 * since puts look at the place under the region's lock.
 */
#include "libcachemesh/get.h"
#include "libcachemesh/region.h"

#define NS_PER_DS UINT64_C(100000000)
#define MS_PER_DS 100

uint32_t cmi_now_ds(void)
{
        return (uint32_t)(cmi_clock_ns(CLOCK_BOOTTIME) / NS_PER_DS);
}

static uint64_t hash_at(const struct cmi_home *home, struct cmi_slice key)
{
        return cmi_page_hash(home->seed, CMI_PAGE_KEY, home->index, key.data, key.len).low64;
}

static bool has_flag(const _Atomic uint64_t *slot)
{
        return atomic_load_explicit(slot, memory_order_acquire) & CMI_PAGE_INTENT_FLAG;
}

/* Is a write of it going on somewhere, as far as this page tells? Nobody serves it then. */
static bool is_being_written(const struct cm_region *region, const struct cmi_mapping *mapping,
                const struct cmi_entry *entry, struct cmi_slice key)
{
        const struct cmi_page_view *view = &mapping->view;
        uint32_t index = cmi_region_index_in(region, mapping);
        XXH128_hash_t hash;

        if (index == CMI_REGION_INDEX_UNKNOWN) {
                return false;
        }
        hash = cmi_page_hash(view->seed, CMI_PAGE_KEY, index, key.data, key.len);
        if (has_flag(&view->page->floor) || has_flag(&view->regions[index]) ||
                        has_flag(&view->keys[cmi_page_slot(hash, view->key_mask)])) {
                return true;
        }
        for (unsigned i = 0; i < entry->n_tags && entry->serial == mapping->serial; i++) {
                if (has_flag(&view->tags[entry->tag_slots[i]])) {
                        return true;
                }
        }
        return false;
}

/* The entry is pinned. */
static bool may_be_given(struct cm_region *region, const struct cmi_mapping *mapping,
                const struct cmi_home *home, const struct cmi_entry *entry, struct cmi_slice key,
                uint64_t age_ms)
{
        bool is_present = mapping && home->serial == mapping->serial &&
                          home->index == cmi_region_index_in(region, mapping);

        if (entry->flags & CMI_ENTRY_NEGATIVE || age_ms > region->options.stale_if_error_ms) {
                return false;
        }
        if (!is_present && atomic_load_explicit(&region->own_max, memory_order_acquire) >
                                           entry->token_own) {
                return false;
        }
        return cmi_own_allows(region, entry) &&
               !(mapping && is_being_written(region, mapping, entry, key));
}

/* From one place. Inside of mapping, if there is one. False: the pin is free again. */
static bool find(struct cm_region *region, const struct cmi_mapping *mapping,
                const struct cmi_home *home, struct cmi_slice key, struct cmi_pin *pin,
                struct cm_value *ret_value)
{
        struct cmi_entry *entry;
        uint64_t age_ms;

        if (home->serial == 0) {
                return false;
        }
        entry = cmi_table_find(&region->table, hash_at(home, key), key, pin);
        if (!entry) {
                return false;
        }
        age_ms = (uint64_t)(cmi_now_ds() - entry->loaded_ds + 1) * MS_PER_DS;
        if (!may_be_given(region, mapping, home, entry, key, age_ms)) {
                cmi_pin_drop(pin);
                return false;
        }
        memset(ret_value, 0, sizeof(*ret_value));
        cmi_value_set(ret_value, pin, entry);
        ret_value->age_ms = age_ms;
        return true;
}

int cmi_stale_get(struct cm_region *region, struct cmi_thread *thread, struct cmi_slice key,
                int error, struct cm_value *ret_value)
{
        struct cmi_home homes[2];
        struct cmi_mapping *mapping;
        struct cmi_pin *pin;
        bool is_found;

        if (region->options.stale_if_error_ms == 0) {
                return error;
        }
        pthread_mutex_lock(&region->lock);
        homes[0] = region->home;
        homes[1] = region->last_home;
        pthread_mutex_unlock(&region->lock);
        pin = cmi_pin_slot(thread, region->id);
        if (!pin) {
                return error;
        }
        mapping = cmi_mapping_enter(thread, &region->cm->mapping);
        is_found = find(region, mapping, &homes[0], key, pin, ret_value) ||
                   find(region, mapping, &homes[1], key, pin, ret_value);
        cmi_mapping_leave(thread);
        if (!is_found) {
                return error;
        }
        cmi_count(thread, region, region->id, CMI_COUNT_STALE);
        return CM_STALE;
}

static void remove_at(struct cm_region *region, const struct cmi_home *home, struct cmi_slice key)
{
        struct cmi_entry *entry =
                        home->serial == 0 ? NULL
                                          : cmi_table_peek(&region->table, hash_at(home, key), key);

        if (entry) {
                cmi_region_unlink(region, entry);
        }
}

void cmi_stale_remove(struct cm_region *region, struct cmi_slice key)
{
        pthread_mutex_lock(&region->lock);
        remove_at(region, &region->home, key);
        remove_at(region, &region->last_home, key);
        pthread_mutex_unlock(&region->lock);
}
