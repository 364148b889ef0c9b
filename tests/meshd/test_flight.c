/* SPDX-License-Identifier: MIT */
/*
 * Who loads, who waits and how long a load is trusted. What is said is written down as words like
 * "b2:wait", of guest b and its request 2, and compared with what the test expects.
 */
#include "meshd/local/flight.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#define GUESTS 4
#define KEYS 3 /* of what is played */
#define MS UINT64_C(1000000)
#define LEAD_MS 1000

struct rig {
        struct flights *flights;
        struct flight_guest guests[GUESTS]; /* a, b, c, d */
        GString *said;
        struct cmi_load_state last;
        uint64_t now_ns;
        bool is_passing; /* reminders are not what the test is about */
};

static const char *word_of(const struct cmi_load_state *state)
{
        static const char *const words[] = {"load", "wait", "value", "alone", "failed"};

        if (state->outcome == CMI_LOAD_VALUE && state->is_new) {
                return "new-value";
        }
        return words[state->outcome];
}

static void on_tell(void *context, struct flight_guest *guest, uint64_t request,
                const struct cmi_load_state *state)
{
        struct rig *rig = context;

        if (rig->is_passing && state->outcome == CMI_LOAD_WAIT) {
                return;
        }
        g_string_append_printf(rig->said, "%s%c%u:%s", rig->said->len > 0 ? " " : "",
                        (char)('a' + (guest - rig->guests)), (unsigned)request, word_of(state));
        rig->last = *state;
}

static struct rig *rig_new(void)
{
        struct rig *rig = g_new0(struct rig, 1);
        struct flights_sink sink = {rig, on_tell};

        rig->said = g_string_new(NULL);
        rig->now_ns = 1000 * MS;
        g_assert_cmpint(flights_new(&rig->flights, &sink), ==, 0);
        return rig;
}

static void rig_free(struct rig *rig)
{
        for (int i = 0; i < GUESTS; i++) {
                flights_leave(rig->flights, &rig->guests[i], rig->now_ns);
                g_assert_cmpuint(rig->guests[i].n_seats, ==, 0);
        }
        g_assert_cmpint(flights_timeout_ms(rig->flights), ==, -1);
        flights_free(rig->flights);
        g_string_free(rig->said, TRUE);
        g_free(rig);
}

/* What was said since the last look. */
static void expect(struct rig *rig, const char *said)
{
        g_assert_cmpstr(rig->said->str, ==, said);
        g_string_truncate(rig->said, 0);
}

static struct load_name name_of(const char *key)
{
        return (struct load_name){.uid = 1, .index = 2, .version = 3, .key = cmi_slice_str(key)};
}

static int ask_again(
                struct rig *rig, char guest, unsigned request, const char *key, uint64_t arrival)
{
        struct load_name name = name_of(key);
        struct flight_ask ask = {&name, request, arrival, LEAD_MS};

        return flights_ask(rig->flights, &rig->guests[guest - 'a'], &ask, rig->now_ns);
}

static int ask(struct rig *rig, char guest, unsigned request, const char *key)
{
        return ask_again(rig, guest, request, key, 0);
}

static void end(struct rig *rig, char guest, unsigned request, int64_t outcome)
{
        struct cmi_loaded loaded = {.load = request, .outcome = outcome};
        struct seat *seat = flight_seat(&rig->guests[guest - 'a'], request);

        if (outcome == CMI_LOADED_VALUE) {
                loaded.record = cmi_slice_str("record");
        }
        g_assert_nonnull(seat);
        flights_end(rig->flights, seat, &loaded, rig->now_ns);
        g_assert_null(flight_seat(&rig->guests[guest - 'a'], request));
}

static void leave(struct rig *rig, char guest)
{
        flights_leave(rig->flights, &rig->guests[guest - 'a'], rig->now_ns);
}

/* Time passes, and is looked at. */
static void pass(struct rig *rig, uint64_t ms)
{
        rig->is_passing = true;
        rig->now_ns += ms * MS;
        flights_turn(rig->flights, rig->now_ns);
        rig->is_passing = false;
}

static void the_first_one_loads_and_the_others_wait(void)
{
        struct rig *rig = rig_new();

        g_assert_cmpint(ask(rig, 'a', 1, "k"), ==, CMI_LOAD_GRANTED);
        g_assert_cmpint(ask(rig, 'b', 1, "k"), ==, CMI_LOAD_WAIT);
        g_assert_cmpint(ask(rig, 'a', 2, "k"), ==, CMI_LOAD_WAIT);
        expect(rig, "a1:load b1:wait a2:wait");
        g_assert_true(seat_loads(flight_seat(&rig->guests[0], 1)));
        g_assert_false(seat_loads(flight_seat(&rig->guests[0], 2)));
        g_assert_null(flight_seat(&rig->guests[2], 1));
        rig_free(rig);
}

