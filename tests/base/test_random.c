/* SPDX-License-Identifier: MIT */
#include "base/random.h"

#include <glib.h>

/* Computed from the paper's definition, with numbers of any length cut to 64 bits. */
static void the_numbers_are_those_of_the_paper(void)
{
        uint64_t state = 1;

        g_assert_cmpuint(cmi_random_next(&state), ==, UINT64_C(0x910a2dec89025cc1));
        g_assert_cmpuint(cmi_random_next(&state), ==, UINT64_C(0xbeeb8da1658eec67));
}

static void a_limit_may_be_reached_and_is_not_exceeded(void)
{
        uint64_t state = 1;
        unsigned n[3] = {0};

        for (int i = 0; i < 300; i++) {
                uint64_t drawn = cmi_random_up_to(&state, 2);

                g_assert_cmpuint(drawn, <=, 2);
                n[drawn <= 2 ? drawn : 0]++;
        }
        g_assert_true(n[0] > 50 && n[1] > 50 && n[2] > 50);
        state = 1;
        g_assert_cmpuint(cmi_random_up_to(&state, UINT64_MAX), ==, UINT64_C(0x910a2dec89025cc1));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/random/the_numbers_are_those_of_the_paper",
                        the_numbers_are_those_of_the_paper);
        g_test_add_func("/random/a_limit_may_be_reached_and_is_not_exceeded",
                        a_limit_may_be_reached_and_is_not_exceeded);
        return g_test_run();
}
