/* SPDX-License-Identifier: MIT */
/*
 * The bytes of session requests and answers. What a request does is decided in meshd/session.
 */
#include "wire/session_local.h"
#include "wire/session_fields.h"

#include <errno.h>

enum {
        REQUEST_VERB = 1,
        REQUEST_SPACE = 2,
        REQUEST_KEY = 3,
        REQUEST_REQUEST = 4,
        REQUEST_TIMEOUT_MS = 5,
        REQUEST_LEVEL = 6,
        REQUEST_FLAGS = 7,
        REQUEST_EXPECTED = 8,
        REQUEST_HOLDER = 9,
        REQUEST_MAX_END = 10,
        REQUEST_IDLE_TTL = 11,
        REQUEST_PRINCIPAL = 12,
        REQUEST_TAG = 13,
        REQUEST_SAVE_ID = 14,
        REQUEST_AGE_MS = 15,
        REQUEST_NEW_KEY = 16,
        REQUEST_GRACE_MS = 17,
        REQUEST_BLOB_LEN = 18,
        REQUEST_BLOB = 19,
};

enum {
        PART_ID = 1,
        PART_OFFSET = 2,
        PART_BYTES = 3,
};

enum {
        ANSWER_OUTCOME = 1,
        ANSWER_TEXT = 2,
        ANSWER_N_COPIES = 3,
        ANSWER_VERSION = 4,
        ANSWER_HOLDER = 5,
        ANSWER_CREATED = 6,
        ANSWER_MAX_END = 7,
        ANSWER_IDLE_TTL = 8,
        ANSWER_IDLE_MS = 9,
        ANSWER_TAG = 10,
        ANSWER_SEALED_BASE = 11,
        ANSWER_SAVE_ID = 12,
        ANSWER_FLAGS = 13,
        ANSWER_BLOB = 14,
        ANSWER_TOKEN = 15,
};

static bool is_holder(const struct cmi_session_holder *holder)
{
        return !cmi_id_is_zero(&holder->node) && holder->no > 0;
}

bool cmi_session_has_blob(uint64_t verb)
{
        return verb == CMI_SESSION_CREATE || verb == CMI_SESSION_SAVE || verb == CMI_SESSION_ROTATE;
}

/* What CREATE, SAVE and ROTATE bring. */
static int check_blob(const struct cmi_session_request *request)
{
        size_t first = request->blob_len < CMI_SESSION_PART_MAX ? (size_t)request->blob_len
                                                                : CMI_SESSION_PART_MAX;

        if (request->blob_len > CMI_SESSION_BLOB_MAX) {
                return CMI_E_TOO_BIG;
        }
        return request->blob.len == first && !cmi_id_is_zero(&request->save_id) ? 0 : -EINVAL;
}

/* By whom and over what SAVE and ROTATE are made. */
static bool is_over_one(const struct cmi_session_request *request)
{
        return cmi_session_version_is_whole(&request->expected) && is_holder(&request->holder);
}

static bool is_complete(const struct cmi_session_request *request)
{
        bool is_named = request->request != 0 && request->level <= CMI_SESSION_DISK;
        bool has_key = !cmi_id_is_zero(&request->key);

        switch (request->verb) {
        case CMI_SESSION_CREATE:
                return is_named && has_key && request->max_end_ms > 0;
        case CMI_SESSION_GET:
                return has_key && (request->flags & ~(uint64_t)CMI_SESSION_PEEK) == 0 &&
                       (cmi_session_version_is_none(&request->expected) ||
                                       cmi_session_version_is_whole(&request->expected));
        case CMI_SESSION_SAVE:
                return is_named && has_key && is_over_one(request);
        case CMI_SESSION_TOUCH:
                return has_key && is_holder(&request->holder);
        case CMI_SESSION_DESTROY:
                return is_named && has_key;
        case CMI_SESSION_DESTROY_PRINCIPAL:
                return is_named && !cmi_id_is_zero(&request->principal);
        case CMI_SESSION_ROTATE:
                return is_named && has_key && is_over_one(request) &&
                       !cmi_id_is_zero(&request->new_key) &&
                       !cmi_id_equal(&request->key, &request->new_key);
        default:
                return false;
        }
}

int cmi_session_request_check(const struct cmi_session_request *request)
{
        if (cmi_id_is_zero(&request->space) || !is_complete(request)) {
                return -EINVAL;
        }
        return cmi_session_has_blob(request->verb) ? check_blob(request) : 0;
}

