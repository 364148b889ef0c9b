/* SPDX-License-Identifier: MIT */
#pragma once
/* What the files of the plane share. */
#include "meshd/session/journal_mutant.h"
#include "meshd/session/plane.h"
#include "meshd/session/plane_mutant.h"

#define PLANE_EXPIRES 64              /* store_expire() in one tick */
#define PLANE_LARGE_BYTES (16u << 10) /* the soft limit of a blob */
#define PLANE_LARGE_AGAIN_MS 3600000
#define PLANE_FULL_AGAIN_MS 60000
/* How long a logout of a key that is not known is remembered: whatever was sent before it has come
 * by then, for no request waits longer than half of it. That is enough while no other node keeps
 * copies; one that does may bring it back at any time until it ends. */
#define PLANE_BLIND_MS (2 * CMI_SESSION_TIMEOUT_MAX_MS)
#define PLANE_FULLS (STORE_FULL_BLOCKED - STORE_FULL_RECORDS + 1)

/* A request that waits until this node serves, with all that it borrowed. */
struct wait {
        struct wait *next, *prev; /* of its client's, in the order in which they came */
        struct waiter *waiter;
        struct plane_caller caller;
        struct cmi_session_request request; /* its tag is in bytes */
        uint64_t since_ns;
        uint64_t deadline_ns;
        size_t blob_len;
        uint8_t bytes[]; /* tag, blob */
};

/* What a session had that was rotated. Nobody is told of the successor. */
struct grace {
        struct grace *next, *prev;
        uint64_t until_ns;
        struct cmi_id successor;    /* its key now: when that is gone, so is this */
        struct cmi_id principal;    /* whose it is now */
        struct cmi_session session; /* its tag is in bytes */
        uint8_t bytes[];            /* tag, blob */
};

/* A client of which something waits. */
struct waiter {
        struct waiter *next, *prev;
        uint64_t client;
        uint32_t user;
        uint32_t n;
        uint64_t bytes; /* of blobs */
        struct wait *first, *last;
};

struct waits {
        struct waiter *first, *last; /* the first one's turn comes next */
        struct waiter *recent;       /* of which one came last; or NULL */
        uint32_t n_waiters;
        uint32_t n;      /* of all of them */
        uint64_t bytes;  /* of blobs */
        uint64_t due_ns; /* not after the first deadline */
};

struct graces {
        struct grace *first, *last;
        uint32_t n;
        uint64_t bytes;
};

struct raise {
        uint64_t request; /* 0: free */
        uint64_t space;
        struct cmi_id principal;
};

struct large {
        uint64_t space;
        uint64_t told_ns;
};

/* Of one way to be full: told at most once until there was room, and once a minute. */
struct full {
        bool is_told;
        uint64_t told_ns;
};

/* What is to be looked up, and written. */
struct mark {
        struct cmi_id id;
        uint64_t serial;
        bool is_principal;
};

/* An answer that waits for the disk; nothing it borrowed but its tag. */
struct held {
        struct held *next;
        struct plane_caller caller;
        uint64_t verb;
        uint64_t serial;
        uint64_t deadline_ns;
        struct cmi_session_answer answer;
        uint8_t tag[CMI_SESSION_TAG_MAX];
};

/* A walk over all that there is. */
struct rewrite {
        enum disk_kind at; /* DISK_NONE: over */
        struct store_cursor cursor;
        uint64_t sweep_serial; /* committed: all is there. 0: not swept yet */
};

struct journal {
        enum plane_disk_state state;
        struct mark *marks; /* a ring */
        uint32_t n_marks_max, n_marks, first_mark;
        uint8_t *buffer; /* of a value */
        uint64_t serial, committed;
        uint64_t pass, pass_found;
        bool is_refused;     /* there was no room for the last one */
        bool is_overflown;   /* while loading: all is to be written anew then */
        bool is_loading_one; /* what is told as changed is as the disk has it */
        struct rewrite rewrite;
        struct held *first, *last;
        struct plane_disk_status counters;
};

struct plane {
        struct plane_options options; /* with the store's memory and sink */
        struct plane_sink sink;
        struct plane_view view;
        struct store *store;
        struct waits waits;
        struct graces graces;
        struct plane_counters counters;
        struct raise raises[PLANE_RAISES_MAX];
        uint32_t next_raise;
        struct large larges[STORE_SPACES_MAX];
        struct full fulls[PLANE_FULLS];
        struct journal journal;
};

/* One request, now that it is done. Everything is borrowed. */
struct asked {
        struct cmi_time now;
        const struct plane_caller *caller;
        const struct cmi_session_request *request;
        struct cmi_slice blob;
        uint64_t waited_ms; /* since it came */
};

static inline uint64_t plane_utc_ms(struct cmi_time now)
{
        return now.real_ns / CMI_NS_PER_MS;
}

static inline uint64_t asked_space(const struct asked *asked)
{
        return plane_space(asked->caller->user, &asked->request->space);
}

/* plane.c */
void *plane_alloc(struct plane *plane, size_t size);
void plane_release(struct plane *plane, void *memory, size_t size);
void plane_do(struct plane *plane, const struct asked *asked);
bool plane_is_live(const struct plane *plane);
uint64_t plane_token(struct plane *plane);
/* Return: the token of what is true now; 0: it must not be kept. */
uint64_t plane_stamp(struct plane *plane, const struct cmi_id *key);
/* Is what is known of this key of another space? */
bool plane_is_foreign(struct plane *plane, const struct asked *asked, const struct cmi_id *key);
/* As store_find(), but what is of another space is absent. */
int plane_look(struct plane *plane, const struct asked *asked, const struct cmi_id *key,
                struct store_view *ret_view);
