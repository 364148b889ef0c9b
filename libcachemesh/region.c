/* SPDX-License-Identifier: MIT */
#include "libcachemesh/region.h"

#include "base/random.h"

#include <errno.h>

#define VALUE_SHARE 8     /* no value may take more than this fraction of a budget */
#define BATCH_SHARE 32    /* an eviction frees about this fraction of it */
#define CHUNKS_TRIED 4    /* at a time, when something in them is pinned */
#define TABLE_RESERVE 256 /* bytes that one insertion may add to the table */

static uint64_t expiry_ns(const struct cm_region *region, struct cmi_thread *thread,
                const struct cmi_put *put)
{
        const struct cm_region_options *options = &region->options;
        uint64_t ttl_ms = put->ttl_ms;
        uint64_t ttl_ns;
        uint64_t spread_ns;
        uint64_t age_ns;

        if (ttl_ms == 0) {
                ttl_ms = put->is_negative && options->negative_ttl_ms ? options->negative_ttl_ms
                                                                      : options->ttl_ms;
        }
        if (ttl_ms == 0) {
                return CMI_NEVER_NS;
        }
        ttl_ns = ttl_ms * UINT64_C(1000000);
        spread_ns = ttl_ns / 100 * options->ttl_jitter_percent;
        /* Which entries of one load expire first must not be the same everywhere. */
        if (spread_ns > 0) {
                ttl_ns -= cmi_random_up_to(&thread->random, spread_ns);
        }
        age_ns = put->age_ms * UINT64_C(1000000);
        return cmi_clock_ns(CLOCK_MONOTONIC_COARSE) + (ttl_ns > age_ns ? ttl_ns - age_ns : 0);
}

/* Does this token name the page that is current? */
static bool is_of(const struct cm_token *token, const struct cmi_mapping *mapping)
{
        return mapping && token->opaque[0] == mapping->view.epoch;
}

static size_t value_len(const struct cmi_put *put)
{
        return put->first.len + put->value.len;
}

/* An entry without key and value: what decides whether it may be stored, before
 * memory is taken for it. */
union head {
        struct cmi_entry entry;
        char bytes[sizeof(struct cmi_entry) + CM_TAGS_MAX * sizeof(uint32_t)];
};

/* A session's slot is in a table of its own behind that of the keys, in the same page: counted from
 * there on, it is looked at like any other by gets, which need not know. */
static uint32_t key_slot(const struct cm_region *region, const struct cmi_page_view *view,
                struct cmi_slice key, XXH128_hash_t hash)
{
        return region->has_sessions ? (uint32_t)(view->sessions - view->keys) +
                                                      cmi_page_session_slot(view, key.data)
                                    : cmi_page_slot(hash, view->key_mask);
}

/* Without an index its token is good nowhere. */
static void make_head(union head *head, struct cm_region *region, struct cmi_thread *thread,
                const struct cmi_mapping *mapping, uint32_t index, const struct cmi_put *put)
{
        struct cmi_entry *entry = &head->entry;
        XXH128_hash_t hash = {0};

        memset((void *)head, 0, sizeof(*head));
        if (mapping) {
                const struct cmi_page_view *view = &mapping->view;

                for (size_t i = 0; i < put->n_tags; i++) {
                        hash = cmi_page_hash(view->seed, CMI_PAGE_TAG, index, put->tags[i].data,
                                        put->tags[i].len);
                        entry->tag_slots[i] = cmi_page_slot(hash, view->tag_mask);
                }
                entry->n_tags = (uint8_t)put->n_tags;
                hash = cmi_page_hash(view->seed, CMI_PAGE_KEY, index, put->key.data, put->key.len);
                entry->key_slot = key_slot(region, view, put->key, hash);
        }
        entry->hash = hash.low64;
        entry->serial = is_of(&put->token, mapping) ? mapping->serial : 0;
        entry->token_seq = put->token.opaque[1];
        entry->token_own = put->token.opaque[2];
        entry->loaded_ds = put->loaded_ds;
        entry->expires_ns = expiry_ns(region, thread, put);
        entry->flags = put->is_negative ? CMI_ENTRY_NEGATIVE : 0;
        cmi_entry_set_lengths(entry, put->key.len, value_len(put));
}

/*
 * Is the index still this region's? meshd gives it to another one once our connection has ended,
 * which we may not have noticed; stamps for this region do not come there any more then. Asked
 * after the token was taken, this keeps out what the stamp at that moment does not kill. The index
 * is forgotten, so that the next get misses and looks at the connection.
 */
