/* SPDX-License-Identifier: MIT */
/*
 * The local protocol's frame and its requests and answers. When a message may be sent, and what it
 * does, is decided in meshd/local and libcachemesh.
 */
#include "wire/local.h"
#include "wire/fields.h"

#include <errno.h>

enum {
        PAYLOAD_ELEMENTS = 3,
};

enum {
        ATTACH_VERSION_MIN = 1,
        ATTACH_VERSION_MAX = 2,
        ATTACH_NAME = 3,
        ATTACH_WANTS_PAGE = 4,
        ATTACH_CLOCK = 5,
};

enum {
        ATTACHED_VERSION = 1,
        ATTACHED_SOFTWARE = 2,
        ATTACHED_NODE = 3,
        ATTACHED_NODE_ID = 4,
        ATTACHED_INCARNATION = 5,
        ATTACHED_EPOCH = 6,
        ATTACHED_PAGE_SIZE = 7,
        ATTACHED_CLOCK = 8,
        ATTACHED_STREAM = 9,
};

enum {
        REGION_NAME = 1,
        REGION_FRESH = 2,
        REGION_TTL_MS = 3,
        REGION_VERSION = 4,
        REGION_BUDGET_BYTES = 5,
        REGION_HOLD_MS = 6,
};

enum {
        REGION_OPENED_INDEX = 1,
        REGION_OPENED_OWNER = 2,
};

enum {
        PUBLISH_OP = 1,
        PUBLISH_WAIT = 2,
        PUBLISH_TIMEOUT_MS = 3,
};

enum {
        RESULT_OUTCOME = 1,
        RESULT_POSITION = 2,
        RESULT_N_APPLIED = 3,
        RESULT_N_LAPSED = 4,
        RESULT_N_UNCONFIRMED = 5,
        RESULT_MEMBERS = 6,
};

enum {
        RESULT_MEMBER_ELEMENTS = 3,
};

enum {
        ERROR_CODE = 1,
        ERROR_TEXT = 2,
};

enum {
        QUERY_VERB = 1,
        QUERY_ARGUMENTS = 2,
};

enum {
        DOCUMENT = 1,
};

/* An encoded map. */
static struct cmi_slice read_map_value(struct cmi_reader *reader)
{
        if (cmi_read_type(reader) != CMI_TYPE_MAP) {
                cmi_read_fail(reader, -EBADMSG);
        }
        return cmi_read_value(reader);
}

int cmi_local_decode(struct cmi_slice payload, struct cmi_local_head *ret_head)
{
        struct cmi_reader reader = cmi_reader(payload);
        uint32_t n = cmi_record_begin(&reader, PAYLOAD_ELEMENTS);
        struct cmi_local_head head;
        int r;

        head.type = cmi_read_uint(&reader, UINT64_MAX);
        head.id = cmi_read_uint(&reader, UINT64_MAX);
        head.fields = read_map_value(&reader);
        cmi_record_end(&reader, n, PAYLOAD_ELEMENTS);
        r = cmi_read_done(&reader);
        if (r == 0) {
                *ret_head = head;
        }
        return r;
}

size_t cmi_local_begin(struct cmi_writer *writer, enum cmi_local_type type, uint64_t id)
{
        static const uint8_t zero[CMI_LOCAL_PREFIX_SIZE];
        size_t begin = writer->len;

        cmi_write_raw(writer, cmi_slice(zero, sizeof(zero)));
        cmi_write_array(writer, PAYLOAD_ELEMENTS);
        cmi_write_uint(writer, type);
        cmi_write_uint(writer, id);
        return begin;
}

void cmi_local_end(struct cmi_writer *writer, size_t begin)
{
        uint8_t *prefix = writer->data + begin;
        size_t len;

        if (writer->error != 0) {
                return;
        }
        len = writer->len - begin - CMI_LOCAL_PREFIX_SIZE;
        for (size_t i = 0; i < CMI_LOCAL_PREFIX_SIZE; i++) {
                prefix[i] = (uint8_t)(len >> 8 * i);
        }
}

