/* SPDX-License-Identifier: MIT */
/* The text of an app's key ring. */
#include "wire/session_keys.h"

#include <errno.h>
#include <glib.h>

#define HEAD "cachemesh-session-keys 1\n"
#define KEY(digit) "1111111111111111111111111111111111111111111111111111111111111" digit digit digit

static int parse_line(const char *text, struct cmi_session_keys *ret_keys, uint32_t *ret_line)
{
        return cmi_session_keys_parse(cmi_slice_str(text), ret_keys, ret_line);
}

static int parse(const char *text)
{
        struct cmi_session_keys keys;
        uint32_t line;

        return parse_line(text, &keys, &line);
}

static void the_used_key_of_each_kind_comes_first(void)
{
        static const char text[] = HEAD "# one\n\nseal key " KEY("2") "\nseal use " KEY(
                        "3") "\r\nindex use " KEY("4") "  \nindex key " KEY("5") "\n";
        struct cmi_session_keys keys;
        uint32_t line = 7;

        g_assert_cmpint(parse_line(text, &keys, &line), ==, 0);
        g_assert_cmpuint(line, ==, 0);
        g_assert_cmpuint(keys.n_seal, ==, 2);
        g_assert_cmpuint(keys.n_index, ==, 2);
        g_assert_cmpuint(keys.seal[0][31], ==, 0x33);
        g_assert_cmpuint(keys.seal[1][31], ==, 0x22);
        g_assert_cmpuint(keys.index[0][31], ==, 0x44);
        g_assert_cmpuint(keys.index[1][31], ==, 0x55);
}

static void what_is_written_is_read_again(void)
{
        struct cmi_session_keys keys = {.n_seal = 3, .n_index = 2};
        char text[CMI_SESSION_KEYS_TEXT_SIZE];
        struct cmi_session_keys again;
        uint32_t line;
        size_t len;

        for (int i = 0; i < 5; i++) {
                memset(i < 3 ? keys.seal[i] : keys.index[i - 3], i + 1, CMI_KEY_SIZE);
        }
        len = cmi_session_keys_format(&keys, text);
        g_assert_cmpuint(len, ==, strlen(text));
        g_assert_cmpuint(len, <, CMI_SESSION_KEYS_TEXT_SIZE);
        g_assert_cmpint(parse_line(text, &again, &line), ==, 0);
        g_assert_cmpmem(&keys, sizeof(keys), &again, sizeof(again));
}

static void what_is_wrong_is_told_with_its_line(void)
{
        static const struct {
                const char *text;
                int error;
                uint32_t line;
        } cases[] = {
                        {"", -EPROTONOSUPPORT, 1},
                        {"cachemesh-keys 1\n", -EPROTONOSUPPORT, 1},
                        {"cachemesh-session-keys 2\n", -EPROTONOSUPPORT, 1},
                        {HEAD, -ENOKEY, 0},
                        {HEAD "seal use " KEY("2") "\n", -ENOKEY, 0},
                        {HEAD "index use " KEY("2") "\n", -ENOKEY, 0},
                        {HEAD "seal key " KEY("2") "\nindex use " KEY("3"), -ENOKEY, 0},
                        {HEAD "use " KEY("2") "\n", -EBADMSG, 2},
                        {HEAD "seal " KEY("2") "\n", -EBADMSG, 2},
                        {HEAD "seal use 12\n", -EBADMSG, 2},
                        {HEAD "seal use " KEY("g") "\n", -EBADMSG, 2},
                        {HEAD "seal use\n", -EBADMSG, 2},
                        {HEAD "seal use " KEY("2") "\nseal use " KEY("3") "\n", -EEXIST, 3},
                        {HEAD "seal use " KEY("2") "\nindex use " KEY("2") "\n", -EEXIST, 3},
                        {HEAD "index key " KEY("2") "\n\nindex key " KEY("2") "\n", -EEXIST, 4},
                        {HEAD "index key " KEY("2") "\nindex key " KEY("3") "\nindex use " KEY("4"),
                                        -E2BIG, 4},
                        {HEAD "seal use "
                              "0000000000000000000000000000000000000000000000000000000000000000",
                                        -EBADMSG, 2},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                struct cmi_session_keys keys = {.n_seal = 77};
                uint32_t line = 99;

                g_assert_cmpint(parse_line(cases[i].text, &keys, &line), ==, cases[i].error);
                g_assert_cmpuint(line, ==, cases[i].line);
                g_assert_cmpuint(keys.n_seal, ==, 77);
        }
}

static void four_sealing_keys_are_too_many(void)
{
        g_assert_cmpint(parse(HEAD "seal key " KEY("2") "\nseal key " KEY("3") "\nseal use " KEY(
                                        "4") "\nseal key " KEY("5") "\n"),
                        ==, -E2BIG);
}

static void a_file_has_a_limit(void)
{
        GString *text = g_string_new(HEAD "seal use " KEY("2") "\nindex use " KEY("3") "\n");

        while (text->len < CMI_KEY_FILE_MAX) {
                g_string_append_c(text, '#');
        }
        g_assert_cmpint(parse(text->str), ==, 0);
        g_string_append_c(text, '#');
        g_assert_cmpint(parse(text->str), ==, -E2BIG);
        g_string_free(text, TRUE);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/session_keys/the_used_key_of_each_kind_comes_first",
                        the_used_key_of_each_kind_comes_first);
        g_test_add_func("/session_keys/what_is_written_is_read_again",
                        what_is_written_is_read_again);
        g_test_add_func("/session_keys/what_is_wrong_is_told_with_its_line",
                        what_is_wrong_is_told_with_its_line);
        g_test_add_func("/session_keys/four_sealing_keys_are_too_many",
                        four_sealing_keys_are_too_many);
        g_test_add_func("/session_keys/a_file_has_a_limit", a_file_has_a_limit);
        return g_test_run();
}
