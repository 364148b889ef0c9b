/* SPDX-License-Identifier: MIT */
/*
 * Plays of days: stores live on, with touches, saves, copies between them, clocks that are set
 * wrong; nothing that is dead comes back (S3), and when they have exchanged all they hold, they
 * hold the same. And tombstones that find no room, or nearly go too early.
 */
#include "tests/meshd/store_play.h"

/* After each step: nothing dead is seen, nothing goes back, nothing lives too long. */
static void watch(struct play *play, uint32_t store)
{
        for (uint32_t key = 0; key < KEYS; key++) {
                struct store_rig *rig = &play->rigs[store];
                struct store_view view;
                struct cmi_session_version *newest = &play->newest[store][key];

                if (rig_find(rig, key, &view) != STORE_STORED) {
                        continue;
                }
                play_require(play, !play->is_dead[store][key], "a dead session came back");
                play_require(play, cmi_session_version_compare(&view.session.version, newest) >= 0,
                                "a version went back");
                play_require(play,
                                play_now_ms(rig) < RIG_START_MS + 12 * RIG_HOUR_MS +
                                                                   10 * RIG_MINUTE_MS,
                                "a session outlived its end");
                *newest = view.session.version;
        }
}

static void mark_dead(struct play *play, uint32_t store, const struct thing *thing)
{
        if (thing->way == STORE_TOMBSTONE && cmi_tombstone_is_final(thing->tombstone.reason)) {
                play->is_dead[store][thing->key] = true;
        }
        for (uint32_t key = 1; thing->way == STORE_PRINCIPAL && key < KEYS; key++) {
                const struct cmi_session *session = &play->versions[key][0];
                const struct cmi_principal_count *count = &thing->counts.counts[0];
                bool is_covered = !cmi_hash_equal(&session->principal, &thing->counts.principal);

                for (uint32_t i = 0; i < session->n_vector; i++) {
                        is_covered |= cmi_id_equal(&session->vector[i].node, &count->node) &&
                                      session->vector[i].count >= count->count;
                }
                play->is_dead[store][key] |= !is_covered;
        }
}

static void step_thing(struct play *play, uint32_t store)
{
        struct thing thing = play_thing(play);
        int r;

        if (thing.way != STORE_COPY && play_draw(play, 8) != 0) {
                return; /* else all are dead soon */
        }
        r = play_give(&play->rigs[store], &thing);
        if (r != STORE_EXPIRED) {
                mark_dead(play, store, &thing);
        }
}

static void step_touch(struct play *play, uint32_t store)
{
        struct store_rig *rig = &play->rigs[store];
        uint32_t key = (uint32_t)play_draw(play, KEYS);
        struct store_view before, after;
        int was = rig_find(rig, key, &before);
        uint64_t at_ms = play_now_ms(rig) - play_draw(play, 10) * RIG_MINUTE_MS;
        uint64_t holder_no = 1 + play_draw(play, 2);
        int r = rig_touch(rig, key, at_ms, holder_no);
        int is = rig_find(rig, key, &after);

        play_require(play, was == STORE_STORED || is != STORE_STORED, "a touch made a session");
        if (was == STORE_STORED && is == STORE_STORED) {
                play_require(play, after.session.last_touch_ms >= before.session.last_touch_ms,
                                "a touch went back");
                play_require(play, r != STORE_STORED || holder_no >= before.session.holder_no,
                                "a former holder touched");
        }
}

static void step_save(struct play *play, uint32_t store)
{
        struct store_rig *rig = &play->rigs[store];
        uint32_t key = (uint32_t)play_draw(play, KEYS);
        struct cmi_session session = play->versions[key][1 + play_draw(play, VERSIONS - 1)];
        struct store_view before;
        int was = rig_find(rig, key, &before);
        int r;

        session.max_end_ms = RIG_START_MS + 12 * RIG_HOUR_MS;
        session.holder_no += play_draw(play, 2);
        r = rig_save(rig, &session, session.sealed_base);
        play_require(play, r != STORE_STORED || was == STORE_STORED, "a save made a session");
        if (r == STORE_STORED && was == STORE_STORED) {
                play_require(play,
                                cmi_session_version_compare(
                                                &before.session.version, &session.sealed_base) == 0,
                                "a save took no notice of a version");
                play_require(play, session.holder_no >= before.session.holder_no,
                                "a former holder saved");
        }
}