/* In which this node orders the next version of a record. */
struct cmi_session_epoch plane_epoch(const struct plane *plane, const struct store_view *view);
uint64_t plane_life_max_ms(const struct plane *plane);

/* waiting.c */
/* Or it is told that too much waits. */
void waiting_add(struct plane *plane, const struct asked *asked);
/* Who waited for too long is told so. */
void waiting_expire(struct plane *plane, struct cmi_time now);
/* Do some: in order, those of a client. */
void waiting_run(struct plane *plane, struct cmi_time now);
void waiting_cancel(struct plane *plane, uint64_t client);
/* Is there something that can be done now? */
bool waiting_is_due(const struct plane *plane);
/* Is there something of this client? */
bool waiting_has(const struct plane *plane, uint64_t client);

/* change.c */
void change_create(struct plane *plane, const struct asked *asked);
void change_get(struct plane *plane, const struct asked *asked);
void change_save(struct plane *plane, const struct asked *asked);
void change_touch(struct plane *plane, const struct asked *asked);
/* The record that the request describes, under this key. Borrows from it. */
struct store_create change_create_of(
                const struct plane *plane, const struct asked *asked, const struct cmi_id *key);
/* Make it; it has a max_end. Return: as store_merge(); STORE_EXISTS also for one of another
 * space. */
int change_make(struct plane *plane, const struct asked *asked, const struct store_create *create);

/* ending.c */
void ending_destroy(struct plane *plane, const struct asked *asked);
void ending_principal(struct plane *plane, const struct asked *asked);
/* For good, whatever it is, and stamped; @space: of one of which nothing is known. Return: as
 * store_merge(). */
int ending_end(struct plane *plane, struct cmi_time now, const struct cmi_id *key, uint64_t space);
/* Is it dead here, by what ending_end() returned? */
bool ending_is_done(int r);
/* The store says that it is idle for too long. */
void ending_idle(struct plane *plane, struct cmi_time now, const struct cmi_id *key);

/* rotate.c */
void rotate(struct plane *plane, const struct asked *asked);

/* grace.c */
/* A copy of it, not kept yet. Return: NULL: there is no memory, or nothing is to be kept. */
struct grace *grace_new(struct plane *plane, const struct asked *asked,
                const struct store_view *view, uint64_t grace_ms);
struct grace *grace_free(struct plane *plane, struct grace *grace);
/* @grace: of the key that was replaced by that of @successor; NULL: only for those before it. */
void grace_keep(struct plane *plane, struct grace *grace, const struct cmi_id *key,
                const struct cmi_session *successor);
const struct grace *grace_find(
                struct plane *plane, const struct asked *asked, const struct cmi_id *key);
/* What this session had, under this id or an earlier one. */
void grace_forget(struct plane *plane, const struct cmi_id *key);
void grace_forget_principal(struct plane *plane, const struct cmi_id *principal);
void grace_expire(struct plane *plane, struct cmi_time now);
uint64_t grace_due_ns(const struct plane *plane);

/* journal.c: what is written when */
int journal_init(struct plane *plane);
void journal_deinit(struct plane *plane); /* after the store */
void journal_changed(void *context, const struct cmi_id *key, bool is_principal);
void journal_touched(void *context, const struct store_touched *touched);
/* Write what is to be written, as far as there is room. */
void journal_write(struct plane *plane, struct cmi_time now);
bool journal_is_loading(const struct plane *plane);
/* Is there something that may find room? */
bool journal_is_due(const struct plane *plane);
uint64_t journal_mark(struct plane *plane, const struct cmi_id *id, bool is_principal);

/* held.c: who waits for it */
/* Does this answer to what is done wait for the disk? Then it is given later. */
bool held_take(struct plane *plane, const struct asked *asked,
                const struct cmi_session_answer *answer);
/* Those whose changes are committed; those whose time is over. */
void held_run(struct plane *plane, struct cmi_time now);
void held_cancel(struct plane *plane, uint64_t client);
uint64_t held_due_ns(const struct plane *plane);

/* reply.c */
void reply(struct plane *plane, const struct asked *asked, const struct cmi_session_answer *answer);
/* With this outcome, and nothing else. */
void reply_outcome(
                struct plane *plane, const struct asked *asked, int64_t outcome, const char *text);
/* 0: it is done. */
void reply_done(struct plane *plane, const struct asked *asked);
/* What is known here has ended; nobody says so of the other nodes. */
void reply_ended_here(struct plane *plane, const struct asked *asked);
/* One more answer to this verb. */
void reply_count(struct plane *plane, uint64_t verb, int64_t outcome);
/* What the store refuses for its own reasons. */
void reply_refused(struct plane *plane, const struct asked *asked, int r);
/* So much waits, or may, of whom @whose says. */
void reply_busy(struct plane *plane, const struct asked *asked, const char *whose, uint64_t n_max,
                uint64_t bytes_max);
/* Somebody else is its holder. */
void reply_stale(struct plane *plane, const struct asked *asked);
/* There is nothing that could be changed. */
void reply_missing(struct plane *plane, const struct asked *asked);
/* The record, with its blob. */
void reply_record(struct plane *plane, const struct asked *asked, int64_t outcome,
                const struct store_view *view, uint64_t token);
/* The request made a version of @key; told of it, unless another one came after it. */
void reply_made(struct plane *plane, const struct asked *asked, const struct cmi_id *key,
                uint64_t token);
/* Another version is there, if any is. */
void reply_conflict(struct plane *plane, const struct asked *asked, const struct cmi_id *key);
void reply_grace(struct plane *plane, const struct asked *asked, const struct grace *grace);
/* Something found room, with a blob of this length. */
void reply_found_room(struct plane *plane, const struct asked *asked);
