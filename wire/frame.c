/* SPDX-License-Identifier: MIT */
/*
 * The header of each frame, and the bodies that keep streams in order: OPS, NACK, RESET, GOODBYE.
 * The bodies by which nodes get to know each other are in wire/hello.c, those that people ask for
 * in wire/query.c.
 */
#include "wire/frame.h"
#include "wire/frame_fields.h"

#include <errno.h>

enum {
        HEADER_ELEMENTS = 8,
};

enum {
        OPS_STREAM = 1,
        OPS_FIRST = 2,
        OPS_COUNT = 3,
        OPS_FLAGS = 4,
        OPS_RUN = 5,
};

enum {
        NACK_STREAM = 1,
        NACK_AFTER = 2,
        NACK_WANTS_RESET = 3,
};

enum {
        RESET_AT = 1,
        RESET_PART = 2,
        RESET_HAS_MORE = 3,
        RESET_INTENTS = 4,
        RESET_HOLD = 5,
        RESET_HOLDS = 6,
};

enum {
        HOLD_ELEMENTS = 2,
};

enum {
        INTENT_ELEMENTS = 5,
        INTENTS_PART_MAX = 4096, /* more cannot be in one frame */
};

enum {
        GOODBYE_FINAL = 1,
};

void cmi_frame_header_write(struct cmi_writer *writer, const struct cmi_frame_header *header)
{
        cmi_write_array(writer, HEADER_ELEMENTS);
        cmi_write_uint(writer, CMI_FRAME_MAGIC);
        cmi_write_uint(writer, CMI_FRAME_VERSION);
        cmi_write_uint(writer, header->type);
        cmi_write_uint(writer, header->mesh);
        cmi_write_id(writer, &header->source);
        cmi_write_uint(writer, header->source_incarnation);
        cmi_write_uint(writer, header->destination_incarnation);
        cmi_write_uint(writer, header->generation);
}

int cmi_frame_header_decode(struct cmi_slice bytes, struct cmi_frame_header *ret_header)
{
        struct cmi_reader reader = cmi_reader(bytes);
        struct cmi_frame_header header;
        uint32_t n = cmi_read_array(&reader, UINT32_MAX);
        uint64_t magic = cmi_read_uint(&reader, UINT64_MAX);
        uint64_t version = cmi_read_uint(&reader, UINT64_MAX);
        int r;

        if (magic != CMI_FRAME_MAGIC || version != CMI_FRAME_VERSION) {
                return -EPROTO;
        }
        if (n < HEADER_ELEMENTS || bytes.len > CMI_FRAME_HEADER_MAX) {
                return -EBADMSG;
        }
        header.type = cmi_read_uint(&reader, UINT64_MAX);
        header.mesh = cmi_read_uint(&reader, UINT64_MAX);
        cmi_read_id(&reader, &header.source);
        header.source_incarnation = cmi_read_uint(&reader, UINT64_MAX);
        header.destination_incarnation = cmi_read_uint(&reader, UINT64_MAX);
        header.generation = cmi_read_uint(&reader, UINT64_MAX);
        cmi_record_end(&reader, n, HEADER_ELEMENTS);
        r = cmi_read_done(&reader);
        if (r < 0) {
                return -EBADMSG;
        }
        *ret_header = header;
        return 0;
}

struct cmi_reader cmi_frame_body(struct cmi_slice body)
{
        struct cmi_reader reader = cmi_reader(body);

        if (body.len > CMI_FRAME_BODY_MAX) {
                cmi_read_fail(&reader, -EMSGSIZE);
        }
        return reader;
}

struct cmi_position cmi_read_position(struct cmi_reader *reader)
{
        uint32_t n = cmi_record_begin(reader, 2);
        struct cmi_position position;

        position.stream = cmi_read_uint(reader, UINT64_MAX);
        position.number = cmi_read_uint(reader, UINT64_MAX);
        cmi_record_end(reader, n, 2);
        return position;
}

void cmi_write_field_position(struct cmi_writer *writer, uint64_t key, struct cmi_position position)
{
        cmi_write_uint(writer, key);
        cmi_write_array(writer, 2);
        cmi_write_uint(writer, position.stream);
        cmi_write_uint(writer, position.number);
}

