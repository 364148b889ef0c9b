/* SPDX-License-Identifier: MIT */
/*
 * Invalidations within this process, which must hold when the call returns, whatever meshd does.
 * The page is meshd's, so the handle has stamps of its own: a sequence number that each token
 * carries, and for each key, tag and region the newest number that killed it.
 *
 * Invalidating: under own_lock, store number s = own_seq + 1 into the target's stamp and then
 * into own_seq; for a key, take the region's lock and take the entry out.
 *
 * Why nothing loaded before can be served afterwards. Let T be the token of such a load: it was
 * taken before the call, so T < s.
 * 1. A put of T that looks at the stamps after the store is refused.
 * 2. A put of T that looked before: it looks and inserts under the region's lock without letting
 *    go, so for a key the removal comes after the insertion, and finds it.
 * 3. For a tag or a region nothing is taken out. A get that begins after the return sees
 *    own_max >= s > T (the store came before the return), looks at the tags' and the
 *    region's stamps, and refuses.
 * 4. A get that found the entry before and answers after the call returned ran beside
 *    the call, not after it.
 * A token taken after own_seq was stored is >= s and is not harmed; one taken between the stamp
 * and own_seq is refused without need.
 *
 * Keys and tags are stamped where their hash under the current page puts them. A put under another
 * mapping than the one seen here cannot matter: its token was taken after that mapping became
 * current, and if that was before this call, we see that mapping too.
 *
 * Without a record of the thread no mapping can be entered, and keys and tags have no slots: then
 * their whole region is stamped.
 *
 * An own hold is for a region with CM_FRESH_TTL and hold_ms, which is served while meshd is away:
 * what meshd would flag in the page is held here, as long, counted from the call's return. While a
 * target is held no put of it is taken; the end is a stamp, so that nothing loaded meanwhile comes
 * in afterwards. It is looked for by who takes a token and by who puts: a token that does not see
 * the stamp of an end was taken before it. The target is stamped and taken out again when its hold
 * begins, since it may have been loaded during the call.
 */
#include "libcachemesh/region.h"

/* A power of two, so that however many holds are running, their ends are few. */
#define HOLD_GRID_NS (UINT64_C(1) << 24)

/* What an invalidation writes to; *ret_hold: where its hold is. */
static _Atomic uint64_t *slot_of(struct cm *cm, const struct cmi_mapping *mapping,
                const struct cmi_target *target, _Atomic uint64_t **ret_hold)
{
        uint32_t index = mapping ? cmi_region_index_in(target->region, mapping)
                                 : CMI_REGION_INDEX_UNKNOWN;
        const struct cmi_page_view *view;
        XXH128_hash_t hash;
        uint32_t slot;

        /* Without an index nobody knows where the target will hash to. Nothing is cached then
         * that it could cost. */
        if (index == CMI_REGION_INDEX_UNKNOWN || (!target->key.data && !target->tag.data)) {
                *ret_hold = &target->region->own_hold_ns;
                return &target->region->own_region_stamp;
        }
        view = &mapping->view;
        if (target->key.data) {
                hash = cmi_page_hash(
                                view->seed, CMI_PAGE_KEY, index, target->key.data, target->key.len);
                slot = cmi_page_slot(hash, view->key_mask) % CMI_OWN_SLOTS;
                *ret_hold = &cm->own_key_holds[slot];
                return &cm->own_keys[slot];
        }
        hash = cmi_page_hash(view->seed, CMI_PAGE_TAG, index, target->tag.data, target->tag.len);
        slot = cmi_page_slot(hash, view->tag_mask) % CMI_OWN_SLOTS;
        *ret_hold = &cm->own_tag_holds[slot];
        return &cm->own_tags[slot];
}

