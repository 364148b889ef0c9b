/* SPDX-License-Identifier: MIT */
/*
 * Plays of orders: all that can be said of a few keys is given to several stores, to each in an
 * order of its own and some of it twice, and each must then hold what a plain search for the
 * highest finds (S15). Who loses without having been built on is told of (S8).
 */
#include "tests/meshd/store_play.h"

struct expected {
        int outcome; /* of store_find() */
        struct cmi_session session;
        struct cmi_tombstone tombstone;
};

static bool is_allowed(const struct play *play, const struct cmi_session *session)
{
        for (uint32_t i = 0; i < play->n_things; i++) {
                const struct cmi_principal *counts = &play->things[i].counts;
                uint64_t had = 0;

                if (play->things[i].way != STORE_PRINCIPAL ||
                                !cmi_id_equal(&counts->principal, &session->principal)) {
                        continue;
                }
                for (uint32_t k = 0; k < session->n_vector; k++) {
                        if (cmi_id_equal(&session->vector[k].node, &counts->counts[0].node)) {
                                had = session->vector[k].count;
                        }
                }
                if (had < counts->counts[0].count) {
                        return false;
                }
        }
        return true;
}

/* Where a record or a tombstone that yields stands: as docs/explanation/sessions.md has it. */
struct word {
        struct cmi_session_version version;
        uint64_t holder_no;
};

static int compare_words(const struct word *a, const struct word *b)
{
        int r = cmi_session_version_compare(&a->version, &b->version);

        return r != 0 ? r : (a->holder_no > b->holder_no) - (a->holder_no < b->holder_no);
}

static struct word word_of(const struct thing *thing)
{
        return thing->way == STORE_COPY
                               ? (struct word){thing->session.version, thing->session.holder.no}
                               : (struct word){thing->tombstone.version,
                                                 thing->tombstone.holder_no};
}

static bool is_about(const struct play *play, const struct thing *thing, uint32_t key)
{
        return thing->way != STORE_PRINCIPAL && thing->key == key &&
               (thing->way != STORE_COPY || thing->session.max_end_ms > rig_now_ms(&play->rigs[0]));
}

static uint64_t highest(uint64_t a, uint64_t b)
{
        return a > b ? a : b;
}

/* What does not depend on who is on top. */
static void expect_maxima(const struct play *play, uint32_t key, struct expected *expected,
                struct word *top, uint64_t *touch_ms)
{
        for (uint32_t i = 0; i < play->n_things; i++) {
                const struct thing *thing = &play->things[i];
                struct word word = word_of(thing);
                bool is_copy = thing->way == STORE_COPY;

                if (!is_about(play, thing, key)) {
                        continue;
                }
                expected->outcome = STORE_DEAD;
                expected->tombstone.max_end_ms = highest(expected->tombstone.max_end_ms,
                                is_copy ? thing->session.max_end_ms : thing->tombstone.max_end_ms);
                if (is_copy) {
                        *touch_ms = highest(*touch_ms, thing->session.last_touch_ms);
                } else if (cmi_tombstone_is_final(thing->tombstone.reason)) {
                        expected->tombstone.reason = highest(
                                        expected->tombstone.reason, thing->tombstone.reason);
                }
                if (compare_words(&word, top) > 0) {
                        *top = word;
                }
        }
}

/* Of one version and number: the one that all choose. */
static bool is_chosen(const struct cmi_session *session, const struct cmi_session *over)
{
        int r = cmi_id_compare(&session->save_id, &over->save_id);

        return r != 0 ? r > 0 : cmi_id_compare(&session->holder.node, &over->holder.node) > 0;
}

