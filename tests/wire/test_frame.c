/* SPDX-License-Identifier: MIT */
#include "tests/wire/message.h"
#include "wire/frame.h"

static const struct cmi_endpoint endpoint_v4 = {
                .family = 4, .port = 6781, .address = {192, 168, 1, 10}};
static const struct cmi_endpoint endpoint_v6 = {
                .family = 6, .port = 6782, .address = {0xfd, [15] = 1}};

/* Each message with its golden value, and its decoder followed by its writer. */
MESSAGE(hello, {
                               .protocol_min = 1,
                               .protocol_max = 1,
                               .name = "alpha",
                               .software = "cachemesh 0.1.0",
                               .lease_ms = 1000,
                               .newest = {0x0102030405060708, 300},
                               .oldest = 17,
                               .previous = {0x1112131415161718, 99},
                               .applied = {0x2122232425262728, 70000},
                               .endpoints = {{.family = 4,
                                                             .port = 6781,
                                                             .address = {192, 168, 1, 10}},
                                               {.family = 6,
                                                               .port = 6782,
                                                               .address = {0xfd, [15] = 1}}},
                               .n_endpoints = 2,
                               .link_token = 0x3132333435363738,
                               .echo_token = 0x4142434445464748,
                               .members = 0x5152535455565758,
                               .wants_answer = true,
                               .has_intents = true,
                               .wants_reset = true,
                               .gone_ms = 3000,
                               .is_live = true,
                               .has_no_room = true,
                               .takes_messages = true,
               })
MESSAGE(beat, {
                              .clock = {5000000000, 1700000000000000000},
                              .echo = {7000000000, 1700000000100000000},
                              .newest = {0x0102030405060708, 300},
                              .applied = {0x2122232425262728, 70000},
                              .is_grant = true,
                              .counts_you = true,
                              .wants_beat = false,
                              .is_live = true,
                              .members = 0x5152535455565758,
                              .lag_ns = 1500000,
                              .sent = 290,
                              .held_ns = 150000,
                              .regions = 0x6162636465666768,
              })
MESSAGE(nack, {.stream = 0x0102030405060708, .after = 300, .wants_reset = true})

static void write_reset(struct cmi_writer *writer)
{
        static const struct cmi_reset golden = {.at = {0x0102030405060708, 300},
                        .part = 1,
                        .has_more = true,
                        .hold_ms = 1500,
                        .n_holds = 2,
                        .holds = {{0x7172737475767778, 1500}, {0, 700}},
                        .n_intents = 1};
        uint8_t op[64];
        struct cmi_writer begin = cmi_writer(op, sizeof(op));

        cmi_op_write_intent(&begin, CMI_OP_INTENT_BEGIN, cmi_slice_str("tree"), 1);
        cmi_write_bin(&begin, cmi_slice_str("k"));
        cmi_op_write_tags(&begin, 0);
        cmi_op_write_deadline(&begin, 5000);
        cmi_reset_write(writer, &golden);
        cmi_reset_write_intent(writer, &(struct cmi_intent){
                                                       .origin = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
                                                                       11, 12, 13, 14, 15}},
                                                       .stream = 0x1112131415161718,
                                                       .number = 99,
                                                       .left_ns = 4900000000,
                                                       .op = cmi_written(&begin),
                                       });
}

static int recode_reset(struct cmi_slice bytes, struct cmi_writer *writer)
{
        struct cmi_reset reset;
        int r = cmi_reset_decode(bytes, &reset);

        if (r >= 0) {
                cmi_reset_write(writer, &reset);
        }
        for (uint32_t i = 0; r >= 0 && i < reset.n_intents; i++) {
                struct cmi_intent intent = cmi_reset_next(&reset);

                cmi_reset_write_intent(writer, &intent);
        }
        return r;
}

MESSAGE(goodbye, {.final = {0x0102030405060708, 300}})
MESSAGE(refuse, {.code = CMI_REFUSED_INCARNATION,
                                .incarnation = 1700000000001,
                                .reason = "a newer incarnation of this node is known"})