/* All that one store holds goes to the other. */
static void exchange(struct play *play, uint32_t from, uint32_t to)
{
        struct store_rig *rig = &play->rigs[from];
        struct store_cursor cursor = {.is_done = false};
        struct store_view view;
        struct cmi_principal counts;

        memset(&cursor.last, 0xff, sizeof(cursor.last));
        while (store_next_principal(rig->store, &cursor, &counts)) {
                rig_count(&play->rigs[to], counts);
        }
        cursor = (struct store_cursor){.last = cursor.last};
        while (store_next(rig->store, rig->now, STORE_BOTH, &cursor, &view)) {
                if (view.is_record) {
                        rig_copy(&play->rigs[to], &view.session);
                } else {
                        rig_bury(&play->rigs[to], &view.tombstone);
                }
        }
        for (uint32_t key = 0; key < KEYS; key++) {
                play->is_dead[to][key] |= play->is_dead[from][key];
        }
}

static void pass(struct play *play, uint64_t ms)
{
        for (uint32_t i = 0; i < STORES; i++) {
                rig_pass(&play->rigs[i], ms);
                rig_expire(&play->rigs[i], STORE_FORGOTTEN);
        }
}

/* One clock is set a day forward by mistake, and back again. */
static void step_clock(struct play *play, uint32_t store)
{
        struct store_rig *rig = &play->rigs[store];
        struct cmi_session session = play_copy(play, (uint32_t)play_draw(play, KEYS));

        rig->now.real_ns += cmi_ms(30 * RIG_HOUR_MS);
        rig_expire(rig, STORE_FORGOTTEN);
        rig_copy(rig, &session);
        rig->now.real_ns -= cmi_ms(30 * RIG_HOUR_MS);
        /* What it took for over, it may have dropped. */
        memset(play->newest[store], 0, sizeof(play->newest[store]));
}

static void step(struct play *play)
{
        uint32_t store = (uint32_t)play_draw(play, STORES);
        uint64_t kind = play_draw(play, 16);

        if (kind < 6) {
                step_thing(play, store);
        } else if (kind < 9) {
                step_touch(play, store);
        } else if (kind < 12) {
                step_save(play, store);
        } else if (kind < 14) {
                exchange(play, store, (uint32_t)play_draw(play, STORES));
        } else if (kind < 15) {
                pass(play, play_draw(play, 30) * RIG_MINUTE_MS);
        } else {
                step_clock(play, store);
        }
        for (uint32_t i = 0; i < STORES; i++) {
                watch(play, i);
        }
}

static void converge(struct play *play)
{
        for (int round = 0; round < 2; round++) {
                for (uint32_t i = 0; i < STORES * STORES; i++) {
                        exchange(play, i / STORES, i % STORES);
                }
        }
        for (uint32_t i = 0; i < STORES; i++) {
                struct store_digest digest = rig_digest(&play->rigs[i]);
                struct store_digest first = rig_digest(&play->rigs[0]);

                watch(play, i);
                play_require(play,
                                digest.sum == first.sum && digest.n_records == first.n_records &&
                                                digest.n_tombstones == first.n_tombstones,
                                "two stores that have exchanged all hold different things");
        }
}

void play_days(struct play *play)
{
        for (uint32_t key = 0; key < KEYS; key++) {
                play_versions(play, key, 1);
                for (uint32_t i = 0; i < VERSIONS; i++) {
                        play->versions[key][i].idle_ttl_ms = 0;
                }
        }
        for (uint32_t i = 0; i < STORES; i++) {
                rig_open(&play->rigs[i]);
        }
        for (uint32_t i = 0; i < 150 && !play->broken; i++) {
                step(play);
        }
        converge(play);
        pass(play, 14 * RIG_HOUR_MS);
        converge(play);
        for (uint32_t i = 0; i < STORES; i++) {
                rig_close(&play->rigs[i]);
        }
}

/* The session was created twice, and only the earlier one is known where it is destroyed. */
void play_margin(struct play *play)
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
void play_room(struct play *play)
{
        struct store_rig *rig = &play->rigs[0];
        struct store_options options;
        uint32_t n = 500 + (uint32_t)play_draw(play, 100);

        *rig = (struct store_rig){0};
        options = rig_options(rig);
        options.tombstone_bytes = STORE_MEMORY_MIN;
        rig_open_with(rig, &options);
        for (uint32_t i = 0; i < n; i++) {
                struct cmi_session session = rig_session(i, 1, 1);

                if (i < n / 4) { /* these make room again, when others have found none */
                        session.max_end_ms = RIG_START_MS + RIG_HOUR_MS;
                }
                rig_end(rig, &session, CMI_TOMBSTONE_DESTROY);
        }
        play_require(play,
                        rig->n_bytes <= options.tombstone_bytes + store_status(rig->store, rig->now)
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
