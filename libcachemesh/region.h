/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A region: entries within a budget. Who may be stored, what is thrown out, and how
 * own invalidations kill.
 */
#include "libcachemesh/cache.h"

/* What one put brings; borrowed. */
struct cmi_put {
        struct cmi_slice key;
        struct cmi_slice first; /* goes before the value, and is a part of it; may be empty */
        struct cmi_slice value;
        const struct cm_bytes *tags;
        size_t n_tags;
        uint32_t ttl_ms; /* 0: the region's */
        bool is_negative;
        uint32_t loaded_ds; /* see struct cmi_entry */
        uint64_t age_ms;    /* of its TTL that is over already */
        struct cm_token token;
        /* Memory of the handle for an entry that is not stored, taken before; empty, or of exactly
         * its size. It is the entry's if that is where it lies. */
        struct cmi_slice spare;
};

/**
 * cmi_region_store() - make an entry and put it into the table if its token is good
 * @ret_pin: NULL, or where the pin of the new entry goes: then the entry is made in any case, and
 *            one that was not stored lives until it is released
 *
 * Return: 0, CM_REFUSED, -E2BIG, CM_E_FULL, -ENOMEM. With @ret_pin the pin is set
 *         unless it is left NULL.
 */
int cmi_region_store(struct cm_region *region, struct cmi_thread *thread, const struct cmi_put *put,
                struct cmi_pin **ret_pin);

/**
 * cmi_region_open_sessions() - the handle's region CMI_SESSION_REGION, opened if need be
 * @budget_bytes: as in its options; the first call decides
 *
 * Does not wait for meshd. Return: as cm_region_open().
 */
int cmi_region_open_sessions(struct cm_region **ret_region, struct cm *cm, size_t budget_bytes);

/* The clock of cmi_entry.loaded_ds: it goes on while the host is suspended, and does not come round
 * within 13 years. */
uint32_t cmi_now_ds(void);

/**
 * cmi_stale_get() - the last value of a key whose load has failed
 * @error: with which it failed
 *
 * Return: CM_STALE, with the value pinned and its age; or @error, if there is none that the region
 *         may give.
 */
int cmi_stale_get(struct cm_region *region, struct cmi_thread *thread, struct cmi_slice key,
                int error, struct cm_value *ret_value);

/* Entries of the key that were stored while the region had another place leave the table. */
void cmi_stale_remove(struct cm_region *region, struct cmi_slice key);

/* The full check of a pinned entry that may not be in the table: also the
 * own stamps of keys. */
enum cm_reason cmi_region_check(
                struct cm_region *region, struct cmi_thread *thread, const struct cmi_entry *entry);

/*
 * Before a region with CM_FRESH_TTL is used otherwise than by a get: if a look is due, one is made,
 * and the page may be another one afterwards. The thread is in no mapping, and holds no lock.
 */
void cmi_region_look(struct cm_region *region, struct cmi_thread *thread);

/* What is to die; one of them is set. */
struct cmi_target {
        struct cm_region *region;
        struct cmi_slice key;
        struct cmi_slice tag;
};

/* Every target is dead in this process on return; see own_stamps.c for the argument. Without
 * @thread (NULL: there was no memory for it) their whole regions are. */
void cmi_own_invalidate(struct cm *cm, struct cmi_thread *thread, const struct cmi_target *targets,
                size_t n_targets);

/**
 * cmi_own_hold() - what was invalidated is not stored here for the hold_ms of its region
 *
 * For a call that has handed nothing to meshd yet, before it returns. Only of regions with
 * CM_FRESH_TTL: others are not served meanwhile. Arguments as above.
 */
void cmi_own_hold(struct cm *cm, struct cmi_thread *thread, const struct cmi_target *targets,
                size_t n_targets);

/* End the holds whose time is over. */
void cmi_own_end_holds(struct cm *cm);

/* Before a token is taken, or a stamp compared with one. */
static inline void cmi_own_look(struct cm *cm)
{
        uint64_t first_ns = atomic_load_explicit(&cm->own_hold_ns, memory_order_acquire);

        if (__builtin_expect(first_ns != 0, 0) &&
                        cmi_clock_ns(CLOCK_MONOTONIC_COARSE) >= first_ns) {
                cmi_own_end_holds(cm);
        }
}

/* Is a key in this slot of the page held here? */
bool cmi_own_holds_key(const struct cm_region *region, uint32_t key_slot);

/* May something loaded under this token be stored, for all that this process
 * itself has invalidated? */
bool cmi_own_allows(const struct cm_region *region, const struct cmi_entry *entry);

/* All entries leave the table. Lock held. */
void cmi_region_empty(struct cm_region *region);

/* Bytes that count in the budget: the heap's chunks and the table's buckets. Lock held. */
size_t cmi_region_bytes(const struct cm_region *region);

/* Queue and eviction (sieve.c). Lock held. */
void cmi_sieve_insert(struct cm_region *region, struct cmi_entry *entry);
void cmi_sieve_remove(struct cm_region *region, struct cmi_entry *entry);

/**
 * cmi_sieve_evict() - take entries out until so many bytes are gone
 * @mapping: what tells whether an entry can still be served; those that cannot go first
 * @bytes:   how many are wanted
 *
 * Return: the bytes of what was unlinked; 0 when everything left is pinned.
 */
size_t cmi_sieve_evict(struct cm_region *region, const struct cmi_mapping *mapping, size_t bytes);

/**
 * cmi_sieve_empty_chunk() - one chunk of the heap becomes empty at the next reclaim
 *
 * Its entries move to free blocks of other chunks, those that were hit first; what finds no room is
 * evicted. A chunk of which something is pinned or being filled is passed over.
 *
 * Return: the bytes of what was unlinked; 0 if no chunk was emptied: there is not enough room, or
 *         this one was passed over, and the next call looks at another one.
 */
size_t cmi_sieve_empty_chunk(struct cm_region *region);

/* An entry leaves table and queue, and is freed once nobody has it pinned
 * (reclaim.c). Lock held. */
void cmi_region_unlink(struct cm_region *region, struct cmi_entry *entry);

/* An entry that is in neither is freed once nobody has it pinned. Lock held. */
void cmi_region_retire(struct cm_region *region, struct cmi_entry *entry);

/* Frees what was unlinked and is not pinned; how many. Lock held; is_due: is it worth a barrier? */
size_t cmi_region_reclaim(struct cm_region *region);
bool cmi_region_reclaim_is_due(const struct cm_region *region);

/* An entry that nobody can see gives its memory back. Lock held. */
void cmi_region_free_entry(struct cm_region *region, struct cmi_entry *entry);

/*
 * At cm_close(): everything freed but what is pinned, which is returned, linked by older; newer is
 * then the entry's heap (NULL for one beside it), which goes with its last entry.
 */
struct cmi_entry *cmi_region_free(struct cm_region *region);

/* In a forked child: an empty region; what the parent had is left where it is. Nothing if it
 * was done before. 0 or -ENOMEM. */
int cmi_region_after_fork(struct cm_region *region, uint64_t generation);
