/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The two structures of the cache half, and the check that decides about a hit.
 *
 * Locks, outermost first: cm.lock (opening regions), cm.loads_lock, cm_region.lock
 * (everything that changes a region's table, queue and budget), cm.own_lock (private
 * stamps). Gets take none of them.
 */
#include "libcachemesh/handle.h"
#include "libcachemesh/heap.h"
#include "libcachemesh/mapping.h"
#include "libcachemesh/orphan.h"
#include "libcachemesh/stats.h"
#include "libcachemesh/table.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

/* Private stamps: powers of two. A collision costs a refused put or a miss, nothing else. */
#define CMI_OWN_SLOTS 4096
#define CMI_LOAD_CHAINS 64

/* Whose loaders run, and who waits for its turn (turn.c); under loads_lock. */
struct cmi_turns {
        uint32_t n_taken;
        struct cm_load *first; /* waiting, in the order of arrival */
        struct cm_load *last;
};

/* Where a region's entries are in the table: what their hash depends on. */
struct cmi_home {
        uint64_t seed;
        uint32_t serial; /* of the mapping; 0: none */
        uint32_t index;
};

struct cm {
        /* What each get reads; written at open, fork, reconnect and when the
         * pending flag changes. */
        _Alignas(64) _Atomic(struct cmi_mapping *) mapping;
        _Atomic uint64_t generation; /* of the process to which the handle belongs */
        _Atomic uint32_t is_pending;

        _Alignas(64) const struct cmi_source_ops *ops;
        struct cmi_source *source;
        struct cm_options options;
        char socket_path[CM_SOCKET_PATH_MAX + 1];
        char name[CM_NAME_MAX + 1];
        /* Mappings that somebody may still be inside of; the source's lock. */
        struct cmi_mapping *replaced;
        struct cmi_orphanage *orphanage;

        pthread_mutex_t lock;
        _Atomic uint32_t n_regions;
        _Atomic(struct cm_region *) regions[CM_REGIONS_MAX];

        pthread_mutex_t loads_lock;
        uint64_t load_seq;
        struct cm_load *loads[CMI_LOAD_CHAINS];
        struct cmi_turns turns;
        _Atomic uint64_t n_busy; /* not told to meshd yet */
        _Atomic uint64_t n_stale;

        pthread_mutex_t own_lock;
        /* Invalidations that are stamped here and not yet on their way to meshd, as far as their
         * calls know; one that meshd refused stays. See load_shared.c. */
        _Atomic uint64_t n_unsent;
        _Alignas(64) _Atomic uint64_t own_seq;
        _Atomic uint64_t own_hold_ns; /* when the first of the own holds ends; 0: there is none */
        _Atomic uint64_t own_keys[CMI_OWN_SLOTS];
        _Atomic uint64_t own_tags[CMI_OWN_SLOTS];
        /* When the holds of these end; 0: they are not held. */
        _Atomic uint64_t own_key_holds[CMI_OWN_SLOTS];
        _Atomic uint64_t own_tag_holds[CMI_OWN_SLOTS];
};

struct cm_region {
        /* What each get reads. */
        _Alignas(64) struct cm *cm;
        _Atomic uint64_t binding; /* serial of a mapping << 32 | index in its page */
        uint32_t id;              /* of this region in this process, never 0 */
        enum cm_fresh fresh;
        bool has_sessions;                 /* its keys have slots in the page's session table */
        _Atomic uint64_t own_max;          /* newest own stamp of the region or any of its tags */
        _Atomic uint64_t own_region_stamp; /* newest own stamp of the whole region */
        struct cmi_table table;

        /* The rest belongs to lock. */
        _Alignas(64) pthread_mutex_t lock;
        struct cmi_entry *newest;
        struct cmi_entry *oldest;
        struct cmi_entry *hand;     /* SIEVE: where the last eviction stopped */
        struct cmi_entry *unlinked; /* out of the table, waiting until nobody has them pinned */
        size_t n_unlinked;
        size_t unlinked_bytes;
        size_t n_kept; /* of them, pinned at the last look */
        size_t kept_bytes;
        struct cmi_heap *heap;
        uint64_t n_evicted;
        struct cmi_home home; /* the present one, and the one before it */
        struct cmi_home last_home;
        _Atomic(struct cmi_counters *) counters;
        _Atomic uint64_t owner;       /* of the index in binding, as meshd told it */
        _Atomic uint64_t own_hold_ns; /* when the own hold of the whole region ends; 0: none */
        uint64_t generation;          /* of the process whose entries it has; the process's lock */
        uint32_t number;
        struct cm_region_options options;
        char name[CM_REGION_NAME_MAX + 1];
};

