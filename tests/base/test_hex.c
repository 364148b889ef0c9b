/* SPDX-License-Identifier: MIT */
/* Bytes as hexadecimal digits. */
#include "base/hex.h"

#include <errno.h>
#include <glib.h>

static void bytes_are_written_in_lower_case_and_read_in_either(void)
{
        const uint8_t bytes[] = {0x00, 0x9a, 0xbc, 0xff};
        char digits[] = "--------|";
        uint8_t read[4];

        cmi_hex_write(bytes, 4, digits);
        g_assert_cmpstr(digits, ==, "009abcff|");
        g_assert_cmpint(cmi_hex_read(digits, 4, read), ==, 0);
        g_assert_cmpmem(read, 4, bytes, 4);
        g_assert_cmpint(cmi_hex_read("009ABCfF", 4, read), ==, 0);
        g_assert_cmpmem(read, 4, bytes, 4);
}

static void what_is_no_digit_is_refused_and_nothing_after_it_read(void)
{
        static const char *const wrong[] = {"", "0", "0g", "g0", "00:", "00 1", "0000000/", "`0"};
        uint8_t read[4];

        for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
                g_assert_cmpint(cmi_hex_read(wrong[i], 4, read), ==, -EINVAL);
        }
        g_assert_cmpint(cmi_hex_read("", 0, read), ==, 0);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/hex/bytes_are_written_in_lower_case_and_read_in_either",
                        bytes_are_written_in_lower_case_and_read_in_either);
        g_test_add_func("/hex/what_is_no_digit_is_refused_and_nothing_after_it_read",
                        what_is_no_digit_is_refused_and_nothing_after_it_read);
        return g_test_run();
}
