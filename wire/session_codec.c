/* SPDX-License-Identifier: MIT */
/* The bytes of what wire/session.h describes. */
#include "wire/session_fields.h"

#include <errno.h>

enum {
        SESSION_KEY = 1,
        SESSION_SPACE = 2,
        SESSION_VERSION = 3,
        SESSION_LINEAGE = 4,
        SESSION_CREATED = 5,
        SESSION_IDLE_TTL = 6,
        SESSION_MAX_END = 7,
        SESSION_LAST_TOUCH = 8,
        SESSION_PRINCIPAL = 9,
        SESSION_VECTOR = 10,
        SESSION_REQUESTS = 11,
        SESSION_TAG = 12,
        SESSION_SEALED_BASE = 13,
        SESSION_SAVE_ID = 14,
        SESSION_HOLDER = 15,
        SESSION_BLOB_LEN = 16,
        SESSION_BLOB_SUM = 17,
};

enum {
        CHUNK_KEY = 1,
        CHUNK_VERSION = 2,
        CHUNK_OFFSET = 3,
        CHUNK_BYTES = 4,
};

enum {
        TOMBSTONE_KEY = 1,
        TOMBSTONE_SPACE = 2,
        TOMBSTONE_VERSION = 3,
        TOMBSTONE_MAX_END = 4,
        TOMBSTONE_REASON = 5,
        TOMBSTONE_LAST_TOUCH = 6,
        TOMBSTONE_HOLDER_NO = 7,
};

enum {
        PRINCIPAL_PRINCIPAL = 1,
        PRINCIPAL_COUNTS = 2,
};

enum {
        COUNT_ELEMENTS = 2,
        PRINCIPAL_COUNT_ELEMENTS = 3,
        REQUEST_ELEMENTS = 1,
};

/* The lists of a record */

static void write_lists(struct cmi_writer *writer, const struct cmi_session *session)
{
        cmi_write_uint(writer, SESSION_VECTOR);
        cmi_write_array(writer, session->n_vector);
        for (uint32_t i = 0; i < session->n_vector; i++) {
                cmi_write_array(writer, COUNT_ELEMENTS);
                cmi_write_id(writer, &session->vector[i].node);
                cmi_write_uint(writer, session->vector[i].count);
        }
        cmi_write_uint(writer, SESSION_REQUESTS);
        cmi_write_array(writer, session->n_requests);
        for (uint32_t i = 0; i < session->n_requests; i++) {
                cmi_write_array(writer, REQUEST_ELEMENTS);
                cmi_write_uint(writer, session->requests[i]);
        }
}

static void read_lineage(struct cmi_reader *reader, struct cmi_session *session)
{
        session->n_lineage = cmi_read_array(reader, CMI_SESSION_LINEAGE_MAX);
        for (uint32_t i = 0; i < session->n_lineage && reader->error == 0; i++) {
                cmi_read_version(reader, &session->lineage[i]);
        }
}

static void read_vector(struct cmi_reader *reader, struct cmi_session *session)
{
        session->n_vector = cmi_read_array(reader, CMI_SESSION_VECTOR_MAX);
        for (uint32_t i = 0; i < session->n_vector && reader->error == 0; i++) {
                uint32_t n = cmi_record_begin(reader, COUNT_ELEMENTS);

                cmi_read_id(reader, &session->vector[i].node);
                session->vector[i].count = cmi_read_uint(reader, UINT64_MAX);
                cmi_record_end(reader, n, COUNT_ELEMENTS);
        }
}

static void read_requests(struct cmi_reader *reader, struct cmi_session *session)
{
        session->n_requests = cmi_read_array(reader, CMI_SESSION_REQUESTS_MAX);
        for (uint32_t i = 0; i < session->n_requests && reader->error == 0; i++) {
                uint32_t n = cmi_record_begin(reader, REQUEST_ELEMENTS);

                session->requests[i] = cmi_read_uint(reader, UINT64_MAX);
                cmi_record_end(reader, n, REQUEST_ELEMENTS);
        }
}

/* Records */

void cmi_session_write(struct cmi_writer *writer, const struct cmi_session *session)
{
        cmi_write_map(writer, SESSION_BLOB_SUM);
        cmi_write_field_id(writer, SESSION_KEY, &session->key);
        cmi_write_field_uint(writer, SESSION_SPACE, session->space);
        cmi_write_field_version(writer, SESSION_VERSION, &session->version);
        cmi_write_uint(writer, SESSION_LINEAGE);
        cmi_write_array(writer, session->n_lineage);
        for (uint32_t i = 0; i < session->n_lineage; i++) {
                cmi_write_version(writer, &session->lineage[i]);
        }
        cmi_write_field_uint(writer, SESSION_CREATED, session->created_ms);
        cmi_write_field_uint(writer, SESSION_IDLE_TTL, session->idle_ttl_ms);
        cmi_write_field_uint(writer, SESSION_MAX_END, session->max_end_ms);
        cmi_write_field_uint(writer, SESSION_LAST_TOUCH, session->last_touch_ms);
        cmi_write_field_id(writer, SESSION_PRINCIPAL, &session->principal);
        write_lists(writer, session);
        cmi_write_uint(writer, SESSION_TAG);
        cmi_write_bin(writer, session->tag);
        cmi_write_field_version(writer, SESSION_SEALED_BASE, &session->sealed_base);
        cmi_write_uint(writer, SESSION_SAVE_ID);
        cmi_write_id(writer, &session->save_id);
        cmi_write_field_holder(writer, SESSION_HOLDER, &session->holder);
        cmi_write_field_uint(writer, SESSION_BLOB_LEN, session->blob_len);
        cmi_write_field_uint(writer, SESSION_BLOB_SUM, session->blob_sum);
}

