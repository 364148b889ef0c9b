/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The log of this node's stream: the newest operations, in memory that outlives the process (a
 * mapped file in the runtime directory). An operation is in the log before anybody learns of it, so
 * a meshd that finds an intact log continues the stream of its predecessor.
 *
 * Format: a header and a ring of records (32-bit length, bytes). A record is complete before the
 * header counts it, and the oldest ones are uncounted before their bytes are overwritten, so the
 * log is intact whenever the process dies. It does not survive the host: the runtime directory is a
 * tmpfs.
 */
#include "base/bytes.h"
#include "base/id.h"
#include "wire/frame.h"

#include <stdbool.h>

#define LOG_SIZE_MIN (256u << 10) /* a few operations of the largest size */
#define LOG_SIZE_MAX (1u << 30)
#define LOG_INDEX_SIZE 4096

struct log_header;

struct log {
        struct log_header *header;
        uint8_t *ring;
        uint64_t ring_size;
        uint64_t tail; /* offsets grow for ever; the place in the ring is offset % ring_size */
        uint64_t cursor_number; /* where the last log_read() ended, since the next one mostly begins
                                   there */
        uint64_t cursor_offset;
        uint64_t index_step; /* the index holds the offset of each index_step-th operation */
        uint64_t index[LOG_INDEX_SIZE];
        bool was_closed;
        uint8_t loss; /* enum log_loss */
};

enum log_open_outcome {
        LOG_CONTINUED = 0,
        LOG_CREATED = 1, /* the memory held no intact log of this node: a new stream began */
};

/* Why what the memory held is not continued. */
enum log_loss {
        LOG_LOST_NOTHING = 0, /* it is continued, or nothing was ever written to the memory */
        LOG_LOST_DAMAGED = 1,
        LOG_LOST_VERSION = 2, /* another version of the format */
        LOG_LOST_NODE = 3,    /* another node's */
};

/**
 * log_open() - continue or begin a stream
 * @log:     to be filled; borrows @memory
 * @memory:  the mapped file
 * @size:    its length, LOG_SIZE_MIN to LOG_SIZE_MAX
 * @node_id: a log of another node is not continued
 * @stream:  random id for a new stream, not 0
 *
 * The memory is not trusted: every record is checked once.
 *
 * Return: an enum log_open_outcome, -EINVAL for a size out of range.
 */
int log_open(struct log *log, void *memory, size_t size, const struct cmi_id *node_id,
                uint64_t stream);

uint64_t log_stream(const struct log *log);
uint64_t log_newest(const struct log *log); /* number of the newest operation; 0: none yet */
uint64_t log_oldest(const struct log *log); /* newest + 1 if it is empty */

/* The stream before this one: its final position if it ended with a goodbye, stream 0 if there was
 * none. */
struct cmi_position log_previous(const struct log *log);

/* Did the last user close it in order (log_close())? Asked between log_open() and the first append.
 */
bool log_was_closed(const struct log *log);

/*
 * The longest lease that a page of an earlier process of this host may still hold, nanoseconds; 0:
 * the memory does not tell. Kept also for another node and another stream: apps look at pages.
 */
uint64_t log_lease_ns(const struct log *log);

/* From now on pages hold at most this. */
void log_keep_lease(struct log *log, uint64_t lease_ns);

/*
 * The longest silence after which a process of this host has told others that it gives them up,
 * nanoseconds, as long as they may rely on it; 0: the memory does not tell. Kept like the lease.
 */
uint64_t log_gone_ns(const struct log *log);

/* From now on they rely on at most this. */
void log_keep_gone(struct log *log, uint64_t gone_ns);

/* What LOG_CREATED has cost. */
enum log_loss log_loss(const struct log *log);

/**
 * log_append() - number and keep one operation; the oldest ones go when there is no room
 * @op: 1 to CMI_OP_SIZE_MAX bytes
 *
 * Return: its number.
 */
uint64_t log_append(struct log *log, struct cmi_slice op);

/**
 * log_read() - copy a run of consecutive operations, each with its length, see cmi_op_run_next()
 * @first:     number of the first one
 * @buffer:    at least CMI_OP_SIZE_MAX + CMI_OP_PREFIX_SIZE bytes
 * @capacity:  its size
 * @ret_count: how many
 *
 * Return: bytes copied, 0 if @first is beyond the newest, -ENOENT if it is older than the oldest.
 */
int64_t log_read(struct log *log, uint64_t first, void *buffer, size_t capacity,
                uint32_t *ret_count);

/* Bytes of ring from operation @after (exclusive) to the newest. All if it is older than the
 * oldest. */
uint64_t log_backlog(const struct log *log, uint64_t after);

/* Mark the log as closed in order; the next log_open() tells. */
void log_close(struct log *log);
