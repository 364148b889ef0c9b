/* SPDX-License-Identifier: MIT */
#include "tests/wire/bytes.h"
#include "wire/reader.h"

#include <errno.h>

/* Hex text as a reader; the bytes live until the end of the test program. */
static struct cmi_reader reader_of(const char *hex)
{
        static GPtrArray *kept;
        GByteArray *bytes = bytes_of_hex(hex);
        struct cmi_slice copy = exact_copy(slice_of(bytes));

        if (kept == NULL) {
                kept = g_ptr_array_new_with_free_func(g_free);
        }
        g_byte_array_unref(bytes);
        g_ptr_array_add(kept, (void *)copy.data);
        return cmi_reader(copy);
}

static void every_encoding_of_a_uint_is_read(void)
{
        static const struct {
                const char *hex;
                uint64_t value;
        } cases[] = {
                        {"00", 0},
                        {"7f", 127},
                        {"cc 00", 0},
                        {"cc ff", 255},
                        {"cd 0100", 256},
                        {"cd 0001", 1},
                        {"ce ffffffff", UINT32_MAX},
                        {"cf ffffffffffffffff", UINT64_MAX},
                        {"cf 0000000000000005", 5},
                        {"d0 7f", 127},
                        {"d1 7fff", 32767},
                        {"d2 7fffffff", INT32_MAX},
                        {"d3 7fffffffffffffff", INT64_MAX},
                        {"d3 0000000000000000", 0},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                struct cmi_reader reader = reader_of(cases[i].hex);

                g_assert_cmpint(cmi_read_type(&reader), ==, CMI_TYPE_UINT);
                g_assert_cmpuint(cmi_read_uint(&reader, UINT64_MAX), ==, cases[i].value);
                g_assert_cmpint(cmi_read_done(&reader), ==, 0);
        }
}

static void every_encoding_of_a_negative_int_is_read(void)
{
        static const struct {
                const char *hex;
                int64_t value;
        } cases[] = {
                        {"ff", -1},
                        {"e0", -32},
                        {"d0 80", -128},
                        {"d0 ff", -1},
                        {"d1 8000", -32768},
                        {"d2 80000000", INT32_MIN},
                        {"d2 ffffffff", -1},
                        {"d3 8000000000000000", INT64_MIN},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                struct cmi_reader reader = reader_of(cases[i].hex);

                g_assert_cmpint(cmi_read_type(&reader), ==, CMI_TYPE_INT);
                g_assert_cmpint(cmi_read_int(&reader), ==, cases[i].value);
                g_assert_cmpint(cmi_read_done(&reader), ==, 0);

                reader = reader_of(cases[i].hex);
                g_assert_cmpuint(cmi_read_uint(&reader, UINT64_MAX), ==, 0);
                g_assert_cmpint(reader.error, ==, -EBADMSG);
        }
}

static void an_int_over_its_range_is_over_a_limit(void)
{
        struct cmi_reader reader = reader_of("cf 8000000000000000");

        g_assert_cmpint(cmi_read_int(&reader), ==, 0);
        g_assert_cmpint(reader.error, ==, -EMSGSIZE);
        reader = reader_of("cf 7fffffffffffffff");
        g_assert_cmpint(cmi_read_int(&reader), ==, INT64_MAX);
        g_assert_cmpint(reader.error, ==, 0);
}

static void a_uint_over_the_maximum_is_over_a_limit(void)
{
        struct cmi_reader reader = reader_of("0a 0b");

        g_assert_cmpuint(cmi_read_uint(&reader, 10), ==, 10);
        g_assert_cmpuint(cmi_read_uint(&reader, 10), ==, 0);
        g_assert_cmpint(cmi_read_done(&reader), ==, -EMSGSIZE);
        reader = reader_of("cd 0100");
        g_assert_cmpuint(cmi_read_uint(&reader, 255), ==, 0);
        g_assert_cmpint(cmi_read_done(&reader), ==, -EMSGSIZE);
}

static void nil_bool_and_floats_are_read(void)
{
        struct cmi_reader reader = reader_of("c2 c3 ca 3fc00000 cb bff0000000000000 c0");

        g_assert_cmpint(cmi_read_type(&reader), ==, CMI_TYPE_BOOL);
        g_assert_false(cmi_read_bool(&reader));
        g_assert_true(cmi_read_bool(&reader));
        g_assert_cmpint(cmi_read_type(&reader), ==, CMI_TYPE_FLOAT);
        g_assert_cmpfloat(cmi_read_float(&reader), ==, 1.5);
        g_assert_cmpfloat(cmi_read_float(&reader), ==, -1.0);
        g_assert_cmpint(cmi_read_type(&reader), ==, CMI_TYPE_NIL);
        cmi_read_skip(&reader);
        g_assert_cmpint(cmi_read_done(&reader), ==, 0);
        g_assert_cmpint(cmi_read_type(&reader), ==, CMI_TYPE_END);
}