void cmi_session_request_write(struct cmi_writer *writer, const struct cmi_session_request *request)
{
        cmi_write_map(writer, REQUEST_BLOB);
        cmi_write_field_uint(writer, REQUEST_VERB, request->verb);
        cmi_write_field_id(writer, REQUEST_SPACE, &request->space);
        cmi_write_field_id(writer, REQUEST_KEY, &request->key);
        cmi_write_field_uint(writer, REQUEST_REQUEST, request->request);
        cmi_write_field_uint(writer, REQUEST_TIMEOUT_MS, request->timeout_ms);
        cmi_write_field_uint(writer, REQUEST_LEVEL, request->level);
        cmi_write_field_uint(writer, REQUEST_FLAGS, request->flags);
        cmi_write_field_version(writer, REQUEST_EXPECTED, &request->expected);
        cmi_write_field_holder(writer, REQUEST_HOLDER, &request->holder);
        cmi_write_field_uint(writer, REQUEST_MAX_END, request->max_end_ms);
        cmi_write_field_uint(writer, REQUEST_IDLE_TTL, request->idle_ttl_ms);
        cmi_write_field_id(writer, REQUEST_PRINCIPAL, &request->principal);
        cmi_write_field_bin(writer, REQUEST_TAG, request->tag);
        cmi_write_field_id(writer, REQUEST_SAVE_ID, &request->save_id);
        cmi_write_field_uint(writer, REQUEST_AGE_MS, request->age_ms);
        cmi_write_field_id(writer, REQUEST_NEW_KEY, &request->new_key);
        cmi_write_field_uint(writer, REQUEST_GRACE_MS, request->grace_ms);
        cmi_write_field_uint(writer, REQUEST_BLOB_LEN, request->blob_len);
        cmi_write_field_bin(writer, REQUEST_BLOB, request->blob);
}

static void read_request_times(
                struct cmi_reader *reader, uint64_t key, struct cmi_session_request *request)
{
        switch (key) {
        case REQUEST_TIMEOUT_MS:
                request->timeout_ms = cmi_read_uint(reader, UINT64_MAX);
                break;
        case REQUEST_MAX_END:
                request->max_end_ms = cmi_read_uint(reader, CMI_SESSION_TIME_MAX_MS);
                break;
        case REQUEST_IDLE_TTL:
                request->idle_ttl_ms = cmi_read_uint(reader, CMI_SESSION_LIFE_MAX_MS);
                break;
        case REQUEST_AGE_MS:
                request->age_ms = cmi_read_uint(reader, CMI_SESSION_TIME_MAX_MS);
                break;
        case REQUEST_GRACE_MS:
                request->grace_ms = cmi_read_uint(reader, CMI_SESSION_LIFE_MAX_MS);
                break;
        }
}

static void read_request_names(
                struct cmi_reader *reader, uint64_t key, struct cmi_session_request *request)
{
        switch (key) {
        case REQUEST_SPACE:
                cmi_read_id(reader, &request->space);
                break;
        case REQUEST_KEY:
                cmi_read_id(reader, &request->key);
                break;
        case REQUEST_PRINCIPAL:
                cmi_read_id(reader, &request->principal);
                break;
        case REQUEST_NEW_KEY:
                cmi_read_id(reader, &request->new_key);
                break;
        case REQUEST_SAVE_ID:
                cmi_read_id(reader, &request->save_id);
                break;
        default:
                read_request_times(reader, key, request);
        }
}

static void read_request_field(
                struct cmi_reader *reader, uint64_t key, struct cmi_session_request *request)
{
        switch (key) {
        case REQUEST_VERB:
                request->verb = cmi_read_uint(reader, UINT64_MAX);
                break;
        case REQUEST_REQUEST:
                request->request = cmi_read_uint(reader, UINT64_MAX);
                break;
        case REQUEST_LEVEL:
                request->level = cmi_read_uint(reader, UINT64_MAX);
                break;
        case REQUEST_FLAGS:
                request->flags = cmi_read_uint(reader, UINT64_MAX);
                break;
        case REQUEST_EXPECTED:
                cmi_read_version(reader, &request->expected);
                break;
        case REQUEST_HOLDER:
                cmi_read_holder(reader, &request->holder);
                break;
        case REQUEST_TAG:
                request->tag = cmi_read_bin(reader, CMI_SESSION_TAG_MAX);
                break;
        case REQUEST_BLOB_LEN:
                request->blob_len = cmi_read_uint(reader, UINT64_MAX);
                break;
        case REQUEST_BLOB:
                request->blob = cmi_read_bin(reader, CMI_SESSION_PART_MAX);
                break;
        default:
                read_request_names(reader, key, request);
        }
}

int cmi_session_request_decode(struct cmi_slice bytes, struct cmi_session_request *ret_request)
{
        struct cmi_reader reader = cmi_reader(bytes);
        struct cmi_fields fields = cmi_fields(&reader, REQUEST_BLOB);
        uint64_t key;

        memset(ret_request, 0, sizeof(*ret_request));
        while (cmi_fields_next(&fields, &key)) {
                read_request_field(&reader, key, ret_request);
        }
        return cmi_fields_done(&fields);
}

void cmi_session_part_write(struct cmi_writer *writer, const struct cmi_session_part *part)
{
        cmi_write_map(writer, PART_BYTES);
        cmi_write_field_uint(writer, PART_ID, part->id);
        cmi_write_field_uint(writer, PART_OFFSET, part->offset);
        cmi_write_field_bin(writer, PART_BYTES, part->bytes);
}

