/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the session planes of two meshd say to each other: one message in one frame.
 * This file decides what a message is and which ones cannot be; who sends which when, and what
 * becomes of it, is for meshd/session to decide. The meshd of this version sends none of them and
 * takes none; tests do. docs/reference/session-protocol.md describes the bytes.
 *
 * A message is a msgpack map with small integer keys: 1 its kind, 2 its id, then the fields of the
 * kind; unknown ones are skipped. The sender counts its messages: id is that number, from 1, and an
 * answer repeats the id of what it answers. Nothing relies on delivery: who asks asks again, so
 * each message may come twice.
 *
 * Records, tombstones and counts are those of wire/session.h, an app's request is that of
 * wire/session_local.h, each a map of its own inside the message; those of lists are in bins. A
 * blob that does not fit follows in PARTs. Ids of sessions and plaintext are in none of them.
 */
#include "wire/frame.h"
#include "wire/session.h"
#include "wire/session_local.h"

#define CMI_PEER_MESSAGE_MAX CMI_POST_MAX
#define CMI_PEER_PART_MAX CMI_SESSION_PART_MAX /* bytes of a blob in one message */
#define CMI_PEER_HOPS_MAX 2                    /* so often a request is handed on at most */
#define CMI_PEER_WEIGHT_MAX 65535
#define CMI_PEER_ROOM_MAX 1000 /* thousandths: all of it */
#define CMI_PEER_DEAD_MAX 256  /* tombstones in one DEAD, and elements of a DEAD_OK, COUNTS_OK */
#define CMI_PEER_COUNTS_MAX 48 /* principals in one COUNTS */

enum cmi_peer_kind {
        CMI_PEER_STATE = 1, /* answered by STATE_OK */
        CMI_PEER_STATE_OK = 2,
        CMI_PEER_ASK = 3, /* by ANSWER or MOVED */
        CMI_PEER_ANSWER = 4,
        CMI_PEER_MOVED = 5,
        CMI_PEER_FENCE = 6, /* by FENCED */
        CMI_PEER_FENCED = 7,
        CMI_PEER_ORDER = 8, /* by ORDERED */
        CMI_PEER_ORDERED = 9,
        CMI_PEER_FETCH = 10, /* by COPY, which names it */
        CMI_PEER_COPY = 11,  /* by COPIED */
        CMI_PEER_COPIED = 12,
        CMI_PEER_PART = 13, /* has no answer */
        CMI_PEER_DEAD = 14, /* by DEAD_OK */
        CMI_PEER_DEAD_OK = 15,
        CMI_PEER_COUNTS = 16, /* by COUNTS_OK */
        CMI_PEER_COUNTS_OK = 17,
        CMI_PEER_SYNC = 18,     /* by DEADs, COUNTS or COPYs, which name it */
        CMI_PEER_HANDOVER = 19, /* by TAKEN */
        CMI_PEER_TAKEN = 20,
        CMI_PEER_IDLE = 21, /* by AGE */
        CMI_PEER_AGE = 22,
        CMI_PEER_KIND_LAST = CMI_PEER_AGE, /* what is above is of a newer version */
};

/* What became of a record, a tombstone or a claim at who got it. One that is not known here is of a
 * newer version, and no acknowledgement. */
enum cmi_stored {
        CMI_STORED_DONE = 0, /* it is there, or something that is built on it */
        /* None of these is an acknowledgement. */
        CMI_STORED_FENCED = 1, /* a later epoch was seen there: who sent it steps down */
        CMI_STORED_DEAD = 2, /* the session has ended; the tombstone comes with it if it has one */
        CMI_STORED_FULL = 3, /* no room */
        CMI_STORED_WANTED = 4,  /* the blob or the version is not there: send it */
        CMI_STORED_EXPIRED = 5, /* its end has passed by the clock there, which may be wrong */
        CMI_STORED_AHEAD = 6,   /* it ends later than any session may, by the clock there */
        CMI_STORED_EXISTS = 7,  /* a new one was to be made, and there is one */
        CMI_STORED_LOST = 8,    /* what is there is newer, and not built on it */
        CMI_STORED_LATER = 9,   /* not now: ask again */
};

enum cmi_peer_what {
        CMI_PEER_NOTHING = 0,
        CMI_PEER_RECORD = 1,
        CMI_PEER_TOMBSTONE = 2,
};

/*
 * What somebody has of a key. A record may come *bare*, without its blob, if who gets it has the
 * blob or will ask for it. Else blob has its first bytes, all or CMI_PEER_PART_MAX; if that is not
 * the whole, PARTs follow.
 */
struct cmi_peer_found {
        enum cmi_peer_what what;
        struct cmi_session record;      /* RECORD */
        struct cmi_slice blob;          /* RECORD; borrowed */
        struct cmi_tombstone tombstone; /* TOMBSTONE */
};

