/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The session store of one node: records, tombstones, fences and what is known of principals, in
 * memory that others give. It decides what becomes of two copies that meet, what is refused for
 * lack of room, and what is over. It opens no file, sends nothing and reads no clock, and it does
 * not know who is primary, owner or holder: that is decided above it.
 *
 * Everything enters through store_merge(), on whatever way it came: check and insert are one step,
 * so nothing can be checked on one state and inserted into another. What is in the store is the
 * same in whatever order it came, as long as nothing was refused for lack of room (docs:
 * docs/explanation/sessions.md).
 *
 * now: real_ns decides what is over, mono_ns, which must not go back, that nothing goes early
 * because the other clock was set. Both have to be past the end before anything is forgotten. Who
 * knows that its UTC is wrong gives the store no time at all. One thread at a time. Sinks are
 * called from inside and must not call back.
 */
#include "base/bytes.h"
#include "base/time.h"
#include "wire/session.h"

#define STORE_SPACES_MAX 64 /* namespaces that have sessions at one time */
#define STORE_USERS_MAX 64 /* whose keys are counted; of more, those that come last share a place */
#define STORE_MEMORY_MIN (64u << 10)
/* Of the budget of keys one part in so many is left by a CREATE and by raising a count, for what
 * others send; and by records and fences of others, for tombstones. */
#define STORE_RESERVE_NEW 8
#define STORE_RESERVE_COPY 16
/* And one part in so many is all that is kept of what was ended here though it was not known: keys
 * and principals that anybody can make up do not keep out those that are. */
#define STORE_BLIND_PART 16
/* Nodes that may count for one principal; the other places are for counts raised at once. */
#define STORE_RAISERS_MAX 24
#define STORE_ENDED_AT_ONCE 64 /* sessions of a principal that one store_expire() looks at */

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

struct store_touched {
        struct cmi_id key;
        uint64_t idle_ttl_ms;
        uint64_t before_ms, now_ms; /* last_touch */
};

/* Each may be NULL. What is given is borrowed for the call. */
struct store_sink {
        void *context;
        /* A record was alive here and is not any more; a tombstone is left. */
        void (*gone)(void *context, const struct cmi_session *session, enum store_gone why);
        /* Neither is built on the other, as far as anybody can tell; the loser is not kept here.
         * The winner has adopted it (cmi_session_adopt()), so it is told once. */
        void (*conflict)(void *context, const struct cmi_session *winner,
                        const struct cmi_session *loser, struct cmi_slice loser_blob);
        /* What is known of a key, or of a principal, is not what it was: for who keeps it elsewhere
         * too. It may be told more often than it changes. */
        void (*changed)(void *context, const struct cmi_id *key, bool is_principal);
        /* Likewise, but it is used later than it was, and nothing else. */
        void (*touched)(void *context, const struct store_touched *touched);
};

struct store_options {
        struct store_memory memory; /* copied */
        struct store_sink sink;
        uint64_t record_bytes; /* for heads and blobs; at least STORE_MEMORY_MIN */
        /* For what is kept of each key, alive or dead, and of principals; at least
         * STORE_MEMORY_MIN. A session takes the room of its tombstone when it comes. */
        uint64_t key_bytes;
        /* Looked at by who decides (CREATE, SAVE), not for copies; 0: any number. They count what
         * is *here*: with K copies on N nodes each sees K of N parts. */
        uint32_t principal_sessions; /* of one principal */
        uint32_t space_sessions;     /* of one namespace */
        uint64_t space_bytes;        /* of its heads and blobs */
        uint32_t user_spaces;        /* with sessions, of one user; see store_user() */
        uint64_t user_bytes;         /* of the heads and blobs in all of these */
        /* What is kept of the keys and principals of one user, dead or alive. Looked at for a
         * CREATE: who ends sessions is refused nothing, and may take a little more by it. */
        uint64_t user_key_bytes;
        /* Times; 0: the usual one. All nodes of a mesh have the same. */
        uint64_t margin_ms;     /* CMI_SESSION_MARGIN_MS: three times what clocks may differ */
        uint64_t life_max_ms;   /* CMI_SESSION_LIFE_MAX_MS: of a session */
        uint64_t idle_again_ms; /* 1 s: an idle record is told of so often at most */
        /* Random, and secret: who knows it, and chooses keys, can make finding one slow. */
        uint64_t seed;
};

