/* SPDX-License-Identifier: MIT */
/* A receive buffer of the local protocol: split, opened, and its fields given to every decoder. */
#include "tests/fuzz/round_trip.h"
#include "wire/load.h"
#include "wire/session_local.h"

static void check_result(struct cmi_slice fields)
{
        struct cmi_result result;

        if (cmi_result_decode(fields, &result) >= 0) {
                for (uint32_t i = 0; i < result.n_members; i++) {
                        fuzz_require(cmi_result_next_member(&result.members).name.len <=
                                        CMI_LOCAL_NAME_MAX);
                }
                fuzz_require(cmi_read_done(&result.members) == 0);
        }
}

static void check_query(struct cmi_slice fields)
{
        struct cmi_local_query query;
        struct cmi_slice document;

        if (cmi_local_query_decode(fields, &query) >= 0) {
                fuzz_require(query.verb.len <= CMI_LOCAL_NAME_MAX);
        }
        if (cmi_document_decode(fields, &document) == 0) {
                fuzz_require(document.len > 0);
        }
}

/* What apps hand each other through meshd: within the limits of an entry. */
static void check_record(struct cmi_slice fields)
{
        struct cmi_load_record record;

        ROUND_TRIP(load_record, fields);
        if (cmi_load_record_decode(fields, &record) >= 0) {
                fuzz_require(record.value.len <= CMI_LOAD_VALUE_MAX);
                fuzz_require(record.n_tags <= CMI_LOAD_TAGS_MAX);
                for (uint32_t i = 0; i < record.n_tags; i++) {
                        fuzz_require(record.tags[i].len >= 1 && record.tags[i].len <= CMI_TAG_MAX);
                }
        }
}

/* A request that passes its check is within the limits of a session. */
static void check_session(struct cmi_slice fields)
{
        static struct cmi_session_request request;

        ROUND_TRIP(session_request, fields);
        ROUND_TRIP(session_part, fields);
        ROUND_TRIP(session_answer, fields);
        if (cmi_session_request_decode(fields, &request) >= 0 &&
                        cmi_session_request_check(&request) == 0 &&
                        cmi_session_has_blob(request.verb)) {
                fuzz_require(request.blob_len <= CMI_SESSION_BLOB_MAX);
                fuzz_require(request.blob.len <= request.blob_len);
                fuzz_require(request.tag.len <= CMI_SESSION_TAG_MAX);
        }
}

static void check_fields(struct cmi_slice fields)
{
        ROUND_TRIP(attach, fields);
        ROUND_TRIP(attached, fields);
        ROUND_TRIP(region_request, fields);
        ROUND_TRIP(region_opened, fields);
        ROUND_TRIP(publish, fields);
        ROUND_TRIP(error, fields);
        ROUND_TRIP(load, fields);
        ROUND_TRIP(load_state, fields);
        ROUND_TRIP(loaded, fields);
        check_record(fields);
        check_session(fields);
        check_result(fields);
        check_query(fields);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct cmi_slice rest = cmi_slice(data, size);
        struct cmi_slice payload;
        struct cmi_local_head head;
        int64_t taken;

        check_fields(rest);
        while ((taken = cmi_local_split(rest, CMI_LOCAL_REQUEST_MAX, &payload)) > 0) {
                if (cmi_local_decode(payload, &head) == 0) {
                        check_fields(head.fields);
                }
                rest = cmi_slice((const uint8_t *)rest.data + taken, rest.len - (size_t)taken);
        }
        return 0;
}
