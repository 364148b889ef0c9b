/* SPDX-License-Identifier: MIT */
#include "demo-app/report.h"

#include <errno.h>
#include <glib.h>
#include <stdlib.h>

static char *describe(struct cache_report report)
{
        char *text = NULL;
        size_t n = 0;
        FILE *out = open_memstream(&text, &n);

        report_describe(out, &report);
        fclose(out);
        return text;
}

static void assert_described(struct cache_report report, const char *expected)
{
        char *seen = describe(report);

        g_assert_cmpstr(seen, ==, expected);
        free(seen);
}

static void each_outcome_has_its_word(void)
{
        static const struct {
                int outcome;
                const char *word;
        } words[] = {{CM_OK, "everywhere"}, {CM_PARTIAL, "partial"}, {CM_PENDING, "pending"},
                        {CM_E_TIMEOUT, "timeout"}, {-ECANCELED, "nobody"}, {-ENOMEM, "failed"}};

        for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
                struct cache_report report = {.outcome = words[i].outcome};

                g_assert_cmpstr(report_word(&report), ==, words[i].word);
        }
}

static void what_is_not_proven_is_said(void)
{
        assert_described((struct cache_report){.n_applied = 1, .took_us = 1234},
                        "Saved and told in 1.2 ms. 1 other node dropped what is out of date.");
        assert_described((struct cache_report){.outcome = CM_PARTIAL,
                                         .n_applied = 2,
                                         .n_unconfirmed = 1,
                                         .took_us = 999},
                        "Saved and told in 0.9 ms. 2 other nodes dropped what is out of date, 1 is "
                        "unknown: dead, or cut off and still serving what it has.");
        assert_described((struct cache_report){.took_us = 100},
                        "Saved and told in 0.1 ms. There is no other node to tell.");
        assert_described((struct cache_report){.outcome = CM_PENDING},
                        "Saved. meshd does not answer; the others will be told when it does.");
}

static void a_packed_report_can_be_unpacked(void)
{
        struct cache_report report = {CM_E_TIMEOUT, 1, 2, 3, 4000000};
        struct cache_report again;
        char packed[REPORT_PACKED_MAX];

        report_pack(&report, packed);
        g_assert_true(report_unpack(packed, &again));
        g_assert_cmpint(again.outcome, ==, CM_E_TIMEOUT);
        g_assert_cmpuint(again.n_applied, ==, 1);
        g_assert_cmpuint(again.n_lapsed, ==, 2);
        g_assert_cmpuint(again.n_unconfirmed, ==, 3);
        g_assert_cmpuint(again.took_us, ==, 4000000);
}

static void anything_else_is_no_report(void)
{
        static const char *const texts[] = {"", "0", "0.1.2.3", "0.1.2.3.4.5", "0.1.2.3.4 ",
                        "0.1.2.3.x", " 0.1.2.3.4", "00.1.2.3.4", "0.+1.2.3.4", "0.-1.2.3.4",
                        "0.1.2.3.99999999999", "<b>.1.2.3.4"};

        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
                struct cache_report report = {.took_us = 77};

                g_assert_false(report_unpack(texts[i], &report));
                g_assert_cmpuint(report.took_us, ==, 77);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/report/each_outcome_has_its_word", each_outcome_has_its_word);
        g_test_add_func("/report/what_is_not_proven_is_said", what_is_not_proven_is_said);
        g_test_add_func("/report/a_packed_report_can_be_unpacked", a_packed_report_can_be_unpacked);
        g_test_add_func("/report/anything_else_is_no_report", anything_else_is_no_report);
        return g_test_run();
}
