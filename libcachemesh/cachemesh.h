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
 * that is not proven. Entries are found by their key only: there is no iteration, and no way to
 * list what is cached.
 *
 * Return values: 0 is success, a positive value is a documented outcome (CM_MISS and others), a
 * negative one is an error: a -errno or a CM_E_* code; cm_strerror() names each, and
 * cm_error_detail() says more. On failure nothing is stored through a ret_ argument. Structs that
 * begin with their size may get more members in later versions, at their end; all others stay as
 * they are for as long as the library keeps its soname. Besides what
 * its comment lists, a call on a handle, a region or a batch may fail in two ways: with -ENOMEM,
 * which the first call of a thread or of a forked child needs memory for, and with CM_E_FORKED, in
 * a child of the process that opened the handle with CM_OPEN_NO_FORK.
 *
 * Threads: every function may be called from any thread at any time unless its comment says
 * otherwise. Nothing here starts a thread, installs a signal handler, prints or aborts. No function
 * is async-signal-safe: none may be called from a signal handler. When a thread ends, what it has
 * pinned stays pinned, and any other thread may release it. A thread costs 1.6 KiB, which the next
 * new thread takes over when it has ended.
 *
 * Fork: a child notices at its first call that it is one (no system call is needed for that),
 * starts with an empty cache, no queue and no token, and connects by itself; it goes on with the
 * same handle and regions. Values pinned before the fork stay readable in the child. Other threads
 * of the parent may be inside of calls meanwhile. A loader should not return in a child that it
 * forked itself: its call fails there with CM_E_FORKED, and its memory is lost. A child of vfork(),
 * or of clone() with CLONE_VM, is no child in this sense: it must not call anything here.
 * Descriptors are closed by exec.
 *
 * dlopen: the library may be loaded with dlopen(); dlclose() leaves it loaded, since threads that
 * used it end in it.
 *
 * Where it runs: Linux with glibc. It does not compile where 8-byte atomics are not lock-free. It
 * is tested on x86-64.
 */
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** define CM_API - marks what the shared library exports */
#define CM_API __attribute__((visibility("default")))

/** define CM_VERSION_MAJOR - of this header; cm_version() tells that of the library */
#define CM_VERSION_MAJOR 0
/** define CM_VERSION_MINOR - grows with what is added to this header */
#define CM_VERSION_MINOR 1
/** define CM_VERSION_PATCH - grows when the header stays as it is */
#define CM_VERSION_PATCH 0

/* Limits: beyond them a call fails as its comment says, and changes nothing. */

/** define CM_REGION_NAME_MAX - bytes of a region's name, without the NUL */
#define CM_REGION_NAME_MAX 64
/** define CM_REGIONS_MAX - regions of one handle, and of one node */
#define CM_REGIONS_MAX 1024
/** define CM_KEY_MAX - bytes of a key; it has at least one, and may hold any bytes */
#define CM_KEY_MAX 1024
/** define CM_TAG_MAX - bytes of a tag; it has at least one, and may hold any bytes */
#define CM_TAG_MAX 255
/** define CM_TAGS_MAX - tags of one entry */
#define CM_TAGS_MAX 16
/** define CM_BATCH_MAX - keys, tags and regions in one batch */
#define CM_BATCH_MAX 10000
/** define CM_SOCKET_PATH_MAX - bytes of the path of meshd's socket, without the NUL */
#define CM_SOCKET_PATH_MAX 107
/** define CM_NAME_MAX - bytes of the name of an app or of a member, without the NUL */
#define CM_NAME_MAX 64

/**
 * enum cm_outcome - what a call that did not fail has come to
 *
 * Positive, so that `r < 0` asks for an error and `r == 0` for plain success.
 */
enum cm_outcome {
        CM_OK = 0,
        CM_MISS = 1,    /* not cached, or not known to be fresh; comes with a token for your load */
        CM_STALE = 2,   /* the load failed; an older value instead, which may be wrong by now */
        CM_PENDING = 3, /* not known to be in the stream; an invalidation is kept, and sent when
                           meshd answers; the begin of a write is not: see cm_write_begin() */
        CM_PARTIAL = 4, /* in the stream, but not proven to be on every member: see the result */
        CM_REFUSED = 5, /* cm_put(): the token is too old, or a fresh value is there; not stored */
        CM_NEGATIVE = 6, /* the key is known not to exist; there is no value to release */
        CM_NO_EVENT = 7, /* cm_next_event(): nothing has happened */
};

/* Errors beyond errno. -1005 and -1006 are none. */

/** define CM_E_CONFIG - another process of this node, or this one, has other region options */
#define CM_E_CONFIG (-1001)
/** define CM_E_FULL - the budget is exhausted and every entry in it is pinned */
#define CM_E_FULL (-1002)
/** define CM_E_FORKED - the handle (CM_OPEN_NO_FORK), or the load, is the parent process's */
#define CM_E_FORKED (-1003)
/** define CM_E_TIMEOUT - what was begun goes on, but the wait for it did not end in time */
#define CM_E_TIMEOUT (-1004)
/**
 * define CM_E_BUSY - a limit on concurrent work is reached
 *
 * From cm_get_or_load(): as many loaders as cm_options.loads_max allows ran all the time that the
 * call could wait. From cm_write_begin(): too many writes are open. On its socket meshd says it
 * when too many calls wait there, too; cm_invalidate() then gives CM_PENDING.
 */
#define CM_E_BUSY (-1007)
/** define CM_E_EXPIRED - the deadline of the write was over before its end was told */
#define CM_E_EXPIRED (-1008)

/** struct cm - a handle: one connection to meshd, and the regions opened on it */
struct cm;
/** struct cm_region - a named cache; it lives as long as its handle */
struct cm_region;
/** struct cm_batch - targets collected for one publication */
struct cm_batch;
/** struct cm_write - a write that was announced, and is not ended yet */
struct cm_write;
/** struct cm_load - a load that runs, in the hands of its loader */
struct cm_load;

