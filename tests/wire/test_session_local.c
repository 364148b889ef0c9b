/* SPDX-License-Identifier: MIT */
#include "tests/wire/message.h"
#include "wire/session_local.h"

#define NODE(n)                                                                                    \
        {                                                                                          \
                {                                                                                  \
                        (n), 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 9, 10, 11, 12, 13, 14, 15,  \
                                        16                                                         \
                }                                                                                  \
        }
#define VERSION(counter, n, seq)                                                                   \
        {                                                                                          \
                {(counter), NODE(n), 1700000000001}, (seq), NODE(0x77)                             \
        }
#define HASH(n)                                                                                    \
        {                                                                                          \
                {                                                                                  \
                        (n), (n) + 1, (n) + 2, (n) + 3, (n) + 4, (n) + 5, (n) + 6, (n) + 7, 8, 9,  \
                                        10, 11, 12, 13, 14, 15                                     \
                }                                                                                  \
        }
#define HOLDER                                                                                     \
        {                                                                                          \
                NODE(1), 1700000000001, 4                                                          \
        }

/* Every field is set, also those that the verb does not look at. */
#define REQUEST                                                                                    \
        {                                                                                          \
                .verb = CMI_SESSION_ROTATE, .space = HASH(0xc0), .key = HASH(0xa0),                \
                .request = 0x6162636465666768, .timeout_ms = 2500, .level = CMI_SESSION_ALL,       \
                .flags = CMI_SESSION_PEEK, .expected = VERSION(2, 2, 7), .holder = HOLDER,         \
                .max_end_ms = 1700043200000, .idle_ttl_ms = 1800000, .principal = HASH(0xb0),      \
                .tag = {"v1", 2}, .save_id = NODE(0x99), .age_ms = 250, .new_key = HASH(0xd0),     \
                .grace_ms = 10000, .blob_len = 3, .blob = {                                        \
                        "\x01\x02\x03",                                                            \
                        3                                                                          \
                }                                                                                  \
        }

static const struct cmi_session_request example = REQUEST;

MESSAGE(session_request, REQUEST)
MESSAGE(session_part, {.id = 9, .offset = 60000, .bytes = {"\x01\x02\x03", 3}})
MESSAGE(session_answer, {
                                        .outcome = CMI_CONFLICT,
                                        .text = "saved",
                                        .n_copies = 2,
                                        .version = VERSION(2, 2, 7),
                                        .holder = HOLDER,
                                        .created_ms = 1700000000000,
                                        .max_end_ms = 1700043200000,
                                        .idle_ttl_ms = 1800000,
                                        .idle_ms = 600000,
                                        .tag = {"v1", 2},
                                        .sealed_base = VERSION(1, 1, 2),
                                        .save_id = NODE(0x99),
                                        .flags = CMI_SESSION_READ_ONLY,
                                        .blob = {"\x01\x02\x03", 3},
                                        .token = 104,
                        })

static const struct message messages[] = {
                {.name = "local-session",
                                .write_golden = write_session_request,
                                .recode = recode_session_request},
                {.name = "local-session-part",
                                .write_golden = write_session_part,
                                .recode = recode_session_part},
                {.name = "local-session-answer",
                                .write_golden = write_session_answer,
                                .recode = recode_session_answer,
                                .signed_key = 1},
};

/* Which requests are complete */

static struct cmi_session_request minimal(uint64_t verb)
{
        struct cmi_session_request request = {
                        .verb = verb,
                        .space = example.space,
                        .key = example.key,
        };

        if (verb != CMI_SESSION_GET && verb != CMI_SESSION_TOUCH) {
                request.request = 1;
        }
        if (verb == CMI_SESSION_CREATE) {
                request.max_end_ms = 1;
        }
        if (verb == CMI_SESSION_SAVE || verb == CMI_SESSION_ROTATE) {
                request.expected = example.expected;
        }
        if (verb == CMI_SESSION_SAVE || verb == CMI_SESSION_ROTATE || verb == CMI_SESSION_TOUCH) {
                request.holder = example.holder;
        }
        if (verb == CMI_SESSION_DESTROY_PRINCIPAL) {
                request.key = (struct cmi_id){{0}};
                request.principal = example.principal;
        }
        if (verb == CMI_SESSION_ROTATE) {
                request.new_key = example.new_key;
        }
        if (cmi_session_has_blob(verb)) {
                request.save_id = example.save_id;
        }
        return request;
}

