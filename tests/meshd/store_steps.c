/* SPDX-License-Identifier: MIT */
/*
 * What may happen to a store in a day: each step asks for something, right or wrong, and knows what
 * must not come of it.
 */
#include "tests/meshd/store_play.h"

static uint8_t me(uint32_t store)
{
        return (uint8_t)(10 + store);
}

/* What becomes known at a store. */

static void know_counts(struct play *play, uint32_t store, const struct cmi_principal *counts)
{
        for (uint32_t i = 0; i < counts->n_counts; i++) {
                uint64_t *known = &play->counts[store][counts->principal.bytes[0]]
                                               [counts->counts[i].node.bytes[0]];

                if (*known < counts->counts[i].count) {
                        *known = counts->counts[i].count;
                }
        }
}

static void know_thing(struct play *play, uint32_t store, const struct thing *thing, bool is_right)
{
        if (thing->way == STORE_TOMBSTONE && cmi_tombstone_is_final(thing->tombstone.reason)) {
                play->is_dead[store][thing->key] = true;
                play->is_told[store][thing->key] |= is_right;
        } else if (thing->way == STORE_PRINCIPAL) {
                know_counts(play, store, &thing->counts);
        }
}

void play_exchange(struct play *play, uint32_t from, uint32_t to)
{
        struct store_rig *rig = &play->rigs[from];
        struct store_cursor cursor = rig_cursor();
        struct cmi_principal counts;
        struct store_view view;

        while (store_next_principal(rig->store, rig->now, &cursor, &counts) == STORE_GIVEN) {
                rig_count(&play->rigs[to], counts);
                know_counts(play, to, &counts);
        }
        cursor = rig_cursor();
        while (store_next(rig->store, rig->now, STORE_BOTH, &cursor, &view) == STORE_GIVEN) {
                if (view.is_record) {
                        rig_copy(&play->rigs[to], &view.session);
                } else {
                        rig_bury(&play->rigs[to], &view.tombstone);
                }
        }
        for (uint32_t key = 0; key < KEYS; key++) {
                play->is_dead[to][key] |= play->is_told[from][key];
                play->is_told[to][key] |= play->is_told[from][key];
        }
}

/* Steps */

static void step_thing(struct play *play, uint32_t store)
{
        struct thing thing = play_thing(play);

        if (thing.way == STORE_COPY || play_chance(play, 8)) { /* else all are dead soon */
                play_give(&play->rigs[store], &thing);
                know_thing(play, store, &thing, true);
        }
}

/* A holder, mostly the one that there is. */
static struct cmi_session_holder draw_holder(struct play *play, const struct store_state *state)
{
        return play_chance(play, 3) ? rig_holder((uint8_t)(1 + play_draw(play, 2)),
                                                      1 + play_draw(play, 3))
                                    : state->holder;
}

/* The epoch in which this store orders, or one in which somebody did. */
static struct cmi_session_epoch draw_epoch(
                struct play *play, uint32_t store, const struct store_state *state)
{
        struct cmi_session_epoch epoch = state->fence;

        if (play_chance(play, 5)) {
                return state->version.epoch;
        }
        if (epoch.opener.bytes[0] != me(store)) {
                epoch.counter++;
                epoch.opener = (struct cmi_id){{me(store)}};
                epoch.incarnation = ++play->n_drawn;
        }
        return epoch;
}

static struct store_state state_of(struct play *play, uint32_t store, uint32_t key)
{
        struct store_rig *rig = &play->rigs[store];

        rig_touch(rig, key, rig_now_ms(rig) - 60 * RIG_MINUTE_MS, rig_holder(99, 99));
        return rig->result.is;
}

static void require_unfenced(struct play *play, uint32_t store, uint32_t key,
                const struct cmi_session_epoch *epoch, int r)
{
        play_require(play,
                        (r != STORE_STORED && r != STORE_SAME) ||
                                        cmi_session_epoch_compare(
                                                        epoch, &play->fences[store][key]) >= 0,
                        "a primary that was replaced went on");
}

