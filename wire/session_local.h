/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Sessions of the local protocol: what an app's library asks of meshd, and what it is told. SESSION
 * is the request, whatever it is to do; a blob that does not fit into it follows in SESSION_PARTs;
 * SESSION_ANSWER answers it, once, with the whole blob where there is one to give. Conventions are
 * those of wire/local.h; docs/reference/local-protocol.md describes it byte by byte.
 *
 * Neither ids nor plaintext are in these messages: keys and principals are keyed hashes that the
 * library makes, and blobs are sealed. meshd adds whose process asks (SO_PEERCRED), so one user's
 * sessions do not exist for another.
 *
 * A request that was not answered because the connection ended may be sent again, with the same
 * request number and on another connection: what was done is not done twice.
 */
#include "wire/local.h"
#include "wire/session.h"

#define CMI_SESSION_PART_MAX 60000       /* bytes of a blob in one SESSION or SESSION_PART */
#define CMI_SESSION_TIMEOUT_MAX_MS 60000 /* meshd waits no longer, whatever is asked */

/*
 * Name of the region in which processes keep sessions. Its keys have slots of their own, those of
 * the session table (cmi_page_session_slot()); a stamp of the whole region is one of all sessions.
 */
#define CMI_SESSION_REGION "@sessions"
/* With zeros up to 32 bytes the key of the hash that makes a space of its name. Not secret. */
#define CMI_SESSION_SPACE_KEY "cachemesh session space"

enum cmi_session_verb {
        CMI_SESSION_CREATE = 1,
        CMI_SESSION_GET = 2,
        CMI_SESSION_SAVE = 3,
        CMI_SESSION_TOUCH = 4,
        CMI_SESSION_DESTROY = 5,
        CMI_SESSION_DESTROY_PRINCIPAL = 6,
        CMI_SESSION_ROTATE = 7,
};

/* How many copies must be written before the answer. As enum cm_session_level of
 * cachemesh-session.h. */
enum cmi_session_level {
        CMI_SESSION_LEVEL_DEFAULT = 0, /* ONE */
        CMI_SESSION_LOCAL = 1,         /* in this node's memory */
        CMI_SESSION_ONE = 2,           /* and in that of one other owner, if the mesh has one */
        CMI_SESSION_ALL = 3,           /* in that of every owner */
        CMI_SESSION_DISK = 4,          /* and on the disk of each of them */
};

/* GET: does not count as a use, so that the session does not live longer for being looked at. */
#define CMI_SESSION_PEEK 1u

/*
 * One request. Which verb needs what is in the comments (C CREATE, G GET, S SAVE, T TOUCH, D
 * DESTROY, P DESTROY_PRINCIPAL, R ROTATE; in brackets: may be zero), and is checked by
 * cmi_session_request_check(); what a verb does not need is ignored.
 */
struct cmi_session_request {
        uint64_t verb;       /* enum cmi_session_verb */
        struct cmi_id space; /* all: keyed hash of the namespace's name */
        struct cmi_id key;   /* all but P: hash of the id; R: of the id that ends */
        uint64_t request;    /* C S D P R: random; names the request wherever it goes */
        uint64_t timeout_ms; /* all: so long an answer is of use, from now; 0: 5000 */
        uint64_t level;      /* C S D P R: enum cmi_session_level */
        uint64_t flags;      /* G: CMI_SESSION_PEEK; unknown ones are refused */
        struct cmi_session_version expected; /* S R: the one that is replaced; (G): the oldest that
                                                will do, since it has been seen already */
        struct cmi_session_holder holder;    /* S T R: as the answer said that gave expected */
        uint64_t max_end_ms;                 /* C, (D), (R): UTC; R 0: as the old one's; D: as far
                                                as it is known, 0: as late as can be */
        uint64_t idle_ttl_ms;                /* (C), (R): 0: none; R 0: as the old one's */
        struct cmi_id principal;             /* (C), P, (R): whose it is; R: of the new one */
        struct cmi_slice tag;                /* (C), (S), (R): of the app; S R without one: as it
                                                was. Borrowed */
        struct cmi_id save_id;               /* C S R: part of the seal */
        uint64_t age_ms;                     /* (T): how long ago it was used */
        struct cmi_id new_key;               /* R: of the id that begins */
        uint64_t grace_ms; /* (R): so long the old id still answers with what it had, read only */
        uint64_t blob_len; /* C S R: of the whole */
        struct cmi_slice blob; /* its first bytes: all, or CMI_SESSION_PART_MAX; borrowed */
};

