/* SPDX-License-Identifier: MIT */
#include "base/id.h"

#include <errno.h>
#include <glib.h>

static void what_is_printed_can_be_read_again(void)
{
        struct cmi_id id = {{0xab, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xff}}, back;
        char text[CMI_ID_TEXT_SIZE];

        cmi_id_format(&id, text);
        g_assert_cmpstr(text, ==, "ab010203-0405-0607-0809-0a0b0c0d0eff");
        g_assert_cmpint(cmi_id_parse(text, &back), ==, 0);
        g_assert_true(cmi_id_equal(&id, &back));
        g_assert_cmpint(cmi_id_parse("AB010203-0405-0607-0809-0A0B0C0D0EFF", &back), ==, 0);
        g_assert_true(cmi_id_equal(&id, &back));
}

static void nothing_else_is_an_id(void)
{
        static const char *const texts[] = {
                        "",
                        "ab",
                        "ab010203-0405-0607-0809-0a0b0c0d0ef",
                        "ab010203-0405-0607-0809-0a0b0c0d0eff0",
                        "ab010203-0405-0607-0809-0a0b0c0d0eff ",
                        " ab010203-0405-0607-0809-0a0b0c0d0eff",
                        "ab010203x0405-0607-0809-0a0b0c0d0eff",
                        "ab0102030405060708090a0b0c0d0eff",
                        "gb010203-0405-0607-0809-0a0b0c0d0eff",
                        "ag010203-0405-0607-0809-0a0b0c0d0eff",
        };

        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
                struct cmi_id id = {{9}};

                g_test_message("\"%s\"", texts[i]);
                g_assert_cmpint(cmi_id_parse(texts[i], &id), ==, -EINVAL);
                g_assert_cmpuint(id.bytes[0], ==, 9);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/id/round_trip", what_is_printed_can_be_read_again);
        g_test_add_func("/id/errors", nothing_else_is_an_id);
        return g_test_run();
}
