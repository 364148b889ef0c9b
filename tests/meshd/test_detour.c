/* SPDX-License-Identifier: MIT */
/* Nodes with several addresses, some of which are dead for a while. */
#include "tests/meshd/rig.h"

#include <glib.h>

#define FIND_MS 1700 /* a lease until it is noticed, a beat before that, and a greeting */

static struct rig *formed(uint32_t n_nodes, uint32_t n_addresses)
{
        struct rig *rig = rig_new(n_nodes);

        for (uint32_t i = 0; i < n_nodes; i++) {
                rig->nodes[i].n_addresses = n_addresses;
        }
        rig_form(rig);
        for (uint32_t i = 0; i < n_nodes; i++) {
                g_assert_true(rig_serves(rig, i));
                rig->nodes[i].n_met = 0;
        }
        return rig;
}

/* Last byte of the address to which node 0's link to its first member leads. */
static uint32_t address_in_use(const struct rig *rig, uint32_t node)
{
        struct core_member member;

        g_assert_cmpint(core_member(rig->nodes[node].core, rig->now, 0, &member), ==, 0);
        return member.endpoint.address[3];
}

static uint32_t count_links(const struct rig *rig, uint32_t node)
{
        uint32_t n = 0;

        for (uint32_t i = 0; i < CORE_PEERS_MAX + CORE_LINKS_SPARE; i++) {
                n += rig->nodes[node].link_to[i] != 0;
        }
        return n;
}

static void kill_address(struct rig *rig, uint32_t address, bool is_dead)
{
        for (uint32_t i = 0; i < rig->n_nodes; i++) {
                rig->nodes[i].is_dead[address] = is_dead;
        }
}

static void the_second_address_is_used_when_the_first_one_dies_and_the_other_way_round(void)
{
        struct rig *rig = formed(3, 2);
        uint32_t forgot = rig->nodes[0].n_forgot;
        uint64_t token;

        for (uint32_t i = 0; i < 4; i++) {
                kill_address(rig, i % 2, true);
                kill_address(rig, (i + 1) % 2, false);
                token = rig_token(rig, 1);
                rig_publish(rig, 0, "on the way", CMI_WAIT_NODE, 0);
                rig_run(rig, FIND_MS);
                for (uint32_t node = 0; node < 3; node++) {
                        g_assert_true(rig_serves(rig, node));
                        g_assert_cmpuint(address_in_use(rig, node), ==, (i + 1) % 2 + 1);
                        g_assert_cmpuint(count_links(rig, node), ==, 2);
                }
                g_assert_true(rig_is_stamped(rig, 1, "on the way", token));
        }
        g_assert_cmpuint(rig->nodes[0].n_forgot, ==, forgot); /* nobody was gone meanwhile */
        rig_free(rig);
}

/* What the node hears is on another link, and goes on. */
static void a_dead_address_of_one_side_only_is_left_by_the_link_that_leads_there(void)
{
        struct rig *rig = formed(2, 2);

        rig->nodes[1].is_dead[0] = true;
        rig_run(rig, FIND_MS);
        g_assert_cmpuint(address_in_use(rig, 0), ==, 2);
        g_assert_true(rig_serves(rig, 0) && rig_serves(rig, 1));
        rig_free(rig);
}

static void all_addresses_are_tried_until_one_answers(void)
{
        struct rig *rig = formed(2, 3);

        kill_address(rig, 0, true);
        kill_address(rig, 1, true);
        rig_run(rig, 6000);
        g_assert_true(rig_serves(rig, 0) && rig_serves(rig, 1));
        g_assert_cmpuint(address_in_use(rig, 0), ==, 3);
        g_assert_cmpuint(address_in_use(rig, 1), ==, 3);
        rig_free(rig);
}

