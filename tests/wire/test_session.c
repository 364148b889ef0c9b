/* SPDX-License-Identifier: MIT */
#include "tests/wire/message.h"
#include "wire/frame.h"
#include "wire/session.h"

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
#define KEY                                                                                        \
        {                                                                                          \
                {                                                                                  \
                        0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 8, 9, 10, 11, 12, 13, 14,  \
                                        15                                                         \
                }                                                                                  \
        }
#define PRINCIPAL                                                                                  \
        {                                                                                          \
                {                                                                                  \
                        0xb0, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 8, 9, 10, 11, 12, 13, 14,  \
                                        15                                                         \
                }                                                                                  \
        }

/* Twelve hours, half an hour idle; saved nine times under two primaries. */
#define SESSION                                                                                    \
        {                                                                                          \
                .key = KEY, .space = 0x5152535455565758, .version = VERSION(2, 2, 7),              \
                .n_lineage = 1, .lineage = {VERSION(1, 1, 2)}, .created_ms = 1700000000000,        \
                .idle_ttl_ms = 1800000, .max_end_ms = 1700043200000,                               \
                .last_touch_ms = 1700000600000, .principal = PRINCIPAL, .n_vector = 2,             \
                .vector = {{NODE(1), 3}, {NODE(2), 1700000000002}}, .n_requests = 2,               \
                .requests = {0x6162636465666768, 5}, .tag = {"v1", 2},                             \
                .sealed_base = VERSION(1, 1, 2), .save_id = NODE(0x99),                            \
                .holder = {NODE(1), 1700000000001, 4}, .blob_len = 300,                            \
                .blob_sum = 0x7172737475767778                                                     \
        }

static const struct cmi_session example = SESSION;

MESSAGE(session, SESSION)
MESSAGE(session_chunk, {
                                       .key = KEY,
                                       .version = VERSION(2, 2, 7),
                                       .offset = 60000,
                                       .bytes = {"\x01\x02\x03", 3},
                       })
MESSAGE(tombstone, {
                                   .key = KEY,
                                   .space = 0x5152535455565758,
                                   .version = VERSION(2, 2, 7),
                                   .max_end_ms = 1700043200000,
                                   .reason = CMI_TOMBSTONE_IDLE,
                                   .last_touch_ms = 1700000600000,
                                   .holder_no = 4,
                   })
MESSAGE(principal, {
                                   .principal = PRINCIPAL,
                                   .n_counts = 2,
                                   .counts = {{NODE(1), 3, 1700605700000},
                                                   {NODE(2), 1700000000002, 1700605700001}},
                   })

static const struct message messages[] = {
#define SESSION_MESSAGE(noun, vector)                                                              \
        {                                                                                          \
                .name = (vector), .write_golden = write_##noun, .recode = recode_##noun            \
        }
                SESSION_MESSAGE(session, "session"),
                SESSION_MESSAGE(session_chunk, "session-chunk"),
                SESSION_MESSAGE(tombstone, "session-tombstone"),
                SESSION_MESSAGE(principal, "session-principal"),
};

static struct cmi_session_version version(uint64_t counter, uint8_t opener, uint64_t incarnation,
                uint64_t seq, uint8_t writer)
{
        return (struct cmi_session_version){{counter, {{opener}}, incarnation}, seq, {{writer}}};
}

/* What is refused */

static void assert_session(struct cmi_session session, int expected)
{
        uint8_t bytes[2 * CMI_SESSION_HEAD_MAX];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));

        cmi_session_write(&writer, &session);
        g_assert_cmpint(writer.error, ==, 0);
        g_assert_cmpint(cmi_session_decode(cmi_written(&writer), &session), ==, expected);
}

