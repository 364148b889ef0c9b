/* SPDX-License-Identifier: MIT */
/*
 * The database, and what a hit may return. Times are true ones, so the judge is exact:
 *
 * C1  A read that begins after a wait for version v has returned 0 returns v or newer. Exempt is a
 *     node that has left in order, comes back behind a partition and declares the writer gone: the
 *     writer rightly waits for it no more. Where no lease is needed that lasts until each hears the
 *     other again.
 * C2  A hit at t returns every version that was published one lease length before t, counted on the
 *     reader's clock; also when the publisher died at once. Exempt are versions published by a node
 *     that was at that time declared gone (or had left, or was never met) by the reader's meshd,
 *     and was so still when the read began: bounded regions do not promise those. Nor what a node
 *     published that was not LIVE and had no place in the table of the reader's meshd, until it has
 *     one: it waits in its log.
 * C3  A process never hits an older version than it has hit, stored, or announced itself (C4).
 * C13 While an intent is open that every node has confirmed, nobody serves its keys; a version that
 *     its owner commits meanwhile counts as acknowledged from the commit on, whatever becomes of
 *     the owner (C14: until its end is told, or its deadline is over, and not earlier). Exempt is
 *     a node whose host lost what it knew of the intent, when nobody who knows it can tell it; and
 *     one that had left and come back unnoticed, when the origin's host lost it before they met.
 * C6  No hit without a lease, and none on a page whose meshd has said goodbye.
 *
 * Sources that lag: an old version may be loaded from them after everything was forgotten. Exempt
 * from C1 and C2 is what a node published that lost its log after that, on nodes that had not met
 * it before: they do not know that it was held.
 *
 * Regions that are served by their TTL have no C2 and need no lease, but end with the TTL (C6).
 */
#include "tests/sim/world.h"

#include <stdlib.h>

static void *grow(void *memory, uint64_t *capacity, size_t size)
{
        *capacity = *capacity ? 2 * *capacity : 64;
        memory = realloc(memory, *capacity * size);
        if (!memory) {
                abort();
        }
        return memory;
}

uint64_t judge_commit(struct world *world, uint32_t index)
{
        struct key *key = &world->keys[index];

        key->newest++;
        if (key->newest >= key->capacity) {
                key->versions = grow(key->versions, &key->capacity, sizeof(*key->versions));
        }
        key->versions[key->newest] =
                        (struct version){.committed_ns = world->now_ns, .published_ns = NEVER};
        trace(world, "key %u: version %llu is committed", index, (unsigned long long)key->newest);
        return key->newest;
}

/* The source of loads may lag behind what was committed. */
uint64_t judge_newest(const struct world *world, uint32_t index)
{
        const struct key *key = &world->keys[index];
        uint64_t version = key->newest;

        while (version > 1 && key->versions[version].committed_ns + world->options.lag_ns >
                                              world->now_ns) {
                version--;
        }
        return version;
}

void judge_init(struct world *world)
{
        for (uint32_t i = 0; i < world->options.n_keys; i++) {
                world->keys[i].newest = 0;
                world->keys[i].n_published = 1;
                world->keys[i].n_acknowledged = 0;
                world->keys[i].n_held = 0;
                judge_commit(world, i);
                world->keys[i].versions[0] = (struct version){0};
                world->keys[i].versions[1] = (struct version){0};
        }
}

void judge_published(struct world *world, const struct sim_write *write, uint32_t origin)
{
        for (uint32_t i = 0; i < world->options.n_keys; i++) {
                struct key *key = &world->keys[i];

                if (!(write->keys & 1u << i)) {
                        continue;
                }
                while (key->n_published <= write->versions[i]) {
                        struct version *version = &key->versions[key->n_published++];

                        version->published_ns = world->now_ns;
                        version->origin = origin;
                        version->left_out = uneven_left_out(world, origin);
                }
        }
}

static void acknowledge(struct key *key, struct acknowledged acknowledged)
{
        uint64_t n = key->n_acknowledged;

        if (n > 0 && key->acknowledged[n - 1].version >= acknowledged.version) {
                return;
        }
        if (n == key->acknowledged_capacity) {
                key->acknowledged = grow(key->acknowledged, &key->acknowledged_capacity,
                                sizeof(*key->acknowledged));
        }
        key->acknowledged[key->n_acknowledged++] = acknowledged;
}

void judge_acknowledged(struct world *world, const struct sim_write *write)
{
        world->tally.n_acknowledged++;
        for (uint32_t i = 0; i < world->options.n_keys; i++) {
                if (write->keys & 1u << i) {
                        acknowledge(&world->keys[i],
                                        (struct acknowledged){
                                                        .at_ns = world->now_ns,
                                                        .version = write->versions[i],
                                                        .held_ns = NEVER,
                                                        .origin = write->app->node->index,
                                                        .left = write->left,
                                        });
                }
        }
}

