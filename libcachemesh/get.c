/* SPDX-License-Identifier: MIT */
/*
 * The hit path: tokens, gets and releases. A hit writes nothing but its own thread's record, an
 * entry's visited mark when it is clear, and the caller's value.
 */
#include "libcachemesh/get.h"
#include "libcachemesh/region.h"

#include <errno.h>

struct cm_token cmi_token(struct cm *cm, struct cmi_thread *thread)
{
        struct cmi_mapping *mapping = cmi_mapping_enter(thread, &cm->mapping);
        struct cm_token token = {{0, 0, 0}};

        cmi_own_look(cm);
        token.opaque[2] = atomic_load_explicit(&cm->own_seq, memory_order_acquire);
        if (mapping) {
                token.opaque[0] = mapping->view.epoch;
                token.opaque[1] = atomic_load_explicit(
                                &mapping->view.page->apply_seq, memory_order_acquire);
        }
        cmi_mapping_leave(thread);
        return token;
}

static void set_missed(struct cm *cm, struct cmi_thread *thread, struct cm_value *ret_value)
{
        memset(ret_value, 0, sizeof(*ret_value));
        if (thread) {
                ret_value->token = cmi_token(cm, thread);
        }
}

/* Out of the mapping; everything that a miss costs. */
static __attribute__((noinline)) int miss(struct cm_region *region, struct cmi_thread *thread,
                enum cm_reason reason, struct cm_value *ret_value)
{
        struct cm *cm = region->cm;

        if (reason == CM_REASON_OFFLINE || reason == CM_REASON_LEASE ||
                        reason == CM_REASON_PENDING) {
                cm->ops->poke(cm);
        }
        /* After poking: a page that just came is the one whose token the caller needs. */
        set_missed(cm, thread, ret_value);
        if (thread) {
                thread->last_reason = reason;
                cmi_count(thread, region, region->id, CMI_COUNT_MISS + (unsigned)reason);
        }
        return CM_MISS;
}

static __attribute__((noinline)) int negative(
                struct cm_region *region, struct cmi_thread *thread, struct cm_value *ret_value)
{
        set_missed(region->cm, thread, ret_value);
        thread->last_reason = CM_REASON_NONE;
        cmi_count(thread, region, region->id, CMI_COUNT_NEGATIVE_HIT);
        return CM_NEGATIVE;
}

static inline void mark_visited(struct cmi_entry *entry)
{
        if (!atomic_load_explicit(&entry->is_visited, memory_order_relaxed)) {
                atomic_store_explicit(&entry->is_visited, 1, memory_order_relaxed);
        }
}

static bool has_flag(const _Atomic uint64_t *slot)
{
        return atomic_load_explicit(slot, memory_order_relaxed) & CMI_PAGE_INTENT_FLAG;
}

/* Why there is no hit, to somebody who wonders: a write that has begun, of the key or of whatever
 * it may be among, goes before what it does. A page that is closed has forgotten it, too. */
static __attribute__((noinline)) enum cm_reason refine(const struct cm_region *region,
                enum cm_reason reason, const struct cmi_page_view *view, uint32_t index,
                const _Atomic uint64_t *slot)
{
        bool is_flagged = has_flag(slot) || has_flag(&view->regions[index]) ||
                          cmi_own_holds_key(region, (uint32_t)(slot - view->keys)) ||
                          (has_flag(&view->page->floor) && !cmi_page_is_closed(view));

        return is_flagged && (reason == CM_REASON_ABSENT || reason == CM_REASON_INVALIDATED ||
                                             reason == CM_REASON_FORGOTTEN)
                               ? CM_REASON_INTENT
                               : reason;
}

/* Look the key up and check what is there; CM_REASON_NONE or CMI_REASON_DUE with a pinned entry, or
 * why not. Inside of mapping. */
static inline enum cm_reason look_up(struct cm_region *region, struct cmi_thread *thread,
                const struct cmi_mapping *mapping, struct cmi_slice key, struct cmi_pin **ret_pin,
                struct cmi_entry **ret_entry)
{
        const struct cmi_page_view *view = &mapping->view;
        uint32_t index = cmi_region_index_in(region, mapping);
        struct cmi_pin *pin;
        struct cmi_entry *entry;
        const _Atomic uint64_t *slot;
        enum cm_reason reason;
        XXH128_hash_t hash;

        if (__builtin_expect(index == CMI_REGION_INDEX_UNKNOWN, 0)) {
                return CM_REASON_OFFLINE;
        }
        hash = cmi_page_hash(view->seed, CMI_PAGE_KEY, index, key.data, key.len);
        slot = &view->keys[cmi_page_slot(hash, view->key_mask)];
        /* A session's is elsewhere, and this one perhaps in a page that this process never reads:
         * the processor would look for it in vain each time, for longer than all else takes. */
        if (__builtin_expect(!region->has_sessions, 1)) {
                __builtin_prefetch((const void *)slot);
        }
        pin = cmi_pin_slot(thread, region->id);
        if (__builtin_expect(!pin, 0)) {
                return CM_REASON_ABSENT; /* without memory for the pin there is no hit */
        }
        entry = cmi_table_find(&region->table, hash.low64, key, pin);
        if (!entry) {
                return refine(region, CM_REASON_ABSENT, view, index, slot);
        }
        reason = cmi_check(region, mapping, index, entry);
        if (__builtin_expect(reason != CM_REASON_NONE, 0) && reason != CMI_REASON_DUE) {
                cmi_pin_drop(pin);
                return refine(region, reason, view, index, slot);
        }
        *ret_pin = pin;
        *ret_entry = entry;
        return reason;
}