MESSAGE(members,
                {
                                .is_request = false,
                                .n_members = 2,
                                .members = {{.id = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
                                                             14, 15}},
                                                            .incarnation = 1700000000001,
                                                            .state = 2,
                                                            .name = "alpha",
                                                            .endpoints = {{.family = 4,
                                                                            .port = 6781,
                                                                            .address = {192, 168, 1,
                                                                                            10}}},
                                                            .n_endpoints = 1},
                                                {.id = {{16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
                                                                 27, 28, 29, 30, 31}},
                                                                .incarnation = 5,
                                                                .state = 4,
                                                                .name = "beta"}},
                })
MESSAGE(regions, {.digest = 0x6162636465666768,
                                 .n_regions = 2,
                                 .regions = {{0x7172737475767778, 1, 60000, 2000},
                                                 {0x8182838485868788, 0, 0, 0}}})
MESSAGE(post, {.number = 300, .message = {"hello", 5}})
MESSAGE(query, {.id = 7, .kind = CMI_QUERY_LINKS})
MESSAGE(answer, {
                                .id = 7,
                                .kind = CMI_QUERY_LINKS,
                                .n_links = 2,
                                .links = {{.id = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
                                                           15}},
                                                          .is_heard = true,
                                                          .hears_me = true},
                                                {.id = {{16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
                                                                 27, 28, 29, 30, 31}},
                                                                .is_heard = true,
                                                                .hears_me = false}},
                })

/* Two operations: key "k1" of region "tree", and ALL. */
static const char golden_run[] =
                "\x0e\0\0\0\x95\x01\xa4tree\x91\xc4\x02k1\x90\xc2\x02\0\0\0\x91\x02";
enum {
        GOLDEN_RUN_LEN = sizeof(golden_run) - 1,
};

static void write_ops_of(struct cmi_writer *writer, const struct cmi_ops *ops)
{
        cmi_ops_write_head(writer, ops);
        cmi_write_raw(writer, ops->run);
}

static void write_ops(struct cmi_writer *writer)
{
        write_ops_of(writer, &(struct cmi_ops){.stream = 0x0102030405060708,
                                             .first = 299,
                                             .count = 2,
                                             .flags = CMI_OPS_WANT_ACK,
                                             .run = {golden_run, GOLDEN_RUN_LEN}});
}

static int recode_ops(struct cmi_slice bytes, struct cmi_writer *writer)
{
        struct cmi_ops ops;
        int r = cmi_ops_decode(bytes, &ops);

        if (r >= 0) {
                write_ops_of(writer, &ops);
        }
        return r;
}

static const struct message messages[] = {
                {.name = "hello", .write_golden = write_hello, .recode = recode_hello},
                {.name = "beat", .write_golden = write_beat, .recode = recode_beat},
                {.name = "ops", .write_golden = write_ops, .recode = recode_ops},
                {.name = "nack", .write_golden = write_nack, .recode = recode_nack},
                {.name = "reset", .write_golden = write_reset, .recode = recode_reset},
                {.name = "goodbye", .write_golden = write_goodbye, .recode = recode_goodbye},
                {.name = "refuse", .write_golden = write_refuse, .recode = recode_refuse},
                {.name = "members", .write_golden = write_members, .recode = recode_members},
                {.name = "query", .write_golden = write_query, .recode = recode_query},
                {.name = "answer", .write_golden = write_answer, .recode = recode_answer},
                {.name = "regions", .write_golden = write_regions, .recode = recode_regions},
                {.name = "post", .write_golden = write_post, .recode = recode_post},
};

/* As a meshd wrote it that knew of no hold_ms, and as a later one may. */
static void a_list_of_regions_is_read_without_a_hold_and_with_more_than_that(void)
{
        static const uint8_t bytes[] = {
                        0x82, 1, 9, 2, 0x92, 0x93, 7, 1, 100, 0x95, 8, 0, 0, 50, 0xc0};
        static struct cmi_regions regions;

        g_assert_cmpint(cmi_regions_decode(cmi_slice(bytes, sizeof(bytes)), &regions), ==, 0);
        g_assert_cmpuint(regions.n_regions, ==, 2);
        g_assert_cmpuint(regions.regions[0].ttl_ms, ==, 100);
        g_assert_cmpuint(regions.regions[0].hold_ms, ==, CMI_HOLD_UNTOLD);
        g_assert_cmpuint(regions.regions[1].name, ==, 8);
        g_assert_cmpuint(regions.regions[1].hold_ms, ==, 50);
}

