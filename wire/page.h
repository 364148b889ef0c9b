/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The shared page: the memory through which meshd tells each process of its node what changed. Its
 * layout is an ABI between meshd and every process that maps it, so it carries a layout version and
 * its sizes.
 *
 * One writer (meshd, or the process itself for a standalone page), any number of readers, no locks.
 * Applying an operation stores the sequence number seq = apply_seq + 1 into the slot of each target
 * (release) and then publishes apply_seq = seq (release). A reader remembers the apply_seq from
 * before its load (a token) and later compares: a slot that is larger than the token means that
 * something was applied since. The top bit of a slot is the intent flag: a flagged slot is larger
 * than any token, so an open write intent refuses too.
 *
 * The order of a reader's check is fixed: lease ends first, then epoch, floor and slots, clocks
 * last. See docs/explanation/page.md.
 */
#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "the page needs lock-free 8-byte atomics");

#define CMI_PAGE_MAGIC UINT64_C(0x3165676170206d63) /* "cm page1" in memory, little endian */
#define CMI_PAGE_VERSION 2
#define CMI_PAGE_INTENT_FLAG (UINT64_C(1) << 63)
#define CMI_PAGE_REGIONS 1024                            /* slots by exact index */
#define CMI_PAGE_FLOOR_CLOSED (CMI_PAGE_INTENT_FLAG - 1) /* above every token */
#define CMI_PAGE_SLOTS_MIN (1 << 8)
#define CMI_PAGE_SLOTS_MAX (1 << 26)
#define CMI_PAGE_SLOTS_DEFAULT (1 << 20)

/* What the page's owner is able to do; for people and for cm_state(), never for
 * the decision on a hit. */
enum cmi_page_state {
        CMI_PAGE_JOINING = 0,
        CMI_PAGE_LIVE = 1,
        CMI_PAGE_CLOSED = 2, /* its meshd ended in order; map the next one */
};

enum cmi_page_kind {
        CMI_PAGE_KEY = 0,
        CMI_PAGE_TAG = 1,
        CMI_PAGE_SESSION = 2,
};

/*
 * Offsets are from the start of the page. Everything in the first cache line is constant once the
 * page is handed out; the writer's words are grouped by how often they change: the lease with each
 * beat, apply_seq with each operation.
 */
struct cmi_page {
        uint64_t magic;
        uint32_t version;
        uint32_t header_size;
        uint64_t size;      /* of the whole mapping, in bytes */
        uint64_t epoch;     /* random, never 0, never again */
        uint64_t seed;      /* of the slot hash */
        uint32_t key_slots; /* powers of two */
        uint32_t tag_slots;
        uint32_t session_slots;
        uint32_t region_slots;
        uint64_t keys_offset;

        _Alignas(64) uint64_t tags_offset;
        uint64_t sessions_offset;
        uint64_t regions_offset;
        uint64_t lease_ns; /* L, for display */
        uint64_t owners_offset;

        _Alignas(64) _Atomic uint64_t
                        lease_end_mono_ns;  /* CLOCK_MONOTONIC_COARSE must be below it */
        _Atomic uint64_t lease_end_real_ns; /* and CLOCK_REALTIME_COARSE below this */
        /* Tokens below it are dead; may be flagged, too. CMI_PAGE_FLOOR_CLOSED: all, for good. */
        _Atomic uint64_t floor;
        _Atomic uint32_t state; /* enum cmi_page_state */

        _Alignas(64) _Atomic uint64_t apply_seq;
};

static_assert(sizeof(struct cmi_page) == 256, "the page header is an ABI");

struct cmi_page_geometry {
        uint32_t key_slots; /* powers of two between CMI_PAGE_SLOTS_MIN and _MAX */
        uint32_t tag_slots;
        uint32_t session_slots;
};

/**
 * cmi_page_size() - bytes that a page of this geometry takes
 * @geometry: borrowed
 *
 * Return: the size, a multiple of 4096; 0 if a count is no power of two or out of range.
 */
size_t cmi_page_size(const struct cmi_page_geometry *geometry);

/**
 * cmi_page_init() - make an empty page in zeroed memory
 * @page:     at least cmi_page_size() zeroed bytes, aligned to 64
 * @geometry: as for cmi_page_size()
 * @epoch:    random and not 0
 * @seed:     random
 * @lease_ns: L, for display
 *
 * The lease ends are 0: nobody may serve yet. Writer's thread.
 */