static void stamp(struct cm *cm, const struct cmi_mapping *mapping, const struct cmi_target *target,
                uint64_t seq)
{
        _Atomic uint64_t *ignored;
        _Atomic uint64_t *slot = slot_of(cm, mapping, target, &ignored);

        atomic_store_explicit(slot, seq, memory_order_release);
        if (!target->key.data || slot == &target->region->own_region_stamp) {
                atomic_store_explicit(&target->region->own_max, seq, memory_order_release);
        }
}

static void remove_key(
                struct cm_region *region, const struct cmi_mapping *mapping, struct cmi_slice key)
{
        XXH128_hash_t hash = cmi_page_hash(mapping->view.seed, CMI_PAGE_KEY,
                        cmi_region_index_in(region, mapping), key.data, key.len);
        struct cmi_entry *entry;

        pthread_mutex_lock(&region->lock);
        entry = cmi_table_peek(&region->table, hash.low64, key);
        if (entry) {
                cmi_region_unlink(region, entry);
                if (cmi_region_reclaim_is_due(region)) {
                        cmi_region_reclaim(region);
                }
        }
        pthread_mutex_unlock(&region->lock);
}

void cmi_own_invalidate(struct cm *cm, struct cmi_thread *thread, const struct cmi_target *targets,
                size_t n_targets)
{
        struct cmi_mapping *mapping = thread ? cmi_mapping_enter(thread, &cm->mapping) : NULL;
        uint64_t seq;

        pthread_mutex_lock(&cm->own_lock);
        seq = atomic_load_explicit(&cm->own_seq, memory_order_relaxed) + 1;
        for (size_t i = 0; i < n_targets; i++) {
                stamp(cm, mapping, &targets[i], seq);
        }
        atomic_store_explicit(&cm->own_seq, seq, memory_order_release);
        pthread_mutex_unlock(&cm->own_lock);
        for (size_t i = 0; i < n_targets; i++) {
                if (mapping && targets[i].key.data) {
                        remove_key(targets[i].region, mapping, targets[i].key);
                }
                if (targets[i].key.data && targets[i].region->options.stale_if_error_ms > 0) {
                        cmi_stale_remove(targets[i].region, targets[i].key);
                }
        }
        if (thread) {
                cmi_mapping_leave(thread);
        }
}

static bool may_hold(const struct cm_region *region)
{
#ifdef CM_MUTANT_OWN_HOLD_UNKEPT
        return false;
#endif
        return region->fresh == CM_FRESH_TTL && region->options.hold_ms > 0;
}

/* Under own_lock. */
static void hold(struct cm *cm, const struct cmi_mapping *mapping, const struct cmi_target *target)
{
        uint64_t end_ns = (cmi_clock_ns(CLOCK_MONOTONIC) +
                                          target->region->options.hold_ms * UINT64_C(1000000)) /
                                          HOLD_GRID_NS * HOLD_GRID_NS +
                          HOLD_GRID_NS;
        uint64_t first_ns = atomic_load_explicit(&cm->own_hold_ns, memory_order_relaxed);
        _Atomic uint64_t *held;

        slot_of(cm, mapping, target, &held);
        if (end_ns > atomic_load_explicit(held, memory_order_relaxed)) {
                atomic_store_explicit(held, end_ns, memory_order_release);
        }
        if (first_ns == 0 || end_ns < first_ns) {
                atomic_store_explicit(&cm->own_hold_ns, end_ns, memory_order_release);
        }
}

void cmi_own_hold(struct cm *cm, struct cmi_thread *thread, const struct cmi_target *targets,
                size_t n_targets)
{
        struct cmi_mapping *mapping = thread ? cmi_mapping_enter(thread, &cm->mapping) : NULL;
        size_t n_held = 0;

        pthread_mutex_lock(&cm->own_lock);
        for (size_t i = 0; i < n_targets; i++) {
                if (may_hold(targets[i].region)) {
                        hold(cm, mapping, &targets[i]);
                        n_held++;
                }
        }
        pthread_mutex_unlock(&cm->own_lock);
        if (thread) {
                cmi_mapping_leave(thread);
        }
        if (n_held > 0) {
                cmi_own_invalidate(cm, thread, targets, n_targets);
        }
}

