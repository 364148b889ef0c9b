/* SPDX-License-Identifier: MIT */
#include "tests/wire/bytes.h"
#include "wire/reader.h"
#include "wire/writer.h"

#include <errno.h>

static uint8_t buffer[70000];

#define ASSERT_WRITES(hex, call)                                                                   \
        do {                                                                                       \
                struct cmi_writer w = cmi_writer(buffer, sizeof(buffer));                          \
                                                                                                   \
                call;                                                                              \
                g_assert_cmpint(w.error, ==, 0);                                                   \
                assert_is_hex(cmi_written(&w), hex);                                               \
        } while (0)

static void numbers_take_their_shortest_form(void)
{
        ASSERT_WRITES("00", cmi_write_uint(&w, 0));
        ASSERT_WRITES("7f", cmi_write_uint(&w, 127));
        ASSERT_WRITES("cc80", cmi_write_uint(&w, 128));
        ASSERT_WRITES("ccff", cmi_write_uint(&w, 255));
        ASSERT_WRITES("cd0100", cmi_write_uint(&w, 256));
        ASSERT_WRITES("cdffff", cmi_write_uint(&w, 65535));
        ASSERT_WRITES("ce00010000", cmi_write_uint(&w, 65536));
        ASSERT_WRITES("ceffffffff", cmi_write_uint(&w, UINT32_MAX));
        ASSERT_WRITES("cf0000000100000000", cmi_write_uint(&w, UINT64_C(1) << 32));
        ASSERT_WRITES("cfffffffffffffffff", cmi_write_uint(&w, UINT64_MAX));
        ASSERT_WRITES("7f", cmi_write_int(&w, 127));
        ASSERT_WRITES("cc80", cmi_write_int(&w, 128));
        ASSERT_WRITES("ff", cmi_write_int(&w, -1));
        ASSERT_WRITES("e0", cmi_write_int(&w, -32));
        ASSERT_WRITES("d0df", cmi_write_int(&w, -33));
        ASSERT_WRITES("d080", cmi_write_int(&w, -128));
        ASSERT_WRITES("d1ff7f", cmi_write_int(&w, -129));
        ASSERT_WRITES("d28000 0000", cmi_write_int(&w, INT32_MIN));
        ASSERT_WRITES("d38000000000000000", cmi_write_int(&w, INT64_MIN));
}

static void the_other_scalars_have_one_form(void)
{
        ASSERT_WRITES("c0", cmi_write_nil(&w));
        ASSERT_WRITES("c2", cmi_write_bool(&w, false));
        ASSERT_WRITES("c3", cmi_write_bool(&w, true));
        ASSERT_WRITES("cb 3ff8000000000000", cmi_write_float(&w, 1.5));
}

static void texts_and_bytes_keep_their_types(void)
{
        ASSERT_WRITES("a0", cmi_write_cstr(&w, ""));
        ASSERT_WRITES("a3 616263", cmi_write_cstr(&w, "abc"));
        ASSERT_WRITES("a2 0061", cmi_write_str(&w, cmi_slice("\0a", 2)));
        ASSERT_WRITES("c4 00", cmi_write_bin(&w, cmi_slice(NULL, 0)));
        ASSERT_WRITES("c4 03 616263", cmi_write_bin(&w, cmi_slice("abc", 3)));
        ASSERT_WRITES("c4 03 616263",
                        (cmi_write_bin_header(&w, 3), cmi_write_raw(&w, cmi_slice("abc", 3))));
        ASSERT_WRITES("", cmi_write_raw(&w, cmi_slice(NULL, 0)));
}

/* The reader takes what the writer gives at each size where the form changes. */
static void every_length_is_read_back(void)
{
        static const uint32_t lengths[] = {0, 1, 15, 16, 31, 32, 255, 256, 65535, 65536};
        static const uint8_t content[65536];

        for (size_t i = 0; i < G_N_ELEMENTS(lengths); i++) {
                uint32_t n = lengths[i];
                struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));
                struct cmi_reader reader;

                cmi_write_str(&writer, cmi_slice(content, n));
                reader = cmi_reader(cmi_written(&writer));
                g_assert_cmpuint(cmi_read_str(&reader, n).len, ==, n);
                g_assert_cmpint(cmi_read_done(&reader), ==, 0);

                writer = cmi_writer(buffer, sizeof(buffer));
                cmi_write_bin(&writer, cmi_slice(content, n));
                reader = cmi_reader(cmi_written(&writer));
                g_assert_cmpuint(cmi_read_bin(&reader, n).len, ==, n);
                g_assert_cmpint(cmi_read_done(&reader), ==, 0);

                writer = cmi_writer(buffer, sizeof(buffer));
                cmi_write_array(&writer, n);
                cmi_write_raw(&writer, cmi_slice(content, n));
                reader = cmi_reader(cmi_written(&writer));
                g_assert_cmpuint(cmi_read_array(&reader, n), ==, n);
                g_assert_cmpint(reader.error, ==, 0);

                writer = cmi_writer(buffer, sizeof(buffer));
                cmi_write_map(&writer, n / 2);
                cmi_write_raw(&writer, cmi_slice(content, n));
                reader = cmi_reader(cmi_written(&writer));
                g_assert_cmpuint(cmi_read_map(&reader, n), ==, n / 2);
                g_assert_cmpint(reader.error, ==, 0);
        }
}

static void a_full_buffer_is_an_error_that_sticks(void)
{
        for (size_t capacity = 0; capacity < 5; capacity++) {
                g_autofree uint8_t *small = g_malloc(capacity);
                struct cmi_writer writer = cmi_writer(small, capacity);
                size_t len;

                cmi_write_bin(&writer, cmi_slice("abc", 3));
                g_assert_cmpint(writer.error, ==, -EMSGSIZE);
                g_assert_cmpuint(writer.len, <=, capacity);
                len = writer.len;
                cmi_write_raw(&writer, cmi_slice(NULL, 0));
                cmi_write_nil(&writer);
                g_assert_cmpint(writer.error, ==, -EMSGSIZE);
                g_assert_cmpuint(writer.len, ==, len);
        }
}

static void a_value_may_fill_the_buffer_to_its_end(void)
{
        g_autofree uint8_t *small = g_malloc(5);
        struct cmi_writer writer = cmi_writer(small, 5);

        cmi_write_bin(&writer, cmi_slice("abc", 3));
        g_assert_cmpint(writer.error, ==, 0);
        g_assert_cmpuint(writer.len, ==, 5);
        cmi_write_nil(&writer);
        g_assert_cmpint(writer.error, ==, -EMSGSIZE);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add_func("/writer/" #name, name)
        CASE(numbers_take_their_shortest_form);
        CASE(the_other_scalars_have_one_form);
        CASE(texts_and_bytes_keep_their_types);
        CASE(every_length_is_read_back);
        CASE(a_full_buffer_is_an_error_that_sticks);
        CASE(a_value_may_fill_the_buffer_to_its_end);
        return g_test_run();
}
