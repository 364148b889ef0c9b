/* SPDX-License-Identifier: MIT */
#include "tests/wire/message.h"
#include "wire/local.h"

static const struct cmi_id id_a = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};
static const struct cmi_id id_b = {
                {16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31}};

MESSAGE(attach, {
                                .version_min = 1,
                                .version_max = 1,
                                .name = "shop",
                                .wants_page = true,
                                .clock = {5000000000, 1700000000000000000},
                })
MESSAGE(attached,
                {
                                .version = 1,
                                .software = "cachemesh 0.1.0",
                                .node = "alpha",
                                .node_id = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
                                .incarnation = 1700000000001,
                                .epoch = 0x0102030405060708,
                                .page_size = 25174016,
                                .clock = {5000100000, 1700000000000100000},
                                .stream = 0x1112131415161718,
                })
MESSAGE(region_request, {
                                        .name = "tree",
                                        .fresh = 1,
                                        .ttl_ms = 60000,
                                        .version = 3,
                                        .budget_bytes = 67108864,
                                        .hold_ms = 2000,
                        })
MESSAGE(region_opened, {.index = 200, .owner = 300})
MESSAGE(publish, {
                                 .op = {"\x95\x01\xa4tree\x91\xc4\x02k1\x90\xc2", 14},
                                 .wait = CMI_WAIT_MESH,
                                 .timeout_ms = 2000,
                 })
MESSAGE(error, {.code = -22, .text = "ATTACH comes first"})

static void write_result_of(struct cmi_writer *writer, const struct cmi_result *result,
                const struct cmi_result_member *members)
{
        cmi_result_write(writer, result);
        for (uint32_t i = 0; i < result->n_members; i++) {
                cmi_result_write_member(writer, &members[i]);
        }
}

static void write_result(struct cmi_writer *writer)
{
        struct cmi_result result = {.outcome = 4,
                        .position = 300,
                        .n_applied = 5,
                        .n_lapsed = 1,
                        .n_unconfirmed = 1,
                        .n_members = 2};
        struct cmi_result_member members[] = {{id_a, cmi_slice_str("alpha"), CMI_MEMBER_LAPSED},
                        {id_b, cmi_slice_str("beta"), CMI_MEMBER_UNCONFIRMED}};

        write_result_of(writer, &result, members);
}

static int recode_result(struct cmi_slice bytes, struct cmi_writer *writer)
{
        static struct cmi_result_member members[CMI_LOCAL_MEMBERS_MAX];
        struct cmi_result result;
        int r = cmi_result_decode(bytes, &result);

        if (r < 0) {
                return r;
        }
        for (uint32_t i = 0; i < result.n_members; i++) {
                members[i] = cmi_result_next_member(&result.members);
        }
        g_assert_cmpint(cmi_read_done(&result.members), ==, 0);
        write_result_of(writer, &result, members);
        return r;
}

static void write_query(struct cmi_writer *writer)
{
        cmi_local_query_write(writer, cmi_slice_str("ping"),
                        cmi_slice("\x82\xa4peer\xa4"
                                  "beta\xaatimeout_ms\xcd\x03\xe8",
                                        25));
}

static int recode_query(struct cmi_slice bytes, struct cmi_writer *writer)
{
        struct cmi_local_query query;
        int r = cmi_local_query_decode(bytes, &query);

        if (r >= 0) {
                cmi_local_query_write(writer, query.verb, query.arguments);
        }
        return r;
}

static void write_answer(struct cmi_writer *writer)
{
        cmi_document_write_head(writer);
        cmi_write_map(writer, 2);
        cmi_write_cstr(writer, "schema");
        cmi_write_cstr(writer, "cachemesh.ping/1");
        cmi_write_cstr(writer, "peers");
        cmi_write_array(writer, 1);
        cmi_write_map(writer, 2);
        cmi_write_cstr(writer, "name");
        cmi_write_cstr(writer, "beta");
        cmi_write_cstr(writer, "rtt_us");
        cmi_write_uint(writer, 85);
}

static int recode_answer(struct cmi_slice bytes, struct cmi_writer *writer)
{
        struct cmi_slice document;
        int r = cmi_document_decode(bytes, &document);

        if (r >= 0) {
                cmi_document_write_head(writer);
                cmi_write_raw(writer, document);
        }
        return r;
}

