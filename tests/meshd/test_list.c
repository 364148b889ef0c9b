/* SPDX-License-Identifier: MIT */
/*
 * A joiner waits for a node of which it hears from others alone. With LIST_UNASKED planted it does
 * not ask them for such nodes, which must be seen.
 */
#include "tests/meshd/rig.h"

#include "meshd/core/mutant.h"

#include <glib.h>

#define JOINER 0
#define FRIEND 1
#define STRANGER 2

/* Nothing is on the joiner's disk, it is told of one that serves, and cut off from the other. */
static struct rig *formed_beside_a_joiner(void)
{
        struct rig *rig = rig_new(3);

        rig_start(rig, FRIEND, NULL, true);
        rig_start(rig, STRANGER, NULL, true);
        rig_connect(rig, FRIEND, STRANGER);
        rig_run(rig, 2500);
        g_assert_true(rig_serves(rig, FRIEND) && rig_serves(rig, STRANGER));
        rig->nodes[JOINER].cut_from = 1U << STRANGER;
        rig->nodes[STRANGER].cut_from = 1U << JOINER;
        rig_start(rig, JOINER, NULL, true);
        rig_connect(rig, JOINER, FRIEND);
        return rig;
}

/* Return: what a wait of the joiner says; meanwhile the stranger serves. */
static int outcome_of_wait(struct rig *rig)
{
        uint64_t token = rig_token(rig, STRANGER);

        g_assert_cmpint(rig_publish(rig, JOINER, "k", CMI_WAIT_MESH, 1000), ==, 0);
        rig_run(rig, 1100);
        g_assert_cmpuint(rig->nodes[JOINER].n_done, ==, 1);
        g_assert_true(rig_serves(rig, STRANGER));
        g_assert_false(rig_is_stamped(rig, STRANGER, "k", token));
        return rig->nodes[JOINER].outcome.outcome;
}

static void whom_a_member_counts_keeps_a_joiner_from_serving_until_it_is_gone(void)
{
        struct rig *rig = formed_beside_a_joiner();

        rig_run(rig, 1500);
        g_assert_cmpint(rig_state(rig, JOINER), ==, CORE_JOINING);
        g_assert_cmpint(outcome_of_wait(rig), ==, CMI_PENDING);
        rig_free(rig);
}

static void then_waits_name_it(void)
{
        struct rig *rig = formed_beside_a_joiner();

        rig_run(rig, 4500);
        g_assert_cmpint(rig_state(rig, JOINER), ==, CORE_LIVE);
        g_assert_cmpint(outcome_of_wait(rig), ==, CMI_PARTIAL);
        g_assert_cmpuint(rig->nodes[JOINER].outcome.n_applied, ==, 1);
        g_assert_cmpuint(rig->nodes[JOINER].outcome.n_unconfirmed, ==, 1);
        rig_free(rig);
}

/* However long that takes; then it is asked again within a beat. */
static void who_was_not_told_whom_a_member_counts_serves_nothing(void)
{
        struct rig *rig = formed_beside_a_joiner();
        struct core_member member;

        rig->nodes[FRIEND].loses_lists = true;
        rig_run(rig, 6000);
        g_assert_cmpint(rig_state(rig, JOINER), ==, CORE_JOINING);
        g_assert_cmpint(core_member(rig->nodes[JOINER].core, rig->now, 1, &member), <, 0);
        rig->nodes[FRIEND].loses_lists = false;
        rig_run(rig, 600);
        g_assert_cmpint(core_member(rig->nodes[JOINER].core, rig->now, 1, &member), ==, 0);
        g_assert_cmpstr(member.name, ==, "n2");
        rig_free(rig);
}

static void without_the_rule_a_wait_is_over_though_one_serves_on(void)
{
        struct rig *rig = formed_beside_a_joiner();

        rig_run(rig, 2500);
        g_assert_cmpint(outcome_of_wait(rig), ==, 0);
        rig_free(rig);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add_func("/list/" #name, name)
        if (MUTANT(LIST_UNASKED)) {
                CASE(without_the_rule_a_wait_is_over_though_one_serves_on);
                return g_test_run();
        }
        CASE(whom_a_member_counts_keeps_a_joiner_from_serving_until_it_is_gone);
        CASE(then_waits_name_it);
        CASE(who_was_not_told_whom_a_member_counts_serves_nothing);
        return g_test_run();
}
