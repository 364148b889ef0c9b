/* SPDX-License-Identifier: MIT */
/* Who is served in a turn, by a clock that the test turns: requests take as long as it says. */
#include "meshd/local/rota.h"

#include <glib.h>

#define CROWD 300

enum habit {
        KEEPS = 0,       /* its connection */
        CLOSES_SERVED,   /* and opens another one when it has been served */
        CLOSES_EACH_TURN /* whether it was served or not */
};

struct rig {
        struct rota rota;
        struct rota_seat seats[CROWD + 1];
        uint64_t cost_ns[CROWD + 1]; /* of each request of this one */
        bool is_modest[CROWD + 1];   /* wants one request in a turn */
        enum habit habit[CROWD + 1];
        uint32_t n_served[CROWD + 1]; /* requests */
};

static uint64_t clock_ns;

static uint64_t read_clock(void)
{
        return clock_ns;
}

static void set_up(struct rig *rig, gconstpointer unused)
{
        rig->rota.read_ns = read_clock;
        for (uint32_t i = 0; i <= CROWD; i++) {
                rig->seats[i].owner = &rig->n_served[i];
                rota_add(&rig->rota, &rig->seats[i], 0);
        }
}

static void tear_down(struct rig *rig, gconstpointer unused)
{
}

static void open_anew(struct rig *rig, ptrdiff_t i, uint32_t uid)
{
        rota_remove(&rig->rota, &rig->seats[i]);
        rig->seats[i] = (struct rota_seat){.owner = &rig->n_served[i]};
        rota_add(&rig->rota, &rig->seats[i], uid);
}

/* Those from the first one on want to be served, all but the modest ones without end. */
static void turn(struct rig *rig, uint32_t n)
{
        uint64_t begin_ns = clock_ns;
        uint64_t last_ns = 0;
        struct rota_seat *seat;

        for (uint32_t i = 0; i < n; i++) {
                if (rig->habit[i] == CLOSES_EACH_TURN) {
                        open_anew(rig, i, rig->seats[i].user->uid);
                }
                rota_join(&rig->rota, &rig->seats[i]);
        }
        rota_begin(&rig->rota);
        while ((seat = rota_next(&rig->rota))) {
                ptrdiff_t i = seat - rig->seats;
                bool has_more;

                g_assert_true(seat->owner == &rig->n_served[i]);
                do {
                        last_ns = rig->cost_ns[i];
                        clock_ns += last_ns;
                        rig->n_served[i]++;
                        has_more = !rig->is_modest[i];
                } while (rota_charge(&rig->rota, seat) && has_more);
                if (rig->habit[i] == CLOSES_SERVED) {
                        open_anew(rig, i, seat->user->uid);
                }
                if (has_more) {
                        rota_join(&rig->rota, seat);
                }
        }
        g_assert_cmpuint(clock_ns - begin_ns, <, ROTA_TURN_NS + last_ns);
}

static void who_is_alone_has_the_whole_turn_and_no_more(struct rig *rig, gconstpointer unused)
{
        rig->cost_ns[0] = CMI_NS_PER_MS;
        turn(rig, 1);
        g_assert_cmpuint(rig->n_served[0], ==, ROTA_TURN_NS / CMI_NS_PER_MS);
        turn(rig, 1);
        g_assert_cmpuint(rig->n_served[0], ==, 2 * ROTA_TURN_NS / CMI_NS_PER_MS);
}

/* Nobody is ahead by more than a slice and a request. */
static void a_crowd_has_the_turns_evenly(struct rig *rig, gconstpointer unused)
{
        const uint64_t cost_ns = 160 * CMI_NS_PER_US;
        const uint32_t ahead = (1u << ROTA_SLICE_BITS) / cost_ns + 1;
        uint32_t least = UINT32_MAX, most = 0;

        for (uint32_t i = 0; i < CROWD; i++) {
                rig->cost_ns[i] = cost_ns;
        }
        for (int i = 0; i < 100; i++) {
                turn(rig, CROWD);
        }
        for (uint32_t i = 0; i < CROWD; i++) {
                least = MIN(least, rig->n_served[i]);
                most = MAX(most, rig->n_served[i]);
        }
        g_assert_cmpuint(least, >, 0);
        g_assert_cmpuint(most - least, <=, ahead);
}

static void a_request_that_takes_longer_than_a_turn_is_one_a_turn(
                struct rig *rig, gconstpointer unused)
{
        rig->cost_ns[0] = 3 * ROTA_TURN_NS;
        rig->cost_ns[1] = 3 * ROTA_TURN_NS;
        for (uint32_t i = 1; i <= 12; i++) {
                turn(rig, 2);
                g_assert_cmpuint(rig->n_served[0] + rig->n_served[1], ==, i);
        }
        g_assert_cmpuint(rig->n_served[0], ==, rig->n_served[1]);
}