/** enum cm_fresh - when may a get answer from the cache? See docs/explanation/page.md. */
enum cm_fresh {
        CM_FRESH_BOUNDED = 0, /* also only while this node's lease runs: a cut-off node misses */
        CM_FRESH_TTL = 1, /* within its TTL, and not known to be invalidated: goes on while meshd is
                             paused (SIGSTOP), cut off or killed, once this process has had its
                             page; so a member that does not answer is CM_MEMBER_UNCONFIRMED for
                             it, never lapsed. A clean end of meshd (SIGTERM; systemctl stop or
                             restart, so an update too) ends all entries, TTL or not, and nothing
                             is stored until one is back and LIVE: gets miss, CM_REASON_FORGOTTEN.
                             Over too when another meshd takes the place: a use that comes so late
                             looks first, without waiting. Without one for a lease while meshd
                             was dead gets miss until it is back, CM_REASON_LEASE */
};

/** enum cm_wait - how far an invalidation must have come before the call returns */
enum cm_wait {
        CM_WAIT_NONE = 0, /* dead in this process, handed to meshd */
        CM_WAIT_NODE = 1, /* dead in every process of this node, in the stream */
        CM_WAIT_MESH = 2, /* dead on every member, or its cache has stopped answering */
};

/** define CM_OPEN_STANDALONE - cm_options.flags: a private page instead of meshd, for tests */
#define CM_OPEN_STANDALONE 1u
/** define CM_OPEN_NO_FORK - cm_options.flags: calls in a forked child fail with CM_E_FORKED */
#define CM_OPEN_NO_FORK 2u

/** enum cm_log_level - how much a line matters; the numbers are syslog's */
enum cm_log_level {
        CM_LOG_ERROR = 3,
        CM_LOG_WARNING = 4,
        CM_LOG_INFO = 6,
        CM_LOG_DEBUG = 7,
};

/**
 * typedef cm_log_fn - takes one line of the library's log
 * @userdata: cm_options.log_userdata
 * @level:    how much it matters
 * @message:  one line without newline, borrowed for the call
 *
 * Called from inside any call on the handle and from several threads at a time, without a lock
 * held. It may call what it likes but cm_close(). A connection that comes and goes makes a line
 * each time; nothing that happens per get or invalidation does.
 */
typedef void (*cm_log_fn)(void *userdata, enum cm_log_level level, const char *message);

/**
 * struct cm_allocator - where the memory comes from
 *
 * For entries (in chunks of up to 2 MiB) and the library's own structures; both functions or none.
 * A region asks for its whole table at once, about a quarter of its budget, of which it touches
 * what it needs: memory that is resident from the start would be taken in vain. What belongs to no
 * handle (the record of each thread, more than 64 pins of one thread, the list of a cm_result)
 * comes from malloc() all the same, and pages are mapped.
 *
 * Both are called from any thread, also several at a time and with locks of the library held: they
 * must not call it. What they gave stays in use until the last value is released, which may be
 * after cm_close(). In a forked child what the parent had cached is never given back.
 */
struct cm_allocator {
        /* @size bytes or more at a multiple of @alignment, which is 16, 32 or 64; NULL: none. */
        void *(*allocate)(void *userdata, size_t alignment, size_t size);
        /* What allocate gave for this size; never NULL. */
        void (*deallocate)(void *userdata, void *memory, size_t size);
        void *userdata; /* of both */
};

/**
 * struct cm_options - how to open a handle
 *
 * Zero it and set @size; later versions append members. Everything is copied by cm_open().
 */
struct cm_options {
        size_t size;             /* sizeof(struct cm_options) */
        const char *socket_path; /* NULL: $CACHEMESH_SOCKET, else /run/cachemesh/meshd.sock */
        const char *name;        /* of this app, clean UTF-8 of up to CM_NAME_MAX bytes, shown to
                                    people; NULL: the program's name */
        unsigned flags;          /* CM_OPEN_* */
        uint32_t timeout_ms;     /* deadline of each call that may wait and has no other; 0: 5000 */
        uint32_t pending_max;    /* publications kept while meshd is away, up to 16 MiB; 0: 4096 */
        cm_log_fn log;           /* NULL: silent */
        void *log_userdata;
        struct cm_allocator allocator; /* zeroed: malloc, and mmap from 128 KiB on */
        uint32_t loads_max; /* loaders that run at the same time, of all regions; 0: 32. See
                               cm_get_or_load() */
};

/**
 * define CM_REGION_SHARE_LOADS - cm_region_options.flags: one load for all processes of the node
 *
 * Of the processes of one user that have the region open with this flag and the same version, and
 * miss one key in cm_get_or_load(), one runs its loader, and meshd hands the value to the others.
 * So the values must mean the same in each of them: bytes, no pointers. Values over 32 KiB are not
 * handed on. A miss costs one round trip to meshd more; a hit costs nothing more.
 */
#define CM_REGION_SHARE_LOADS 1u

/** define CM_HOLD_MS_MAX - longest hold_ms of a region */
#define CM_HOLD_MS_MAX 60000

/**
 * struct cm_region_options - what a region is
 *
 * Zero it and set @size; later versions append members. Every process of a node must open a region
 * with the same @fresh, @ttl_ms and @hold_ms. The budget counts what is taken from the allocator
 * for entries (each costs about 100 bytes beside its key and value) and for their table; pinned
 * entries count until they are released.
 */