void cmi_ops_write_head(struct cmi_writer *writer, const struct cmi_ops *ops)
{
        cmi_write_map(writer, 5);
        cmi_write_field_uint(writer, OPS_STREAM, ops->stream);
        cmi_write_field_uint(writer, OPS_FIRST, ops->first);
        cmi_write_field_uint(writer, OPS_COUNT, ops->count);
        cmi_write_field_uint(writer, OPS_FLAGS, ops->flags);
        cmi_write_uint(writer, OPS_RUN);
        cmi_write_bin_header(writer, (uint32_t)ops->run.len);
}

/* A run of exactly @count operations; what is inside them is cmi_op_decode()'s business. */
static bool is_run_of(struct cmi_slice run, uint32_t count)
{
        struct cmi_slice op;
        uint32_t n = 0;
        int r;

        while ((r = cmi_op_run_next(&run, &op)) == 1) {
                n++;
        }
        return r == 0 && n == count;
}

int cmi_ops_decode(struct cmi_slice body, struct cmi_ops *ret_ops)
{
        struct cmi_reader reader = cmi_frame_body(body);
        struct cmi_fields fields = cmi_fields(&reader, OPS_RUN);
        struct cmi_ops ops = {0};
        uint64_t key;
        int r;

        while (cmi_fields_next(&fields, &key)) {
                switch (key) {
                case OPS_STREAM:
                        ops.stream = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case OPS_FIRST:
                        ops.first = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case OPS_COUNT:
                        ops.count = (uint32_t)cmi_read_uint(&reader, UINT32_MAX);
                        break;
                case OPS_FLAGS:
                        ops.flags = (uint32_t)cmi_read_uint(&reader, UINT32_MAX);
                        break;
                case OPS_RUN:
                        ops.run = cmi_read_bin(&reader, CMI_FRAME_BODY_MAX);
                        break;
                }
        }
        r = cmi_fields_done(&fields);
        if (r < 0) {
                return r;
        }
        if (ops.stream == 0 || ops.first == 0 || ops.count == 0 ||
                        ops.first > UINT64_MAX - ops.count || !is_run_of(ops.run, ops.count)) {
                return -EBADMSG;
        }
        *ret_ops = ops;
        return r;
}

void cmi_nack_write(struct cmi_writer *writer, const struct cmi_nack *nack)
{
        cmi_write_map(writer, 3);
        cmi_write_field_uint(writer, NACK_STREAM, nack->stream);
        cmi_write_field_uint(writer, NACK_AFTER, nack->after);
        cmi_write_field_bool(writer, NACK_WANTS_RESET, nack->wants_reset);
}

int cmi_nack_decode(struct cmi_slice body, struct cmi_nack *ret_nack)
{
        struct cmi_reader reader = cmi_frame_body(body);
        struct cmi_fields fields = cmi_fields(&reader, NACK_WANTS_RESET);
        uint64_t key;

        *ret_nack = (struct cmi_nack){0};
        while (cmi_fields_next(&fields, &key)) {
                switch (key) {
                case NACK_STREAM:
                        ret_nack->stream = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case NACK_AFTER:
                        ret_nack->after = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case NACK_WANTS_RESET:
                        ret_nack->wants_reset = cmi_read_bool(&reader);
                        break;
                }
        }
        return cmi_fields_done(&fields);
}

static void write_holds(struct cmi_writer *writer, const struct cmi_reset *reset)
{
        cmi_write_uint(writer, RESET_HOLDS);
        cmi_write_array(writer, reset->n_holds);
        for (uint32_t i = 0; i < reset->n_holds; i++) {
                cmi_write_array(writer, HOLD_ELEMENTS);
                cmi_write_uint(writer, reset->holds[i].region);
                cmi_write_uint(writer, reset->holds[i].left_ms);
        }
}

static void read_holds(struct cmi_reader *reader, struct cmi_reset *reset)
{
        reset->n_holds = cmi_read_array(reader, CMI_RESET_HOLDS_MAX);
        for (uint32_t i = 0; i < reset->n_holds && reader->error == 0; i++) {
                uint32_t n = cmi_record_begin(reader, HOLD_ELEMENTS);

                reset->holds[i].region = cmi_read_uint(reader, UINT64_MAX);
                reset->holds[i].left_ms = cmi_read_uint(reader, UINT64_MAX);
                cmi_record_end(reader, n, HOLD_ELEMENTS);
        }
}

