/* SPDX-License-Identifier: MIT */
#ifndef CACHEMESH_H
#define CACHEMESH_H
/*
 * libcachemesh: a cache inside your process that the mesh keeps coherent.
 *
 * A region is a named cache with a memory budget. Loading goes: take a token, load, put under the
 * token; a value that was invalidated in between is not stored. cm_get_or_load() does all three. A
 * hit pins the value: use it, then cm_release() it. An invalidation is dead in the calling process
 * before the call returns, and with CM_WAIT_MESH it is dead everywhere, or the result says where
 * that is not proven.
 *
 * Return values: 0 is success, a positive value is a documented outcome (CM_MISS and others), a
 * negative one is an error: a -errno or a CM_E_* code; cm_strerror() names each. On failure nothing
 * is stored through a ret_ argument. Besides what its comment lists, every call may fail with
 * -EINVAL (an argument), with -ENOMEM in a thread's or a forked child's first call, and with
 * CM_E_FORKED on a handle that was opened with CM_OPEN_NO_FORK.
 *
 * Threads: every function may be called from any thread at any time unless its comment says
 * otherwise. Nothing here starts a thread, installs a signal handler, prints or aborts. No function
 * is async-signal-safe.
 *
 * Fork: a child notices that it is one, starts with an empty cache and connects by itself; values
 * pinned before the fork stay readable in the child.
 */
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CM_API __attribute__((visibility("default")))

#define CM_VERSION_MAJOR 0
#define CM_VERSION_MINOR 1
#define CM_VERSION_PATCH 0

/* Limits; beyond them a call fails with -EINVAL or -E2BIG and changes nothing. */
#define CM_REGION_NAME_MAX 64 /* bytes */
#define CM_REGIONS_MAX 1024
#define CM_KEY_MAX 1024 /* bytes; a key has at least one */
#define CM_TAG_MAX 255  /* bytes; a tag has at least one */
#define CM_TAGS_MAX 16  /* per entry */
#define CM_BATCH_MAX 10000
#define CM_SOCKET_PATH_MAX 107
#define CM_NAME_MAX 64

/* Outcomes (positive). */
enum cm_outcome {
        CM_OK = 0,
        CM_MISS = 1,    /* not cached, or not known to be fresh; comes with a token for your load */
        CM_STALE = 2,   /* reserved for stale_if_error */
        CM_PENDING = 3, /* not known to be in the stream: is sent when meshd answers again */
        CM_PARTIAL = 4, /* in the stream, but not proven to be on every member: see the result */
        CM_REFUSED = 5, /* cm_put(): the token is too old, or a fresh value is there; not stored */
        CM_NEGATIVE = 6, /* the key is known not to exist; there is no value to release */
        CM_NO_EVENT = 7, /* cm_next_event(): nothing has happened */
};

/* Errors beyond errno. */
#define CM_E_CONFIG (-1001)   /* region options differ from those of another process or node */
#define CM_E_FULL (-1002)     /* budget exhausted and every entry pinned */
#define CM_E_FORKED (-1003)   /* the handle belongs to the parent process (CM_OPEN_NO_FORK) */
#define CM_E_TIMEOUT (-1004)  /* in the stream, but the wait did not end in time */
#define CM_E_OFFLINE (-1005)  /* meshd does not answer */
#define CM_E_PROTOCOL (-1006) /* meshd speaks another version or sent nonsense */
#define CM_E_BUSY (-1007)     /* a limit on concurrent work is reached; try again */

struct cm;
struct cm_region;
struct cm_batch;
struct cm_load;

/* When may a get answer from the cache? See docs/explanation/page.md. */
enum cm_fresh {
        CM_FRESH_BOUNDED = 0, /* also only while this node's lease runs: a cut-off node misses */
        CM_FRESH_TTL = 1,     /* within its TTL, and not known to be invalidated */
};

/* How far an invalidation must have come before the call returns. */
enum cm_wait {
        CM_WAIT_NONE = 0, /* dead in this process, handed to meshd */
        CM_WAIT_NODE = 1, /* dead in every process of this node, in the stream */
        CM_WAIT_MESH = 2, /* dead on every member, or its cache has stopped answering */
};

/* cm_options.flags */
#define CM_OPEN_STANDALONE 1u /* a private page instead of meshd: reaches no other process */
#define CM_OPEN_NO_FORK 2u    /* calls in a forked child fail with CM_E_FORKED */

enum cm_log_level {
        CM_LOG_ERROR = 3,
        CM_LOG_WARNING = 4,
        CM_LOG_INFO = 6,
        CM_LOG_DEBUG = 7,
};

/* Called from inside a call on the handle, without any lock held; must not call cm_close(). */
typedef void (*cm_log_fn)(void *userdata, enum cm_log_level level, const char *message);

