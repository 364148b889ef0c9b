/* SPDX-License-Identifier: MIT */
#include "tests/wire/bytes.h"
#include "wire/op.h"

#include <errno.h>

#define STREAM 0x0102030405060708

/* INVALIDATE of region "tree", keys "k1" and "k22", tag "t". */
static const char golden_invalidate[] =
                "95 01 a4 74726565 92 c4 02 6b31 c4 03 6b3232 91 c4 01 74 c2";

/* INTENT_BEGIN of the same, 5000 ms; and INTENT_END of the one at 300 of stream 0x0102030405060708.
 */
static const char golden_intent_begin[] =
                "95 10 a4 74726565 92 c4 02 6b31 c4 03 6b3232 91 c4 01 74 cd 1388";
static const char golden_intent_end[] = "96 11 a4 74726565 92 c4 02 6b31 c4 03 6b3232 91 c4 01 74 "
                                        "cf 0102030405060708 cd 012c";

/* The same with hold, 1500 ms. */
static const char golden_held[] =
                "96 01 a4 74726565 92 c4 02 6b31 c4 03 6b3232 91 c4 01 74 c2 cd 05dc";
static const char golden_held_begin[] =
                "96 10 a4 74726565 92 c4 02 6b31 c4 03 6b3232 91 c4 01 74 cd 1388 cd 05dc";
static const char golden_held_end[] = "97 11 a4 74726565 92 c4 02 6b31 c4 03 6b3232 91 c4 01 74 "
                                      "cf 0102030405060708 cd 012c cd 05dc";

/* One key; and all keys of a node. */
static const char golden_session[] = "92 20 91 c4 10 101112131415161718191a1b1c1d1e1f";
static const char golden_taken[] =
                "93 21 c4 10 000102030405060708090a0b0c0d0e0f cf 0000018bcfe56801";
static const struct cmi_id node_a = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};
static const struct cmi_id key_b = {
                {16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31}};

static int decode(struct cmi_slice bytes)
{
        struct cmi_op op;

        return cmi_op_decode(bytes, &op);
}

static int decode_hex(const char *hex)
{
        g_autoptr(GByteArray) bytes = bytes_of_hex(hex);

        return decode(slice_of(bytes));
}

/* @ret_op borrows from the bytes. */
static void read_op(const GByteArray *bytes, enum cmi_op_kind kind, struct cmi_op *ret_op)
{
        g_assert_cmpint(cmi_op_decode(slice_of(bytes), ret_op), ==, 0);
        g_assert_cmpuint(ret_op->kind, ==, kind);
}

static void expect_written(const struct cmi_writer *writer, const char *hex)
{
        g_assert_cmpint(writer->error, ==, 0);
        assert_is_hex(cmi_written(writer), hex);
}

static void write_targets(struct cmi_writer *writer)
{
        cmi_write_bin(writer, cmi_slice_str("k1"));
        cmi_write_bin(writer, cmi_slice_str("k22"));
        cmi_op_write_tags(writer, 1);
        cmi_write_bin(writer, cmi_slice_str("t"));
}

static void expect_targets(struct cmi_op *op)
{
        assert_same_bytes(op->region, cmi_slice_str("tree"));
        g_assert_cmpuint(op->n_keys, ==, 2);
        g_assert_cmpuint(op->n_tags, ==, 1);
        assert_same_bytes(cmi_op_next(&op->keys), cmi_slice_str("k1"));
        assert_same_bytes(cmi_op_next(&op->keys), cmi_slice_str("k22"));
        assert_same_bytes(cmi_op_next(&op->tags), cmi_slice_str("t"));
        g_assert_cmpint(cmi_read_done(&op->keys), ==, 0);
        g_assert_cmpint(cmi_read_done(&op->tags), ==, 0);
}

