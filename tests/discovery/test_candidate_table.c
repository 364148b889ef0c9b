/* SPDX-License-Identifier: MIT */
#include "tests/discovery/table_fixture.h"

#include <errno.h>

static void a_beacon_leads_to_one_dial_at_once(struct fixture *f, gconstpointer data)
{
        struct cmi_endpoint where = endpoint(1);
        struct cmi_id who = id(1);
        struct candidate_dial begun;

        g_assert_cmpuint(candidate_table_deadline(&f->table), ==, UINT64_MAX);
        g_assert_cmpint(feed(f, beacon(1, 1, 1)), ==, CANDIDATE_ADDED);
        g_assert_cmpuint(candidate_table_deadline(&f->table), ==, f->now_ns);
        begun = dial(f);
        g_assert_true(cmi_id_equal(&begun.id, &who));
        g_assert_true(cmi_endpoint_equal(&begun.endpoint, &where));
        assert_no_dial(f);
        candidate_table_connected(&f->table, begun.slot, &who);
        g_assert_cmpint(feed(f, beacon(1, 1, 2)), ==, CANDIDATE_REFRESHED);
        assert_no_dial(f);
        g_assert_cmpuint(candidate_table_deadline(&f->table), ==, UINT64_MAX);
}

static void own_beacons_are_dropped_and_a_clone_is_told(struct fixture *f, gconstpointer data)
{
        g_assert_cmpint(feed(f, beacon(0, 100, 5)), ==, CANDIDATE_OWN);
        g_assert_cmpint(feed(f, beacon(0, 99, 5)), ==, CANDIDATE_OWN);
        g_assert_cmpint(feed(f, beacon(0, 101, 1)), ==, CANDIDATE_CLONE);
        g_assert_cmpuint(f->table.n_used, ==, 0);
        g_assert_cmpuint(f->table.n_outcomes[CANDIDATE_OWN], ==, 2);
        g_assert_cmpuint(f->table.n_outcomes[CANDIDATE_CLONE], ==, 1);
}

static void pauses_grow_to_a_minute_and_never_end(struct fixture *f, gconstpointer data)
{
        uint64_t longest_ns = 0, sum_ns = 0;

        add(f, CANDIDATE_STATIC, 1);
        for (int i = 0; i < 1000; i++) {
                struct candidate_dial begun = dial(f);
                uint64_t pause_ns, limit_ns = cmi_ms(MIN(60000, 1000u << MIN(i, 6)));

                candidate_table_failed(&f->table, begun.slot, CANDIDATE_UNREACHABLE, f->now_ns);
                pause_ns = candidate_table_deadline(&f->table) - f->now_ns;
                g_assert_cmpuint(pause_ns, <=, limit_ns);
                g_assert_cmpuint(pause_ns, >=, cmi_ms(CANDIDATE_GAP_MS));
                longest_ns = MAX(longest_ns, pause_ns);
                sum_ns += pause_ns;
                f->now_ns += pause_ns;
        }
        g_assert_cmpuint(longest_ns, >, cmi_ms(59000));
        g_assert_cmpuint(sum_ns / 1000, >, cmi_ms(25000)); /* full jitter: half of it on average */
        g_assert_cmpuint(sum_ns / 1000, <, cmi_ms(35000));
}

static void a_beacon_ends_a_pause_but_does_not_cause_a_storm(struct fixture *f, gconstpointer data)
{
        unsigned int n = 0;

        feed(f, beacon(1, 1, 1));
        fail_dials(f, 3600000);
        g_assert_cmpint(feed(f, beacon(1, 1, 2)), ==, CANDIDATE_REFRESHED);
        g_assert_cmpuint(candidate_table_deadline(&f->table), <=, f->now_ns + cmi_ms(500));
        for (uint64_t i = 0; i < 1000; i++) {
                feed(f, beacon(1, 1, 3 + i));
                n += fail_dials(f, 10);
        }
        g_assert_cmpuint(n, >=, 10);
        g_assert_cmpuint(n, <=, 10000 / CANDIDATE_GAP_MS + 1);
}

