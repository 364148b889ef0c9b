/* SPDX-License-Identifier: MIT */
#include "base/random.h"

#include <glib.h>

/* Computed from the paper's definition, with numbers of any length cut to 64 bits. */
static void the_numbers_are_those_of_the_paper(void)
{
        uint64_t state = 1;

        g_assert_cmpuint(cmi_random_next(&state), ==, UINT64_C(0x47e4ce4b896cdd1d));
        g_assert_cmpuint(cmi_random_next(&state), ==, UINT64_C(0xabcfa6a8e079651d));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/random/the_numbers_are_those_of_the_paper",
                        the_numbers_are_those_of_the_paper);
        return g_test_run();
}