static void every_encoding_of_bin_and_str_is_read(void)
{
        static const char *const bins[] = {"c4 03 616263", "c5 0003 616263", "c6 00000003 616263"};
        static const char *const strs[] = {
                        "a3 616263", "d9 03 616263", "da 0003 616263", "db 00000003 616263"};

        for (size_t i = 0; i < G_N_ELEMENTS(bins); i++) {
                struct cmi_reader reader = reader_of(bins[i]);

                g_assert_cmpint(cmi_read_type(&reader), ==, CMI_TYPE_BIN);
                assert_same_bytes(cmi_read_bin(&reader, 3), cmi_slice("abc", 3));
                g_assert_cmpint(cmi_read_done(&reader), ==, 0);

                reader = reader_of(bins[i]);
                g_assert_cmpuint(cmi_read_bin(&reader, 2).len, ==, 0);
                g_assert_cmpint(reader.error, ==, -EMSGSIZE);

                reader = reader_of(bins[i]);
                g_assert_cmpuint(cmi_read_str(&reader, 3).len, ==, 0);
                g_assert_cmpint(reader.error, ==, -EBADMSG);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(strs); i++) {
                struct cmi_reader reader = reader_of(strs[i]);

                g_assert_cmpint(cmi_read_type(&reader), ==, CMI_TYPE_STR);
                assert_same_bytes(cmi_read_str(&reader, 3), cmi_slice("abc", 3));
                g_assert_cmpint(cmi_read_done(&reader), ==, 0);

                reader = reader_of(strs[i]);
                g_assert_cmpuint(cmi_read_str(&reader, 2).len, ==, 0);
                g_assert_cmpint(reader.error, ==, -EMSGSIZE);

                reader = reader_of(strs[i]);
                g_assert_cmpuint(cmi_read_bin(&reader, 3).len, ==, 0);
                g_assert_cmpint(reader.error, ==, -EBADMSG);
        }
}

static void a_fixed_bin_has_exactly_its_size(void)
{
        uint8_t got[3] = {1, 1, 1};
        struct cmi_reader reader = reader_of("c4 03 0a0b0c");

        cmi_read_fixed(&reader, got, 3);
        assert_same_bytes(cmi_slice(got, 3), cmi_slice("\x0a\x0b\x0c", 3));
        g_assert_cmpint(cmi_read_done(&reader), ==, 0);
        reader = reader_of("c4 02 0a0b");
        cmi_read_fixed(&reader, got, 3);
        assert_same_bytes(cmi_slice(got, 3), cmi_slice("\0\0\0", 3));
        g_assert_cmpint(cmi_read_done(&reader), ==, -EBADMSG);
        reader = reader_of("c4 04 0a0b0c0d");
        cmi_read_fixed(&reader, got, 3);
        g_assert_cmpint(cmi_read_done(&reader), ==, -EBADMSG);
}

static void every_encoding_of_a_container_is_opened(void)
{
        static const char *const arrays[] = {"92 01 02", "dc 0002 01 02", "dd 00000002 01 02"};
        static const char *const maps[] = {"81 01 02", "de 0001 01 02", "df 00000001 01 02"};

        for (size_t i = 0; i < G_N_ELEMENTS(arrays); i++) {
                struct cmi_reader reader = reader_of(arrays[i]);

                g_assert_cmpint(cmi_read_type(&reader), ==, CMI_TYPE_ARRAY);
                g_assert_cmpuint(cmi_read_array(&reader, 2), ==, 2);
                g_assert_cmpuint(cmi_read_uint(&reader, 9), ==, 1);
                g_assert_cmpuint(cmi_read_uint(&reader, 9), ==, 2);
                g_assert_cmpint(cmi_read_done(&reader), ==, 0);

                reader = reader_of(arrays[i]);
                g_assert_cmpuint(cmi_read_array(&reader, 1), ==, 0);
                g_assert_cmpint(reader.error, ==, -EMSGSIZE);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(maps); i++) {
                struct cmi_reader reader = reader_of(maps[i]);

                g_assert_cmpint(cmi_read_type(&reader), ==, CMI_TYPE_MAP);
                g_assert_cmpuint(cmi_read_map(&reader, 1), ==, 1);
                g_assert_cmpuint(cmi_read_uint(&reader, 9), ==, 1);
                g_assert_cmpuint(cmi_read_uint(&reader, 9), ==, 2);
                g_assert_cmpint(cmi_read_done(&reader), ==, 0);

                reader = reader_of(maps[i]);
                g_assert_cmpuint(cmi_read_map(&reader, 0), ==, 0);
                g_assert_cmpint(reader.error, ==, -EMSGSIZE);
        }
}