/* He misses some when a slice of his begins and all others are to end theirs first. */
static void who_asks_little_is_served_in_nearly_each_turn(struct rig *rig, gconstpointer unused)
{
        for (uint32_t i = 0; i < CROWD; i++) {
                rig->cost_ns[i] = 2 * CMI_NS_PER_MS;
        }
        rig->cost_ns[CROWD] = CMI_NS_PER_US;
        rig->is_modest[CROWD] = true;
        for (int i = 0; i < 1000; i++) {
                turn(rig, CROWD + 1);
        }
        g_assert_cmpuint(rig->n_served[CROWD], >=, 950);
}

static void who_asks_much_has_his_part_though_others_come_anew_all_the_time(
                struct rig *rig, gconstpointer unused)
{
        const uint32_t n_turns = 6000;
        uint64_t fair_ns = n_turns * ROTA_TURN_NS / (CROWD + 1);

        for (uint32_t i = 0; i < CROWD; i++) {
                rig->cost_ns[i] = 160 * CMI_NS_PER_US;
                rig->is_modest[i] = true;
        }
        rig->cost_ns[CROWD] = 2 * CMI_NS_PER_MS;
        for (uint32_t i = 0; i < n_turns; i++) {
                turn(rig, CROWD + 1);
        }
        g_assert_cmpuint(rig->n_served[CROWD] * rig->cost_ns[CROWD], >=, fair_ns * 9 / 10);
}

static void who_was_away_has_nothing_saved_up(struct rig *rig, gconstpointer unused)
{
        rig->cost_ns[0] = CMI_NS_PER_MS;
        rig->cost_ns[1] = CMI_NS_PER_MS;
        for (int i = 0; i < 100; i++) {
                turn(rig, 1);
        }
        for (int i = 0; i < 10; i++) {
                turn(rig, 2);
        }
        g_assert_cmpuint(rig->n_served[1], <=, 10 * 20 / 2 + 2);
        g_assert_cmpuint(rig->n_served[1], >=, 10 * 20 / 2 - 2);
}

static void crowd_asks(struct rig *rig, uint64_t cost_ns, enum habit habit)
{
        for (uint32_t i = 0; i < CROWD; i++) {
                rig->cost_ns[i] = cost_ns;
                rig->habit[i] = habit;
        }
}

static void who_asks_little_does_not_wait_for_connections_that_are_opened_anew(
                struct rig *rig, gconstpointer unused)
{
        rig->cost_ns[CROWD] = CMI_NS_PER_US;
        rig->is_modest[CROWD] = true;
        for (enum habit habit = CLOSES_SERVED; habit <= CLOSES_EACH_TURN; habit++) {
                crowd_asks(rig, 160 * CMI_NS_PER_US, habit);
                rig->n_served[CROWD] = 0;
                for (int i = 0; i < 1000; i++) {
                        turn(rig, CROWD + 1);
                }
                g_assert_cmpuint(rig->n_served[CROWD], >=, 950);
        }
}

/* Its connection stays, those of all others do not. */
static void who_asks_much_has_his_part_though_connections_are_opened_anew(
                struct rig *rig, gconstpointer unused)
{
        const uint32_t n_turns = 1500;
        uint64_t fair_ns = n_turns * ROTA_TURN_NS / (CROWD + 1);

        rig->cost_ns[CROWD] = 160 * CMI_NS_PER_US;
        for (enum habit habit = CLOSES_SERVED; habit <= CLOSES_EACH_TURN; habit++) {
                crowd_asks(rig, 160 * CMI_NS_PER_US, habit);
                rig->n_served[CROWD] = 0;
                for (uint32_t i = 0; i < n_turns; i++) {
                        turn(rig, CROWD + 1);
                }
                g_assert_cmpuint(rig->n_served[CROWD] * rig->cost_ns[CROWD], >=, fair_ns * 9 / 10);
        }
}

static void a_new_connection_waits_for_two_slices_of_each_other_one(
                struct rig *rig, gconstpointer unused)
{
        const uint32_t n_turns_max = 2 * (CROWD << ROTA_SLICE_BITS) / ROTA_TURN_NS;
        uint32_t n_turns = 0;

        crowd_asks(rig, 100 * CMI_NS_PER_US, KEEPS);
        for (int i = 0; i < 100; i++) {
                turn(rig, CROWD);
        }
        rig->cost_ns[CROWD] = CMI_NS_PER_US;
        rig->is_modest[CROWD] = true;
        while (rig->n_served[CROWD] == 0 && n_turns < 1000) {
                turn(rig, CROWD + 1);
                n_turns++;
        }
        g_assert_cmpuint(n_turns, <=, n_turns_max * 11 / 10 + 1);
}

