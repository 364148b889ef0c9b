/* SPDX-License-Identifier: MIT */
/*
 * Options that differ between nodes, or change at a restart, though they should not: no wait says 0
 * for that while somebody serves on.
 */
#include "tests/meshd/rig.h"

#include <errno.h>
#include <glib.h>

static struct cmi_id id_of(uint32_t node)
{
        return (struct cmi_id){{(uint8_t)(node + 1)}};
}

static struct rig *formed_with_patience(uint64_t first_ms, uint64_t second_ms)
{
        struct rig *rig = rig_new(2);

        rig->gone_ns[0] = cmi_ms(first_ms);
        rig->gone_ns[1] = cmi_ms(second_ms);
        rig_form(rig);
        for (uint32_t i = 0; i < 2; i++) {
                g_assert_cmpint(rig_state(rig, i), ==, CORE_LIVE);
        }
        return rig;
}

static void cut(struct rig *rig)
{
        rig->nodes[1].is_deaf = rig->nodes[1].is_mute = true;
}

static int outcome_of_wait(struct rig *rig, uint32_t node, uint64_t for_ms)
{
        uint32_t n_done = rig->nodes[node].n_done;

        g_assert_cmpint(rig_publish(rig, node, "k", CMI_WAIT_MESH, 0), ==, 0);
        rig_run(rig, for_ms);
        g_assert_cmpuint(rig->nodes[node].n_done, ==, n_done + 1);
        return rig->nodes[node].outcome.outcome;
}

/* b gives a up after 3 s and serves on; a would wait for 30 s before it did the same. */
static void who_gives_us_up_sooner_than_we_do_is_unconfirmed_once_it_has(void)
{
        struct rig *rig = formed_with_patience(30000, 3000);

        cut(rig);
        rig_run(rig, 4000);
        g_assert_true(rig_serves(rig, 1));
        g_assert_cmpint(outcome_of_wait(rig, 0, 1100), ==, CMI_PARTIAL);
        g_assert_cmpuint(rig->nodes[0].outcome.n_unconfirmed, ==, 1);
        rig_free(rig);
}

static void who_cannot_have_given_us_up_yet_is_confirmed(void)
{
        struct rig *rig = formed_with_patience(30000, 3000);

        cut(rig);
        g_assert_cmpint(outcome_of_wait(rig, 0, 1100), ==, 0);
        g_assert_cmpuint(rig->nodes[0].outcome.n_lapsed, ==, 1);
        g_assert_false(rig_serves(rig, 1));
        rig_free(rig);
}

static void that_it_differs_is_told_once_on_both_nodes(void)
{
        struct rig *rig = formed_with_patience(3000, 4000);
        struct core_member member;

        rig_run(rig, 2000);
        g_assert_cmpuint(rig->nodes[0].n_patience, ==, 1);
        g_assert_cmpuint(rig->nodes[1].n_patience, ==, 1);
        g_assert_cmpint(core_member(rig->nodes[0].core, rig->now, 0, &member), ==, 0);
        g_assert_cmpuint(member.gone_ms, ==, 4000);
        rig_free(rig);
        rig = formed_with_patience(3000, 3000);
        g_assert_cmpuint(rig->nodes[0].n_patience, ==, 0);
        rig_free(rig);
}

/* Both are killed, and come back with a tenth of the lease that apps may still have. */
static void a_start_waits_for_a_longer_lease_of_its_predecessor(void)
{
        struct rig *rig = rig_new(2);

        rig_form(rig);
        rig_kill(rig, 0);
        rig_kill(rig, 1);
        rig->lease_ns /= 10;
        rig_start(rig, 0, NULL, true);
        rig_start(rig, 1, NULL, true);
        rig_connect(rig, 0, 1);
        g_assert_cmpint(rig_publish(rig, 0, "k", CMI_WAIT_NODE, 0), ==, 0);
        rig_run(rig, 1005);
        g_assert_cmpuint(rig->nodes[0].n_done, ==, 0);
        rig_run(rig, 10);
        g_assert_cmpuint(rig->nodes[0].n_done, ==, 1);
        rig_free(rig);
}