static void step_create(struct play *play, uint32_t store, uint32_t key)
{
        struct cmi_session session = play->versions[key][0];
        struct store_state was = state_of(play, store, key);
        int r;

        session.version.epoch = (struct cmi_session_epoch){
                        1 + was.fence.counter, {{me(store)}}, ++play->n_drawn};
        session.save_id = (struct cmi_id){{99, (uint8_t)play->n_drawn, me(store)}};
        r = rig_create(&play->rigs[store], &session);
        play_require(play, r != STORE_STORED || was.found == STORE_ABSENT,
                        "what was known was created");
}

static void step_save(struct play *play, uint32_t store, uint32_t key)
{
        struct store_state was = state_of(play, store, key);
        struct cmi_session session = play->versions[key][0];
        struct cmi_session_version expected = was.version;
        int r;

        session.holder = draw_holder(play, &was);
        session.version.epoch = draw_epoch(play, store, &was);
        session.save_id = (struct cmi_id){{98, (uint8_t)++play->n_drawn, me(store)}};
        session.n_requests = 1;
        session.requests[0] = play_chance(play, 3) ? 1 + play_draw(play, 4) : 1000 + play->n_drawn;
        session.blob_len = play_draw(play, 200);
        if (play_chance(play, 3)) {
                expected = play->versions[key][play_draw(play, VERSIONS)].version;
        }
        r = rig_save(&play->rigs[store], &session, expected);
        if (r != STORE_STORED) {
                return;
        }
        play_require(play, was.found == STORE_STORED, "a save made a session");
        play_require(play, cmi_session_version_compare(&was.version, &expected) == 0,
                        "a save took no notice of a version");
        play_require(play, cmi_session_holder_equal(&was.holder, &session.holder),
                        "a former holder saved");
        require_unfenced(play, store, key, &session.version.epoch, r);
        if (play_chance(play, 3)) {
                r = rig_save(&play->rigs[store], &session, expected);
                play_require(play, r == STORE_SAME, "what was repeated was not known");
        }
}

static void step_touch(struct play *play, uint32_t store, uint32_t key)
{
        struct store_rig *rig = &play->rigs[store];
        struct store_state was = state_of(play, store, key);
        struct cmi_session_holder holder = draw_holder(play, &was);
        struct store_view before, after;
        int found = rig_find(rig, key, &before);
        int r = rig_touch(rig, key, rig_now_ms(rig) - play_draw(play, 10) * RIG_MINUTE_MS, holder);

        if (rig_find(rig, key, &after) != STORE_STORED) {
                return;
        }
        play_require(play, found == STORE_STORED, "a touch made a session");
        play_require(play,
                        found != STORE_STORED ||
                                        after.session.last_touch_ms >= before.session.last_touch_ms,
                        "a touch went back");
        play_require(play, r != STORE_STORED || cmi_session_holder_equal(&was.holder, &holder),
                        "a former holder touched");
}

static void step_hold(struct play *play, uint32_t store, uint32_t key)
{
        struct store_state was = state_of(play, store, key);
        uint64_t expected_no = play_chance(play, 3) ? play_draw(play, 4) : was.holder.no;
        struct cmi_session_epoch epoch = draw_epoch(play, store, &was);
        int r = rig_hold(&play->rigs[store], key, expected_no, (uint8_t)(1 + play_draw(play, 3)),
                        epoch);

        play_require(play, r != STORE_STORED || was.holder.no == expected_no,
                        "a takeover took no notice of another one");
        require_unfenced(play, store, key, &epoch, r == STORE_SAME ? STORE_OLDER : r);
}

static void step_end(struct play *play, uint32_t store, uint32_t key)
{
        struct store_state was = state_of(play, store, key);
        struct cmi_session session = play->versions[key][play_draw(play, VERSIONS)];
        struct store_view view;
        int r;

        if (play_chance(play, 2) && rig_find(&play->rigs[store], key, &view) == STORE_STORED) {
                session = view.session;
        }
        session.last_touch_ms -= play_draw(play, 2) * RIG_MINUTE_MS;
        r = rig_stop(&play->rigs[store], &session, CMI_TOMBSTONE_IDLE);
        play_require(play,
                        r != STORE_STORED || cmi_session_version_compare(
                                                             &was.version, &session.version) == 0,
                        "another version was ended");
}

