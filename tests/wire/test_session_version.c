/* SPDX-License-Identifier: MIT */
/* Versions of sessions: their order, and which one is built on which. */
#include "wire/session.h"

#include <glib.h>

static struct cmi_session_version version(uint64_t counter, uint8_t opener, uint64_t incarnation,
                uint64_t seq, uint8_t writer)
{
        return (struct cmi_session_version){{counter, {{opener}}, incarnation}, seq, {{writer}}};
}

static void versions_are_ordered_by_epoch_then_seq_then_writer(void)
{
        const struct cmi_session_version ascending[] = {
                        {{0}},
                        version(1, 1, 1, 1, 1),
                        version(1, 1, 1, 1, 2),
                        version(1, 1, 1, 2, 1),
                        version(1, 1, 2, 1, 1),
                        version(1, 2, 1, 1, 1),
                        version(2, 1, 1, 1, 1),
                        version(UINT64_MAX, 1, 1, 1, 1),
        };

        for (size_t i = 0; i < G_N_ELEMENTS(ascending); i++) {
                for (size_t k = 0; k < G_N_ELEMENTS(ascending); k++) {
                        int r = cmi_session_version_compare(&ascending[i], &ascending[k]);

                        g_assert_cmpint((r > 0) - (r < 0), ==, (i > k) - (i < k));
                }
        }
        g_assert_true(cmi_session_version_is_none(&ascending[0]));
        g_assert_false(cmi_session_version_is_none(&ascending[1]));
}

static void a_version_of_the_same_reign_is_an_ancestor_unless_it_is_later(void)
{
        const struct cmi_session session = {.version = version(2, 2, 1, 7, 1)};
        const struct {
                struct cmi_session_version version;
                bool is_ancestor;
        } cases[] = {
                        {version(2, 2, 1, 6, 9), true}, {version(2, 2, 1, 7, 1), true},
                        {version(2, 2, 1, 7, 9), false}, /* two versions of one number */
                        {version(2, 2, 1, 8, 1), false},
                        {version(2, 2, 2, 1, 1), false}, /* the opener was started anew */
                        {version(2, 3, 1, 1, 1), false}, /* two openers of one number: a split */
                        {version(1, 2, 1, 1, 1), false}, /* not known to be one */
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_assert_cmpint(cmi_session_has_ancestor(&session, &cases[i].version), ==,
                                cases[i].is_ancestor);
        }
}

static void an_earlier_reign_counts_up_to_what_was_built_on(void)
{
        struct cmi_session session = {.version = version(1, 1, 1, 5, 1)};
        struct cmi_session_version next = version(1, 1, 1, 6, 1);

        cmi_session_advance(&session, &next);
        g_assert_cmpuint(session.n_lineage, ==, 0);
        next = version(2, 2, 1, 1, 1);
        cmi_session_advance(&session, &next);
        g_assert_cmpuint(session.n_lineage, ==, 1);
        g_assert_true(cmi_session_has_ancestor(
                        &session, &(struct cmi_session_version){{1, {{1}}, 1}, 6, {{1}}}));
        next = version(1, 1, 1, 7, 1); /* saved by the old primary, after the new one had begun */
        g_assert_false(cmi_session_has_ancestor(&session, &next));
}

static void the_oldest_reign_falls_out_of_the_lineage_and_is_no_ancestor_then(void)
{
        struct cmi_session session = {.version = version(1, 1, 1, 1, 1)};
        struct cmi_session_version oldest = session.version;

        for (uint64_t counter = 2; counter <= CMI_SESSION_LINEAGE_MAX + 1; counter++) {
                struct cmi_session_version next = version(counter, 1, 1, 1, 1);

                cmi_session_advance(&session, &next);
                g_assert_true(cmi_session_has_ancestor(&session, &oldest));
        }
        g_assert_cmpuint(session.n_lineage, ==, CMI_SESSION_LINEAGE_MAX);
        oldest = version(CMI_SESSION_LINEAGE_MAX + 2, 1, 1, 1, 1);
        cmi_session_advance(&session, &oldest);
        g_assert_cmpuint(session.n_lineage, ==, CMI_SESSION_LINEAGE_MAX);
        oldest = version(1, 1, 1, 1, 1);
        g_assert_false(cmi_session_has_ancestor(&session, &oldest));
        oldest = version(2, 1, 1, 1, 1);
        g_assert_true(cmi_session_has_ancestor(&session, &oldest));
}