static void whoever_waits_gets_the_value_in_the_order_of_arrival(void)
{
        struct rig *rig = rig_new();

        ask(rig, 'a', 1, "k");
        ask(rig, 'c', 1, "k");
        ask(rig, 'b', 1, "k");
        expect(rig, "a1:load c1:wait b1:wait");
        end(rig, 'a', 1, CMI_LOADED_VALUE);
        expect(rig, "c1:value b1:value");
        g_assert_cmpmem(rig->last.record.data, rig->last.record.len, "record", 6);
        g_assert_cmpint(ask(rig, 'd', 1, "k"), ==, CMI_LOAD_GRANTED);
        rig_free(rig);
}

static void a_value_is_new_to_who_came_before_its_load_began(void)
{
        struct rig *rig = rig_new();
        uint64_t arrival;

        ask(rig, 'a', 1, "k");
        ask(rig, 'b', 1, "k");
        arrival = rig->last.arrival;
        end(rig, 'a', 1, CMI_LOADED_VALUE);
        expect(rig, "a1:load b1:wait b1:value");
        /* It cannot use it, and asks again: now another load runs, which began after it came. */
        ask(rig, 'c', 1, "k");
        ask_again(rig, 'b', 2, "k", arrival);
        g_assert_cmpuint(rig->last.arrival, ==, arrival);
        ask(rig, 'd', 1, "k");
        end(rig, 'c', 1, CMI_LOADED_VALUE);
        expect(rig, "c1:load b2:wait d1:wait b2:new-value d1:value");
        rig_free(rig);
}

static void an_error_is_everybodys(void)
{
        struct rig *rig = rig_new();

        ask(rig, 'a', 1, "k");
        ask(rig, 'b', 1, "k");
        ask(rig, 'c', 1, "k");
        g_string_truncate(rig->said, 0);
        end(rig, 'a', 1, -EIO);
        expect(rig, "b1:failed c1:failed");
        g_assert_cmpint(rig->last.error, ==, -EIO);
        rig_free(rig);
}

static void what_is_not_handed_on_each_loads_for_itself(void)
{
        static const int64_t outcomes[] = {CMI_LOADED_APART, 99}; /* 99: of a later version */

        for (size_t i = 0; i < G_N_ELEMENTS(outcomes); i++) {
                struct rig *rig = rig_new();

                ask(rig, 'a', 1, "k");
                ask(rig, 'b', 1, "k");
                end(rig, 'a', 1, outcomes[i]);
                expect(rig, "a1:load b1:wait b1:alone");
                rig_free(rig);
        }
}

static void one_that_gives_up_is_replaced_by_the_first_that_waits(void)
{
        struct rig *rig = rig_new();

        ask(rig, 'a', 1, "k");
        ask(rig, 'b', 1, "k");
        ask(rig, 'c', 1, "k");
        g_string_truncate(rig->said, 0);
        end(rig, 'a', 1, CMI_LOADED_NOTHING);
        expect(rig, "b1:load");
        g_assert_cmpuint(flights_n_handed_over(rig->flights), ==, 1);
        end(rig, 'b', 1, CMI_LOADED_VALUE);
        expect(rig, "c1:new-value");
        rig_free(rig);
}

static void one_that_is_gone_is_replaced_also_in_several_flights(void)
{
        struct rig *rig = rig_new();

        ask(rig, 'a', 1, "k");
        ask(rig, 'a', 2, "l");
        ask(rig, 'a', 3, "k");
        ask(rig, 'b', 1, "k");
        ask(rig, 'b', 2, "l");
        g_string_truncate(rig->said, 0);
        leave(rig, 'a');
        g_assert_cmpuint(rig->guests[0].n_seats, ==, 0);
        g_assert_true(seat_loads(flight_seat(&rig->guests[1], 1)));
        g_assert_true(seat_loads(flight_seat(&rig->guests[1], 2)));
        rig_free(rig);
}

