/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The local protocol: what apps and meshctl say to meshd through its Unix stream socket, and what
 * comes back. It is a public interface for clients in other languages;
 * docs/reference/local-protocol.md describes it byte by byte.
 *
 * A message is its payload's length (32 bits little endian) and the payload: msgpack array [type,
 * id, fields], fields a map with small integer keys, unknown ones skipped. The client chooses ids,
 * not 0, growing. Each request is answered by one message with its id: the matching answer, or
 * ERROR; requests of one connection take effect in order, answers may overtake each other. The
 * exception: PUBLISH with CMI_WAIT_NONE is answered cumulatively, one RESULT confirms all
 * CMI_WAIT_NONE publications up to its id. LOADED has no answer, LOAD several (wire/load.h). EVENT
 * messages carry the id of their SUBSCRIBE. The first request is ATTACH; an ERROR before ATTACHED,
 * whatever its id, means that the connection was refused.
 *
 * Maps hold each key at most once. Decoders: the number of unknown fields that were
 * skipped, -EBADMSG or -EMSGSIZE, and nothing is promised of
 * ret_ after a failure. Names and texts are clean (wire/text.h) and NUL-terminated. A missing field
 * is zero.
 */
#include "base/id.h"
#include "base/time.h"
#include "wire/op.h"

#define CMI_LOCAL_VERSION_MIN 1
#define CMI_LOCAL_VERSION_MAX 1
#define CMI_LOCAL_PREFIX_SIZE 4
#define CMI_LOCAL_REQUEST_MAX                                                                      \
        65536 /* payload bytes that meshd accepts; more closes the connection */
#define CMI_LOCAL_ANSWER_MAX (1 << 20) /* payload bytes that a client must accept */
#define CMI_LOCAL_NAME_MAX 64
#define CMI_LOCAL_TEXT_MAX 256
#define CMI_LOCAL_MEMBERS_MAX 512

enum cmi_local_type {
        CMI_LOCAL_ATTACH = 1,
        CMI_LOCAL_REGION = 2,
        CMI_LOCAL_PUBLISH = 3,
        CMI_LOCAL_QUERY = 4,
        CMI_LOCAL_SUBSCRIBE = 5,
        CMI_LOCAL_LOAD = 6,         /* wire/load.h, as LOADED and LOAD_STATE */
        CMI_LOCAL_LOADED = 7,       /* has no answer */
        CMI_LOCAL_SESSION = 8,      /* wire/session_local.h, as the next and SESSION_ANSWER */
        CMI_LOCAL_SESSION_PART = 9, /* has no answer */

        CMI_LOCAL_ATTACHED = 129,
        CMI_LOCAL_REGION_OPENED = 130,
        CMI_LOCAL_RESULT = 131,
        CMI_LOCAL_ANSWER = 132,
        CMI_LOCAL_LOAD_STATE = 133, /* of one LOAD several, until one that is not WAIT */
        CMI_LOCAL_SESSION_ANSWER = 134,
        CMI_LOCAL_EVENT = 192,
        CMI_LOCAL_NOTICE = 193, /* fields of ERROR, about what a request opened, any time later */
        CMI_LOCAL_ERROR = 255,
};

/* What ERROR and RESULT say beside the errno's: as CM_PENDING and so on of cachemesh.h. */
enum cmi_code {
        CMI_PENDING = 3,
        CMI_PARTIAL = 4,
        CMI_CONFLICT = 8,
        CMI_GONE = 9,
        CMI_E_CONFIG = -1001,
        CMI_E_FULL = -1002,
        CMI_E_TIMEOUT = -1004,
        CMI_E_BUSY = -1007,
        CMI_E_EXPIRED = -1008,
        CMI_E_STALE = -1009,
        CMI_E_TOO_BIG = -1010,
        CMI_E_READ_ONLY = -1011,
        CMI_E_UNCONFIRMED = -1012,
};

/*
 * The payload's frame; fields then holds the map and nothing else, nested at most CMI_DEPTH_MAX
 * deep.
 */
struct cmi_local_head {
        uint64_t type; /* enum cmi_local_type, or one of a newer version */
        uint64_t id;
        struct cmi_slice fields; /* encoded map, borrowed */
};

int cmi_local_decode(struct cmi_slice payload, struct cmi_local_head *ret_head);

/*
 * Writing: begin reserves the length prefix and writes [type, id; then one map (the codecs below);
 * end fills the length in. Several messages may follow each other in one writer. begin's return is
 * what end needs.
 */
size_t cmi_local_begin(struct cmi_writer *writer, enum cmi_local_type type, uint64_t id);
void cmi_local_end(struct cmi_writer *writer, size_t begin);

/**
 * cmi_local_split() - find the first whole message in a receive buffer
 * @buffer:      bytes as they came
 * @max:         longest payload accepted
 * @ret_payload: borrowed from @buffer
 *
 * Return: the bytes that the message takes in the buffer (prefix and payload), 0 if it is not
 *         complete yet, -EMSGSIZE if its announced length is 0 or over @max.
 */
int64_t cmi_local_split(struct cmi_slice buffer, size_t max, struct cmi_slice *ret_payload);