static const struct message messages[] = {
                {.name = "local-attach", .write_golden = write_attach, .recode = recode_attach},
                {.name = "local-attached",
                                .write_golden = write_attached,
                                .recode = recode_attached},
                {.name = "local-region",
                                .write_golden = write_region_request,
                                .recode = recode_region_request},
                {.name = "local-region-opened",
                                .write_golden = write_region_opened,
                                .recode = recode_region_opened},
                {.name = "local-publish", .write_golden = write_publish, .recode = recode_publish},
                {.name = "local-result",
                                .write_golden = write_result,
                                .recode = recode_result,
                                .signed_key = 1},
                {.name = "local-query", .write_golden = write_query, .recode = recode_query},
                {.name = "local-answer",
                                .write_golden = write_answer,
                                .recode = recode_answer,
                                .free_key = 1},
                {.name = "local-error",
                                .write_golden = write_error,
                                .recode = recode_error,
                                .signed_key = 1},
};

static struct cmi_slice region_message(void)
{
        static uint8_t buffer[64];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));
        size_t begin = cmi_local_begin(&writer, CMI_LOCAL_REGION_OPENED, 9);

        cmi_region_opened_write(&writer, &(struct cmi_region_opened){200, 5});
        cmi_local_end(&writer, begin);
        g_assert_cmpint(writer.error, ==, 0);
        return cmi_written(&writer);
}

static void the_exchange_in_the_reference_is_what_is_written(void)
{
        uint8_t buffer[256];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));
        size_t begin = cmi_local_begin(&writer, CMI_LOCAL_REGION, 9);

        write_region_request(&writer);
        cmi_local_end(&writer, begin);
        g_assert_true(reference_shows(cmi_written(&writer)));
        g_assert_true(reference_shows(region_message()));
}

static void the_operation_in_the_reference_is_what_is_written(void)
{
        uint8_t buffer[256];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

        cmi_op_write_begin(&writer, cmi_slice_str("tree"), 2);
        cmi_write_bin(&writer, cmi_slice_str("k1"));
        cmi_write_bin(&writer, cmi_slice_str("k22"));
        cmi_op_write_tags(&writer, 1);
        cmi_write_bin(&writer, cmi_slice_str("t"));
        cmi_op_write_end(&writer, false);
        g_assert_true(reference_shows(cmi_written(&writer)));
}

static int decode_payload(struct cmi_slice payload)
{
        struct cmi_local_head head;

        return cmi_local_decode(payload, &head);
}

static void a_message_is_length_type_id_and_fields(void)
{
        struct cmi_slice payload;
        struct cmi_local_head head;
        struct cmi_region_opened opened;

        assert_same_bytes(region_message(),
                        cmi_slice("\x0a\x00\x00\x00\x93\xcc\x82\x09\x82\x01\xcc\xc8\x02\x05", 14));
        g_assert_cmpint(cmi_local_split(region_message(), CMI_LOCAL_ANSWER_MAX, &payload), ==, 14);
        g_assert_cmpint(cmi_local_decode(payload, &head), ==, 0);
        g_assert_cmpuint(head.type, ==, CMI_LOCAL_REGION_OPENED);
        g_assert_cmpuint(head.id, ==, 9);
        g_assert_cmpint(cmi_region_opened_decode(head.fields, &opened), ==, 0);
        g_assert_cmpuint(opened.index, ==, 200);
        g_assert_cmpuint(opened.owner, ==, 5);
}

static void several_messages_share_a_writer_and_are_split_in_order(void)
{
        uint8_t buffer[256];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));
        struct cmi_slice rest;
        struct cmi_slice payload;
        struct cmi_local_head head;
        int64_t taken;

        for (uint64_t id = 1; id <= 3; id++) {
                size_t begin = cmi_local_begin(&writer, CMI_LOCAL_QUERY, id);

                cmi_local_query_write(&writer, cmi_slice_str("status"), cmi_slice(NULL, 0));
                cmi_local_end(&writer, begin);
        }
        rest = cmi_written(&writer);
        for (uint64_t id = 1; id <= 3; id++) {
                taken = cmi_local_split(rest, CMI_LOCAL_REQUEST_MAX, &payload);
                g_assert_cmpint(taken, >, 0);
                g_assert_cmpint(cmi_local_decode(payload, &head), ==, 0);
                g_assert_cmpuint(head.id, ==, id);
                rest = cmi_slice((const uint8_t *)rest.data + taken, rest.len - (size_t)taken);
        }
        g_assert_cmpint(cmi_local_split(rest, CMI_LOCAL_REQUEST_MAX, &payload), ==, 0);
}

