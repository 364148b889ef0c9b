/* SPDX-License-Identifier: MIT */
#include "meshd/core/log.h"

#include "meshd/core/mutant.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#define LOG_MAGIC UINT64_C(0x31676f6c206d63) /* "cm log1" */
#define LOG_VERSION 1
#define LOG_HEADER_SIZE 4096
#define PREFIX CMI_OP_PREFIX_SIZE
#define RECORD_SIZE_MIN (PREFIX + 1) /* of one byte; "all" has two */

struct log_head {
        uint64_t offset; /* of the oldest record */
        uint64_t number;
};

/*
 * The two words of a head change together: the unused one is written, then head_index turns to it.
 * The process can die between any two stores and leaves a header that is right, since a process's
 * stores to a mapped file outlive it in order.
 */
struct log_header {
        uint64_t magic;
        uint64_t version;
        struct cmi_id node_id;
        uint64_t ring_size;
        uint64_t stream;
        struct cmi_position previous;
        struct log_head heads[2];
        _Atomic uint64_t head_index;
        _Atomic uint64_t newest;
        _Atomic uint64_t closed;   /* 1: in order; 2 in files of before: not quite */
        _Atomic uint64_t lease_ns; /* 0: of a version that did not keep it */
        _Atomic uint64_t gone_ns;  /* likewise */
};

static struct log_head *head(const struct log *log)
{
        return &log->header->heads[atomic_load_explicit(
                                                   &log->header->head_index, memory_order_relaxed) &
                                   1];
}

static void set_head(struct log *log, struct log_head to)
{
        uint64_t other =
                        !(atomic_load_explicit(&log->header->head_index, memory_order_relaxed) & 1);

        log->header->heads[other] = to;
        atomic_store_explicit(&log->header->head_index, other, memory_order_release);
        /* The bytes of what was uncounted are overwritten only from here on. */
        atomic_signal_fence(memory_order_seq_cst);
}

static uint32_t record_size(const struct log *log, uint64_t place)
{
        const uint8_t *at = log->ring + place;

        return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
               (uint32_t)at[3] << 24;
}

static void set_record_size(struct log *log, uint64_t offset, uint64_t size)
{
        uint8_t *at = log->ring + offset % log->ring_size;

        for (int i = 0; i < PREFIX; i++) {
                at[i] = (uint8_t)(size >> 8 * i);
        }
}

/* A record never wraps: where the next one does not fit before the ring's end, a zero length (or
 * too few bytes) says so. */
static uint64_t skip_padding(const struct log *log, uint64_t offset)
{
        uint64_t place = offset % log->ring_size;
        uint64_t left = log->ring_size - place;

        return left < PREFIX || record_size(log, place) == 0 ? offset + left : offset;
}

static uint64_t after_record(const struct log *log, uint64_t offset)
{
        offset = skip_padding(log, offset);
        return offset + PREFIX + record_size(log, offset % log->ring_size);
}

static void index_record(struct log *log, uint64_t number, uint64_t offset)
{
        if (number % log->index_step == 0) {
                log->index[number / log->index_step % LOG_INDEX_SIZE] = offset;
        }
}

/* Walk all records as an outsider's bytes; true if they are what the header says. Fills tail and
 * index. */
static bool scan(struct log *log)
{
        struct log_head at = *head(log);
        uint64_t newest = atomic_load_explicit(&log->header->newest, memory_order_acquire);
        uint64_t limit;
        struct cmi_op op;

        if (at.number == 0 || at.offset > UINT64_MAX / 2 || newest > UINT64_MAX / 2 ||
                        at.number > newest + 1) {
                return false;
        }
        limit = at.offset + log->ring_size;
        for (; at.number <= newest; at.number++) {
                uint64_t place, len;

                at.offset = skip_padding(log, at.offset);
                place = at.offset % log->ring_size;
                if (log->ring_size - place < PREFIX) {
                        return false;
                }
                len = record_size(log, place);
                if (len == 0 || len > CMI_OP_SIZE_MAX || len > log->ring_size - place - PREFIX ||
                                at.offset + PREFIX + len > limit ||
                                cmi_op_decode(cmi_slice(log->ring + place + PREFIX, len), &op) <
                                                0) {
                        return false;
                }
                index_record(log, at.number, at.offset);
                at.offset += PREFIX + len;
        }
        log->tail = at.offset;
        return true;
}

static bool is_readable(const struct log *log)
{
        return log->header->magic == LOG_MAGIC && log->header->version == LOG_VERSION;
}