/*
 * Memory for entries (in chunks of up to 1 MiB) and the library's own structures; both functions or
 * none. realloc is not used. They are called with locks of the library held and must not call it.
 * What they gave stays in use until the last value is released, which may be after cm_close(). In a
 * forked child the parent's memory is never given back.
 */
struct cm_allocator {
        void *(*allocate)(void *userdata, size_t alignment, size_t size);
        void (*deallocate)(void *userdata, void *memory, size_t size);
        void *userdata;
};

struct cm_options {
        size_t size;             /* sizeof(struct cm_options) */
        const char *socket_path; /* NULL: $CACHEMESH_SOCKET, else /run/cachemesh/meshd.sock */
        const char *name;        /* of this app, shown to people; NULL: the program's name */
        unsigned flags;          /* CM_OPEN_* */
        uint32_t timeout_ms;     /* default deadline of each call that may wait; 0: 5000 */
        uint32_t pending_max;    /* publications kept while meshd is away, up to 16 MiB; 0: 4096 */
        cm_log_fn log;           /* NULL: silent */
        void *log_userdata;
        struct cm_allocator allocator; /* zeroed: malloc */
};

struct cm_region_options {
        size_t size; /* sizeof(struct cm_region_options) */
        enum cm_fresh fresh;
        size_t budget_bytes; /* memory for entries and their table; 0: 64 MiB; at least 64 KiB */
        uint32_t ttl_ms;     /* 0: no TTL (not allowed for CM_FRESH_TTL) */
        uint32_t negative_ttl_ms;    /* of negative entries; 0: as ttl_ms */
        uint32_t ttl_jitter_percent; /* each entry's TTL is shortened by up to this much; 0 to 50 */
        uint64_t version; /* of the values' format; versions share invalidations, never values */
};

/* Proof of "before": opaque, cheap to copy, valid in the process that took it. */
struct cm_token {
        uint64_t opaque[3];
};

struct cm_bytes {
        const void *data;
        size_t len;
};

/*
 * A value that a hit pinned. Zero it before the first use ({0}); cm_release() makes it reusable.
 * data is aligned to 16 and stays readable until the release, whatever is invalidated, evicted or
 * closed meanwhile.
 */
struct cm_value {
        const void *data;
        size_t len;
        struct cm_token token; /* after CM_MISS or CM_NEGATIVE: good for your load */
        uint64_t opaque[2];
};

struct cm_put_options {
        size_t size; /* sizeof(struct cm_put_options) */
        const struct cm_bytes *tags;
        size_t n_tags;
        uint32_t ttl_ms; /* 0: the region's */
        unsigned flags;  /* CM_PUT_* */
};
#define CM_PUT_NEGATIVE 1u /* the key is known not to exist; data must be NULL and len 0 */

enum cm_member_state {
        CM_MEMBER_APPLIED = 0,
        CM_MEMBER_LAPSED = 1,      /* no answer, but its lease ended: it serves nothing older */
        CM_MEMBER_UNCONFIRMED = 2, /* nothing proves that it has stopped serving */
};

struct cm_member {
        char name[CM_NAME_MAX + 1];
        unsigned char node_id[16];
        enum cm_member_state state;
};

/* Zero it before the first use; cm_result_clear() frees the list. The three counts are of other
 * nodes, after CM_WAIT_MESH; this one has applied what has a position. Alone, all are 0. */
struct cm_result {
        uint32_t n_applied;
        uint32_t n_lapsed;
        uint32_t n_unconfirmed;
        uint32_t n_members; /* length of the list: the members that did not simply apply it */
        struct cm_member *members; /* owned */
        uint64_t position;         /* in the stream of this node; 0 if not in it yet */
};

/* Handles */

/**
 * cm_open() - open a cache of this process
 * @ret_cm:  the handle; close it with cm_close()
 * @options: borrowed; NULL for all defaults
 *
 * Does not need a running meshd: without one, gets of bounded regions miss and invalidations are
 * queued, until a later call reaches it.
 *
 * Return: 0, -EINVAL (options), -ENAMETOOLONG (socket path over CM_SOCKET_PATH_MAX), -ENOMEM.
 */
CM_API int cm_open(struct cm **ret_cm, const struct cm_options *options);

/**
 * cm_close() - end a handle and its regions
 *
 * Pinned values stay readable until released. Invalidations still queued are tried once more within
 * the handle's timeout. No other call on the handle or its regions may be running or follow. NULL
 * is allowed.
 *
 * Return: NULL.
 */
CM_API struct cm *cm_close(struct cm *cm);