/* Whose a space is: that is the upper half of its number. */
static inline uint32_t store_user(uint64_t space)
{
        return (uint32_t)(space >> 32);
}

struct store;

/**
 * store_new() - make an empty store
 * @ret_store: to be ended by store_free()
 *
 * Return: 0, -EINVAL (a budget, or life_max_ms above CMI_SESSION_LIFE_MAX_MS), -ENOMEM.
 */
int store_new(const struct store_options *options, struct store **ret_store);

/* Gives all memory back; takes NULL. Return: NULL. */
struct store *store_free(struct store *store);

/* What comes in. Everything is borrowed for the call. */

enum store_way {
        /* By who decides, the primary: */
        STORE_CREATE = 1, /* only where nothing is known of the key */
        STORE_SAVE,       /* only over the expected version, by who holds it */
        STORE_HOLD,       /* a takeover: only from the expected number */
        STORE_END,        /* a tombstone, only over the expected version */
        /* From others, who have decided: */
        STORE_ORDERED, /* a record from the primary: fenced */
        STORE_COPY,    /* a record from anywhere: fill, transfer, hint, disk, repair, heal */
        STORE_TOUCH,
        STORE_TOMBSTONE,
        STORE_PRINCIPAL,
        STORE_FENCE,
};

/* What the app's library made. */
struct store_content {
        struct cmi_slice blob;
        struct cmi_slice tag;
        struct cmi_session_version sealed_base; /* none at a CREATE */
        struct cmi_id save_id;
        uint64_t request; /* random, of the library; 0: none, so it cannot be repeated */
};

/*
 * Its version is the first of the epoch, its holder has number 1, it was created and touched now,
 * and it carries the counts of its principal that are known here.
 */
struct store_create {
        struct cmi_id key;
        uint64_t space;
        struct cmi_session_epoch epoch;
        struct cmi_session_holder holder; /* its number is not looked at */
        uint64_t idle_ttl_ms;
        uint64_t max_end_ms; /* comes with the id, so that it is the same when repeated elsewhere */
        struct cmi_id principal;
        struct store_content content;
};

/* Seq, lineage and requests are made from the record that is here; all else stays as it is. */
struct store_save {
        struct cmi_id key;
        struct cmi_session_version expected;
        struct cmi_session_epoch epoch;   /* in which the primary orders */
        struct cmi_session_holder holder; /* all of it has to be as it is here */
        uint64_t age_ms;                  /* since it was last used */
        struct store_content content;
};

struct store_hold {
        struct cmi_id key;
        uint64_t expected_no;
        struct cmi_session_epoch epoch;
        struct cmi_session_holder
                        holder; /* gets number expected_no + 1; its own is not looked at */
        uint64_t age_ms;
};

struct store_end {
        struct cmi_id key;
        struct cmi_session_epoch epoch;
        struct cmi_session_version expected; /* none: any; not for an idle one */
        uint64_t reason;                     /* enum cmi_tombstone_reason, but PRINCIPAL */
        uint64_t last_touch_ms;              /* IDLE: what it was when somebody decided on it */
        /* Where nothing is known of the key, and nothing expected: it is kept as ended for so long,
         * by both clocks and without the margin, against a session that may still come; 0: it is
         * not. More than life_max_ms and the margin twice is as much as these. */
        uint64_t blind_ms;
        uint64_t space; /* of a blind one */
};

/* ORDERED, COPY */
struct store_record {
        const struct cmi_session *session;
        struct cmi_slice blob;          /* may be one that store_find() gave */
        bool is_bare;                   /* without its blob: taken if the same version is here */
        bool is_new;                    /* ORDERED: of a CREATE, so only where nothing is known */
        struct cmi_session_epoch epoch; /* ORDERED: of the primary; the version's or a later one */
};

