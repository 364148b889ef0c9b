/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The handle: what cm_open() returns, and the seam between its two halves.
 *
 * The cache half (api.c, batch.c, region.c, table.c, load.c and others) checks arguments, makes
 * targets dead in this process, encodes operations and answers gets from memory. The source half
 * says where stamps and leases come from and where operations go: standalone.c (a private page in
 * this process) or connection.c (meshd's page and socket). The cache half calls the source
 * through struct cmi_source_ops; the source half calls the cache half through the functions
 * below. Nothing else is shared.
 *
 * Locks: a source never calls the functions below with a lock held that its own ops take, and the
 * cache half holds no lock while it calls the source.
 */
#include "base/bytes.h"
#include "libcachemesh/cachemesh.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define CMI_TIMEOUT_MS_DEFAULT 5000
#define CMI_PENDING_MAX_DEFAULT 4096
#define CMI_LOADS_MAX_DEFAULT 32
#define CMI_REGION_INDEX_UNKNOWN UINT32_MAX

struct cmi_ext_answer; /* extension.h */
struct cmi_ext_call;
struct cmi_mapping; /* mapping.h */
struct cmi_source;  /* of the source half; each source defines its own and casts */

/* Where an operation is: its number in the stream of the meshd that took it. */
struct cmi_place {
        uint64_t stream; /* 0: not known to be in any */
        uint64_t number;
};

/* What cm_state() tells, as the source knows it. */
struct cmi_source_status {
        /* CM_OFFLINE, CM_STANDALONE or, connected, CM_BYPASS: the cache half makes that CM_LIVE
         * while the lease runs. */
        enum cm_mode mode;
        const char *reason; /* static text, never NULL */
        uint32_t n_pending;
};

/* One load of a region with CM_REGION_SHARE_LOADS. */
struct cmi_share {
        struct cm_region *region;
        struct cmi_slice key;
        uint64_t deadline_ns; /* CLOCK_MONOTONIC */
        bool is_hasty;        /* waits for no other process */
        uint64_t n_busy;      /* to be told with the next word to meshd */
        uint64_t n_stale;

        /* Of the source, zeroed before the first share_begin(). */
        uint64_t arrival;
        uint64_t id;
        uint64_t connection;

        /* After CMI_SHARE_TAKE; the record (wire/load.h) is of the handle's allocator, and the
         * caller's. */
        bool is_new; /* the load began after the first share_begin() */
        void *record;
        size_t record_len;
};

enum cmi_share_outcome {
        CMI_SHARE_ALONE = 0, /* load; nobody waits for it */
        CMI_SHARE_LEAD = 1,  /* load, and then share_end(); or share_give_up() */
        CMI_SHARE_TAKE = 2,  /* another process has loaded it */
};

/*
 * The source as the cache half sees it. Every function may be called from any thread at any time,
 * except free and after_fork, which run alone.
 */
struct cmi_source_ops {
        /*
         * Hand n_ops encoded operations (wire/op.h) over, in order, the wait being that of the last
         * one. The targets are already dead in this process. timeout_ms is never 0. ret_result may
         * be NULL. Returns what cm_invalidate() documents, without -EINVAL. An operation that could
         * not be handed over is kept and cmi_handle_set_pending(true) is called before the return.
         */
        int (*publish)(struct cm *cm, const struct cmi_slice *ops, size_t n_ops, enum cm_wait wait,
                        uint32_t timeout_ms, struct cm_result *ret_result);

        /*
         * Hand an INTENT_BEGIN over and wait for the mesh. It is never kept for later: CM_PENDING
         * then. ret_place is set whatever the outcome, if meshd has told it; one that is told later
         * is ended again. NULL: the source has no intents.
         */
        int (*begin)(struct cm *cm, struct cmi_slice op, uint32_t timeout_ms,
                        struct cm_result *ret_result, struct cmi_place *ret_place);

        /*
         * A region was opened: get it an index in the current page (and in each later one) and tell
         * it with cmi_region_set_index(). Waits for the answer up to timeout_ms if connected, does
         * not fail if not. Returns 0, or with a detail (it is open all the same): CM_E_CONFIG when
         * the region's options differ from those of others, -ENOSPC when meshd has none to give.
         * Called again for one that was refused, it asks again, and waits.
         */
        int (*open_region)(struct cm *cm, struct cm_region *region, uint32_t timeout_ms);

        /*
         * A get missed because there is no page, no running lease, or something pending. At most
         * one non-blocking attempt to connect per back-off slot, under a try-lock; never waits.
         * Also reads what the socket holds.
         */
        void (*poke)(struct cm *cm);

        /*
         * The page has not been renewed for half a lease, and a region with CM_FRESH_TTL is used:
         * look whether its meshd is still this node's, and if so say it with cmi_mapping_vouch().
         * As poke otherwise.
         */
        void (*vouch)(struct cm *cm);

        /*
         * Who loads this key? Waits for another process that does, until the deadline. Called again
         * with the same share, it goes on from the first arrival. Returns enum cmi_share_outcome,
         * CM_E_TIMEOUT, CM_E_BUSY (hasty), or the error of the other process's load.
         */
        int (*share_begin)(struct cm *cm, struct cmi_share *share);

        /*
         * The load is done: with what it found (a record, error 0), with a negative error, or with
         * neither: then it is not for others. Never waits.
         */
        void (*share_end)(struct cm *cm, const struct cmi_share *share, int error,
                        struct cmi_slice record);

        /* A load that was to be led is not run: another process shall. Never waits. */
        void (*share_give_up)(struct cm *cm, const struct cmi_share *share);

        /* cmi_ext_call(), but for the token's own sequence, and cmi_ext_tell(). NULL: the source
         * has no sessions. */
        int (*call)(struct cm *cm, const struct cmi_ext_call *call,
                        struct cmi_ext_answer *ret_answer);
        int (*tell)(struct cm *cm, struct cmi_slice fields);

        void (*status)(struct cm *cm, struct cmi_source_status *ret_status);

        int (*fd)(struct cm *cm);
        int (*events)(struct cm *cm);
        int (*timeout_ms)(struct cm *cm);
        int (*dispatch)(struct cm *cm);
        int (*next_event)(struct cm *cm, struct cm_event *ret_event);

        /*
         * First call in a forked child: forget descriptors, queues and waiting threads of the
         * parent (locks may be in any state: initialise them again), start disconnected. The cache
         * half has dropped page and entries, and asks for each region again with open_region at
         * timeout 0 afterwards. Returns 0 or -errno; then gets miss.
         */
        int (*after_fork)(struct cm *cm);

        /* Last call: try what is queued once more, within the handle's timeout,
         * and free everything. */
        void (*free)(struct cm *cm);
};

/* Set up the source of a new handle: the handle owns the source until ops->free(). 0 or -errno. */
int cmi_standalone_new(struct cm *cm, const struct cmi_source_ops **ret_ops,
                struct cmi_source **ret_source);
int cmi_connection_new(struct cm *cm, const struct cmi_source_ops **ret_ops,
                struct cmi_source **ret_source);

/* Fill a caller's result, which may still have the list of an earlier call; NULL is allowed. */
static inline void cmi_result_set(struct cm_result *ret_result, struct cm_result result)
{
        if (ret_result) {
                free(ret_result->members);
                *ret_result = result;
        }
}

/* For the source half */

struct cmi_source *cmi_handle_source(struct cm *cm);

/* What cm_open() was given, with defaults filled in; strings are copies that live as
 * long as the handle. */
const struct cm_options *cmi_handle_options(const struct cm *cm);

/**
 * cmi_handle_set_pending() - invalidations of this handle wait to be handed over
 * @is_pending: while true, every get of a bounded region of the handle misses (CM_REASON_PENDING)
 *
 * Any thread; cheap when nothing changes. The caller orders its own true and false.
 */
void cmi_handle_set_pending(struct cm *cm, bool is_pending);

/* Through the allocator hooks; alignment is a power of two of at least 16 bytes'
 * worth. NULL on failure. */
void *cmi_handle_allocate(struct cm *cm, size_t alignment, size_t size);
void cmi_handle_deallocate(struct cm *cm, void *memory, size_t size);

/* One line to the log callback, if there is one. No lock may be held. */
void cmi_handle_log(struct cm *cm, enum cm_log_level level, const char *format, ...)
                __attribute__((format(printf, 3, 4)));

/* Set the text of cm_error_detail() for this thread, and return @error: `return
 * cmi_fail(-EPROTO, "...")`. */
int cmi_fail(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/**
 * cmi_mapping_install() - make a page current
 * @page:       start of a mapping that cmi_page_check() accepted; taken over, also on failure, and
 *              unmapped with munmap() once no reader can be inside
 * @size:       of the mapping
 * @ret_serial: names this mapping in cmi_region_set_index(); never 0, never
 *              used again in this process
 *
 * Every entry stored under an older mapping is dead before the return, and no region has an index
 * yet. One thread at a time per handle (the source's own lock). When the socket is lost the mapping
 * stays: its lease ends by itself.
 *
 * Return: 0 or -ENOMEM; then the previous mapping stays current.
 */
int cmi_mapping_install(struct cm *cm, void *page, size_t size, uint32_t *ret_serial);

/* There is no page any more: gets miss with CM_REASON_OFFLINE, puts are refused. As
 * cmi_mapping_install(). */
void cmi_mapping_drop(struct cm *cm);

/**
 * cmi_mapping_vouch() - the current page is this node's, though its lease may be over
 * @until_ns: CLOCK_MONOTONIC; before it no other meshd has answered for this node
 *
 * Until then regions with CM_FRESH_TTL are served. The source's own lock is held, so that nobody
 * vouches beside it, and the page stays.
 */
void cmi_mapping_vouch(struct cm *cm, uint64_t until_ns);

/* Regions, in the order in which they were opened; they live as long as the handle. Any thread. */
uint32_t cmi_handle_n_regions(struct cm *cm);
struct cm_region *cmi_handle_region(struct cm *cm, uint32_t number);
const char *cmi_region_name(const struct cm_region *region);
const struct cm_region_options *cmi_region_options(const struct cm_region *region);

/**
 * cmi_region_set_index() - where the region is in the page
 * @serial: of the mapping in which the index holds
 * @index:  below the page's n_regions, checked by the caller;
 *          CMI_REGION_INDEX_UNKNOWN takes it back
 * @owner:  what the page says there as long as the index is this region's: cmi_page_owner()
 *
 * Until a region has an index in the current mapping its gets miss (CM_REASON_OFFLINE)
 * and its puts are refused.
 */
void cmi_region_set_index(
                struct cm_region *region, uint32_t serial, uint32_t index, uint64_t owner);

/* Where it is, or CMI_REGION_INDEX_UNKNOWN. */
uint32_t cmi_region_index(const struct cm_region *region, uint32_t serial);
