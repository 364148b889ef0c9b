/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A namespace in memory, and what its parts share: copies (copy.c), requests (request.c). Any
 * thread; nothing in it changes after it was opened but what is atomic.
 */
#include "base/time.h"
#include "libcachemesh/cachemesh-session.h"
#include "libcachemesh/extension.h"
#include "libcachemesh/session/memo.h"

#include <stdatomic.h>
#include <stddef.h>

#define CMI_SESSION_WARN_SIZE 16384 /* a session from here on is warned of */

struct cm_session_space {
        struct cm *cm;
        struct cmi_ring *ring;
        struct cm_region *copies;
        struct cmi_id key;
        /* Of the ring, which each get would have to look at. */
        uint32_t n_index;
        const void *memo_secret;
        uint64_t level; /* enum cmi_session_level, not the default one */
        uint64_t life_ms;
        uint64_t idle_ms;
        char route[CM_SESSION_ROUTE_MAX + 1];
        _Atomic uint64_t next_warning_ms; /* CLOCK_MONOTONIC */
        struct cmi_memo memo;
};

/* What is kept of a session before its data. Threads share it, and write told_ms only. */
struct cmi_copy_head {
        struct cmi_id key;
        struct cmi_session_version version; /* none: it was saved over meanwhile */
        struct cmi_session_holder holder;
        uint64_t created_ms;
        uint64_t max_end_ms;
        uint64_t idle_ttl_ms;
        uint64_t flags; /* CMI_SESSION_READ_ONLY */
        uint64_t tag_len;
        uint8_t tag[CMI_SESSION_TAG_MAX];
        /* When meshd knew last that it is used, and how often it wants to. Of CLOCK_REALTIME, which
         * a get reads anyhow: one that is set costs a message too many. */
        uint64_t touch_ms; /* UINT64_MAX: never; filled by cmi_session_keep() */
        _Atomic uint64_t told_ms;
};

_Static_assert(sizeof(struct cmi_copy_head) % 16 == 0, "data is aligned to 16");

/* space.c */

/* A struct of options that begins with its size, of an older or newer header. NULL: all zero.
 * Return: 0 or -EINVAL, with a detail. */
int cmi_session_options_copy(void *ours, size_t our_size, const void *theirs);

static inline uint64_t cmi_session_clock_ms(clockid_t clock)
{
        return cmi_ext_clock_ns(clock) / CMI_NS_PER_MS;
}

/* Options that several calls have. Return: 0 or -EINVAL, with a detail. */
int cmi_session_check_level(enum cm_session_level level);
int cmi_session_check_times(uint64_t life_ms, uint64_t idle_ms);
int cmi_session_check_call(const struct cm_session_call_options *options, unsigned flags_known);

/* copy.c */

static inline struct cmi_copy_head *cmi_session_head(const struct cm_session *session)
{
        return (struct cmi_copy_head *)(uintptr_t)session->opaque[3];
}

/* What does not change of it. */
static inline struct cmi_copy_head cmi_session_head_copy(const struct cm_session *session)
{
        struct cmi_copy_head copy = {0};

        memcpy((void *)&copy, (const void *)cmi_session_head(session),
                        offsetof(struct cmi_copy_head, told_ms));
        return copy;
}

static inline struct cm_session_space *cmi_session_space(const struct cm_session *session)
{
        return (struct cm_session_space *)(uintptr_t)session->opaque[0];
}

/* Is it one to be filled? Return: 0 or -EINVAL, with a detail. */
int cmi_session_check_empty(const struct cm_session *session);

/* Does it hold something? Return: 0 or -EINVAL, with a detail. */
int cmi_session_check_held(const struct cm_session *session);

/* Show a pinned copy, instead of what the session showed. */
void cmi_session_show(struct cm_session *session, struct cm_session_space *space,
                struct cm_value *value, uint64_t n_copies);

/* What cmi_session_keep() needs of memory for so many bytes, before anything has happened. Return:
 * 0, -ENOMEM with a detail, CM_E_FORKED. */
int cmi_session_reserve(struct cm_session_space *space, size_t len, struct cmi_ext_room *ret_room);

/**
 * cmi_session_keep() - make a copy, and show it
 * @token:       under which it may be kept; zeroed: not at all
 * @data:        of the session; may be a part of what @ret_session shows
 * @room:        NULL, or of cmi_session_reserve() for as many bytes
 * @ret_session: NULL: nobody wants to see it, and there is no failure
 *
 * Return: 0, and without @room -ENOMEM.
 */
int cmi_session_keep(struct cm_session_space *space, const struct cmi_copy_head *head,
                struct cm_token token, struct cmi_slice data, uint64_t n_copies,
                struct cmi_ext_room *room, struct cm_session *ret_session);

/* The session is used: by a request that has said so, or meshd is told now if it is due. @now_ms:
 * of CLOCK_REALTIME_COARSE. */
void cmi_session_set_told(struct cmi_copy_head *head);
void cmi_session_tell_used(
                struct cm_session_space *space, struct cmi_copy_head *head, uint64_t now_ms);

/* request.c */

#define CMI_REPLY_ROOM 1024 /* any answer without a blob fits */

/* An answer, and what it borrows from: it must not be moved. */
struct cmi_reply {
        struct cmi_ext_answer raw;
        struct cmi_session_answer answer;
        uint8_t room[CMI_REPLY_ROOM];
};

/* A request of this space with a random number; the rest is zero. */
struct cmi_session_request cmi_session_request(
                const struct cm_session_space *space, enum cmi_session_verb verb);

/**
 * cmi_session_ask() - ask meshd until it answers or the deadline is over
 * @request:     its blob and timeout are set here
 * @blob:        the whole of it; empty for verbs without
 * @deadline_ns: CLOCK_MONOTONIC
 * @ret_reply:   filled if the return is not negative; for cmi_reply_clear()
 *
 * Return: the answer's outcome, or a failure, each negative one with a detail. CM_E_TIMEOUT as soon
 *         as it may have been done. What is done is told without memory: after -ENOMEM nothing has
 *         happened.
 */
int cmi_session_ask(struct cm_session_space *space, struct cmi_session_request *request,
                struct cmi_slice blob, uint64_t deadline_ns, struct cmi_reply *ret_reply);
void cmi_reply_clear(struct cmi_reply *reply);

/* TOUCH. Return: as cmi_ext_tell(). */
int cmi_session_tell(struct cm_session_space *space, const struct cmi_copy_head *head);

/**
 * cmi_session_take() - show the record that an answer brought
 * @key: of the session
 *
 * Return: 0, CM_E_SEALED, -EPROTO (it is none), -ENOMEM; with a detail. Nothing is changed then.
 */
int cmi_session_take(struct cm_session_space *space, const struct cmi_id *key,
                const struct cmi_reply *reply, struct cm_session *ret_session);

/* What an answer says, without its blob. */
struct cmi_copy_head cmi_session_head_of(
                const struct cmi_id *key, const struct cmi_session_answer *answer);

/* Under which token what an answer says may be kept; zeroed if not. */
struct cm_token cmi_session_token_of(const struct cmi_reply *reply);