static void keys_are_in_an_answer_about_keys_and_in_no_other(void)
{
        static struct cmi_answer answer = {
                        .id = 7, .kind = CMI_QUERY_KEYS, .has_keys = true, .n_keys = 2};
        static struct cmi_answer got;
        uint8_t buffer[256];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

        answer.keys[0] = UINT64_MAX;
        answer.keys[1] = 5;
        cmi_answer_write(&writer, &answer);
        g_assert_cmpint(cmi_answer_decode(cmi_written(&writer), &got), ==, 0);
        g_assert_true(got.has_keys);
        g_assert_cmpuint(got.n_keys, ==, 2);
        g_assert_cmpmem(got.keys, 2 * sizeof(*got.keys), answer.keys, 2 * sizeof(*answer.keys));
        /* As from one that does not know the question. */
        writer = cmi_writer(buffer, sizeof(buffer));
        answer.has_keys = false;
        cmi_answer_write(&writer, &answer);
        g_assert_cmpint(cmi_answer_decode(cmi_written(&writer), &got), ==, 0);
        g_assert_false(got.has_keys);
        g_assert_cmpuint(got.n_keys, ==, 0);
}

static void a_missing_field_is_zero(void)
{
        struct cmi_hello hello;
        struct cmi_beat beat;
        struct cmi_members members;

        memset(&hello, 1, sizeof(hello));
        g_assert_cmpint(cmi_hello_decode(cmi_slice("\x80", 1), &hello), ==, 0);
        g_assert_cmpstr(hello.name, ==, "");
        g_assert_cmpuint(hello.newest.stream, ==, 0);
        g_assert_cmpuint(hello.n_endpoints, ==, 0);
        g_assert_cmpuint(hello.gone_ms, ==, 0);
        g_assert_false(hello.is_live || hello.has_no_room || hello.takes_messages);
        memset(&beat, 1, sizeof(beat));
        g_assert_cmpint(cmi_beat_decode(cmi_slice("\x80", 1), &beat), ==, 0);
        g_assert_false(beat.is_grant);
        memset(&members, 1, sizeof(members));
        g_assert_cmpint(cmi_members_decode(cmi_slice("\x80", 1), &members), ==, 0);
        g_assert_cmpuint(members.n_members, ==, 0);
}

static void a_record_does_not_reach_into_what_follows_it(void)
{
        struct cmi_reset reset;

        g_assert_cmpint(cmi_reset_decode(cmi_slice("\x81\x01\x92\x05\x06", 5), &reset), ==, 0);
        g_assert_cmpint(cmi_reset_decode(cmi_slice("\x81\x01\x91\x05\x06", 5), &reset), ==,
                        -EBADMSG);
}

static int decode_hello_hex(const char *hex)
{
        g_autoptr(GByteArray) bytes = bytes_of_hex(hex);
        struct cmi_hello hello;

        return cmi_hello_decode(slice_of(bytes), &hello);
}

static void a_name_with_control_or_broken_characters_is_refused(void)
{
        g_assert_cmpint(decode_hello_hex("81 03 a2 6162"), ==, 0);
        g_assert_cmpint(decode_hello_hex("81 03 a2 c3a4"), ==, 0);
        g_assert_cmpint(decode_hello_hex("81 03 a2 6100"), ==, -EBADMSG);
        g_assert_cmpint(decode_hello_hex("81 03 a2 1b5b"), ==, -EBADMSG);
        g_assert_cmpint(decode_hello_hex("81 03 a2 c328"), ==, -EBADMSG);
}