#define REFUSED(error, ...)                                                                        \
        do {                                                                                       \
                struct cmi_session s = example;                                                    \
                                                                                                   \
                __VA_ARGS__;                                                                       \
                g_test_message("%s", #__VA_ARGS__);                                                \
                assert_session(s, error);                                                          \
        } while (0)

static void a_record_that_cannot_be_is_refused(void)
{
        static const struct cmi_session_version none;

        REFUSED(0, s.space = 0);
        REFUSED(-EBADMSG, s.key = (struct cmi_id){{0}});
        REFUSED(-EBADMSG, s.version = none);
        REFUSED(-EBADMSG, s.version.epoch.counter = 0);
        REFUSED(-EBADMSG, s.version.epoch.opener = (struct cmi_id){{0}});
        REFUSED(-EBADMSG, s.version.seq = 0);
        REFUSED(-EBADMSG, s.version.writer = (struct cmi_id){{0}});
        REFUSED(-EBADMSG, s.lineage[0] = none);
        REFUSED(-EBADMSG, s.lineage[0] = s.version);
        REFUSED(-EBADMSG, s.lineage[s.n_lineage++] = s.lineage[0]);
        REFUSED(-EBADMSG, s.requests[1] = 0);
        REFUSED(0, s.sealed_base = none);
        REFUSED(-EBADMSG, s.sealed_base = s.version); /* the base is what it was made over */
        REFUSED(-EBADMSG, s.sealed_base.seq = 0);
        REFUSED(0, s.holder = (struct cmi_session_holder){{{0}}, 0, 0});
        REFUSED(-EBADMSG, s.holder.node = (struct cmi_id){{0}});
}

static void a_life_that_cannot_be_is_refused(void)
{
        REFUSED(0, s.idle_ttl_ms = 0);
        REFUSED(-EBADMSG, s.max_end_ms = s.created_ms; s.last_touch_ms = s.created_ms);
        REFUSED(0, s.max_end_ms = s.created_ms + CMI_SESSION_LIFE_MAX_MS);
        REFUSED(-EBADMSG, s.max_end_ms = s.created_ms + CMI_SESSION_LIFE_MAX_MS + 1);
        REFUSED(0, s.last_touch_ms = s.max_end_ms);
        REFUSED(-EBADMSG, s.last_touch_ms = s.max_end_ms + 1);
        REFUSED(0, s.idle_ttl_ms = CMI_SESSION_LIFE_MAX_MS);
        REFUSED(-EMSGSIZE, s.idle_ttl_ms = CMI_SESSION_LIFE_MAX_MS + 1);
        REFUSED(0, s.max_end_ms = CMI_SESSION_TIME_MAX_MS; s.created_ms = s.max_end_ms - 1);
        REFUSED(-EMSGSIZE, s.max_end_ms = CMI_SESSION_TIME_MAX_MS + 1;
                        s.created_ms = s.max_end_ms - 1);
}

static void a_vector_that_cannot_be_is_refused(void)
{
        REFUSED(-EBADMSG, s.principal = (struct cmi_id){{0}});
        REFUSED(0, s.principal = (struct cmi_id){{0}}; s.n_vector = 0);
        REFUSED(-EBADMSG, s.vector[0].count = 0);
        REFUSED(-EBADMSG, s.vector[1].node = s.vector[0].node);
        REFUSED(-EBADMSG, s.vector[0].node = (struct cmi_id){{0xff}}); /* not in order */
}

/* A record in which each list is as long as it may be, and each number too. */
static struct cmi_session largest(void)
{
        struct cmi_session s = example;

        memset(&s.key, 0xff, sizeof(s.key));
        s.space = UINT64_MAX;
        s.version = version(UINT64_MAX, 0xff, UINT64_MAX, UINT64_MAX, 0xff);
        s.sealed_base = version(UINT64_MAX, 0xff, UINT64_MAX, UINT64_MAX, 1);
        s.n_lineage = CMI_SESSION_LINEAGE_MAX;
        for (uint32_t i = 0; i < CMI_SESSION_LINEAGE_MAX; i++) {
                s.lineage[i] = version(UINT64_MAX - 1 - i, 0xff, UINT64_MAX, UINT64_MAX, 0xff);
        }
        s.n_vector = CMI_SESSION_VECTOR_MAX;
        for (uint32_t i = 0; i < CMI_SESSION_VECTOR_MAX; i++) {
                s.vector[i] = (struct cmi_session_count){{{(uint8_t)(i + 1)}}, UINT64_MAX};
        }
        s.n_requests = CMI_SESSION_REQUESTS_MAX;
        for (uint32_t i = 0; i < CMI_SESSION_REQUESTS_MAX; i++) {
                s.requests[i] = UINT64_MAX;
        }
        s.tag = cmi_slice("0123456789abcdef0123456789abcdef", CMI_SESSION_TAG_MAX);
        s.max_end_ms = CMI_SESSION_TIME_MAX_MS;
        s.created_ms = s.max_end_ms - CMI_SESSION_LIFE_MAX_MS;
        s.last_touch_ms = s.max_end_ms;
        s.idle_ttl_ms = CMI_SESSION_LIFE_MAX_MS;
        s.holder.incarnation = UINT64_MAX;
        s.holder.no = UINT64_MAX;
        s.blob_len = CMI_SESSION_BLOB_MAX;
        s.blob_sum = UINT64_MAX;
        return s;
}

static void the_longest_head_is_taken_and_fits(void)
{
        struct cmi_session s = largest();
        uint8_t bytes[CMI_SESSION_HEAD_MAX];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));

        cmi_session_write(&writer, &s);
        g_assert_cmpint(writer.error, ==, 0);
        g_assert_cmpint(cmi_session_decode(cmi_written(&writer), &s), ==, 0);
        g_assert_cmpuint(s.n_vector, ==, CMI_SESSION_VECTOR_MAX);
}