struct cm_region_options {
        size_t size; /* sizeof(struct cm_region_options) */
        enum cm_fresh fresh;
        size_t budget_bytes; /* memory for entries and their table; 0: 64 MiB; at least 64 KiB */
        uint32_t ttl_ms;     /* 0: no TTL (not allowed for CM_FRESH_TTL) */
        uint32_t negative_ttl_ms;    /* of negative entries; 0: as ttl_ms */
        uint32_t ttl_jitter_percent; /* each entry's TTL is shortened by up to this much; 0 to 50 */
        uint64_t version; /* of the values' format, shown to people: no value leaves a process, but
                             with CM_REGION_SHARE_LOADS, and then only for the same version */
        uint32_t stale_if_error_ms; /* a load that fails is answered by the last value, if that is
                                       at most so old; 0: never. See CM_STALE in cm_get_or_load() */
        unsigned flags;             /* CM_REGION_* */
        uint32_t timeout_ms;        /* of this cm_region_open(); 0: the handle's */
        uint32_t hold_ms; /* what is invalidated from here is not cached for so long after it, on
                             any node: for loads from a source that lags, such as a read replica;
                             nor is the region here when the node may have missed something; up to
                             CM_HOLD_MS_MAX; 0: it may be cached at once */
};

/**
 * struct cm_token - proof of "before"
 *
 * Opaque and cheap to copy; needs no release. Good in the process that took it, for regions of the
 * handle that gave it, until something older than it is all that may be stored. A zeroed token is
 * good for nothing.
 */
struct cm_token {
        uint64_t opaque[3]; /* the library's */
};

/** struct cm_bytes - borrowed bytes: a key or a tag */
struct cm_bytes {
        const void *data;
        size_t len; /* bytes */
};

/**
 * struct cm_value - a value that a hit pinned
 *
 * Zero it before the first use ({0}); cm_release() makes it reusable. Do not fill one that is still
 * pinned: its pin would be lost. It may be moved to another place, but of several copies only one
 * may be released.
 */
struct cm_value {
        const void *data; /* aligned to 16; readable until the release, whatever is invalidated,
                             evicted or closed meanwhile; not NULL after a hit, also if len is 0 */
        size_t len;       /* bytes */
        struct cm_token token; /* after CM_MISS or CM_NEGATIVE: good for your load */
        uint64_t opaque[2];    /* the library's */
        uint64_t age_ms;       /* after CM_STALE, else as it was: since its load began, or since
                                  cm_put(); rounded up to 100 ms */
};

/** struct cm_put_options - what a put says beside key and value; zero it and set @size */
struct cm_put_options {
        size_t size;                 /* sizeof(struct cm_put_options) */
        const struct cm_bytes *tags; /* borrowed for the call */
        size_t n_tags;               /* 0 to CM_TAGS_MAX */
        uint32_t ttl_ms;             /* 0: the region's */
        unsigned flags;              /* CM_PUT_* */
};

/** define CM_PUT_NEGATIVE - the key is known not to exist; data must be NULL and len 0 */
#define CM_PUT_NEGATIVE 1u

/** enum cm_member_state - what is known of a member's cache after a wait */
enum cm_member_state {
        CM_MEMBER_APPLIED = 0,
        CM_MEMBER_LAPSED = 1,      /* no answer, but its lease ended: it serves nothing older */
        CM_MEMBER_UNCONFIRMED = 2, /* nothing proves that it has stopped serving */
};

/** struct cm_member - another node of the mesh, in a result */
struct cm_member {
        char name[CM_NAME_MAX + 1]; /* ends with a NUL */
        unsigned char node_id[16];
        enum cm_member_state state;
};

/**
 * struct cm_result - how far an invalidation has come
 *
 * Zero it before the first use; it may be used again without clearing. The three counts are of
 * other nodes, after CM_WAIT_MESH; this one has applied what has a position. Alone, all are 0.
 */
struct cm_result {
        uint32_t n_applied;
        uint32_t n_lapsed;
        uint32_t n_unconfirmed;
        uint32_t n_members; /* length of the list: the members that did not simply apply it; 0 with
                               the counts as they are if there was no memory for it */
        struct cm_member *members; /* owned: cm_result_clear() frees it */
        uint64_t position;         /* in the stream of this node; 0 if that is not known */
};

/* Handles */

/**
 * cm_open() - open a cache of this process
 * @ret_cm:  the handle; close it with cm_close()
 * @options: borrowed; NULL for all defaults
 *
 * Does not need a running meshd: without one, gets of bounded regions miss and invalidations are
 * queued, until a later call reaches it. Never waits. A handle takes about 270 KiB and, connected,
 * one descriptor; usually a process opens one.
 *
 * Return: 0, -EINVAL (no size, an unknown flag or member, half an allocator, a bad name),
 *         -ENAMETOOLONG (socket path over CM_SOCKET_PATH_MAX), -ENOMEM; with CM_OPEN_STANDALONE
 *         also -EMFILE or -ENFILE (no descriptor) and -EIO (no random numbers).
 */
CM_API int cm_open(struct cm **ret_cm, const struct cm_options *options);

/**
 * cm_close() - end a handle and its regions
 * @cm: taken over; NULL is allowed
 *
 * Pinned values stay readable until released, by any thread. Invalidations still queued are tried
 * once more: with a meshd that is there the call may take the handle's timeout, without one it does
 * not wait. No other call on the handle, its regions, its batches or its writes may be running or
 * follow, also no loader and no cm_log_fn: end the threads first, free the batches and end the
 * writes first. In a child of CM_OPEN_NO_FORK it does nothing, and the memory stays.
 *
 * Return: NULL.
 */
CM_API struct cm *cm_close(struct cm *cm);

/**
 * cm_region_open() - open a region by name
 * @ret_region: borrowed from @cm, valid until cm_close(); opening a name again gives the same
 *             region
 * @cm:         the handle
 * @name:       1 to CM_REGION_NAME_MAX bytes of UTF-8 without control characters; copied
 * @options:    borrowed; NULL for all defaults
 *
 * The first time on a handle that is connected it waits for meshd's answer, at most the timeout in
 * the options; without an answer it succeeds and the region misses until there is one. There is no
 * closing of a single region, and a name that was refused keeps its place in the handle.
 *
 * Open regions before tokens are taken: a token from before the first opening of a region on this
 * node is refused for it, since invalidations from before then are not known there.
 *
 * Return: 0, -EINVAL (name, options), -ENAMETOOLONG, -ENOSPC (CM_REGIONS_MAX are open in the
 *         handle or on the node, or 768 by this user; a later call asks again), -ENOMEM,
 *         CM_E_CONFIG (the handle has it with other options, or another process
 *         of the node with other fresh, ttl_ms or hold_ms).
 */
