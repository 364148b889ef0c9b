/* SPDX-License-Identifier: MIT */
/*
 * Operations: what a valid one is. What applying it means belongs to meshd/core and to
 * libcachemesh.
 */
#include "wire/op.h"
#include "wire/fields.h"
#include "wire/text.h"

#include <errno.h>

enum {
        INVALIDATE_ELEMENTS = 5,
        INTENT_BEGIN_ELEMENTS = 5,
        INTENT_END_ELEMENTS = 6,
        SESSION_ELEMENTS = 2,
        SESSION_TAKEN_ELEMENTS = 3,
};

/* Checks a list of bins of @item_min to @item_max bytes, and leaves @ret_items open on it. */
static uint32_t read_list(struct cmi_reader *reader, uint32_t max, size_t item_min, size_t item_max,
                struct cmi_reader *ret_items)
{
        uint32_t n = cmi_read_array(reader, max);
        const uint8_t *begin = reader->at;

        for (uint32_t i = 0; i < n; i++) {
                if (cmi_read_bin(reader, item_max).len < item_min) {
                        cmi_read_fail(reader, -EBADMSG);
                        break;
                }
        }
        *ret_items = (struct cmi_reader){begin, reader->at, 0};
        return n;
}

static void read_targets(struct cmi_reader *reader, struct cmi_op *op, uint32_t max)
{
        op->region = cmi_read_str(reader, CMI_REGION_NAME_MAX);
        if (op->region.len == 0 || !cmi_text_is_clean(op->region)) {
                cmi_read_fail(reader, -EBADMSG);
        }
        op->n_keys = read_list(reader, max, 1, CMI_KEY_MAX, &op->keys);
        op->n_tags = read_list(reader, max - op->n_keys, 1, CMI_TAG_MAX, &op->tags);
}

static void read_intent(struct cmi_reader *reader, struct cmi_op *op)
{
        read_targets(reader, op, CMI_INTENT_TARGETS_MAX);
        if (op->kind == CMI_OP_INTENT_BEGIN) {
                op->deadline_ms = cmi_read_uint(reader, CMI_INTENT_MS_MAX);
        } else {
                op->stream = cmi_read_uint(reader, UINT64_MAX);
                op->number = cmi_read_uint(reader, UINT64_MAX);
        }
        if (op->n_keys + op->n_tags == 0 || (op->kind == CMI_OP_INTENT_BEGIN ? op->deadline_ms == 0
                                                                             : op->stream == 0)) {
                cmi_read_fail(reader, -EBADMSG);
        }
}

static void read_sessions(struct cmi_reader *reader, struct cmi_op *op)
{
        op->n_keys = read_list(reader, CMI_OP_SESSIONS_MAX, CMI_ID_SIZE, CMI_ID_SIZE, &op->keys);
        if (op->n_keys == 0) {
                cmi_read_fail(reader, -EBADMSG);
        }
}

static void read_taken(struct cmi_reader *reader, struct cmi_op *op)
{
        cmi_read_id(reader, &op->node);
        op->incarnation = cmi_read_uint(reader, UINT64_MAX);
        if (cmi_id_is_zero(&op->node) || op->incarnation == 0) {
                cmi_read_fail(reader, -EBADMSG);
        }
}

/* How many elements it has at least; reads those after the kind. */
static uint32_t read_known(struct cmi_reader *reader, struct cmi_op *op)
{
        switch (op->kind) {
        case CMI_OP_INVALIDATE:
                read_targets(reader, op, CMI_OP_TARGETS_MAX);
                op->is_whole_region = cmi_read_bool(reader);
                return INVALIDATE_ELEMENTS;
        case CMI_OP_INTENT_BEGIN:
                read_intent(reader, op);
                return INTENT_BEGIN_ELEMENTS;
        case CMI_OP_INTENT_END:
                read_intent(reader, op);
                return INTENT_END_ELEMENTS;
        case CMI_OP_SESSION:
                read_sessions(reader, op);
                return SESSION_ELEMENTS;
        case CMI_OP_SESSION_TAKEN:
                read_taken(reader, op);
                return SESSION_TAKEN_ELEMENTS;
        default:
                return 1;
        }
}

int cmi_op_decode(struct cmi_slice bytes, struct cmi_op *ret_op)
{
        struct cmi_reader reader = cmi_reader(bytes);
        struct cmi_op op = {0};
        uint32_t n = cmi_read_array(&reader, UINT32_MAX);
        uint32_t n_known;
        int r;

        if (bytes.len > CMI_OP_SIZE_MAX) {
                return -EMSGSIZE;
        }
        op.kind = cmi_read_uint(&reader, UINT64_MAX);
        n_known = read_known(&reader, &op);
        if (n < n_known) {
                return -EBADMSG;
        }
        if (op.kind == CMI_OP_INTENT_BEGIN && bytes.len > CMI_INTENT_SIZE_MAX) {
                return -EMSGSIZE;
        }
        if (op.region.len > 0 && n > n_known) {
                op.hold_ms = cmi_read_uint(&reader, CMI_HOLD_MS_MAX);
                n_known++;
        }
        for (uint32_t i = n_known; i < n && reader.error == 0; i++) {
                cmi_read_skip(&reader);
        }
        r = cmi_read_done(&reader);
        if (r == 0) {
                *ret_op = op;
        }
        return r;
}