static void read_session_field(struct cmi_reader *reader, uint64_t key, struct cmi_session *session)
{
        switch (key) {
        case SESSION_KEY:
                cmi_read_id(reader, &session->key);
                break;
        case SESSION_SPACE:
                session->space = cmi_read_uint(reader, UINT64_MAX);
                break;
        case SESSION_VERSION:
                cmi_read_version(reader, &session->version);
                break;
        case SESSION_LINEAGE:
                read_lineage(reader, session);
                break;
        case SESSION_CREATED:
                session->created_ms = cmi_read_uint(reader, CMI_SESSION_TIME_MAX_MS);
                break;
        case SESSION_IDLE_TTL:
                session->idle_ttl_ms = cmi_read_uint(reader, CMI_SESSION_LIFE_MAX_MS);
                break;
        case SESSION_MAX_END:
                session->max_end_ms = cmi_read_uint(reader, CMI_SESSION_TIME_MAX_MS);
                break;
        case SESSION_LAST_TOUCH:
                session->last_touch_ms = cmi_read_uint(reader, CMI_SESSION_TIME_MAX_MS);
                break;
        case SESSION_PRINCIPAL:
                cmi_read_id(reader, &session->principal);
                break;
        case SESSION_VECTOR:
                read_vector(reader, session);
                break;
        case SESSION_REQUESTS:
                read_requests(reader, session);
                break;
        case SESSION_TAG:
                session->tag = cmi_read_bin(reader, CMI_SESSION_TAG_MAX);
                break;
        case SESSION_SEALED_BASE:
                cmi_read_version(reader, &session->sealed_base);
                break;
        case SESSION_SAVE_ID:
                cmi_read_id(reader, &session->save_id);
                break;
        case SESSION_HOLDER:
                cmi_read_holder(reader, &session->holder);
                break;
        case SESSION_BLOB_LEN:
                session->blob_len = cmi_read_uint(reader, CMI_SESSION_BLOB_MAX);
                break;
        case SESSION_BLOB_SUM:
                session->blob_sum = cmi_read_uint(reader, UINT64_MAX);
                break;
        }
}

/* The fields are well-formed; does what they say make sense too? */
static int done(const struct cmi_fields *fields, int check)
{
        int n_skipped = cmi_fields_done(fields);

        return n_skipped < 0 ? n_skipped : check < 0 ? check : n_skipped;
}

int cmi_session_decode(struct cmi_slice bytes, struct cmi_session *ret_session)
{
        struct cmi_reader reader = cmi_reader(bytes);
        struct cmi_fields fields = cmi_fields(&reader, SESSION_BLOB_SUM);
        uint64_t key;

        *ret_session = (struct cmi_session){0};
        while (cmi_fields_next(&fields, &key)) {
                read_session_field(&reader, key, ret_session);
        }
        return done(&fields, reader.error == 0 ? cmi_session_check(ret_session) : 0);
}

/* Chunks */

void cmi_session_chunk_write(struct cmi_writer *writer, const struct cmi_session_chunk *chunk)
{
        cmi_write_map(writer, CHUNK_BYTES);
        cmi_write_field_id(writer, CHUNK_KEY, &chunk->key);
        cmi_write_field_version(writer, CHUNK_VERSION, &chunk->version);
        cmi_write_field_uint(writer, CHUNK_OFFSET, chunk->offset);
        cmi_write_uint(writer, CHUNK_BYTES);
        cmi_write_bin(writer, chunk->bytes);
}

int cmi_session_chunk_decode(struct cmi_slice bytes, struct cmi_session_chunk *ret_chunk)
{
        struct cmi_reader reader = cmi_reader(bytes);
        struct cmi_fields fields = cmi_fields(&reader, CHUNK_BYTES);
        uint64_t key;

        *ret_chunk = (struct cmi_session_chunk){0};
        while (cmi_fields_next(&fields, &key)) {
                switch (key) {
                case CHUNK_KEY:
                        cmi_read_id(&reader, &ret_chunk->key);
                        break;
                case CHUNK_VERSION:
                        cmi_read_version(&reader, &ret_chunk->version);
                        break;
                case CHUNK_OFFSET:
                        ret_chunk->offset = cmi_read_uint(&reader, CMI_SESSION_BLOB_MAX);
                        break;
                case CHUNK_BYTES:
                        ret_chunk->bytes = cmi_read_bin(&reader, CMI_SESSION_CHUNK_MAX);
                        break;
                }
        }
        return done(&fields, ret_chunk->bytes.len == 0 ? -EBADMSG : 0);
}