static void who_waits_and_leaves_changes_nothing_for_the_others(void)
{
        struct rig *rig = rig_new();

        ask(rig, 'a', 1, "k");
        ask(rig, 'b', 1, "k");
        ask(rig, 'c', 1, "k");
        ask(rig, 'd', 1, "k");
        g_string_truncate(rig->said, 0);
        end(rig, 'b', 1, CMI_LOADED_NOTHING);
        end(rig, 'c', 1, CMI_LOADED_VALUE); /* it does not load, so what it says is nothing */
        expect(rig, "");
        end(rig, 'a', 1, CMI_LOADED_VALUE);
        expect(rig, "d1:value");
        rig_free(rig);
}

static void another_user_region_version_or_key_is_another_load(void)
{
        struct rig *rig = rig_new();
        struct load_name names[5] = {
                        name_of("k"), name_of("k"), name_of("k"), name_of("k"), name_of("kk")};

        names[1].uid = 9;
        names[2].index = 9;
        names[3].version = 9;
        for (unsigned i = 0; i < 5; i++) {
                struct flight_ask ask = {&names[i], i + 1, 0, LEAD_MS};

                g_assert_cmpint(flights_ask(rig->flights, &rig->guests[0], &ask, rig->now_ns), ==,
                                CMI_LOAD_GRANTED);
                g_assert_true(load_name_equal(
                                seat_name(flight_seat(&rig->guests[0], i + 1)), &names[i]));
        }
        rig_free(rig);
}

static void one_that_takes_too_long_is_joined_by_the_first_that_waits(void)
{
        struct rig *rig = rig_new();

        ask(rig, 'a', 1, "k");
        ask(rig, 'b', 1, "k");
        ask(rig, 'c', 1, "k");
        g_string_truncate(rig->said, 0);
        pass(rig, LEAD_MS - 1);
        expect(rig, "");
        pass(rig, FLIGHT_TURN_MS);
        expect(rig, "b1:load");
        /* Each has its time. */
        pass(rig, LEAD_MS - 1);
        expect(rig, "");
        pass(rig, FLIGHT_TURN_MS);
        expect(rig, "c1:load");
        g_assert_cmpuint(flights_n_handed_over(rig->flights), ==, 2);
        rig_free(rig);
}

static void nobody_is_late_as_long_as_nobody_waits(void)
{
        struct rig *rig = rig_new();

        ask(rig, 'a', 1, "k");
        ask(rig, 'c', 1, "l");
        ask(rig, 'd', 1, "l");
        pass(rig, 10 * LEAD_MS);
        ask(rig, 'b', 1, "k");
        expect(rig, "a1:load c1:load d1:wait d1:load b1:wait");
        pass(rig, FLIGHT_TURN_MS);
        expect(rig, "b1:load");
        rig_free(rig);
}

static void a_late_value_is_still_handed_on(void)
{
        struct rig *rig = rig_new();

        ask(rig, 'a', 1, "k");
        ask(rig, 'b', 1, "k");
        ask(rig, 'c', 1, "k");
        pass(rig, LEAD_MS);
        g_string_truncate(rig->said, 0);
        end(rig, 'a', 1, CMI_LOADED_VALUE);
        expect(rig, "c1:value");
        g_assert_true(seat_loads(flight_seat(&rig->guests[1], 1)));
        rig_free(rig);
}

static void a_late_error_is_nobodys_since_another_one_loads(void)
{
        static const int64_t outcomes[] = {-EIO, CMI_LOADED_APART, CMI_LOADED_NOTHING};

        for (size_t i = 0; i < G_N_ELEMENTS(outcomes); i++) {
                struct rig *rig = rig_new();

                ask(rig, 'a', 1, "k");
                ask(rig, 'b', 1, "k");
                ask(rig, 'c', 1, "k");
                pass(rig, LEAD_MS);
                g_string_truncate(rig->said, 0);
                end(rig, 'a', 1, outcomes[i]);
                expect(rig, "");
                end(rig, 'b', 1, CMI_LOADED_VALUE);
                expect(rig, "c1:new-value");
                rig_free(rig);
        }
}

/* a hangs in each of these for good. */
static void begin_with_one_that_hangs(struct rig *rig)
{
        ask(rig, 'a', 1, "k");
        ask(rig, 'b', 1, "k");
        pass(rig, LEAD_MS);
        expect(rig, "a1:load b1:wait b1:load");
}

static void one_that_hangs_blocks_nobody_after_its_replacement_is_done(void)
{
        struct rig *rig = rig_new();

        begin_with_one_that_hangs(rig);
        end(rig, 'b', 1, CMI_LOADED_VALUE);
        g_assert_cmpint(ask(rig, 'c', 1, "k"), ==, CMI_LOAD_GRANTED);
        g_assert_cmpint(ask(rig, 'd', 1, "k"), ==, CMI_LOAD_WAIT);
        end(rig, 'c', 1, CMI_LOADED_VALUE);
        expect(rig, "c1:load d1:wait d1:value");
        rig_free(rig);
}