void cmi_page_init(struct cmi_page *page, const struct cmi_page_geometry *geometry, uint64_t epoch,
                uint64_t seed, uint64_t lease_ns);

/**
 * cmi_page_check() - may this mapping be read without leaving it?
 * @page: start of a mapping
 * @size: its length in bytes
 *
 * A page comes from another process, so every offset and count is checked once at attach;
 * afterwards the reader uses the copies in struct cmi_page_view.
 *
 * Return: 0, -EPROTO for a page of another kind or version, -EBADMSG for sizes that contradict each
 *         other.
 */
int cmi_page_check(const struct cmi_page *page, size_t size);

/* What a reader or writer needs on each access, copied from a checked page; trivially
 * copyable, owns nothing. */
struct cmi_page_view {
        struct cmi_page *page;
        _Atomic uint64_t *keys;
        _Atomic uint64_t *tags;
        _Atomic uint64_t *sessions;
        _Atomic uint64_t *regions;
        _Atomic uint64_t *owners; /* by the region's index, see cmi_page_set_owner() */
        uint64_t epoch;
        uint64_t seed;
        uint32_t key_mask;
        uint32_t tag_mask;
        uint32_t session_mask;
        uint32_t n_regions;
};

/**
 * cmi_page_view() - the view of a page that cmi_page_check() accepted, or that was just made
 * @page: the mapping; must outlive the view
 */
struct cmi_page_view cmi_page_view(struct cmi_page *page);

/**
 * cmi_page_hash() - the 128-bit hash of a key, tag or session in one region
 *
 * The high half chooses the slot, the low half is free for the reader's own table. XXH3 with the
 * page's seed mixed with kind and region: two keys that share a slot on one node do not on the
 * next, since the seed differs. Source: xxHash, XXH3_128bits_withSeed.
 */
static inline XXH128_hash_t cmi_page_hash(uint64_t seed, enum cmi_page_kind kind, uint32_t region,
                const void *key, size_t key_len)
{
        return XXH3_128bits_withSeed(key, key_len,
                        seed ^ (((uint64_t)region + 1) * UINT64_C(0x9e3779b97f4a7c15)) ^
                                        (uint64_t)kind << 62);
}

/* Slot number of a hash in a table with this mask. */
static inline uint32_t cmi_page_slot(XXH128_hash_t hash, uint32_t mask)
{
        return (uint32_t)(hash.high64 >> 32) & mask;
}

/* The slot of a session: sessions have a table of their own, whatever region keeps them. @key: 16
 * bytes. */
static inline uint32_t cmi_page_session_slot(const struct cmi_page_view *view, const void *key)
{
        return cmi_page_slot(cmi_page_hash(view->seed, CMI_PAGE_SESSION, 0, key, 16),
                        view->session_mask);
}

/*
 * Writer's side: seq = cmi_page_begin(); any number of cmi_page_stamp_*(); cmi_page_publish(). One
 * thread.
 */

/* The sequence number that the stamps of the next publication carry. */
static inline uint64_t cmi_page_begin(const struct cmi_page_view *view)
{
        return atomic_load_explicit(&view->page->apply_seq, memory_order_relaxed) + 1;
}

/* Stamp one slot; an intent flag stays until cmi_page_stamp_flag() takes it away. */
static inline void cmi_page_stamp(_Atomic uint64_t *slot, uint64_t seq)
{
        uint64_t flag = atomic_load_explicit(slot, memory_order_relaxed) & CMI_PAGE_INTENT_FLAG;

        atomic_store_explicit(slot, seq | flag, memory_order_release);
}

/* Stamp one slot, and set or take away its intent flag. The writer counts the open intents of each
 * slot, and takes the flag away with the last. */
static inline void cmi_page_stamp_flag(_Atomic uint64_t *slot, uint64_t seq, bool is_flagged)
{
        atomic_store_explicit(
                        slot, is_flagged ? seq | CMI_PAGE_INTENT_FLAG : seq, memory_order_release);
}

