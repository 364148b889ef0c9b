/* SPDX-License-Identifier: MIT */
#include "tests/meshd/mutant_suite.h"

#include "tests/wire/bytes.h"

#define SOUND_PLAYS 40

static const struct mutant_suite *suite;

static uint64_t first_seed(void)
{
        return (uint64_t)test_seed() * 8;
}

static void is_found(gconstpointer data)
{
        const char *broken = NULL;
        uint64_t n = 0;

        suite->choose(GPOINTER_TO_UINT(data));
        while (!broken && n < suite->plays_max) {
                broken = suite->play(first_seed() + n++);
        }
        suite->choose(0);
        g_test_message("play %" G_GUINT64_FORMAT ": %s", n, broken ? broken : "not found");
        g_assert_nonnull(broken);
}

static void nothing_is_found_without_one(void)
{
        for (uint64_t i = 0; i < SOUND_PLAYS; i++) {
                g_assert_cmpstr(suite->play(first_seed() + i), ==, NULL);
        }
}

static void add_bug(guint bug, int argc, char **argv)
{
        g_autofree char *name = g_ascii_strdown(suite->names[bug], -1);
        g_autofree char *path = g_strdup_printf("/%s/%s_is_found", suite->name, name);
        gboolean is_known = FALSE;

        for (int k = 1; k < argc; k++) {
                is_known |= strcmp(argv[k], name) == 0;
        }
        g_assert_true(is_known);
        g_test_add_data_func(path, GUINT_TO_POINTER(bug), is_found);
}

int mutant_suite_run(const struct mutant_suite *run, int argc, char **argv)
{
        g_autofree char *sound = g_strdup_printf("/%s/nothing_is_found_without_one", run->name);

        suite = run;
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_assert_cmpint(argc, ==, (int)suite->n_names);
        for (guint i = 1; i < suite->n_names; i++) {
                add_bug(i, argc, argv);
        }
        g_test_add_func(sound, nothing_is_found_without_one);
        return g_test_run();
}