static void one_that_hangs_blocks_nobody_after_its_replacement_is_killed(void)
{
        struct rig *rig = rig_new();

        begin_with_one_that_hangs(rig);
        ask(rig, 'c', 1, "k");
        ask(rig, 'd', 1, "k");
        leave(rig, 'b');
        expect(rig, "c1:wait d1:wait c1:load");
        leave(rig, 'c');
        expect(rig, "d1:load");
        leave(rig, 'd');
        g_assert_cmpint(ask(rig, 'd', 2, "k"), ==, CMI_LOAD_GRANTED);
        rig_free(rig);
}

static void the_end_of_one_that_hung_ends_no_trust_in_its_replacement(void)
{
        struct rig *rig = rig_new();

        begin_with_one_that_hangs(rig);
        ask(rig, 'c', 1, "k");
        leave(rig, 'a');
        expect(rig, "c1:wait");
        end(rig, 'b', 1, CMI_LOADED_VALUE);
        expect(rig, "c1:value");
        rig_free(rig);
}

static void how_long_one_is_trusted_has_bounds(void)
{
        static const struct {
                uint64_t lead_ms, late_ms;
        } cases[] = {{0, FLIGHT_LEAD_MIN_MS}, {LEAD_MS, LEAD_MS}, {UINT64_MAX, FLIGHT_LEAD_MAX_MS}};

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                struct rig *rig = rig_new();
                struct load_name name = name_of("k");
                struct flight_ask first = {&name, 1, 0, cases[i].lead_ms};

                flights_ask(rig->flights, &rig->guests[0], &first, rig->now_ns);
                ask(rig, 'b', 1, "k");
                g_string_truncate(rig->said, 0);
                pass(rig, cases[i].late_ms - 1);
                expect(rig, "");
                pass(rig, FLIGHT_TURN_MS);
                expect(rig, "b1:load");
                rig_free(rig);
        }
}

static void each_client_that_waits_is_reminded_once(void)
{
        struct rig *rig = rig_new();

        g_assert_cmpint(flights_timeout_ms(rig->flights), ==, -1);
        ask(rig, 'a', 1, "k");
        ask(rig, 'a', 2, "l");
        ask(rig, 'b', 1, "k");
        ask(rig, 'b', 2, "l");
        ask(rig, 'c', 1, "k");
        g_string_truncate(rig->said, 0);
        g_assert_cmpint(flights_timeout_ms(rig->flights), ==, FLIGHT_TURN_MS);
        flights_turn(rig->flights, rig->now_ns += FLIGHT_ALIVE_MS * MS);
        g_assert_cmpuint(rig->said->len, ==, strlen("b1:wait c1:wait"));
        g_assert_nonnull(strchr(rig->said->str, 'b'));
        g_assert_nonnull(strchr(rig->said->str, 'c'));
        g_string_truncate(rig->said, 0);
        flights_turn(rig->flights, rig->now_ns += FLIGHT_TURN_MS * MS);
        expect(rig, "");
        flights_turn(rig->flights, rig->now_ns += FLIGHT_ALIVE_MS * MS);
        g_assert_cmpuint(rig->said->len, >, 0);
        rig_free(rig);
}

static void there_are_so_many_seats_and_no_more(void)
{
        static struct flight_guest crowd[FLIGHT_SEATS_MAX / FLIGHT_SEATS_OF_GUEST];
        struct rig *rig = rig_new();
        struct load_name name = name_of("k");
        struct flights *flights = rig->flights;

        for (unsigned i = 0; i < FLIGHT_SEATS_MAX; i++) {
                struct flight_ask ask = {&name, i, 0, LEAD_MS};

                g_assert_cmpint(flights_ask(flights, &crowd[i / FLIGHT_SEATS_OF_GUEST], &ask, 0),
                                ==, i == 0 ? CMI_LOAD_GRANTED : CMI_LOAD_WAIT);
                g_string_truncate(rig->said, 0);
                if (i == FLIGHT_SEATS_OF_GUEST - 1) {
                        g_assert_cmpint(flights_ask(flights, &crowd[0], &ask, 0), ==, -ENOSPC);
                }
        }
        g_assert_cmpint(flights_ask(flights, &rig->guests[0], &(struct flight_ask){&name, 1}, 0),
                        ==, -ENOSPC);
        for (size_t i = 0; i < G_N_ELEMENTS(crowd); i++) {
                flights_leave(flights, &crowd[i], 0);
        }
        rig_free(rig);
}

