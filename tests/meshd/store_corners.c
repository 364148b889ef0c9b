/* SPDX-License-Identifier: MIT */
/* Plays of what days come by too rarely: no room, the margin, clocks that are far ahead. */
#include "tests/meshd/store_play.h"

/* The session was created twice, and only the earlier one is known where it is destroyed. */
static void play_margin(struct play *play)
{
        struct store_rig *rig = &play->rigs[0];
        struct cmi_session session = rig_session(7, 1, 1);
        struct cmi_session later = session;

        rig_open(rig);
        later.max_end_ms += play_draw(play, 10) * RIG_MINUTE_MS;
        rig_end(rig, &session, CMI_TOMBSTONE_DESTROY);
        rig_pass(rig, 12 * RIG_HOUR_MS);
        rig_expire(rig, STORE_FORGOTTEN);
        rig_copy(rig, &later);
        play_require(play, rig_state(rig, 7) != STORE_STORED, "a tombstone went before the margin");
        rig_close(rig);
}

/* More tombstones than there is room for, then what they are for. */
static void play_room(struct play *play)
{
        struct store_rig *rig = &play->rigs[0];
        struct store_options options;
        uint32_t n = 500 + (uint32_t)play_draw(play, 100);

        *rig = (struct store_rig){0};
        options = rig_options(rig);
        options.key_bytes = STORE_MEMORY_MIN;
        rig_open_with(rig, &options);
        for (uint32_t i = 0; i < n; i++) {
                struct cmi_session session = rig_session(i, 1, 1);

                if (i < n / 4) { /* these make room again, when others have found none */
                        session.max_end_ms = RIG_START_MS + RIG_HOUR_MS;
                }
                rig_end(rig, &session, CMI_TOMBSTONE_DESTROY);
        }
        play_require(play,
                        rig->memory.n_bytes <=
                                        options.key_bytes + store_status(rig->store, rig->now)
                                                                            .fixed_bytes,
                        "a budget was exceeded");
        for (int round = 0; round < 2; round++) {
                for (uint32_t i = n / 4; i < n; i++) {
                        struct cmi_session session = rig_session(i, 1, 1);

                        rig_copy(rig, &session);
                        play_require(play, rig_state(rig, i) != STORE_STORED,
                                        "a session came back for lack of room");
                }
                rig_pass(rig, 2 * RIG_HOUR_MS);
                rig_expire(rig, STORE_FORGOTTEN);
        }
        rig_close(rig);
}

/* One that ends so late that it lives on when the end of all of its principal's is forgotten. */
static void play_ahead(struct play *play)
{
        struct store_rig *rig = &play->rigs[0];
        struct cmi_session session = rig_session(1, 1, 1);

        rig_open(rig);
        rig_belong(&session, 9);
        session.created_ms += (11 + play_draw(play, 20)) * 24 * RIG_HOUR_MS;
        session.last_touch_ms = session.created_ms;
        session.max_end_ms = session.created_ms + 5 * 24 * RIG_HOUR_MS;
        rig_count(rig, rig_counts(9, 4, 1));
        for (int day = 0; day < 9; day++) {
                if (day == 8 || play_chance(play, 4)) {
                        rig_copy(rig, &session);
                }
                play_require(play, rig_state(rig, 1) != STORE_STORED,
                                "a session outlived the end of all of its principal's");
                rig_pass(rig, 24 * RIG_HOUR_MS);
                rig_expire(rig, STORE_FORGOTTEN);
        }
        rig_close(rig);
}

/* Two nodes count, in any order, and then a session comes that knows some of it. */
static void play_counts(struct play *play)
{
        struct store_rig *rig = &play->rigs[0];
        struct cmi_session session = rig_session(1, 1, 1);
        uint64_t highest[3] = {0};
        bool is_covered = true;

        rig_open(rig);
        rig_belong(&session, 9);
        for (int i = 0; i < 4; i++) {
                uint8_t node = (uint8_t)(1 + play_draw(play, 2));
                uint64_t count = 1 + play_draw(play, 3);

                rig_count(rig, rig_counts(9, node, count));
                highest[node] = count > highest[node] ? count : highest[node];
        }
        for (uint8_t node = 1; node <= 2; node++) {
                uint64_t known = 1 + play_draw(play, 3);

                rig_carry(&session, node, known);
                is_covered &= known >= highest[node];
        }
        rig_copy(rig, &session);
        play_require(play, (rig_state(rig, 1) == STORE_STORED) == is_covered,
                        "counts end whom they should not, or the other way round");
        rig_close(rig);
}

