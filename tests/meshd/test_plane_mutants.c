/* SPDX-License-Identifier: MIT */
/*
 * Plants each bug of meshd/session/plane_mutant.h, and wants it found by random plays: plays that
 * find nothing prove nothing. The program's arguments are the names that the build knows, so that
 * none is left out of either list.
 */
#include "meshd/session/mutant.h"
#include "meshd/session/plane_mutant.h"
#include "tests/meshd/plane_play.h"
#include "tests/wire/bytes.h"

#define PLAYS_MAX 2000

enum plane_mutant plane_mutant_chosen;
enum session_mutant session_mutant_chosen;
enum mutant mutant_chosen;

static const char *const names[] = {
#define MUTANT_NAME(name) [PLANE_MUTANT_##name] = #name,
                PLANE_MUTANT_LIST(MUTANT_NAME)
#undef MUTANT_NAME
};

static void is_found(gconstpointer data)
{
        uint64_t seed = (uint64_t)test_seed() * 8;
        const char *broken = NULL;
        uint64_t n = 0;

        plane_mutant_chosen = (enum plane_mutant)GPOINTER_TO_UINT(data);
        while (!broken && n < PLAYS_MAX) {
                broken = plane_play(seed + n++);
        }
        plane_mutant_chosen = PLANE_MUTANT_NONE;
        g_test_message("play %" G_GUINT64_FORMAT ": %s", n, broken ? broken : "not found");
        g_assert_nonnull(broken);
}

static void nothing_is_found_without_one(void)
{
        uint64_t seed = (uint64_t)test_seed() * 8;

        for (uint64_t i = 0; i < 40; i++) {
                g_assert_cmpstr(plane_play(seed + i), ==, NULL);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_assert_cmpint(argc, ==, G_N_ELEMENTS(names));
        for (guint i = 1; i < G_N_ELEMENTS(names); i++) {
                g_autofree char *name = g_ascii_strdown(names[i], -1);
                g_autofree char *path = g_strdup_printf("/plane_mutants/%s_is_found", name);
                gboolean is_known = FALSE;

                for (int k = 1; k < argc; k++) {
                        is_known |= strcmp(argv[k], name) == 0;
                }
                g_assert_true(is_known);
                g_test_add_data_func(path, GUINT_TO_POINTER(i), is_found);
        }
        g_test_add_func("/plane_mutants/nothing_is_found_without_one",
                        nothing_is_found_without_one);
        return g_test_run();
}
