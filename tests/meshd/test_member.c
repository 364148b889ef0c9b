/* SPDX-License-Identifier: MIT */
/* What ends a member's part in the mesh, and what a member that answers nothing proves. */
#include "tests/meshd/rig.h"

#include <glib.h>

#define HOUR_NS (UINT64_C(3600) * CMI_NS_PER_S)

static struct rig *formed(uint32_t n)
{
        struct rig *rig = rig_new(n);

        rig_form(rig);
        return rig;
}

static void cut_off(struct rig *rig, uint32_t node)
{
        rig->nodes[node].is_deaf = rig->nodes[node].is_mute = true;
}

/* The state in which @node sees the member of that name; -1: not at all. */
static int state_of(const struct rig *rig, uint32_t node, const char *name)
{
        struct core_member member;

        for (uint32_t i = 0; core_member(rig->nodes[node].core, rig->now, i, &member) == 0; i++) {
                if (strcmp(member.name, name) == 0) {
                        return (int)member.state;
                }
        }
        return -1;
}

static void name_of(const struct rig *rig, uint32_t index, char ret_name[CMI_NAME_MAX + 1])
{
        struct core_member member;

        g_assert_cmpint(core_member(rig->nodes[0].core, rig->now, index, &member), ==, 0);
        memcpy(ret_name, member.name, sizeof(member.name));
}

static void sleep_for(struct rig *rig, uint64_t ns)
{
        rig->now.mono_ns += ns;
        rig->now.real_ns += ns;
        rig_run(rig, 3000);
}

static void a_member_is_forgotten_a_day_after_it_was_gone(void)
{
        struct rig *rig = formed(3);
        char name[CMI_NAME_MAX + 1];

        name_of(rig, 1, name);
        cut_off(rig, 2);
        rig_run(rig, 3500);
        g_assert_cmpint(state_of(rig, 0, name), ==, MEMBER_GONE);
        sleep_for(rig, 23 * HOUR_NS);
        g_assert_cmpint(state_of(rig, 0, name), ==, MEMBER_GONE);
        g_assert_cmpint(rig_publish(rig, 0, "k", CMI_WAIT_MESH, 0), ==, 0);
        rig_run(rig, 1100);
        g_assert_cmpint(rig->nodes[0].outcome.outcome, ==, CMI_PARTIAL);
        sleep_for(rig, HOUR_NS);
        g_assert_cmpint(state_of(rig, 0, name), ==, -1);
        g_assert_cmpint(rig_publish(rig, 0, "k", CMI_WAIT_MESH, 0), ==, 0);
        rig_run(rig, 5);
        g_assert_cmpint(rig->nodes[0].outcome.outcome, ==, 0);
        g_assert_cmpuint(rig->nodes[0].outcome.n_applied, ==, 1);
        rig_free(rig);
}

static void a_member_that_crashes_before_it_published_is_dropped_after_a_lease(void)
{
        struct rig *rig = rig_new(3);

        for (uint32_t i = 0; i < 2; i++) {
                rig_start(rig, i, NULL, false);
        }
        rig_connect(rig, 0, 1);
        rig_run(rig, 3000);
        g_assert_true(rig_serves(rig, 0));
        rig_start(rig, 2, "crasher", false);
        rig_connect(rig, 2, 0);
        rig_run(rig, 100);
        g_assert_cmpint(state_of(rig, 0, "crasher"), ==, MEMBER_JOINING);
        rig_kill(rig, 2);
        rig_run(rig, 1000);
        g_assert_cmpint(state_of(rig, 0, "crasher"), ==, MEMBER_GONE);
        rig_run(rig, 10);
        g_assert_true(rig_serves(rig, 0));
        rig_free(rig);
}

static void describe(struct rig *rig, uint32_t node, uint64_t fresh)
{
        struct core *core = rig->nodes[node].core;
        uint32_t index;

        g_assert_cmpint(core_region(core, cmi_slice_str("r"), &index), ==, 0);
        core_region_hold(core, index);
        core_region_describe(core, index, &(struct cmi_region){.fresh = fresh, .ttl_ms = 60000});
}

/* Outcome of a waited operation while a member is cut off. */
static const struct core_outcome *publish_past(struct rig *rig, uint32_t cut)
{
        cut_off(rig, cut);
        g_assert_cmpint(rig_publish(rig, 0, "k", CMI_WAIT_MESH, 0), ==, 0);
        rig_run(rig, 1030);
        g_assert_cmpuint(rig->nodes[0].n_done, ==, 1);
        return &rig->nodes[0].outcome;
}

static void a_lapsed_member_is_unconfirmed_for_a_region_served_by_its_ttl(void)
{
        for (uint32_t teller = 0; teller < 3; teller++) {
                struct rig *rig = formed(3);
                const struct core_outcome *outcome;

                /* Whichever node has said so: the own apps, the silent ones', or others'. */
                describe(rig, teller, CMI_FRESH_TTL);
                rig_run(rig, 2500);
                outcome = publish_past(rig, 2);
                g_assert_cmpint(outcome->outcome, ==, CMI_PARTIAL);
                g_assert_cmpuint(outcome->n_unconfirmed, ==, 1);
                g_assert_cmpuint(outcome->n_lapsed, ==, 0);
                g_assert_cmpuint(outcome->n_applied, ==, 1);
                rig_free(rig);
        }
}

