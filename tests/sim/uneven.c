/* SPDX-License-Identifier: MIT */
/*
 * Options that differ between nodes, or change at a restart: how long silence lasts until a member
 * is gone (also of one node from start to start), the length of a lease (of the whole mesh at once,
 * since nodes with unequal ones refuse each other), and room for too few members (what such a node
 * need not know is in judge.c). What a mesh needs to become whole is set right when all is healed.
 */
#include "tests/sim/world.h"

/* The same whenever a node asks, also when a script is shortened, unless each start has its own: an
 * extreme one, since the difference is what matters. */
uint64_t uneven_gone_ns(const struct node *node)
{
        const struct options *options = &node->world->options;
        uint64_t start = options->uneven_starts > 0 ? node->life * 1000003 : 0;
        struct random random = {node->world->seed * 31 + node->index + start};

        random_next(&random);
        if (options->uneven_starts > 0) {
                return options->gone_ns *
                       (random_chance(&random, 500000) ? 1 + options->uneven_gone : 1);
        }
        return options->gone_ns * (1 + random_below(&random, options->uneven_gone + 1));
}

uint64_t uneven_gone_most_ns(const struct options *options)
{
        return options->gone_ns * (1 + options->uneven_gone);
}

uint64_t uneven_lease_ns(const struct node *node)
{
        return node->world->options.lease_ns / (node->lease_part > 0 ? node->lease_part : 1);
}

uint32_t uneven_max_peers(const struct node *node)
{
        return node->room > 0 ? node->room : PEERS_MAX;
}

void uneven_keep_lease(struct node *node, uint64_t lease_ns)
{
        if (!node->is_obituary) {
                node->disk_lease_ns = lease_ns;
        }
}

void uneven_keep_gone(struct node *node)
{
        node->disk_gone_ns = log_gone_ns(&node->log);
}

void uneven_configure(struct node *node, const struct act *act)
{
        if (act->configure.lease >= 0 && act->configure.lease <= 4 && act->configure.room >= 0 &&
                        act->configure.room <= PEERS_MAX) {
                node->lease_part = (uint32_t)act->configure.lease;
                node->room = (uint32_t)act->configure.room;
        }
}

static void configure(struct node *node, int64_t lease_part, int64_t room)
{
        struct act act = {.at_ns = node->world->now_ns,
                        .kind = ACT_CONFIGURE,
                        .node = node->index,
                        .configure = {lease_part, room}};

        act_do(node->world, &act);
}

static void kill_and_start(struct node *node)
{
        struct world *world = node->world;
        struct act act = {.at_ns = world->now_ns, .kind = ACT_KILL, .node = node->index};

        if (node->is_up) {
                act_do(world, &act);
        }
        world_add(world, random_duration(&world->more, 100000, world->options.lease_ns / 8),
                        EVENT_START, node->index, node->host_life, NULL);
}

/* Somebody has edited the unit of every node, and none of them ends in order. */
static void shorten_leases(struct world *world)
{
        for (uint32_t i = 0; i < world->options.n_nodes; i++) {
                configure(&world->nodes[i], world->options.uneven_lease, world->nodes[i].room);
                kill_and_start(&world->nodes[i]);
        }
}

static void take_room(struct world *world)
{
        uint32_t n = world->options.n_nodes;
        struct node *node = &world->nodes[random_below(&world->more, n)];
        uint64_t room = random_chance(&world->more, 700000) ? random_between(&world->more, 1, n - 2)
                                                            : 0;

        configure(node, node->lease_part, (int64_t)room);
        kill_and_start(node);
}

static void cut(struct node *node, uint32_t to, uint64_t for_ns)
{
        struct act act = {.at_ns = node->world->now_ns,
                        .kind = ACT_CUT,
                        .node = node->index,
                        .cut = {.to = to, .for_ns = (int64_t)for_ns}};

        act_do(node->world, &act);
}

/* A partition is on, and somebody has edited the unit of a node that is alone in its part. */
static void change_patience(struct world *world)
{
        const struct options *options = &world->options;
        uint32_t index = (uint32_t)random_below(&world->more, options->n_nodes);

        for (uint32_t i = 0; i < options->n_nodes; i++) {
                if (i != index) {
                        cut(&world->nodes[index], i, uneven_gone_most_ns(options));
                        cut(&world->nodes[i], index, uneven_gone_most_ns(options));
                }
        }
        kill_and_start(&world->nodes[index]);
}

void uneven_event(struct world *world)
{
        const struct options *options = &world->options;

        if (world->stage != STAGE_CHAOS) {
                return;
        }
        if (options->uneven_lease > 0 && world->nodes[0].lease_part == 0) {
                shorten_leases(world);
        }
        if (options->uneven_room > 0) {
                take_room(world);
        }
        if (options->uneven_starts > 0) {
                change_patience(world);
        }
        world_add(world, random_between(&world->more, options->chaos_ns / 8, options->chaos_ns / 3),
                        EVENT_UNEVEN, 0, 0, NULL);
}

bool uneven_has_place(const struct node *node, const struct node *other)
{
        struct core_member member;

        for (uint32_t i = 0; core_member(node->core, node_clock(node), i, &member) == 0; i++) {
                if (cmi_id_equal(&member.id, &other->id)) {
                        return true;
                }
        }
        return node == other;
}

uint32_t uneven_left_out(const struct world *world, uint32_t index)
{
        const struct node *other = &world->nodes[index];
        uint32_t bits = 0;

        for (uint32_t i = 0; i < world->options.n_nodes && !audit_is_live(other); i++) {
                const struct node *node = &world->nodes[i];

                bits |= (uint32_t)(node->is_up && !uneven_has_place(node, other)) << i;
        }
        return bits;
}

void uneven_heal(struct node *node)
{
        if (node->room > 0) {
                node->room = 0;
                node_kill(node, false);
        }
}
