/* SPDX-License-Identifier: MIT */
/* A receive buffer of the local protocol: split, opened, and its fields given to every decoder. */
#include "tests/fuzz/fuzz.h"
#include "wire/load.h"

static uint8_t once[1 << 17];
static uint8_t twice[1 << 17];

#define ROUND_TRIP(noun)                                                                           \
        do {                                                                                       \
                struct cmi_##noun value;                                                           \
                struct cmi_writer first = cmi_writer(once, sizeof(once));                          \
                struct cmi_writer second = cmi_writer(twice, sizeof(twice));                       \
                                                                                                   \
                if (cmi_##noun##_decode(fields, &value) >= 0) {                                    \
                        cmi_##noun##_write(&first, &value);                                        \
                        fuzz_require(first.error == 0);                                            \
                        fuzz_require(cmi_##noun##_decode(cmi_written(&first), &value) == 0);       \
                        cmi_##noun##_write(&second, &value);                                       \
                        fuzz_require(cmi_slice_equal(cmi_written(&first), cmi_written(&second)));  \
                }                                                                                  \
        } while (0)

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

        ROUND_TRIP(load_record);
        if (cmi_load_record_decode(fields, &record) >= 0) {
                fuzz_require(record.value.len <= CMI_LOAD_VALUE_MAX);
                fuzz_require(record.n_tags <= CMI_LOAD_TAGS_MAX);
                for (uint32_t i = 0; i < record.n_tags; i++) {
                        fuzz_require(record.tags[i].len >= 1 && record.tags[i].len <= CMI_TAG_MAX);
                }
        }
}

static void check_fields(struct cmi_slice fields)
{
        ROUND_TRIP(attach);
        ROUND_TRIP(attached);
        ROUND_TRIP(region_request);
        ROUND_TRIP(region_opened);
        ROUND_TRIP(publish);
        ROUND_TRIP(error);
        ROUND_TRIP(load);
        ROUND_TRIP(load_state);
        ROUND_TRIP(loaded);
        check_record(fields);
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
