/* SPDX-License-Identifier: MIT */
/*
 * Plays of days: stores live on, with all that store_steps.c does, and clocks that differ. Nothing
 * that is dead comes back (S3), no version goes back, and when the stores have exchanged all they
 * hold, they hold the same (S14, S15).
 */
#include "tests/meshd/store_play.h"

static bool is_covered(const struct play *play, uint32_t store, const struct cmi_session *session)
{
        for (uint8_t node = 1; node <= NODES; node++) {
                uint64_t had = 0;

                for (uint32_t i = 0; i < session->n_vector; i++) {
                        if (session->vector[i].node.bytes[0] == node) {
                                had = session->vector[i].count;
                        }
                }
                if (had < play->counts[store][session->principal.bytes[0]][node]) {
                        return false;
                }
        }
        return true;
}

/* After each step: nothing dead is seen, nothing goes back, nothing lives too long. */
static void watch(struct play *play, uint32_t store)
{
        for (uint32_t key = 0; key < KEYS; key++) {
                struct store_rig *rig = &play->rigs[store];
                struct cmi_session_version *newest = &play->newest[store][key];
                struct store_view view;

                if (rig_find(rig, key, &view) != STORE_STORED) {
                        continue;
                }
                play_require(play, !play->is_dead[store][key], "a dead session came back");
                play_require(play, is_covered(play, store, &view.session),
                                "a session outlived the end of all of its principal's");
                play_require(play, cmi_session_version_compare(&view.session.version, newest) >= 0,
                                "a version went back");
                play_require(play, rig_now_ms(rig) < RIG_START_MS + 12 * RIG_HOUR_MS,
                                "a session outlived its end");
                play_require(play, cmi_session_check(&view.session) == 0,
                                "a record is none that a decoder takes");
                *newest = view.session.version;
        }
}

static void converge(struct play *play)
{
        struct store_digest digests[STORES] = {0};

        for (int round = 0; round < 2; round++) {
                for (uint32_t i = 0; i < STORES * STORES; i++) {
                        play_exchange(play, i / STORES, i % STORES);
                }
        }
        for (uint32_t i = 0; i < STORES; i++) {
                struct store_rig *rig = &play->rigs[i];
                struct store_cursor cursor = rig_cursor();

                watch(play, i);
                store_digest(rig->store, rig->now, rig_now_ms(&play->rigs[0]), &cursor,
                                &digests[i]);
                play_require(play,
                                digests[i].sum == digests[0].sum &&
                                                digests[i].n_records == digests[0].n_records &&
                                                digests[i].n_tombstones == digests[0].n_tombstones,
                                "two stores that have exchanged all hold different things");
        }
}

void play_days(struct play *play)
{
        for (uint32_t key = 0; key < KEYS; key++) {
                play_versions(play, key, 1);
        }
        for (uint32_t i = 0; i < STORES; i++) {
                rig_open(&play->rigs[i]);
                play->rigs[i].now.real_ns += cmi_ms(play_draw(play, 5) * RIG_MINUTE_MS);
        }
        for (uint32_t i = 0; i < 200 && !play->broken; i++) {
                play_step(play, (uint32_t)play_draw(play, STORES));
                for (uint32_t k = 0; k < STORES; k++) {
                        watch(play, k);
                }
        }
        converge(play);
        for (uint32_t i = 0; i < STORES; i++) {
                rig_pass(&play->rigs[i], 14 * RIG_HOUR_MS);
                rig_expire(&play->rigs[i], STORE_FORGOTTEN);
        }
        converge(play);
        for (uint32_t i = 0; i < STORES; i++) {
                rig_close(&play->rigs[i]);
        }
}
