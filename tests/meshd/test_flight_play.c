/* SPDX-License-Identifier: MIT */
/*
 * Four guests that ask, end, leave and are late at random; after each step whoever waits must have
 * somebody to wait for. GLib prints the seed, and takes it back with --seed.
 */
#include "tests/meshd/flight_rig.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KEYS 3

/* What each request was told last, as its client knows it. */
struct client {
        bool is_open;
        bool loads;
        unsigned key;
        uint64_t late_ns;
};

struct play {
        struct flight_rig *rig;
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
        rig_hush(play->rig);
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
        struct flight_rig *rig = play->rig;
        char guest = (char)('a' + g_rand_int_range(random, 0, GUESTS));
        struct client *client = &play->clients[guest - 'a'][request % 64];
        char key[2] = {(char)('k' + g_rand_int_range(random, 0, KEYS)), '\0'};

        switch (g_rand_int_range(random, 0, 8)) {
        case 0:
                rig_leave(rig, guest);
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
                        rig_end(rig, guest, request % 64, outcomes[g_rand_int_range(random, 0, 4)]);
                }
                break;
        default:
                if (!client->is_open) {
                        *client = (struct client){true, false, (unsigned)(key[0] - 'k'), 0};
                        rig_ask(rig, guest, request % 64, key);
                }
        }
        hear(play);
        return false;
}

static void whoever_waits_waits_for_somebody_whatever_happens(
                struct flight_rig *rig, gconstpointer unused)
{
        g_autoptr(GRand) random = g_rand_new_with_seed((guint32)g_test_rand_int());

        for (int round = 0; round < 50; round++) {
                struct play play = {.rig = rig};

                for (int i = 0; i < 400; i++) {
                        check_play(&play, play_one(&play, random, g_rand_int(random)));
                }
                rig_renew(rig);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name)                                                                                 \
        g_test_add("/flight_play/" #name, struct flight_rig, NULL, rig_set_up, name, rig_tear_down)
        CASE(whoever_waits_waits_for_somebody_whatever_happens);
        return g_test_run();
}