static void a_message_that_is_not_complete_yet_is_waited_for(void)
{
        struct cmi_slice message = region_message();
        struct cmi_slice payload;

        for (size_t len = 0; len < message.len; len++) {
                struct cmi_slice cut = exact_copy(cmi_slice(message.data, len));

                g_assert_cmpint(cmi_local_split(cut, CMI_LOCAL_REQUEST_MAX, &payload), ==, 0);
                g_free((void *)cut.data);
        }
}

static void an_announced_length_out_of_bounds_is_refused_at_once(void)
{
        struct cmi_slice payload;

        g_assert_cmpint(cmi_local_split(cmi_slice("\0\0\0\0", 4), 100, &payload), ==, -EMSGSIZE);
        g_assert_cmpint(cmi_local_split(cmi_slice("\x64\0\0\0", 4), 100, &payload), ==, 0);
        g_assert_cmpint(cmi_local_split(cmi_slice("\x65\0\0\0", 4), 100, &payload), ==, -EMSGSIZE);
        g_assert_cmpint(cmi_local_split(cmi_slice("\xff\xff\xff\xff", 4), CMI_LOCAL_ANSWER_MAX,
                                        &payload),
                        ==, -EMSGSIZE);
        g_assert_cmpint(cmi_local_split(cmi_slice("GET / HTTP/1.1\r\n", 16), CMI_LOCAL_REQUEST_MAX,
                                        &payload),
                        ==, -EMSGSIZE);
}

static void a_payload_cut_short_is_refused_and_mutation_does_no_harm(void)
{
        struct cmi_slice payload;

        g_assert_cmpint(cmi_local_split(region_message(), CMI_LOCAL_REQUEST_MAX, &payload), >, 0);
        assert_truncation_is_refused(payload, decode_payload);
        mutate_and_decode(payload, decode_payload, test_seed());
}

static void what_is_not_a_payload_is_refused(void)
{
        static const struct {
                const char *hex;
                int error;
        } cases[] = {
                        {"93 01 02 80", 0},
                        {"95 01 02 80 c0 81 01 91 02", 0}, /* a newer version appends */
                        {"93 ce00010000 02 80", 0},        /* and has types of its own */
                        {"92 01 02", -EBADMSG},
                        {"90", -EBADMSG},
                        {"", -EBADMSG},
                        {"80", -EBADMSG},
                        {"93 ff 02 80", -EBADMSG},
                        {"93 01 a0 80", -EBADMSG},
                        {"93 01 02 90", -EBADMSG},
                        {"93 01 02 c0", -EBADMSG},
                        {"93 01 02 80 00", -EBADMSG},
                        {"93 01 02 81 01 91 91 91 05", 0},
                        {"93 01 02 81 01 91 91 91 90", -EMSGSIZE},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(GByteArray) bytes = bytes_of_hex(cases[i].hex);

                g_test_message("%s", cases[i].hex);
                g_assert_cmpint(decode_payload(cmi_slice(bytes->data, bytes->len)), ==,
                                cases[i].error);
        }
}

static void a_message_that_does_not_fit_leaves_an_error_and_nothing_outside(void)
{
        struct cmi_slice whole = region_message();

        for (size_t capacity = 0; capacity < whole.len; capacity++) {
                g_autofree uint8_t *buffer = g_malloc(capacity);
                struct cmi_writer writer = cmi_writer(buffer, capacity);
                size_t begin = cmi_local_begin(&writer, CMI_LOCAL_REGION_OPENED, 9);

                cmi_region_opened_write(&writer, &(struct cmi_region_opened){200, 5});
                cmi_local_end(&writer, begin);
                g_assert_cmpint(writer.error, ==, -EMSGSIZE);
        }
}

/* A one-field message with a str of @len bytes. */
static struct cmi_slice message_with_text(uint64_t key, size_t len)
{
        static uint8_t buffer[1024];
        g_autofree char *text = g_strnfill(len, 't');
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

        cmi_write_map(&writer, 1);
        cmi_write_uint(&writer, key);
        cmi_write_cstr(&writer, text);
        g_assert_cmpint(writer.error, ==, 0);
        return cmi_written(&writer);
}