static bool is_ours(const struct log *log, const struct cmi_id *node_id)
{
        return is_readable(log) && cmi_id_equal(&log->header->node_id, node_id) &&
               log->header->stream != 0;
}

/*
 * In a new file all is zero. Of the ring only the begin is looked at, where the first operation
 * was: to read it all would take all of its memory at the start.
 */
static enum log_loss find_loss(const struct log *log, const struct cmi_id *node_id, bool is_whole)
{
        const uint8_t *bytes = (const uint8_t *)log->header;

        if (is_whole || (bytes[0] == 0 && memcmp(bytes, bytes + 1, LOG_HEADER_SIZE + 63) == 0)) {
                return LOG_LOST_NOTHING;
        }
        if (log->header->magic != LOG_MAGIC || log->header->stream == 0) {
                return LOG_LOST_DAMAGED;
        }
        if (log->header->version != LOG_VERSION) {
                return LOG_LOST_VERSION;
        }
        return cmi_id_equal(&log->header->node_id, node_id) ? LOG_LOST_DAMAGED : LOG_LOST_NODE;
}

static void begin_stream(struct log *log, const struct cmi_id *node_id, uint64_t stream,
                struct cmi_position previous)
{
        struct log_header *header = log->header;

        /* Another node's page is served to the same apps, and what it told holds for its end. */
        uint64_t lease_ns = is_readable(log) ? log_lease_ns(log) : 0;
        uint64_t gone_ns = is_readable(log) ? log_gone_ns(log) : 0;

        /* Without the magic word it is no log, should the process die in here. */
        header->magic = 0;
        atomic_signal_fence(memory_order_seq_cst);
        header->version = LOG_VERSION;
        header->node_id = *node_id;
        header->ring_size = log->ring_size;
        header->stream = stream;
        header->previous = previous;
        header->heads[0] = (struct log_head){0, 1};
        header->head_index = 0;
        header->newest = 0;
        header->closed = 0;
        header->lease_ns = lease_ns;
        header->gone_ns = gone_ns;
        atomic_signal_fence(memory_order_seq_cst);
        header->magic = LOG_MAGIC;
        log->tail = 0;
}

int log_open(struct log *log, void *memory, size_t size, const struct cmi_id *node_id,
                uint64_t stream)
{
        struct cmi_position previous = {0};
        bool is_intact;

        if (size < LOG_SIZE_MIN || size > LOG_SIZE_MAX || stream == 0) {
                return -EINVAL;
        }
        memset(log, 0, sizeof(*log));
        log->header = memory;
        log->ring = (uint8_t *)memory + LOG_HEADER_SIZE;
        log->ring_size = size - LOG_HEADER_SIZE;
        /* As many as make the index reach over a ring full of the smallest records: past that a
         * place in it would be that of a later operation. */
        log->index_step = log->ring_size / RECORD_SIZE_MIN / LOG_INDEX_SIZE + 1;
        is_intact = is_ours(log, node_id);
        log->was_closed = is_intact && log->header->closed == 1;
        if (MUTANT(STREAM_NOT_DURABLE)) {
                memcpy(&stream, node_id, sizeof(stream));
                is_intact = false;
        }
        if (MUTANT(TAIL_FORGOTTEN) && is_intact && log_newest(log) >= head(log)->number) {
                atomic_fetch_sub(&log->header->newest, 1);
        }
        is_intact = is_intact && log->header->ring_size == log->ring_size && scan(log);
        log->loss = (uint8_t)find_loss(log, node_id, is_intact);
        if (is_intact) {
                log->header->closed = 0;
                return LOG_CONTINUED;
        }
        if (log->was_closed) {
                previous = (struct cmi_position){log->header->stream, log->header->newest};
        }
        begin_stream(log, node_id, stream, previous);
        return LOG_CREATED;
}

uint64_t log_stream(const struct log *log)
{
        return log->header->stream;
}

uint64_t log_newest(const struct log *log)
{
        return atomic_load_explicit(&log->header->newest, memory_order_relaxed);
}

uint64_t log_oldest(const struct log *log)
{
        return head(log)->number;
}

struct cmi_position log_previous(const struct log *log)
{
        return log->header->previous;
}

uint64_t log_lease_ns(const struct log *log)
{
        return atomic_load_explicit(&log->header->lease_ns, memory_order_relaxed);
}

void log_keep_lease(struct log *log, uint64_t lease_ns)
{
        atomic_store_explicit(&log->header->lease_ns, lease_ns, memory_order_release);
}