/* However many connections one has, and how often ever he opens new ones. */
static void two_users_have_halves(struct rig *rig, gconstpointer unused)
{
        const uint32_t n_turns = 1000;

        open_anew(rig, CROWD, 1);
        rig->cost_ns[CROWD] = 160 * CMI_NS_PER_US;
        for (enum habit habit = KEEPS; habit <= CLOSES_EACH_TURN; habit++) {
                uint64_t had_ns;

                crowd_asks(rig, 160 * CMI_NS_PER_US, habit);
                rig->n_served[CROWD] = 0;
                for (uint32_t i = 0; i < n_turns; i++) {
                        turn(rig, CROWD + 1);
                }
                had_ns = rig->n_served[CROWD] * rig->cost_ns[CROWD];
                g_assert_cmpuint(had_ns, >=, n_turns * ROTA_TURN_NS * 48 / 100);
                g_assert_cmpuint(had_ns, <=, n_turns * ROTA_TURN_NS * 52 / 100);
        }
}

/* Also with requests that take longer than a slice. */
static void a_user_who_asks_little_is_served_in_each_turn(struct rig *rig, gconstpointer unused)
{
        open_anew(rig, CROWD, 1);
        rig->cost_ns[CROWD] = 160 * CMI_NS_PER_US;
        rig->is_modest[CROWD] = true;
        for (enum habit habit = KEEPS; habit <= CLOSES_EACH_TURN; habit++) {
                crowd_asks(rig, 2 * CMI_NS_PER_MS, habit);
                rig->n_served[CROWD] = 0;
                for (int i = 0; i < 1000; i++) {
                        turn(rig, CROWD + 1);
                }
                g_assert_cmpuint(rig->n_served[CROWD], >=, 999);
        }
}

/* And another user may have the room of one who has gone. */
static void more_users_than_there_is_room_for_share(struct rig *rig, gconstpointer unused)
{
        const uint32_t n = ROTA_USERS_MAX + 20;

        for (uint32_t i = 0; i < n; i++) {
                open_anew(rig, i, i);
                rig->cost_ns[i] = CMI_NS_PER_MS;
        }
        for (int i = 0; i < 30; i++) {
                turn(rig, n);
        }
        for (uint32_t i = 0; i < n; i++) {
                g_assert_cmpuint(rig->n_served[i], >, 0);
        }
        /* The first ones to come share, as long as the others are there. */
        for (uint32_t i = 0; i < 2 * CROWD; i++) {
                open_anew(rig, i % CROWD, 1000);
        }
        open_anew(rig, 0, 2000);
        g_assert_true(rig->seats[0].user != rig->seats[1].user);
        g_assert_cmpuint(rig->seats[1].user->n_clients, ==, CROWD - 1);
        g_assert_cmpuint(rig->rota.n, ==, 0);
}

static void whoever_leaves_is_not_named(struct rig *rig, gconstpointer unused)
{
        static const uint32_t order[] = {1, 3, 0, 4, 2};

        for (uint32_t i = 0; i < 5; i++) {
                rota_join(&rig->rota, &rig->seats[i]);
                rota_join(&rig->rota, &rig->seats[i]);
        }
        g_assert_cmpuint(rig->rota.n, ==, 5);
        for (uint32_t i = 0; i < 5; i++) {
                rota_leave(&rig->rota, &rig->seats[order[i]]);
                rota_leave(&rig->rota, &rig->seats[order[i]]);
                g_assert_cmpuint(rig->rota.n, ==, 4 - i);
                for (const struct rota_seat *seat = rig->rota.users[0].line.first; seat;
                                seat = seat->next) {
                        g_assert_true(seat->is_in_line);
                }
        }
        g_assert_null(rig->rota.line.first);
        rota_begin(&rig->rota);
        g_assert_null(rota_next(&rig->rota));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add("/rota/" #name, struct rig, NULL, set_up, name, tear_down)
        CASE(who_is_alone_has_the_whole_turn_and_no_more);
        CASE(a_crowd_has_the_turns_evenly);
        CASE(a_request_that_takes_longer_than_a_turn_is_one_a_turn);
        CASE(who_asks_little_is_served_in_nearly_each_turn);
        CASE(who_asks_much_has_his_part_though_others_come_anew_all_the_time);
        CASE(who_was_away_has_nothing_saved_up);
        CASE(who_asks_little_does_not_wait_for_connections_that_are_opened_anew);
        CASE(who_asks_much_has_his_part_though_connections_are_opened_anew);
        CASE(a_new_connection_waits_for_two_slices_of_each_other_one);
        CASE(two_users_have_halves);
        CASE(a_user_who_asks_little_is_served_in_each_turn);
        CASE(more_users_than_there_is_room_for_share);
        CASE(whoever_leaves_is_not_named);
        return g_test_run();
}