static void an_endpoint_that_is_none_is_refused(void)
{
        g_assert_cmpint(decode_hello_hex("81 0a 91 92 c4 04 7f000001 01"), ==, 0);
        g_assert_cmpint(decode_hello_hex("81 0a 91 92 c4 04 7f000001 00"), ==, -EBADMSG);
        g_assert_cmpint(decode_hello_hex("81 0a 91 92 c4 04 7f000001 cdffff"), ==, 0);
        g_assert_cmpint(decode_hello_hex("81 0a 91 92 c4 04 7f000001 ce00010000"), ==, -EMSGSIZE);
        g_assert_cmpint(decode_hello_hex("81 0a 91 92 c4 03 7f0000 01"), ==, -EBADMSG);
        g_assert_cmpint(decode_hello_hex("81 0a 91 91 c4 04 7f000001"), ==, -EBADMSG);
        g_assert_cmpint(decode_hello_hex("81 0a 91 92 a4 7f000001 01"), ==, -EBADMSG);
        /* IPv4-mapped: must come as IPv4 */
        g_assert_cmpint(decode_hello_hex("81 0a 91 92 c4 10 00000000000000000000ffff7f000001 01"),
                        ==, -EBADMSG);
        g_assert_cmpint(decode_hello_hex("81 0a 91 92 c4 11 0000000000000000000000000000000000 01"),
                        ==, -EMSGSIZE);
}

static void an_endpoint_travels_without_its_scope(void)
{
        struct cmi_hello hello = {.n_endpoints = 2, .endpoints = {endpoint_v4, endpoint_v6}};
        struct cmi_hello got;
        uint8_t buffer[512];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

        hello.endpoints[1].scope = 3;
        cmi_hello_write(&writer, &hello);
        g_assert_cmpint(cmi_hello_decode(cmi_written(&writer), &got), ==, 0);
        g_assert_true(cmi_endpoint_equal(&got.endpoints[0], &endpoint_v4));
        g_assert_true(cmi_endpoint_equal(&got.endpoints[1], &endpoint_v6));
}

static void texts_and_lists_of_a_hello_end_at_their_limits(void)
{
        g_autofree char *name = g_strnfill(CMI_NAME_MAX + 1, 'n');
        uint8_t buffer[512];
        struct cmi_hello hello;

        for (uint32_t excess = 0; excess < 2; excess++) {
                struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

                cmi_write_map(&writer, 1);
                cmi_write_uint(&writer, 3);
                cmi_write_str(&writer, cmi_slice(name, CMI_NAME_MAX + excess));
                g_assert_cmpint(cmi_hello_decode(cmi_written(&writer), &hello), ==,
                                excess ? -EMSGSIZE : 0);

                writer = cmi_writer(buffer, sizeof(buffer));
                cmi_write_map(&writer, 1);
                cmi_write_uint(&writer, 4);
                cmi_write_str(&writer, cmi_slice(name, sizeof(hello.software) - 1 + excess));
                g_assert_cmpint(cmi_hello_decode(cmi_written(&writer), &hello), ==,
                                excess ? -EMSGSIZE : 0);

                writer = cmi_writer(buffer, sizeof(buffer));
                cmi_write_map(&writer, 1);
                cmi_write_uint(&writer, 10);
                cmi_write_array(&writer, CMI_ENDPOINTS_MAX + excess);
                for (uint32_t i = 0; i < CMI_ENDPOINTS_MAX + excess; i++) {
                        cmi_write_raw(&writer, cmi_slice("\x92\xc4\x04\x7f\0\0\1\5", 8));
                }
                g_assert_cmpint(cmi_hello_decode(cmi_written(&writer), &hello), ==,
                                excess ? -EMSGSIZE : 0);
        }
}

