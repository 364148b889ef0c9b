/* SPDX-License-Identifier: MIT */
#include "meshctl/units.h"

#include <glib.h>

static void durations_are_short_and_never_longer_than_true(void)
{
        static const struct {
                uint64_t ms;
                const char *text;
        } cases[] = {
                        {0, "0ms"},
                        {999, "999ms"},
                        {1000, "1.0s"},
                        {59999, "59.9s"},
                        {60000, "1m00s"},
                        {3599999, "59m59s"},
                        {3600000, "1h00m"},
                        {86399999, "23h59m"},
                        {86400000, "1d00h"},
                        {UINT64_MAX, "213503982334d14h"},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                char text[UNITS_TEXT_SIZE];

                units_ms(cases[i].ms, text);
                g_assert_cmpstr(text, ==, cases[i].text);
        }
}

static void microseconds_grow_into_milliseconds(void)
{
        char text[UNITS_TEXT_SIZE];

        units_us(999, text);
        g_assert_cmpstr(text, ==, "999us");
        units_us(1000, text);
        g_assert_cmpstr(text, ==, "1.0ms");
        units_us(999999, text);
        g_assert_cmpstr(text, ==, "999.9ms");
        units_us(1000000, text);
        g_assert_cmpstr(text, ==, "1.0s");
}

static void bytes_are_counted_in_powers_of_1024(void)
{
        static const struct {
                uint64_t bytes;
                const char *text;
        } cases[] = {
                        {0, "0B"},
                        {1023, "1023B"},
                        {1024, "1.0KiB"},
                        {1536, "1.5KiB"},
                        {1024 * 1024 - 1, "1023.9KiB"},
                        {1024 * 1024, "1.0MiB"},
                        {UINT64_C(64) << 20, "64.0MiB"},
                        {UINT64_MAX, "15.9EiB"},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                char text[UNITS_TEXT_SIZE];

                units_bytes(cases[i].bytes, text);
                g_assert_cmpstr(text, ==, cases[i].text);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/units/ms", durations_are_short_and_never_longer_than_true);
        g_test_add_func("/units/us", microseconds_grow_into_milliseconds);
        g_test_add_func("/units/bytes", bytes_are_counted_in_powers_of_1024);
        return g_test_run();
}
