/* SPDX-License-Identifier: MIT */
/*
 * QUERY and ANSWER between two meshd: what meshctl's links and ping need.
 */
#include "wire/frame_fields.h"

#include <errno.h>

enum {
        QUERY_ID = 1,
        QUERY_KIND = 2,
        QUERY_AT = 3,
};

enum {
        ANSWER_ID = 1,
        ANSWER_KIND = 2,
        ANSWER_LINKS = 3,
        ANSWER_IS_APPLIED = 4,
        ANSWER_APPLIED_AGO = 5,
        ANSWER_KEYS = 6,
};

enum {
        LINK_ELEMENTS = 3,
};

void cmi_query_write(struct cmi_writer *writer, const struct cmi_query *query)
{
        bool is_trace = query->kind == CMI_QUERY_TRACE;

        cmi_write_map(writer, is_trace ? 3 : 2);
        cmi_write_field_uint(writer, QUERY_ID, query->id);
        cmi_write_field_uint(writer, QUERY_KIND, query->kind);
        if (is_trace) {
                cmi_write_field_position(writer, QUERY_AT, query->at);
        }
}

int cmi_query_decode(struct cmi_slice body, struct cmi_query *ret_query)
{
        struct cmi_reader reader = cmi_frame_body(body);
        struct cmi_fields fields = cmi_fields(&reader, QUERY_AT);
        uint64_t key;

        *ret_query = (struct cmi_query){0};
        while (cmi_fields_next(&fields, &key)) {
                switch (key) {
                case QUERY_ID:
                        ret_query->id = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case QUERY_KIND:
                        ret_query->kind = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case QUERY_AT:
                        ret_query->at = cmi_read_position(&reader);
                        break;
                }
        }
        return cmi_fields_done(&fields);
}

static void write_links(struct cmi_writer *writer, const struct cmi_answer *answer)
{
        cmi_write_array(writer, answer->n_links);
        for (uint32_t i = 0; i < answer->n_links; i++) {
                cmi_write_array(writer, LINK_ELEMENTS);
                cmi_write_id(writer, &answer->links[i].id);
                cmi_write_bool(writer, answer->links[i].is_heard);
                cmi_write_bool(writer, answer->links[i].hears_me);
        }
}

static void write_keys(struct cmi_writer *writer, const struct cmi_answer *answer)
{
        cmi_write_array(writer, answer->n_keys);
        for (uint32_t i = 0; i < answer->n_keys; i++) {
                cmi_write_uint(writer, answer->keys[i]);
        }
}

void cmi_answer_write(struct cmi_writer *writer, const struct cmi_answer *answer)
{
        bool is_trace = answer->kind == CMI_QUERY_TRACE;

        cmi_write_map(writer, 3 + (is_trace ? 2 : 0) + answer->has_keys);
        cmi_write_field_uint(writer, ANSWER_ID, answer->id);
        cmi_write_field_uint(writer, ANSWER_KIND, answer->kind);
        cmi_write_uint(writer, ANSWER_LINKS);
        write_links(writer, answer);
        if (is_trace) {
                cmi_write_field_bool(writer, ANSWER_IS_APPLIED, answer->is_applied);
                cmi_write_field_uint(writer, ANSWER_APPLIED_AGO, answer->applied_ago_ns);
        }
        if (answer->has_keys) {
                cmi_write_uint(writer, ANSWER_KEYS);
                write_keys(writer, answer);
        }
}

static void read_keys(struct cmi_reader *reader, struct cmi_answer *answer)
{
        answer->has_keys = true;
        answer->n_keys = cmi_read_array(reader, CMI_ANSWER_KEYS_MAX);
        for (uint32_t i = 0; i < answer->n_keys && reader->error == 0; i++) {
                answer->keys[i] = cmi_read_uint(reader, UINT64_MAX);
        }
}

static void read_links(struct cmi_reader *reader, struct cmi_answer *answer)
{
        answer->n_links = cmi_read_array(reader, CMI_ANSWER_LINKS_MAX);
        for (uint32_t i = 0; i < answer->n_links && reader->error == 0; i++) {
                uint32_t n = cmi_record_begin(reader, LINK_ELEMENTS);

                cmi_read_id(reader, &answer->links[i].id);
                answer->links[i].is_heard = cmi_read_bool(reader);
                answer->links[i].hears_me = cmi_read_bool(reader);
                cmi_record_end(reader, n, LINK_ELEMENTS);
        }
}

int cmi_answer_decode(struct cmi_slice body, struct cmi_answer *ret_answer)
{
        struct cmi_reader reader = cmi_frame_body(body);
        struct cmi_fields fields = cmi_fields(&reader, ANSWER_KEYS);
        uint64_t key;

        memset(ret_answer, 0, sizeof(*ret_answer));
        while (cmi_fields_next(&fields, &key)) {
                switch (key) {
                case ANSWER_ID:
                        ret_answer->id = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case ANSWER_KIND:
                        ret_answer->kind = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case ANSWER_LINKS:
                        read_links(&reader, ret_answer);
                        break;
                case ANSWER_IS_APPLIED:
                        ret_answer->is_applied = cmi_read_bool(&reader);
                        break;
                case ANSWER_APPLIED_AGO:
                        ret_answer->applied_ago_ns = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case ANSWER_KEYS:
                        read_keys(&reader, ret_answer);
                        break;
                }
        }
        return cmi_fields_done(&fields);
}
