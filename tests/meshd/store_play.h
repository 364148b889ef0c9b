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
        uint64_t late_ms; /* when the orders are given */
        uint64_t n_drawn; /* so that no two saves are the same */
        /* Days: what may never be seen again. */
        bool is_dead[STORES][KEYS];
        bool is_told[STORES][KEYS]; /* and was heard of while the clock was right */
        uint64_t counts[STORES][KEYS][NODES + 1];
        struct cmi_session_version newest[STORES][KEYS];
        struct cmi_session_epoch fences[STORES][KEYS];
};

uint64_t play_draw(struct play *play, uint64_t below);
bool play_chance(struct play *play, uint64_t one_in);
void play_require(struct play *play, bool condition, const char *what);
/* A tree of versions of a key, whose ends differ by less than @spread_ms. */
void play_versions(struct play *play, uint32_t key, uint64_t spread_ms);
struct cmi_session play_copy(struct play *play, uint32_t key);
struct thing play_thing(struct play *play);
int play_give(struct store_rig *rig, const struct thing *thing);

/* store_orders.c */
void play_orders(struct play *play);
void play_every_order(struct play *play);

/* store_steps.c: one change of a day, by somebody who may not be right. */
void play_step(struct play *play, uint32_t store);
/* All that one store passes on goes to the other. */
void play_exchange(struct play *play, uint32_t from, uint32_t to);

/* store_days.c */
void play_days(struct play *play);

/* store_corners.c: what days come by too rarely. */
void play_corners(struct play *play);