static inline void cmi_page_stamp_key(const struct cmi_page_view *view, uint32_t region,
                const void *key, size_t key_len, uint64_t seq)
{
        XXH128_hash_t hash = cmi_page_hash(view->seed, CMI_PAGE_KEY, region, key, key_len);

        cmi_page_stamp(&view->keys[cmi_page_slot(hash, view->key_mask)], seq);
}

/* Tags are per region, as keys are. */
static inline void cmi_page_stamp_tag(const struct cmi_page_view *view, uint32_t region,
                const void *tag, size_t tag_len, uint64_t seq)
{
        XXH128_hash_t hash = cmi_page_hash(view->seed, CMI_PAGE_TAG, region, tag, tag_len);

        cmi_page_stamp(&view->tags[cmi_page_slot(hash, view->tag_mask)], seq);
}

/* @key: 16 bytes. */
static inline void cmi_page_stamp_session(
                const struct cmi_page_view *view, const void *key, uint64_t seq)
{
        cmi_page_stamp(&view->sessions[cmi_page_session_slot(view, key)], seq);
}

/* Below n_regions, asserted: the index comes from the writer's own registry. */
static inline void cmi_page_stamp_region(
                const struct cmi_page_view *view, uint32_t region, uint64_t seq)
{
        assert(region < view->n_regions);
        cmi_page_stamp(&view->regions[region], seq);
}

/*
 * An index is given to a region, which may have been another's before: @owner is a number that no
 * region of this page had. The stamp of the region's slot follows, in the same publication or a
 * later one: a reader whose token is not below that stamp then sees the new owner.
 */
static inline void cmi_page_set_owner(
                const struct cmi_page_view *view, uint32_t region, uint64_t owner)
{
        assert(region < view->n_regions);
        atomic_store_explicit(&view->owners[region], owner, memory_order_release);
}

/*
 * Whose is this index? Asked after the token was taken, and before anything is stored under it: a
 * reader that does not see its own number any more has lost the index, and no stamps for its region
 * come there. What it had stored before is dead by the stamp.
 */
static inline uint64_t cmi_page_owner(const struct cmi_page_view *view, uint32_t region)
{
        return atomic_load_explicit(&view->owners[region], memory_order_acquire);
}

static inline bool cmi_page_is_closed(const struct cmi_page_view *view)
{
        uint64_t floor = atomic_load_explicit(&view->page->floor, memory_order_relaxed);

        return (floor & ~CMI_PAGE_INTENT_FLAG) == CMI_PAGE_FLOOR_CLOSED;
}

/* Every token taken before this publication is dead: "forget everything". A flag stays. */
static inline void cmi_page_stamp_floor(const struct cmi_page_view *view, uint64_t seq)
{
        if (!cmi_page_is_closed(view)) {
                cmi_page_stamp(&view->page->floor, seq);
        }
}

/* The same, and from now on every token is dead, or not any more. */
static inline void cmi_page_flag_floor(
                const struct cmi_page_view *view, uint64_t seq, bool is_flagged)
{
        if (!cmi_page_is_closed(view)) {
                cmi_page_stamp_flag(&view->page->floor, seq, is_flagged);
        }
}

/* No token is good any more, neither one from before nor one that is still to be taken: whoever
 * goes on reading this page gets nothing out of it, with a lease or without. */
static inline void cmi_page_close(const struct cmi_page_view *view)
{
        cmi_page_stamp(&view->page->floor, CMI_PAGE_FLOOR_CLOSED);
}

static inline void cmi_page_publish(const struct cmi_page_view *view, uint64_t seq)
{
        atomic_store_explicit(&view->page->apply_seq, seq, memory_order_release);
}

/* Both lease ends, 0 to stop all serving at once. A later end is never stored before what it
 * vouches for is applied. */
static inline void cmi_page_set_lease(
                const struct cmi_page_view *view, uint64_t end_mono_ns, uint64_t end_real_ns)
{
        atomic_store_explicit(&view->page->lease_end_mono_ns, end_mono_ns, memory_order_release);
        atomic_store_explicit(&view->page->lease_end_real_ns, end_real_ns, memory_order_release);
}

static inline void cmi_page_set_state(const struct cmi_page_view *view, enum cmi_page_state state)
{
        atomic_store_explicit(&view->page->state, state, memory_order_release);
}