void judge_intent(struct world *world, const struct sim_write *write)
{
        for (uint32_t i = 0; i < world->options.n_keys; i++) {
                struct key *key = &world->keys[i];

                if (write->keys & 1u << i) {
                        key->held[key->n_held++ % HELD_MAX] = (struct held){
                                        .known_ns = write->published_ns,
                                        .from_ns = world->now_ns,
                                        .until_ns = write->published_ns + write->deadline_ns,
                                        .place = write->place,
                                        .origin = write->app->node->index,
                                        .left = write->left,
                        };
                }
        }
}

static uint64_t n_held(const struct key *key)
{
        return key->n_held < HELD_MAX ? key->n_held : HELD_MAX;
}

void judge_intent_ended(struct world *world, const struct sim_write *write)
{
        for (uint32_t i = 0; i < world->options.n_keys; i++) {
                struct key *key = &world->keys[i];

                for (uint64_t h = 0; h < n_held(key); h++) {
                        struct held *held = &key->held[h];

                        if (held->place.stream == write->place.stream &&
                                        held->place.number == write->place.number &&
                                        held->until_ns > world->now_ns) {
                                held->until_ns = world->now_ns;
                        }
                }
        }
}

void judge_intent_committed(struct world *world, const struct event *event)
{
        struct key *key = &world->keys[event->b & 0xff];
        uint64_t held_ns = world->now_ns;

        for (uint64_t h = 0; h < n_held(key); h++) {
                const struct held *held = &key->held[h];

                if (held->origin == event->a && world->now_ns <= held->until_ns &&
                                held->known_ns < held_ns) {
                        held_ns = held->known_ns;
                }
        }
        judge_commit(world, event->b & 0xff);
        acknowledge(key, (struct acknowledged){
                                         .at_ns = world->now_ns,
                                         .version = key->newest,
                                         .held_ns = held_ns,
                                         .origin = event->a,
                                         .left = (uint32_t)(event->b >> 8),
                         });
}

static bool is_gone(const struct sim_reader *reader, uint32_t node)
{
        uint32_t parted = reader->parted | reader->page->parted;

        return reader->gone_ns[node] != NEVER || reader->page->gone_ns[node] != NEVER ||
               (reader->get.is_ttl && parted & 1u << node);
}

/* It left, came back behind a partition, and knows nothing of the origin but that it is silent. */
static bool is_beyond(const struct sim_reader *reader, uint32_t origin, uint32_t left)
{
        return (left & 1u << reader->app->node->index) && is_gone(reader, origin);
}

/* Likewise, and the origin's host lost what it knew of this intent before they met. */
static bool is_unmet(
                const struct sim_reader *reader, uint64_t held_ns, uint32_t origin, uint32_t left)
{
        return (left & 1u << reader->app->node->index) && held_ns != NEVER &&
               reader->app->node->world->nodes[origin].lost_ns > held_ns;
}

/* Its host lost what it knew of this intent, and there is nobody left who could tell it. */
static bool is_untold(const struct sim_reader *reader, uint64_t held_ns, uint32_t left)
{
        const struct node *node = reader->app->node;

        for (uint32_t i = 0; i < node->world->options.n_nodes; i++) {
                const struct node *other = &node->world->nodes[i];

                if (other->lost_ns < held_ns && !(left & 1u << i) &&
                                (other == node || !is_gone(reader, i))) {
                        return false;
                }
        }
        return held_ns != NEVER;
}

static void check_held(struct world *world, const struct sim_reader *reader)
{
        const struct key *key = &world->keys[reader->key];

        for (uint64_t h = 0; h < n_held(key); h++) {
                const struct held *held = &key->held[h];

                if (held->from_ns < reader->started_ns && world->now_ns < held->until_ns &&
                                !is_beyond(reader, held->origin, held->left) &&
                                !is_unmet(reader, held->known_ns, held->origin, held->left) &&
                                !is_untold(reader, held->known_ns, held->left)) {
                        violation(world,
                                        "C13 %s: app %u hits key %u, which intent %llu of node%u "
                                        "has held for %.6f s and will for %.6f s",
                                        reader->app->node->name, reader->app->index, reader->key,
                                        (unsigned long long)held->place.number, held->origin,
                                        (double)(reader->started_ns - held->from_ns) / 1e9,
                                        (double)(held->until_ns - world->now_ns) / 1e9);
                        return;
                }
        }
}

/* What its node lost, who had not met it before knows nothing of, nor that it was held. */
static bool is_unheld(const struct sim_reader *reader, uint64_t version)
{
        const struct node *node = reader->app->node;
        const struct version *lost = &node->world->keys[reader->key].versions[version];

        return node->world->options.lag_ns > 0 &&
               node->world->nodes[lost->origin].lost_ns > lost->published_ns &&
               node->met_ns[lost->origin] > lost->published_ns;
}