static void a_count_over_the_bytes_left_is_refused(void)
{
        static const char *const arrays[] = {"dd ffffffff", "dc ffff", "93 01 02", "91"};
        static const char *const maps[] = {"df ffffffff", "de ffff", "82 01 02 03", "81 01", "81"};
        struct cmi_reader reader;

        for (size_t i = 0; i < G_N_ELEMENTS(arrays); i++) {
                reader = reader_of(arrays[i]);
                g_assert_cmpuint(cmi_read_array(&reader, UINT32_MAX), ==, 0);
                g_assert_cmpint(reader.error, ==, -EBADMSG);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(maps); i++) {
                reader = reader_of(maps[i]);
                g_assert_cmpuint(cmi_read_map(&reader, UINT32_MAX), ==, 0);
                g_assert_cmpint(reader.error, ==, -EBADMSG);
        }
        reader = reader_of("c6 ffffffff");
        g_assert_cmpuint(cmi_read_bin(&reader, SIZE_MAX).len, ==, 0);
        g_assert_cmpint(reader.error, ==, -EBADMSG);
        reader = reader_of("db ffffffff");
        g_assert_cmpuint(cmi_read_str(&reader, SIZE_MAX).len, ==, 0);
        g_assert_cmpint(reader.error, ==, -EBADMSG);
}

static void the_first_error_sticks_and_later_reads_give_nothing(void)
{
        struct cmi_reader reader = reader_of("cd 0100 05 c3 a1 61");
        uint8_t byte = 1;

        cmi_read_uint(&reader, 255);
        g_assert_cmpint(reader.error, ==, -EMSGSIZE);
        g_assert_cmpuint(cmi_read_uint(&reader, UINT64_MAX), ==, 0);
        g_assert_cmpint(cmi_read_int(&reader), ==, 0);
        g_assert_false(cmi_read_bool(&reader));
        g_assert_cmpfloat(cmi_read_float(&reader), ==, 0);
        g_assert_cmpuint(cmi_read_bin(&reader, SIZE_MAX).len, ==, 0);
        g_assert_cmpuint(cmi_read_str(&reader, SIZE_MAX).len, ==, 0);
        g_assert_cmpuint(cmi_read_array(&reader, UINT32_MAX), ==, 0);
        g_assert_cmpuint(cmi_read_map(&reader, UINT32_MAX), ==, 0);
        cmi_read_fixed(&reader, &byte, 1);
        g_assert_cmpuint(byte, ==, 0);
        cmi_read_skip(&reader);
        g_assert_null(cmi_read_value(&reader).data);
        g_assert_cmpint(cmi_read_type(&reader), ==, CMI_TYPE_END);
        cmi_read_fail(&reader, -EBADMSG);
        g_assert_cmpint(cmi_read_done(&reader), ==, -EMSGSIZE);
}

static void bytes_left_over_are_an_error(void)
{
        struct cmi_reader reader = reader_of("01 02");

        cmi_read_uint(&reader, UINT64_MAX);
        g_assert_cmpint(cmi_read_done(&reader), ==, -EBADMSG);
        reader = cmi_reader(cmi_slice(NULL, 0));
        g_assert_cmpint(cmi_read_done(&reader), ==, 0);
}

static void nesting_is_skipped_to_its_limit_and_not_deeper(void)
{
        static const char *const fine[] = {"94 91 91 91 01 02 03 04", "81 01 81 02 81 03 81 04 05",
                        "91 91 91 90", "91 91 91 80"};
        static const char *const deep[] = {"91 91 91 91 91 01", "81 01 81 02 81 03 81 04 81 05 06",
                        "91 91 91 91 90", "91 91 91 91 80", "91 91 91 91 dd 00000000"};

        for (size_t i = 0; i < G_N_ELEMENTS(fine); i++) {
                struct cmi_reader reader = reader_of(fine[i]);

                cmi_read_skip(&reader);
                g_assert_cmpint(cmi_read_done(&reader), ==, 0);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(deep); i++) {
                struct cmi_reader reader = reader_of(deep[i]);

                cmi_read_skip(&reader);
                g_assert_cmpint(cmi_read_done(&reader), ==, -EMSGSIZE);
        }
}

