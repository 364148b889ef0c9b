/* SPDX-License-Identifier: MIT */
/* Random plays of apps, kills and disks against a plane. */
#include "tests/meshd/journal_play.h"
#include "tests/wire/bytes.h"

#define PLAYS 300

static void whatever_is_killed_what_was_told_holds(void)
{
        uint64_t first = (uint64_t)test_seed() * 1024;

        for (uint64_t i = 0; i < PLAYS; i++) {
                uint64_t seed = first + i;
                const char *broken = journal_play(seed);

                if (broken) {
                        g_test_message("play %" G_GUINT64_FORMAT ": %s", seed, broken);
                }
                g_assert_cmpstr(broken, ==, NULL);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/journal_play/whatever_is_killed_what_was_told_holds",
                        whatever_is_killed_what_was_told_holds);
        return g_test_run();
}