void cmi_reset_write(struct cmi_writer *writer, const struct cmi_reset *reset)
{
        cmi_write_map(writer, 4 + (reset->hold_ms > 0) + (reset->n_holds > 0));
        cmi_write_field_position(writer, RESET_AT, reset->at);
        cmi_write_field_uint(writer, RESET_PART, reset->part);
        cmi_write_field_bool(writer, RESET_HAS_MORE, reset->has_more);
        if (reset->hold_ms > 0) {
                cmi_write_field_uint(writer, RESET_HOLD, reset->hold_ms);
        }
        if (reset->n_holds > 0) {
                write_holds(writer, reset);
        }
        cmi_write_uint(writer, RESET_INTENTS);
        cmi_write_array(writer, reset->n_intents);
}

void cmi_reset_write_intent(struct cmi_writer *writer, const struct cmi_intent *intent)
{
        cmi_write_array(writer, INTENT_ELEMENTS);
        cmi_write_id(writer, &intent->origin);
        cmi_write_uint(writer, intent->stream);
        cmi_write_uint(writer, intent->number);
        cmi_write_uint(writer, intent->left_ns);
        cmi_write_bin(writer, intent->op);
}

static struct cmi_intent read_intent(struct cmi_reader *reader)
{
        uint32_t n = cmi_record_begin(reader, INTENT_ELEMENTS);
        struct cmi_intent intent = {0};

        cmi_read_id(reader, &intent.origin);
        intent.stream = cmi_read_uint(reader, UINT64_MAX);
        intent.number = cmi_read_uint(reader, UINT64_MAX);
        intent.left_ns = cmi_read_uint(reader, UINT64_MAX);
        intent.op = cmi_read_bin(reader, CMI_INTENT_SIZE_MAX);
        cmi_record_end(reader, n, INTENT_ELEMENTS);
        return intent;
}

struct cmi_intent cmi_reset_next(struct cmi_reset *reset)
{
        return read_intent(&reset->intents);
}

/* Checks each intent, and leaves the list open on the first. */
static void read_intents(struct cmi_reader *reader, struct cmi_reset *reset)
{
        struct cmi_op op;
        const uint8_t *begin;

        reset->n_intents = cmi_read_array(reader, INTENTS_PART_MAX);
        begin = reader->at;
        for (uint32_t i = 0; i < reset->n_intents && reader->error == 0; i++) {
                struct cmi_intent intent = read_intent(reader);

                if (reader->error == 0 && (intent.stream == 0 || intent.number == 0 ||
                                                          cmi_op_decode(intent.op, &op) < 0 ||
                                                          op.kind != CMI_OP_INTENT_BEGIN)) {
                        cmi_read_fail(reader, -EBADMSG);
                }
        }
        reset->intents = (struct cmi_reader){begin, reader->at, 0};
}

int cmi_reset_decode(struct cmi_slice body, struct cmi_reset *ret_reset)
{
        struct cmi_reader reader = cmi_frame_body(body);
        struct cmi_fields fields = cmi_fields(&reader, RESET_HOLDS);
        uint64_t key;

        *ret_reset = (struct cmi_reset){0};
        while (cmi_fields_next(&fields, &key)) {
                switch (key) {
                case RESET_AT:
                        ret_reset->at = cmi_read_position(&reader);
                        break;
                case RESET_PART:
                        ret_reset->part = (uint32_t)cmi_read_uint(&reader, UINT32_MAX);
                        break;
                case RESET_HAS_MORE:
                        ret_reset->has_more = cmi_read_bool(&reader);
                        break;
                case RESET_INTENTS:
                        read_intents(&reader, ret_reset);
                        break;
                case RESET_HOLD:
                        ret_reset->hold_ms = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case RESET_HOLDS:
                        read_holds(&reader, ret_reset);
                        break;
                }
        }
        return cmi_fields_done(&fields);
}

void cmi_goodbye_write(struct cmi_writer *writer, const struct cmi_goodbye *goodbye)
{
        cmi_write_map(writer, 1);
        cmi_write_field_position(writer, GOODBYE_FINAL, goodbye->final);
}

int cmi_goodbye_decode(struct cmi_slice body, struct cmi_goodbye *ret_goodbye)
{
        struct cmi_reader reader = cmi_frame_body(body);
        struct cmi_fields fields = cmi_fields(&reader, GOODBYE_FINAL);
        uint64_t key;

        *ret_goodbye = (struct cmi_goodbye){0};
        while (cmi_fields_next(&fields, &key)) {
                ret_goodbye->final = cmi_read_position(&reader);
        }
        return cmi_fields_done(&fields);
}
