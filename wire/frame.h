/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Frames between two meshd. A ZeroMQ message has two parts: a header for one receiver, and a body
 * that is encoded once and shared between all receivers.
 *
 * Header: msgpack array [magic, version, type, mesh, source id, source incarnation, destination
 * incarnation, link generation]; later versions may append elements. Body: msgpack map with small
 * integer keys; unknown keys are skipped. Frames of an unknown type are counted and ignored by the
 * receiver. Every decoder here is total: any bytes give either a value within the stated limits or
 * a negative errno.
 */
#include "base/endpoint.h"
#include "base/id.h"
#include "base/time.h"
#include "wire/op.h"

#define CMI_FRAME_MAGIC 0x434d /* "CM" */
#define CMI_FRAME_VERSION 1    /* of the header; the protocol version is agreed in HELLO */
#define CMI_FRAME_HEADER_MAX 96
#define CMI_FRAME_BODY_MAX 65000 /* with the header below ZMQ_MAXMSGSIZE (64 KiB) */
#define CMI_NAME_MAX 64          /* of a node, a mesh, an app */
#define CMI_ENDPOINTS_MAX 4
#define CMI_REASON_MAX 200 /* text of a refusal */
/* 2 has write intents; a node that does not know them would serve what they cover. 3 has operations
 * of sessions; one that does not know them forgets everything at each, so it is spared them. */
#define CMI_PROTOCOL_MIN 2
#define CMI_PROTOCOL_MAX 3
#define CMI_PROTOCOL_SESSIONS 3

enum cmi_frame_type {
        CMI_FRAME_HELLO = 1,
        CMI_FRAME_BEAT = 2,
        CMI_FRAME_OPS = 3,
        CMI_FRAME_NACK = 4,
        CMI_FRAME_RESET = 5,
        CMI_FRAME_GOODBYE = 6,
        CMI_FRAME_REFUSE = 7,
        CMI_FRAME_MEMBERS = 8, /* a page of the sender's member list, or a request for it */
        CMI_FRAME_QUERY = 9,
        CMI_FRAME_ANSWER = 10,
        CMI_FRAME_REGIONS = 11,
        CMI_FRAME_SESSION = 12, /* a message between the session planes of two nodes */
};

struct cmi_frame_header {
        uint64_t type; /* enum cmi_frame_type, or one of a newer version */
        uint64_t mesh; /* hash of the mesh's name */
        struct cmi_id source;
        uint64_t source_incarnation;
        uint64_t destination_incarnation; /* 0 in HELLO and REFUSE: not known yet, or any */
        uint64_t generation;              /* the sender's HELLO counter on this link */
};

void cmi_frame_header_write(struct cmi_writer *writer, const struct cmi_frame_header *header);

/*
 * Return: 0, -EBADMSG, -EPROTO (not a cachemesh frame, or a header version that this one cannot
 * read).
 */
int cmi_frame_header_decode(struct cmi_slice bytes, struct cmi_frame_header *ret_header);

/* A place in a stream: position 0 of stream 0 is "none". */
struct cmi_position {
        uint64_t stream; /* random id; 0: none */
        uint64_t number; /* of the newest operation covered; operations count from 1 */
};

struct cmi_hello {
        uint64_t protocol_min;
        uint64_t protocol_max;
        char name[CMI_NAME_MAX + 1];
        char software[33];
        uint64_t lease_ms; /* must be equal on all nodes */
        struct cmi_position newest;
        uint64_t oldest; /* first operation still in the log; newest.number + 1 if none */
        struct cmi_position previous; /* end of the stream before, if it said goodbye */
        struct cmi_position applied;  /* of the receiver's stream */
        struct cmi_endpoint endpoints[CMI_ENDPOINTS_MAX];
        uint32_t n_endpoints;
        uint64_t link_token; /* random, names the sender's outgoing link that carries this frame */
        uint64_t echo_token; /* link_token of the receiver's newest HELLO; 0: none heard */
        uint64_t members;    /* digest of the ids that the sender counts */
        bool wants_answer;   /* send your HELLO again */
        bool has_intents;    /* write intents are open here: who has to join ours needs a RESET */
        bool wants_reset;    /* to join yours */
        uint64_t gone_ms;    /* silence after which the sender drops a member; 0: not told */
        bool is_live;        /* apps may be served there, by this process or one of before */
        bool has_no_room;    /* nor would the sender find a place for the receiver */
        bool takes_messages; /* SESSION frames are understood and wanted there */
};

