/* SPDX-License-Identifier: MIT */
/* Who loads, who waits and how long a load is trusted, case by case. */
#include "tests/meshd/flight_rig.h"

#include <errno.h>
#include <string.h>

static void the_first_one_loads_and_the_others_wait(struct flight_rig *rig, gconstpointer unused)
{
        g_assert_cmpint(rig_ask(rig, 'a', 1, "k"), ==, CMI_LOAD_GRANTED);
        g_assert_cmpint(rig_ask(rig, 'b', 1, "k"), ==, CMI_LOAD_WAIT);
        g_assert_cmpint(rig_ask(rig, 'a', 2, "k"), ==, CMI_LOAD_WAIT);
        rig_expect(rig, "a1:load b1:wait a2:wait");
        g_assert_true(seat_loads(rig_seat(rig, 'a', 1)));
        g_assert_false(seat_loads(rig_seat(rig, 'a', 2)));
        g_assert_null(rig_seat(rig, 'c', 1));
}

static void whoever_waits_gets_the_value_in_the_order_of_arrival(
                struct flight_rig *rig, gconstpointer unused)
{
        rig_ask(rig, 'a', 1, "k");
        rig_ask(rig, 'c', 1, "k");
        rig_ask(rig, 'b', 1, "k");
        rig_expect(rig, "a1:load c1:wait b1:wait");
        rig_end(rig, 'a', 1, CMI_LOADED_VALUE);
        rig_expect(rig, "c1:value b1:value");
        g_assert_cmpmem(rig->last.record.data, rig->last.record.len, "record", 6);
        g_assert_cmpint(rig_ask(rig, 'd', 1, "k"), ==, CMI_LOAD_GRANTED);
}

static void a_value_is_new_to_who_came_before_its_load_began(
                struct flight_rig *rig, gconstpointer unused)
{
        uint64_t arrival;

        rig_ask(rig, 'a', 1, "k");
        rig_ask(rig, 'b', 1, "k");
        arrival = rig->last.arrival;
        rig_end(rig, 'a', 1, CMI_LOADED_VALUE);
        rig_expect(rig, "a1:load b1:wait b1:value");
        /* It cannot use it, and asks again: now another load runs, which began after it came. */
        rig_ask(rig, 'c', 1, "k");
        rig_ask_again(rig, 'b', 2, "k", arrival);
        g_assert_cmpuint(rig->last.arrival, ==, arrival);
        rig_ask(rig, 'd', 1, "k");
        rig_end(rig, 'c', 1, CMI_LOADED_VALUE);
        rig_expect(rig, "c1:load b2:wait d1:wait b2:new-value d1:value");
}

static void an_error_is_everybodys(struct flight_rig *rig, gconstpointer unused)
{
        rig_ask_all(rig, "abc");
        rig_end(rig, 'a', 1, -EIO);
        rig_expect(rig, "b1:failed c1:failed");
        g_assert_cmpint(rig->last.error, ==, -EIO);
}

static void what_is_not_handed_on_each_loads_for_itself(
                struct flight_rig *rig, gconstpointer unused)
{
        static const int64_t outcomes[] = {CMI_LOADED_APART, 99}; /* 99: of a later version */

        for (size_t i = 0; i < G_N_ELEMENTS(outcomes); i++) {
                rig_ask_all(rig, "ab");
                rig_end(rig, 'a', 1, outcomes[i]);
                rig_expect(rig, "b1:alone");
                rig_renew(rig);
        }
}

static void one_that_gives_up_is_replaced_by_the_first_that_waits(
                struct flight_rig *rig, gconstpointer unused)
{
        rig_ask_all(rig, "abc");
        rig_end(rig, 'a', 1, CMI_LOADED_NOTHING);
        rig_expect(rig, "b1:load");
        g_assert_cmpuint(flights_n_handed_over(rig->flights), ==, 1);
        rig_end(rig, 'b', 1, CMI_LOADED_VALUE);
        rig_expect(rig, "c1:new-value");
}

static void one_that_is_gone_is_replaced_also_in_several_flights(
                struct flight_rig *rig, gconstpointer unused)
{
        rig_ask(rig, 'a', 1, "k");
        rig_ask(rig, 'a', 2, "l");
        rig_ask(rig, 'a', 3, "k");
        rig_ask(rig, 'b', 1, "k");
        rig_ask(rig, 'b', 2, "l");
        rig_hush(rig);
        rig_leave(rig, 'a');
        g_assert_cmpuint(rig->guests[0].n_seats, ==, 0);
        g_assert_true(seat_loads(rig_seat(rig, 'b', 1)));
        g_assert_true(seat_loads(rig_seat(rig, 'b', 2)));
}