static void who_refused_is_asked_again_after_its_restart(struct fixture *f, gconstpointer data)
{
        struct candidate_dial begun;

        feed(f, beacon(1, 5, 1));
        begun = dial(f);
        candidate_table_failed(&f->table, begun.slot, CANDIDATE_REFUSED, f->now_ns);
        g_assert_cmpuint(candidate_table_deadline(&f->table), >=, f->now_ns + cmi_ms(30000));
        f->now_ns += cmi_ms(5000);
        feed(f, beacon(1, 5, 2));
        assert_no_dial(f);
        g_assert_cmpint(feed(f, beacon(1, 6, 1)), ==, CANDIDATE_RESTARTED);
        dial(f);
}

static void a_lost_peer_is_dialled_within_a_second_and_for_ever(
                struct fixture *f, gconstpointer data)
{
        struct cmi_id who = id(1);

        feed(f, beacon(1, 1, 1));
        connect_to(f, 1);
        f->now_ns += cmi_ms(3600000);
        assert_no_dial(f);
        candidate_table_disconnected(&f->table, &who, f->now_ns);
        g_assert_cmpuint(candidate_table_deadline(&f->table), <=, f->now_ns + cmi_ms(1000));
        g_assert_cmpuint(fail_dials(f, 24 * 3600000), >, 24 * 60);
        g_assert_nonnull(find(f, 1));
}

static void no_more_than_eight_dials_run_at_once(struct fixture *f, gconstpointer data)
{
        struct candidate_dial begun[CANDIDATE_DIALS_MAX];

        for (uint32_t n = 1; n <= 20; n++) {
                add(f, CANDIDATE_STATIC, n);
        }
        for (int i = 0; i < CANDIDATE_DIALS_MAX; i++) {
                begun[i] = dial(f);
        }
        assert_no_dial(f);
        g_assert_cmpuint(candidate_table_deadline(&f->table), ==, UINT64_MAX);
        candidate_table_failed(&f->table, begun[3].slot, CANDIDATE_UNREACHABLE, f->now_ns);
        dial(f);
        assert_no_dial(f);
}

static void strangers_leave_room_for_known_ones(struct fixture *f, gconstpointer data)
{
        for (uint32_t n = 1; n <= 20; n++) {
                feed(f, beacon(n, 1, 1));
        }
        for (int i = 0; i < CANDIDATE_UNKNOWN_DIALS_MAX; i++) {
                dial(f);
        }
        assert_no_dial(f);
        add(f, CANDIDATE_DISK, 30);
        g_assert_cmpuint(dial(f).endpoint.address[3], ==, 30);
        assert_no_dial(f);
}

static void endpoints_are_tried_in_turn(struct fixture *f, gconstpointer data)
{
        struct beacon heard = beacon(1, 1, 1);
        uint8_t expected[] = {1, 2, 3, 1, 2};

        heard.n_endpoints = 3;
        heard.endpoints[1] = endpoint(2);
        heard.endpoints[2] = endpoint(3);
        feed(f, heard);
        for (size_t i = 0; i < sizeof(expected); i++) {
                struct candidate_dial begun;

                f->now_ns = MAX(f->now_ns, candidate_table_deadline(&f->table));
                begun = dial(f);
                g_assert_cmpuint(begun.endpoint.address[3], ==, expected[i]);
                candidate_table_failed(&f->table, begun.slot, CANDIDATE_UNREACHABLE, f->now_ns);
        }
}

static void a_node_that_moved_is_dialled_where_it_is_now(struct fixture *f, gconstpointer data)
{
        struct beacon moved = beacon(1, 2, 1);
        struct candidate_dial begun;

        feed(f, beacon(1, 1, 1));
        begun = dial(f);
        moved.n_endpoints = 2;
        moved.endpoints[0] = endpoint(9);
        moved.endpoints[1] = endpoint(8);
        feed(f, moved); /* while the dial to the old place runs */
        candidate_table_failed(&f->table, begun.slot, CANDIDATE_UNREACHABLE, f->now_ns);
        f->now_ns = candidate_table_deadline(&f->table);
        g_assert_cmpuint(dial(f).endpoint.address[3], ==, 9);
}

