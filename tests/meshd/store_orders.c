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
                                !cmi_hash_equal(&counts->principal, &session->principal)) {
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

/* A record or a tombstone that yields, as the words of docs/explanation/sessions.md have it. */
static int compare_words(const struct cmi_tombstone *a, const struct cmi_tombstone *b)
{
        int r = cmi_session_version_compare(&a->version, &b->version);

        if (r == 0) {
                r = (a->holder_no > b->holder_no) - (a->holder_no < b->holder_no);
        }
        if (r == 0) {
                r = (a->last_touch_ms > b->last_touch_ms) - (a->last_touch_ms < b->last_touch_ms);
        }
        return r != 0 ? r : (a->reason > b->reason) - (a->reason < b->reason);
}

static void expect_thing(
                const struct play *play, const struct thing *thing, struct expected *expected)
{
        struct cmi_tombstone *best = &expected->tombstone;
        bool is_copy = thing->way == STORE_COPY;
        struct cmi_tombstone word = thing->tombstone;
        uint64_t keep_ms = best->max_end_ms;

        if (is_copy) {
                word = rig_tombstone(&thing->session, CMI_TOMBSTONE_PRINCIPAL);
                word.reason = is_allowed(play, &thing->session) ? 0 : CMI_TOMBSTONE_PRINCIPAL;
        }
        if (word.max_end_ms + (is_copy ? 0 : CMI_SESSION_MARGIN_MS) <=
                        play_now_ms(&play->rigs[0])) {
                return;
        }
        keep_ms = word.max_end_ms > keep_ms ? word.max_end_ms : keep_ms;
        if (cmi_tombstone_is_final(best->reason) || cmi_tombstone_is_final(word.reason)) {
                struct cmi_session_version highest =
                                cmi_session_version_compare(&word.version, &best->version) > 0
                                                ? word.version
                                                : best->version;

                word.reason = word.reason > best->reason ? word.reason : best->reason;
                *best = word;
                best->version = highest;
                best->last_touch_ms = 0;
                best->holder_no = 0;
        } else if (expected->outcome == STORE_ABSENT || compare_words(&word, best) > 0) {
                *best = word;
                expected->session = thing->session;
        }
        best->max_end_ms = keep_ms;
        expected->outcome = best->reason == 0 ? STORE_STORED : STORE_DEAD;
}

static struct expected expect_key(const struct play *play, uint32_t key)
{
        struct expected expected = {.outcome = STORE_ABSENT};

        for (uint32_t i = 0; i < play->n_things; i++) {
                if (play->things[i].way != STORE_PRINCIPAL && play->things[i].key == key) {
                        expect_thing(play, &play->things[i], &expected);
                }
        }
        return expected;
}

static bool is_same_session(const struct cmi_session *a, const struct cmi_session *b)
{
        return cmi_session_version_compare(&a->version, &b->version) == 0 &&
               a->holder_no == b->holder_no && cmi_id_equal(&a->holder, &b->holder) &&
               a->last_touch_ms == b->last_touch_ms && a->max_end_ms == b->max_end_ms &&
               cmi_id_equal(&a->save_id, &b->save_id) && a->blob_len == b->blob_len;
}

static bool is_same_tombstone(const struct cmi_tombstone *a, const struct cmi_tombstone *b)
{
        return cmi_session_version_compare(&a->version, &b->version) == 0 &&
               a->reason == b->reason && a->max_end_ms == b->max_end_ms &&
               a->last_touch_ms == b->last_touch_ms && a->holder_no == b->holder_no;
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

/* A version that others are not built on may lose, but somebody must be told. */
static bool is_accounted_for(const struct store_rig *rig, const struct cmi_session *final,
                const struct cmi_session_version *version)
{
        bool is_found = cmi_session_has_ancestor(final, version);

        for (uint32_t i = 0; i < rig->n_losers && !is_found; i++) {
                is_found = cmi_session_has_ancestor(&rig->losers[i], version);
        }
        return is_found || rig->n_losers == RIG_LOSERS_MAX;
}

static void check_losers(struct play *play, struct store_rig *rig)
{
        for (uint32_t i = 0; i < play->n_things; i++) {
                const struct thing *thing = &play->things[i];
                struct store_view view;

                if (thing->way == STORE_COPY && thing->session.max_end_ms > play_now_ms(rig) &&
                                rig_find(rig, thing->key, &view) == STORE_STORED) {
                        bool has_tombstone = false;

                        for (uint32_t k = 0; k < play->n_things; k++) {
                                has_tombstone |= play->things[k].way != STORE_COPY;
                        }
                        play_require(play,
                                        has_tombstone || is_accounted_for(rig, &view.session,
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

static void open_late(struct store_rig *rig)
{
        rig_open(rig);
        rig->now.real_ns += cmi_ms(12 * RIG_HOUR_MS); /* some are over by now */
}

static void play_order(struct play *play, struct store_rig *rig)
{
        uint32_t order[THINGS_MAX] = {0};

        open_late(rig);
        shuffle(play, order, play->n_things);
        for (uint32_t i = 0; i < play->n_things; i++) {
                play_give(rig, &play->things[order[i]]);
                if (play_draw(play, 3) == 0) {
                        play_give(rig, &play->things[order[play_draw(play, i + 1)]]);
                }
        }
}

static void draw_all_versions(struct play *play)
{
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
                open_late(rig);
                for (uint32_t i = 0; i < play->n_things; i++) {
                        play_give(rig, &play->things[order[i]]);
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