/* Node 2 is told of it by node 0 only, with an address first that never was alive. */
static void a_member_whose_first_address_was_never_alive_is_met_at_the_second_one(void)
{
        struct rig *rig = rig_new(3);

        for (uint32_t i = 0; i < 3; i++) {
                rig->nodes[i].n_addresses = 2;
        }
        rig->nodes[1].is_dead[0] = true;
        rig_form(rig);
        rig_run(rig, 2000);
        for (uint32_t i = 0; i < 3; i++) {
                g_assert_true(rig_serves(rig, i));
        }
        rig_free(rig);
}

static void an_address_that_comes_back_after_a_long_time_is_found(void)
{
        struct rig *rig = formed(2, 2);

        kill_address(rig, 0, true);
        kill_address(rig, 1, true);
        rig_run(rig, 300000);
        g_assert_cmpuint(count_links(rig, 0), <=, 2);
        kill_address(rig, 1, false);
        rig_run(rig, 40000);
        g_assert_true(rig_serves(rig, 0) && rig_serves(rig, 1));
        g_assert_cmpuint(address_in_use(rig, 0), ==, 2);
        rig_free(rig);
}

static void a_link_that_is_answered_is_never_left(void)
{
        struct rig *rig = formed(3, 2);

        rig_run(rig, 10000);
        /* The second address is dead, which nobody needs to know. */
        kill_address(rig, 1, true);
        rig_run(rig, 10000);
        for (uint32_t i = 0; i < 3; i++) {
                g_assert_cmpuint(rig->nodes[i].n_met, ==, 0);
                g_assert_cmpuint(count_links(rig, i), ==, 2);
                g_assert_cmpuint(address_in_use(rig, i), ==, 1);
        }
        rig_free(rig);
}

/* A process that stands still is no reason to leave for good, or to hop to and fro. */
static void a_member_that_was_only_slow_is_left_once_at_most(void)
{
        struct rig *rig = formed(2, 2);

        for (uint32_t i = 0; i < 5; i++) {
                rig->nodes[1].is_deaf = rig->nodes[1].is_mute = true;
                rig_run(rig, 2000);
                rig->nodes[1].is_deaf = rig->nodes[1].is_mute = false;
                rig_run(rig, 2000);
                g_assert_true(rig_serves(rig, 0) && rig_serves(rig, 1));
                g_assert_cmpuint(rig->nodes[0].n_met, <=, i + 1);
                g_assert_cmpuint(count_links(rig, 0), ==, 1);
                g_assert_cmpuint(count_links(rig, 1), ==, 1);
        }
        rig_free(rig);
}

static void a_member_that_is_forgotten_takes_what_was_tried_with_it(void)
{
        struct rig *rig = formed(2, 2);
        struct core_member member;

        rig_kill(rig, 1);
        rig_run(rig, 3200);
        for (int i = 0; i < 1000 && count_links(rig, 0) == 1; i++) {
                rig_run(rig, 10);
        }
        g_assert_cmpuint(count_links(rig, 0), ==, 2);
        core_member(rig->nodes[0].core, rig->now, 0, &member);
        g_assert_cmpint(core_forget(rig->nodes[0].core, rig->now, &member.id), ==, 0);
        g_assert_cmpuint(count_links(rig, 0), ==, 0);
        rig_run(rig, 3000);
        g_assert_cmpuint(count_links(rig, 0), ==, 0);
        rig_free(rig);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/detour/second",
                        the_second_address_is_used_when_the_first_one_dies_and_the_other_way_round);
        g_test_add_func("/detour/one side",
                        a_dead_address_of_one_side_only_is_left_by_the_link_that_leads_there);
        g_test_add_func("/detour/all", all_addresses_are_tried_until_one_answers);
        g_test_add_func("/detour/never",
                        a_member_whose_first_address_was_never_alive_is_met_at_the_second_one);
        g_test_add_func("/detour/long", an_address_that_comes_back_after_a_long_time_is_found);
        g_test_add_func("/detour/answered", a_link_that_is_answered_is_never_left);
        g_test_add_func("/detour/slow", a_member_that_was_only_slow_is_left_once_at_most);
        g_test_add_func("/detour/forgotten",
                        a_member_that_is_forgotten_takes_what_was_tried_with_it);
        return g_test_run();
}