static void a_static_endpoint_survives_what_beacons_say(struct fixture *f, gconstpointer data)
{
        struct beacon moved = beacon(1, 1, 2);

        add(f, CANDIDATE_STATIC, 1);
        g_assert_cmpint(feed(f, beacon(1, 1, 1)), ==, CANDIDATE_REFRESHED);
        g_assert_cmpuint(f->table.n_used, ==, 1);
        moved.n_endpoints = 4;
        for (uint32_t i = 0; i < 4; i++) {
                moved.endpoints[i] = endpoint(10 + i);
        }
        feed(f, moved);
        g_assert_cmpuint(find(f, 1)->n_endpoints, ==, 5);
        g_assert_cmpuint(dial(f).endpoint.address[3], ==, 1);
}

static void two_ways_to_one_node_become_one(struct fixture *f, gconstpointer data)
{
        struct beacon heard = beacon(1, 1, 1);
        struct candidate_dial first, second;
        struct cmi_id who = id(1);

        add(f, CANDIDATE_STATIC, 2);
        feed(f, heard);
        first = dial(f);
        second = dial(f);
        candidate_table_connected(&f->table, second.slot, &who);
        candidate_table_connected(&f->table, first.slot, &who);
        assert_no_dial(f);
        g_assert_cmpuint(f->table.n_used, ==, 1);
        g_assert_cmpuint(find(f, 1)->n_fixed, ==, 1);
        g_assert_cmpint(feed(f, heard), ==, CANDIDATE_DUPLICATE);
        candidate_table_disconnected(&f->table, &who, f->now_ns);
        g_assert_cmpuint(fail_dials(f, 1001), >=, 1);
}

static void both_static_ways_to_one_node_stay_and_rest_together(
                struct fixture *f, gconstpointer data)
{
        struct cmi_id who = id(7);

        add(f, CANDIDATE_STATIC, 1);
        add(f, CANDIDATE_STATIC, 2);
        connect_to(f, 7);
        connect_to(f, 7);
        assert_no_dial(f);
        g_assert_cmpuint(f->table.n_used, ==, 2);
        candidate_table_disconnected(&f->table, &who, f->now_ns);
        f->now_ns += cmi_ms(1000);
        dial(f);
        dial(f);
        assert_no_dial(f);
}

static void a_failed_second_way_rests_with_the_first(struct fixture *f, gconstpointer data)
{
        struct candidate_dial first, second;
        struct cmi_id who = id(1);

        add(f, CANDIDATE_STATIC, 2);
        feed(f, beacon(1, 1, 1));
        first = dial(f);
        second = dial(f);
        candidate_table_connected(&f->table, first.slot, &who);
        candidate_table_failed(&f->table, second.slot, CANDIDATE_UNREACHABLE, f->now_ns);
        g_assert_cmpuint(candidate_table_deadline(&f->table), ==, UINT64_MAX);
}

static void an_answer_under_another_id_is_believed(struct fixture *f, gconstpointer data)
{
        feed(f, beacon(1, 9, 9));
        connect_to(f, 2);
        g_assert_null(find(f, 1));
        g_assert_cmpint(find(f, 2)->state, ==, CANDIDATE_CONNECTED);
        g_assert_cmpuint(find(f, 2)->incarnation, ==, 0);
        g_assert_cmpint(feed(f, beacon(2, 1, 1)), ==, CANDIDATE_REFRESHED);
}

static void a_shared_container_address_does_not_hide_a_host(struct fixture *f, gconstpointer data)
{
        struct beacon a = beacon(1, 1, 1), b = beacon(2, 1, 1);

        a.n_endpoints = b.n_endpoints = 2;
        a.endpoints[1] = b.endpoints[1] = endpoint(99);
        g_assert_cmpint(feed(f, a), ==, CANDIDATE_ADDED);
        g_assert_cmpint(feed(f, b), ==, CANDIDATE_ADDED);
        g_assert_cmpuint(f->table.n_used, ==, 2);
}

