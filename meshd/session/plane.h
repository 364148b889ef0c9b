/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The session plane of one node: what becomes of a request of an app. It decides who may change a
 * session, in which order changes are taken, when an answer may be given, and what it says. What
 * two copies of a session come to, and what finds room, is decided in the store (store.h), which
 * the plane owns. Pure as the core is: requests, events and the time go in; answers and stamps come
 * out through a sink; memory comes from a callback. It opens no socket, reads no clock, and
 * includes nothing of the core: meshd/bridge joins the two, in the daemon and in the simulator.
 *
 * So far it is the plane of a node that is alone with its sessions: this node is primary, owner and
 * holder of every key. Members, posts and copies are added here; what is below stays.
 *
 * Time: each call carries the time at which it happened; mono_ns must not go back. One thread, that
 * of the core. The sink is called from inside and must not call back. Each call takes a bounded
 * time: walks do PLANE_STEPS steps, the rest is done in the next plane_tick().
 *
 * What a verb does (cmi_session_request_check() was asked before; `->` is the outcome):
 *
 * any       1. Unless view.is_live() it waits, as it came, until it is, or its time is over
 *              -> CMI_E_UNCONFIRMED, and nothing has happened. Too much waits -> CMI_E_BUSY, at
 *              once.
 *           2. A record of another space or user is as absent: nothing in the answer may differ.
 *           3. store outcomes: FULL_* -> CMI_E_FULL, text says which budget or limit; AHEAD
 *              -> -EINVAL; BEHIND, FENCED -> CMI_E_UNCONFIRMED.
 * CREATE    Epoch {1, this node, this incarnation}, holder this node. STORED, SAME -> 0 (SAME: see
 *           SAVE); EXISTS, or anything of another space -> -EEXIST; DEAD, EXPIRED -> CMI_GONE. A
 *           max_end that is past or more than CMI_SESSION_LIFE_MAX_MS ahead -> -EINVAL. The
 *           answer's token is view.token().
 * GET       token is view.token(), asked *before* the store is. STORED -> 0, with the record;
 *           CMI_E_UNCONFIRMED if it is older than request.expected. Unless CMI_SESSION_PEEK it
 *           counts as a use (a TOUCH of age 0). Nothing alive there: what is kept in grace -> 0,
 *           CMI_SESSION_READ_ONLY, token 0; else CMI_GONE.
 *           A use is of when the request came, however long it waited.
 * SAVE      In the record's epoch if this process opened it, else in {counter + 1, this node, this
 *           incarnation}. STORED: sink.stamp(key), then -> 0 with the token that stamp() returned.
 *           A tag of no bytes leaves the one that is there. SAME: 0; if the request is not the
 *           record's newest one, something was saved over it since, and version, holder and token
 *           are zero. CHANGED -> CMI_CONFLICT with the present record, its blob, and view.token().
 *           STALE -> CMI_E_STALE. ABSENT, DEAD, EXPIRED -> CMI_E_READ_ONLY if it is kept in grace,
 *           else CMI_GONE.
 * TOUCH     STORED, SAME -> 0; STALE -> CMI_E_STALE; else CMI_GONE.
 * DESTROY   END for good, over any version; where nothing is known a blind one, for as long as
 *           what makes the session can be on its way. Stamp, and drop what is kept in grace; if it
 *           was kept under this key, END also what came after it: who logs out while the id is
 *           rotated means that. -> 0, whatever was there: it is dead. (After the grace, 0 is about
 *           this key alone.) Where nothing is known and there is no room to write that down
 *           -> CMI_E_FULL. Of another space: as where nothing is known, and nothing happens (so it
 *           is never FULL: while there is no room, that tells that the key is known).
 *           Unless view.is_alone(), what is not known here may live elsewhere
 *           -> CMI_E_UNCONFIRMED, though it is done here.
 * DESTROY_PRINCIPAL  Where it has sessions here: store_principal_raise(), then sink.stamp(NULL):
 *           the store ends them one by one, but from here on it finds none of them, and no process
 *           keeps one. Where it has none, nothing is written down: what is created later is not
 *           meant. -> 0; unless view.is_alone() CMI_E_UNCONFIRMED, though it is done here.
 *           Of whatever space they are: who hands it over hashes the space in. One of the last
 *           PLANE_RAISES_MAX, repeated with its request number -> 0, and nothing happens.
 * ROTATE    1. The old one is a record of this version and holder, else as for SAVE; but if it is a
 *              tombstone of a ROTATE, and the new one is a record with this request among its own,
 *              it is a retry -> 0 with that (see SAVE).
 *           2. CREATE the new one: max_end, idle_ttl, principal and tag of the old one where the
 *              request has none. FULL -> CMI_E_FULL, EXISTS or DEAD -> -EEXIST; the old one stands.
 *           3. END the old one (ROTATE) over the expected version: that is the commit. CHANGED: END
 *              the new one for good -> CMI_CONFLICT.
 *           4. stamp(old key). With grace_ms what it had is kept, read only, for at most
 *              PLANE_GRACE_MS_MAX, and until the session has ended under its new key; where there
 *              is no memory it is not. -> 0 with the new one's head, without a blob, and
 *              view.token().
 *
 * Whatever ends by itself (store_sink.gone: max_end, principal; STORE_IDLE, which the plane turns
 * into an END with reason IDLE, since it is the holder's node too, unless it does not serve or
 * requests wait) is stamped when it ends.
 * Never is an answer given before the stamp that it implies.
 */