/* Has no answer. The parts of one blob are in order, and complete it; between them other messages
 * may come. One whose SESSION is not known, or was answered already, is ignored. */
struct cmi_session_part {
        uint64_t id;            /* of the SESSION that it belongs to */
        uint64_t offset;        /* the end of what came before */
        struct cmi_slice bytes; /* 1 to CMI_SESSION_PART_MAX, borrowed */
};

/* SESSION_ANSWER: content is there to be read, but nothing may be saved on it. */
#define CMI_SESSION_READ_ONLY 1u

/*
 * Outcomes: 0, CMI_CONFLICT (S R: another version is there; it comes with the answer), CMI_GONE
 * (there is none, or no more), CMI_PENDING (D P: it is dead here, and others will learn it),
 * CMI_E_TIMEOUT (it may or may not be done), CMI_E_BUSY (too much at a time), CMI_E_FULL,
 * CMI_E_TOO_BIG, CMI_E_STALE (another node has taken the session over: get it anew),
 * CMI_E_READ_ONLY, CMI_E_UNCONFIRMED (nobody who is here can say, and nothing was done; D P: it may
 * be done here, and the others were not told), -EEXIST (C: the key is in use, or was), -EINVAL,
 * -EOPNOTSUPP (this node holds no sessions; text says why).
 */
struct cmi_session_answer {
        int64_t outcome;
        char text[CMI_LOCAL_TEXT_MAX + 1]; /* for people; which limit, and why. Empty with 0 */
        uint64_t n_copies; /* with 0 of C S D P R: owners that have written it; at least 1 */
        /*
         * What is there now. Of C and S with 0 the blob is left out, since who asked has it; of T,
         * D, P, and wherever there is none, all of it is zero.
         */
        struct cmi_session_version version;
        struct cmi_session_holder holder;
        uint64_t created_ms;
        uint64_t max_end_ms;
        uint64_t idle_ttl_ms;
        uint64_t idle_ms;     /* since the last use, as far as it is known here */
        struct cmi_slice tag; /* borrowed */
        struct cmi_session_version sealed_base;
        struct cmi_id save_id;
        uint64_t flags;        /* CMI_SESSION_READ_ONLY */
        struct cmi_slice blob; /* borrowed */
        /*
         * apply_seq of the page of this connection, from before any change that the above does not
         * show: who keeps it may use it for as long as a token of this number is good for the
         * session's slot. 0: it must not be kept, since this node would not learn of a change.
         */
        uint64_t token;
};

/**
 * cmi_session_request_check() - is everything there that the verb needs?
 * @request: as decoded, or as it is to be written
 *
 * Return: 0, -EINVAL (a field is missing or senseless, an unknown verb, level or flag),
 *         CMI_E_TOO_BIG (blob_len).
 */
int cmi_session_request_check(const struct cmi_session_request *request);

/* Does the verb bring a blob? */
bool cmi_session_has_blob(uint64_t verb);

void cmi_session_request_write(
                struct cmi_writer *writer, const struct cmi_session_request *request);
int cmi_session_request_decode(struct cmi_slice fields, struct cmi_session_request *ret_request);
void cmi_session_part_write(struct cmi_writer *writer, const struct cmi_session_part *part);
int cmi_session_part_decode(struct cmi_slice fields, struct cmi_session_part *ret_part);
void cmi_session_answer_write(struct cmi_writer *writer, const struct cmi_session_answer *answer);
int cmi_session_answer_decode(struct cmi_slice fields, struct cmi_session_answer *ret_answer);