/* The golden record with the value of one field replaced by @n elements of another's. */
static int decode_with_list(uint64_t field, uint32_t n)
{
        uint8_t bytes[2 * CMI_SESSION_HEAD_MAX];
        uint8_t longer[4 * CMI_SESSION_HEAD_MAX];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        struct cmi_writer with = cmi_writer(longer, sizeof(longer));
        struct cmi_session s = largest();
        struct cmi_reader reader;
        uint32_t n_fields;

        cmi_session_write(&writer, &s);
        reader = cmi_reader(cmi_written(&writer));
        n_fields = cmi_read_map(&reader, UINT32_MAX);
        cmi_write_map(&with, n_fields);
        for (uint32_t i = 0; i < n_fields; i++) {
                uint64_t key = cmi_read_uint(&reader, UINT64_MAX);
                struct cmi_slice value = cmi_read_value(&reader);
                struct cmi_reader list = cmi_reader(value);

                cmi_write_uint(&with, key);
                if (key != field) {
                        cmi_write_raw(&with, value);
                        continue;
                }
                cmi_read_array(&list, UINT32_MAX);
                value = cmi_read_value(&list);
                cmi_write_array(&with, n);
                for (uint32_t k = 0; k < n; k++) {
                        cmi_write_raw(&with, value);
                }
        }
        g_assert_cmpint(with.error, ==, 0);
        return cmi_session_decode(cmi_written(&with), &s);
}

static void longer_lists_are_refused(void)
{
        g_assert_cmpint(decode_with_list(4, CMI_SESSION_LINEAGE_MAX + 1), ==, -EMSGSIZE);
        g_assert_cmpint(decode_with_list(10, CMI_SESSION_VECTOR_MAX + 1), ==, -EMSGSIZE);
        g_assert_cmpint(decode_with_list(11, CMI_SESSION_REQUESTS_MAX), ==, 0);
        g_assert_cmpint(decode_with_list(11, CMI_SESSION_REQUESTS_MAX + 1), ==, -EMSGSIZE);
        REFUSED(0, s.tag = cmi_slice(example.key.bytes, 16));
        REFUSED(-EMSGSIZE, s.tag = cmi_slice(&example, CMI_SESSION_TAG_MAX + 1));
        REFUSED(-EMSGSIZE, s.blob_len = CMI_SESSION_BLOB_MAX + 1);
}