static void a_value_is_given_with_all_that_it_contains(void)
{
        struct cmi_reader reader = reader_of("05 82 01 93 0203 04 a1 61 c4 01 ff c7 01 05 00 c0");
        struct cmi_slice value;

        cmi_read_uint(&reader, 9);
        value = cmi_read_value(&reader);
        g_assert_cmpuint(value.len, ==, 11);
        value = cmi_read_value(&reader);
        assert_same_bytes(value, cmi_slice("\xc7\x01\x05\x00", 4));
        value = cmi_read_value(&reader);
        assert_same_bytes(value, cmi_slice("\xc0", 1));
        g_assert_cmpint(cmi_read_done(&reader), ==, 0);
}

static void every_type_is_refused_where_another_is_expected(void)
{
        static const char *const values[] = {"c0", "c3", "05", "ff", "ca 3fc00000", "a161",
                        "c4 01 61", "91 01", "81 01 01", "d4 01 61", "c1", ""};
        static const enum cmi_type types[] = {CMI_TYPE_NIL, CMI_TYPE_BOOL, CMI_TYPE_UINT,
                        CMI_TYPE_INT, CMI_TYPE_FLOAT, CMI_TYPE_STR, CMI_TYPE_BIN, CMI_TYPE_ARRAY,
                        CMI_TYPE_MAP, CMI_TYPE_EXT, CMI_TYPE_END, CMI_TYPE_END};

        for (size_t i = 0; i < G_N_ELEMENTS(values); i++) {
                struct cmi_reader original = reader_of(values[i]);
                enum cmi_type type = types[i];
                struct cmi_reader r;

#define WANT(of_types, read)                                                                       \
        r = original;                                                                              \
        read;                                                                                      \
        g_assert_cmpint(cmi_read_done(&r), ==, (of_types) ? 0 : -EBADMSG)

                g_assert_cmpint(cmi_read_type(&original), ==, type);
                WANT(type == CMI_TYPE_UINT, cmi_read_uint(&r, UINT64_MAX));
                WANT(type == CMI_TYPE_UINT || type == CMI_TYPE_INT, cmi_read_int(&r));
                WANT(type == CMI_TYPE_BOOL, cmi_read_bool(&r));
                WANT(type == CMI_TYPE_FLOAT, cmi_read_float(&r));
                WANT(type == CMI_TYPE_STR, cmi_read_str(&r, SIZE_MAX));
                WANT(type == CMI_TYPE_BIN, cmi_read_bin(&r, SIZE_MAX));
                WANT(type != CMI_TYPE_END, cmi_read_skip(&r));
#undef WANT
                r = original;
                g_assert_cmpuint(cmi_read_array(&r, 9), ==, type == CMI_TYPE_ARRAY ? 1 : 0);
                g_assert_cmpint(r.error, ==, type == CMI_TYPE_ARRAY ? 0 : -EBADMSG);
                r = original;
                g_assert_cmpuint(cmi_read_map(&r, 9), ==, type == CMI_TYPE_MAP ? 1 : 0);
                g_assert_cmpint(r.error, ==, type == CMI_TYPE_MAP ? 0 : -EBADMSG);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add_func("/reader/" #name, name)
        CASE(every_encoding_of_a_uint_is_read);
        CASE(every_encoding_of_a_negative_int_is_read);
        CASE(an_int_over_its_range_is_over_a_limit);
        CASE(a_uint_over_the_maximum_is_over_a_limit);
        CASE(nil_bool_and_floats_are_read);
        CASE(every_encoding_of_bin_and_str_is_read);
        CASE(a_fixed_bin_has_exactly_its_size);
        CASE(every_encoding_of_a_container_is_opened);
        CASE(a_count_over_the_bytes_left_is_refused);
        CASE(the_first_error_sticks_and_later_reads_give_nothing);
        CASE(bytes_left_over_are_an_error);
        CASE(nesting_is_skipped_to_its_limit_and_not_deeper);
        CASE(a_value_is_given_with_all_that_it_contains);
        CASE(every_type_is_refused_where_another_is_expected);
        return g_test_run();
}