/* Also when the one between them was killed in its pause; after that it is forgotten. */
static void the_longest_lease_is_kept_until_a_pause_is_over(void)
{
        struct rig *rig = rig_new(1);

        rig_start(rig, 0, NULL, true);
        rig_run(rig, 100);
        rig_kill(rig, 0);
        rig->lease_ns /= 10;
        rig_start(rig, 0, NULL, true);
        g_assert_cmpuint(log_lease_ns(&rig->nodes[0].log), ==, 10 * rig->lease_ns);
        rig_run(rig, 500);
        rig_kill(rig, 0);
        rig_start(rig, 0, NULL, true);
        rig_run(rig, 1005);
        g_assert_cmpuint(log_lease_ns(&rig->nodes[0].log), ==, 10 * rig->lease_ns);
        rig_run(rig, 10);
        g_assert_cmpuint(log_lease_ns(&rig->nodes[0].log), ==, rig->lease_ns);
        rig_free(rig);
}

static void a_start_after_an_end_in_order_waits_for_no_lease(void)
{
        struct rig *rig = rig_new(1);

        rig_start(rig, 0, NULL, true);
        rig_run(rig, 2000);
        core_stop(rig->nodes[0].core, rig->now);
        g_assert_true(core_goodbye(rig->nodes[0].core, rig->now));
        log_close(&rig->nodes[0].log);
        rig_kill(rig, 0);
        rig->lease_ns /= 10;
        rig_start(rig, 0, NULL, true);
        g_assert_false(core_defers(rig->nodes[0].core, rig->now, CMI_WAIT_NODE));
        g_assert_cmpuint(log_lease_ns(&rig->nodes[0].log), ==, rig->lease_ns);
        rig_free(rig);
}

/* n0 has room for one other, and comes last. */
static struct rig *formed_without_room(void)
{
        struct rig *rig = rig_new(3);

        rig->max_peers[0] = 1;
        rig_start(rig, 1, NULL, true);
        rig_start(rig, 2, NULL, true);
        rig_connect(rig, 1, 2);
        rig_run(rig, 2500);
        g_assert_cmpint(rig_state(rig, 2), ==, CORE_LIVE);
        rig_start(rig, 0, NULL, true);
        rig_connect(rig, 0, 1);
        return rig;
}

static void a_node_without_room_for_a_live_one_is_not_live_and_says_why(void)
{
        struct rig *rig = formed_without_room();
        struct core_status status;

        rig_run(rig, 100);
        rig_connect(rig, 0, 2);
        rig_connect(rig, 2, 0);
        rig_run(rig, 6000);
        core_status(rig->nodes[0].core, &status);
        g_assert_cmpint(status.state, ==, CORE_JOINING);
        g_assert_true(strstr(status.reason, "max") != NULL);
        g_assert_true(rig_serves(rig, 1) && rig_serves(rig, 2));
        g_assert_cmpint(rig_publish(rig, 0, "k", CMI_WAIT_MESH, 500), ==, 0);
        rig_run(rig, 600);
        g_assert_cmpint(rig->nodes[0].outcome.outcome, ==, CMI_PENDING);
        rig_free(rig);
}

/* It hears of it from n1 alone. */
static void also_of_one_that_only_others_can_reach(void)
{
        struct rig *rig = formed_without_room();

        rig_run(rig, 6000);
        g_assert_cmpint(rig_state(rig, 0), ==, CORE_JOINING);
        g_assert_cmpint(rig_state(rig, 2), ==, CORE_LIVE);
        rig_free(rig);
}

static void a_full_mesh_goes_on_when_one_more_comes(void)
{
        struct rig *rig = rig_new(3);
        struct core_status status;

        for (uint32_t i = 0; i < 3; i++) {
                rig->max_peers[i] = 1;
        }
        rig_start(rig, 0, NULL, true);
        rig_start(rig, 1, NULL, true);
        rig_connect(rig, 0, 1);
        rig_run(rig, 2500);
        rig_start(rig, 2, NULL, true);
        rig_connect(rig, 2, 0);
        rig_connect(rig, 2, 1);
        rig_connect(rig, 1, 2);
        rig_run(rig, 6000);
        g_assert_true(rig_serves(rig, 0) && rig_serves(rig, 1));
        core_status(rig->nodes[2].core, &status);
        g_assert_cmpint(status.state, ==, CORE_JOINING);
        g_assert_true(g_str_has_prefix(status.reason, "refused"));
        rig_free(rig);
}