/* Tombstones */

void cmi_tombstone_write(struct cmi_writer *writer, const struct cmi_tombstone *tombstone)
{
        cmi_write_map(writer, TOMBSTONE_HOLDER_NO);
        cmi_write_field_id(writer, TOMBSTONE_KEY, &tombstone->key);
        cmi_write_field_uint(writer, TOMBSTONE_SPACE, tombstone->space);
        cmi_write_field_version(writer, TOMBSTONE_VERSION, &tombstone->version);
        cmi_write_field_uint(writer, TOMBSTONE_MAX_END, tombstone->max_end_ms);
        cmi_write_field_uint(writer, TOMBSTONE_REASON, tombstone->reason);
        cmi_write_field_uint(writer, TOMBSTONE_LAST_TOUCH, tombstone->last_touch_ms);
        cmi_write_field_uint(writer, TOMBSTONE_HOLDER_NO, tombstone->holder_no);
}

int cmi_tombstone_decode(struct cmi_slice bytes, struct cmi_tombstone *ret_tombstone)
{
        struct cmi_reader reader = cmi_reader(bytes);
        struct cmi_fields fields = cmi_fields(&reader, TOMBSTONE_HOLDER_NO);
        struct cmi_tombstone *tombstone = ret_tombstone;
        uint64_t key;

        *tombstone = (struct cmi_tombstone){0};
        while (cmi_fields_next(&fields, &key)) {
                switch (key) {
                case TOMBSTONE_KEY:
                        cmi_read_id(&reader, &tombstone->key);
                        break;
                case TOMBSTONE_SPACE:
                        tombstone->space = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case TOMBSTONE_VERSION:
                        cmi_read_version(&reader, &tombstone->version);
                        break;
                case TOMBSTONE_MAX_END:
                        tombstone->max_end_ms = cmi_read_uint(&reader, CMI_SESSION_TIME_MAX_MS);
                        break;
                case TOMBSTONE_REASON:
                        tombstone->reason = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case TOMBSTONE_LAST_TOUCH:
                        tombstone->last_touch_ms = cmi_read_uint(&reader, CMI_SESSION_TIME_MAX_MS);
                        break;
                case TOMBSTONE_HOLDER_NO:
                        tombstone->holder_no = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                }
        }
        return done(&fields, reader.error == 0 ? cmi_tombstone_check(tombstone) : 0);
}

/* Principals */

void cmi_principal_write(struct cmi_writer *writer, const struct cmi_principal *principal)
{
        cmi_write_map(writer, PRINCIPAL_COUNTS);
        cmi_write_field_id(writer, PRINCIPAL_PRINCIPAL, &principal->principal);
        cmi_write_uint(writer, PRINCIPAL_COUNTS);
        cmi_write_array(writer, principal->n_counts);
        for (uint32_t i = 0; i < principal->n_counts; i++) {
                cmi_write_array(writer, PRINCIPAL_COUNT_ELEMENTS);
                cmi_write_id(writer, &principal->counts[i].node);
                cmi_write_uint(writer, principal->counts[i].count);
                cmi_write_uint(writer, principal->counts[i].until_ms);
        }
}

static void read_counts(struct cmi_reader *reader, struct cmi_principal *principal)
{
        principal->n_counts = cmi_read_array(reader, CMI_SESSION_VECTOR_MAX);
        for (uint32_t i = 0; i < principal->n_counts && reader->error == 0; i++) {
                uint32_t n = cmi_record_begin(reader, PRINCIPAL_COUNT_ELEMENTS);

                cmi_read_id(reader, &principal->counts[i].node);
                principal->counts[i].count = cmi_read_uint(reader, UINT64_MAX);
                principal->counts[i].until_ms = cmi_read_uint(reader, CMI_SESSION_TIME_MAX_MS);
                cmi_record_end(reader, n, PRINCIPAL_COUNT_ELEMENTS);
        }
}

int cmi_principal_decode(struct cmi_slice bytes, struct cmi_principal *ret_principal)
{
        struct cmi_reader reader = cmi_reader(bytes);
        struct cmi_fields fields = cmi_fields(&reader, PRINCIPAL_COUNTS);
        uint64_t key;

        *ret_principal = (struct cmi_principal){0};
        while (cmi_fields_next(&fields, &key)) {
                switch (key) {
                case PRINCIPAL_PRINCIPAL:
                        cmi_read_id(&reader, &ret_principal->principal);
                        break;
                case PRINCIPAL_COUNTS:
                        read_counts(&reader, ret_principal);
                        break;
                }
        }
        return done(&fields, reader.error == 0 ? cmi_principal_check(ret_principal) : 0);
}