static void an_invalidate_is_written_as_documented(void)
{
        uint8_t buffer[64];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

        cmi_op_write_begin(&writer, cmi_slice_str("tree"), 2);
        write_targets(&writer);
        cmi_op_write_end(&writer, false);
        expect_written(&writer, golden_invalidate);
}

static void an_invalidate_is_read_back(void)
{
        g_autoptr(GByteArray) bytes = bytes_of_hex(golden_invalidate);
        struct cmi_op op;

        read_op(bytes, CMI_OP_INVALIDATE, &op);
        g_assert_false(op.is_whole_region);
        expect_targets(&op);
}

static void begin_and_end_of_an_intent_are_written_as_documented(void)
{
        uint8_t buffer[64];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

        cmi_op_write_intent(&writer, CMI_OP_INTENT_BEGIN, cmi_slice_str("tree"), 2);
        write_targets(&writer);
        cmi_op_write_deadline(&writer, 5000);
        expect_written(&writer, golden_intent_begin);
        writer = cmi_writer(buffer, sizeof(buffer));
        cmi_op_write_intent(&writer, CMI_OP_INTENT_END, cmi_slice_str("tree"), 2);
        write_targets(&writer);
        cmi_op_write_place(&writer, STREAM, 300);
        expect_written(&writer, golden_intent_end);
}

static void begin_and_end_of_an_intent_are_read_back(void)
{
        g_autoptr(GByteArray) begin = bytes_of_hex(golden_intent_begin);
        g_autoptr(GByteArray) end = bytes_of_hex(golden_intent_end);
        struct cmi_op op;

        read_op(begin, CMI_OP_INTENT_BEGIN, &op);
        g_assert_cmpuint(op.deadline_ms, ==, 5000);
        expect_targets(&op);
        read_op(end, CMI_OP_INTENT_END, &op);
        g_assert_cmpuint(op.stream, ==, STREAM);
        g_assert_cmpuint(op.number, ==, 300);
        expect_targets(&op);
}

/* With the targets, and the hold, of @begin. */
static void expect_ends(const struct cmi_op *begin, const char *end, const char *invalidate)
{
        uint8_t buffer[64];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

        cmi_op_write_targets(&writer, CMI_OP_INTENT_END, begin);
        cmi_op_write_place(&writer, STREAM, 300);
        cmi_op_write_hold(&writer, begin->hold_ms);
        expect_written(&writer, end);
        writer = cmi_writer(buffer, sizeof(buffer));
        cmi_op_write_targets(&writer, CMI_OP_INVALIDATE, begin);
        cmi_op_write_end(&writer, false);
        cmi_op_write_hold(&writer, begin->hold_ms);
        expect_written(&writer, invalidate);
}

static void an_end_has_the_targets_of_its_begin(void)
{
        g_autoptr(GByteArray) begin = bytes_of_hex(golden_intent_begin);
        struct cmi_op op;

        read_op(begin, CMI_OP_INTENT_BEGIN, &op);
        expect_ends(&op, golden_intent_end, golden_invalidate);
}

static void what_is_held_says_so_in_one_element_more(void)
{
        g_autoptr(GByteArray) begin = bytes_of_hex(golden_held_begin);
        uint8_t buffer[64];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));
        struct cmi_op op;

        read_op(begin, CMI_OP_INTENT_BEGIN, &op);
        g_assert_cmpuint(op.hold_ms, ==, 1500);
        cmi_op_write_targets(&writer, CMI_OP_INTENT_BEGIN, &op);
        cmi_op_write_deadline(&writer, op.deadline_ms);
        cmi_op_write_hold(&writer, op.hold_ms);
        expect_written(&writer, golden_held_begin);
        expect_ends(&op, golden_held_end, golden_held);
        expect_targets(&op);
        g_assert_cmpint(decode_hex("96 01 a1 72 90 90 c3 cd ea60"), ==, 0);
        g_assert_cmpint(decode_hex("96 01 a1 72 90 90 c3 cd ea61"), ==, -EMSGSIZE);
        g_assert_cmpint(decode_hex("96 10 a1 72 91 c4 01 6b 90 01 cd ea61"), ==, -EMSGSIZE);
}