struct store_touch {
        struct cmi_id key;
        struct cmi_session_holder holder; /* all of it has to be as it is here */
        uint64_t age_ms;                  /* since it was last used */
};

struct store_fence {
        struct cmi_id key;
        struct cmi_session_epoch epoch;
        uint64_t max_end_ms; /* of the session; how long it is kept where nothing is known of it */
};

struct store_change {
        enum store_way way;
        union {
                struct store_create create;
                struct store_save save;
                struct store_hold hold;
                struct store_end end;
                struct store_record record; /* ORDERED, COPY */
                struct store_touch touch;
                const struct cmi_tombstone *tombstone;
                const struct cmi_principal *principal;
                struct store_fence fence;
        };
};

enum store_outcome {
        STORE_STORED = 0,
        STORE_SAME, /* it was here already; nothing changed, but for a later touch or end perhaps */
        STORE_OLDER,   /* something here is built on it, or later: that stays */
        STORE_DEAD,    /* a tombstone or the principal says so: the record was not taken */
        STORE_EXPIRED, /* its end has passed, by this clock. Never an acknowledgement: a tombstone
                          or count is kept as far as that goes, but this clock may be wrong */
        STORE_AHEAD,   /* it ends later than any session may: not taken. A clock is wrong */
        STORE_WON,     /* taken, and it replaced a version that it is not built on */
        STORE_LOST,    /* not taken, and what is here is not built on it */
        STORE_EXISTS,  /* CREATE: there is a record */
        STORE_CHANGED, /* SAVE, END: the version (or touch) here is not the expected one */
        STORE_STALE,   /* SAVE, TOUCH, HOLD: somebody else has taken the session over */
        STORE_ABSENT,  /* nothing is known of the key. store_find() too */
        STORE_WANTED,  /* TOUCH: it is idle and gone here; a record of the version is taken again.
                          A bare record: taken if it comes with its blob */
        STORE_FENCED,  /* a later epoch was seen here: who sent it steps down */
        STORE_BEHIND,  /* there is a newer version that found no room here: SAVE, HOLD, END and
                          store_find() do not go by the one that is */
        /* No room. Nothing changed, and a stored version stands. */
        STORE_FULL_RECORDS,
        STORE_FULL_KEYS,
        STORE_FULL_BLIND,     /* what was ended though it was not known */
        STORE_FULL_PRINCIPAL, /* sessions of one principal */
        STORE_FULL_NODES,     /* nodes that have ended the sessions of one principal */
        STORE_FULL_SPACE,
        STORE_FULL_USER_SPACES,
        STORE_FULL_USER_BYTES,
        STORE_FULL_USER_KEYS,
        STORE_FULL_MEMORY,  /* the allocator gave none */
        STORE_FULL_BLOCKED, /* what has died found no room, so nothing new is taken for a while */
};

static inline bool store_is_full(int outcome)
{
        return outcome >= STORE_FULL_RECORDS;
}

/* Of a key, before and after a change. */
struct store_state {
        int found;       /* as store_find(): STORED, DEAD, EXPIRED, BEHIND, ABSENT */
        uint64_t reason; /* DEAD */
        struct cmi_session_version version;
        struct cmi_session_holder holder; /* of a record; a tombstone has only the number */
        struct cmi_session_epoch fence;
};

/* Who was holder and is not has to stamp its page, whatever the outcome says. */
struct store_result {
        struct store_state was, is; /* zero for PRINCIPAL */
};