struct cmi_attach {
        uint64_t version_min;
        uint64_t version_max;
        char name[CMI_LOCAL_NAME_MAX + 1];
        bool wants_page;       /* send the page's descriptor with the answer */
        struct cmi_time clock; /* precise, read just before sending */
};

struct cmi_attached {
        uint64_t version;
        char software[33];
        char node[CMI_LOCAL_NAME_MAX + 1];
        struct cmi_id node_id;
        uint64_t incarnation;
        uint64_t epoch;
        uint64_t page_size;    /* 0: no descriptor comes with this message */
        uint64_t stream;       /* of this meshd, as long as it runs: an INTENT_END names it */
        struct cmi_time clock; /* precise, of meshd, read while answering */
};

/* As enum cm_fresh of cachemesh.h. */
enum cmi_fresh {
        CMI_FRESH_BOUNDED = 0,
        CMI_FRESH_TTL = 1,
};

/* "bounded" or "ttl", for people. */
const char *cmi_fresh_text(uint64_t fresh);

struct cmi_region_request {
        char name[CMI_REGION_NAME_MAX + 1];
        uint64_t fresh; /* enum cmi_fresh */
        uint64_t ttl_ms;
        uint64_t version;      /* of the values' format */
        uint64_t budget_bytes; /* for display */
        uint64_t hold_ms;      /* of what is invalidated in it */
};

struct cmi_region_opened {
        uint64_t index;
        uint64_t owner; /* see cmi_page_owner() */
};

enum cmi_wait {
        CMI_WAIT_NONE = 0,
        CMI_WAIT_NODE = 1,
        CMI_WAIT_MESH = 2,
};

struct cmi_publish {
        struct cmi_slice op; /* encoded operation, borrowed */
        uint64_t wait;       /* enum cmi_wait */
        uint64_t timeout_ms; /* CMI_WAIT_MESH; 0: until the wait's own bound */
};

enum cmi_member_outcome {
        CMI_MEMBER_APPLIED = 0,
        CMI_MEMBER_LAPSED = 1,
        CMI_MEMBER_UNCONFIRMED = 2,
};

struct cmi_result_member {
        struct cmi_id id;
        struct cmi_slice name; /* borrowed */
        uint64_t state;        /* enum cmi_member_outcome */
};

struct cmi_result {
        int64_t outcome; /* 0 or an enum cmi_code */
        uint64_t position;
        uint32_t n_applied;
        uint32_t n_lapsed;
        uint32_t n_unconfirmed;
        uint32_t n_members;        /* in the list: those that did not simply apply it */
        struct cmi_reader members; /* n_members times cmi_result_next_member() */
};

struct cmi_error {
        int64_t code; /* negative errno or enum cmi_code */
        char text[CMI_LOCAL_TEXT_MAX + 1];
};

/*
 * QUERY and SUBSCRIBE: {1: verb (str), 2: arguments (map of str to value)}. ANSWER and EVENT: {1:
 * document}, a msgpack value with str keys, nested at most CMI_DEPTH_MAX - 1 deep, that meshctl
 * shows as a table or as JSON. Verbs are listed in docs/reference/local-verbs.md.
 */
struct cmi_local_query {
        struct cmi_slice verb;
        struct cmi_slice arguments; /* encoded map, borrowed; empty if none */
};

void cmi_attach_write(struct cmi_writer *writer, const struct cmi_attach *attach);
int cmi_attach_decode(struct cmi_slice fields, struct cmi_attach *ret_attach);
void cmi_attached_write(struct cmi_writer *writer, const struct cmi_attached *attached);
int cmi_attached_decode(struct cmi_slice fields, struct cmi_attached *ret_attached);
void cmi_region_request_write(struct cmi_writer *writer, const struct cmi_region_request *request);
int cmi_region_request_decode(struct cmi_slice fields, struct cmi_region_request *ret_request);
void cmi_region_opened_write(struct cmi_writer *writer, const struct cmi_region_opened *opened);
int cmi_region_opened_decode(struct cmi_slice fields, struct cmi_region_opened *ret_opened);
void cmi_publish_write(struct cmi_writer *writer, const struct cmi_publish *publish);
int cmi_publish_decode(struct cmi_slice fields, struct cmi_publish *ret_publish);
/* The list: cmi_result_write() with result->n_members, then that many cmi_result_write_member(). */
void cmi_result_write(struct cmi_writer *writer, const struct cmi_result *result);
void cmi_result_write_member(struct cmi_writer *writer, const struct cmi_result_member *member);
int cmi_result_decode(struct cmi_slice fields, struct cmi_result *ret_result);
struct cmi_result_member cmi_result_next_member(struct cmi_reader *members);
void cmi_error_write(struct cmi_writer *writer, const struct cmi_error *error);
int cmi_error_decode(struct cmi_slice fields, struct cmi_error *ret_error);
void cmi_local_query_write(
                struct cmi_writer *writer, struct cmi_slice verb, struct cmi_slice arguments);
int cmi_local_query_decode(struct cmi_slice fields, struct cmi_local_query *ret_query);
/* {1: document}: write the head, then exactly one value. */
void cmi_document_write_head(struct cmi_writer *writer);
int cmi_document_decode(struct cmi_slice fields, struct cmi_slice *ret_document);