static void texts_end_at_their_limits(void)
{
        static const struct {
                size_t message;
                uint64_t key;
                size_t max;
        } cases[] = {{0, 3, CMI_LOCAL_NAME_MAX}, {1, 2, 32}, {1, 3, CMI_LOCAL_NAME_MAX},
                        {2, 1, CMI_REGION_NAME_MAX}, {6, 1, CMI_LOCAL_NAME_MAX},
                        {8, 2, CMI_LOCAL_TEXT_MAX}};

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                const struct message *message = &messages[cases[i].message];

                g_test_message("%s %u", message->name, (unsigned int)cases[i].key);
                g_assert_cmpint(message_decode(message,
                                                message_with_text(cases[i].key, cases[i].max)),
                                ==, 0);
                g_assert_cmpint(message_decode(message,
                                                message_with_text(cases[i].key, cases[i].max + 1)),
                                ==, -EMSGSIZE);
        }
}

static void an_operation_to_publish_ends_at_its_limit(void)
{
        static uint8_t op[CMI_OP_SIZE_MAX + 1];
        static uint8_t buffer[CMI_LOCAL_REQUEST_MAX];

        for (size_t excess = 0; excess < 2; excess++) {
                struct cmi_publish publish = {.op = cmi_slice(op, CMI_OP_SIZE_MAX + excess),
                                .wait = UINT64_MAX,
                                .timeout_ms = UINT64_MAX};
                struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));
                size_t begin = cmi_local_begin(&writer, CMI_LOCAL_PUBLISH, UINT64_MAX);
                struct cmi_local_head head;
                struct cmi_slice payload;

                cmi_publish_write(&writer, &publish);
                cmi_local_end(&writer, begin);
                g_assert_cmpint(writer.error, ==, 0);
                g_assert_cmpint(cmi_local_split(cmi_written(&writer), CMI_LOCAL_REQUEST_MAX,
                                                &payload),
                                >, 0);
                g_assert_cmpint(cmi_local_decode(payload, &head), ==, 0);
                g_assert_cmpint(cmi_publish_decode(head.fields, &publish), ==,
                                excess ? -EMSGSIZE : 0);
        }
}

static void a_result_lists_as_many_members_as_allowed(void)
{
        static struct cmi_result_member members[CMI_LOCAL_MEMBERS_MAX + 1];
        static uint8_t buffer[CMI_LOCAL_ANSWER_MAX];
        static char name[CMI_LOCAL_NAME_MAX];
        struct cmi_result result = {.outcome = INT64_MIN, .position = UINT64_MAX};

        memset(name, 'n', sizeof(name));
        for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
                members[i].name = cmi_slice(name, sizeof(name));
        }
        for (uint32_t excess = 0; excess < 2; excess++) {
                struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

                result.n_members = CMI_LOCAL_MEMBERS_MAX + excess;
                write_result_of(&writer, &result, members);
                g_assert_cmpint(writer.error, ==, 0);
                g_assert_cmpint(message_decode(&messages[5], cmi_written(&writer)), ==,
                                excess ? -EMSGSIZE : 0);
        }
}

static void a_query_needs_no_arguments_and_an_answer_needs_its_document(void)
{
        struct cmi_local_query query;
        struct cmi_slice document;

        g_assert_cmpint(cmi_local_query_decode(message_with_text(1, 4), &query), ==, 0);
        assert_same_bytes(query.verb, cmi_slice_str("tttt"));
        g_assert_cmpuint(query.arguments.len, ==, 0);
        g_assert_cmpint(cmi_document_decode(cmi_slice("\x80", 1), &document), ==, -EBADMSG);
        g_assert_cmpint(cmi_document_decode(cmi_slice("\x81\x01\xc0", 3), &document), ==, 0);
        assert_same_bytes(document, cmi_slice("\xc0", 1));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add_func("/local/" #name, name)
        message_reference = "local-protocol";
        CASE(the_exchange_in_the_reference_is_what_is_written);
        CASE(the_operation_in_the_reference_is_what_is_written);
        CASE(a_message_is_length_type_id_and_fields);
        CASE(several_messages_share_a_writer_and_are_split_in_order);
        CASE(a_message_that_is_not_complete_yet_is_waited_for);
        CASE(an_announced_length_out_of_bounds_is_refused_at_once);
        CASE(a_payload_cut_short_is_refused_and_mutation_does_no_harm);
        CASE(what_is_not_a_payload_is_refused);
        CASE(a_message_that_does_not_fit_leaves_an_error_and_nothing_outside);
        CASE(texts_end_at_their_limits);
        CASE(an_operation_to_publish_ends_at_its_limit);
        CASE(a_result_lists_as_many_members_as_allowed);
        CASE(a_query_needs_no_arguments_and_an_answer_needs_its_document);
        for (size_t i = 0; i < G_N_ELEMENTS(messages); i++) {
                message_add_cases("local", &messages[i]);
        }
        return g_test_run();
}