/* More nodes count than there are places. */
static void play_nodes(struct play *play)
{
        struct store_rig *rig = &play->rigs[0];
        struct cmi_session session = rig_session(1, 1, 1);

        rig_open(rig);
        rig_belong(&session, 9);
        for (uint8_t node = 1; node <= CMI_SESSION_VECTOR_MAX; node++) {
                rig_count(rig, rig_counts(9, node, 1));
                rig_carry(&session, node, 1);
        }
        if (play_chance(play, 2)) {
                rig_copy(rig, &session);
        }
        rig_count(rig, rig_counts(9, CMI_SESSION_VECTOR_MAX + 1, 1));
        rig_copy(rig, &session);
        play_require(play, rig_state(rig, 1) != STORE_STORED, "a count was lost");
        rig_close(rig);
}

/* Nobody's count finds room, and the session is one that a tombstone has ended for a while. */
static void play_lost_count(struct play *play)
{
        struct store_rig *rig = &play->rigs[0];
        struct cmi_session session = rig_session(0, 1, 1);
        struct store_options options;
        uint32_t n = 1 + (uint32_t)play_draw(play, 3);
        struct cmi_session other;

        *rig = (struct store_rig){0};
        options = rig_options(rig);
        options.key_bytes = STORE_MEMORY_MIN;
        rig_open_with(rig, &options);
        rig_belong(&session, 9);
        rig_copy(rig, &session);
        rig_end(rig, &session, CMI_TOMBSTONE_IDLE);
        do {
                other = rig_session(n++, 1, 1);
                other.max_end_ms = RIG_START_MS + RIG_HOUR_MS;
        } while (n < 1000 && !store_is_full(rig_end(rig, &other, CMI_TOMBSTONE_DESTROY)));
        store_unblock(rig->store);
        while (n++ < 2000 && !store_is_full(rig_count(
                                             rig, rig_counts((uint8_t)(100 + n % 100), 4, 1)))) {
        }
        store_unblock(rig->store);
        play_require(play, store_is_full(rig_count(rig, rig_counts(9, 4, 1))), "there was room");
        rig_pass(rig, 2 * RIG_HOUR_MS); /* now there is room again */
        rig_expire(rig, STORE_FORGOTTEN);
        session.last_touch_ms++;
        rig_copy(rig, &session);
        play_require(play, rig_state(rig, 0) != STORE_STORED, "a count was lost");
        rig_close(rig);
}

/* A client was told that the newer version is stored, elsewhere. */
static void play_behind(struct play *play)
{
        struct store_rig *rig = &play->rigs[0];
        struct cmi_session session = rig_session(0, 1, 1);
        struct store_options options;
        uint32_t n = 1;
        struct cmi_session other;

        *rig = (struct store_rig){0};
        options = rig_options(rig);
        options.record_bytes = STORE_MEMORY_MIN;
        rig_open_with(rig, &options);
        rig_copy(rig, &session);
        do {
                other = rig_session(n++, 1, 1);
        } while (n < 1000 && !store_is_full(rig_copy(rig, &other)));
        session.version.seq++;
        session.blob_len = 2000 + play_draw(play, 1000);
        rig_copy(rig, &session);
        play_require(play, rig_state(rig, 0) != STORE_STORED, "older data was served");
        rig_close(rig);
}

/* Somebody uses it all the time, whatever is done to the clock. */
static void play_use(struct play *play)
{
        struct store_rig *rig = &play->rigs[0];
        struct cmi_session session = rig_session(1, 1, 1);

        rig_open(rig);
        rig_create(rig, &session);
        for (int i = 0; i < 8; i++) {
                rig_pass(rig, 10 * RIG_MINUTE_MS);
                rig->now.real_ns += cmi_ms(play_draw(play, 10) * RIG_MINUTE_MS);
                rig_touch(rig, 1, rig_now_ms(rig) - play_draw(play, 2) * RIG_MINUTE_MS,
                                session.holder);
                session = rig_get(rig, 1);
                rig->now.real_ns += cmi_ms(play_draw(play, 60) * RIG_MINUTE_MS);
                rig_copy(rig, &session);
                play_require(play, rig_expire(rig, STORE_IDLE) == 0, "an active one is idle");
        }
        rig_close(rig);
}

/* It ended, and by a clock that is a little late an older version has not. */
static void play_after_the_end(struct play *play)
{
        struct store_rig *rig = &play->rigs[0];
        struct cmi_session older = rig_session(1, 1, 1);
        struct cmi_session newer = rig_session(1, 1, 2);

        rig_open(rig);
        rig_copy(rig, &newer);
        rig_pass(rig, 12 * RIG_HOUR_MS + play_draw(play, 4) * RIG_MINUTE_MS);
        rig_expire(rig, STORE_ENDED);
        rig->now.real_ns -= cmi_ms(5 * RIG_MINUTE_MS);
        rig_copy(rig, &older);
        play_require(play, rig_state(rig, 1) != STORE_STORED, "a version went back");
        rig_close(rig);
}

