/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The session store of one node: records, tombstones and what is known of principals, in memory
 * that others give. It decides what becomes of two copies that meet, what is refused for lack of
 * room, and what is over. It opens no file, sends nothing and reads no clock, and it does not know
 * who is primary, owner or holder: that is decided above it.
 *
 * Everything enters through store_merge(), on whatever way it came: check and insert are one step,
 * so nothing can be checked on one state and inserted into another. What is in the store is the
 * same in whatever order it came, as long as nothing was refused for lack of room (docs:
 * docs/explanation/sessions.md).
 *
 * now: real_ns decides what is over; mono_ns, which must not go back, when it is looked at, and
 * that no tombstone goes early because the other clock was set. One thread at a time. Sinks are
 * called from inside and must not call back.
 */
#include "base/bytes.h"
#include "base/time.h"
#include "wire/session.h"

#define STORE_SPACES_MAX 64 /* namespaces that have sessions at one time */
#define STORE_MEMORY_MIN (64u << 10)
#define STORE_RESERVE 8 /* one part in so many is for tombstones of other nodes, not for a CREATE */

/* Where memory comes from. alloc returns NULL when there is none, and is not asked to zero it. */
struct store_memory {
        void *context;
        void *(*alloc)(void *context, size_t size);
        void (*free)(void *context, void *memory, size_t size);
};

enum store_gone {
        STORE_GONE_ENDED = 1,     /* max_end has passed */
        STORE_GONE_PRINCIPAL = 2, /* all sessions of its principal were ended */
        STORE_GONE_TOMBSTONE = 3,
};

/* Each may be NULL. What is given is borrowed for the call. */
struct store_sink {
        void *context;
        /* A record was alive here and is not any more. */
        void (*gone)(void *context, const struct cmi_session *session, enum store_gone why);
        /* Neither is built on the other, as far as anybody can tell; the loser is not kept here. */
        void (*conflict)(void *context, const struct cmi_session *winner,
                        const struct cmi_session *loser, struct cmi_slice loser_blob);
};

struct store_options {
        struct store_memory memory; /* copied */
        struct store_sink sink;
        uint64_t record_bytes; /* for heads and blobs; at least STORE_MEMORY_MIN */
        /* For what is kept of each key, alive or dead, and of principals; at least
         * STORE_MEMORY_MIN. A session takes the room of its tombstone when it comes. */
        uint64_t tombstone_bytes;
        uint32_t principal_sessions; /* of one principal, looked at by CREATE only; 0: any number */
        uint32_t space_sessions;     /* of one namespace, likewise */
        uint64_t space_bytes;        /* of its heads and blobs, by CREATE and SAVE; 0: any number */
};

struct store;

/**
 * store_new() - make an empty store
 * @ret_store: to be ended by store_free()
 *
 * Return: 0, -EINVAL (a budget), -ENOMEM.
 */
int store_new(const struct store_options *options, struct store **ret_store);

/* Gives all memory back; takes NULL. Return: NULL. */
struct store *store_free(struct store *store);

enum store_way {
        STORE_CREATE = 1, /* a record: only where nothing is known of its key */
        STORE_SAVE,       /* a record: only over the expected version, by who holds it */
        STORE_COPY,       /* a record from anywhere: fill, transfer, hint, disk, repair, takeover */
        STORE_TOUCH,
        STORE_TOMBSTONE,
        STORE_PRINCIPAL,
};

struct store_touch {
        struct cmi_hash key;
        uint64_t last_touch_ms;
        uint64_t holder_no;
};

struct store_change {
        enum store_way way;
        const struct cmi_session *session; /* of a record; requests[0] is the request's own id */
        struct cmi_slice blob;
        struct cmi_session_version expected; /* SAVE */
        struct store_touch touch;
        const struct cmi_tombstone *tombstone;
        const struct cmi_principal *principal;
};

enum store_outcome {
        STORE_STORED = 0,
        STORE_SAME,    /* it was here already; nothing changed, but for a later end perhaps */
        STORE_OLDER,   /* something here is built on it, or later: that stays */
        STORE_DEAD,    /* a tombstone or the principal says so: the record was not taken */
        STORE_EXPIRED, /* its max_end has passed, and for a tombstone or a count the margin too */
        STORE_WON,     /* COPY: taken, and it replaced a version that it is not built on */
        STORE_LOST,    /* COPY: not taken, and what is here is not built on it */
        STORE_EXISTS,  /* CREATE: there is a record */
        STORE_CHANGED, /* SAVE: the version here is not the expected one */
        STORE_STALE,   /* SAVE, TOUCH: somebody else has taken the session over */
        STORE_ABSENT,  /* SAVE, TOUCH: nothing is known of the key. store_find() too */
        STORE_WANTED,  /* TOUCH: here it is idle and gone; a record with this touch is taken */
        /* No room. Nothing changed, and a stored version stands. */
        STORE_FULL_RECORDS,
        STORE_FULL_TOMBSTONES,
        STORE_FULL_PRINCIPAL, /* sessions of one principal; or nodes that have ended them */
        STORE_FULL_SPACE,
        STORE_FULL_MEMORY,  /* the allocator gave none */
        STORE_FULL_BLOCKED, /* what has died found no room, so nothing new is taken for a while */
};

static inline bool store_is_full(int outcome)
{
        return outcome >= STORE_FULL_RECORDS;
}