CM_API int cm_region_open(struct cm_region **ret_region, struct cm *cm, const char *name,
                const struct cm_region_options *options);

/* Reading and filling */

/**
 * cm_token() - take a token
 * @cm: the handle
 *
 * Do it before the load, and before the transaction of the load, begins. One token serves any
 * number of keys and regions. No lock, no system call.
 *
 * Return: the token; one that no put accepts if there is no page (meshd was never reached), in a
 *         child of CM_OPEN_NO_FORK, without memory, or if @cm is NULL.
 */
CM_API struct cm_token cm_token(struct cm *cm);

/**
 * cm_get() - look a key up
 * @region:    where
 * @key:       borrowed for the call
 * @key_len:   1 to CM_KEY_MAX bytes
 * @ret_value: 0: pinned value, to be released; its token is left as it was. CM_MISS, CM_NEGATIVE:
 *             only its token is set, the rest is zero
 *
 * No allocation, no lock, no system call on a hit, but for a thread's first call and for its 65th
 * pin at a time. A miss for lack of a lease tries to connect, at most once a back-off slot and
 * without waiting. Not even a shortage of memory fails a get, but for the first in a forked child:
 * it misses.
 *
 * Return: 0, CM_MISS (cm_last_reason() says why), CM_NEGATIVE, -EINVAL (an argument).
 */
CM_API int cm_get(struct cm_region *region, const void *key, size_t key_len,
                struct cm_value *ret_value);

/**
 * cm_get_many() - cm_get() for several keys
 * @region:       where
 * @keys:         borrowed for the call
 * @n_keys:       how many, up to INT32_MAX; 0 is allowed, and then the arrays may be NULL
 * @ret_values:   n_keys values, each as after its own cm_get()
 * @ret_outcomes: n_keys results of cm_get(), errors too
 *
 * Costs what as many cm_get() cost; each key is looked at in its own moment.
 *
 * Return: how many were hits, or -EINVAL (an argument; then nothing is stored).
 */
CM_API int cm_get_many(struct cm_region *region, const struct cm_bytes *keys, size_t n_keys,
                struct cm_value *ret_values, int *ret_outcomes);

/**
 * cm_release() - unpin a value
 * @value: its data is NULL afterwards; NULL, zeroed and released ones are allowed
 *
 * Any thread may do it, also after cm_close() of the handle: then the last release frees the
 * memory. One store, unless values of a closed handle are left.
 */
CM_API void cm_release(struct cm_value *value);

/**
 * cm_put() - store a loaded value under the token from before its load
 * @region:  where
 * @key:     copied
 * @key_len: 1 to CM_KEY_MAX bytes
 * @data:    copied; may be NULL if @len is 0
 * @len:     bytes, up to an eighth of the region's budget
 * @token:   from before the load
 * @options: borrowed; NULL: no tags, the region's TTL
 *
 * Takes the region's lock, twice and shortly; may evict others. An entry that is fresh is never
 * replaced, so a slow loader cannot bring back its older value: what was changed has to be
 * invalidated.
 *
 * Return: 0, CM_REFUSED, -EINVAL (an argument), -E2BIG (value over an eighth of the budget, more
 *         than CM_TAGS_MAX tags), CM_E_FULL, -ENOMEM.
 */
CM_API int cm_put(struct cm_region *region, const void *key, size_t key_len, const void *data,
                size_t len, struct cm_token token, const struct cm_put_options *options);

/**
 * typedef cm_load_fn - a loader: gets one value from where it really is
 * @userdata: as given to cm_get_or_load()
 * @load:     takes the value; valid until the loader returns, for one thread at a time
 * @key:      borrowed until the loader returns
 * @key_len:  bytes
 *
 * Runs in the calling thread, without a lock held and without a deadline of the library's. It may
 * call any function here but cm_close(); cm_get_or_load() of the key that it is loading fails with
 * -EDEADLK.
 *
 * Return: 0 after cm_load_set_value() or cm_load_set_negative(), or a negative error of its own
 *         choice, which every waiter gets.
 */
typedef int (*cm_load_fn)(void *userdata, struct cm_load *load, const void *key, size_t key_len);

/**
 * cm_load_set_value() - the value that was loaded
 * @load: of the running loader
 * @data: copied; may be NULL if @len is 0
 * @len:  bytes; a value over an eighth of the budget is returned to all who wait, but not cached
 *
 * The last call of this and cm_load_set_negative() counts. An error here fails the load with it,
 * whatever else the loader does, unless it returns an error of its own.
 *
 * Return: 0, -EINVAL (an argument), -E2BIG (over UINT32_MAX bytes), -ENOMEM.
 */
CM_API int cm_load_set_value(struct cm_load *load, const void *data, size_t len);

/**
 * cm_load_set_negative() - the key does not exist
 * @load: of the running loader
 *
 * Return: 0, or -EINVAL (no load).
 */
CM_API int cm_load_set_negative(struct cm_load *load);

/**
 * cm_load_add_tag() - one more tag for the entry
 * @load:    of the running loader
 * @tag:     copied
 * @tag_len: 1 to CM_TAG_MAX bytes
 *
 * An error here fails the load with it, so that no entry is cached without one of its tags.
 *
 * Return: 0, -EINVAL (an argument), -E2BIG (there are CM_TAGS_MAX already), -ENOMEM.
 */
CM_API int cm_load_add_tag(struct cm_load *load, const void *tag, size_t tag_len);