/* It waits in the log of a node that was not LIVE and had no place here, and has none yet. */
static bool is_left_out(const struct sim_reader *reader, const struct version *version)
{
        uint64_t met_ns = reader->page->met_ns[version->origin];

        return (version->left_out & 1u << reader->app->node->index) &&
               (met_ns < version->published_ns || met_ns >= reader->started_ns);
}

static bool is_exempt(const struct sim_reader *reader, const struct acknowledged *acknowledged)
{
        return is_unheld(reader, acknowledged->version) ||
               is_beyond(reader, acknowledged->origin, acknowledged->left) ||
               is_unmet(reader, acknowledged->held_ns, acknowledged->origin, acknowledged->left) ||
               is_untold(reader, acknowledged->held_ns, acknowledged->left);
}

static void check_acknowledged(struct world *world, const struct sim_reader *reader)
{
        const struct key *key = &world->keys[reader->key];
        uint64_t n = key->n_acknowledged;

        while (n > 0 && (key->acknowledged[n - 1].at_ns >= reader->started_ns ||
                                        is_exempt(reader, &key->acknowledged[n - 1]))) {
                n--;
        }
        if (n > 0 && key->acknowledged[n - 1].version > reader->get.entry.version) {
                violation(world,
                                "C1 %s: app %u reads version %llu of key %u, but %llu was "
                                "acknowledged %.6f s before the read",
                                reader->app->node->name, reader->app->index,
                                (unsigned long long)reader->get.entry.version, reader->key,
                                (unsigned long long)key->acknowledged[n - 1].version,
                                (double)(reader->started_ns - key->acknowledged[n - 1].at_ns) /
                                                1e9);
        }
}

static void check_staleness(struct world *world, const struct sim_reader *reader)
{
        const struct key *key = &world->keys[reader->key];
        int64_t ppm = reader->app->node->drift_ppm;
        uint64_t lease_ns = (uint64_t)((double)world->options.lease_ns * 1e6 / (1e6 + (double)ppm));

        for (uint64_t v = reader->get.entry.version + 1; v < key->n_published; v++) {
                const struct version *version = &key->versions[v];

                if (!is_unheld(reader, v) &&
                                version->published_ns + lease_ns + CMI_NS_PER_US < world->now_ns &&
                                !is_left_out(reader, version) &&
                                reader->gone_ns[version->origin] > version->published_ns &&
                                reader->page->gone_ns[version->origin] > version->published_ns) {
                        violation(world,
                                        "C2 %s: app %u reads version %llu of key %u, but node%u "
                                        "published %llu %.6f s ago",
                                        reader->app->node->name, reader->app->index,
                                        (unsigned long long)reader->get.entry.version, reader->key,
                                        version->origin, (unsigned long long)v,
                                        (double)(world->now_ns - version->published_ns) / 1e9);
                        return;
                }
        }
}

static uint64_t later(uint64_t a, uint64_t b)
{
        return a > b ? a : b;
}

static void check_lease(
                struct world *world, const struct sim_reader *reader, struct cmi_time precise)
{
        const struct cmi_page *page = reader->page->memory;
        const char *name = reader->app->node->name;

        if (reader->get.is_ttl) {
                if (precise.mono_ns >= reader->get.entry.expires_ns &&
                                precise.mono_ns - reader->get.entry.expires_ns >=
                                                reader->get.tick_ns) {
                        violation(world, "C6 %s: a hit after its TTL", name);
                }
        } else if (precise.mono_ns >= later(reader->lease_end.mono_ns, page->lease_end_mono_ns) ||
                        precise.real_ns >=
                                        later(reader->lease_end.real_ns, page->lease_end_real_ns)) {
                violation(world, "C6 %s: a hit without a lease", name);
        }
        if (reader->get.entry.token.epoch != page->epoch) {
                violation(world, "C6 %s: a hit of another epoch", name);
        }
        if (reader->page->closed_ns < reader->started_ns) {
                violation(world, "C6 %s: a hit after the goodbye", name);
        }
}

void judge_hit(struct world *world, const struct sim_reader *reader, struct cmi_time precise)
{
        check_held(world, reader);
        check_acknowledged(world, reader);
        if (!reader->get.is_ttl) {
                check_staleness(world, reader);
        }
        check_lease(world, reader, precise);
        if (reader->get.entry.version < reader->least) {
                violation(world,
                                "C3 %s: app %u has seen version %llu of key %u, and now reads %llu",
                                reader->app->node->name, reader->app->index,
                                (unsigned long long)reader->least, reader->key,
                                (unsigned long long)reader->get.entry.version);
        }
}

void judge_free(struct world *world)
{
        for (uint32_t i = 0; i < KEYS_MAX; i++) {
                free(world->keys[i].versions);
                free(world->keys[i].acknowledged);
                world->keys[i] = (struct key){0};
        }
}