/* Vector and reference show it, too. */
static void expect_vector(const char *name, const char *hex)
{
        g_autofree char *path = g_strdup_printf(CM_VECTORS "/%s.hex", name);
        g_autofree char *text = NULL;
        g_autoptr(GByteArray) want = bytes_of_hex(hex);
        g_autoptr(GByteArray) got = NULL;

        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
        got = bytes_of_hex(text);
        assert_same_bytes(slice_of(got), slice_of(want));
}

static void those_of_sessions_are_written_and_read_as_documented(void)
{
        g_autoptr(GByteArray) session = bytes_of_hex(golden_session);
        g_autoptr(GByteArray) taken = bytes_of_hex(golden_taken);
        uint8_t buffer[64];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));
        struct cmi_op op;

        cmi_op_write_sessions(&writer, 1);
        cmi_write_bin(&writer, cmi_slice(key_b.bytes, CMI_ID_SIZE));
        expect_written(&writer, golden_session);
        writer = cmi_writer(buffer, sizeof(buffer));
        cmi_op_write_taken(&writer, &node_a, 1700000000001);
        expect_written(&writer, golden_taken);
        expect_vector("op-session", golden_session);
        expect_vector("op-session-taken", golden_taken);
        read_op(session, CMI_OP_SESSION, &op);
        g_assert_true(cmi_op_is_of_sessions(&op));
        g_assert_cmpuint(op.n_keys, ==, 1);
        assert_same_bytes(cmi_op_next(&op.keys), cmi_slice(key_b.bytes, CMI_ID_SIZE));
        read_op(taken, CMI_OP_SESSION_TAKEN, &op);
        g_assert_true(cmi_op_is_of_sessions(&op));
        g_assert_cmpuint(op.n_keys, ==, 0);
        g_assert_true(cmi_id_equal(&op.node, &node_a));
        g_assert_cmpuint(op.incarnation, ==, 1700000000001);
}

static int decode_sessions(uint32_t n_keys)
{
        static uint8_t buffer[100000];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

        cmi_op_write_sessions(&writer, n_keys);
        for (uint32_t i = 0; i < n_keys; i++) {
                cmi_write_bin(&writer, cmi_slice(key_b.bytes, CMI_ID_SIZE));
        }
        g_assert_cmpint(writer.error, ==, 0);
        return decode(cmi_written(&writer));
}

static void a_session_operation_has_one_key_up_to_its_limit(void)
{
        g_assert_cmpint(decode_sessions(0), ==, -EBADMSG);
        g_assert_cmpint(decode_sessions(CMI_OP_SESSIONS_MAX), ==, 0);
        g_assert_cmpint(decode_sessions(CMI_OP_SESSIONS_MAX + 1), ==, -EMSGSIZE);
}

static void all_is_one_element(void)
{
        uint8_t buffer[8];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));
        struct cmi_op op;

        cmi_op_write_all(&writer);
        assert_same_bytes(cmi_written(&writer), cmi_slice("\x91\x02", 2));
        g_assert_cmpint(cmi_op_decode(cmi_written(&writer), &op), ==, 0);
        g_assert_cmpuint(op.kind, ==, CMI_OP_ALL);
        g_assert_cmpuint(op.n_keys, ==, 0);
}

static void an_operation_cut_short_is_refused(void)
{
        static const char *const whole[] = {golden_invalidate, golden_intent_begin,
                        golden_intent_end, golden_held, golden_held_begin, golden_held_end,
                        golden_session, golden_taken};

        for (size_t i = 0; i < G_N_ELEMENTS(whole); i++) {
                g_autoptr(GByteArray) bytes = bytes_of_hex(whole[i]);

                assert_truncation_is_refused(slice_of(bytes), decode);
        }
}