/**
 * cm_load_set_ttl() - how long the entry may be served
 * @load:   of the running loader
 * @ttl_ms: milliseconds; 0: the region's
 *
 * Return: 0, or -EINVAL (no load).
 */
CM_API int cm_load_set_ttl(struct cm_load *load, uint32_t ttl_ms);

/**
 * cm_get_or_load() - look a key up, and load it once for all who ask at the same time
 * @region:    where
 * @key:       borrowed for the call
 * @key_len:   1 to CM_KEY_MAX bytes
 * @load:      called at most once, in this thread, if nobody else loads the key already
 * @userdata:  for @load
 * @ret_value: 0, CM_STALE: pinned value, to be released. CM_NEGATIVE: only its token is set
 *
 * A waiter takes a load's result only if it is still fresh at hand-over, or if the load began after
 * the waiter came; else it loads itself. The value is returned even if it may not be cached. A wait
 * for another thread's loader ends at the handle's timeout; the own loader may take any time. Loads
 * that wait for each other are found within one process, others end at the timeout. A hit costs
 * what cm_get() costs.
 *
 * With CM_REGION_SHARE_LOADS the same holds for the processes of the node: one of them loads.
 * Should it die, or not be done after half of the handle's timeout, the next one that waits loads,
 * too.
 *
 * At most cm_options.loads_max loaders of a handle run at the same time. A call over that waits for
 * its turn, in the order of arrival, and fails with CM_E_BUSY when the timeout comes first. What a
 * loader itself loads needs no turn of its own.
 *
 * In a region with stale_if_error_ms, a load that fails, has no turn or does not end in time is
 * answered by the last value of this process instead, if it is still in the cache: CM_STALE. That
 * value may have been invalidated, expired, or of a node that is cut off: nothing says that it is
 * right, and cm_value.age_ms says how old it is. Never given so is a value that this process itself
 * has invalidated or cleared, one that is older than the region allows, a negative one, and one of
 * an earlier process. It is not stored again: the next call loads anew. cm_error_detail() says why
 * the load failed.
 *
 * Return: 0, CM_NEGATIVE, CM_STALE, the loader's error or that of its cm_load_ calls, -EDEADLK
 *         (this thread would wait for itself), CM_E_TIMEOUT (waiting for another thread's loader),
 *         CM_E_BUSY (waiting for a turn), -EINVAL (an argument), -ENODATA (the loader returned 0
 *         without a value), CM_E_FORKED (in a child that the loader forked), -ENOMEM.
 */
CM_API int cm_get_or_load(struct cm_region *region, const void *key, size_t key_len,
                cm_load_fn load, void *userdata, struct cm_value *ret_value);

/** define CM_LOAD_NO_WAIT - cm_load_options.flags: CM_E_BUSY instead of waiting for others */
#define CM_LOAD_NO_WAIT 1u

/** struct cm_load_options - how long one call may wait for others; zero it and set @size */
struct cm_load_options {
        size_t size;         /* sizeof(struct cm_load_options) */
        uint32_t timeout_ms; /* for a turn and for another thread's loader; 0: the handle's */
        unsigned flags;      /* CM_LOAD_* */
};

/**
 * cm_get_or_load_with() - cm_get_or_load() with options for this call
 * @region:    where
 * @key:       borrowed for the call
 * @key_len:   1 to CM_KEY_MAX bytes
 * @load:      as with cm_get_or_load()
 * @userdata:  for @load
 * @options:   borrowed; NULL: none
 * @ret_value: as with cm_get_or_load()
 *
 * The timeout does not end the own loader. With CM_LOAD_NO_WAIT the call never waits for a turn or
 * for another thread's load of the key: it fails with CM_E_BUSY at once, or gives CM_STALE.
 *
 * Return: as cm_get_or_load(); -EINVAL also for options without their size and unknown flags.
 */
CM_API int cm_get_or_load_with(struct cm_region *region, const void *key, size_t key_len,
                cm_load_fn load, void *userdata, const struct cm_load_options *options,
                struct cm_value *ret_value);

/* Invalidating */

/**
 * cm_invalidate() - nobody may serve what was loaded for this key before now
 * @region:     where
 * @key:        borrowed for the call
 * @key_len:    1 to CM_KEY_MAX bytes
 * @wait:       how far it must have come
 * @ret_result: NULL, or filled when the outcome is 0, CM_PARTIAL or CM_E_TIMEOUT
 *
 * Call it after the commit of the change. At every wait level the key is dead in this process
 * before the call returns, also if it fails (but for the errors of an argument, of memory and of
 * forking). CM_WAIT_NONE takes one system call and waits only for room in the socket, if at all;
 * CM_WAIT_NODE takes one round trip on the Unix socket, CM_WAIT_MESH also one in the mesh. None
 * takes longer than the handle's timeout, or that of cm_invalidate_with(). What CM_WAIT_NONE left
 * in the socket of a meshd is published also if this process ends at once; if that meshd dies
 * before, it is sent again by this handle's next calls, or by cm_dispatch(): not before.
 *
 * While meshd is away invalidations are queued, in memory and in a file beside meshd's socket that
 * outlives this process; where such a file cannot be written, they are lost with the process, and
 * cm_state() says so. While some are queued, the handle's gets of bounded regions miss.
 * docs/explanation/connection.md has it all.
 *
 * Return: 0, CM_PARTIAL, CM_PENDING, CM_E_TIMEOUT (in the stream, but not every member has answered
 *         in time), -EINVAL (an argument), or another negative errno with which meshd refused it.
 */
CM_API int cm_invalidate(struct cm_region *region, const void *key, size_t key_len,
                enum cm_wait wait, struct cm_result *ret_result);