static void a_request_with_what_its_verb_needs_is_complete(void)
{
        for (uint64_t verb = CMI_SESSION_CREATE; verb <= CMI_SESSION_ROTATE; verb++) {
                struct cmi_session_request request = minimal(verb);

                g_test_message("verb %d", (int)verb);
                g_assert_cmpint(cmi_session_request_check(&request), ==, 0);
        }
        g_assert_cmpint(cmi_session_request_check(&example), ==, 0);
}

/* Does a request lack something without one of the fields that minimal() sets? */
#define WITHOUT(field)                                                                             \
        do {                                                                                       \
                struct cmi_session_request less = minimal(verb);                                   \
                bool had = memcmp(&less.field, &none.field, sizeof(none.field)) != 0;              \
                                                                                                   \
                less.field = none.field;                                                           \
                g_test_message("verb %d without %s", (int)verb, #field);                           \
                g_assert_cmpint(cmi_session_request_check(&less), ==, had ? -EINVAL : 0);          \
        } while (0)

static void a_request_that_lacks_something_is_refused(void)
{
        static const struct cmi_session_request none;

        for (uint64_t verb = CMI_SESSION_CREATE; verb <= CMI_SESSION_ROTATE; verb++) {
                WITHOUT(space);
                WITHOUT(key);
                WITHOUT(request);
                WITHOUT(max_end_ms);
                WITHOUT(expected);
                WITHOUT(holder);
                WITHOUT(principal);
                WITHOUT(new_key);
                WITHOUT(save_id);
        }
}

#define SENSELESS(wanted, verb, ...)                                                               \
        do {                                                                                       \
                struct cmi_session_request r = minimal(verb);                                      \
                                                                                                   \
                __VA_ARGS__;                                                                       \
                g_test_message("%s: %s", #verb, #__VA_ARGS__);                                     \
                g_assert_cmpint(cmi_session_request_check(&r), ==, wanted);                        \
        } while (0)

static void a_senseless_request_is_refused(void)
{
        SENSELESS(-EINVAL, CMI_SESSION_GET, r.verb = 0);
        SENSELESS(-EINVAL, CMI_SESSION_GET, r.verb = CMI_SESSION_ROTATE + 1);
        SENSELESS(0, CMI_SESSION_GET, r.flags = CMI_SESSION_PEEK);
        SENSELESS(-EINVAL, CMI_SESSION_GET, r.flags = 2);
        SENSELESS(0, CMI_SESSION_GET, r.expected = example.expected);
        SENSELESS(-EINVAL, CMI_SESSION_GET, r.expected.seq = 1);
        SENSELESS(0, CMI_SESSION_DESTROY, r.level = CMI_SESSION_DISK);
        SENSELESS(-EINVAL, CMI_SESSION_DESTROY, r.level = CMI_SESSION_DISK + 1);
        SENSELESS(-EINVAL, CMI_SESSION_SAVE, r.expected.seq = 0);
        SENSELESS(-EINVAL, CMI_SESSION_SAVE, r.expected.epoch.counter = 0);
        SENSELESS(-EINVAL, CMI_SESSION_TOUCH, r.holder.no = 0);
        SENSELESS(-EINVAL, CMI_SESSION_ROTATE, r.new_key = r.key);
}

static void a_blob_begins_in_the_request_with_all_that_fits(void)
{
        static uint8_t bytes[CMI_SESSION_PART_MAX];

        SENSELESS(0, CMI_SESSION_SAVE, r.blob_len = 3; r.blob = cmi_slice(bytes, 3));
        SENSELESS(-EINVAL, CMI_SESSION_SAVE, r.blob_len = 3; r.blob = cmi_slice(bytes, 2));
        SENSELESS(-EINVAL, CMI_SESSION_SAVE, r.blob_len = 3; r.blob = cmi_slice(bytes, 4));
        SENSELESS(0, CMI_SESSION_SAVE, r.blob_len = sizeof(bytes);
                        r.blob = cmi_slice(bytes, sizeof(bytes)));
        SENSELESS(0, CMI_SESSION_SAVE, r.blob_len = CMI_SESSION_BLOB_MAX;
                        r.blob = cmi_slice(bytes, sizeof(bytes)));
        SENSELESS(-EINVAL, CMI_SESSION_SAVE, r.blob_len = CMI_SESSION_BLOB_MAX;
                        r.blob = cmi_slice(bytes, sizeof(bytes) - 1));
        SENSELESS(CMI_E_TOO_BIG, CMI_SESSION_SAVE, r.blob_len = CMI_SESSION_BLOB_MAX + 1;
                        r.blob = cmi_slice(bytes, sizeof(bytes)));
}

/* Limits */

static void the_longest_request_and_part_fit(void)
{
        static uint8_t bytes[CMI_SESSION_PART_MAX];
        static uint8_t buffer[CMI_LOCAL_PREFIX_SIZE + CMI_LOCAL_REQUEST_MAX];
        struct cmi_session_request request = example;
        struct cmi_session_part part = {UINT64_MAX, CMI_SESSION_BLOB_MAX, {bytes, sizeof(bytes)}};
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));
        size_t begin = cmi_local_begin(&writer, CMI_LOCAL_SESSION, UINT64_MAX);

        request.verb = request.request = request.timeout_ms = request.level = UINT64_MAX;
        request.expected.epoch.counter = request.expected.seq = UINT64_MAX;
        request.tag = cmi_slice(bytes, CMI_SESSION_TAG_MAX);
        request.blob_len = UINT64_MAX;
        request.blob = part.bytes;
        cmi_session_request_write(&writer, &request);
        cmi_local_end(&writer, begin);
        g_assert_cmpint(writer.error, ==, 0);
        writer = cmi_writer(buffer, sizeof(buffer));
        begin = cmi_local_begin(&writer, CMI_LOCAL_SESSION_PART, UINT64_MAX);
        cmi_session_part_write(&writer, &part);
        cmi_local_end(&writer, begin);
        g_assert_cmpint(writer.error, ==, 0);
}