int64_t cmi_local_split(struct cmi_slice buffer, size_t max, struct cmi_slice *ret_payload)
{
        const uint8_t *at = buffer.data;
        uint32_t len;

        if (buffer.len < CMI_LOCAL_PREFIX_SIZE) {
                return 0;
        }
        len = (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
              (uint32_t)at[3] << 24;
        if (len == 0 || len > max) {
                return -EMSGSIZE;
        }
        if (len > buffer.len - CMI_LOCAL_PREFIX_SIZE) {
                return 0;
        }
        *ret_payload = cmi_slice(at + CMI_LOCAL_PREFIX_SIZE, len);
        return CMI_LOCAL_PREFIX_SIZE + (int64_t)len;
}

void cmi_attach_write(struct cmi_writer *writer, const struct cmi_attach *attach)
{
        cmi_write_map(writer, 5);
        cmi_write_field_uint(writer, ATTACH_VERSION_MIN, attach->version_min);
        cmi_write_field_uint(writer, ATTACH_VERSION_MAX, attach->version_max);
        cmi_write_field_text(writer, ATTACH_NAME, attach->name);
        cmi_write_field_bool(writer, ATTACH_WANTS_PAGE, attach->wants_page);
        cmi_write_field_time(writer, ATTACH_CLOCK, attach->clock);
}

int cmi_attach_decode(struct cmi_slice bytes, struct cmi_attach *ret_attach)
{
        struct cmi_reader reader = cmi_reader(bytes);
        struct cmi_fields fields = cmi_fields(&reader, ATTACH_CLOCK);
        uint64_t key;

        memset(ret_attach, 0, sizeof(*ret_attach));
        while (cmi_fields_next(&fields, &key)) {
                switch (key) {
                case ATTACH_VERSION_MIN:
                        ret_attach->version_min = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case ATTACH_VERSION_MAX:
                        ret_attach->version_max = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case ATTACH_NAME:
                        cmi_read_text(&reader, ret_attach->name, sizeof(ret_attach->name));
                        break;
                case ATTACH_WANTS_PAGE:
                        ret_attach->wants_page = cmi_read_bool(&reader);
                        break;
                case ATTACH_CLOCK:
                        ret_attach->clock = cmi_read_time(&reader);
                        break;
                }
        }
        return cmi_fields_done(&fields);
}

void cmi_attached_write(struct cmi_writer *writer, const struct cmi_attached *attached)
{
        cmi_write_map(writer, 9);
        cmi_write_field_uint(writer, ATTACHED_VERSION, attached->version);
        cmi_write_field_text(writer, ATTACHED_SOFTWARE, attached->software);
        cmi_write_field_text(writer, ATTACHED_NODE, attached->node);
        cmi_write_uint(writer, ATTACHED_NODE_ID);
        cmi_write_id(writer, &attached->node_id);
        cmi_write_field_uint(writer, ATTACHED_INCARNATION, attached->incarnation);
        cmi_write_field_uint(writer, ATTACHED_EPOCH, attached->epoch);
        cmi_write_field_uint(writer, ATTACHED_PAGE_SIZE, attached->page_size);
        cmi_write_field_time(writer, ATTACHED_CLOCK, attached->clock);
        cmi_write_field_uint(writer, ATTACHED_STREAM, attached->stream);
}

static void read_attached_field(
                struct cmi_reader *reader, uint64_t key, struct cmi_attached *attached)
{
        switch (key) {
        case ATTACHED_VERSION:
                attached->version = cmi_read_uint(reader, UINT64_MAX);
                break;
        case ATTACHED_SOFTWARE:
                cmi_read_text(reader, attached->software, sizeof(attached->software));
                break;
        case ATTACHED_NODE:
                cmi_read_text(reader, attached->node, sizeof(attached->node));
                break;
        case ATTACHED_NODE_ID:
                cmi_read_id(reader, &attached->node_id);
                break;
        case ATTACHED_INCARNATION:
                attached->incarnation = cmi_read_uint(reader, UINT64_MAX);
                break;
        case ATTACHED_EPOCH:
                attached->epoch = cmi_read_uint(reader, UINT64_MAX);
                break;
        case ATTACHED_PAGE_SIZE:
                attached->page_size = cmi_read_uint(reader, UINT64_MAX);
                break;
        case ATTACHED_CLOCK:
                attached->clock = cmi_read_time(reader);
                break;
        case ATTACHED_STREAM:
                attached->stream = cmi_read_uint(reader, UINT64_MAX);
                break;
        }
}

int cmi_attached_decode(struct cmi_slice bytes, struct cmi_attached *ret_attached)
{
        struct cmi_reader reader = cmi_reader(bytes);
        struct cmi_fields fields = cmi_fields(&reader, ATTACHED_STREAM);
        uint64_t key;

        memset(ret_attached, 0, sizeof(*ret_attached));
        while (cmi_fields_next(&fields, &key)) {
                read_attached_field(&reader, key, ret_attached);
        }
        return cmi_fields_done(&fields);
}

const char *cmi_fresh_text(uint64_t fresh)
{
        return fresh == CMI_FRESH_BOUNDED ? "bounded" : "ttl";
}

void cmi_region_request_write(struct cmi_writer *writer, const struct cmi_region_request *request)
{
        cmi_write_map(writer, 6);
        cmi_write_field_text(writer, REGION_NAME, request->name);
        cmi_write_field_uint(writer, REGION_FRESH, request->fresh);
        cmi_write_field_uint(writer, REGION_TTL_MS, request->ttl_ms);
        cmi_write_field_uint(writer, REGION_VERSION, request->version);
        cmi_write_field_uint(writer, REGION_BUDGET_BYTES, request->budget_bytes);
        cmi_write_field_uint(writer, REGION_HOLD_MS, request->hold_ms);
}

int cmi_region_request_decode(struct cmi_slice bytes, struct cmi_region_request *ret_request)
{
        struct cmi_reader reader = cmi_reader(bytes);
        struct cmi_fields fields = cmi_fields(&reader, REGION_HOLD_MS);
        uint64_t key;

        memset(ret_request, 0, sizeof(*ret_request));
        while (cmi_fields_next(&fields, &key)) {
                switch (key) {
                case REGION_NAME:
                        cmi_read_text(&reader, ret_request->name, sizeof(ret_request->name));
                        break;
                case REGION_FRESH:
                        ret_request->fresh = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case REGION_TTL_MS:
                        ret_request->ttl_ms = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case REGION_VERSION:
                        ret_request->version = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case REGION_BUDGET_BYTES:
                        ret_request->budget_bytes = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case REGION_HOLD_MS:
                        ret_request->hold_ms = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                }
        }
        return cmi_fields_done(&fields);
}

void cmi_region_opened_write(struct cmi_writer *writer, const struct cmi_region_opened *opened)
{
        cmi_write_map(writer, 2);
        cmi_write_field_uint(writer, REGION_OPENED_INDEX, opened->index);
        cmi_write_field_uint(writer, REGION_OPENED_OWNER, opened->owner);
}

int cmi_region_opened_decode(struct cmi_slice bytes, struct cmi_region_opened *ret_opened)
{
        struct cmi_reader reader = cmi_reader(bytes);
        struct cmi_fields fields = cmi_fields(&reader, REGION_OPENED_OWNER);
        uint64_t key;

        *ret_opened = (struct cmi_region_opened){0};
        while (cmi_fields_next(&fields, &key)) {
                switch (key) {
                case REGION_OPENED_INDEX:
                        ret_opened->index = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case REGION_OPENED_OWNER:
                        ret_opened->owner = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                }
        }
        return cmi_fields_done(&fields);
}

void cmi_publish_write(struct cmi_writer *writer, const struct cmi_publish *publish)
{
        cmi_write_map(writer, 3);
        cmi_write_uint(writer, PUBLISH_OP);
        cmi_write_bin(writer, publish->op);
        cmi_write_field_uint(writer, PUBLISH_WAIT, publish->wait);
        cmi_write_field_uint(writer, PUBLISH_TIMEOUT_MS, publish->timeout_ms);
}

int cmi_publish_decode(struct cmi_slice bytes, struct cmi_publish *ret_publish)
{
        struct cmi_reader reader = cmi_reader(bytes);
        struct cmi_fields fields = cmi_fields(&reader, PUBLISH_TIMEOUT_MS);
        uint64_t key;

        *ret_publish = (struct cmi_publish){0};
        while (cmi_fields_next(&fields, &key)) {
                switch (key) {
                case PUBLISH_OP:
                        ret_publish->op = cmi_read_bin(&reader, CMI_OP_SIZE_MAX);
                        break;
                case PUBLISH_WAIT:
                        ret_publish->wait = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case PUBLISH_TIMEOUT_MS:
                        ret_publish->timeout_ms = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                }
        }
        return cmi_fields_done(&fields);
}

void cmi_result_write(struct cmi_writer *writer, const struct cmi_result *result)
{
        cmi_write_map(writer, 6);
        cmi_write_uint(writer, RESULT_OUTCOME);
        cmi_write_int(writer, result->outcome);
        cmi_write_field_uint(writer, RESULT_POSITION, result->position);
        cmi_write_field_uint(writer, RESULT_N_APPLIED, result->n_applied);
        cmi_write_field_uint(writer, RESULT_N_LAPSED, result->n_lapsed);
        cmi_write_field_uint(writer, RESULT_N_UNCONFIRMED, result->n_unconfirmed);
        cmi_write_uint(writer, RESULT_MEMBERS);
        cmi_write_array(writer, result->n_members);
}

void cmi_result_write_member(struct cmi_writer *writer, const struct cmi_result_member *member)
{
        cmi_write_array(writer, RESULT_MEMBER_ELEMENTS);
        cmi_write_id(writer, &member->id);
        cmi_write_str(writer, member->name);
        cmi_write_uint(writer, member->state);
}

struct cmi_result_member cmi_result_next_member(struct cmi_reader *members)
{
        uint32_t n = cmi_record_begin(members, RESULT_MEMBER_ELEMENTS);
        struct cmi_result_member member;

        cmi_read_id(members, &member.id);
        member.name = cmi_read_clean_str(members, CMI_LOCAL_NAME_MAX);
        member.state = cmi_read_uint(members, UINT64_MAX);
        cmi_record_end(members, n, RESULT_MEMBER_ELEMENTS);
        return member;
}

/* Checks the list and leaves result->members open on it. */
static void read_result_members(struct cmi_reader *reader, struct cmi_result *result)
{
        const uint8_t *begin;

        result->n_members = cmi_read_array(reader, CMI_LOCAL_MEMBERS_MAX);
        begin = reader->at;
        for (uint32_t i = 0; i < result->n_members && reader->error == 0; i++) {
                cmi_result_next_member(reader);
        }
        result->members = (struct cmi_reader){begin, reader->at, 0};
}

int cmi_result_decode(struct cmi_slice bytes, struct cmi_result *ret_result)
{
        struct cmi_reader reader = cmi_reader(bytes);
        struct cmi_fields fields = cmi_fields(&reader, RESULT_MEMBERS);
        uint64_t key;

        memset(ret_result, 0, sizeof(*ret_result));
        while (cmi_fields_next(&fields, &key)) {
                switch (key) {
                case RESULT_OUTCOME:
                        ret_result->outcome = cmi_read_int(&reader);
                        break;
                case RESULT_POSITION:
                        ret_result->position = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case RESULT_N_APPLIED:
                        ret_result->n_applied = (uint32_t)cmi_read_uint(&reader, UINT32_MAX);
                        break;
                case RESULT_N_LAPSED:
                        ret_result->n_lapsed = (uint32_t)cmi_read_uint(&reader, UINT32_MAX);
                        break;
                case RESULT_N_UNCONFIRMED:
                        ret_result->n_unconfirmed = (uint32_t)cmi_read_uint(&reader, UINT32_MAX);
                        break;
                case RESULT_MEMBERS:
                        read_result_members(&reader, ret_result);
                        break;
                }
        }
        return cmi_fields_done(&fields);
}

void cmi_error_write(struct cmi_writer *writer, const struct cmi_error *error)
{
        cmi_write_map(writer, 2);
        cmi_write_uint(writer, ERROR_CODE);
        cmi_write_int(writer, error->code);
        cmi_write_field_text(writer, ERROR_TEXT, error->text);
}

int cmi_error_decode(struct cmi_slice bytes, struct cmi_error *ret_error)
{
        struct cmi_reader reader = cmi_reader(bytes);
        struct cmi_fields fields = cmi_fields(&reader, ERROR_TEXT);
        uint64_t key;

        memset(ret_error, 0, sizeof(*ret_error));
        while (cmi_fields_next(&fields, &key)) {
                switch (key) {
                case ERROR_CODE:
                        ret_error->code = cmi_read_int(&reader);
                        break;
                case ERROR_TEXT:
                        cmi_read_text(&reader, ret_error->text, sizeof(ret_error->text));
                        break;
                }
        }
        return cmi_fields_done(&fields);
}

void cmi_local_query_write(
                struct cmi_writer *writer, struct cmi_slice verb, struct cmi_slice arguments)
{
        cmi_write_map(writer, arguments.len > 0 ? 2 : 1);
        cmi_write_uint(writer, QUERY_VERB);
        cmi_write_str(writer, verb);
        if (arguments.len > 0) {
                cmi_write_uint(writer, QUERY_ARGUMENTS);
                cmi_write_raw(writer, arguments);
        }
}

int cmi_local_query_decode(struct cmi_slice bytes, struct cmi_local_query *ret_query)
{
        struct cmi_reader reader = cmi_reader(bytes);
        struct cmi_fields fields = cmi_fields(&reader, QUERY_ARGUMENTS);
        uint64_t key;

        *ret_query = (struct cmi_local_query){0};
        while (cmi_fields_next(&fields, &key)) {
                switch (key) {
                case QUERY_VERB:
                        ret_query->verb = cmi_read_clean_str(&reader, CMI_LOCAL_NAME_MAX);
                        break;
                case QUERY_ARGUMENTS:
                        ret_query->arguments = read_map_value(&reader);
                        break;
                }
        }
        return cmi_fields_done(&fields);
}

void cmi_document_write_head(struct cmi_writer *writer)
{
        cmi_write_map(writer, 1);
        cmi_write_uint(writer, DOCUMENT);
}

int cmi_document_decode(struct cmi_slice bytes, struct cmi_slice *ret_document)
{
        struct cmi_reader reader = cmi_reader(bytes);
        struct cmi_fields fields = cmi_fields(&reader, DOCUMENT);
        struct cmi_slice document = {0};
        uint64_t key;
        int r;

        while (cmi_fields_next(&fields, &key)) {
                document = cmi_read_value(&reader);
        }
        r = cmi_fields_done(&fields);
        if (r < 0) {
                return r;
        }
        if (document.len == 0) {
                return -EBADMSG;
        }
        *ret_document = document;
        return 0;
}
