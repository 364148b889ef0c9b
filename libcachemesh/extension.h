/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What libcachemesh does for libcachemesh-session, which is built and released with it, and for
 * nobody else: exported under the version CACHEMESH_PRIVATE_0, not installed, and free to change
 * with each release (the version's number with it). Names begin with cmi_ext_.
 *
 * It offers two things. A *call*: a SESSION request on the handle's own connection, and its answer.
 * And *copies*: a region whose entries are valid by the session table of the page, so that a
 * session is kept, pinned, evicted and forgotten after a fork by the same code as any value; read
 * it with cm_get(), give back with cm_release(). A copy is served while the node's lease runs and
 * neither floor, region nor the session's slot were stamped since its token: no request, no lock.
 *
 * Threads: any, at any time. Fork: each function notices that it runs in a child; a child has no
 * connection and no copies at first, and what the parent's other threads had asked for is theirs.
 * Nothing here calls back.
 */
#include "base/bytes.h"
#include "libcachemesh/cachemesh.h"
#include "wire/session_local.h"

#include <time.h>

#ifdef __cplusplus
#error "for libcachemesh-session only"
#endif

/* First thing in each public call of libcachemesh-session. Return: 0, CM_E_FORKED (a child of
 * CM_OPEN_NO_FORK), -ENOMEM. */
CM_API int cmi_ext_enter(struct cm *cm);

/* Sets this thread's cm_error_detail() and returns @error. */
CM_API int cmi_ext_fail(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A line to the handle's log; no lock may be held. */
CM_API void cmi_ext_log(struct cm *cm, enum cm_log_level level, const char *format, ...)
                __attribute__((format(printf, 3, 4)));

/* The handle's memory: @alignment 16, 32 or 64. NULL: there is none. */
CM_API void *cmi_ext_allocate(struct cm *cm, size_t alignment, size_t size);
CM_API void cmi_ext_deallocate(struct cm *cm, void *memory, size_t size);

/* A clock, in nanoseconds: the library's only way to read one. */
CM_API uint64_t cmi_ext_clock_ns(clockid_t clock);

/* The deadline of a call that begins now, CLOCK_MONOTONIC; for 0 by the handle's timeout. */
CM_API uint64_t cmi_ext_deadline_ns(struct cm *cm, uint32_t timeout_ms);

/* A request; all of it is borrowed for the call. */
struct cmi_ext_call {
        /* What cmi_session_request_write() has written: a map. Its blob has the first
         * CMI_SESSION_PART_MAX bytes at most. */
        struct cmi_slice fields;
        struct cmi_slice rest; /* of the blob: sent after it in SESSION_PARTs; empty: none */
        uint64_t deadline_ns;  /* CLOCK_MONOTONIC */
        /* Where an answer is put that fits, so that it needs no memory; NULL: there is none. */
        void *room;
        size_t room_size;
};

/* Zero it before the first use; cmi_ext_answer_clear() makes it reusable. */
struct cmi_ext_answer {
        struct cmi_slice fields; /* for cmi_session_answer_decode(), which borrows from it */
        /* Of the page whose meshd has answered; see cmi_ext_token(). */
        struct cm_token token;
        /* The library's own: memory that fields is in, unless it is in the call's room. */
        void *memory;
        struct cm *cm;
};

/**
 * cmi_ext_call() - ask meshd, and wait for its answer
 * @cm:         the handle
 * @call:       what is asked
 * @ret_answer: filled on 0
 *
 * Without a connection it waits for one, at most until the deadline; one attempt to connect per
 * back-off slot, as everywhere. A SESSION whose parts did not all arrive is never done; one that
 * had not left as a whole when its connection ended is written anew on the next. What had left is
 * not written twice: the caller decides (and repeats it with the same request number: what was done
 * is not done twice).
 *
 * Return: 0: there is an answer, whatever its outcome; -ENOTCONN: nothing was written by the
 *         deadline, and nothing has happened; -ECONNRESET: the connection ended, and it may or may
 *         not be done; CM_E_TIMEOUT: no answer by the deadline, likewise; -EOPNOTSUPP: a meshd that
 *         knows no sessions, or a CM_OPEN_STANDALONE handle; CM_E_BUSY: a thousand calls of this
 *         handle wait already; -ENOMEM: nothing has happened, or there was an answer that does not
 *         fit into the call's room; CM_E_FORKED; another negative code with which meshd refused it.
 *         All but 0 with a detail.
 */
CM_API int cmi_ext_call(
                struct cm *cm, const struct cmi_ext_call *call, struct cmi_ext_answer *ret_answer);

/* Give an answer's memory back and zero it; NULL and zeroed ones are allowed. */
CM_API void cmi_ext_answer_clear(struct cmi_ext_answer *answer);

/**
 * cmi_ext_tell() - send a request whose answer nobody waits for: a TOUCH
 *
 * Never waits. Return: 0, -EAGAIN: there is no connection, or no room; it was not sent;
 * -EOPNOTSUPP, CM_E_FORKED, -ENOMEM.
 */
CM_API int cmi_ext_tell(struct cm *cm, struct cmi_slice fields);

/* The token under which what an answer says may be kept: @number is that answer's token. */
static inline struct cm_token cmi_ext_token(const struct cmi_ext_answer *answer, uint64_t number)
{
        struct cm_token token = answer->token;

        token.opaque[1] = number;
        return token;
}

/**
 * cmi_ext_copies() - the handle's region for sessions, opened if need be
 * @cm:           the handle
 * @budget_bytes: as cm_region_options.budget_bytes; the first call decides
 * @ret_region:   lives as long as the handle
 *
 * Its name is CMI_SESSION_REGION, it is bounded and has no TTL; keys are session keys of 16 bytes,
 * whose entries go by the slot cmi_page_session_slot() instead of a key's. Does not wait for meshd.
 *
 * Return: as cm_region_open(); -EOPNOTSUPP for a CM_OPEN_STANDALONE handle.
 */
CM_API int cmi_ext_copies(struct cm *cm, size_t budget_bytes, struct cm_region **ret_region);

/* Memory for one put to come. Zero it before the first use. */
struct cmi_ext_room {
        struct cm *cm;
        void *memory;
        size_t size;
};

/**
 * cmi_ext_copies_reserve() - take what a put needs, before it is known that there is one
 * @region:    of cmi_ext_copies()
 * @value_len: of all that it will bring
 * @ret_room:  for cmi_ext_copies_put(), by this thread, and then for cmi_ext_room_clear()
 *
 * Return: 0, -ENOMEM, CM_E_FORKED.
 */
CM_API int cmi_ext_copies_reserve(
                struct cm_region *region, size_t value_len, struct cmi_ext_room *ret_room);

/* Give back what is left of it; zeroed ones are allowed. */
CM_API void cmi_ext_room_clear(struct cmi_ext_room *room);

/**
 * cmi_ext_copies_put() - keep a session, and pin it
 * @region:    of cmi_ext_copies()
 * @key:       of the session
 * @token:     from cmi_ext_token(); a zeroed one: it is not kept, only pinned
 * @first:     the value's first bytes
 * @rest:      and what follows them
 * @room:      NULL, or of cmi_ext_copies_reserve() for a value of this length
 * @ret_value: pinned, as by a hit; for cm_release(). Aligned to 16
 *
 * What cannot be kept is pinned all the same, in memory beside the region's budget until it is
 * released.
 *
 * Return: 0: pinned and kept; CM_REFUSED: pinned, but not kept: the token is too old, something
 *         newer is there, or there is no room; -ENOMEM: neither, and never with @room.
 */
CM_API int cmi_ext_copies_put(struct cm_region *region, const struct cmi_id *key,
                struct cm_token token, struct cmi_slice first, struct cmi_slice rest,
                struct cmi_ext_room *room, struct cm_value *ret_value);