static void what_is_made_here_is_checked_against_the_same_limits(void)
{
        struct cmi_session s = example;

        g_assert_cmpint(cmi_session_check(&s), ==, 0);
        s.n_lineage = CMI_SESSION_LINEAGE_MAX + 1;
        g_assert_cmpint(cmi_session_check(&s), ==, -EMSGSIZE);
        s = example;
        s.n_vector = CMI_SESSION_VECTOR_MAX + 1;
        g_assert_cmpint(cmi_session_check(&s), ==, -EMSGSIZE);
        s = example;
        s.n_requests = CMI_SESSION_REQUESTS_MAX + 1;
        g_assert_cmpint(cmi_session_check(&s), ==, -EMSGSIZE);
}

static int decode_tombstone(struct cmi_tombstone tombstone)
{
        uint8_t bytes[256];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));

        cmi_tombstone_write(&writer, &tombstone);
        g_assert_cmpint(writer.error, ==, 0);
        return cmi_tombstone_decode(cmi_written(&writer), &tombstone);
}

static void a_tombstone_that_cannot_be_is_refused(void)
{
        const struct cmi_tombstone idle = {.key = KEY,
                        .version = VERSION(1, 1, 1),
                        .max_end_ms = 1000,
                        .reason = CMI_TOMBSTONE_IDLE,
                        .last_touch_ms = 1000,
                        .holder_no = 1};
        struct cmi_tombstone t = idle;

        g_assert_cmpint(decode_tombstone(t), ==, 0);
        t.last_touch_ms = 1001;
        g_assert_cmpint(decode_tombstone(t), ==, -EBADMSG);
        t = idle;
        t.reason = CMI_TOMBSTONE_DESTROY; /* what is final has no place among the records */
        g_assert_cmpint(decode_tombstone(t), ==, -EBADMSG);
        t.last_touch_ms = 0;
        t.holder_no = 0;
        g_assert_cmpint(decode_tombstone(t), ==, 0);
        t.reason = 0;
        g_assert_cmpint(decode_tombstone(t), ==, -EBADMSG);
        t.reason = UINT64_MAX; /* of a newer version: final */
        g_assert_cmpint(decode_tombstone(t), ==, 0);
        g_assert_true(cmi_tombstone_is_final(t.reason));
        t.key = (struct cmi_id){{0}};
        g_assert_cmpint(decode_tombstone(t), ==, -EBADMSG);
        t = idle;
        t.version = (struct cmi_session_version){.seq = 0};
        g_assert_cmpint(decode_tombstone(t), ==, -EBADMSG);
        t.reason = CMI_TOMBSTONE_DESTROY; /* of whatever there is */
        t.last_touch_ms = 0;
        t.holder_no = 0;
        g_assert_cmpint(decode_tombstone(t), ==, 0);
        t.version.seq = 1;
        g_assert_cmpint(decode_tombstone(t), ==, -EBADMSG);
        t = idle;
        t.max_end_ms = CMI_SESSION_TIME_MAX_MS + 1;
        g_assert_cmpint(decode_tombstone(t), ==, -EMSGSIZE);
        g_assert_cmpint(cmi_tombstone_check(&t), ==, -EMSGSIZE);
        t = (struct cmi_tombstone){
                        .key = idle.key, .version = idle.version, .reason = CMI_TOMBSTONE_ROTATE};
        g_assert_cmpint(decode_tombstone(t), ==, -EBADMSG);
}

static int decode_principal(struct cmi_principal principal)
{
        static uint8_t bytes[1 << 14];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));

        cmi_principal_write(&writer, &principal);
        g_assert_cmpint(writer.error, ==, 0);
        return cmi_principal_decode(cmi_written(&writer), &principal);
}

