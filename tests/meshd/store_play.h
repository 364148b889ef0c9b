/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Random plays against several stores. What must hold is in store_orders.c and store_days.c; a
 * planted bug must break it, and the store without one must not.
 */
#include "tests/meshd/store_rig.h"

/**
 * store_play() - one play
 * @seed: the same seed is the same play
 *
 * Return: NULL, or what was broken first (static text).
 */
const char *store_play(uint64_t seed);

/* For the plays themselves. */

#define KEYS 3
#define VERSIONS 6 /* of a key */
#define THINGS_MAX 48
#define STORES 4
#define NODES 3

/* One thing that can be merged. */
struct thing {
        enum store_way way; /* COPY, TOMBSTONE, PRINCIPAL */
        uint32_t key;
        struct cmi_session session;
        struct cmi_tombstone tombstone;
        struct cmi_principal counts;
};

struct play {
        uint64_t random;
        const char *broken;
        struct store_rig rigs[STORES];
        struct cmi_session versions[KEYS][VERSIONS];
        struct thing things[THINGS_MAX];
        uint32_t n_things;
        /* Days: what may never be seen again. */
        bool is_dead[STORES][KEYS];
        struct cmi_session_version newest[STORES][KEYS];
};

uint64_t play_draw(struct play *play, uint64_t below);
void play_require(struct play *play, bool condition, const char *what);
uint64_t play_now_ms(const struct store_rig *rig);
/* A tree of versions of a key, whose ends differ by less than @spread_ms. */
void play_versions(struct play *play, uint32_t key, uint64_t spread_ms);
struct cmi_session play_copy(struct play *play, uint32_t key);
struct thing play_thing(struct play *play);
int play_give(struct store_rig *rig, const struct thing *thing);

/* store_orders.c */
void play_orders(struct play *play);
void play_every_order(struct play *play);

/* store_days.c */
void play_days(struct play *play);
void play_margin(struct play *play);
void play_room(struct play *play);