/**
 * cm_invalidate_tag() - the same for every entry with this tag
 * @region:     where; the same tag in another region is another one
 * @tag:        borrowed for the call
 * @tag_len:    1 to CM_TAG_MAX bytes
 * @wait:       how far it must have come
 * @ret_result: NULL, or as with cm_invalidate()
 *
 * Costs the same however many entries have the tag. Their memory is given back when they are looked
 * up or evicted.
 *
 * Return: as cm_invalidate().
 */
CM_API int cm_invalidate_tag(struct cm_region *region, const void *tag, size_t tag_len,
                enum cm_wait wait, struct cm_result *ret_result);

/**
 * cm_invalidate_region() - the same for every entry of a region
 * @region:     which
 * @wait:       how far it must have come
 * @ret_result: NULL, or as with cm_invalidate()
 *
 * Costs the same however many entries there are.
 *
 * Return: as cm_invalidate().
 */
CM_API int cm_invalidate_region(
                struct cm_region *region, enum cm_wait wait, struct cm_result *ret_result);

/** struct cm_invalidate_options - of one invalidation; zero it and set @size */
struct cm_invalidate_options {
        size_t size;         /* sizeof(struct cm_invalidate_options) */
        uint32_t timeout_ms; /* of this call; 0: the handle's */
};

/**
 * cm_invalidate_with() - cm_invalidate() with options for this call
 * @region:     where
 * @key:        borrowed for the call
 * @key_len:    1 to CM_KEY_MAX bytes
 * @wait:       how far it must have come
 * @options:    borrowed; NULL: none
 * @ret_result: NULL, or as with cm_invalidate()
 *
 * A timeout that is over ends the wait and nothing else: the key is dead here, and the invalidation
 * goes its way.
 *
 * Return: as cm_invalidate(); -EINVAL also for options without their size.
 */
CM_API int cm_invalidate_with(struct cm_region *region, const void *key, size_t key_len,
                enum cm_wait wait, const struct cm_invalidate_options *options,
                struct cm_result *ret_result);

/**
 * cm_invalidate_tag_with() - cm_invalidate_tag() with options for this call
 * @region:     where
 * @tag:        borrowed for the call
 * @tag_len:    1 to CM_TAG_MAX bytes
 * @wait:       how far it must have come
 * @options:    borrowed; NULL: none
 * @ret_result: NULL, or as with cm_invalidate()
 *
 * Return: as cm_invalidate_with().
 */
CM_API int cm_invalidate_tag_with(struct cm_region *region, const void *tag, size_t tag_len,
                enum cm_wait wait, const struct cm_invalidate_options *options,
                struct cm_result *ret_result);

/**
 * cm_invalidate_region_with() - cm_invalidate_region() with options for this call
 * @region:     which
 * @wait:       how far it must have come
 * @options:    borrowed; NULL: none
 * @ret_result: NULL, or as with cm_invalidate()
 *
 * Return: as cm_invalidate_with().
 */
CM_API int cm_invalidate_region_with(struct cm_region *region, enum cm_wait wait,
                const struct cm_invalidate_options *options, struct cm_result *ret_result);

/**
 * cm_batch_new() - collect invalidations for one publication
 * @ret_batch: free it with cm_batch_free(), before cm_close()
 * @cm:        the handle
 *
 * A batch belongs to one thread at a time. In a forked child a copy of the parent's is usable.
 *
 * Return: 0, -EINVAL (an argument), -ENOMEM.
 */
CM_API int cm_batch_new(struct cm_batch **ret_batch, struct cm *cm);

/**
 * cm_batch_free() - end a batch; what was not published is forgotten
 * @batch: taken over; NULL is allowed
 *
 * Return: NULL.
 */
CM_API struct cm_batch *cm_batch_free(struct cm_batch *batch);

/**
 * cm_batch_add_key() - one more key to be invalidated
 * @batch:   one thread at a time
 * @region:  of the same handle
 * @key:     copied
 * @key_len: 1 to CM_KEY_MAX bytes
 *
 * Nothing happens before cm_batch_publish().
 *
 * Return: 0, -EINVAL (an argument, a region of another handle), -E2BIG (there are CM_BATCH_MAX
 *         already), -ENOMEM; then the batch is as it was.
 */
CM_API int cm_batch_add_key(
                struct cm_batch *batch, struct cm_region *region, const void *key, size_t key_len);

/**
 * cm_batch_add_tag() - one more tag to be invalidated
 * @batch:   one thread at a time
 * @region:  of the same handle
 * @tag:     copied
 * @tag_len: 1 to CM_TAG_MAX bytes
 *
 * Return: as cm_batch_add_key().
 */
CM_API int cm_batch_add_tag(
                struct cm_batch *batch, struct cm_region *region, const void *tag, size_t tag_len);

/**
 * cm_batch_add_region() - one more region to be invalidated whole
 * @batch:  one thread at a time
 * @region: of the same handle
 *
 * Return: as cm_batch_add_key().
 */
CM_API int cm_batch_add_region(struct cm_batch *batch, struct cm_region *region);

/**
 * cm_batch_publish() - publish and empty the batch
 * @batch:      one thread at a time
 * @wait:       how far it must have come
 * @timeout_ms: 0 for the handle's
 * @ret_result: NULL, or as with cm_invalidate(); position is that of the last part
 *
 * It leaves as few operations of up to 60,000 bytes, which others may see one after the other. An
 * empty batch is published at once, with nothing in the stream.
 *
 * Return: as cm_invalidate(); the outcome is that of the whole batch. After -EINVAL, -ENOMEM and
 *         CM_E_FORKED the batch is as it was and nothing has happened, else it is empty.
 */
CM_API int cm_batch_publish(struct cm_batch *batch, enum cm_wait wait, uint32_t timeout_ms,
                struct cm_result *ret_result);

/** define CM_WRITE_TARGETS_MAX - keys and tags of one write, together */
#define CM_WRITE_TARGETS_MAX 32
/** define CM_WRITE_MS_DEFAULT - deadline of a write that names none */
#define CM_WRITE_MS_DEFAULT 5000
/** define CM_WRITE_MS_MAX - longest deadline of a write */
#define CM_WRITE_MS_MAX 30000