static void full_members_and_answers_fit_a_frame_and_one_more_is_refused(void)
{
        static struct cmi_members members = {.n_members = CMI_MEMBERS_PAGE};
        static struct cmi_answer answer = {.n_links = CMI_ANSWER_LINKS_MAX};
        static struct cmi_members got_members;
        static struct cmi_answer got_answer;
        static uint8_t buffer[CMI_FRAME_BODY_MAX];
        struct cmi_writer writer;

        for (uint32_t i = 0; i < CMI_MEMBERS_PAGE; i++) {
                struct cmi_member *member = &members.members[i];

                member->incarnation = UINT64_MAX;
                member->state = UINT64_MAX;
                memset(member->name, 'n', CMI_NAME_MAX);
                for (uint32_t k = 0; k < CMI_ENDPOINTS_MAX; k++) {
                        member->endpoints[k] = endpoint_v6;
                }
                member->n_endpoints = CMI_ENDPOINTS_MAX;
        }
        writer = cmi_writer(buffer, sizeof(buffer));
        cmi_members_write(&writer, &members);
        g_assert_cmpint(writer.error, ==, 0);
        g_assert_cmpint(cmi_members_decode(cmi_written(&writer), &got_members), ==, 0);
        g_assert_cmpuint(got_members.n_members, ==, CMI_MEMBERS_PAGE);
        g_assert_cmpstr(got_members.members[CMI_MEMBERS_PAGE - 1].name, ==,
                        members.members[0].name);

        writer = cmi_writer(buffer, sizeof(buffer));
        cmi_answer_write(&writer, &answer);
        g_assert_cmpint(writer.error, ==, 0);
        g_assert_cmpint(cmi_answer_decode(cmi_written(&writer), &got_answer), ==, 0);
        g_assert_cmpuint(got_answer.n_links, ==, CMI_ANSWER_LINKS_MAX);

        writer = cmi_writer(buffer, sizeof(buffer));
        cmi_write_map(&writer, 1);
        cmi_write_uint(&writer, 2);
        cmi_write_array(&writer, CMI_MEMBERS_PAGE + 1);
        cmi_write_raw(&writer, cmi_slice(answer.links, CMI_MEMBERS_PAGE + 1)); /* zeros */
        g_assert_cmpint(cmi_members_decode(cmi_written(&writer), &got_members), ==, -EMSGSIZE);

        writer = cmi_writer(buffer, sizeof(buffer));
        cmi_write_map(&writer, 1);
        cmi_write_uint(&writer, 3);
        cmi_write_array(&writer, CMI_ANSWER_LINKS_MAX + 1);
        cmi_write_raw(&writer, cmi_slice(answer.links, CMI_ANSWER_LINKS_MAX + 1));
        g_assert_cmpint(cmi_answer_decode(cmi_written(&writer), &got_answer), ==, -EMSGSIZE);
}

static void a_reason_ends_at_its_limit(void)
{
        static struct cmi_refuse refuse;
        static struct cmi_refuse got;
        static const char too_long[CMI_REASON_MAX + 1];
        uint8_t buffer[512];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

        memset(refuse.reason, 'r', CMI_REASON_MAX);
        cmi_refuse_write(&writer, &refuse);
        g_assert_cmpint(cmi_refuse_decode(cmi_written(&writer), &got), ==, 0);
        g_assert_cmpstr(got.reason, ==, refuse.reason);

        writer = cmi_writer(buffer, sizeof(buffer));
        cmi_write_map(&writer, 1);
        cmi_write_uint(&writer, 3);
        cmi_write_str(&writer, cmi_slice(too_long, sizeof(too_long)));
        g_assert_cmpint(cmi_refuse_decode(cmi_written(&writer), &got), ==, -EMSGSIZE);
}

static int decode_ops_with(uint64_t stream, uint64_t first, uint32_t count, struct cmi_slice run)
{
        static uint8_t buffer[CMI_FRAME_BODY_MAX + 1000];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

        write_ops_of(&writer, &(struct cmi_ops){stream, first, count, 0, run});
        g_assert_cmpint(writer.error, ==, 0);
        return message_decode(&messages[2], cmi_written(&writer));
}

static void ops_that_contradict_themselves_are_refused(void)
{
        struct cmi_slice run = cmi_slice(golden_run, GOLDEN_RUN_LEN);

        g_assert_cmpint(decode_ops_with(1, 1, 2, run), ==, 0);
        g_assert_cmpint(decode_ops_with(0, 1, 2, run), ==, -EBADMSG);
        g_assert_cmpint(decode_ops_with(1, 0, 2, run), ==, -EBADMSG);
        g_assert_cmpint(decode_ops_with(1, 1, 0, run), ==, -EBADMSG);
        g_assert_cmpint(decode_ops_with(1, 1, 1, run), ==, -EBADMSG);
        g_assert_cmpint(decode_ops_with(1, 1, 3, run), ==, -EBADMSG);
        g_assert_cmpint(decode_ops_with(1, 1, 0, cmi_slice(NULL, 0)), ==, -EBADMSG);
        g_assert_cmpint(decode_ops_with(1, UINT64_MAX - 2, 2, run), ==, 0);
        g_assert_cmpint(decode_ops_with(1, UINT64_MAX - 1, 2, run), ==, -EBADMSG);
        g_assert_cmpint(decode_ops_with(1, 1, 2, cmi_slice(golden_run, GOLDEN_RUN_LEN + 1)), ==,
                        -EBADMSG); /* one byte more than two operations */
        run.len -= 1;
        g_assert_cmpint(decode_ops_with(1, 1, 2, run), ==, -EBADMSG);
}