/**
 * store_merge() - the one way in
 * @ret_result: NULL, or what the key was and is
 *
 * CREATE  STORED; SAME (a retry); EXISTS; DEAD; EXPIRED; AHEAD; FENCED; FULL.
 * SAVE    STORED; SAME (a retry); CHANGED; STALE; ABSENT; DEAD; EXPIRED; FENCED; BEHIND; FULL.
 * HOLD    STORED; SAME (a retry); STALE; ABSENT; DEAD; EXPIRED; FENCED; BEHIND.
 * END     STORED; SAME; CHANGED; ABSENT; DEAD; FENCED; BEHIND; FULL (a blind one: nothing is
 *         blocked, for nobody was told that it is dead).
 * ORDERED, COPY  STORED; SAME; OLDER; WON; LOST; DEAD; EXPIRED; AHEAD; WANTED (bare); FULL; an
 *         ordered one also FENCED, and EXISTS if is_new.
 * TOUCH raises last_touch, and is otherwise without effect: STORED; SAME; STALE; ABSENT; WANTED;
 *         DEAD; EXPIRED.
 * TOMBSTONE  STORED; SAME; OLDER (it yields to what is here); EXPIRED (kept, see there); FULL: then
 *         no key that is not known here is taken, on any way, until the tombstone would have gone
 *         or store_unblock(). A final one may be blind (no version).
 * PRINCIPAL  STORED; SAME; EXPIRED (kept, see there); FULL: then no session of this principal comes
 *         alive here, that is not, until the count would have gone, or no key at all if there was
 *         no room even for remembering that. What the counts end here is ended even then.
 * FENCE   STORED; SAME; FENCED (result.is.fence says by which epoch); FULL. What is held is in
 *         result.is, and store_find() gives it.
 *
 * Return: an enum store_outcome; -EINVAL for a change that no decoder would have let through, or a
 *         blob that is not the head's; nothing changed then.
 */
int store_merge(struct store *store, struct cmi_time now, const struct store_change *change,
                struct store_result *ret_result);

/**
 * store_admit() - would a CREATE find room? To be asked before it is sent on
 *
 * Return: 0, or which STORE_FULL_... it would be.
 */
int store_admit(struct store *store, struct cmi_time now, uint64_t space,
                const struct cmi_id *principal, uint64_t blob_len);

/* All that can have died was told anew, and has found room: what is unknown here is not dead. */
void store_unblock(struct store *store);

/* What is known of a key. */
struct store_view {
        bool is_record;
        struct cmi_session session;     /* is_record; its tag is borrowed */
        struct cmi_slice blob;          /* likewise, until the next change */
        struct cmi_tombstone tombstone; /* not is_record */
        struct cmi_session_epoch fence;
        uint64_t note;
};

/**
 * store_find() - look a key up
 *
 * Return: STORE_STORED (a record that is alive), STORE_BEHIND (an older version of one: nobody may
 *         be given it for the newest), STORE_DEAD (a tombstone), STORE_EXPIRED (a record past its
 *         end: no user may be given it, but this clock may be wrong, and it still has an owner),
 *         STORE_ABSENT. @ret_view is filled in by all but the last.
 */
int store_find(struct store *store, struct cmi_time now, const struct cmi_id *key,
                struct store_view *ret_view);

/**
 * store_note() - 8 bytes for whoever is above, beside a version
 * @version: of the record or tombstone that it is about; each new one begins with 0
 *
 * Return: 0, STORE_CHANGED, STORE_ABSENT.
 */
int store_note(struct store *store, const struct cmi_id *key,
                const struct cmi_session_version *version, uint64_t note);

/* Walking */

enum store_kind {
        STORE_RECORDS = 1,
        STORE_TOMBSTONES = 2,
        STORE_BOTH = 3,
};

/* A place between two keys, which stays right whatever is changed meanwhile. */
struct store_cursor {
        struct cmi_id at;   /* the first key, at the beginning */
        struct cmi_id last; /* included */
        bool is_done;       /* false, at the beginning */
        uint32_t steps;     /* how many more may be looked at, given or not: to be set before */
};

enum store_walk {
        STORE_GIVEN = 0,
        STORE_PAUSED, /* steps are 0: go on later */
        STORE_WALKED, /* that was all */
};

/**
 * store_next() - the next one in the order of keys
 *
 * What is there from the first call to the last is given once; what comes or goes meanwhile may
 * be. Records past their end are not given, and tombstones past the margin.
 *
 * Return: an enum store_walk.
 */