static void only_usable_endpoints_are_taken(struct fixture *f, gconstpointer data)
{
        struct cmi_endpoint local = {4, 6780, 0, {127, 0, 0, 1}};
        struct beacon heard = beacon(1, 1, 1);

        heard.endpoints[0] = (struct cmi_endpoint){4, 22, 0, {127, 0, 0, 1}};
        g_assert_cmpint(feed(f, heard), ==, CANDIDATE_UNUSABLE);
        heard.endpoints[0] = endpoint(0); /* ours */
        g_assert_cmpint(feed(f, heard), ==, CANDIDATE_UNUSABLE);
        heard.endpoints[0] = (struct cmi_endpoint){6, 22, 0, {0xfe, 0x80, [15] = 1}};
        g_assert_cmpint(candidate_table_feed(&f->table, &heard, &lan, 0, f->now_ns), ==,
                        CANDIDATE_UNUSABLE);
        g_assert_cmpint(feed(f, heard), ==, CANDIDATE_ADDED);
        g_assert_cmpuint(dial(f).endpoint.scope, ==, 2);
        heard = beacon(2, 1, 1);
        heard.endpoints[0] = (struct cmi_endpoint){4, 22, 0, {127, 0, 0, 1}};
        g_assert_cmpint(candidate_table_feed(&f->table, &heard, &local, 1, f->now_ns), ==,
                        CANDIDATE_ADDED);
}

static void without_a_key_nothing_leaves_the_host(struct fixture *f, gconstpointer data)
{
        struct cmi_endpoint local = {4, 6781, 0, {127, 0, 0, 1}};

        candidate_table_set_loopback_only(&f->table, true);
        g_assert_cmpint(feed(f, beacon(1, 1, 1)), ==, CANDIDATE_UNUSABLE);
        g_assert_cmpint(add(f, CANDIDATE_STATIC, 1), ==, -EADDRNOTAVAIL);
        g_assert_cmpint(add(f, CANDIDATE_PEER, 1), ==, -EADDRNOTAVAIL);
        g_assert_cmpint(candidate_table_add(&f->table, CANDIDATE_STATIC, NULL, &local, f->now_ns),
                        ==, 0);
        g_assert_cmpuint(f->table.n_used, ==, 1);
}

static void nonsense_is_not_added(struct fixture *f, gconstpointer data)
{
        struct cmi_endpoint no_port = {4, 0, 0, {10, 0, 0, 1}};
        struct cmi_endpoint group = {4, 1, 0, {239, 0, 0, 1}};

        g_assert_cmpint(candidate_table_add(&f->table, CANDIDATE_STATIC, NULL, &no_port, 1), ==,
                        -EINVAL);
        g_assert_cmpint(candidate_table_add(&f->table, CANDIDATE_STATIC, NULL, &group, 1), ==,
                        -EINVAL);
        g_assert_cmpint(add(f, CANDIDATE_STATIC, 0), ==, -ELOOP);
        g_assert_cmpint(add(f, CANDIDATE_PEER, 0), ==, -ELOOP);
        g_assert_cmpuint(f->table.n_used, ==, 0);
        g_assert_cmpint(add(f, CANDIDATE_STATIC, 1), ==, 0);
        g_assert_cmpint(add(f, CANDIDATE_STATIC, 1), ==, 0);
        g_assert_cmpuint(f->table.n_used, ==, 1);
}

static void who_is_forgotten_is_not_dialled_but_for_static_ones(
                struct fixture *f, gconstpointer data)
{
        struct cmi_id who = id(1), other = id(2), zero = {{0}};

        add(f, CANDIDATE_DISK, 1);
        candidate_table_forget(&f->table, &zero, f->now_ns);
        candidate_table_forget(&f->table, &who, f->now_ns);
        g_assert_cmpuint(f->table.n_used, ==, 0);
        add(f, CANDIDATE_STATIC, 2);
        connect_to(f, 2);
        candidate_table_forget(&f->table, &other, f->now_ns);
        g_assert_null(find(f, 2));
        f->now_ns += cmi_ms(1000);
        g_assert_cmpuint(dial(f).endpoint.address[3], ==, 2);
}

static void a_link_that_came_by_itself_rests_too(struct fixture *f, gconstpointer data)
{
        struct cmi_endpoint where = endpoint(1), elsewhere = endpoint(2);
        struct cmi_id who = id(1), zero = {{0}};
        struct candidate_dial begun;

        g_assert_cmpint(candidate_table_met(&f->table, &zero, &where, f->now_ns), ==, -EINVAL);
        g_assert_cmpint(candidate_table_met(&f->table, &who, &where, f->now_ns), ==, 0);
        g_assert_cmpuint(candidate_table_deadline(&f->table), ==, UINT64_MAX);
        candidate_table_disconnected(&f->table, &who, f->now_ns);
        f->now_ns += cmi_ms(1000);
        begun = dial(f);
        g_assert_cmpint(candidate_table_met(&f->table, &who, &elsewhere, f->now_ns), ==, 0);
        candidate_table_failed(&f->table, begun.slot, CANDIDATE_UNREACHABLE, f->now_ns);
        g_assert_cmpint(find(f, 1)->state, ==, CANDIDATE_CONNECTED);
        g_assert_cmpuint(f->table.n_used, ==, 1);
}