/* n0 and n1 have room for each other only; n2 was live alone, and finds them. */
static struct rig *formed_with_a_stranger(void)
{
        struct rig *rig = rig_new(3);

        rig->max_peers[0] = rig->max_peers[1] = 1;
        rig_start(rig, 0, NULL, true);
        rig_start(rig, 1, NULL, true);
        rig_connect(rig, 0, 1);
        rig_start(rig, 2, NULL, true);
        rig_run(rig, 12500);
        g_assert_true(rig_serves(rig, 0) && rig_serves(rig, 1) && rig_serves(rig, 2));
        rig_connect(rig, 2, 0);
        rig_connect(rig, 2, 1);
        rig_run(rig, 100);
        g_assert_cmpint(rig_state(rig, 0), ==, CORE_JOINING);
        g_assert_cmpint(rig_state(rig, 1), ==, CORE_JOINING);
        g_assert_true(rig_serves(rig, 2));
        return rig;
}

static void who_found_no_room_and_leaves_in_order_ends_that_at_once(void)
{
        struct rig *rig = formed_with_a_stranger();
        uint32_t forgot = rig->nodes[0].n_forgot;

        core_stop(rig->nodes[2].core, rig->now);
        g_assert_true(core_goodbye(rig->nodes[2].core, rig->now));
        rig_run(rig, 500);
        g_assert_true(rig_serves(rig, 0) && rig_serves(rig, 1));
        g_assert_cmpuint(rig->nodes[0].n_forgot, >, forgot); /* it had published, perhaps */
        g_assert_cmpint(outcome_of_wait(rig, 0, 1100), ==, 0);
        rig_free(rig);
}

/* Its own waits would be for nobody here. */
static void its_silence_ends_nothing_but_an_operator_does(void)
{
        struct rig *rig = formed_with_a_stranger();
        struct cmi_id id = id_of(2);
        struct core_member stranger;

        g_assert_cmpint(core_forget(rig->nodes[0].core, rig->now, &id), ==, -EBUSY);
        rig_kill(rig, 2);
        rig_run(rig, 60000);
        g_assert_cmpint(rig_state(rig, 0), ==, CORE_JOINING);
        g_assert_cmpint(core_stranger(rig->nodes[0].core, rig->now, 0, &stranger), ==, 0);
        g_assert_cmpstr(stranger.name, ==, "n2");
        g_assert_cmpint(stranger.state, ==, MEMBER_GONE);
        g_assert_cmpint(core_forget(rig->nodes[0].core, rig->now, &id), ==, 0);
        g_assert_cmpint(core_forget(rig->nodes[1].core, rig->now, &id), ==, 0);
        g_assert_cmpint(core_forget(rig->nodes[0].core, rig->now, &id), ==, -ENOENT);
        rig_run(rig, 500);
        g_assert_true(rig_serves(rig, 0) && rig_serves(rig, 1));
        rig_free(rig);
}

static void a_day_ends_it_too(void)
{
        struct rig *rig = formed_with_a_stranger();
        struct rig_node *node = &rig->nodes[0];
        uint32_t forgot = node->n_forgot;

        rig_kill(rig, 2);
        rig->now.mono_ns += 24 * 3600 * CMI_NS_PER_S;
        rig->now.real_ns += 24 * 3600 * CMI_NS_PER_S;
        rig_run(rig, 2000);
        g_assert_true(rig_serves(rig, 0));
        g_assert_cmpuint(node->n_forgot, >, forgot);
        rig_free(rig);
}