static void a_newer_version_may_append_elements_and_kinds(void)
{
        g_assert_cmpint(decode_hex("98 01 a1 72 91 c4 01 6b 90 c3 00  82 01 02 03 04  91 91 05"),
                        ==, 0);
        g_assert_cmpint(decode_hex("92 02 c0"), ==, 0);
        g_assert_cmpint(decode_hex("93 ccc8 91 a1 61 c4 01 00"), ==, 0);
        g_assert_cmpint(decode_hex("91 63"), ==, 0);
        g_assert_cmpint(decode_hex("97 10 a1 72 91 c4 01 6b 90 01 00  a1 61"), ==, 0);
        g_assert_cmpint(decode_hex("98 11 a1 72 91 c4 01 6b 90 01 02 00  91 05"), ==, 0);
        g_assert_cmpint(decode_hex("93 20 91 c4 10 101112131415161718191a1b1c1d1e1f a1 61"), ==, 0);
        g_assert_cmpint(decode_hex("94 21 c4 10 101112131415161718191a1b1c1d1e1f 01 91 05"), ==, 0);
        g_assert_cmpint(decode_hex("92 22 c0"), ==, 0);
}

static void what_is_not_an_operation_is_refused(void)
{
        static const char *const bad[] = {
                        "", "90",                        /* no kind */
                        "91 ff",                         /* negative kind */
                        "91 c3",                         /* kind of another type */
                        "81 01 02",                      /* not an array */
                        "91 02 00",                      /* something after it */
                        "91 01",                         /* nothing but a kind */
                        "94 01 a1 72 90 90",             /* without "whole" */
                        "94 01 a1 72 90 90 c3",          /* four elements announced, five there */
                        "95 01 a0 90 90 c3",             /* empty region */
                        "95 01 c4 01 72 90 90 c3",       /* region as bin */
                        "95 01 a1 0a 90 90 c3",          /* control character */
                        "95 01 a2 c3 28 90 90 c3",       /* not UTF-8 */
                        "95 01 a1 72 91 c4 00 90 c3",    /* empty key */
                        "95 01 a1 72 91 a1 6b 90 c3",    /* key as str */
                        "95 01 a1 72 90 91 c4 00 c3",    /* empty tag */
                        "95 01 a1 72 90 91 a1 74 c3",    /* tag as str */
                        "95 01 a1 72 c0 90 c3",          /* no list */
                        "95 01 a1 72 90 90 01",          /* whole as uint */
                        "95 01 a1 72 91 c4 01 6b 90 c1", /* a byte that begins nothing */
                        "94 10 a1 72 91 c4 01 6b 90",    /* an intent without a deadline */
                        "95 10 a1 72 91 c4 01 6b 90 00", /* of 0 ms */
                        "95 10 a1 72 90 90 01",          /* of nothing */
                        "95 11 a1 72 91 c4 01 6b 90 01", /* an end without a number */
                        "96 11 a1 72 91 c4 01 6b 90 00 02",              /* of no stream */
                        "96 01 a1 72 90 90 c3 c0",                       /* hold of another type */
                        "97 11 a1 72 91 c4 01 6b 90 01 02 a1 61",        /* of an end, as str */
                        "91 20",                                         /* sessions without keys */
                        "92 20 91 c4 0f 101112131415161718191a1b1c1d1e", /* key too short */
                        "92 20 91 a1 61",                                /* as str */
                        "92 21 c4 10 101112131415161718191a1b1c1d1e1f",  /* no incarnation */
                        "93 21 c4 10 101112131415161718191a1b1c1d1e1f 00", /* that is none */
                        "93 21 c4 10 00000000000000000000000000000000 01", /* of nobody */
                        "93 21 c4 0f 101112131415161718191a1b1c1d1e 01",   /* id too short */
        };

        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
                g_test_message("%s", bad[i]);
                g_assert_cmpint(decode_hex(bad[i]), ==, -EBADMSG);
        }
}