static void a_lapsed_member_is_enough_for_a_bounded_region(void)
{
        struct rig *rig = formed(3);
        const struct core_outcome *outcome;

        describe(rig, 0, 0);
        rig_run(rig, 2500);
        outcome = publish_past(rig, 2);
        g_assert_cmpint(outcome->outcome, ==, 0);
        g_assert_cmpuint(outcome->n_lapsed, ==, 1);
        rig_free(rig);
}

/* Another process of node 2, of the same stream. */
static void start_again(struct rig *rig)
{
        rig_kill(rig, 2);
        rig_run(rig, 10);
        rig_start(rig, 2, NULL, true);
        rig_connect(rig, 2, 0);
        rig_run(rig, 4000);
        g_assert_true(rig_serves(rig, 0));
}

static void expect_written(struct rig *rig, int outcome, uint32_t n_applied, uint32_t n_unconfirmed)
{
        const struct core_outcome *seen = &rig->nodes[0].outcome;
        uint32_t n_done = rig->nodes[0].n_done;

        g_assert_cmpint(rig_publish(rig, 0, "k", CMI_WAIT_MESH, 0), ==, 0);
        rig_run(rig, 1030);
        g_assert_cmpuint(rig->nodes[0].n_done, ==, n_done + 1);
        g_assert_cmpint(seen->outcome, ==, outcome);
        g_assert_cmpuint(seen->n_applied, ==, n_applied);
        g_assert_cmpuint(seen->n_unconfirmed, ==, n_unconfirmed);
}

static struct rig *formed_with(uint64_t fresh)
{
        struct rig *rig = formed(3);

        describe(rig, 2, fresh);
        rig_run(rig, 2500);
        expect_written(rig, 0, 2, 0);
        return rig;
}

/* Its start pause is over: whoever was served by the old one has found it, or serves nothing. */
static void a_new_process_that_acknowledges_is_confirmed_for_what_the_old_one_had(void)
{
        struct rig *rig = formed_with(CMI_FRESH_TTL);

        start_again(rig);
        expect_written(rig, 0, 2, 0);
        rig_free(rig);
}

/* Its own apps may have the region open, though it has not told yet. */
static void a_new_process_that_lapses_is_unconfirmed_for_what_was_served_by_its_ttl(void)
{
        struct rig *rig = formed_with(CMI_FRESH_TTL);

        start_again(rig);
        cut_off(rig, 2);
        expect_written(rig, CMI_PARTIAL, 1, 1);
        rig_free(rig);
}

static void a_new_process_that_lapses_is_enough_for_what_was_bounded(void)
{
        struct rig *rig = formed_with(0);

        start_again(rig);
        cut_off(rig, 2);
        expect_written(rig, 0, 1, 0);
        rig_free(rig);
}

static void leave(struct rig *rig)
{
        core_stop(rig->nodes[2].core, rig->now);
        rig_run(rig, 3);
        g_assert_true(core_goodbye(rig->nodes[2].core, rig->now));
        rig_run(rig, 2);
        rig_kill(rig, 2);
        rig_run(rig, 10);
}

static void who_left_in_order_has_closed_its_page_and_is_not_waited_for(void)
{
        struct rig *rig = formed_with(CMI_FRESH_TTL);

        core_stop(rig->nodes[2].core, rig->now);
        g_assert_cmpuint(rig->nodes[2].page->floor, ==, CMI_PAGE_FLOOR_CLOSED);
        leave(rig);
        expect_written(rig, 0, 1, 0);
        start_again(rig);
        expect_written(rig, 0, 2, 0);
        rig_free(rig);
}

/* It has listened for a lease: none of the dead one's apps is served any more. */
static void who_has_spoken_for_a_dead_one_is_not_waited_for(void)
{
        struct rig *rig = formed_with(CMI_FRESH_TTL);

        start_again(rig);
        leave(rig);
        expect_written(rig, 0, 1, 0);
        rig_free(rig);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/member/forgotten", a_member_is_forgotten_a_day_after_it_was_gone);
        g_test_add_func("/member/crasher",
                        a_member_that_crashes_before_it_published_is_dropped_after_a_lease);
        g_test_add_func("/member/ttl",
                        a_lapsed_member_is_unconfirmed_for_a_region_served_by_its_ttl);
        g_test_add_func("/member/bounded", a_lapsed_member_is_enough_for_a_bounded_region);
        g_test_add_func("/member/restarted",
                        a_new_process_that_acknowledges_is_confirmed_for_what_the_old_one_had);
        g_test_add_func("/member/restarted/ttl",
                        a_new_process_that_lapses_is_unconfirmed_for_what_was_served_by_its_ttl);
        g_test_add_func("/member/restarted/bounded",
                        a_new_process_that_lapses_is_enough_for_what_was_bounded);
        g_test_add_func("/member/left",
                        who_left_in_order_has_closed_its_page_and_is_not_waited_for);
        g_test_add_func("/member/left/obituary", who_has_spoken_for_a_dead_one_is_not_waited_for);
        return g_test_run();
}