static void what_somebody_was_told_of_is_an_ancestor_from_then_on(void)
{
        struct cmi_session winner = {.version = version(5, 1, 1, 1, 1)};
        struct cmi_session loser = {.version = version(4, 2, 1, 3, 1)};
        struct cmi_session_version next = version(3, 2, 1, 1, 1);

        winner.n_lineage = loser.n_lineage = 2;
        winner.lineage[0] = version(2, 1, 1, 5, 1);
        winner.lineage[1] = version(1, 1, 1, 5, 1);
        loser.lineage[0] = version(2, 1, 1, 7, 1);
        loser.lineage[1] = version(1, 1, 1, 4, 1);
        g_assert_false(cmi_session_has_ancestor(&winner, &loser.version));
        g_assert_true(cmi_session_adopt(&winner, &loser));
        g_assert_true(cmi_session_has_ancestor(&winner, &loser.version));
        g_assert_true(cmi_session_has_ancestor(&winner, &loser.lineage[0]));
        g_assert_false(cmi_session_has_ancestor(&winner, &next));
        g_assert_cmpuint(winner.n_lineage, ==, 3);
        g_assert_cmpuint(winner.lineage[0].epoch.counter, ==, 4);
        g_assert_cmpuint(winner.lineage[1].seq, ==, 7);
        g_assert_cmpuint(winner.lineage[2].seq, ==, 5);
        g_assert_false(cmi_session_adopt(&winner, &loser));
        g_assert_false(cmi_session_adopt(&winner, &winner));
        cmi_session_adopt(&loser, &winner);
        g_assert_false(cmi_session_has_ancestor(&loser, &winner.version)); /* that is later */
        g_assert_cmpint(loser.lineage[1].seq, ==, 5);
}

static void a_full_lineage_adopts_what_is_newer_than_its_oldest(void)
{
        struct cmi_session session = {.version = version(30, 1, 1, 1, 1)};
        struct cmi_session other = {.version = version(1, 1, 1, 1, 1)};

        session.n_lineage = CMI_SESSION_LINEAGE_MAX;
        for (uint32_t i = 0; i < CMI_SESSION_LINEAGE_MAX; i++) {
                session.lineage[i] = version(28 - 2 * i, 1, 1, 1, 1);
        }
        g_assert_false(cmi_session_adopt(&session, &other));
        other.version = version(29, 1, 1, 1, 1);
        g_assert_true(cmi_session_adopt(&session, &other));
        g_assert_cmpuint(session.n_lineage, ==, CMI_SESSION_LINEAGE_MAX);
        g_assert_cmpuint(session.lineage[0].epoch.counter, ==, 29);
        g_assert_cmpuint(session.lineage[CMI_SESSION_LINEAGE_MAX - 1].epoch.counter, ==, 16);
}

static void idle_time_ends_after_the_ttl_and_what_touches_may_wait(void)
{
        g_assert_cmpuint(cmi_session_idle_end_ms(1000, 0), ==, UINT64_MAX);
        g_assert_cmpuint(cmi_session_idle_end_ms(1000, 1000), ==, 1000 + 1000 + 50);
        g_assert_cmpuint(cmi_session_touch_interval_ms(1200000), ==, 60000);
        g_assert_cmpuint(cmi_session_touch_interval_ms(CMI_SESSION_LIFE_MAX_MS), ==, 60000);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add_func("/session_version/" #name, name)
        CASE(versions_are_ordered_by_epoch_then_seq_then_writer);
        CASE(a_version_of_the_same_reign_is_an_ancestor_unless_it_is_later);
        CASE(an_earlier_reign_counts_up_to_what_was_built_on);
        CASE(the_oldest_reign_falls_out_of_the_lineage_and_is_no_ancestor_then);
        CASE(what_somebody_was_told_of_is_an_ancestor_from_then_on);
        CASE(a_full_lineage_adopts_what_is_newer_than_its_oldest);
        CASE(idle_time_ends_after_the_ttl_and_what_touches_may_wait);
        return g_test_run();
}