/**
 * cm_region_open() - open a region by name
 * @ret_region: borrowed from @cm, valid until cm_close(); opening a name again gives the same
 *             region
 * @name:       1 to CM_REGION_NAME_MAX bytes
 * @options:    borrowed; NULL for all defaults
 *
 * Return: 0, -EINVAL, -ENAMETOOLONG, -ENOSPC (CM_REGIONS_MAX), -ENOMEM, CM_E_CONFIG.
 */
CM_API int cm_region_open(struct cm_region **ret_region, struct cm *cm, const char *name,
                const struct cm_region_options *options);

/* Reading and filling */

/**
 * cm_token() - take a token; do it before the load, and before the transaction of the load, begins
 */
CM_API struct cm_token cm_token(struct cm *cm);

/**
 * cm_get() - look a key up
 * @ret_value: 0: pinned value, to be released. CM_MISS, CM_NEGATIVE: only its token is set
 *
 * No allocation, no lock, no system call on a hit.
 *
 * Return: 0, CM_MISS, CM_NEGATIVE, -EINVAL (key length), CM_E_FORKED.
 */
CM_API int cm_get(struct cm_region *region, const void *key, size_t key_len,
                struct cm_value *ret_value);

/**
 * cm_get_many() - cm_get() for several keys
 * @ret_values:   n_keys values, each as after its own cm_get()
 * @ret_outcomes: n_keys results of cm_get()
 *
 * Return: how many were hits, or -EINVAL.
 */
CM_API int cm_get_many(struct cm_region *region, const struct cm_bytes *keys, size_t n_keys,
                struct cm_value *ret_values, int *ret_outcomes);

/**
 * cm_release() - unpin a value; any thread may do it; zeroed values and NULL are allowed
 */
CM_API void cm_release(struct cm_value *value);

/**
 * cm_put() - store a loaded value under the token from before its load
 * @data: copied
 * @options: borrowed; NULL: no tags, the region's TTL
 *
 * Return: 0, CM_REFUSED, -EINVAL, -E2BIG (value over an eighth of the budget), CM_E_FULL, -ENOMEM.
 */
CM_API int cm_put(struct cm_region *region, const void *key, size_t key_len, const void *data,
                size_t len, struct cm_token token, const struct cm_put_options *options);

/*
 * A loader gives its value, tags and TTL to @load and returns 0, or returns a negative error that
 * every waiter gets. It may call any function of this library, but a load of the key that it is
 * loading fails with -EDEADLK.
 */
typedef int (*cm_load_fn)(void *userdata, struct cm_load *load, const void *key, size_t key_len);

CM_API int cm_load_set_value(struct cm_load *load, const void *data, size_t len); /* copied */
CM_API int cm_load_set_negative(struct cm_load *load); /* "does not exist" */
CM_API int cm_load_add_tag(struct cm_load *load, const void *tag, size_t tag_len);
CM_API int cm_load_set_ttl(struct cm_load *load, uint32_t ttl_ms);

/**
 * cm_get_or_load() - look a key up, and load it once for all who ask at the same time
 *
 * A waiter takes a load's result only if it is still fresh at hand-over, or if the load began after
 * the waiter came; else it loads itself. The value is returned even if it may not be cached.
 *
 * Return: 0, CM_NEGATIVE, the loader's error, -EDEADLK, CM_E_TIMEOUT (waiting for another thread's
 *         loader), -EINVAL, -ENODATA (the loader returned 0 without a value), -ENOMEM.
 */
CM_API int cm_get_or_load(struct cm_region *region, const void *key, size_t key_len,
                cm_load_fn load, void *userdata, struct cm_value *ret_value);

/* Invalidating */

/**
 * cm_invalidate() - nobody may serve what was loaded for this key before now
 * @wait:       how far it must have come
 * @ret_result: NULL, or filled when the outcome is 0, CM_PARTIAL or CM_E_TIMEOUT
 *
 * Call it after the commit of the change. At every wait level the key is dead in this process
 * before the call returns.
 *
 * While meshd is away invalidations are queued in memory and lost with the process.
 *
 * Return: 0, CM_PARTIAL, CM_PENDING, CM_E_TIMEOUT, -EINVAL, -ENOMEM, or the error with
 *         which meshd refused it.
 */
CM_API int cm_invalidate(struct cm_region *region, const void *key, size_t key_len,
                enum cm_wait wait, struct cm_result *ret_result);
CM_API int cm_invalidate_tag(struct cm_region *region, const void *tag, size_t tag_len,
                enum cm_wait wait, struct cm_result *ret_result);
CM_API int cm_invalidate_region(
                struct cm_region *region, enum cm_wait wait, struct cm_result *ret_result);

/**
 * cm_batch_new() - collect invalidations for one publication
 *
 * A batch belongs to one thread at a time. Up to CM_BATCH_MAX targets; adding more fails with
 * -E2BIG.
 */