struct shape {
        size_t region_len;
        uint32_t n_keys;
        size_t key_len;
        uint32_t n_tags;
        size_t tag_len;
};

static int decode_shape(const struct shape *shape)
{
        static uint8_t buffer[200000];
        static const char text[4096] = "";
        g_autofree char *region = g_strnfill(shape->region_len, 'r');
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

        cmi_op_write_begin(&writer, cmi_slice_str(region), shape->n_keys);
        for (uint32_t i = 0; i < shape->n_keys; i++) {
                cmi_write_bin(&writer, cmi_slice(text, shape->key_len));
        }
        cmi_op_write_tags(&writer, shape->n_tags);
        for (uint32_t i = 0; i < shape->n_tags; i++) {
                cmi_write_bin(&writer, cmi_slice(text, shape->tag_len));
        }
        cmi_op_write_end(&writer, true);
        g_assert_cmpint(writer.error, ==, 0);
        return decode(cmi_written(&writer));
}

static void each_limit_is_reached_and_not_exceeded(void)
{
        g_assert_cmpint(decode_shape(&(struct shape){CMI_REGION_NAME_MAX, 0, 0, 0, 0}), ==, 0);
        g_assert_cmpint(decode_shape(&(struct shape){CMI_REGION_NAME_MAX + 1, 0, 0, 0, 0}), ==,
                        -EMSGSIZE);
        g_assert_cmpint(decode_shape(&(struct shape){1, 1, CMI_KEY_MAX, 1, CMI_TAG_MAX}), ==, 0);
        g_assert_cmpint(decode_shape(&(struct shape){1, 1, CMI_KEY_MAX + 1, 0, 0}), ==, -EMSGSIZE);
        g_assert_cmpint(decode_shape(&(struct shape){1, 0, 0, 1, CMI_TAG_MAX + 1}), ==, -EMSGSIZE);
        g_assert_cmpint(decode_shape(&(struct shape){1, CMI_OP_TARGETS_MAX, 1, 0, 0}), ==, 0);
        g_assert_cmpint(decode_shape(&(struct shape){1, 0, 0, CMI_OP_TARGETS_MAX, 1}), ==, 0);
        g_assert_cmpint(decode_shape(&(struct shape){1, CMI_OP_TARGETS_MAX + 1, 1, 0, 0}), ==,
                        -EMSGSIZE);
        g_assert_cmpint(decode_shape(&(struct shape){1, CMI_OP_TARGETS_MAX, 1, 1, 1}), ==,
                        -EMSGSIZE);
        /* 11 bytes around 57 keys of 1,027 encoded bytes and one that fills the rest */
        g_assert_cmpint(decode_shape(&(struct shape){1, 58, 1024, 0, 0}), ==, 0);
        g_assert_cmpint(decode_shape(&(struct shape){1, 59, 1024, 0, 0}), ==, -EMSGSIZE);
}

/* @n_keys and then a deadline; -EMSGSIZE past each limit. */
static int decode_intent(uint32_t n_keys, size_t key_len, uint64_t deadline_ms)
{
        static const char text[4096] = "";
        uint8_t buffer[8192];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

        cmi_op_write_intent(&writer, CMI_OP_INTENT_BEGIN, cmi_slice_str("r"), n_keys);
        for (uint32_t i = 0; i < n_keys; i++) {
                cmi_write_bin(&writer, cmi_slice(text, key_len));
        }
        cmi_op_write_tags(&writer, 0);
        cmi_op_write_deadline(&writer, deadline_ms);
        g_assert_cmpint(writer.error, ==, 0);
        return decode(cmi_written(&writer));
}