/* The clock is ahead when a tombstone is due, and for less than it would have been kept. */
static void play_far_ahead(struct play *play)
{
        struct store_rig *rig = &play->rigs[0];
        struct cmi_session session = rig_session(1, 1, 1);
        uint64_t hours = 13 + play_draw(play, 20);

        rig_open(rig);
        rig_end(rig, &session, CMI_TOMBSTONE_DESTROY);
        rig->now.real_ns += cmi_ms(hours * RIG_HOUR_MS);
        rig_pass(rig, play_draw(play, 30) * RIG_MINUTE_MS);
        rig_end(rig, &session, CMI_TOMBSTONE_DESTROY);
        rig_expire(rig, STORE_FORGOTTEN);
        rig->now.real_ns -= cmi_ms(hours * RIG_HOUR_MS);
        rig_copy(rig, &session);
        play_require(play, rig_state(rig, 1) != STORE_STORED, "a dead session came back");
        rig_close(rig);
}

/* Somebody chooses keys that begin alike, one after the other. */
static void play_chosen_keys(struct play *play)
{
        struct store_rig *rig = &play->rigs[0];
        uint32_t first = (uint32_t)play_draw(play, 1000);
        bool is_down = play_chance(play, 2);

        rig_open(rig);
        for (uint32_t i = 0; i < 400; i++) {
                struct cmi_session session = rig_session(1, 1, 1);

                session.key = rig_chosen_key(first + (is_down ? 400 - i : i));
                rig_end(rig, &session, CMI_TOMBSTONE_DESTROY);
        }
        play_require(play, rig_depth(rig) < 50, "chosen keys are far from each other");
        rig_close(rig);
}

/* Somebody ends what he has made up, and others want to log in and out. */
static void play_made_up(struct play *play)
{
        struct store_rig *rig = &play->rigs[0];
        uint64_t blind_ms = (1 + play_draw(play, 10)) * RIG_MINUTE_MS;
        struct cmi_session known = rig_session(1, 1, 1);
        struct cmi_session next = rig_session(2, 1, 1);
        struct store_options options;
        uint32_t n = 0;
        int r;

        *rig = (struct store_rig){0};
        options = rig_options(rig);
        options.key_bytes = STORE_MEMORY_MIN;
        rig_open_with(rig, &options);
        rig_create(rig, &known);
        do {
                struct cmi_id key = rig_chosen_key(n++);

                r = rig_logout(rig, &key, blind_ms);
        } while (r == STORE_STORED);
        play_require(play, store_is_full(r), "a logout was not taken though there was room");
        play_require(play, rig_create(rig, &next) == STORE_STORED,
                        "logouts of what is made up keep logins out");
        play_require(play, rig_logout(rig, &known.key, blind_ms) == STORE_STORED,
                        "logouts of what is made up keep logouts out");
        rig_close(rig);
}

/* A user makes and ends sessions, and another one wants to log in. */
static void play_greedy(struct play *play)
{
        struct store_rig *rig = &play->rigs[0];
        struct cmi_session session = rig_session(1, 1, 1);
        bool has_principals = play_chance(play, 2);
        struct store_options options;
        int r;

        *rig = (struct store_rig){0};
        options = rig_options(rig);
        options.key_bytes = STORE_MEMORY_MIN;
        options.user_key_bytes = STORE_MEMORY_MIN / 2;
        rig_open_with(rig, &options);
        session.space = UINT64_C(33) << 32;
        do {
                session.key = rig_key((uint32_t)store_status(rig->store, rig->now).n_keys);
                if (has_principals) {
                        session.principal = session.key;
                }
                r = rig_create(rig, &session);
                rig_end(rig, &session, CMI_TOMBSTONE_DESTROY);
        } while (r == STORE_STORED);
        play_require(play, store_is_full(r), "a session was refused though there was room");
        session.key = rig_key(UINT32_MAX);
        session.space = UINT64_C(34) << 32;
        play_require(play, rig_create(rig, &session) == STORE_STORED,
                        "sessions that one user has ended keep others out");
        rig_close(rig);
}

/* A logout came first; then the session, made twice, the later end not known of at first. */
static void play_blind(struct play *play)
{
        struct store_rig *rig = &play->rigs[0];
        struct cmi_session session = rig_session(7, 1, 1);
        struct cmi_session later = session;

        rig_open(rig);
        later.max_end_ms += play_draw(play, 10) * RIG_MINUTE_MS;
        rig_logout(rig, &session.key, RIG_MINUTE_MS);
        play_chance(play, 2) ? rig_copy(rig, &session) : rig_order(rig, &session, true);
        rig_pass(rig, 12 * RIG_HOUR_MS);
        rig_expire(rig, STORE_FORGOTTEN);
        rig_copy(rig, &later);
        play_require(play, rig_state(rig, 7) != STORE_STORED, "a blind end went too early");
        rig_close(rig);
}

void play_corners(struct play *play)
{
        play_margin(play);
        play_room(play);
        play_ahead(play);
        play_counts(play);
        play_nodes(play);
        play_lost_count(play);
        play_behind(play);
        play_use(play);
        play_after_the_end(play);
        play_far_ahead(play);
        play_chosen_keys(play);
        play_made_up(play);
        play_blind(play);
        play_greedy(play);
}