static void the_largest_operation_fits_a_frame(void)
{
        static uint8_t run[CMI_OP_PREFIX_SIZE + CMI_OP_SIZE_MAX];
        uint32_t len = GUINT32_TO_LE(CMI_OP_SIZE_MAX);

        memcpy(run, &len, sizeof(len));
        g_assert_cmpint(decode_ops_with(UINT64_MAX, UINT64_MAX / 2, 1, cmi_slice(run, sizeof(run))),
                        ==, 0);
}

static int decode_post(uint64_t number, size_t len)
{
        static const uint8_t message[CMI_POST_MAX + 1];
        static uint8_t buffer[CMI_FRAME_BODY_MAX + 1000];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));
        struct cmi_post post;
        int r;

        cmi_post_write(&writer, &(struct cmi_post){number, cmi_slice(message, len)});
        g_assert_cmpint(writer.error, ==, 0);
        r = cmi_post_decode(cmi_written(&writer), &post);
        if (r == 0) {
                g_assert_cmpuint(post.number, ==, number);
                g_assert_cmpuint(post.message.len, ==, len);
        }
        return r;
}

static void a_message_has_a_number_and_one_byte_up_to_what_a_frame_holds(void)
{
        g_assert_cmpint(decode_post(UINT64_MAX, CMI_POST_MAX), ==, 0);
        g_assert_cmpint(decode_post(UINT64_MAX, CMI_POST_MAX + 1), ==, -EMSGSIZE);
        g_assert_cmpint(decode_post(1, 1), ==, 0);
        g_assert_cmpint(decode_post(1, 0), ==, -EBADMSG);
        g_assert_cmpint(decode_post(0, 1), ==, -EBADMSG);
}

static void a_body_over_its_limit_is_refused(void)
{
        static uint8_t buffer[CMI_FRAME_BODY_MAX + 1];
        size_t size = CMI_FRAME_BODY_MAX;

        for (size_t i = 0; i < G_N_ELEMENTS(messages); i++) {
                uint32_t excess;

                for (excess = 0; excess < 2; excess++) {
                        g_autoptr(GByteArray) vector = message_vector(&messages[i]);
                        struct cmi_reader reader = cmi_reader(slice_of(vector));
                        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));
                        uint32_t n = cmi_read_map(&reader, UINT32_MAX);
                        size_t rest = (size_t)(reader.end - reader.at);

                        cmi_write_map(&writer, n + 1);
                        cmi_write_raw(&writer, cmi_slice(reader.at, rest));
                        cmi_write_uint(&writer, 60);
                        cmi_write_bin_header(&writer, (uint32_t)(size + excess - writer.len - 3));
                        writer.len = size + excess;
                        g_assert_cmpint(message_decode(&messages[i], cmi_written(&writer)), ==,
                                        excess ? -EMSGSIZE : 1);
                }
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add_func("/frame/" #name, name)
        message_reference = "mesh-protocol";
        CASE(a_missing_field_is_zero);
        CASE(a_record_does_not_reach_into_what_follows_it);
        CASE(a_name_with_control_or_broken_characters_is_refused);
        CASE(an_endpoint_that_is_none_is_refused);
        CASE(an_endpoint_travels_without_its_scope);
        CASE(texts_and_lists_of_a_hello_end_at_their_limits);
        CASE(full_members_and_answers_fit_a_frame_and_one_more_is_refused);
        CASE(a_reason_ends_at_its_limit);
        CASE(keys_are_in_an_answer_about_keys_and_in_no_other);
        CASE(a_list_of_regions_is_read_without_a_hold_and_with_more_than_that);
        CASE(ops_that_contradict_themselves_are_refused);
        CASE(the_largest_operation_fits_a_frame);
        CASE(a_message_has_a_number_and_one_byte_up_to_what_a_frame_holds);
        CASE(a_body_over_its_limit_is_refused);
        for (size_t i = 0; i < G_N_ELEMENTS(messages); i++) {
                message_add_cases("frame", &messages[i]);
        }
        return g_test_run();
}