/* It knows this node, too, and may go on behind a partition. */
static void whom_only_the_disk_names_is_named_by_waits_until_it_is_forgotten(void)
{
        struct rig *rig = rig_new(3);
        struct cmi_endpoint endpoint = {.family = 4, .port = 1, .address = {127, 0, 0, 1}};
        struct cmi_id first = id_of(1);
        struct cmi_id second = id_of(2);

        rig->max_peers[0] = 1;
        rig_start(rig, 0, NULL, true);
        rig_start(rig, 1, NULL, true);
        core_remember(rig->nodes[0].core, rig->now, &first, "n1", &endpoint);
        g_assert_cmpint(core_remember(rig->nodes[0].core, rig->now, &second, "n2", &endpoint), ==,
                        -ENOSPC);
        rig_connect(rig, 1, 0);
        rig_run(rig, 2800);
        g_assert_cmpint(rig_state(rig, 0), ==, CORE_JOINING);
        rig_run(rig, 500);
        g_assert_true(rig_serves(rig, 0));
        g_assert_cmpint(outcome_of_wait(rig, 0, 1100), ==, CMI_PARTIAL);
        g_assert_cmpuint(rig->nodes[0].outcome.n_applied, ==, 1);
        g_assert_cmpuint(rig->nodes[0].outcome.n_unconfirmed, ==, 1);
        g_assert_cmpint(core_forget(rig->nodes[0].core, rig->now, &second), ==, 0);
        g_assert_cmpint(outcome_of_wait(rig, 0, 1100), ==, 0);
        rig_free(rig);
}

/* More than are told apart: the rest is one, and is forgotten as one. */
static void however_many_the_disk_names_waits_name_them(void)
{
        struct rig *rig = rig_new(2);
        struct cmi_endpoint endpoint = {.family = 4, .port = 1001, .address = {127, 0, 0, 1}};
        struct core_member stranger;

        rig->max_peers[0] = 1;
        rig_start(rig, 0, NULL, true);
        for (uint32_t i = 1; i <= 20; i++) {
                struct cmi_id id = id_of(i);

                core_remember(rig->nodes[0].core, rig->now, &id, "other", &endpoint);
        }
        rig_run(rig, 3500);
        for (uint32_t i = 1; i <= 17; i++) {
                struct cmi_id id = id_of(i);

                g_assert_cmpint(core_forget(rig->nodes[0].core, rig->now, &id), ==, 0);
        }
        rig_run(rig, 12000);
        g_assert_true(rig_serves(rig, 0));
        g_assert_cmpint(outcome_of_wait(rig, 0, 1100), ==, CMI_PARTIAL);
        g_assert_cmpint(core_stranger(rig->nodes[0].core, rig->now, 0, &stranger), ==, 0);
        g_assert_cmpstr(stranger.name, ==, "others");
        g_assert_cmpint(core_forget(rig->nodes[0].core, rig->now, &stranger.id), ==, 0);
        g_assert_cmpint(outcome_of_wait(rig, 0, 1100), ==, 0);
        g_assert_cmpint(core_forget(rig->nodes[0].core, rig->now, &stranger.id), ==, -ENOENT);
        rig_free(rig);
}

static void remember_a(struct rig *rig)
{
        static const struct cmi_endpoint endpoint = {
                        .family = 4, .port = 1000, .address = {127, 0, 0, 1}};
        struct cmi_id a = id_of(0);

        g_assert_cmpint(core_remember(rig->nodes[1].core, rig->now, &a, "n0", &endpoint), ==, 0);
}

/*
 * b says that it gives others up after 30 s, is ended while it is cut off, and comes back with 3 s:
 * it knows a, and a hears nothing else of it.
 */
static struct rig *formed_and_shortened(bool is_clean)
{
        struct rig *rig = formed_with_patience(30000, 30000);

        cut(rig);
        if (is_clean) {
                core_stop(rig->nodes[1].core, rig->now);
                core_goodbye(rig->nodes[1].core, rig->now);
                log_close(&rig->nodes[1].log);
        }
        rig_kill(rig, 1);
        rig->gone_ns[1] = cmi_ms(3000);
        rig_start(rig, 1, NULL, true);
        remember_a(rig);
        return rig;
}