/* The same out of the mapping. */
static inline enum cm_reason find(struct cm_region *region, struct cmi_thread *thread,
                struct cmi_slice key, struct cmi_pin **ret_pin, struct cmi_entry **ret_entry)
{
        const struct cmi_mapping *mapping = cmi_mapping_enter(thread, &region->cm->mapping);
        enum cm_reason reason = CM_REASON_OFFLINE;

        if (__builtin_expect(mapping != NULL, 1)) {
                reason = look_up(region, thread, mapping, key, ret_pin, ret_entry);
        }
        cmi_mapping_leave(thread);
        return reason;
}

static inline int hit(struct cm_region *region, struct cmi_thread *thread, struct cmi_pin *pin,
                struct cmi_entry *entry, struct cm_value *ret_value)
{
        mark_visited(entry);
        if (__builtin_expect(entry->flags & CMI_ENTRY_NEGATIVE, 0)) {
                cmi_pin_drop(pin);
                return negative(region, thread, ret_value);
        }
        thread->last_reason = CM_REASON_NONE;
        cmi_count(thread, region, region->id, CMI_COUNT_HIT);
        cmi_value_set(ret_value, pin, entry);
        return 0;
}

/*
 * No plain hit. For a region with CM_FRESH_TTL a look at the connection comes first, if one is due:
 * 1. An entry that may be served still is; the look is for the gets to come.
 * 2. One that may not be is asked for again. Nothing is served of a page whose meshd may have been
 *    replaced since.
 * 3. Where nothing is found the look lets the next gets find another page.
 * Return: 2, is it to be asked for again?
 */
static __attribute__((noinline)) bool look(
                struct cm_region *region, struct cmi_thread *thread, enum cm_reason reason)
{
        cmi_region_look(region, thread);
        return reason == CM_REASON_LEASE && region->fresh == CM_FRESH_TTL;
}

static __attribute__((noinline)) int refuse_key(void)
{
        return cmi_fail(-EINVAL, "a key has 1 to %d bytes", CM_KEY_MAX);
}

__attribute__((no_stack_protector)) int cm_get(struct cm_region *region, const void *key,
                size_t key_len, struct cm_value *ret_value)
{
        struct cmi_thread *thread;
        struct cmi_pin *pin = NULL;
        struct cmi_entry *entry = NULL;
        enum cm_reason reason;
        int r;

        if (__builtin_expect(!region || !key || !ret_value || key_len - 1 >= CM_KEY_MAX, 0)) {
                return refuse_key();
        }
        r = cmi_handle_enter(region->cm);
        if (__builtin_expect(r < 0, 0)) {
                return r;
        }
        thread = cmi_thread();
        if (__builtin_expect(!thread, 0)) {
                return miss(region, NULL, CM_REASON_ABSENT, ret_value);
        }
        /* One place for both, so that all of it is inlined. */
        for (bool is_first = true;; is_first = false) {
                reason = find(region, thread, cmi_slice(key, key_len), &pin, &entry);
                if (__builtin_expect(reason == CM_REASON_NONE, 1)) {
                        break;
                }
                if (!is_first || !look(region, thread, reason)) {
                        break;
                }
        }
        if (__builtin_expect(reason != CM_REASON_NONE, 0) && reason != CMI_REASON_DUE) {
                return miss(region, thread, reason, ret_value);
        }
        return hit(region, thread, pin, entry, ret_value);
}

int cm_get_many(struct cm_region *region, const struct cm_bytes *keys, size_t n_keys,
                struct cm_value *ret_values, int *ret_outcomes)
{
        int n_hits = 0;

        if (!region || n_keys > INT32_MAX ||
                        (n_keys > 0 && (!keys || !ret_values || !ret_outcomes))) {
                return cmi_fail(-EINVAL, "cm_get_many() needs a region and three arrays");
        }
        for (size_t i = 0; i < n_keys; i++) {
                ret_outcomes[i] = cm_get(region, keys[i].data, keys[i].len, &ret_values[i]);
                n_hits += ret_outcomes[i] == 0;
        }
        return n_hits;
}

void cm_release(struct cm_value *value)
{
        struct cmi_pin *pin;

        if (!value || !value->opaque[0]) {
                return;
        }
        pin = (struct cmi_pin *)(uintptr_t)value->opaque[0];
        /* A value that was copied and released twice must not take somebody else's pin away. */
        if (atomic_load_explicit(&pin->entry, memory_order_relaxed) ==
                        (struct cmi_entry *)(uintptr_t)value->opaque[1]) {
                cmi_pin_drop(pin);
        }
        value->data = NULL;
        value->len = 0;
        value->opaque[0] = 0;
        cmi_order_store_load();
        if (__builtin_expect(atomic_load_explicit(&cmi_process->n_orphanages, CMI_VALIDATE) != 0,
                            0)) {
                cmi_orphans_reclaim();
        }
}

struct cm_token cm_token(struct cm *cm)
{
        struct cmi_thread *thread;

        if (!cm || cmi_handle_enter(cm) < 0 || !(thread = cmi_thread())) {
                return (struct cm_token){{0, 0, 0}};
        }
        return cmi_token(cm, thread);
}

enum cm_reason cm_last_reason(void)
{
        return cmi_thread_self ? cmi_thread_self->last_reason : CM_REASON_NONE;
}
