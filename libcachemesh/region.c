/* SPDX-License-Identifier: MIT */
#include "libcachemesh/region.h"

#include <errno.h>

#define VALUE_SHARE 8  /* no value may take more than this fraction of a budget */
#define BATCH_SHARE 32 /* an eviction frees about this fraction of it */

/* xorshift64: which entries of one load expire first must not be the same everywhere. Source: G. Marsaglia, 2003. */
static uint64_t next_random(struct cmi_thread *thread)
{
        uint64_t x = thread->random;

        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        thread->random = x;
        return x;
}

static uint64_t expiry_ns(const struct cm_region *region, struct cmi_thread *thread,
                const struct cmi_put *put)
{
        const struct cm_region_options *options = &region->options;
        uint64_t ttl_ms = put->ttl_ms;
        uint64_t ttl_ns;
        uint64_t spread_ns;

        if (ttl_ms == 0) {
                ttl_ms = put->is_negative && options->negative_ttl_ms ? options->negative_ttl_ms
                                                                      : options->ttl_ms;
        }
        if (ttl_ms == 0) {
                return CMI_NEVER_NS;
        }
        ttl_ns = ttl_ms * UINT64_C(1000000);
        spread_ns = ttl_ns / 100 * options->ttl_jitter_percent;
        if (spread_ns > 0) {
                ttl_ns -= next_random(thread) % (spread_ns + 1);
        }
        return cmi_clock_ns(CLOCK_MONOTONIC_COARSE) + ttl_ns;
}

/* Does this token name the page that is current? */
static bool is_of(const struct cm_token *token, const struct cmi_mapping *mapping)
{
        return mapping && token->opaque[0] == mapping->view.epoch;
}

/* The entry with everything set but its place; NULL if memory is short. Without an index its token is good nowhere. */
static struct cmi_entry *make_entry(struct cm_region *region, struct cmi_thread *thread,
                const struct cmi_mapping *mapping, uint32_t index, const struct cmi_put *put)
{
        uint32_t tag_slots[CM_TAGS_MAX] = {0};
        struct cmi_content content = {
                        .key = put->key,
                        .value = put->value,
                        .tag_slots = tag_slots,
                        .is_negative = put->is_negative,
        };
        XXH128_hash_t hash = {0};
        struct cmi_entry *entry;

        if (mapping) {
                const struct cmi_page_view *view = &mapping->view;

                for (size_t i = 0; i < put->n_tags; i++) {
                        hash = cmi_page_hash(view->seed, CMI_PAGE_TAG, index, put->tags[i].data,
                                        put->tags[i].len);
                        tag_slots[i] = cmi_page_slot(hash, view->tag_mask);
                }
                content.n_tags = (uint32_t)put->n_tags;
                hash = cmi_page_hash(view->seed, CMI_PAGE_KEY, index, put->key.data, put->key.len);
        }
        entry = cmi_entry_new(region->cm, &content);
        if (!entry) {
                return NULL;
        }
        entry->hash = hash.low64;
        entry->key_slot = mapping ? cmi_page_slot(hash, mapping->view.key_mask) : 0;
        entry->serial = is_of(&put->token, mapping) ? mapping->serial : 0;
        entry->token_seq = put->token.opaque[1];
        entry->token_local = put->token.opaque[2];
        entry->expires_ns = expiry_ns(region, thread, put);
        return entry;
}

/* Room for one more entry of this size; more than is needed, so that the next puts find it. Lock held. */
static bool make_room(struct cm_region *region, const struct cmi_mapping *mapping, size_t size)
{
        size_t budget = region->options.budget_bytes;
        size_t batch = budget / BATCH_SHARE;

        while (cmi_region_bytes(region) + size > budget) {
                size_t missing = cmi_region_bytes(region) + size - budget;
                size_t before = region->entry_bytes;

                if (region->unlinked_bytes < missing) {
                        (void)cmi_sieve_evict(region, mapping, missing + batch);
                }
                cmi_region_reclaim(region);
                if (region->entry_bytes == before &&
                                cmi_sieve_evict(region, mapping, missing + batch) == 0) {
                        return false;
                }
        }
        return true;
}

/* Lock held. 0, CM_REFUSED, CM_E_FULL, -ENOMEM. */
static int insert(struct cm_region *region, const struct cmi_mapping *mapping, uint32_t index,
                struct cmi_entry *entry)
{
        struct cmi_slice key = {cmi_entry_key(entry), entry->key_len};
        size_t cost = cmi_entry_cost(entry);
        struct cmi_entry *old;
        int r;

