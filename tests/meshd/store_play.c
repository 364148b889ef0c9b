/* SPDX-License-Identifier: MIT */
/* What random plays are made of, and a play itself. */
#include "tests/meshd/store_play.h"

#include <stdlib.h>

uint64_t play_draw(struct play *play, uint64_t below)
{
        uint64_t x = play->random += UINT64_C(0x9e3779b97f4a7c15);

        x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
        return (x ^ x >> 31) % below;
}

bool play_chance(struct play *play, uint64_t one_in)
{
        return play_draw(play, one_in) == 0;
}

void play_require(struct play *play, bool condition, const char *what)
{
        if (!condition && !play->broken) {
                play->broken = what;
        }
}

/* What there is */

/* A tree: each version is built on one before it, by the same primary or by a new one. */
void play_versions(struct play *play, uint32_t key, uint64_t spread_ms)
{
        struct cmi_session *versions = play->versions[key];

        versions[0] = rig_session(key, 1, 1);
        if (key != 0) {
                rig_belong(&versions[0], (uint8_t)key);
                for (uint8_t node = 1; node <= NODES; node++) {
                        if (play_draw(play, 2) == 0) {
                                rig_carry(&versions[0], node, 1 + play_draw(play, 3));
                        }
                }
        }
        for (uint32_t i = 1; i < VERSIONS; i++) {
                uint32_t parent = (uint32_t)play_draw(play, i);
                struct cmi_session_version next = versions[parent].version;

                versions[i] = versions[parent];
                next.epoch.counter++;
                next.epoch.opener.bytes[0] = (uint8_t)(1 + play_draw(play, 3));
                next.epoch.incarnation = i; /* no two primaries have opened the same one */
                next.seq = 1;
                if (parent == i - 1 && play_draw(play, 2) == 0) {
                        next = versions[parent].version;
                        next.seq++;
                }
                cmi_session_advance(&versions[i], &next);
                versions[i].sealed_base = versions[parent].version;
                versions[i].save_id.bytes[0] = (uint8_t)(i + 1);
                versions[i].blob_len = play_draw(play, 200);
        }
        for (uint32_t i = 0; i < VERSIONS; i++) {
                versions[i].max_end_ms += play_draw(play, spread_ms);
        }
}

struct cmi_session play_copy(struct play *play, uint32_t key)
{
        struct cmi_session session = play->versions[key][play_draw(play, VERSIONS)];

        session.last_touch_ms += play_draw(play, 4) * RIG_MINUTE_MS;
        session.holder.no += play_draw(play, 2);
        session.holder.node.bytes[0] = (uint8_t)(1 + play_draw(play, 2));
        return session;
}

static struct cmi_principal draw_counts(struct play *play)
{
        struct cmi_principal counts = rig_counts((uint8_t)(1 + play_draw(play, KEYS - 1)),
                        (uint8_t)(1 + play_draw(play, NODES)), 1 + play_draw(play, 3));

        counts.counts[0].until_ms += play_draw(play, 3);
        return counts;
}

static struct cmi_tombstone draw_tombstone(struct play *play, uint32_t key, uint64_t n_reasons)
{
        struct cmi_session session = play_copy(play, key);

        return rig_tombstone(&session, 1 + play_draw(play, n_reasons));
}

struct thing play_thing(struct play *play)
{
        struct thing thing = {.way = STORE_COPY, .key = (uint32_t)play_draw(play, KEYS)};
        uint64_t kind = play_draw(play, 12);

        if (kind < 7) {
                thing.session = play_copy(play, thing.key);
        } else if (kind < 11) {
                thing.way = STORE_TOMBSTONE;
                thing.tombstone = draw_tombstone(play, thing.key, play_draw(play, 3) == 0 ? 4 : 2);
        } else {
                thing.way = STORE_PRINCIPAL;
                thing.counts = draw_counts(play);
        }
        return thing;
}

int play_give(struct store_rig *rig, const struct thing *thing)
{
        switch (thing->way) {
        case STORE_COPY:
                return rig_copy(rig, &thing->session);
        case STORE_TOMBSTONE:
                return rig_bury(rig, &thing->tombstone);
        case STORE_PRINCIPAL:
                return rig_count(rig, thing->counts);
        case STORE_CREATE:
        case STORE_SAVE:
        case STORE_HOLD:
        case STORE_END:
        case STORE_ORDERED:
        case STORE_TOUCH:
        case STORE_FENCE:
                break;
        }
        return -1;
}

const char *store_play(uint64_t seed)
{
        struct play *play = calloc(1, sizeof(*play));
        const char *broken;

        play->random = seed;
        play_orders(play);
        play_days(play);
        if (seed % 8 == 0) {
                play_every_order(play);
                play_corners(play);
        }
        broken = play->broken;
        free(play);
        return broken;
}