/** struct cm_write_options - what a write is going to change; zeroed but for its size */
struct cm_write_options {
        size_t size; /* set by the caller: sizeof(struct cm_write_options) */
        const struct cm_bytes *keys;
        size_t n_keys;
        const struct cm_bytes *tags;
        size_t n_tags;           /* with n_keys 1 to CM_WRITE_TARGETS_MAX */
        uint32_t deadline_ms;    /* 0: CM_WRITE_MS_DEFAULT; up to CM_WRITE_MS_MAX */
        uint32_t timeout_ms;     /* of cm_write_begin(); 0: the handle's */
        uint32_t end_timeout_ms; /* of cm_write_end(); 0: the handle's */
};

/**
 * cm_write_begin() - from now on nobody serves or stores these keys, until cm_write_end()
 * @ret_write:  end it with cm_write_end()
 * @region:     where
 * @options:    borrowed for the call; the keys and tags together have at most 1,800 bytes
 * @ret_result: NULL, or filled when the outcome is 0 or CM_PARTIAL
 *
 * Call it before the database transaction commits, and cm_write_end() after it. A process that dies
 * in between does no harm: when the deadline is over each node takes the write for ended, and
 * nothing that was loaded before is served again. So the COMMIT must not take effect later than
 * that: give the database a deadline of its own (a statement timeout) which, counted from this
 * call, lies below this one. Waits as long as CM_WAIT_MESH does, but a member that only lapsed
 * makes it CM_PARTIAL. docs/explanation/intents.md has it all.
 *
 * A write belongs to one thread at a time, and any thread may end it. A forked child has a copy,
 * which it may end or leave alone: the first end, in whichever process, ends the write, and a
 * second one is CM_E_EXPIRED.
 *
 * 0: every member has confirmed it. CM_PARTIAL: those in the result have not; if this node's host
 * dies before cm_write_end() they may serve the old value up to the region's TTL. CM_PENDING: it is
 * not known to be in the stream: no member may know it, and the write is no better than one that is
 * only invalidated at its end. In these two cases an app may go on all the same, or end the write
 * and try later; @ret_write is set as with 0. At a failure it is not, and nothing has begun.
 *
 * Return: 0, CM_PARTIAL, CM_PENDING, CM_E_BUSY (too many are open), CM_E_TIMEOUT (not every
 *         member has answered in time; it was ended again), -EINVAL (an argument), -E2BIG,
 *         -EOPNOTSUPP (a CM_OPEN_STANDALONE handle), -ENOMEM, or another negative errno with which
 *         meshd refused it.
 */
CM_API int cm_write_begin(struct cm_write **ret_write, struct cm_region *region,
                const struct cm_write_options *options, struct cm_result *ret_result);

/**
 * cm_write_end() - the write is committed, or rolled back: its keys may be served again
 * @write: taken over, but after -ENOMEM; NULL is allowed
 *
 * An invalidation of its keys and tags, in any case, with CM_WAIT_NODE: what was cached before is
 * dead when the flags go. No wait for the mesh is needed, since nobody serves the keys meanwhile.
 * Before cm_close().
 *
 * Return: 0, CM_PENDING (queued: meshd is away), CM_E_EXPIRED (it invalidated all the same, but the
 *         deadline was over: what committed after that may have been missed until now), -ENOMEM
 *         (in a forked child only: nothing has happened, and @write is still the caller's), or
 *         another negative errno as from cm_invalidate().
 */
CM_API int cm_write_end(struct cm_write *write);

/**
 * cm_result_clear() - free the list of a result and zero it
 * @result: one thread at a time; NULL, zeroed and cleared ones are allowed
 */
CM_API void cm_result_clear(struct cm_result *result);

/**
 * cm_region_clear() - drop this process's entries of a region; other processes keep theirs
 * @region: which
 *
 * Pinned values stay readable. Tokens from before are refused for this region. Takes the region's
 * lock for as long as freeing takes.
 *
 * Return: 0, -EINVAL (no region).
 */
CM_API int cm_region_clear(struct cm_region *region);

/* State, events, statistics */

/** enum cm_mode - what an LED beside the cache would show */
enum cm_mode {
        CM_LIVE = 0,       /* the lease runs: hits are served */
        CM_BYPASS = 1,     /* connected, but nothing bounded may be served now */
        CM_OFFLINE = 2,    /* meshd does not answer */
        CM_STANDALONE = 3, /* the handle has a private page: CM_OPEN_STANDALONE */
};

/** struct cm_state - the state of a handle */
struct cm_state {
        enum cm_mode mode;
        const char *reason;    /* for people; static text, never NULL */
        uint32_t n_pending;    /* invalidations waiting for meshd */
        uint64_t epoch;        /* of the page; 0 without one */
        int64_t lease_left_ms; /* negative: ended; 0 also without a page */
};

/**
 * cm_state() - how the handle is, now
 * @cm:        the handle
 * @ret_state: filled; nothing in it has to be freed
 *
 * Reads what meshd has sent meanwhile, and tries to connect if the back-off allows. Never waits.
 *
 * Return: 0, -EINVAL (an argument).
 */
CM_API int cm_state(struct cm *cm, struct cm_state *ret_state);

/** enum cm_event_kind - what has happened */
enum cm_event_kind {
        CM_EVENT_STATE = 1,    /* mode changed: see cm_state() */
        CM_EVENT_PAGE = 2,     /* a new page: everything cached before is gone */
        CM_EVENT_FLUSHED = 3,  /* queued invalidations are in the stream */
        CM_EVENT_OVERFLOW = 4, /* too many were queued: whole regions are invalidated instead */
        CM_EVENT_CONFIG = 5,   /* a region has other options elsewhere, or was refused */
};