/* One hold: stamped if it is over. Whether it is; *first_ns is the end of the first that is not. */
static bool end_hold(_Atomic uint64_t *held, _Atomic uint64_t *slot, uint64_t seq, uint64_t now_ns,
                uint64_t *first_ns)
{
        uint64_t end_ns = atomic_load_explicit(held, memory_order_relaxed);

        if (end_ns > now_ns) {
                *first_ns = *first_ns == 0 || end_ns < *first_ns ? end_ns : *first_ns;
        }
        if (end_ns == 0 || end_ns > now_ns) {
                return false;
        }
        atomic_store_explicit(slot, seq, memory_order_release);
        atomic_store_explicit(held, 0, memory_order_release);
        return true;
}

/* Under own_lock. */
static void end_holds(struct cm *cm, uint64_t now_ns)
{
        uint64_t seq = atomic_load_explicit(&cm->own_seq, memory_order_relaxed) + 1;
        uint32_t n = atomic_load(&cm->n_regions);
        uint64_t first_ns = 0;
        bool has_tag = false;

        for (uint32_t i = 0; i < CMI_OWN_SLOTS; i++) {
                end_hold(&cm->own_key_holds[i], &cm->own_keys[i], seq, now_ns, &first_ns);
                has_tag |= end_hold(
                                &cm->own_tag_holds[i], &cm->own_tags[i], seq, now_ns, &first_ns);
        }
        for (uint32_t i = 0; i < n; i++) {
                struct cm_region *region = atomic_load(&cm->regions[i]);

                if (end_hold(&region->own_hold_ns, &region->own_region_stamp, seq, now_ns,
                                    &first_ns) ||
                                (has_tag && may_hold(region))) {
                        atomic_store_explicit(&region->own_max, seq, memory_order_release);
                }
        }
        atomic_store_explicit(&cm->own_seq, seq, memory_order_release);
        atomic_store_explicit(&cm->own_hold_ns, first_ns, memory_order_release);
}

void cmi_own_end_holds(struct cm *cm)
{
        uint64_t now_ns = cmi_clock_ns(CLOCK_MONOTONIC);
        uint64_t first_ns;

        pthread_mutex_lock(&cm->own_lock);
        first_ns = atomic_load_explicit(&cm->own_hold_ns, memory_order_relaxed);
        if (first_ns != 0 && first_ns <= now_ns) {
                end_holds(cm, now_ns);
        }
        pthread_mutex_unlock(&cm->own_lock);
}

static bool is_held(const _Atomic uint64_t *held)
{
        return atomic_load_explicit(held, memory_order_acquire) != 0;
}

bool cmi_own_holds_key(const struct cm_region *region, uint32_t key_slot)
{
        const struct cm *cm = region->cm;

        return is_held(&cm->own_hold_ns) &&
               (is_held(&region->own_hold_ns) ||
                               is_held(&cm->own_key_holds[key_slot % CMI_OWN_SLOTS]));
}

static bool is_entry_held(const struct cm_region *region, const struct cmi_entry *entry)
{
        const struct cm *cm = region->cm;

        for (unsigned i = 0; i < entry->n_tags && is_held(&cm->own_hold_ns); i++) {
                if (is_held(&cm->own_tag_holds[entry->tag_slots[i] % CMI_OWN_SLOTS])) {
                        return true;
                }
        }
        return cmi_own_holds_key(region, entry->key_slot);
}

bool cmi_own_allows(const struct cm_region *region, const struct cmi_entry *entry)
{
        cmi_own_look(region->cm);
        return atomic_load_explicit(&region->cm->own_keys[entry->key_slot % CMI_OWN_SLOTS],
                               memory_order_acquire) <= entry->token_own &&
               !cmi_own_is_dead(region, entry) && !is_entry_held(region, entry);
}
