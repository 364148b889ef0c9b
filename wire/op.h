/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Operations: what a node's stream consists of. An operation is encoded once, by the app's library,
 * and its bytes travel unchanged through meshd, its log, the mesh and the other nodes.
 *
 * Encoding: msgpack array [kind, ...]. INVALIDATE is [1, region, [key...], [tag...], whole]: region
 * a str, keys and tags bin and not empty, whole a bool (the region itself). It may name nothing.
 * One more element, hold: for so many milliseconds from its receipt nothing of what it names is
 * served or stored. INTENT_BEGIN and INTENT_END may have it, too: it is then for their end.
 * ALL is [2]. INTENT_BEGIN is [16, region, [key...], [tag...], deadline]: a write to what it names
 * has begun, and ends with the INTENT_END or after so many milliseconds. INTENT_END is [17, region,
 * [key...], [tag...], stream, number]: the place of its INTENT_BEGIN, and its targets again, since
 * it is an invalidation of them whatever became of the intent. SESSION is [32, [key...]]: copies of
 * these sessions that processes keep are dead, keys are bins of 16 bytes. SESSION_TAKEN is [33,
 * node id, incarnation]: copies of all sessions are dead, and that node, in that incarnation,
 * orders no changes of them any more. Kinds 18 to 31 are set aside for write intents, 34 to 63 for
 * sessions. More elements than known are skipped. A kind that this version does not know is valid
 * and is applied as "forget everything", since a newer version may mean something by it.
 */
#include "base/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

#define CMI_OP_SIZE_MAX 60000    /* bytes; one operation fits one frame */
#define CMI_OP_TARGETS_MAX 10000 /* keys and tags together */
#define CMI_REGION_NAME_MAX 64
#define CMI_KEY_MAX 1024
#define CMI_TAG_MAX 255
#define CMI_INTENT_SIZE_MAX 2048 /* bytes of an INTENT_BEGIN: each node keeps it while it is open */
#define CMI_INTENT_TARGETS_MAX 32 /* keys and tags together; at least 1 */
#define CMI_INTENT_MS_MAX 30000
#define CMI_INTENT_MS_DEFAULT 5000
#define CMI_HOLD_MS_MAX 60000
#define CMI_OP_SESSIONS_MAX 3000 /* keys of a SESSION; at least 1 */

enum cmi_op_kind {
        CMI_OP_INVALIDATE = 1,
        CMI_OP_ALL = 2,
        CMI_OP_INTENT_BEGIN = 16,
        CMI_OP_INTENT_END = 17,
        CMI_OP_SESSION = 32,
        CMI_OP_SESSION_TAKEN = 33,
};

struct cmi_op {
        uint64_t kind; /* enum cmi_op_kind, or one of a newer version */
        /* But of ALL and those of sessions: 1 to CMI_REGION_NAME_MAX clean bytes, borrowed. */
        struct cmi_slice region;
        uint32_t n_keys;
        uint32_t n_tags;
        bool is_whole_region;
        struct cmi_reader keys; /* positioned for cmi_op_next() */
        struct cmi_reader tags;
        uint64_t hold_ms;     /* if it has a region: 0 (not in it) to CMI_HOLD_MS_MAX */
        uint64_t deadline_ms; /* INTENT_BEGIN: 1 to CMI_INTENT_MS_MAX */
        uint64_t stream;      /* INTENT_END: which INTENT_BEGIN; not 0 */
        uint64_t number;
        struct cmi_id node;   /* SESSION_TAKEN: from whom; not zero */
        uint64_t incarnation; /* and in which of its lives; not 0 */
};

/* Is it about sessions? Then a node of an older version would forget everything at it. */
static inline bool cmi_op_is_of_sessions(const struct cmi_op *op)
{
        return op->kind == CMI_OP_SESSION || op->kind == CMI_OP_SESSION_TAKEN;
}

/**
 * cmi_op_decode() - check one operation completely, and open it for iteration
 * @bytes:  one operation and nothing after it; borrowed by @ret_op
 * @ret_op: then n_keys times cmi_op_next(&ret_op->keys), n_tags times cmi_op_next(&ret_op->tags),
 *             neither can fail
 *
 * Return: 0, -EBADMSG, -EMSGSIZE (a limit above).
 */
int cmi_op_decode(struct cmi_slice bytes, struct cmi_op *ret_op);

/* The next key or tag of an operation that cmi_op_decode() accepted. */
static inline struct cmi_slice cmi_op_next(struct cmi_reader *list)
{
        return cmi_read_bin(list, CMI_KEY_MAX);
}

/*
 * Open an INVALIDATE, or with _intent an INTENT_BEGIN or INTENT_END; exactly n_keys
 * cmi_write_bin(), then cmi_op_write_tags() and n_tags cmi_write_bin(), then _end, _deadline or
 * _place, as belongs to the kind.
 */
void cmi_op_write_begin(struct cmi_writer *writer, struct cmi_slice region, uint32_t n_keys);
void cmi_op_write_tags(struct cmi_writer *writer, uint32_t n_tags);
void cmi_op_write_end(struct cmi_writer *writer, bool is_whole_region);
void cmi_op_write_all(struct cmi_writer *writer);
void cmi_op_write_intent(struct cmi_writer *writer, enum cmi_op_kind kind, struct cmi_slice region,
                uint32_t n_keys);

/* SESSION: then n_keys times cmi_write_bin() of 16 bytes. */
void cmi_op_write_sessions(struct cmi_writer *writer, uint32_t n_keys);
void cmi_op_write_taken(struct cmi_writer *writer, const struct cmi_id *node, uint64_t incarnation);

/* The same for any kind that has a region; with @has_hold cmi_op_write_hold() comes last. */
void cmi_op_write_head(struct cmi_writer *writer, enum cmi_op_kind kind, struct cmi_slice region,
                uint32_t n_keys, bool has_hold);

/* Open an operation of @kind with the region, keys and tags of one that cmi_op_decode() accepted;
 * then _end, _deadline or _place, and if @op has one also _hold. */
void cmi_op_write_targets(
                struct cmi_writer *writer, enum cmi_op_kind kind, const struct cmi_op *op);
void cmi_op_write_deadline(struct cmi_writer *writer, uint64_t deadline_ms);
void cmi_op_write_place(struct cmi_writer *writer, uint64_t stream, uint64_t number);

/* Nothing for 0. */
void cmi_op_write_hold(struct cmi_writer *writer, uint64_t hold_ms);

/*
 * Runs of operations, in the log and in frames: each one preceded by its length, 32 bits little
 * endian.
 */
#define CMI_OP_PREFIX_SIZE 4

/**
 * cmi_op_run_next() - take one operation off a run
 * @run:       shortened by the operation; untouched on failure
 * @ret_bytes: borrowed from @run
 *
 * Return: 1 with an operation, 0 at the end, -EBADMSG for a length that the run cannot hold or that
 *         is 0 or over CMI_OP_SIZE_MAX.
 */
int cmi_op_run_next(struct cmi_slice *run, struct cmi_slice *ret_bytes);