CM_API int cm_batch_new(struct cm_batch **ret_batch, struct cm *cm);
CM_API struct cm_batch *cm_batch_free(struct cm_batch *batch);
CM_API int cm_batch_add_key(
                struct cm_batch *batch, struct cm_region *region, const void *key, size_t key_len);
CM_API int cm_batch_add_tag(
                struct cm_batch *batch, struct cm_region *region, const void *tag, size_t tag_len);
CM_API int cm_batch_add_region(struct cm_batch *batch, struct cm_region *region);

/**
 * cm_batch_publish() - publish and empty the batch
 * @timeout_ms: 0 for the handle's
 *
 * Return: as cm_invalidate(); the outcome is that of the whole batch.
 */
CM_API int cm_batch_publish(struct cm_batch *batch, enum cm_wait wait, uint32_t timeout_ms,
                struct cm_result *ret_result);

CM_API void cm_result_clear(struct cm_result *result);

/**
 * cm_region_clear() - drop this process's entries of a region; other processes keep theirs
 */
CM_API void cm_region_clear(struct cm_region *region);

/* State, events, statistics */

enum cm_mode {
        CM_LIVE = 0,    /* the lease runs: hits are served */
        CM_BYPASS = 1,  /* connected, but nothing bounded may be served now */
        CM_OFFLINE = 2, /* meshd does not answer */
        CM_STANDALONE = 3,
};

struct cm_state {
        enum cm_mode mode;
        const char *reason;    /* static text, never NULL */
        uint32_t n_pending;    /* invalidations waiting for meshd */
        uint64_t epoch;        /* of the page; 0 without one */
        int64_t lease_left_ms; /* negative: ended */
};

CM_API int cm_state(struct cm *cm, struct cm_state *ret_state);

enum cm_event_kind {
        CM_EVENT_STATE = 1,    /* mode changed: see cm_state() */
        CM_EVENT_PAGE = 2,     /* a new page: everything cached before is gone */
        CM_EVENT_FLUSHED = 3,  /* queued invalidations are in the stream */
        CM_EVENT_OVERFLOW = 4, /* too many were queued: whole regions are invalidated instead */
        CM_EVENT_CONFIG = 5,   /* a region's options differ elsewhere */
};

struct cm_event {
        enum cm_event_kind kind;
        enum cm_mode mode;
        char detail[128];
};

/*
 * Loop integration, for events and prompt reconnection only; nothing else depends on it. Poll
 * cm_fd() for cm_events() (POLLIN or POLLOUT bits), wait at most cm_timeout_ms(), then call
 * cm_dispatch(). Level-triggered. cm_fd() stays the same descriptor for the life of the handle (in
 * one process).
 */
CM_API int cm_fd(struct cm *cm);
CM_API int cm_events(struct cm *cm);
CM_API int cm_timeout_ms(struct cm *cm); /* -1: no limit */
CM_API int cm_dispatch(struct cm *cm);
CM_API int cm_next_event(struct cm *cm, struct cm_event *ret_event); /* 0 or CM_NO_EVENT */

/* Why the last cm_get() of this thread missed. */
enum cm_reason {
        CM_REASON_NONE = 0, /* it hit */
        CM_REASON_ABSENT = 1,
        CM_REASON_EXPIRED = 2,     /* TTL */
        CM_REASON_LEASE = 3,       /* the node's lease does not run */
        CM_REASON_INVALIDATED = 4, /* key, tag or region */
        CM_REASON_FORGOTTEN = 5,   /* floor or epoch: the node forgot everything from before */
        CM_REASON_PENDING = 6,     /* invalidations of this handle wait for meshd */
        CM_REASON_OFFLINE = 7,     /* there is no page */
};
CM_API enum cm_reason cm_last_reason(void);

struct cm_region_stats {
        size_t size; /* set by the caller: sizeof(struct cm_region_stats) */
        uint64_t n_hits;
        uint64_t n_negative_hits;
        uint64_t n_misses[8]; /* by enum cm_reason */
        uint64_t n_puts;
        uint64_t n_refused;
        uint64_t n_evicted;
        uint64_t n_loads;
        uint64_t n_load_errors;
        uint64_t n_load_waits;
        uint64_t n_entries;
        uint64_t bytes;
        uint64_t budget_bytes;
        uint64_t n_pinned;
};
CM_API int cm_region_stats(struct cm_region *region, struct cm_region_stats *ret_stats);

CM_API const char *cm_strerror(int error); /* static text for every code above and errno */
CM_API const char *cm_version(void);       /* "0.1.0" */

/* Of this thread's last failed call; valid until its next one. */
CM_API const char *cm_error_detail(struct cm *cm);

#ifdef __cplusplus
}
#endif
#endif