static bool is_ours(struct cm_region *region, const struct cmi_mapping *mapping, uint32_t index)
{
        uint64_t binding = (uint64_t)mapping->serial << 32 | index;

        if (cmi_page_owner(&mapping->view, index) ==
                        atomic_load_explicit(&region->owner, memory_order_relaxed)) {
                return true;
        }
        atomic_compare_exchange_strong(&region->binding, &binding,
                        (uint64_t)mapping->serial << 32 | CMI_REGION_INDEX_UNKNOWN);
        return false;
}

/* Is the token good, and nothing there that is fresh, or will be when there is a lease again? Lock
 * held. */
static bool may_store(struct cm_region *region, const struct cmi_mapping *mapping, uint32_t index,
                const struct cmi_entry *entry, struct cmi_slice key)
{
        struct cmi_entry *old;

        if (!mapping || index == CMI_REGION_INDEX_UNKNOWN || !is_ours(region, mapping, index) ||
                        region->home.serial != mapping->serial || region->home.index != index ||
                        cmi_check_stamps(mapping, index, entry) != CM_REASON_NONE ||
                        !cmi_own_allows(region, entry)) {
                return false;
        }
        /* A slow loader must not bring back its older value. */
        old = cmi_table_peek(&region->table, entry->hash, key);
        if (old) {
                enum cm_reason reason = cmi_check(region, mapping, index, old);

                return reason != CM_REASON_NONE && reason != CMI_REASON_DUE &&
                       reason != CM_REASON_LEASE;
        }
        return true;
}

/*
 * Unlink some entries. Lock held. What SIEVE chooses comes first; if that did not help, a chunk
 * is emptied, since the table needs the memory, or no free block is large enough.
 */
static size_t evict(struct cm_region *region, const struct cmi_mapping *mapping, size_t batch,
                bool is_first)
{
        size_t unlinked = 0;

        for (int n = is_first ? CHUNKS_TRIED : 0; n < CHUNKS_TRIED && unlinked == 0; n++) {
                unlinked = cmi_sieve_empty_chunk(region);
        }
        return unlinked > 0 ? unlinked : cmi_sieve_evict(region, mapping, batch);
}

/*
 * Memory for an entry within the budget; room is made by eviction, and more than is needed, so that
 * the next puts find it. Lock held. 0, CM_E_FULL, -ENOMEM.
 */
static int take(struct cm_region *region, const struct cmi_mapping *mapping, size_t size,
                void **ret_memory)
{
        size_t budget = region->options.budget_bytes - TABLE_RESERVE;
        size_t batch = budget / BATCH_SHARE + size;

        for (bool is_first = true;; is_first = false) {
                size_t table = cmi_table_size(&region->table);
                size_t n_evicted = 0;
                int r = -ENOSPC;

                /* The table may have grown at the cost of what the entries have. */
                if (cmi_region_bytes(region) <= budget) {
                        r = cmi_heap_take(region->heap, size, budget - table, ret_memory);
                }
                if (r != -ENOSPC) {
                        return r;
                }
                if (region->unlinked_bytes - region->kept_bytes < batch) {
                        n_evicted = evict(region, mapping, batch, is_first);
                }
                if (cmi_region_reclaim(region) == 0 && n_evicted == 0) {
                        return CM_E_FULL;
                }
        }
}

/* Lock held. 0 or -ENOMEM. */
static int insert(struct cm_region *region, struct cmi_entry *entry, struct cmi_slice key)
{
        struct cmi_entry *old = cmi_table_peek(&region->table, entry->hash, key);
        int r;

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
        return 0;
}

/* The first half of a store: may it be, and where? For a load memory is found in any
 * case. Takes the lock. */
static int prepare(struct cm_region *region, const struct cmi_mapping *mapping, uint32_t index,
                union head *head, const struct cmi_put *put, bool is_load, void **ret_memory)
{
        size_t size = cmi_entry_size(&head->entry);
        int r = CM_REFUSED;

        if (value_len(put) > region->options.budget_bytes / VALUE_SHARE) {
                r = -E2BIG;
        } else {
                pthread_mutex_lock(&region->lock);
                if (may_store(region, mapping, index, &head->entry, put->key)) {
                        r = take(region, mapping, size, ret_memory);
                }
                pthread_mutex_unlock(&region->lock);
        }
        if (r != 0 && is_load) {
                head->entry.flags |= CMI_ENTRY_DETACHED;
                *ret_memory = put->spare.len == size ? (void *)(uintptr_t)put->spare.data
                                                     : cmi_handle_allocate(region->cm,
                                                                       CMI_ENTRY_ALIGN, size);
                return *ret_memory ? r : -ENOMEM;
        }
        return r;
}