static void counts_of_a_principal_that_cannot_be_are_refused(void)
{
        struct cmi_principal p = {.principal = PRINCIPAL, .n_counts = CMI_SESSION_VECTOR_MAX};
        struct cmi_principal q;

        for (uint32_t i = 0; i < CMI_SESSION_VECTOR_MAX; i++) {
                p.counts[i] = (struct cmi_principal_count){
                                {{(uint8_t)i}}, UINT64_MAX, CMI_SESSION_TIME_MAX_MS};
        }
        g_assert_cmpint(decode_principal(p), ==, 0);
        q = p;
        q.n_counts = 0;
        g_assert_cmpint(decode_principal(q), ==, -EBADMSG);
        q = p;
        q.principal = (struct cmi_id){{0}};
        g_assert_cmpint(decode_principal(q), ==, -EBADMSG);
        q = p;
        q.counts[1].node = q.counts[2].node;
        g_assert_cmpint(decode_principal(q), ==, -EBADMSG);
        q = p;
        q.counts[1].count = 0;
        g_assert_cmpint(decode_principal(q), ==, -EBADMSG);
        q = p;
        q.counts[1].until_ms = 0;
        g_assert_cmpint(decode_principal(q), ==, -EBADMSG);
        q.counts[1].until_ms = CMI_SESSION_TIME_MAX_MS + 1;
        g_assert_cmpint(decode_principal(q), ==, -EMSGSIZE);
        g_assert_cmpint(cmi_principal_check(&q), ==, -EMSGSIZE);
        q = p;
        q.n_counts = CMI_SESSION_VECTOR_MAX + 1;
        g_assert_cmpint(cmi_principal_check(&q), ==, -EMSGSIZE);
}

static void more_counts_than_fit_are_refused(void)
{
        static uint8_t bytes[1 << 14];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        struct cmi_principal principal;

        cmi_write_map(&writer, 1);
        cmi_write_uint(&writer, 2);
        cmi_write_array(&writer, CMI_SESSION_VECTOR_MAX + 1);
        for (uint32_t i = 0; i <= CMI_SESSION_VECTOR_MAX; i++) {
                cmi_write_nil(&writer);
        }
        g_assert_cmpint(cmi_principal_decode(cmi_written(&writer), &principal), ==, -EMSGSIZE);
}

/* Chunks */

static struct cmi_session session_of(const uint8_t *blob, uint64_t len)
{
        struct cmi_session session = example;

        session.blob_len = len;
        session.blob_sum = cmi_session_sum(cmi_slice(blob, len));
        return session;
}

static void the_largest_blob_travels_in_chunks_that_fit_a_frame(void)
{
        static uint8_t blob[CMI_SESSION_BLOB_MAX], got[CMI_SESSION_BLOB_MAX];
        static uint8_t frame[CMI_FRAME_BODY_MAX];
        struct cmi_session session;
        uint64_t have = 0;
        uint32_t n = 0;

        for (size_t i = 0; i < sizeof(blob); i++) {
                blob[i] = (uint8_t)(i * 7 + i / 251);
        }
        session = session_of(blob, sizeof(blob));
        session.version = version(UINT64_MAX, 0xff, UINT64_MAX, UINT64_MAX, 0xff);
        while (have < session.blob_len) {
                struct cmi_writer writer = cmi_writer(frame, sizeof(frame));
                struct cmi_session_chunk chunk;

                cmi_session_cut(&session, cmi_slice(blob, sizeof(blob)), have, &chunk);
                cmi_session_chunk_write(&writer, &chunk);
                g_assert_cmpint(writer.error, ==, 0);
                g_assert_cmpint(cmi_session_chunk_decode(cmi_written(&writer), &chunk), ==, 0);
                g_assert_cmpint(cmi_session_join(&session, &chunk, got, &have), ==, 0);
                n++;
        }
        g_assert_cmpuint(n, ==, 5);
        g_assert_cmpmem(got, sizeof(got), blob, sizeof(blob));
}