/**
 * store_merge() - the one way in
 * @change: borrowed for the call; its blob may be one that store_find() gave
 *
 * A record, by way:
 * CREATE  STORED; SAME (its request id is the record's: a retry); EXISTS; DEAD; EXPIRED; FULL.
 * SAVE    STORED; SAME (a retry); CHANGED; STALE; ABSENT; DEAD; EXPIRED; FULL.
 * COPY    STORED; SAME; OLDER; WON; LOST; DEAD; EXPIRED; FULL.
 * TOUCH raises last_touch, and is otherwise without effect: STORED; SAME; STALE; ABSENT; WANTED;
 * DEAD; EXPIRED.
 * TOMBSTONE: STORED; SAME; OLDER (it yields to what is here); EXPIRED; FULL: then no key that is
 * not known here is taken, on any way, until the tombstone would have gone.
 * PRINCIPAL: STORED; SAME; EXPIRED; FULL: then no session of this principal comes alive here, that
 * is not, until the count would have gone, or no key at all if there was no room even for
 * remembering that. What the counts end here is ended even then.
 *
 * Return: an enum store_outcome; -EINVAL for a change that no decoder would have let through, or a
 *         blob that is not the head's; nothing changed then.
 */
int store_merge(struct store *store, struct cmi_time now, const struct store_change *change);

/* What is known of a key. */
struct store_view {
        bool is_record;
        struct cmi_session session;     /* is_record; its tag is borrowed */
        struct cmi_slice blob;          /* likewise, until the next change */
        struct cmi_tombstone tombstone; /* not is_record */
};

/**
 * store_find() - look a key up
 *
 * Return: STORE_STORED (a record that is alive), STORE_DEAD (a tombstone), STORE_EXPIRED (a record
 *         past its end, which nobody may be given), STORE_ABSENT. @ret_view is filled in by the
 *         first two.
 */
int store_find(struct store *store, struct cmi_time now, const struct cmi_hash *key,
                struct store_view *ret_view);

/* Walking */

enum store_kind {
        STORE_RECORDS = 1,
        STORE_TOMBSTONES = 2,
        STORE_BOTH = 3,
};

/* A place between two keys, which stays right whatever is changed meanwhile. */
struct store_cursor {
        struct cmi_hash at;   /* the first key, at the beginning */
        struct cmi_hash last; /* included */
        bool is_done;         /* false, at the beginning */
};

/**
 * store_next() - the next one in the order of keys
 *
 * What is there from the first call to the last is given once; what comes or goes meanwhile may
 * be. Records past their end and tombstones past the margin are not given.
 *
 * Return: false at the end.
 */
bool store_next(struct store *store, struct cmi_time now, enum store_kind kind,
                struct store_cursor *cursor, struct store_view *ret_view);

/* The same for principals, in the order of their hashes. */
bool store_next_principal(struct store *store, struct store_cursor *cursor,
                struct cmi_principal *ret_principal);

/* What a principal's counts are, for a CREATE. Return: 0, STORE_ABSENT (it has none). */
int store_principal(struct store *store, const struct cmi_hash *hash,
                struct cmi_principal *ret_principal);

/**
 * store_principal_next() - the counts by which this node ends all sessions of a principal
 * @node:          this node's id
 * @ret_principal: one count: to be merged here and sent to everybody
 *
 * The count goes on from what is known, and never below the clock in milliseconds: a node that has
 * forgotten what it counted does not begin again below what sessions carry. It is compared with
 * this node's counts only.
 *
 * Return: 0, STORE_FULL_PRINCIPAL: as many other nodes as there may be have counted, so one of
 *         these has to do it (store_principal() names them).
 */
int store_principal_next(struct store *store, struct cmi_time now, const struct cmi_hash *hash,
                const struct cmi_id *node, struct cmi_principal *ret_principal);

struct store_digest {
        uint64_t n_records;
        uint64_t n_tombstones;
        uint64_t sum; /* equal in two stores that hold the same, whatever the order */
};

/*
 * Of the keys from @first to @last. Of records it covers all but last_touch and the holder, which
 * change without a version and travel on their own.
 */
struct store_digest store_digest(struct store *store, struct cmi_time now,
                const struct cmi_hash *first, const struct cmi_hash *last);

/* Time */

enum store_due {
        STORE_NOTHING = 0,
        STORE_ENDED,     /* a record was dropped: max_end has passed */
        STORE_FORGOTTEN, /* a tombstone, or counts of a principal: nothing can come back now */
        STORE_IDLE,      /* a record is idle for too long. It stays: its primary asks the holder,
                            then merges an idle tombstone; told again after an interval */
};

/* When store_expire() has something to do: mono; UINT64_MAX: never. O(1). */
uint64_t store_next_due_ns(const struct store *store);

/**
 * store_expire() - do one thing that is due; call it until it says STORE_NOTHING
 * @ret_key: what it was about; zero if about a principal
 *
 * Return: an enum store_due.
 */
int store_expire(struct store *store, struct cmi_time now, struct cmi_hash *ret_key);

struct store_status {
        uint64_t n_records, n_tombstones, n_principals;
        uint64_t record_bytes, tombstone_bytes; /* of the budgets */
        uint64_t fixed_bytes;                   /* tables, from the start on */
        uint64_t n_conflicts, n_refused;        /* refused: for lack of room */
        bool is_blocked;
};

struct store_status store_status(const struct store *store, struct cmi_time now);
