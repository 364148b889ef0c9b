/* SPDX-License-Identifier: MIT */
/* Random plays; CM_TEST_SEED=N repeats the first one of a run. */
#include "tests/meshd/store_play.h"
#include "tests/wire/bytes.h"

static void any_order_gives_one_result_and_nothing_dead_comes_back(void)
{
        uint64_t seed = (uint64_t)test_seed() * 8;

        const char *broken = NULL;
        uint64_t n = 0;

        while (!broken && n < 800) {
                broken = store_play(seed + n++);
        }
        g_test_message("play %" G_GUINT64_FORMAT, n);
        g_assert_cmpstr(broken, ==, NULL);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/store_orders/any_order_gives_one_result_and_nothing_dead_comes_back",
                        any_order_gives_one_result_and_nothing_dead_comes_back);
        return g_test_run();
}