/* No final tombstone: those of the top place decide. */
static void expect_top(const struct play *play, uint32_t key, const struct word *top,
                uint64_t touch_ms, struct expected *expected)
{
        struct cmi_tombstone *tombstone = &expected->tombstone;
        bool is_record = false;
        uint64_t dead_ms = 0;

        for (uint32_t i = 0; i < play->n_things; i++) {
                const struct thing *thing = &play->things[i];
                struct word word = word_of(thing);
                bool is_copy = thing->way == STORE_COPY;

                if (!is_about(play, thing, key) || compare_words(&word, top) != 0) {
                        continue;
                }
                if (!is_copy || !is_allowed(play, &thing->session)) {
                        tombstone->reason = highest(
                                        tombstone->reason, is_copy ? CMI_TOMBSTONE_PRINCIPAL
                                                                   : thing->tombstone.reason);
                        dead_ms = highest(dead_ms, is_copy ? thing->session.last_touch_ms
                                                           : thing->tombstone.last_touch_ms);
                } else if (!is_record || is_chosen(&thing->session, &expected->session)) {
                        expected->session = thing->session;
                        is_record = true;
                }
        }
        if (is_record && (tombstone->reason == 0 || touch_ms > dead_ms)) {
                expected->outcome = STORE_STORED;
                expected->session.last_touch_ms = touch_ms;
        }
}

static struct expected expect_key(const struct play *play, uint32_t key)
{
        struct expected expected = {.outcome = STORE_ABSENT};
        struct word top = {.holder_no = 0};
        uint64_t touch_ms = 0;

        expect_maxima(play, key, &expected, &top, &touch_ms);
        expected.tombstone.version = top.version;
        if (expected.tombstone.reason == 0) {
                expect_top(play, key, &top, touch_ms, &expected);
        }
        return expected;
}

static bool is_same_session(const struct cmi_session *a, const struct cmi_session *b)
{
        return cmi_session_version_compare(&a->version, &b->version) == 0 &&
               cmi_session_holder_equal(&a->holder, &b->holder) &&
               a->last_touch_ms == b->last_touch_ms && a->max_end_ms == b->max_end_ms &&
               cmi_id_equal(&a->save_id, &b->save_id) && a->blob_len == b->blob_len;
}

static bool is_same_tombstone(const struct cmi_tombstone *a, const struct cmi_tombstone *b)
{
        return cmi_session_version_compare(&a->version, &b->version) == 0 &&
               a->reason == b->reason && a->max_end_ms == b->max_end_ms;
}

static void check_key(struct play *play, struct store_rig *rig, uint32_t key)
{
        struct expected expected = expect_key(play, key);
        struct store_view view;
        int r = rig_find(rig, key, &view);

        play_require(play, r == expected.outcome, "an order ends with a key alive, in another not");
        if (r == STORE_STORED) {
                play_require(play, is_same_session(&view.session, &expected.session),
                                "an order ends with another record");
        } else if (r == STORE_DEAD) {
                play_require(play, is_same_tombstone(&view.tombstone, &expected.tombstone),
                                "an order ends with another tombstone");
        }
}

/* As it was when it was made: what it adopted since is what somebody was told of. */
static const struct cmi_session *made(
                const struct play *play, uint32_t key, const struct cmi_session_version *version)
{
        const struct cmi_session *session = &play->versions[key][0];

        while (cmi_session_version_compare(&session->version, version) != 0) {
                session++;
        }
        return session;
}

/* A version that others are not built on may lose, but somebody must be told. */
static bool is_accounted_for(const struct play *play, const struct store_rig *rig, uint32_t key,
                const struct cmi_session *final, const struct cmi_session_version *version)
{
        bool is_found = cmi_session_has_ancestor(made(play, key, &final->version), version);

        for (uint32_t i = 0; i < rig->n_losers && !is_found; i++) {
                is_found = cmi_session_has_ancestor(&rig->losers[i], version);
        }
        return is_found || rig->n_losers == RIG_LOSERS_MAX;
}

static void check_losers(struct play *play, struct store_rig *rig)
{
        bool has_tombstone = false;

        for (uint32_t i = 0; i < play->n_things; i++) {
                has_tombstone |= play->things[i].way != STORE_COPY;
        }
        for (uint32_t i = 0; i < play->n_things && !has_tombstone; i++) {
                const struct thing *thing = &play->things[i];
                struct store_view view;

                if (is_about(play, thing, thing->key) &&
                                rig_find(rig, thing->key, &view) == STORE_STORED) {
                        play_require(play,
                                        is_accounted_for(play, rig, thing->key, &view.session,
                                                        &thing->session.version),
                                        "a save was lost and nobody was told");
                }
        }
}