struct cmi_beat {
        struct cmi_time clock;       /* of the sender, from before sending */
        struct cmi_time echo;        /* clock of the receiver's newest beat; 0: none heard */
        uint64_t held_ns;            /* between the receipt of that beat and this one */
        struct cmi_position newest;  /* of the sender's stream */
        uint64_t sent;               /* operation of that stream that went out before this beat */
        struct cmi_position applied; /* of the receiver's stream */
        bool is_grant;               /* the receiver may serve on this beat */
        bool counts_you;             /* the sender serves only with the receiver's grant */
        bool wants_beat;             /* answer with a beat at once */
        bool is_live;                /* the sender's own state */
        uint64_t members;            /* digest, as in HELLO */
        uint64_t lag_ns;             /* longest turn of the sender's loop since its last beat */
        uint64_t regions; /* digest of the receiver's newest REGIONS; 1: none came, 0: not known */
};

#define CMI_OPS_WANT_ACK 1u /* somebody waits: answer with a beat once applied */

/* Header and run apart, since the run comes straight from the log. */
struct cmi_ops {
        uint64_t stream;
        uint64_t first;       /* number of the first operation */
        uint32_t count;       /* at least 1 */
        uint32_t flags;       /* CMI_OPS_* */
        struct cmi_slice run; /* count operations, see cmi_op_run_next(); borrowed */
};

struct cmi_nack {
        uint64_t stream;  /* of the receiver */
        uint64_t after;   /* send everything after this one */
        bool wants_reset; /* a RESET, rather */
};

/* An open write intent, as one node tells it to another. */
struct cmi_intent {
        struct cmi_id origin;
        uint64_t stream; /* and number: the place of its INTENT_BEGIN */
        uint64_t number;
        uint64_t left_ns;    /* until its deadline, on the clock of who tells it */
        struct cmi_slice op; /* that INTENT_BEGIN, borrowed */
};

/* Of a region the latest hold that the sender knows. */
struct cmi_hold {
        uint64_t region; /* hash of its name; 0: of all regions */
        uint64_t left_ms;
};

#define CMI_RESET_HOLDS_MAX 65 /* 64 regions, and all */

/*
 * Forget everything, and go on after @at. It carries all open intents that the sender knows, of
 * every origin, as of @at; if they need several frames, only the last one takes effect on the
 * stream, and only if all of them came.
 */
struct cmi_reset {
        struct cmi_position at;
        uint32_t part;    /* 0, 1, 2 ... */
        bool has_more;    /* not the last part */
        uint64_t hold_ms; /* how long the latest of all holds lasts; 0: there is none */
        uint32_t n_holds; /* 0 though there is a hold: of all regions, for hold_ms */
        struct cmi_hold holds[CMI_RESET_HOLDS_MAX];
        uint32_t n_intents;
        struct cmi_reader intents; /* n_intents times cmi_reset_next(), which cannot fail */
};

#define CMI_RESET_HEAD_SIZE (64 + CMI_RESET_HOLDS_MAX * 20) /* all but intents, at most */
#define CMI_RESET_INTENT_SIZE (CMI_INTENT_SIZE_MAX + 64)    /* bytes that one takes at most */

struct cmi_goodbye {
        struct cmi_position final;
};

enum cmi_refusal {
        CMI_REFUSED_NAME = 1,        /* a live node of this name exists */
        CMI_REFUSED_LEASE = 2,       /* another lease length */
        CMI_REFUSED_PROTOCOL = 3,    /* no common protocol version */
        CMI_REFUSED_INCARNATION = 4, /* older than one known; take incarnation + 1 */
        CMI_REFUSED_IDENTITY = 5,    /* a live node has this id: a cloned image */
        CMI_REFUSED_FULL = 6,        /* max_peers reached */
};

struct cmi_refuse {
        uint64_t code;        /* enum cmi_refusal, or a newer one */
        uint64_t incarnation; /* highest one known of the refused id */
        char reason[CMI_REASON_MAX + 1];
};

#define CMI_REGIONS_MAX 1024 /* CMI_PAGE_REGIONS */
#define CMI_HOLD_UNTOLD UINT64_MAX

struct cmi_region {
        uint64_t name;  /* hash of it: XXH3, 64 bits */
        uint64_t fresh; /* enum cmi_fresh */
        uint64_t ttl_ms;
        uint64_t hold_ms; /* CMI_HOLD_UNTOLD: the sender is older than this element */
};

/* Options of the regions that apps of the sender have open. */
struct cmi_regions {
        uint64_t digest; /* of the list, made by the sender: to be said in beats; above 0 */
        uint32_t n_regions;
        struct cmi_region regions[CMI_REGIONS_MAX];
};

#define CMI_POST_MAX (CMI_FRAME_BODY_MAX - 32) /* bytes of a message */

/* SESSION: a message, of which the core knows nothing. */
struct cmi_post {
        uint64_t number;          /* grows with each that the sending process posts; not 0 */
        struct cmi_slice message; /* 1 to CMI_POST_MAX bytes, borrowed */
};