/* What a node does for the sessions of others. Who has not said it owns nothing. */
struct cmi_peer_state {
        bool is_holding;    /* it may be given sessions */
        bool is_draining;   /* nothing new; it hands over what it has */
        bool is_recovering; /* it has not yet all that it is to own: it counts for no level */
        uint64_t weight;    /* its share of the keys, up to CMI_PEER_WEIGHT_MAX; 0: none */
        uint64_t host;      /* hash that names its host; 0: unknown */
        uint64_t view;      /* digest of whom it counts; equal ones find the same owners */
        uint64_t room;      /* what is free of the fuller budget of its store: thousandths */
};

/* The request of an app, or of an operator, handed to who decides about the key. */
struct cmi_peer_ask {
        struct cmi_id origin; /* the node to which the app came; it becomes the holder */
        uint64_t incarnation; /* of it */
        uint64_t hops;        /* how often it was handed on */
        uint64_t user;        /* as whom the app runs there: the same number is the same user */
        /*
         * Not checked for what its verb needs (cmi_session_request_check()): it may be one of a
         * newer version, and then deserves an answer. timeout_ms is what is left of it.
         */
        struct cmi_session_request request;
};

struct cmi_peer_answer {
        int64_t outcome;                   /* as struct cmi_session_answer */
        char text[CMI_LOCAL_TEXT_MAX + 1]; /* likewise */
        uint64_t n_copies;                 /* likewise */
        uint64_t flags;                    /* likewise: CMI_SESSION_READ_ONLY */
        bool is_kept; /* processes of the origin may keep it: it was written down as the holder */
        struct cmi_peer_found found;
};

/* Somebody else decides about the key. */
struct cmi_peer_moved {
        struct cmi_id node;             /* ask this one */
        struct cmi_session_epoch epoch; /* the newest that was seen; none: none was */
};

enum cmi_peer_why {
        CMI_PEER_WHY_DEATH = 1,    /* FENCE: its opener is no more, or its time is over */
        CMI_PEER_WHY_HANDOVER = 2, /* FENCE: its opener said so */
        CMI_PEER_WHY_RESTART = 3,  /* FENCE: it was an earlier incarnation of the sender */
        CMI_PEER_WHY_FETCH = 16,   /* COPY: it was asked for, by FETCH or SYNC */
        CMI_PEER_WHY_TRANSFER = 17,
        CMI_PEER_WHY_HINT = 18,
        CMI_PEER_WHY_REPAIR = 19,
        CMI_PEER_WHY_HEAL = 20,
};

/* Take no more orders of an earlier epoch, and say what you have. */
struct cmi_peer_fence {
        struct cmi_id key;
        struct cmi_session_epoch epoch; /* that the sender opens */
        uint64_t max_end_ms;            /* of the session, or as late as one could end */
        uint64_t why;                   /* enum cmi_peer_why */
};

struct cmi_peer_fenced {
        uint64_t outcome;               /* DONE, FENCED, LATER */
        struct cmi_session_epoch epoch; /* of the fence that stands there now */
        struct cmi_peer_found found;    /* its record comes bare: fetch the newest one */
};

/* Write this: it is what the key has become. */
struct cmi_peer_order {
        struct cmi_session_epoch epoch; /* in which it is ordered: the version's or a later one */
        bool is_new;                    /* it was created: only where nothing is known */
        bool wants_disk;                /* acknowledge it when it is on disk, not before */
        struct cmi_peer_found found;    /* RECORD */
};

/* ORDERED, COPIED, TAKEN */
struct cmi_peer_stored {
        uint64_t outcome;                   /* enum cmi_stored */
        bool is_on_disk;                    /* and it survives the machine */
        struct cmi_session_version version; /* that is there now; none: no record is */
        struct cmi_session_epoch epoch; /* of the fence there; with FENCED, else it may be none */
        struct cmi_peer_found found;    /* DEAD: the tombstone, or NOTHING */
};

struct cmi_peer_fetch {
        struct cmi_id key;
        struct cmi_session_version version; /* none: whichever there is */
};

/* One of the messages that answer a SYNC. All zero: of none, it is news. */
struct cmi_peer_page {
        uint64_t sync; /* id of the SYNC */
        bool is_last;  /* nothing of the set comes after it */
        /* The sender counts what it tells (the dead and the counts, each). Of news: the number of
         * the last one in the message. Of the last page: all up to it are in the set. */
        uint64_t serial;
};

struct cmi_peer_copy {
        uint64_t fetch; /* id of the FETCH that it answers; 0: none */
        uint64_t why;   /* enum cmi_peer_why */
        struct cmi_peer_page page;
        struct cmi_peer_found found; /* NOTHING only as an answer: there is none, or no more */
};