static void shuffle(struct play *play, uint32_t *order, uint32_t n)
{
        for (uint32_t i = 0; i < n; i++) {
                order[i] = i;
        }
        for (uint32_t i = n; i > 1; i--) {
                uint32_t k = (uint32_t)play_draw(play, i);
                uint32_t swapped = order[i - 1];

                order[i - 1] = order[k];
                order[k] = swapped;
        }
}

static void open_late(struct play *play, struct store_rig *rig)
{
        rig_open(rig);
        rig->now.real_ns += cmi_ms(play->late_ms); /* some are over by now */
}

/* Twice: what a tombstone has ended comes again, as it does when stores exchange what they hold. */
static void play_order(struct play *play, struct store_rig *rig)
{
        uint32_t order[THINGS_MAX] = {0};

        open_late(play, rig);
        for (int round = 0; round < 2; round++) {
                shuffle(play, order, play->n_things);
                for (uint32_t i = 0; i < play->n_things; i++) {
                        play_give(rig, &play->things[order[i]]);
                        if (play_chance(play, 3)) {
                                play_give(rig, &play->things[order[play_draw(play, i + 1)]]);
                        }
                }
        }
}

static void draw_all_versions(struct play *play)
{
        play->late_ms = 12 * RIG_HOUR_MS + play_draw(play, 2) * 10 * RIG_MINUTE_MS;
        for (uint32_t key = 0; key < KEYS; key++) {
                play_versions(play, key, play_draw(play, 2) == 0 ? 1 : 20 * RIG_MINUTE_MS);
                for (uint32_t i = 0; i < VERSIONS; i++) {
                        play->versions[key][i].max_end_ms += RIG_MINUTE_MS / 2;
                }
        }
}

/* Each permutation of what stands from @from on. */
static void play_permutations(struct play *play, uint32_t *order, uint32_t from)
{
        struct store_rig *rig = &play->rigs[0];

        if (from == play->n_things) {
                open_late(play, rig);
                for (uint32_t i = 0; i < 2 * play->n_things; i++) {
                        play_give(rig, &play->things[order[i % play->n_things]]);
                }
                check_key(play, rig, 1);
                rig_close(rig);
                return;
        }
        for (uint32_t i = from; i < play->n_things; i++) {
                uint32_t first = order[from];

                order[from] = order[i];
                order[i] = first;
                play_permutations(play, order, from + 1);
                order[i] = order[from];
                order[from] = first;
        }
}

/* Five things about one key, in all their 120 orders. */
void play_every_order(struct play *play)
{
        uint32_t order[5] = {0, 1, 2, 3, 4};

        draw_all_versions(play);
        play->n_things = 0;
        while (play->n_things < 5) {
                struct thing thing = play_thing(play);

                if (thing.way == STORE_PRINCIPAL ? thing.counts.principal.bytes[0] == 1
                                                 : thing.key == 1) {
                        play->things[play->n_things++] = thing;
                }
        }
        play_permutations(play, order, 0);
}

void play_orders(struct play *play)
{
        bool is_copies = play_draw(play, 3) == 0;

        draw_all_versions(play);
        play->n_things = 2 + (uint32_t)play_draw(play, THINGS_MAX - 2);
        for (uint32_t i = 0; i < play->n_things; i++) {
                do {
                        play->things[i] = play_thing(play);
                } while (is_copies && play->things[i].way != STORE_COPY);
        }
        for (uint32_t i = 0; i < STORES; i++) {
                play_order(play, &play->rigs[i]);
        }
        for (uint32_t i = 0; i < STORES; i++) {
                for (uint32_t key = 0; key < KEYS; key++) {
                        check_key(play, &play->rigs[i], key);
                }
                check_losers(play, &play->rigs[i]);
                play_require(play, rig_digest(&play->rigs[i]).sum == rig_digest(&play->rigs[0]).sum,
                                "two orders end with two digests");
        }
        for (uint32_t i = 0; i < STORES; i++) {
                rig_close(&play->rigs[i]);
        }
}