static void a_start_gives_nobody_up_before_its_predecessor_would_have(void)
{
        for (uint32_t i = 0; i < 2; i++) {
                struct rig *rig = formed_and_shortened(i == 1);

                rig_run(rig, 6000);
                g_assert_false(rig_serves(rig, 1));
                g_assert_cmpint(outcome_of_wait(rig, 0, 1100), ==, 0);
                g_assert_cmpuint(rig->nodes[0].outcome.n_lapsed, ==, 1);
                rig_run(rig, 22000);
                g_assert_false(rig_serves(rig, 1));
                g_assert_cmpuint(log_gone_ns(&rig->nodes[1].log), ==, cmi_ms(30000));
                rig_run(rig, 1500);
                g_assert_true(rig_serves(rig, 1));
                g_assert_cmpuint(log_gone_ns(&rig->nodes[1].log), ==, cmi_ms(3000));
                g_assert_cmpint(outcome_of_wait(rig, 0, 1100), ==, CMI_PARTIAL);
                rig_free(rig);
        }
}

/* The one between them has told it to nobody; but it dies before nobody relies on it any more. */
static void what_was_told_is_kept_over_a_start_that_dies(void)
{
        struct rig *rig = formed_and_shortened(false);

        rig_run(rig, 20000);
        rig_kill(rig, 1);
        rig_start(rig, 1, NULL, true);
        remember_a(rig);
        rig_run(rig, 29000);
        g_assert_cmpint(rig_state(rig, 1), ==, CORE_JOINING);
        rig_run(rig, 1500);
        g_assert_cmpint(rig_state(rig, 1), ==, CORE_LIVE);
        rig_free(rig);
}

/* Who is back in touch with all has told them what it does now, and loses no time. */
static void a_start_that_is_heard_waits_for_nothing_that_was_told(void)
{
        struct rig *rig = formed_and_shortened(false);

        rig->nodes[1].is_deaf = rig->nodes[1].is_mute = false;
        rig_connect(rig, 1, 0);
        rig_run(rig, 4000);
        g_assert_cmpint(rig_state(rig, 1), ==, CORE_LIVE);
        cut(rig);
        rig_run(rig, 4000);
        g_assert_cmpint(outcome_of_wait(rig, 0, 1100), ==, CMI_PARTIAL);
        rig_free(rig);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/unequal/gone/unconfirmed",
                        who_gives_us_up_sooner_than_we_do_is_unconfirmed_once_it_has);
        g_test_add_func("/unequal/gone/confirmed", who_cannot_have_given_us_up_yet_is_confirmed);
        g_test_add_func("/unequal/gone/told", that_it_differs_is_told_once_on_both_nodes);
        g_test_add_func("/unequal/gone/start",
                        a_start_gives_nobody_up_before_its_predecessor_would_have);
        g_test_add_func("/unequal/gone/kept", what_was_told_is_kept_over_a_start_that_dies);
        g_test_add_func("/unequal/gone/heard",
                        a_start_that_is_heard_waits_for_nothing_that_was_told);
        g_test_add_func("/unequal/lease/pause",
                        a_start_waits_for_a_longer_lease_of_its_predecessor);
        g_test_add_func("/unequal/lease/kept", the_longest_lease_is_kept_until_a_pause_is_over);
        g_test_add_func("/unequal/lease/clean", a_start_after_an_end_in_order_waits_for_no_lease);
        g_test_add_func("/unequal/room/short",
                        a_node_without_room_for_a_live_one_is_not_live_and_says_why);
        g_test_add_func("/unequal/room/unreached", also_of_one_that_only_others_can_reach);
        g_test_add_func("/unequal/room/full", a_full_mesh_goes_on_when_one_more_comes);
        g_test_add_func("/unequal/room/goodbye",
                        who_found_no_room_and_leaves_in_order_ends_that_at_once);
        g_test_add_func("/unequal/room/silence", its_silence_ends_nothing_but_an_operator_does);
        g_test_add_func("/unequal/room/day", a_day_ends_it_too);
        g_test_add_func("/unequal/room/disk",
                        whom_only_the_disk_names_is_named_by_waits_until_it_is_forgotten);
        g_test_add_func("/unequal/room/many", however_many_the_disk_names_waits_name_them);
        return g_test_run();
}