static inline uint64_t cmi_clock_ns(clockid_t clock)
{
        struct timespec ts;

        (void)cmi_clock_gettime(clock, &ts);
        return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

/* The index of a region in this mapping's page. */
static inline uint32_t cmi_region_index_in(
                const struct cm_region *region, const struct cmi_mapping *mapping)
{
        uint64_t binding = atomic_load_explicit(&region->binding, memory_order_acquire);

        return binding >> 32 == mapping->serial ? (uint32_t)binding : CMI_REGION_INDEX_UNKNOWN;
}

/*
 * Private stamps: has this process itself invalidated a tag of the entry, or its region, since the
 * load? Keys need no look: their entries are taken out of the table.
 */
static inline bool cmi_own_is_dead(const struct cm_region *region, const struct cmi_entry *entry)
{
        const struct cm *cm = region->cm;

        if (__builtin_expect(atomic_load_explicit(&region->own_max, memory_order_acquire) <=
                                             entry->token_own,
                            1)) {
                return false;
        }
        if (atomic_load_explicit(&region->own_region_stamp, memory_order_acquire) >
                        entry->token_own) {
                return true;
        }
        for (unsigned i = 0; i < entry->n_tags; i++) {
                uint32_t slot = entry->tag_slots[i] % CMI_OWN_SLOTS;

                if (atomic_load_explicit(&cm->own_tags[slot], memory_order_acquire) >
                                entry->token_own) {
                        return true;
                }
        }
        return false;
}

/* Of one that is over a token: a flagged one is over all. */
static inline enum cm_reason cmi_stamp_reason(uint64_t stamp)
{
        return stamp & CMI_PAGE_INTENT_FLAG ? CM_REASON_INTENT : CM_REASON_INVALIDATED;
}

/* Epoch, floor and slots: CM_REASON_NONE if the entry's token is good, as far as the page tells. */
static inline enum cm_reason cmi_check_stamps(
                const struct cmi_mapping *mapping, uint32_t index, const struct cmi_entry *entry)
{
        const struct cmi_page_view *view = &mapping->view;
        uint64_t token = entry->token_seq;
        uint64_t stamp;

        if (entry->serial != mapping->serial ||
                        atomic_load_explicit(&view->page->floor, memory_order_acquire) > token) {
                return CM_REASON_FORGOTTEN;
        }
        if (atomic_load_explicit(&view->regions[index], memory_order_acquire) > token) {
                return CM_REASON_INVALIDATED;
        }
        stamp = atomic_load_explicit(&view->keys[entry->key_slot], memory_order_acquire);
        if (__builtin_expect(stamp > token, 0)) {
                return cmi_stamp_reason(stamp);
        }
        for (unsigned i = 0; i < entry->n_tags; i++) {
                stamp = atomic_load_explicit(
                                &view->tags[entry->tag_slots[i]], memory_order_acquire);
                if (__builtin_expect(stamp > token, 0)) {
                        return cmi_stamp_reason(stamp);
                }
        }
        return CM_REASON_NONE;
}

/* Each clock by itself; a coarse clock is behind by up to its tick. */
static inline bool cmi_lease_runs(const struct cmi_mapping *mapping, uint64_t now_mono_ns,
                uint64_t end_mono_ns, uint64_t end_real_ns)
{
#ifdef CM_MUTANT_LEASE_UNCHECKED
        return true;
#else
        return now_mono_ns + mapping->tick_mono_ns < end_mono_ns &&
               cmi_clock_ns(CLOCK_REALTIME_COARSE) + mapping->tick_real_ns < end_real_ns;
#endif
}

/* An entry may be served, and a look whether the page is still the node's is due (get.c). */
#define CMI_REASON_DUE ((enum cm_reason)64)

/* Until when nobody else than the page's meshd has answered for this node: whoever comes after it
 * does not for a lease after his start. Coarse clocks are compared with it as with a lease. */
static inline uint64_t cmi_proof_end_ns(const struct cmi_mapping *mapping)
{
        uint64_t lease_ns = atomic_load_explicit(
                        &mapping->view.page->lease_end_mono_ns, memory_order_acquire);
        uint64_t vouched_ns = atomic_load_explicit(&mapping->vouched_ns, memory_order_acquire);

        return lease_ns > vouched_ns ? lease_ns : vouched_ns;
}

static inline bool cmi_look_is_due(
                const struct cmi_mapping *mapping, uint64_t now_mono_ns, uint64_t proof_end_ns)
{
        return now_mono_ns + mapping->tick_mono_ns + mapping->half_lease_ns >= proof_end_ns;
}

/* Of a region with CM_FRESH_TTL. */
static inline enum cm_reason cmi_check_proof(
                const struct cmi_mapping *mapping, uint64_t now_mono_ns, uint64_t proof_end_ns)
{
#ifdef CM_MUTANT_TTL_UNVOUCHED
        return CM_REASON_NONE;
#else
        if (__builtin_expect(!cmi_look_is_due(mapping, now_mono_ns, proof_end_ns), 1)) {
                return CM_REASON_NONE;
        }
        return now_mono_ns + mapping->tick_mono_ns < proof_end_ns ? CMI_REASON_DUE
                                                                  : CM_REASON_LEASE;
#endif
}

/**
 * cmi_check() - may this entry be served?
 * @mapping: entered by the caller
 * @index:   of the region in that mapping, known
 * @entry:   pinned, or under the region's lock
 *
 * The order is the rule: lease ends first, then epoch, floor and slots, the clocks last, each load
 * an acquire. A get that is stopped between any two of them then pairs what it saw with a lease
 * that is older, never with a newer one, and with a clock that is later, never earlier.
 * For a region with CM_FRESH_TTL the end of the proof stands in for the lease's.
 *
 * Return: CM_REASON_NONE, also CMI_REASON_DUE: it may; or why not.
 */
static inline enum cm_reason cmi_check(const struct cm_region *region,
                const struct cmi_mapping *mapping, uint32_t index, const struct cmi_entry *entry)
{
        const struct cmi_page *page = mapping->view.page;
        bool is_bounded = region->fresh == CM_FRESH_BOUNDED;
        uint64_t end_mono_ns;
        uint64_t end_real_ns;
        uint64_t now_mono_ns;
        enum cm_reason reason;

#ifndef CM_MUTANT_LEASE_AFTER_SLOTS
        end_mono_ns = is_bounded ? atomic_load_explicit(
                                                   &page->lease_end_mono_ns, memory_order_acquire)
                                 : cmi_proof_end_ns(mapping);
        end_real_ns = atomic_load_explicit(&page->lease_end_real_ns, memory_order_acquire);
#endif
        reason = cmi_check_stamps(mapping, index, entry);
        if (reason != CM_REASON_NONE) {
                return reason;
        }
        if (cmi_own_is_dead(region, entry)) {
                return CM_REASON_INVALIDATED;
        }
        if (is_bounded && atomic_load_explicit(&region->cm->is_pending, memory_order_acquire)) {
                return CM_REASON_PENDING;
        }
#ifdef CM_MUTANT_LEASE_AFTER_SLOTS
        end_mono_ns = atomic_load_explicit(&page->lease_end_mono_ns, memory_order_acquire);
        end_real_ns = atomic_load_explicit(&page->lease_end_real_ns, memory_order_acquire);
#endif
        now_mono_ns = cmi_clock_ns(CLOCK_MONOTONIC_COARSE);
        if (now_mono_ns >= entry->expires_ns) {
                return CM_REASON_EXPIRED;
        }
        if (!is_bounded) {
                return cmi_check_proof(mapping, now_mono_ns, end_mono_ns);
        }
        return cmi_lease_runs(mapping, now_mono_ns, end_mono_ns, end_real_ns) ? CM_REASON_NONE
                                                                              : CM_REASON_LEASE;
}

/* Prepares a call: notices a fork. 0, CM_E_FORKED or -ENOMEM. */
int cmi_handle_adopt(struct cm *cm);

static inline int cmi_handle_enter(struct cm *cm)
{
        uint64_t generation = atomic_load_explicit(&cmi_process->generation, memory_order_acquire);

        if (__builtin_expect(atomic_load_explicit(&cm->generation, memory_order_acquire) ==
                                             generation,
                            1)) {
                return 0;
        }
        return cmi_handle_adopt(cm);
}

/* The same for a call that needs the thread's record. */
static inline int cmi_handle_join(struct cm *cm, struct cmi_thread **ret_thread)
{
        int r = cmi_handle_enter(cm);

        if (r < 0) {
                return r;
        }
        *ret_thread = cmi_thread();
        return *ret_thread ? 0 : -ENOMEM;
}

/* An invalidation goes through source and page: before its own stamps, and with its outcome. */
static inline void cmi_unsent_begin(struct cm *cm)
{
        atomic_fetch_add(&cm->n_unsent, 1);
}

static inline void cmi_unsent_end(struct cm *cm, int r)
{
        if (r >= 0 || r == CM_E_TIMEOUT || r == CM_E_EXPIRED) {
                atomic_fetch_sub(&cm->n_unsent, 1);
        }
}

/* The deadline of a call: its own, or the handle's for 0. */
uint32_t cmi_timeout(const struct cm *cm, uint32_t timeout_ms);

/**
 * cmi_options_copy() - take a struct that begins with its size, of an older or
 * newer version of the header
 *
 * Return: 0, or -EINVAL: no size, or something set that this version does not know.
 */
int cmi_options_copy(void *ours, size_t our_size, const void *theirs, size_t their_size);