/* The next bytes of a blob, in order. One whose message is not known is ignored. */
struct cmi_peer_part {
        uint64_t of;     /* enum cmi_peer_kind of the message; the part's id is the id of it */
        uint64_t offset; /* the end of what came before */
        struct cmi_slice bytes; /* 1 to CMI_PEER_PART_MAX, borrowed */
};

/* DEAD: tombstones. COUNTS: principals. At least one, but in the last page of a SYNC. */
struct cmi_peer_news {
        struct cmi_peer_page page;
        uint32_t n;
        /* Read only: n times cmi_peer_next_tombstone() or cmi_peer_next_principal(). */
        struct cmi_reader list;
};

/* DEAD_OK, COUNTS_OK: all of it was written down, but for the list. */
struct cmi_peer_noted {
        uint64_t serial; /* as in what it answers */
        uint32_t n;
        struct cmi_reader list; /* read only: n times cmi_peer_next_refusal() */
};

struct cmi_peer_refusal {
        struct cmi_id key; /* or the principal */
        uint64_t outcome;  /* enum cmi_stored */
};

enum cmi_peer_set {
        CMI_PEER_SET_DEAD = 1,
        CMI_PEER_SET_COUNTS = 2,
        CMI_PEER_SET_RECORDS = 3, /* that the asker owns, or is to own */
};

struct cmi_peer_sync {
        uint64_t set;        /* enum cmi_peer_set */
        struct cmi_id after; /* the last key or principal that is there already; zero: none */
};

/* Decide about this key from now on. */
struct cmi_peer_handover {
        struct cmi_id key;
        struct cmi_session_version version; /* that the new one must have */
        struct cmi_session_epoch epoch;     /* that it may open: after the version's */
};

/* Since when is it not used? */
struct cmi_peer_idle {
        struct cmi_id key;
};

struct cmi_peer_age {
        bool is_held; /* else the rest is zero */
        uint64_t age_ms;
        uint64_t holder_no;
};

struct cmi_peer_message {
        uint64_t kind; /* enum cmi_peer_kind */
        uint64_t id;   /* not 0 */
        union {
                struct cmi_peer_state state;
                struct cmi_peer_ask ask;
                struct cmi_peer_answer answer;
                struct cmi_peer_moved moved;
                struct cmi_peer_fence fence;
                struct cmi_peer_fenced fenced;
                struct cmi_peer_order order;
                struct cmi_peer_stored stored;
                struct cmi_peer_fetch fetch;
                struct cmi_peer_copy copy;
                struct cmi_peer_part part;
                struct cmi_peer_news news;
                struct cmi_peer_noted noted;
                struct cmi_peer_sync sync;
                struct cmi_peer_handover handover;
                struct cmi_peer_idle idle;
                struct cmi_peer_age age;
        };
};

/* Is the record there without a blob that it has? */
static inline bool cmi_peer_is_bare(const struct cmi_peer_found *found)
{
        return found->what == CMI_PEER_RECORD && found->blob.len == 0 && found->record.blob_len > 0;
}

/**
 * cmi_peer_decode() - read a message
 * @bytes:       all of it
 * @ret_message: borrows from @bytes; nothing is promised of it after a failure
 *
 * Return: the number of unknown fields that were skipped; -EBADMSG (malformed, or what it says
 *         cannot be); -EMSGSIZE (a limit). Of a kind above CMI_PEER_KIND_LAST nothing but the kind
 *         is read, and 0 is returned: such a message is counted and skipped.
 */
int cmi_peer_decode(struct cmi_slice bytes, struct cmi_peer_message *ret_message);

/**
 * cmi_peer_write() - write a message
 * @message: of a known kind
 *
 * Of DEAD, COUNTS, DEAD_OK and COUNTS_OK it writes all but the list: cmi_peer_write_tombstone(),
 * cmi_peer_write_principal() or cmi_peer_write_refusal() has to follow, n times.
 * What is within the limits is no longer than CMI_PEER_MESSAGE_MAX. An error is in the writer.
 */
void cmi_peer_write(struct cmi_writer *writer, const struct cmi_peer_message *message);

void cmi_peer_write_tombstone(struct cmi_writer *writer, const struct cmi_tombstone *tombstone);
void cmi_peer_write_principal(struct cmi_writer *writer, const struct cmi_principal *principal);
void cmi_peer_write_refusal(struct cmi_writer *writer, const struct cmi_peer_refusal *refusal);

/*
 * The next of a list that cmi_peer_decode() has checked; it cannot fail.
 *
 * Return: the number of unknown fields that were skipped in it; cmi_peer_decode() has counted them.
 */
int cmi_peer_next_tombstone(struct cmi_reader *list, struct cmi_tombstone *ret_tombstone);
int cmi_peer_next_principal(struct cmi_reader *list, struct cmi_principal *ret_principal);
void cmi_peer_next_refusal(struct cmi_reader *list, struct cmi_peer_refusal *ret_refusal);