uint64_t log_gone_ns(const struct log *log)
{
        return atomic_load_explicit(&log->header->gone_ns, memory_order_relaxed);
}

void log_keep_gone(struct log *log, uint64_t gone_ns)
{
        atomic_store_explicit(&log->header->gone_ns, gone_ns, memory_order_release);
}

bool log_was_closed(const struct log *log)
{
        return log->was_closed;
}

enum log_loss log_loss(const struct log *log)
{
        return (enum log_loss)log->loss;
}

/* Uncount the oldest records until @size bytes from the tail are free, and some more, so that this
 * is rarely called. */
static void make_room(struct log *log, uint64_t size)
{
        struct log_head at = *head(log);
        uint64_t newest = log_newest(log);
        uint64_t wanted = size + log->ring_size / 64;

        if (log->tail + size - at.offset <= log->ring_size) {
                return;
        }
        while (at.number <= newest && log->tail + wanted - at.offset > log->ring_size) {
                at.offset = after_record(log, at.offset);
                at.number++;
        }
        if (at.number > newest) {
                at.offset = log->tail;
        }
        set_head(log, at);
}

uint64_t log_append(struct log *log, struct cmi_slice op)
{
        uint64_t need = PREFIX + op.len;
        uint64_t left = log->ring_size - log->tail % log->ring_size;
        uint64_t padding = left < need ? left : 0;
        uint64_t number = log_newest(log) + 1;

        assert(op.len > 0 && op.len <= CMI_OP_SIZE_MAX);
        make_room(log, padding + need);
        if (padding >= PREFIX) {
                set_record_size(log, log->tail, 0);
        }
        log->tail += padding;
        if (head(log)->number == number) {
                set_head(log, (struct log_head){log->tail, number});
        }
        set_record_size(log, log->tail, op.len);
        memcpy(log->ring + log->tail % log->ring_size + PREFIX, op.data, op.len);
        index_record(log, number, log->tail);
        log->tail += need;
        atomic_store_explicit(&log->header->newest, number, memory_order_release);
        return number;
}

/* Offset of the nearest known record at or before @number, which the log holds. */
static struct log_head nearest(const struct log *log, uint64_t number)
{
        uint64_t indexed = number / log->index_step * log->index_step;

        if (indexed < head(log)->number) {
                return *head(log);
        }
        return (struct log_head){log->index[indexed / log->index_step % LOG_INDEX_SIZE], indexed};
}

static uint64_t find(const struct log *log, uint64_t number)
{
        struct log_head at = nearest(log, number);

        if (log->cursor_number > at.number && log->cursor_number <= number) {
                at = (struct log_head){log->cursor_offset, log->cursor_number};
        }
        for (; at.number < number; at.number++) {
                at.offset = after_record(log, at.offset);
        }
        return skip_padding(log, at.offset);
}

int64_t log_read(
                struct log *log, uint64_t first, void *buffer, size_t capacity, uint32_t *ret_count)
{
        uint64_t newest = log_newest(log);
        uint64_t begin, end, place;
        uint32_t count = 0;

        if (first > newest) {
                return 0;
        }
        if (first < log_oldest(log)) {
                return -ENOENT;
        }
        begin = end = find(log, first);
        place = begin % log->ring_size;
        while (first + count <= newest) {
                uint64_t next = end % log->ring_size;
                uint64_t size;

                /* The run is one copy, so it stops where the ring turns. */
                if (next < place || log->ring_size - next < PREFIX || record_size(log, next) == 0) {
                        break;
                }
                size = PREFIX + record_size(log, next);
                if (end - begin + size > capacity) {
                        break;
                }
                end += size;
                count++;
        }
        assert(count > 0);
        memcpy(buffer, log->ring + place, end - begin);
        log->cursor_number = first + count;
        log->cursor_offset = end;
        *ret_count = count;
        return (int64_t)(end - begin);
}

uint64_t log_backlog(const struct log *log, uint64_t after)
{
        uint64_t bytes, most;

        if (after >= log_newest(log)) {
                return 0;
        }
        if (after + 1 < log_oldest(log)) {
                return log->ring_size;
        }
        /* The nearest known record may be many before, which matters where they are large; so few
         * cannot be more. */
        bytes = log->tail - nearest(log, after + 1).offset;
        most = (log_newest(log) - after) * (PREFIX + CMI_OP_SIZE_MAX);
        return most < bytes ? most : bytes;
}

void log_close(struct log *log)
{
        atomic_store_explicit(&log->header->closed, 1, memory_order_release);
}