static uint32_t n_elements(enum cmi_op_kind kind)
{
        return kind == CMI_OP_INVALIDATE     ? INVALIDATE_ELEMENTS
               : kind == CMI_OP_INTENT_BEGIN ? INTENT_BEGIN_ELEMENTS
                                             : INTENT_END_ELEMENTS;
}

void cmi_op_write_head(struct cmi_writer *writer, enum cmi_op_kind kind, struct cmi_slice region,
                uint32_t n_keys, bool has_hold)
{
        cmi_write_array(writer, n_elements(kind) + has_hold);
        cmi_write_uint(writer, kind);
        cmi_write_str(writer, region);
        cmi_write_array(writer, n_keys);
}

void cmi_op_write_begin(struct cmi_writer *writer, struct cmi_slice region, uint32_t n_keys)
{
        cmi_op_write_head(writer, CMI_OP_INVALIDATE, region, n_keys, false);
}

void cmi_op_write_tags(struct cmi_writer *writer, uint32_t n_tags)
{
        cmi_write_array(writer, n_tags);
}

void cmi_op_write_end(struct cmi_writer *writer, bool is_whole_region)
{
        cmi_write_bool(writer, is_whole_region);
}

void cmi_op_write_all(struct cmi_writer *writer)
{
        cmi_write_array(writer, 1);
        cmi_write_uint(writer, CMI_OP_ALL);
}

void cmi_op_write_intent(struct cmi_writer *writer, enum cmi_op_kind kind, struct cmi_slice region,
                uint32_t n_keys)
{
        cmi_op_write_head(writer, kind, region, n_keys, false);
}

void cmi_op_write_sessions(struct cmi_writer *writer, uint32_t n_keys)
{
        cmi_write_array(writer, SESSION_ELEMENTS);
        cmi_write_uint(writer, CMI_OP_SESSION);
        cmi_write_array(writer, n_keys);
}

void cmi_op_write_taken(struct cmi_writer *writer, const struct cmi_id *node, uint64_t incarnation)
{
        cmi_write_array(writer, SESSION_TAKEN_ELEMENTS);
        cmi_write_uint(writer, CMI_OP_SESSION_TAKEN);
        cmi_write_id(writer, node);
        cmi_write_uint(writer, incarnation);
}

static void write_list(struct cmi_writer *writer, struct cmi_reader list, uint32_t n)
{
        for (uint32_t i = 0; i < n; i++) {
                cmi_write_bin(writer, cmi_op_next(&list));
        }
}

void cmi_op_write_targets(struct cmi_writer *writer, enum cmi_op_kind kind, const struct cmi_op *op)
{
        cmi_op_write_head(writer, kind, op->region, op->n_keys, op->hold_ms > 0);
        write_list(writer, op->keys, op->n_keys);
        cmi_op_write_tags(writer, op->n_tags);
        write_list(writer, op->tags, op->n_tags);
}

void cmi_op_write_deadline(struct cmi_writer *writer, uint64_t deadline_ms)
{
        cmi_write_uint(writer, deadline_ms);
}

void cmi_op_write_place(struct cmi_writer *writer, uint64_t stream, uint64_t number)
{
        cmi_write_uint(writer, stream);
        cmi_write_uint(writer, number);
}

void cmi_op_write_hold(struct cmi_writer *writer, uint64_t hold_ms)
{
        if (hold_ms > 0) {
                cmi_write_uint(writer, hold_ms);
        }
}

int cmi_op_run_next(struct cmi_slice *run, struct cmi_slice *ret_bytes)
{
        const uint8_t *at = run->data;
        uint32_t len;

        if (run->len == 0) {
                return 0;
        }
        if (run->len < CMI_OP_PREFIX_SIZE) {
                return -EBADMSG;
        }
        len = (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
              (uint32_t)at[3] << 24;
        if (len == 0 || len > CMI_OP_SIZE_MAX || len > run->len - CMI_OP_PREFIX_SIZE) {
                return -EBADMSG;
        }
        *ret_bytes = cmi_slice(at + CMI_OP_PREFIX_SIZE, len);
        *run = cmi_slice(at + CMI_OP_PREFIX_SIZE + len, run->len - CMI_OP_PREFIX_SIZE - len);
        return 1;
}