        if (cmi_check_stamps(mapping, index, entry) != CM_REASON_NONE ||
                        !cmi_local_allows(region, entry)) {
                return CM_REFUSED;
        }
        old = cmi_table_peek(&region->table, entry->hash, key);
        if (old && cmi_check(region, mapping, index, old) == CM_REASON_NONE) {
                return CM_REFUSED; /* a slow loader must not bring back its older value */
        }
        if (!make_room(region, mapping, cost)) {
                return CM_E_FULL;
        }
        old = cmi_table_peek(&region->table, entry->hash, key);
        if (old) {
                cmi_table_replace(&region->table, old, entry);
                cmi_sieve_remove(region, old);
                cmi_region_retire(region, old);
        } else {
                r = cmi_table_add(&region->table, region->cm, entry);
                if (r < 0) {
                        return r;
                }
        }
        cmi_sieve_insert(region, entry);
        region->entry_bytes += cost;
        if (cmi_region_reclaim_is_due(region)) {
                cmi_region_reclaim(region);
        }
        return 0;
}

/* Stores the entry, or frees it, or (with a pin) leaves it to its pin. */
static int place(struct cm_region *region, const struct cmi_mapping *mapping, uint32_t index,
                struct cmi_entry *entry, bool is_pinned)
{
        int r = CM_REFUSED;

        pthread_mutex_lock(&region->lock);
        if (entry->value_len > region->options.budget_bytes / VALUE_SHARE) {
                r = -E2BIG;
        } else if (mapping && index != CMI_REGION_INDEX_UNKNOWN) {
                r = insert(region, mapping, index, entry);
        }
        if (r != 0 && is_pinned) {
                entry->flags |= CMI_ENTRY_DETACHED;
                cmi_region_retire(region, entry);
                if (cmi_region_reclaim_is_due(region)) {
                        cmi_region_reclaim(region);
                }
        }
        pthread_mutex_unlock(&region->lock);
        if (r != 0 && !is_pinned) {
                cmi_handle_deallocate(region->cm, entry, cmi_entry_size(entry));
        }
        return r;
}

#ifdef CM_MUTANT_NO_TOKEN
/* The planted bug: a value counts as loaded when it is stored. */
static struct cm_token token_now(struct cm *cm, const struct cmi_mapping *mapping)
{
        return (struct cm_token){
                        {mapping->view.epoch, mapping->view.page->apply_seq, cm->local_seq}};
}
#endif

int cmi_region_store(struct cm_region *region, struct cmi_thread *thread, const struct cmi_put *put,
                struct cmi_pin **ret_pin)
{
        struct cmi_mapping *mapping = cmi_mapping_enter(thread, &region->cm->mapping);
        uint32_t index = mapping ? cmi_region_index_in(region, mapping) : CMI_REGION_INDEX_UNKNOWN;
        struct cmi_pin *pin = NULL;
        struct cmi_put now = *put;
        struct cmi_entry *entry;
        int r;

#ifdef CM_MUTANT_NO_TOKEN
        if (mapping) {
                now.token = token_now(region->cm, mapping);
        }
#endif
        if (!ret_pin && (index == CMI_REGION_INDEX_UNKNOWN || !is_of(&now.token, mapping))) {
                r = CM_REFUSED;
                goto out;
        }
        if (put->value.len > CMI_VALUE_MAX ||
                        (!ret_pin && put->value.len > region->options.budget_bytes / VALUE_SHARE)) {
                r = -E2BIG;
                goto out;
        }
        entry = make_entry(region, thread, mapping, index, &now);
        if (entry && ret_pin) {
                pin = cmi_pin_slot(thread, region->id);
        }
        if (!entry || (ret_pin && !pin)) {
                if (entry) {
                        cmi_handle_deallocate(region->cm, entry, cmi_entry_size(entry));
                }
                r = -ENOMEM;
                goto out;
        }
        if (pin) {
                cmi_pin_store(pin, entry);
                *ret_pin = pin;
        }
        r = place(region, mapping, index, entry, pin != NULL);
out:
        cmi_mapping_leave(thread);
        return r;
}

enum cm_reason cmi_region_check(
                struct cm_region *region, struct cmi_thread *thread, const struct cmi_entry *entry)
{
        struct cmi_mapping *mapping = cmi_mapping_enter(thread, &region->cm->mapping);
        enum cm_reason reason = CM_REASON_OFFLINE;
        uint32_t index;

        if (mapping) {
                index = cmi_region_index_in(region, mapping);
                if (index != CMI_REGION_INDEX_UNKNOWN) {
                        reason = cmi_check(region, mapping, index, entry);
                }
        }
        cmi_mapping_leave(thread);
        if (reason == CM_REASON_NONE && !cmi_local_allows(region, entry)) {
                reason = CM_REASON_INVALIDATED;
        }
        return reason;
}