static void step_fence(struct play *play, uint32_t store, uint32_t key)
{
        struct store_state was = state_of(play, store, key);
        struct cmi_session_epoch epoch = {was.fence.counter + play_draw(play, 2),
                        {{me((uint32_t)play_draw(play, STORES))}}, ++play->n_drawn};

        if (rig_fence(&play->rigs[store], key, epoch) == STORE_STORED) {
                play->fences[store][key] = epoch;
        }
}

static void step_order(struct play *play, uint32_t store, uint32_t key)
{
        struct cmi_session session = play_copy(play, key);
        int r = rig_order(&play->rigs[store], &session, play_chance(play, 4));

        require_unfenced(play, store, key, &session.version.epoch, r);
}

static void step_logout(struct play *play, uint32_t store, uint32_t key)
{
        struct cmi_id hash = rig_key(key);

        /* What was dead is as told as it was: a tombstone heard in a wrong time stays here. */
        if (play_chance(play, 4)) { /* else all are dead soon */
                int r = rig_logout(&play->rigs[store], &hash, CMI_SESSION_LIFE_MAX_MS);

                play->is_dead[store][key] = true;
                play->is_told[store][key] |= r == STORE_STORED;
        }
}

static void step_pass(struct play *play)
{
        uint64_t ms = play_draw(play, 30) * RIG_MINUTE_MS;

        for (uint32_t i = 0; i < STORES; i++) {
                rig_pass(&play->rigs[i], ms);
                rig_expire(&play->rigs[i], STORE_FORGOTTEN);
        }
}

/* What may come in meanwhile. */
static void step_in_wrong_time(struct play *play, uint32_t store, uint32_t key)
{
        struct cmi_session session = play_copy(play, key);
        struct store_rig *rig = &play->rigs[store];

        if (play_chance(play, 2)) {
                rig_expire(rig, STORE_FORGOTTEN);
        }
        rig_copy(rig, &session);
        rig_touch(rig, key, rig_now_ms(rig), rig_holder(1, 1));
        if (play_chance(play, 2)) {
                play_exchange(play, store, (uint32_t)play_draw(play, STORES));
        }
}

/* One clock is set a day forward by mistake, and back again. */
static void step_clock(struct play *play, uint32_t store)
{
        struct store_rig *rig = &play->rigs[store];
        uint32_t key = (uint32_t)play_draw(play, KEYS);
        struct thing thing = play_thing(play);
        int was = rig_state(rig, key);

        rig->now.real_ns += cmi_ms(30 * RIG_HOUR_MS);
        step_in_wrong_time(play, store, key);
        rig->now.real_ns -= cmi_ms(30 * RIG_HOUR_MS);
        play_require(play, rig_state(rig, key) == was, "a wrong clock has changed something");
        if (thing.way != STORE_COPY && play_chance(play, 3)) {
                rig->now.real_ns += cmi_ms(30 * RIG_HOUR_MS);
                play_give(rig, &thing);
                know_thing(play, store, &thing, false);
                rig->now.real_ns -= cmi_ms(30 * RIG_HOUR_MS);
        }
}

void play_step(struct play *play, uint32_t store)
{
        uint32_t key = (uint32_t)play_draw(play, KEYS);
        uint64_t kind = play_draw(play, 25);

        if (kind < 6) {
                step_thing(play, store);
        } else if (kind < 8) {
                step_touch(play, store, key);
        } else if (kind < 12) {
                step_save(play, store, key);
        } else if (kind < 14) {
                step_hold(play, store, key);
        } else if (kind < 16) {
                step_order(play, store, key);
        } else if (kind < 17) {
                step_create(play, store, key);
        } else if (kind < 18) {
                step_end(play, store, key);
        } else if (kind < 19) {
                step_fence(play, store, key);
        } else if (kind < 22) {
                play_exchange(play, store, (uint32_t)play_draw(play, STORES));
        } else if (kind < 23) {
                step_pass(play);
        } else if (kind < 24) {
                step_logout(play, store, key);
        } else {
                step_clock(play, store);
        }
}
