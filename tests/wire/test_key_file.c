/* SPDX-License-Identifier: MIT */
#include "tests/wire/bytes.h"
#include "wire/key_file.h"

#include <errno.h>

#define HEX_A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define HEX_B "ffEEddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"
#define HEX_C "0101010101010101010101010101010101010101010101010101010101010101"
#define HEX_D "0202020202020202020202020202020202020202020202020202020202020202"
#define HEX_0 "0000000000000000000000000000000000000000000000000000000000000000"

/* Read from a copy of exactly its size, so that a sanitizer sees every byte too many. */
static int parse(const char *text, struct cmi_key_file *file, uint32_t *line)
{
        struct cmi_slice copy = exact_copy(cmi_slice_str(text));
        int r = cmi_key_file_parse(copy, file, line);

        g_free((void *)copy.data);
        return r;
}

static void a_file_is_read_and_written_as_it_was(void)
{
        struct cmi_key_file file, again;
        char text[CMI_KEY_FILE_TEXT_SIZE];
        uint32_t line;

        g_assert_cmpint(parse("cachemesh-keys 1\n# mine\n\nkey " HEX_A "\r\nuse " HEX_B
                              " \nkey " HEX_C,
                                        &file, &line),
                        ==, 0);
        g_assert_cmpuint(file.n_keys, ==, 3);
        g_assert_cmpuint(file.used, ==, 1);
        g_assert_cmpuint(file.keys[0][1], ==, 0x11);
        g_assert_cmpuint(file.keys[1][1], ==, 0xee);
        g_assert_cmpuint(cmi_key_file_format(&file, text), ==, strlen(text));
        g_assert_cmpint(parse(text, &again, &line), ==, 0);
        g_assert_cmpmem(&file, sizeof(file), &again, sizeof(again));
}

static void what_is_no_key_file_is_refused_with_its_line(void)
{
        static const struct {
                const char *text;
                int error;
                uint32_t line;
        } cases[] = {
                        {"", -EPROTONOSUPPORT, 1},
                        {"cachemesh-keys 2\nuse " HEX_A "\n", -EPROTONOSUPPORT, 1},
                        {"use " HEX_A "\n", -EPROTONOSUPPORT, 1},
                        {"cachemesh-keys 1\n", -ENOKEY, 0},
                        {"cachemesh-keys 1\nkey " HEX_A "\n", -ENOKEY, 0},
                        {"cachemesh-keys 1\nuse 00\n", -EBADMSG, 2},
                        {"cachemesh-keys 1\nuse\n", -EBADMSG, 2},
                        {"cachemesh-keys 1\nuse " HEX_A "00\n", -EBADMSG, 2},
                        {"cachemesh-keys 1\nuse " HEX_0 "\n", -EBADMSG, 2},
                        {"cachemesh-keys 1\n\nuse x" HEX_A "\n", -EBADMSG, 3},
                        {"cachemesh-keys 1\nuser " HEX_A "\n", -EBADMSG, 2},
                        {"cachemesh-keys 1\nuse " HEX_A "\nuse " HEX_B "\n", -EEXIST, 3},
                        {"cachemesh-keys 1\nuse " HEX_A "\nkey " HEX_A "\n", -EEXIST, 3},
                        {"cachemesh-keys 1\nuse " HEX_A "\nkey " HEX_B "\nkey " HEX_C
                         "\nkey " HEX_D,
                                        -E2BIG, 5},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                struct cmi_key_file file = {.n_keys = 77};
                uint32_t line = 99;

                g_assert_cmpint(parse(cases[i].text, &file, &line), ==, cases[i].error);
                g_assert_cmpuint(line, ==, cases[i].line);
                g_assert_cmpuint(file.n_keys, ==, 77);
        }
}

static void a_file_that_is_too_long_is_not_read(void)
{
        g_autofree char *text = g_strnfill(CMI_KEY_FILE_MAX + 1, '\n');
        struct cmi_key_file file;
        uint32_t line;

        memcpy(text, "cachemesh-keys 1\nuse " HEX_A, 21 + 64);
        g_assert_cmpint(parse(text, &file, &line), ==, -E2BIG);
        text[CMI_KEY_FILE_MAX] = '\0';
        g_assert_cmpint(parse(text, &file, &line), ==, 0);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add_func("/key_file/" #name, name)
        CASE(a_file_is_read_and_written_as_it_was);
        CASE(what_is_no_key_file_is_refused_with_its_line);
        CASE(a_file_that_is_too_long_is_not_read);
        return g_test_run();
}