static void a_chunk_that_does_not_follow_is_refused_and_taken_later(void)
{
        static uint8_t blob[CMI_SESSION_CHUNK_MAX + 10], got[sizeof(blob)];
        struct cmi_session session = session_of(blob, sizeof(blob));
        struct cmi_session_chunk first, second, other;
        uint64_t have = 0;

        cmi_session_cut(&session, cmi_slice(blob, sizeof(blob)), 0, &first);
        cmi_session_cut(&session, cmi_slice(blob, sizeof(blob)), first.bytes.len, &second);
        g_assert_cmpint(cmi_session_join(&session, &second, got, &have), ==, -EBADMSG);
        other = first;
        other.key.bytes[15] ^= 1;
        g_assert_cmpint(cmi_session_join(&session, &other, got, &have), ==, -EBADMSG);
        other = first;
        other.version.seq++;
        g_assert_cmpint(cmi_session_join(&session, &other, got, &have), ==, -EBADMSG);
        g_assert_cmpint(cmi_session_join(&session, &first, got, &have), ==, 0);
        g_assert_cmpint(cmi_session_join(&session, &first, got, &have), ==, -EBADMSG);
        other = second;
        other.bytes.len++; /* longer than was said */
        g_assert_cmpint(cmi_session_join(&session, &other, got, &have), ==, -EBADMSG);
        other = second;
        other.bytes = cmi_slice("0123456789", 10); /* damaged */
        g_assert_cmpint(cmi_session_join(&session, &other, got, &have), ==, -EBADMSG);
        g_assert_cmpuint(have, ==, CMI_SESSION_CHUNK_MAX);
        g_assert_cmpint(cmi_session_join(&session, &second, got, &have), ==, 0);
        g_assert_cmpuint(have, ==, sizeof(blob));
}

static void a_chunk_over_its_limits_is_refused(void)
{
        static uint8_t bytes[2 * CMI_SESSION_CHUNK_MAX];
        static const uint8_t content[CMI_SESSION_CHUNK_MAX + 1];
        const struct {
                uint64_t offset, len;
                int expected;
        } cases[] = {
                        {0, CMI_SESSION_CHUNK_MAX, 0},
                        {0, CMI_SESSION_CHUNK_MAX + 1, -EMSGSIZE},
                        {0, 0, -EBADMSG},
                        {CMI_SESSION_BLOB_MAX, 1, 0},
                        {CMI_SESSION_BLOB_MAX + 1, 1, -EMSGSIZE},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                struct cmi_session_chunk chunk = {.key = KEY,
                                .version = VERSION(1, 1, 1),
                                .offset = cases[i].offset,
                                .bytes = cmi_slice(content, cases[i].len)};
                struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));

                cmi_session_chunk_write(&writer, &chunk);
                g_assert_cmpint(cmi_session_chunk_decode(cmi_written(&writer), &chunk), ==,
                                cases[i].expected);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        message_reference = "session-record";
#define CASE(name) g_test_add_func("/session/" #name, name)
        CASE(a_record_that_cannot_be_is_refused);
        CASE(a_life_that_cannot_be_is_refused);
        CASE(a_vector_that_cannot_be_is_refused);
        CASE(the_longest_head_is_taken_and_fits);
        CASE(longer_lists_are_refused);
        CASE(what_is_made_here_is_checked_against_the_same_limits);
        CASE(a_tombstone_that_cannot_be_is_refused);
        CASE(counts_of_a_principal_that_cannot_be_are_refused);
        CASE(more_counts_than_fit_are_refused);
        CASE(the_largest_blob_travels_in_chunks_that_fit_a_frame);
        CASE(a_chunk_that_does_not_follow_is_refused_and_taken_later);
        CASE(a_chunk_over_its_limits_is_refused);
        for (size_t i = 0; i < G_N_ELEMENTS(messages); i++) {
                message_add_cases("session", &messages[i]);
        }
        return g_test_run();
}