int store_next(struct store *store, struct cmi_time now, enum store_kind kind,
                struct store_cursor *cursor, struct store_view *ret_view);

/* The same for principals, in the order of their hashes. */
int store_next_principal(struct store *store, struct cmi_time now, struct store_cursor *cursor,
                struct cmi_principal *ret_principal);

struct store_digest {
        uint64_t n_records;
        uint64_t n_tombstones;
        uint64_t sum; /* equal in two stores that hold the same, whatever the order */
};

/**
 * store_digest() - add up what is from the cursor on
 * @at_ms:  the UTC at which to look: of who asks, so that nodes whose clocks differ compare the
 *          same. What ends within half the margin of it is left out
 * @digest: zero at the beginning
 *
 * Of records it covers key, version and content (not last_touch and the holder, which change
 * without a version and travel on their own).
 *
 * Return: STORE_PAUSED, STORE_WALKED.
 */
int store_digest(struct store *store, struct cmi_time now, uint64_t at_ms,
                struct store_cursor *cursor, struct store_digest *digest);

/* Principals */

/* What a principal's counts are. Return: 0, STORE_ABSENT (it has none). */
int store_principal(struct store *store, struct cmi_time now, const struct cmi_id *hash,
                struct cmi_principal *ret_principal);

/* How many sessions of it are here; some of them may be dead already, and not looked at yet. */
uint32_t store_principal_sessions(struct store *store, const struct cmi_id *hash);

/**
 * store_principal_raise() - end all sessions of a principal, by this node's count
 * @node:          this node's id
 * @is_alone:      no session of it can be on another node, or come from there
 * @ret_principal: the one count, to be sent to everybody
 *
 * The count goes on from what is known, and never below the clock in milliseconds: a node that has
 * forgotten what it counted does not begin again below what sessions carry. It is compared with
 * this node's counts only. Not before counts were exchanged after a start.
 *
 * Return: STORE_STORED, or nothing changed: STORE_SAME (alone, and it has no session here: there is
 *         nothing to end, and what is created later knows of it), STORE_FULL_NODES (as many other
 *         nodes as may have counted, so one of these has to do it: store_principal() names them),
 *         STORE_FULL_KEYS, STORE_FULL_BLIND, STORE_FULL_MEMORY.
 */
int store_principal_raise(struct store *store, struct cmi_time now, const struct cmi_id *hash,
                const struct cmi_id *node, bool is_alone, struct cmi_principal *ret_principal);

/* Time */

enum store_due {
        STORE_NOTHING = 0,
        STORE_ENDED,     /* a record is over: max_end has passed */
        STORE_FORGOTTEN, /* a tombstone, or counts of a principal: nothing can come back now */
        STORE_IDLE,      /* a record is idle for too long, by both clocks. It stays: its primary
                            asks the holder, then ENDs it; told again after an interval */
        STORE_CHECKED,   /* some sessions of a principal whose counts were raised: those that end
                            are told to gone() */
};

/* When store_expire() has something to do: mono; UINT64_MAX: never. O(1). */
uint64_t store_next_due_ns(const struct store *store);

/**
 * store_expire() - do one thing that is due
 * @ret_key: what it was about; zero if about a principal
 *
 * Each takes a bounded time. Call it a bounded number of times in a turn, until it says
 * STORE_NOTHING.
 *
 * Return: an enum store_due.
 */
int store_expire(struct store *store, struct cmi_time now, struct cmi_id *ret_key);

struct store_status {
        uint64_t n_keys;    /* of which anything is known, alive or dead */
        uint64_t n_records; /* of these */
        uint64_t n_principals;
        uint64_t record_bytes, key_bytes; /* of the budgets */
        uint64_t fixed_bytes;             /* tables, from the start on */
        uint64_t n_blind, blind_bytes;    /* of keys and principals: ended and never known */
        uint64_t n_conflicts, n_refused;  /* refused: for lack of room */
        bool is_blocked;
};

struct store_status store_status(const struct store *store, struct cmi_time now);
