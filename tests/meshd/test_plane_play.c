/* SPDX-License-Identifier: MIT */
/* Random plays against the plane: nothing may break. CM_TEST_SEED repeats them. */
#include "tests/meshd/plane_play.h"
#include "tests/wire/bytes.h"

#define PLAYS 300

static void random_plays_break_nothing(void)
{
        uint64_t seed = (uint64_t)test_seed() * 8;

        for (uint64_t i = 0; i < PLAYS; i++) {
                const char *broken = plane_play(seed + i);

                if (broken) {
                        g_test_message("play %" G_GUINT64_FORMAT ": %s", seed + i, broken);
                }
                g_assert_cmpstr(broken, ==, NULL);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/plane_play/random_plays_break_nothing", random_plays_break_nothing);
        return g_test_run();
}