static void who_waits_and_leaves_changes_nothing_for_the_others(
                struct flight_rig *rig, gconstpointer unused)
{
        rig_ask_all(rig, "abcd");
        rig_end(rig, 'b', 1, CMI_LOADED_NOTHING);
        rig_end(rig, 'c', 1, CMI_LOADED_VALUE); /* it does not load, so what it says is nothing */
        rig_expect(rig, "");
        rig_end(rig, 'a', 1, CMI_LOADED_VALUE);
        rig_expect(rig, "d1:value");
}

static void another_user_region_version_or_key_is_another_load(
                struct flight_rig *rig, gconstpointer unused)
{
        struct load_name names[5] = {
                        rig_name("k"), rig_name("k"), rig_name("k"), rig_name("k"), rig_name("kk")};

        names[1].uid = 9;
        names[2].index = 9;
        names[3].version = 9;
        for (unsigned i = 0; i < 5; i++) {
                struct flight_ask ask = {&names[i], i + 1, 0, LEAD_MS, 0};

                g_assert_cmpint(flights_ask(rig->flights, &rig->guests[0], &ask, rig->now_ns), ==,
                                CMI_LOAD_GRANTED);
                g_assert_true(load_name_equal(seat_name(rig_seat(rig, 'a', i + 1)), &names[i]));
        }
}

static void one_that_takes_too_long_is_joined_by_the_first_that_waits(
                struct flight_rig *rig, gconstpointer unused)
{
        rig_ask_all(rig, "abc");
        rig_pass(rig, LEAD_MS - 1);
        rig_expect(rig, "");
        rig_pass(rig, FLIGHT_TURN_MS);
        rig_expect(rig, "b1:load");
        /* Each has its time. */
        rig_pass(rig, LEAD_MS - 1);
        rig_expect(rig, "");
        rig_pass(rig, FLIGHT_TURN_MS);
        rig_expect(rig, "c1:load");
        g_assert_cmpuint(flights_n_handed_over(rig->flights), ==, 2);
}

static void ask_with_patience(struct flight_rig *rig, char guest, uint64_t lead_ms, uint64_t ms)
{
        struct load_name name = rig_name("k");
        struct flight_ask ask = {
                        .name = &name, .request = 1, .lead_ms = lead_ms, .patience_ms = ms};

        flights_ask(rig->flights, &rig->guests[guest - 'a'], &ask, rig->now_ns);
}

/* a is a batch job, b as well; c and d have users that wait. */
static void a_leader_with_much_time_binds_nobody_who_has_little(
                struct flight_rig *rig, gconstpointer unused)
{
        ask_with_patience(rig, 'a', 60 * LEAD_MS, 60 * LEAD_MS);
        ask_with_patience(rig, 'b', 60 * LEAD_MS, 60 * LEAD_MS);
        rig_pass(rig, 10 * LEAD_MS);
        ask_with_patience(rig, 'c', LEAD_MS, 200);
        ask_with_patience(rig, 'd', LEAD_MS, 200);
        rig_hush(rig);
        rig_pass(rig, 199);
        rig_expect(rig, "");
        rig_pass(rig, FLIGHT_TURN_MS);
        rig_expect(rig, "c1:load");
        /* d has waited as long, but not for c. */
        rig_pass(rig, FLIGHT_TURN_MS);
        rig_expect(rig, "");
        rig_end(rig, 'c', 1, CMI_LOADED_VALUE);
        rig_expect(rig, "b1:new-value d1:new-value");
}

static void who_waits_is_as_patient_as_trusted_unless_it_says_more(
                struct flight_rig *rig, gconstpointer unused)
{
        ask_with_patience(rig, 'a', 60 * LEAD_MS, 0);
        ask_with_patience(rig, 'b', LEAD_MS, 0);
        rig_hush(rig);
        rig_pass(rig, LEAD_MS - 1);
        rig_expect(rig, "");
        rig_pass(rig, FLIGHT_TURN_MS);
        rig_expect(rig, "b1:load");
}