int cmi_session_part_decode(struct cmi_slice bytes, struct cmi_session_part *ret_part)
{
        struct cmi_reader reader = cmi_reader(bytes);
        struct cmi_fields fields = cmi_fields(&reader, PART_BYTES);
        uint64_t key;
        int r;

        memset(ret_part, 0, sizeof(*ret_part));
        while (cmi_fields_next(&fields, &key)) {
                switch (key) {
                case PART_ID:
                        ret_part->id = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case PART_OFFSET:
                        ret_part->offset = cmi_read_uint(&reader, CMI_SESSION_BLOB_MAX);
                        break;
                case PART_BYTES:
                        ret_part->bytes = cmi_read_bin(&reader, CMI_SESSION_PART_MAX);
                        break;
                }
        }
        r = cmi_fields_done(&fields);
        return r >= 0 && ret_part->bytes.len == 0 ? -EBADMSG : r;
}

void cmi_session_answer_write(struct cmi_writer *writer, const struct cmi_session_answer *answer)
{
        cmi_write_map(writer, ANSWER_TOKEN);
        cmi_write_uint(writer, ANSWER_OUTCOME);
        cmi_write_int(writer, answer->outcome);
        cmi_write_field_text(writer, ANSWER_TEXT, answer->text);
        cmi_write_field_uint(writer, ANSWER_N_COPIES, answer->n_copies);
        cmi_write_field_version(writer, ANSWER_VERSION, &answer->version);
        cmi_write_field_holder(writer, ANSWER_HOLDER, &answer->holder);
        cmi_write_field_uint(writer, ANSWER_CREATED, answer->created_ms);
        cmi_write_field_uint(writer, ANSWER_MAX_END, answer->max_end_ms);
        cmi_write_field_uint(writer, ANSWER_IDLE_TTL, answer->idle_ttl_ms);
        cmi_write_field_uint(writer, ANSWER_IDLE_MS, answer->idle_ms);
        cmi_write_field_bin(writer, ANSWER_TAG, answer->tag);
        cmi_write_field_version(writer, ANSWER_SEALED_BASE, &answer->sealed_base);
        cmi_write_field_id(writer, ANSWER_SAVE_ID, &answer->save_id);
        cmi_write_field_uint(writer, ANSWER_FLAGS, answer->flags);
        cmi_write_field_bin(writer, ANSWER_BLOB, answer->blob);
        cmi_write_field_uint(writer, ANSWER_TOKEN, answer->token);
}

static void read_answer_content(
                struct cmi_reader *reader, uint64_t key, struct cmi_session_answer *answer)
{
        switch (key) {
        case ANSWER_CREATED:
                answer->created_ms = cmi_read_uint(reader, CMI_SESSION_TIME_MAX_MS);
                break;
        case ANSWER_MAX_END:
                answer->max_end_ms = cmi_read_uint(reader, CMI_SESSION_TIME_MAX_MS);
                break;
        case ANSWER_IDLE_TTL:
                answer->idle_ttl_ms = cmi_read_uint(reader, CMI_SESSION_LIFE_MAX_MS);
                break;
        case ANSWER_IDLE_MS:
                answer->idle_ms = cmi_read_uint(reader, CMI_SESSION_TIME_MAX_MS);
                break;
        case ANSWER_TAG:
                answer->tag = cmi_read_bin(reader, CMI_SESSION_TAG_MAX);
                break;
        case ANSWER_SEALED_BASE:
                cmi_read_version(reader, &answer->sealed_base);
                break;
        case ANSWER_SAVE_ID:
                cmi_read_id(reader, &answer->save_id);
                break;
        case ANSWER_BLOB:
                answer->blob = cmi_read_bin(reader, CMI_SESSION_BLOB_MAX);
                break;
        }
}

static void read_answer_field(
                struct cmi_reader *reader, uint64_t key, struct cmi_session_answer *answer)
{
        switch (key) {
        case ANSWER_OUTCOME:
                answer->outcome = cmi_read_int(reader);
                break;
        case ANSWER_TEXT:
                cmi_read_text(reader, answer->text, sizeof(answer->text));
                break;
        case ANSWER_N_COPIES:
                answer->n_copies = cmi_read_uint(reader, UINT32_MAX);
                break;
        case ANSWER_VERSION:
                cmi_read_version(reader, &answer->version);
                break;
        case ANSWER_HOLDER:
                cmi_read_holder(reader, &answer->holder);
                break;
        case ANSWER_FLAGS:
                answer->flags = cmi_read_uint(reader, UINT64_MAX);
                break;
        case ANSWER_TOKEN:
                answer->token = cmi_read_uint(reader, UINT64_MAX);
                break;
        default:
                read_answer_content(reader, key, answer);
        }
}

int cmi_session_answer_decode(struct cmi_slice bytes, struct cmi_session_answer *ret_answer)
{
        struct cmi_reader reader = cmi_reader(bytes);
        struct cmi_fields fields = cmi_fields(&reader, ANSWER_TOKEN);
        uint64_t key;

        memset(ret_answer, 0, sizeof(*ret_answer));
        while (cmi_fields_next(&fields, &key)) {
                read_answer_field(&reader, key, ret_answer);
        }
        return cmi_fields_done(&fields);
}