static void the_longest_answer_fits(void)
{
        static uint8_t bytes[CMI_SESSION_BLOB_MAX];
        static uint8_t buffer[CMI_LOCAL_PREFIX_SIZE + CMI_LOCAL_ANSWER_MAX];
        static struct cmi_session_answer answer, again;
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

        memset(answer.text, 'x', CMI_LOCAL_TEXT_MAX);
        answer.outcome = INT64_MIN;
        answer.tag = cmi_slice(bytes, CMI_SESSION_TAG_MAX);
        answer.blob = cmi_slice(bytes, sizeof(bytes));
        answer.token = UINT64_MAX;
        cmi_session_answer_write(&writer, &answer);
        g_assert_cmpint(writer.error, ==, 0);
        g_assert_cmpint(cmi_session_answer_decode(cmi_written(&writer), &again), ==, 0);
        g_assert_true(cmi_slice_equal(again.blob, answer.blob));
        g_assert_cmpstr(again.text, ==, answer.text);
}

#define REFUSED(noun, wanted, ...)                                                                 \
        do {                                                                                       \
                static uint8_t out[2 * CMI_LOCAL_REQUEST_MAX + 2 * CMI_SESSION_BLOB_MAX];          \
                struct cmi_writer writer = cmi_writer(out, sizeof(out));                           \
                struct cmi_##noun m = __VA_ARGS__;                                                 \
                                                                                                   \
                cmi_##noun##_write(&writer, &m);                                                   \
                g_assert_cmpint(writer.error, ==, 0);                                              \
                g_test_message("%s", #__VA_ARGS__);                                                \
                g_assert_cmpint(cmi_##noun##_decode(cmi_written(&writer), &m), ==, wanted);        \
        } while (0)

static void what_is_over_its_limit_is_refused(void)
{
        static uint8_t long_bytes[CMI_SESSION_BLOB_MAX + 1];

        REFUSED(session_request, -EMSGSIZE, {.tag = {long_bytes, CMI_SESSION_TAG_MAX + 1}});
        REFUSED(session_request, -EMSGSIZE, {.blob = {long_bytes, CMI_SESSION_PART_MAX + 1}});
        REFUSED(session_request, -EMSGSIZE, {.max_end_ms = CMI_SESSION_TIME_MAX_MS + 1});
        REFUSED(session_request, -EMSGSIZE, {.idle_ttl_ms = CMI_SESSION_LIFE_MAX_MS + 1});
        REFUSED(session_request, -EMSGSIZE, {.age_ms = CMI_SESSION_TIME_MAX_MS + 1});
        REFUSED(session_request, -EMSGSIZE, {.grace_ms = CMI_SESSION_LIFE_MAX_MS + 1});
        REFUSED(session_request, 0, {.blob_len = UINT64_MAX}); /* told by the check: TOO_BIG */
        REFUSED(session_part, 0, {.bytes = {long_bytes, 1}});
        REFUSED(session_part, -EBADMSG, {.bytes = {NULL, 0}});
        REFUSED(session_part, -EMSGSIZE, {.bytes = {long_bytes, CMI_SESSION_PART_MAX + 1}});
        REFUSED(session_part, -EMSGSIZE,
                        {.offset = CMI_SESSION_BLOB_MAX + 1, .bytes = {long_bytes, 1}});
        REFUSED(session_answer, -EMSGSIZE, {.blob = {long_bytes, sizeof(long_bytes)}});
        REFUSED(session_answer, -EMSGSIZE, {.tag = {long_bytes, CMI_SESSION_TAG_MAX + 1}});
        REFUSED(session_answer, -EMSGSIZE, {.max_end_ms = CMI_SESSION_TIME_MAX_MS + 1});
        REFUSED(session_answer, -EBADMSG, {.text = "a line\nand another"});
}

/* Bytes, also those between members. */
static bool is_zero(const void *object, size_t size)
{
        const unsigned char *bytes = object;

        while (size > 0 && bytes[size - 1] == 0) {
                size--;
        }
        return size == 0;
}

static void what_is_not_said_is_zero(void)
{
        static struct cmi_session_request request;
        static struct cmi_session_answer answer;
        struct cmi_slice empty = cmi_slice("\x80", 1);

        memset(&request, 1, sizeof(request));
        memset(&answer, 1, sizeof(answer));
        g_assert_cmpint(cmi_session_request_decode(empty, &request), ==, 0);
        g_assert_true(is_zero(&request, sizeof(request)));
        g_assert_cmpint(cmi_session_answer_decode(empty, &answer), ==, 0);
        g_assert_true(is_zero(&answer, sizeof(answer)));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        message_reference = "local-protocol";
        g_test_add_func("/session_local/complete", a_request_with_what_its_verb_needs_is_complete);
        g_test_add_func("/session_local/lacking", a_request_that_lacks_something_is_refused);
        g_test_add_func("/session_local/senseless", a_senseless_request_is_refused);
        g_test_add_func("/session_local/blob", a_blob_begins_in_the_request_with_all_that_fits);
        g_test_add_func("/session_local/longest_request", the_longest_request_and_part_fit);
        g_test_add_func("/session_local/longest_answer", the_longest_answer_fits);
        g_test_add_func("/session_local/limits", what_is_over_its_limit_is_refused);
        g_test_add_func("/session_local/missing", what_is_not_said_is_zero);
        for (size_t i = 0; i < G_N_ELEMENTS(messages); i++) {
                message_add_cases("session_local", &messages[i]);
        }
        return g_test_run();
}