/* What each request was told last, as its client knows it. */
struct client {
        bool is_open;
        bool loads;
        unsigned key;
        uint64_t late_ns;
};

struct play {
        struct rig *rig;
        struct client clients[GUESTS][64];
};

/* Takes what was said to heart. */
static void hear(struct play *play)
{
        g_auto(GStrv) words = g_strsplit(play->rig->said->str, " ", -1);

        for (int i = 0; words[i] && *words[i]; i++) {
                unsigned request = (unsigned)atoi(words[i] + 1);
                struct client *client = &play->clients[words[i][0] - 'a'][request % 64];
                const char *word = strchr(words[i], ':') + 1;

                g_assert_true(client->is_open);
                g_assert_false(client->loads);
                client->loads = strcmp(word, "load") == 0;
                client->late_ns = play->rig->now_ns + LEAD_MS * MS;
                client->is_open = client->loads || strcmp(word, "wait") == 0;
        }
        g_string_truncate(play->rig->said, 0);
}

/* Whoever waits, waits for one that loads; and if times were looked at now, is in time. */
static void check_play(const struct play *play, bool has_looked)
{
        for (unsigned key = 0; key < KEYS; key++) {
                unsigned n_waiting = 0, n_trusted = 0;

                for (unsigned i = 0; i < GUESTS * 64; i++) {
                        const struct client *client = &play->clients[i / 64][i % 64];

                        if (client->is_open && client->key == key) {
                                n_waiting += !client->loads;
                                n_trusted += client->loads &&
                                             (!has_looked || client->late_ns > play->rig->now_ns);
                        }
                }
                g_assert_true(n_waiting == 0 || n_trusted > 0);
        }
}

/* Return: have the times been looked at? */
static bool play_one(struct play *play, GRand *random, unsigned request)
{
        static const int64_t outcomes[] = {
                        CMI_LOADED_VALUE, CMI_LOADED_NOTHING, CMI_LOADED_APART, -EIO};
        struct rig *rig = play->rig;
        char guest = (char)('a' + g_rand_int_range(random, 0, GUESTS));
        struct client *client = &play->clients[guest - 'a'][request % 64];
        char key[2] = {(char)('k' + g_rand_int_range(random, 0, KEYS)), '\0'};

        switch (g_rand_int_range(random, 0, 8)) {
        case 0:
                leave(rig, guest);
                hear(play);
                memset(play->clients[guest - 'a'], 0, sizeof(play->clients[0]));
                break;
        case 1:
                rig->now_ns += (uint64_t)g_rand_int_range(random, 1, 2 * LEAD_MS) * MS;
                break;
        case 2:
        case 3:
                rig->now_ns += FLIGHT_TURN_MS * MS;
                flights_turn(rig->flights, rig->now_ns);
                hear(play);
                return true;
        case 4:
        case 5:
                if (client->is_open) {
                        client->is_open = client->loads = false;
                        end(rig, guest, request % 64, outcomes[g_rand_int_range(random, 0, 4)]);
                }
                break;
        default:
                if (!client->is_open) {
                        *client = (struct client){true, false, (unsigned)(key[0] - 'k'), 0};
                        ask(rig, guest, request % 64, key);
                }
        }
        hear(play);
        return false;
}

static void whoever_waits_waits_for_somebody_whatever_happens(void)
{
        g_autoptr(GRand) random = g_rand_new_with_seed((guint32)g_test_rand_int());

        for (int round = 0; round < 50; round++) {
                struct play play = {.rig = rig_new()};

                for (int i = 0; i < 400; i++) {
                        check_play(&play, play_one(&play, random, g_rand_int(random)));
                }
                rig_free(play.rig);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add_func("/flight/" #name, name)
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
        CASE(nobody_is_late_as_long_as_nobody_waits);
        CASE(a_late_value_is_still_handed_on);
        CASE(a_late_error_is_nobodys_since_another_one_loads);
        CASE(one_that_hangs_blocks_nobody_after_its_replacement_is_done);
        CASE(one_that_hangs_blocks_nobody_after_its_replacement_is_killed);
        CASE(the_end_of_one_that_hung_ends_no_trust_in_its_replacement);
        CASE(how_long_one_is_trusted_has_bounds);
        CASE(each_client_that_waits_is_reminded_once);
        CASE(there_are_so_many_seats_and_no_more);
        CASE(whoever_waits_waits_for_somebody_whatever_happens);
        return g_test_run();
}