/** struct cm_event - one event of a handle */
struct cm_event {
        enum cm_event_kind kind;
        enum cm_mode mode; /* when it happened */
        char detail[128];  /* for people; ends with a NUL */
};

/*
 * Loop integration, for events and prompt reconnection only; nothing else depends on it. Poll
 * cm_fd() for cm_events(), wait at most cm_timeout_ms(), then call cm_dispatch() and
 * cm_next_event() until it says CM_NO_EVENT. Level-triggered. None of these calls waits.
 */

/**
 * cm_fd() - the descriptor to poll
 * @cm: the handle
 *
 * It stays the same for the life of the handle in one process, over reconnects; a forked child gets
 * its own. Only poll it; cm_close() closes it. The first call opens two descriptors.
 *
 * Return: the descriptor, -EINVAL (no handle), -EMFILE, -ENFILE, -ENOMEM; a later call tries again.
 */
CM_API int cm_fd(struct cm *cm);

/**
 * cm_events() - what to poll cm_fd() for
 * @cm: the handle
 *
 * Return: bits of poll(2): POLLIN or POLLOUT; or -EINVAL (no handle).
 */
CM_API int cm_events(struct cm *cm);

/**
 * cm_timeout_ms() - how long to poll at most
 * @cm: the handle
 *
 * Ask before each poll: it is the time to the next attempt to connect, or to the end of the lease.
 *
 * Return: milliseconds, -1 for no limit, or an error below that: -EINVAL (no handle).
 */
CM_API int cm_timeout_ms(struct cm *cm);

/**
 * cm_dispatch() - read what has come, write what has waited, connect if it is time
 * @cm: the handle
 *
 * Return: 0, whatever was found, or -EINVAL (no handle).
 */
CM_API int cm_dispatch(struct cm *cm);

/**
 * cm_next_event() - take the oldest event
 * @cm:        the handle
 * @ret_event: filled on 0
 *
 * The last 32 are kept; the next one says in its detail how many were dropped.
 *
 * Return: 0, CM_NO_EVENT, -EINVAL (an argument).
 */
CM_API int cm_next_event(struct cm *cm, struct cm_event *ret_event);

/** enum cm_reason - why a get missed */
enum cm_reason {
        CM_REASON_NONE = 0,    /* it hit */
        CM_REASON_ABSENT = 1,  /* never stored, evicted, or invalidated by its key here */
        CM_REASON_EXPIRED = 2, /* TTL */
        CM_REASON_LEASE = 3,   /* the node's lease does not run; CM_FRESH_TTL: its meshd may have
                                      been replaced */
        CM_REASON_INVALIDATED = 4, /* key, tag or region */
        CM_REASON_FORGOTTEN = 5,   /* floor or epoch: the node forgot everything from before */
        CM_REASON_PENDING = 6,     /* invalidations of this handle wait for meshd */
        CM_REASON_OFFLINE = 7,     /* there is no page, or the region has no place in it yet */
        CM_REASON_INTENT = 8,      /* a write to it has begun: cm_write_begin(); or it was just
                                      invalidated in a region with hold_ms */
};

/**
 * cm_last_reason() - why the last cm_get() of this thread missed
 *
 * Of whatever handle; cm_get_or_load() and cm_get_many() do such gets. Errors leave it as it was.
 *
 * Return: the reason; CM_REASON_NONE after a hit, and before the first get.
 */
CM_API enum cm_reason cm_last_reason(void);

/**
 * struct cm_region_stats - what a region did in this process
 *
 * The n_ counters of events only grow, from the opening or the fork on; each thread counts for
 * itself, so a sum taken while others run may lack their last ones. Without memory for a thread's
 * counters its events are not counted.
 */
struct cm_region_stats {
        size_t size; /* set by the caller: sizeof(struct cm_region_stats) */
        uint64_t n_hits;
        uint64_t n_negative_hits;
        uint64_t n_misses[16];  /* by enum cm_reason; those that this version does not know are 0 */
        uint64_t n_puts;        /* stored, also by loads */
        uint64_t n_refused;     /* CM_REFUSED; and loads whose value was not stored */
        uint64_t n_evicted;     /* entries, to make room */
        uint64_t n_loads;       /* begun */
        uint64_t n_load_errors; /* ended without a value */
        uint64_t n_load_waits;  /* for another thread's load */
        uint64_t n_entries;     /* now */
        uint64_t bytes;         /* now, as the budget counts them */
        uint64_t budget_bytes;
        uint64_t n_pinned; /* now; exact when nobody pins or releases meanwhile */
        uint64_t n_busy;   /* CM_E_BUSY, or CM_STALE instead of it */
        uint64_t n_stale;  /* CM_STALE */
        uint64_t n_shared; /* values that another process loaded: CM_REGION_SHARE_LOADS */
};

/**
 * cm_region_stats() - read the counters of a region
 * @region:    which
 * @ret_stats: its size is set by the caller; filled up to it
 *
 * Takes the region's lock shortly and looks at every thread's pins: for a scrape, not for each
 * request.
 *
 * Return: 0, -EINVAL (an argument, no size).
 */
CM_API int cm_region_stats(struct cm_region *region, struct cm_region_stats *ret_stats);

/**
 * cm_strerror() - a code in words
 * @error: anything that a function here returned
 *
 * Return: static text in English, never NULL.
 */
CM_API const char *cm_strerror(int error);

/**
 * cm_version() - the version of the library that is loaded
 *
 * Return: static text, as in "0.1.0".
 */
CM_API const char *cm_version(void);

/**
 * cm_error_detail() - what went wrong in this thread's last failed call, in words
 * @cm: ignored, may be NULL: the text is the thread's
 *
 * After a loader's own error it is what the loader has left.
 *
 * Return: text that is valid until this thread's next failure; "" before the first one.
 */
CM_API const char *cm_error_detail(struct cm *cm);

#ifdef __cplusplus
}
#endif
#endif
