/* SPDX-License-Identifier: MIT */
/*
 * What a member that has lapsed costs the others: a lease once, and then nothing but that they
 * serve nothing while it counts. With LAPSED_GRANTED planted it gets further grants, which must be
 * seen.
 */
#include "tests/meshd/rig.h"

#include "meshd/core/mutant.h"

#include <glib.h>

#define LEASE_MS 1000
#define GONE_MS 3000

static struct rig *formed(void)
{
        struct rig *rig = rig_new(3);

        rig_form(rig);
        for (uint32_t i = 0; i < 3; i++) {
                g_assert_true(rig_serves(rig, i));
        }
        return rig;
}

/* Return: how long a wait of the first node lasts, in ms. */
static uint64_t wait_for_mesh(struct rig *rig)
{
        const struct rig_node *node = &rig->nodes[0];
        uint32_t n_done = node->n_done;
        uint64_t took_ms = 0;

        g_assert_cmpint(rig_publish(rig, 0, "k", CMI_WAIT_MESH, 0), ==, 0);
        for (; node->n_done == n_done && took_ms < 2 * LEASE_MS; took_ms++) {
                rig_run(rig, 1);
        }
        g_assert_cmpuint(node->n_done, ==, n_done + 1);
        return took_ms;
}

static void is_done_but_for_one(const struct rig *rig)
{
        const struct core_outcome *outcome = &rig->nodes[0].outcome;

        g_assert_cmpint(outcome->outcome, ==, 0);
        g_assert_cmpuint(outcome->n_applied, ==, 1);
        g_assert_cmpuint(outcome->n_lapsed, ==, 1);
}

/* Whenever somebody waits: a lease after its death all its grants are over. */
static void a_dead_member_costs_one_lease_once(void)
{
        struct rig *rig = formed();
        uint64_t cost_ms = 0;

        rig->nodes[2].is_deaf = rig->nodes[2].is_mute = true;
        for (int i = 0; i < 20; i++) {
                cost_ms += wait_for_mesh(rig);
                is_done_but_for_one(rig);
                g_assert_false(rig_serves(rig, 2));
        }
        g_assert_cmpuint(cost_ms, >, LEASE_MS / 2);
        g_assert_cmpuint(cost_ms, <=, LEASE_MS + 20 * 3);
        rig_free(rig);
}

/*
 * As one whose apply hangs. Its beats come, and are granted until a wait has ended without it:
 * those grants are over a lease after that.
 */
static void lapse_the_deaf(struct rig *rig)
{
        rig->nodes[2].is_deaf = true;
        g_assert_cmpuint(wait_for_mesh(rig), >, LEASE_MS / 2);
        is_done_but_for_one(rig);
        g_assert_false(rig_serves(rig, 2));
        rig_run(rig, LEASE_MS);
}

static void one_that_is_heard_but_applies_nothing_costs_no_more_once_it_has_lapsed(void)
{
        struct rig *rig = formed();

        lapse_the_deaf(rig);
        for (int i = 0; i < 5; i++) {
                g_assert_cmpuint(wait_for_mesh(rig), <=, 3);
                is_done_but_for_one(rig);
        }
        rig_free(rig);
}

static void without_the_rule_it_costs_a_lease_again(void)
{
        struct rig *rig = formed();

        lapse_the_deaf(rig);
        g_assert_cmpuint(wait_for_mesh(rig), >, LEASE_MS / 2);
        rig_free(rig);
}

static void the_others_serve_nothing_until_it_is_gone(void)
{
        struct rig *rig = formed();
        uint32_t forgot = rig->nodes[0].n_forgot;
        uint64_t silent_ms = LEASE_MS + 30;

        rig->nodes[2].is_deaf = rig->nodes[2].is_mute = true;
        rig_run(rig, silent_ms);
        for (; rig->nodes[0].n_forgot == forgot && silent_ms < 2 * GONE_MS; silent_ms++) {
                g_assert_false(rig_serves(rig, 0) || rig_serves(rig, 1));
                rig_run(rig, 1);
        }
        g_assert_cmpuint(silent_ms, >=, GONE_MS - LEASE_MS / 4);
        g_assert_cmpuint(silent_ms, <, GONE_MS + LEASE_MS);
        rig_run(rig, LEASE_MS / 2);
        g_assert_true(rig_serves(rig, 0) && rig_serves(rig, 1));
        rig_free(rig);
}

static void one_that_catches_up_is_granted_and_waited_for_again(void)
{
        struct rig *rig = formed();

        rig->nodes[2].is_deaf = rig->nodes[2].is_mute = true;
        wait_for_mesh(rig);
        rig->nodes[2].is_deaf = rig->nodes[2].is_mute = false;
        rig_run(rig, LEASE_MS);
        g_assert_true(rig_serves(rig, 0) && rig_serves(rig, 1) && rig_serves(rig, 2));
        g_assert_cmpuint(wait_for_mesh(rig), <=, 3);
        g_assert_cmpuint(rig->nodes[0].outcome.n_applied, ==, 2);
        rig->nodes[2].is_deaf = rig->nodes[2].is_mute = true;
        g_assert_cmpuint(wait_for_mesh(rig), >, LEASE_MS / 2);
        is_done_but_for_one(rig);
        rig_free(rig);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add_func("/lapse/" #name, name)
        if (MUTANT(LAPSED_GRANTED)) {
                CASE(without_the_rule_it_costs_a_lease_again);
                return g_test_run();
        }
        CASE(a_dead_member_costs_one_lease_once);
        CASE(one_that_is_heard_but_applies_nothing_costs_no_more_once_it_has_lapsed);
        CASE(the_others_serve_nothing_until_it_is_gone);
        CASE(one_that_catches_up_is_granted_and_waited_for_again);
        return g_test_run();
}