#define CMI_MEMBERS_PAGE 64 /* entries of one frame */

struct cmi_member {
        struct cmi_id id;
        uint64_t incarnation;
        uint64_t state; /* enum member_state of meshd/core/core.h */
        char name[CMI_NAME_MAX + 1];
        struct cmi_endpoint endpoints[CMI_ENDPOINTS_MAX];
        uint32_t n_endpoints;
};

struct cmi_members {
        bool is_request; /* no entries: send me yours */
        uint32_t n_members;
        struct cmi_member members[CMI_MEMBERS_PAGE];
};

enum cmi_query_kind {
        CMI_QUERY_PING = 1,
        CMI_QUERY_LINKS = 2, /* whom do you hear, and who hears you */
        CMI_QUERY_TRACE = 3, /* how long ago did you apply this operation of mine */
        CMI_QUERY_KEYS = 4,  /* which mesh keys do you hold */
};

struct cmi_query {
        uint64_t id;
        uint64_t kind;
        struct cmi_position at; /* TRACE: in the asking node's stream; sent with that kind only */
};

#define CMI_ANSWER_LINKS_MAX 512
#define CMI_ANSWER_KEYS_MAX 8 /* more than a node holds */

struct cmi_link {
        struct cmi_id id;
        bool is_heard; /* the answering node hears this one */
        bool hears_me; /* and was told that this one hears it */
};

struct cmi_answer {
        uint64_t id;
        uint64_t kind;
        uint32_t n_links;        /* LINKS */
        bool is_applied;         /* TRACE; sent with that kind only */
        uint64_t applied_ago_ns; /* TRACE; on the answering node's clock; 0: not known */
        bool has_keys;           /* KEYS; sent with that kind only; false: it cannot tell */
        uint32_t n_keys;
        uint64_t keys[CMI_ANSWER_KEYS_MAX]; /* fingerprints, as numbers */
        struct cmi_link links[CMI_ANSWER_LINKS_MAX];
};

/*
 * Body codecs. write: a sticky error in the writer. decode: the number of unknown
 * fields that were skipped, -EBADMSG or -EMSGSIZE, and nothing
 * is promised of ret_ after a failure. Strings are NUL-terminated by the decoder; a NUL or control
 * character inside one is -EBADMSG. A body without a field leaves it zero.
 */
void cmi_hello_write(struct cmi_writer *writer, const struct cmi_hello *hello);
int cmi_hello_decode(struct cmi_slice body, struct cmi_hello *ret_hello);
void cmi_beat_write(struct cmi_writer *writer, const struct cmi_beat *beat);
int cmi_beat_decode(struct cmi_slice body, struct cmi_beat *ret_beat);
void cmi_ops_write_head(
                struct cmi_writer *writer, const struct cmi_ops *ops); /* then append ops->run */
int cmi_ops_decode(struct cmi_slice body, struct cmi_ops *ret_ops);
void cmi_nack_write(struct cmi_writer *writer, const struct cmi_nack *nack);
int cmi_nack_decode(struct cmi_slice body, struct cmi_nack *ret_nack);
/* Then n_intents times cmi_reset_write_intent(). */
void cmi_reset_write(struct cmi_writer *writer, const struct cmi_reset *reset);
void cmi_reset_write_intent(struct cmi_writer *writer, const struct cmi_intent *intent);
struct cmi_intent cmi_reset_next(struct cmi_reset *reset);
int cmi_reset_decode(struct cmi_slice body, struct cmi_reset *ret_reset);
void cmi_goodbye_write(struct cmi_writer *writer, const struct cmi_goodbye *goodbye);
int cmi_goodbye_decode(struct cmi_slice body, struct cmi_goodbye *ret_goodbye);
void cmi_refuse_write(struct cmi_writer *writer, const struct cmi_refuse *refuse);
int cmi_refuse_decode(struct cmi_slice body, struct cmi_refuse *ret_refuse);
void cmi_members_write(struct cmi_writer *writer, const struct cmi_members *members);
int cmi_members_decode(struct cmi_slice body, struct cmi_members *ret_members);
void cmi_query_write(struct cmi_writer *writer, const struct cmi_query *query);
int cmi_query_decode(struct cmi_slice body, struct cmi_query *ret_query);
void cmi_answer_write(struct cmi_writer *writer, const struct cmi_answer *answer);
int cmi_answer_decode(struct cmi_slice body, struct cmi_answer *ret_answer);
void cmi_regions_write(struct cmi_writer *writer, const struct cmi_regions *regions);
int cmi_regions_decode(struct cmi_slice body, struct cmi_regions *ret_regions);
void cmi_post_write(struct cmi_writer *writer, const struct cmi_post *post);
int cmi_post_decode(struct cmi_slice body, struct cmi_post *ret_post);