static void a_dial_is_found_by_its_endpoint(struct fixture *f, gconstpointer data)
{
        struct cmi_endpoint where = endpoint(2);
        struct cmi_id who = id(7);
        struct candidate_dial begun;
        uint32_t slot = 99;

        add(f, CANDIDATE_STATIC, 1);
        add(f, CANDIDATE_STATIC, 2);
        dial(f);
        g_assert_cmpint(candidate_table_find_dial(&f->table, &where, &slot), ==, 0);
        begun = dial(f);
        g_assert_cmpint(candidate_table_find_dial(&f->table, &where, &slot), ==, 1);
        g_assert_cmpuint(slot, ==, begun.slot);
        g_assert_cmpint(candidate_table_met(&f->table, &who, &where, f->now_ns), ==, 0);
        g_assert_cmpuint(f->table.n_dialling, ==, 1);
        g_assert_cmpint(find(f, 7)->n_fixed, ==, 1);
}

static void somebody_is_missing_until_all_known_are_there(struct fixture *f, gconstpointer data)
{
        struct candidate_dial begun;

        g_assert_true(candidate_table_is_missing(&f->table));
        feed(f, beacon(1, 1, 1));
        connect_to(f, 1);
        g_assert_false(candidate_table_is_missing(&f->table));
        feed(f, beacon(2, 1, 1)); /* anybody can say so */
        g_assert_false(candidate_table_is_missing(&f->table));
        connect_to(f, 2);
        add(f, CANDIDATE_DISK, 3);
        g_assert_true(candidate_table_is_missing(&f->table));
        begun = dial(f);
        g_assert_true(candidate_table_is_missing(&f->table));
        candidate_table_failed(&f->table, begun.slot, CANDIDATE_REFUSED, f->now_ns);
        g_assert_false(candidate_table_is_missing(&f->table));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        CASE("/candidate_table/one_dial", a_beacon_leads_to_one_dial_at_once);
        CASE("/candidate_table/own", own_beacons_are_dropped_and_a_clone_is_told);
        CASE("/candidate_table/pauses", pauses_grow_to_a_minute_and_never_end);
        CASE("/candidate_table/reset", a_beacon_ends_a_pause_but_does_not_cause_a_storm);
        CASE("/candidate_table/refused", who_refused_is_asked_again_after_its_restart);
        CASE("/candidate_table/lost", a_lost_peer_is_dialled_within_a_second_and_for_ever);
        CASE("/candidate_table/eight", no_more_than_eight_dials_run_at_once);
        CASE("/candidate_table/room", strangers_leave_room_for_known_ones);
        CASE("/candidate_table/turns", endpoints_are_tried_in_turn);
        CASE("/candidate_table/moved", a_node_that_moved_is_dialled_where_it_is_now);
        CASE("/candidate_table/static", a_static_endpoint_survives_what_beacons_say);
        CASE("/candidate_table/two_ways", two_ways_to_one_node_become_one);
        CASE("/candidate_table/two_static", both_static_ways_to_one_node_stay_and_rest_together);
        CASE("/candidate_table/twin_failed", a_failed_second_way_rests_with_the_first);
        CASE("/candidate_table/other_id", an_answer_under_another_id_is_believed);
        CASE("/candidate_table/shared_address", a_shared_container_address_does_not_hide_a_host);
        CASE("/candidate_table/usable", only_usable_endpoints_are_taken);
        CASE("/candidate_table/loopback", without_a_key_nothing_leaves_the_host);
        CASE("/candidate_table/nonsense", nonsense_is_not_added);
        CASE("/candidate_table/forget", who_is_forgotten_is_not_dialled_but_for_static_ones);
        CASE("/candidate_table/met", a_link_that_came_by_itself_rests_too);
        CASE("/candidate_table/find_dial", a_dial_is_found_by_its_endpoint);
        CASE("/candidate_table/missing", somebody_is_missing_until_all_known_are_there);
        return g_test_run();
}
