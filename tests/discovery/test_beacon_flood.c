/* SPDX-License-Identifier: MIT */
/* What beacons can not do, however many there are: the table's side of the attacks by datagrams. */
#include "tests/discovery/table_fixture.h"

#include <errno.h>

static void an_old_beacon_changes_nothing(struct fixture *f, gconstpointer data)
{
        struct candidate before;

        feed(f, beacon(1, 5, 7));
        before = *find(f, 1);
        f->now_ns += cmi_ms(2000);
        g_assert_cmpint(feed(f, beacon(1, 5, 7)), ==, CANDIDATE_DUPLICATE);
        g_assert_cmpint(feed(f, beacon(1, 5, 6)), ==, CANDIDATE_REPLAYED);
        g_assert_cmpint(feed(f, beacon(1, 4, 1000)), ==, CANDIDATE_REPLAYED);
        g_assert_cmpmem(&before, sizeof(before), find(f, 1), sizeof(before));
        g_assert_cmpint(feed(f, beacon(1, 5, 8)), ==, CANDIDATE_REFRESHED);
        g_assert_cmpint(feed(f, beacon(1, 6, 1)), ==, CANDIDATE_RESTARTED);
        g_assert_cmpuint(f->table.n_outcomes[CANDIDATE_REPLAYED], ==, 2);
}

static void a_full_table_keeps_who_is_there(struct fixture *f, gconstpointer data)
{
        for (uint32_t n = 1; n <= N_SLOTS; n++) {
                g_assert_cmpint(feed(f, beacon(n, 1, 1)), ==, CANDIDATE_ADDED);
        }
        g_assert_cmpint(feed(f, beacon(1000, 1, 1)), ==, CANDIDATE_FULL);
        g_assert_cmpint(feed(f, beacon(1, 1, 2)), ==, CANDIDATE_REFRESHED);
        g_assert_cmpint(add(f, CANDIDATE_PEER, 1001), ==, 0);
        g_assert_cmpuint(f->table.n_used, ==, N_SLOTS);
        /* A minute of silence and failed dials later there is room, not in the place
         * of one still heard. */
        fail_dials(f, 59000);
        g_assert_cmpint(feed(f, beacon(5, 1, 2)), ==, CANDIDATE_REFRESHED);
        fail_dials(f, 2000);
        for (uint32_t n = 2000; n < 2000 + 2 * N_SLOTS; n++) {
                feed(f, beacon(n, 1, 1));
        }
        g_assert_nonnull(find(f, 5));
        g_assert_nonnull(find(f, 1001));
        g_assert_nonnull(find(f, 2000));
        g_assert_null(find(f, 6));
}

static void a_table_full_of_friends_takes_nobody(struct fixture *f, gconstpointer data)
{
        for (uint32_t n = 1; n <= N_SLOTS; n++) {
                g_assert_cmpint(add(f, CANDIDATE_PEER, n), ==, 0);
        }
        fail_dials(f, 3600000);
        g_assert_cmpint(add(f, CANDIDATE_PEER, 1000), ==, -ENOSPC);
        g_assert_cmpint(feed(f, beacon(1000, 1, 1)), ==, CANDIDATE_FULL);
        g_assert_cmpint(add(f, CANDIDATE_PEER, 7), ==, 0);
}

static void one_source_cannot_flood(struct fixture *f, gconstpointer data)
{
        unsigned int n_limited = 0;

        for (uint32_t n = 1; n <= 1000; n++) {
                n_limited += feed(f, beacon(1, 1, n)) == CANDIDATE_LIMITED;
        }
        g_assert_cmpuint(n_limited, ==, 1000 - SOURCE_LIMIT_BURST);
        g_assert_cmpint(feed(f, beacon(0, 100, 1)), ==, CANDIDATE_OWN);
}

/*
 * 100,000 forged beacons in 100 s from invented sources, among them all kinds of ids and endpoints;
 * nothing answers a dial. The numbers of dials at once and in all stay bounded, and two real nodes
 * are found all the same.
 */
static void forged_beacons_cause_a_bounded_number_of_dials(struct fixture *f, gconstpointer data)
{
        guint32 seed = (guint32)g_test_rand_int();
        g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
        struct candidate_dial running[CANDIDATE_DIALS_MAX];
        unsigned int n_running = 0, n_found = 0;

        g_test_message("seed %u", seed);
        add(f, CANDIDATE_STATIC, 1);
        feed(f, beacon(2, 1, 1));
        for (uint32_t i = 0; i < 100000; i++) {
                struct beacon forged = beacon(
                                g_rand_int(rand) | 0x1000, g_rand_int(rand), g_rand_int(rand));
                struct cmi_endpoint source = endpoint(g_rand_int(rand));
                struct candidate_dial begun;

                f->now_ns += cmi_ms(1);
                if (g_rand_boolean(rand)) {
                        forged.endpoints[0] = endpoint((uint32_t)g_rand_int_range(rand, 100, 120));
                }
                candidate_table_feed(&f->table, &forged, &source, 2, f->now_ns);
                while (candidate_table_next_dial(&f->table, f->now_ns, &begun)) {
                        g_assert_cmpuint(n_running, <, CANDIDATE_DIALS_MAX);
                        running[n_running++] = begun;
                }
                /* Each dial takes 100 ms or so; the two real ones succeed. */
                if (n_running > 0 && i % 12 == 0) {
                        struct candidate_dial ended = running[0];
                        uint8_t last = ended.endpoint.address[3];
                        struct cmi_id who = id(last);

                        memmove(running, running + 1, --n_running * sizeof(running[0]));
                        if (ended.endpoint.address[1] == 0 && ended.endpoint.address[2] == 0 &&
                                        last <= 2) {
                                candidate_table_connected(&f->table, ended.slot, &who);
                                n_found++;
                        } else {
                                candidate_table_failed(&f->table, ended.slot, CANDIDATE_UNREACHABLE,
                                                f->now_ns);
                        }
                }
        }
        g_test_message("%" G_GUINT64_FORMAT " dials", f->table.n_dials);
        g_assert_cmpuint(n_found, ==, 2);
        g_assert_cmpuint(f->table.n_used, <=, N_SLOTS);
        /* 64 candidates, each at most every half second for 100 s; in truth the eight
         * places set the limit. */
        g_assert_cmpuint(f->table.n_dials, <, 100000 / 12 + CANDIDATE_DIALS_MAX);
        g_assert_cmpint(find(f, 1)->state, ==, CANDIDATE_CONNECTED);
        g_assert_cmpint(find(f, 2)->state, ==, CANDIDATE_CONNECTED);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        CASE("/beacon_flood/replay", an_old_beacon_changes_nothing);
        CASE("/beacon_flood/full", a_full_table_keeps_who_is_there);
        CASE("/beacon_flood/friends", a_table_full_of_friends_takes_nobody);
        CASE("/beacon_flood/one_source", one_source_cannot_flood);
        CASE("/beacon_flood/forged", forged_beacons_cause_a_bounded_number_of_dials);
        return g_test_run();
}