/* The second half: stores the entry, or gives it back, or (with a pin) leaves it to its
 * pin. Takes the lock. */
static int finish(struct cm_region *region, const struct cmi_mapping *mapping, uint32_t index,
                struct cmi_entry *entry, struct cmi_slice key, int prepared, bool is_pinned)
{
        int r = prepared;

        pthread_mutex_lock(&region->lock);
        if (r == 0) {
                r = may_store(region, mapping, index, entry, key) ? insert(region, entry, key)
                                                                  : CM_REFUSED;
        }
        if (r != 0 && is_pinned) {
                cmi_region_retire(region, entry);
        } else if (r != 0) {
                cmi_region_free_entry(region, entry);
        }
        if (cmi_region_reclaim_is_due(region)) {
                cmi_region_reclaim(region);
        }
        pthread_mutex_unlock(&region->lock);
        return r;
}

#ifdef CM_MUTANT_NO_TOKEN
/* The planted bug: a value counts as loaded when it is stored. */
static struct cm_token token_now(struct cm *cm, const struct cmi_mapping *mapping)
{
        return (struct cm_token){{mapping->view.epoch, mapping->view.page->apply_seq, cm->own_seq}};
}
#endif

/* Inside of the mapping, if there is one. */
static int store(struct cm_region *region, struct cmi_thread *thread,
                const struct cmi_mapping *mapping, const struct cmi_put *put,
                struct cmi_pin **ret_pin)
{
        uint32_t index = mapping ? cmi_region_index_in(region, mapping) : CMI_REGION_INDEX_UNKNOWN;
        struct cmi_pin *pin = ret_pin ? cmi_pin_slot(thread, region->id) : NULL;
        struct cmi_entry *entry;
        void *memory = NULL;
        union head head;
        int r;

        if (ret_pin && !pin) {
                return -ENOMEM;
        }
        make_head(&head, region, thread, mapping, index, put);
        r = prepare(region, mapping, index, &head, put, pin != NULL, &memory);
        if (!memory) {
                return r;
        }
        entry = cmi_entry_fill(memory, &head.entry, put->key, put->first, put->value);
        if (pin) {
                cmi_pin_store(pin, entry);
                *ret_pin = pin;
        }
        return finish(region, mapping, index, entry, put->key, r, pin != NULL);
}

void cmi_region_look(struct cm_region *region, struct cmi_thread *thread)
{
        struct cm *cm = region->cm;
        const struct cmi_mapping *mapping;
        bool is_due;

        if (region->fresh != CM_FRESH_TTL) {
                return;
        }
        mapping = cmi_mapping_enter(thread, &cm->mapping);
        is_due = mapping && cmi_look_is_due(mapping, cmi_clock_ns(CLOCK_MONOTONIC_COARSE),
                                            cmi_proof_end_ns(mapping));
        cmi_mapping_leave(thread);
        if (is_due) {
                cm->ops->vouch(cm);
        }
}

int cmi_region_store(struct cm_region *region, struct cmi_thread *thread, const struct cmi_put *put,
                struct cmi_pin **ret_pin)
{
        struct cmi_mapping *mapping;
        struct cmi_put now = *put;
        int r = -E2BIG;

        cmi_region_look(region, thread);
        mapping = cmi_mapping_enter(thread, &region->cm->mapping);
#ifdef CM_MUTANT_NO_TOKEN
        if (mapping) {
                now.token = token_now(region->cm, mapping);
        }
#endif
        if (value_len(put) <= CMI_VALUE_MAX) {
                r = store(region, thread, mapping, &now, ret_pin);
        }
        cmi_mapping_leave(thread);
        return r;
}

enum cm_reason cmi_region_check(
                struct cm_region *region, struct cmi_thread *thread, const struct cmi_entry *entry)
{
        enum cm_reason reason = CM_REASON_OFFLINE;
        struct cmi_mapping *mapping;
        uint32_t index;

        cmi_region_look(region, thread);
        mapping = cmi_mapping_enter(thread, &region->cm->mapping);
        if (mapping) {
                index = cmi_region_index_in(region, mapping);
                if (index != CMI_REGION_INDEX_UNKNOWN && is_ours(region, mapping, index)) {
                        reason = cmi_check(region, mapping, index, entry);
                }
        }
        cmi_mapping_leave(thread);
        if (reason == CMI_REASON_DUE) {
                reason = CM_REASON_NONE;
        }
        if (reason == CM_REASON_NONE && !cmi_own_allows(region, entry)) {
                reason = CM_REASON_INVALIDATED;
        }
        return reason;
}