#include "base/bytes.h"
#include "base/id.h"
#include "base/time.h"
#include "wire/session_local.h"

#include "meshd/session/disk_item.h"
#include "meshd/session/store.h"

#define PLANE_STEPS 256 /* of a walk in one call */
/* While something waits, each request and each plane_timeout_ns() steps over the clients that wait
 * and take no answers: as many as there are connections, at most. */
#define PLANE_WAITS_MAX 4096                       /* requests that wait; more: CMI_E_BUSY */
#define PLANE_WAIT_BYTES_MAX (16u << 20)           /* of their blobs, which are copied */
#define PLANE_USER_WAITS_MAX (PLANE_WAITS_MAX / 2) /* shares of these */
#define PLANE_USER_WAIT_BYTES_MAX (PLANE_WAIT_BYTES_MAX / 2)
#define PLANE_CLIENT_WAITS_MAX (PLANE_WAITS_MAX / 8)
#define PLANE_CLIENT_WAIT_BYTES_MAX (PLANE_WAIT_BYTES_MAX / 8)
#define PLANE_GRACES_MAX 256 /* old contents after a ROTATE; the oldest goes first */
#define PLANE_GRACE_BYTES_MAX (4u << 20)
#define PLANE_GRACE_MS_MAX 60000
#define PLANE_TIMEOUT_MS 5000 /* of a request that names none */
#define PLANE_RAISES_MAX 64   /* DESTROY_PRINCIPALs that are known when they are repeated */

struct plane_options {
        struct cmi_id node_id; /* not a temporary one: such a node has no plane */
        uint64_t incarnation;  /* grows with each start, so that epochs are never opened twice */
        /* Budgets, limits and times; memory and sink are not looked at. */
        struct store_options store;
        /* Keys that wait to be written to the disk; more: all is written anew. 0: the usual. */
        uint32_t n_marks;
};

/*
 * A space as the store has it: whose it is, and which one of theirs, by the beginning of what the
 * request calls it. Users are kept apart by that, and have shares; two of one user's spaces with
 * one number are one to the plane, which does no harm, since their keys differ.
 */