static void nobody_is_late_as_long_as_nobody_waits(struct flight_rig *rig, gconstpointer unused)
{
        rig_ask(rig, 'a', 1, "k");
        rig_ask(rig, 'c', 1, "l");
        rig_ask(rig, 'd', 1, "l");
        rig_pass(rig, 10 * LEAD_MS);
        rig_ask(rig, 'b', 1, "k");
        rig_expect(rig, "a1:load c1:load d1:wait d1:load b1:wait");
        rig_pass(rig, FLIGHT_TURN_MS);
        rig_expect(rig, "b1:load");
}

static void a_late_value_is_still_handed_on(struct flight_rig *rig, gconstpointer unused)
{
        rig_ask_all(rig, "abc");
        rig_pass(rig, LEAD_MS);
        rig_hush(rig);
        rig_end(rig, 'a', 1, CMI_LOADED_VALUE);
        rig_expect(rig, "c1:value");
        g_assert_true(seat_loads(rig_seat(rig, 'b', 1)));
}

static void a_late_error_is_nobodys_since_another_one_loads(
                struct flight_rig *rig, gconstpointer unused)
{
        static const int64_t outcomes[] = {-EIO, CMI_LOADED_APART, CMI_LOADED_NOTHING};

        for (size_t i = 0; i < G_N_ELEMENTS(outcomes); i++) {
                rig_ask_all(rig, "abc");
                rig_pass(rig, LEAD_MS);
                rig_hush(rig);
                rig_end(rig, 'a', 1, outcomes[i]);
                rig_expect(rig, "");
                rig_end(rig, 'b', 1, CMI_LOADED_VALUE);
                rig_expect(rig, "c1:new-value");
                rig_renew(rig);
        }
}

/* a hangs in each of these for good. */
static void begin_with_one_that_hangs(struct flight_rig *rig)
{
        rig_ask_all(rig, "ab");
        rig_pass(rig, LEAD_MS);
        rig_expect(rig, "b1:load");
}

static void one_that_hangs_blocks_nobody_after_its_replacement_is_done(
                struct flight_rig *rig, gconstpointer unused)
{
        begin_with_one_that_hangs(rig);
        rig_end(rig, 'b', 1, CMI_LOADED_VALUE);
        g_assert_cmpint(rig_ask(rig, 'c', 1, "k"), ==, CMI_LOAD_GRANTED);
        g_assert_cmpint(rig_ask(rig, 'd', 1, "k"), ==, CMI_LOAD_WAIT);
        rig_end(rig, 'c', 1, CMI_LOADED_VALUE);
        rig_expect(rig, "c1:load d1:wait d1:value");
}

static void one_that_hangs_blocks_nobody_after_its_replacement_is_killed(
                struct flight_rig *rig, gconstpointer unused)
{
        begin_with_one_that_hangs(rig);
        rig_ask(rig, 'c', 1, "k");
        rig_ask(rig, 'd', 1, "k");
        rig_leave(rig, 'b');
        rig_expect(rig, "c1:wait d1:wait c1:load");
        rig_leave(rig, 'c');
        rig_expect(rig, "d1:load");
        rig_leave(rig, 'd');
        g_assert_cmpint(rig_ask(rig, 'd', 2, "k"), ==, CMI_LOAD_GRANTED);
}

static void the_end_of_one_that_hung_ends_no_trust_in_its_replacement(
                struct flight_rig *rig, gconstpointer unused)
{
        begin_with_one_that_hangs(rig);
        rig_ask(rig, 'c', 1, "k");
        rig_leave(rig, 'a');
        rig_expect(rig, "c1:wait");
        rig_end(rig, 'b', 1, CMI_LOADED_VALUE);
        rig_expect(rig, "c1:value");
}

static void how_long_one_is_trusted_has_bounds(struct flight_rig *rig, gconstpointer unused)
{
        static const struct {
                uint64_t lead_ms, late_ms;
        } cases[] = {{0, FLIGHT_LEAD_MIN_MS}, {LEAD_MS, LEAD_MS}, {UINT64_MAX, FLIGHT_LEAD_MAX_MS}};

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                struct load_name name = rig_name("k");
                struct flight_ask first = {&name, 1, 0, cases[i].lead_ms, 0};

                flights_ask(rig->flights, &rig->guests[0], &first, rig->now_ns);
                ask_with_patience(rig, 'b', LEAD_MS, UINT64_MAX);
                rig_hush(rig);
                rig_pass(rig, cases[i].late_ms - 1);
                rig_expect(rig, "");
                rig_pass(rig, FLIGHT_TURN_MS);
                rig_expect(rig, "b1:load");
                rig_renew(rig);
        }
}

