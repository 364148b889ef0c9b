/* SPDX-License-Identifier: MIT */
#include "base/nearest.h"

#include <glib.h>

#define LONG_WORD "123456789012345678901234567890123" /* one too long */

static void distance_counts_single_slips(void)
{
        g_assert_cmpuint(cmi_nearest_distance("peers", "peers"), ==, 0);
        g_assert_cmpuint(cmi_nearest_distance("peres", "peers"), ==, 1);
        g_assert_cmpuint(cmi_nearest_distance("per", "peer"), ==, 1);
        g_assert_cmpuint(cmi_nearest_distance("kitten", "sitting"), ==, 3);
        g_assert_cmpuint(cmi_nearest_distance("", "abc"), ==, 3);
        g_assert_cmpuint(cmi_nearest_distance("a", LONG_WORD), ==, CMI_NEAREST_WORD_MAX);
}

static void a_third_may_be_wrong_or_missing_at_the_end(void)
{
        unsigned int distance;

        g_assert_true(cmi_nearest_is_close("stauts", "status", &distance));
        g_assert_cmpuint(distance, ==, 1);
        g_assert_true(cmi_nearest_is_close("inv", "invalidate", &distance));
        g_assert_cmpuint(distance, ==, 0);
        g_assert_false(cmi_nearest_is_close("list", "status", &distance));
        g_assert_false(cmi_nearest_is_close("", "status", &distance));
}

static void nothing_is_close_to_a_very_long_word(void)
{
        g_autofree char *typed = g_strnfill(200, 'x');
        unsigned int distance;

        g_assert_false(cmi_nearest_is_close(typed, "status", &distance));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/nearest/distance", distance_counts_single_slips);
        g_test_add_func("/nearest/close", a_third_may_be_wrong_or_missing_at_the_end);
        g_test_add_func("/nearest/long", nothing_is_close_to_a_very_long_word);
        return g_test_run();
}