static inline uint64_t plane_space(uint32_t user, const struct cmi_id *space)
{
        const uint8_t *b = space->bytes;

        return (uint64_t)user << 32 | (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 |
               (uint32_t)b[2] << 8 | b[3];
}

/* Who asked. */
struct plane_caller {
        uint64_t client; /* names the connection, and no other one until plane_cancel() */
        uint64_t id;     /* of the request on it */
        uint32_t user;   /* as whom it runs: sessions of one do not exist for another */
};

enum plane_event_kind {
        PLANE_EVENT_FULL =
                        1, /* something was refused for lack of room; once until there was room */
        PLANE_EVENT_LARGE = 2, /* a blob over the soft limit of 16 KiB was saved; once per space
                                  and hour */
};

struct plane_event {
        enum plane_event_kind kind;
        uint64_t space;                    /* as of plane_space() */
        char text[CMI_LOCAL_TEXT_MAX + 1]; /* which limit, and how large it is */
};

/*
 * What is to be on a disk (disk_item.h says in which bytes). What is known of a key is one item, a
 * record or a tombstone: putting one and dropping the other is one step of the disk.
 */
struct plane_write {
        uint64_t serial; /* grows; committed are all up to one. 0: of all that is written anew */
        struct cmi_id id;
        uint32_t drops;         /* 1 << enum disk_kind, or several: what goes */
        enum disk_kind put;     /* DISK_NONE: nothing */
        struct cmi_slice value; /* of what is put; borrowed for the call */
        uint64_t sweep;         /* not 0: this alone: what was put in an earlier pass goes */
        bool is_urgent;         /* somebody waits for it */
};

struct plane_disk {
        void *context;
        /* Return: false: there is no room for it at the moment; it will be tried again. NULL: there
         * is no disk. */
        bool (*write)(void *context, const struct plane_write *write);
};

struct plane_sink {
        void *context;
        /*
         * The answer to a request, once. May come before plane_request() returns. Text, tag and
         * blob are borrowed for the call. Not called any more for a client that was cancelled.
         */
        void (*answer)(void *context, const struct plane_caller *caller,
                        const struct cmi_session_answer *answer);
        /*
         * Copies that processes of this node keep are dead from now on: of this key, or with NULL
         * of all. Return: the apply_seq of the stamp; what is true now may be kept under it.
         */
        uint64_t (*stamp)(void *context, const struct cmi_id *key);
        void (*event)(void *context, const struct plane_event *event); /* NULL: nobody listens */
        /* Does this client take one more answer at the moment? If not, what waits of it waits on.
         * NULL: each does. */
        bool (*takes)(void *context, uint64_t client);
        /* What it has is to be loaded before anything is served: plane_load(), plane_loaded(). */
        struct plane_disk disk;
};

/* What the plane asks of the mesh when it decides: what is answered holds within the call only. */
struct plane_view {
        void *context;
        bool (*is_live)(void *context); /* does this node serve: is its core LIVE? */
        /* Is there no other node that may hold sessions? */
        bool (*is_alone)(void *context);
        /* apply_seq of this node's page, now; 0 if nothing may be kept under it. */
        uint64_t (*token)(void *context);
};

struct plane;

/**
 * plane_new() - make a plane with an empty store
 * @ret_plane: to be ended by plane_free()
 * @options:   copied
 * @memory:    copied; for plane and store
 * @sink:      copied
 * @view:      copied
 *
 * Return: 0, -EINVAL (a budget, a zero id), -ENOMEM.
 */
int plane_new(struct plane **ret_plane, const struct plane_options *options,
                const struct store_memory *memory, const struct plane_sink *sink,
                const struct plane_view *view);

/* Gives all memory back, without answers; takes NULL. Return: NULL. */
struct plane *plane_free(struct plane *plane);

/**
 * plane_request() - an app, or an operator, asks for something
 * @caller:  for the answer
 * @request: checked; borrowed for the call. Its blob is not looked at
 * @blob:    the whole of it; blob_len bytes, borrowed for the call
 *
 * There was or will be one answer, within the request's timeout.
 */
void plane_request(struct plane *plane, struct cmi_time now, const struct plane_caller *caller,
                const struct cmi_session_request *request, struct cmi_slice blob);

/* This client is gone: what waits for it is dropped, and was not done. */
void plane_cancel(struct plane *plane, uint64_t client);

/**
 * plane_end() - an operator ends a session, of whatever space it is
 * @key: as plane_find() shows it
 *
 * Return: 0; CMI_GONE: there is none, or no more; CMI_E_UNCONFIRMED: not view.is_live(), or a newer
 *         version is elsewhere, and nothing has happened.
 */
int plane_end(struct plane *plane, struct cmi_time now, const struct cmi_id *key);

/* So long an answer is of use to who asks this. */
uint64_t plane_patience_ms(const struct cmi_session_request *request);

/* Do what is due: requests that waited or whose time is over, ends, grace. Call it each turn, and
 * after what view.is_live() tells of. */
void plane_tick(struct plane *plane, struct cmi_time now);

/* When plane_tick() has something to do: mono; 0: at once; UINT64_MAX: never. */
uint64_t plane_timeout_ns(const struct plane *plane);

/* The disk */

enum plane_loaded {
        PLANE_LOADED = 0,
        PLANE_LOAD_OVER,    /* it has ended since, or its end is further than any may be */
        PLANE_LOAD_DAMAGED, /* a sum, a version or a limit; nothing of it is alive here */
        PLANE_LOAD_FULL,    /* no room: it stays on the disk until all is written anew */
};

/**
 * plane_load() - an item of the disk, before plane_loaded()
 * @id:    of the key, or principal
 * @value: borrowed for the call
 *
 * In the order of disk_order[]. It is asked as anything that comes, and what is not as on the disk
 * is written.
 *
 * Return: an enum plane_loaded.
 */
int plane_load(struct plane *plane, struct cmi_time now, enum disk_kind kind,
                const struct cmi_id *id, struct cmi_slice value);

/* That was all of it; from now on requests are done. */
void plane_loaded(struct plane *plane, struct cmi_time now);

/* What was written up to this serial is safe, whatever happens to this process or its host. */
void plane_committed(struct plane *plane, struct cmi_time now, uint64_t serial);

/* It takes nothing any more, and has lost what was not committed. Who waits for it is told. */
void plane_disk_broken(struct plane *plane, struct cmi_time now);
/* It takes something again: all is written anew. */
void plane_disk_mended(struct plane *plane, struct cmi_time now);
/* There is none, and what it had is not read by a later process either. Instead of
 * plane_loaded(). */
void plane_disk_absent(struct plane *plane);

enum plane_disk_state {
        PLANE_DISK_NONE = 0,
        PLANE_DISK_LOADING, /* nothing is served yet */
        PLANE_DISK_WORKS,
        PLANE_DISK_BEHIND, /* it was too slow, or broken: all is being written anew */
        PLANE_DISK_BROKEN,
};

struct plane_disk_status {
        enum plane_disk_state state;
        uint64_t n_marks; /* keys and principals that are to be written */
        uint64_t n_held;  /* answers that wait for it */
        uint64_t n_loaded, n_over, n_damaged, n_unloaded;
        uint64_t n_rewrites;
        uint64_t n_unwritten; /* answers that did not wait any longer, or not at all */
};

struct plane_disk_status plane_disk_status(const struct plane *plane);

/* Looking on, for verbs and counters */

struct plane_counters {
        /* By enum cmi_session_verb: asked, and done (outcome 0). */
        uint64_t n_asked[CMI_SESSION_ROTATE + 1];
        uint64_t n_done[CMI_SESSION_ROTATE + 1];
        /* Of all verbs. */
        uint64_t n_conflict, n_gone, n_stale, n_full, n_read_only, n_unconfirmed, n_busy, n_invalid;
        uint64_t n_idle, n_ended; /* that ended by themselves: idle, max_end */
        uint64_t n_large;         /* blobs over the soft limit */
};

struct plane_status {
        struct store_status store;
        struct plane_counters counters;
        uint32_t n_waiting;
        uint64_t waiting_bytes;
        uint32_t n_graces;
};

void plane_status(const struct plane *plane, struct cmi_time now, struct plane_status *ret_status);

/* For people: no content and no id. */
struct plane_entry {
        struct cmi_id key, principal;
        uint64_t space; /* as of plane_space() */
        struct cmi_session_version version;
        struct cmi_session_holder holder;
        uint64_t created_ms, max_end_ms, idle_ttl_ms, last_touch_ms;
        uint64_t blob_len;
        uint8_t tag[CMI_SESSION_TAG_MAX];
        size_t tag_len;
        uint64_t reason; /* enum cmi_tombstone_reason; 0: it is alive */
        bool is_expired; /* or would be, if this clock were not past its end */
};

/* One key. Return: 0, STORE_ABSENT. */
int plane_find(struct plane *plane, struct cmi_time now, const struct cmi_id *key,
                struct plane_entry *ret_entry);

/**
 * plane_next() - walk the records that are alive, in the order of keys
 * @cursor: as store_next(); its steps are set by the caller
 *
 * Return: an enum store_walk.
 */
int plane_next(struct plane *plane, struct cmi_time now, struct store_cursor *cursor,
                struct plane_entry *ret_entry);

/* The store itself, to be read by tests and the simulator. */
struct store *plane_store(struct plane *plane);