static void each_limit_of_an_intent_is_reached_and_not_exceeded(void)
{
        g_assert_cmpint(decode_intent(CMI_INTENT_TARGETS_MAX, 1, 1), ==, 0);
        g_assert_cmpint(decode_intent(CMI_INTENT_TARGETS_MAX + 1, 1, 1), ==, -EMSGSIZE);
        g_assert_cmpint(decode_intent(1, CMI_KEY_MAX, CMI_INTENT_MS_MAX), ==, 0);
        g_assert_cmpint(decode_intent(1, 1, CMI_INTENT_MS_MAX + 1), <, 0);
        /* 2,047 bytes, and more than CMI_INTENT_SIZE_MAX. */
        g_assert_cmpint(decode_intent(8, 253, 1), ==, 0);
        g_assert_cmpint(decode_intent(8, 255, 1), ==, -EMSGSIZE);
}

static void mutated_operations_do_no_harm(void)
{
        g_autoptr(GByteArray) bytes = bytes_of_hex(golden_invalidate);

        mutate_and_decode(slice_of(bytes), decode, test_seed());
}

static void a_run_gives_its_operations_in_order(void)
{
        struct cmi_slice run = cmi_slice("\2\0\0\0ab\1\0\0\0c", 11);
        struct cmi_slice op;

        g_assert_cmpint(cmi_op_run_next(&run, &op), ==, 1);
        assert_same_bytes(op, cmi_slice_str("ab"));
        g_assert_cmpint(cmi_op_run_next(&run, &op), ==, 1);
        assert_same_bytes(op, cmi_slice_str("c"));
        g_assert_cmpint(cmi_op_run_next(&run, &op), ==, 0);
}

static void a_run_that_lies_about_a_length_is_refused_and_untouched(void)
{
        static uint8_t large[CMI_OP_PREFIX_SIZE + CMI_OP_SIZE_MAX + 1];
        static const struct cmi_slice bad[] = {{"\0\0\0\0a", 5}, {"\2\0\0\0a", 5}, {"\1\0\0", 3},
                        {"\1\0\0\0", 4}, {"\xff\xff\xff\xff", 4}, {large, sizeof(large)}};
        uint32_t len = CMI_OP_SIZE_MAX + 1;
        struct cmi_slice run;
        struct cmi_slice op;

        memcpy(large, &(uint32_t){GUINT32_TO_LE(len)}, sizeof(len));
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
                run = bad[i];
                g_assert_cmpint(cmi_op_run_next(&run, &op), ==, -EBADMSG);
                g_assert_true(run.data == bad[i].data && run.len == bad[i].len);
        }
        memcpy(large, &(uint32_t){GUINT32_TO_LE(len - 1)}, sizeof(len));
        run = cmi_slice(large, sizeof(large) - 1);
        g_assert_cmpint(cmi_op_run_next(&run, &op), ==, 1);
        g_assert_cmpuint(op.len, ==, CMI_OP_SIZE_MAX);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add_func("/op/" #name, name)
        CASE(an_invalidate_is_written_as_documented);
        CASE(an_invalidate_is_read_back);
        CASE(begin_and_end_of_an_intent_are_written_as_documented);
        CASE(begin_and_end_of_an_intent_are_read_back);
        CASE(an_end_has_the_targets_of_its_begin);
        CASE(what_is_held_says_so_in_one_element_more);
        CASE(those_of_sessions_are_written_and_read_as_documented);
        CASE(a_session_operation_has_one_key_up_to_its_limit);
        CASE(all_is_one_element);
        CASE(an_operation_cut_short_is_refused);
        CASE(a_newer_version_may_append_elements_and_kinds);
        CASE(what_is_not_an_operation_is_refused);
        CASE(each_limit_is_reached_and_not_exceeded);
        CASE(each_limit_of_an_intent_is_reached_and_not_exceeded);
        CASE(mutated_operations_do_no_harm);
        CASE(a_run_gives_its_operations_in_order);
        CASE(a_run_that_lies_about_a_length_is_refused_and_untouched);
        return g_test_run();
}