static void each_client_that_waits_is_reminded_once(struct flight_rig *rig, gconstpointer unused)
{
        g_assert_cmpint(flights_timeout_ms(rig->flights), ==, -1);
        rig_ask(rig, 'a', 1, "k");
        rig_ask(rig, 'a', 2, "l");
        rig_ask(rig, 'b', 1, "k");
        rig_ask(rig, 'b', 2, "l");
        rig_ask(rig, 'c', 1, "k");
        rig_hush(rig);
        g_assert_cmpint(flights_timeout_ms(rig->flights), ==, FLIGHT_TURN_MS);
        flights_turn(rig->flights, rig->now_ns += FLIGHT_ALIVE_MS * MS);
        g_assert_cmpuint(rig->said->len, ==, strlen("b1:wait c1:wait"));
        g_assert_nonnull(strchr(rig->said->str, 'b'));
        g_assert_nonnull(strchr(rig->said->str, 'c'));
        rig_hush(rig);
        flights_turn(rig->flights, rig->now_ns += FLIGHT_TURN_MS * MS);
        rig_expect(rig, "");
        flights_turn(rig->flights, rig->now_ns += FLIGHT_ALIVE_MS * MS);
        g_assert_cmpuint(rig->said->len, >, 0);
}

static void there_are_so_many_seats_and_no_more(struct flight_rig *rig, gconstpointer unused)
{
        static struct flight_guest crowd[FLIGHT_SEATS_MAX / FLIGHT_SEATS_OF_GUEST];
        struct load_name name = rig_name("k");
        struct flights *flights = rig->flights;

        for (unsigned i = 0; i < FLIGHT_SEATS_MAX; i++) {
                struct flight_ask ask = {&name, i, 0, LEAD_MS, 0};

                g_assert_cmpint(flights_ask(flights, &crowd[i / FLIGHT_SEATS_OF_GUEST], &ask, 0),
                                ==, i == 0 ? CMI_LOAD_GRANTED : CMI_LOAD_WAIT);
                rig_hush(rig);
                if (i == FLIGHT_SEATS_OF_GUEST - 1) {
                        g_assert_cmpint(flights_ask(flights, &crowd[0], &ask, 0), ==, -ENOSPC);
                }
        }
        g_assert_cmpint(flights_ask(flights, &rig->guests[0], &(struct flight_ask){&name, 1}, 0),
                        ==, -ENOSPC);
        for (size_t i = 0; i < G_N_ELEMENTS(crowd); i++) {
                flights_leave(flights, &crowd[i], 0);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name)                                                                                 \
        g_test_add("/flight/" #name, struct flight_rig, NULL, rig_set_up, name, rig_tear_down)
        CASE(the_first_one_loads_and_the_others_wait);
        CASE(whoever_waits_gets_the_value_in_the_order_of_arrival);
        CASE(a_value_is_new_to_who_came_before_its_load_began);
        CASE(an_error_is_everybodys);
        CASE(what_is_not_handed_on_each_loads_for_itself);
        CASE(one_that_gives_up_is_replaced_by_the_first_that_waits);
        CASE(one_that_is_gone_is_replaced_also_in_several_flights);
        CASE(who_waits_and_leaves_changes_nothing_for_the_others);
        CASE(another_user_region_version_or_key_is_another_load);
        CASE(one_that_takes_too_long_is_joined_by_the_first_that_waits);
        CASE(a_leader_with_much_time_binds_nobody_who_has_little);
        CASE(who_waits_is_as_patient_as_trusted_unless_it_says_more);
        CASE(nobody_is_late_as_long_as_nobody_waits);
        CASE(a_late_value_is_still_handed_on);
        CASE(a_late_error_is_nobodys_since_another_one_loads);
        CASE(one_that_hangs_blocks_nobody_after_its_replacement_is_done);
        CASE(one_that_hangs_blocks_nobody_after_its_replacement_is_killed);
        CASE(the_end_of_one_that_hung_ends_no_trust_in_its_replacement);
        CASE(how_long_one_is_trusted_has_bounds);
        CASE(each_client_that_waits_is_reminded_once);
        CASE(there_are_so_many_seats_and_no_more);
        return g_test_run();
}
