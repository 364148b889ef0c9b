/* SPDX-License-Identifier: MIT */
/* What goes wrong, and when. */
#include "tests/sim/world.h"

static uint64_t draw_duration(struct world *world)
{
        uint64_t shortest = world->options.lease_ns / 100;

        return random_duration(&world->random, shortest, world->options.fault_max_ns);
}

static void cut_both(struct world *world, uint32_t a, uint32_t b, uint64_t duration_ns)
{
        network_cut(world, a, b, duration_ns);
        network_cut(world, b, a, duration_ns);
}

static void isolate(struct world *world, uint32_t node, uint64_t duration_ns)
{
        for (uint32_t i = 0; i < world->options.n_nodes; i++) {
                if (i != node) {
                        cut_both(world, node, i, duration_ns);
                }
        }
}

static void break_one(struct world *world)
{
        struct connection *connection;
        uint32_t n = 0;

        for (connection = world->connections; connection; connection = connection->next) {
                n += connection->is_attached ? 1 : 0;
        }
        n = (uint32_t)random_below(&world->random, n);
        for (connection = world->connections; connection; connection = connection->next) {
                if (connection->is_attached && n-- == 0) {
                        network_break(world, connection);
                        return;
                }
        }
}

/* A clock that is set back on a host that is then suspended hides the suspension; nobody
 * promises anything there. */
static void step_clock(struct node *node)
{
        struct world *world = node->world;
        int64_t step = (int64_t)random_duration(
                        &world->random, CMI_NS_PER_MS, 10 * world->options.lease_ns);

        if (world->options.weights[FAULT_SUSPEND] == 0 && random_chance(&world->random, 500000)) {
                step = -step;
        }
        trace(world, "%s: the real-time clock jumps by %.6f s", node->name, (double)step / 1e9);
        node->real_step_ns += step;
        node->undisturbed_ns = NEVER; /* the core takes it for a suspension */
}

/* One declares the other gone, and dies about the time at which it could hear of it again. */
static void drop_and_kill(struct world *world, struct node *node, uint32_t other)
{
        const struct options *options = &world->options;
        uint64_t cut = options->gone_ns + random_duration(&world->random, options->lease_ns / 8,
                                                          2 * options->lease_ns);
        uint64_t kill = cut - random_below(&world->random, options->lease_ns / 4);

        if (random_chance(&world->random, 500000)) {
                network_cut(world, node->index, other, cut);
        }
        network_cut(world, other, node->index, cut);
        world_add(world, kill, EVENT_KILL, node->index, node->life, NULL);
}

/* It comes back while its apps are served by its old page, and perhaps leaves at once. */
void nemesis_kill_event(struct node *node, uint64_t life)
{
        struct world *world = node->world;
        uint64_t lease_ns = world->options.lease_ns;

        if (!node->is_up || node->life != life || world->stage != STAGE_CHAOS) {
                return;
        }
        node_kill(node, false);
        world_add(world, random_duration(&world->random, 100000, lease_ns / 4), EVENT_START,
                        node->index, node->host_life, NULL);
        if (random_chance(&world->random, 500000)) {
                world_add(world, random_duration(&world->random, lease_ns / 20, lease_ns / 2),
                                EVENT_LEAVE, node->index, life + 1, NULL);
        }
}

void nemesis_leave_event(struct node *node, uint64_t life)
{
        if (node->life == life && node->world->stage == STAGE_CHAOS) {
                node_clean_stop(node);
        }
}

static enum fault draw_fault(struct world *world)
{
        uint32_t sum = 0;
        uint32_t at;
        uint32_t fault = 0;

        for (uint32_t i = 0; i < FAULT_KINDS; i++) {
                sum += world->options.weights[i];
        }
        if (sum == 0) {
                return FAULT_KINDS;
        }
        at = (uint32_t)random_below(&world->random, sum);
        while (at >= world->options.weights[fault]) {
                at -= world->options.weights[fault++];
        }
        return fault;
}

static void strike(struct world *world, enum fault fault, struct node *node, uint32_t other)
{
        uint64_t duration_ns = draw_duration(world);

        switch (fault) {
        case FAULT_CUT:
                cut_both(world, node->index, other, duration_ns);
                break;
        case FAULT_CUT_ONE_WAY:
                network_cut(world, node->index, other, duration_ns);
                break;
        case FAULT_ISOLATE:
                isolate(world, node->index, duration_ns);
                break;
        case FAULT_BREAK:
                break_one(world);
                break;
        case FAULT_STOP:
                node_pause(node, duration_ns);
                break;
        case FAULT_FREEZE:
                node_freeze(node, duration_ns, false);
                break;
        case FAULT_SUSPEND:
                node_freeze(node, duration_ns, true);
                break;
        case FAULT_KILL:
        case FAULT_KILL_LOG:
                if (random_chance(&world->random, 300000)) {
                        nemesis_kill_event(node, node->life);
                } else if (node->is_up) {
                        node_kill(node, fault == FAULT_KILL_LOG);
                        node_start_later(node);
                }
                break;
        case FAULT_DROP_KILL:
                drop_and_kill(world, node, other);
                break;
        case FAULT_CRASH:
                node_crash(node);
                node_start_later(node);
                break;
        case FAULT_CLEAN_STOP:
                node_clean_stop(node);
                break;
        case FAULT_CLOCK_STEP:
                step_clock(node);
                break;
        case FAULT_KINDS:
                break;
        }
}

void nemesis_fault_event(struct world *world)
{
        uint64_t mean = world->options.fault_ns;
        uint32_t n = world->options.n_nodes;
        uint32_t node = (uint32_t)random_below(&world->random, n);
        uint32_t other = (node + 1 + (uint32_t)random_below(&world->random, n - 1)) % n;

        if (world->stage != STAGE_CHAOS) {
                return;
        }
        world->tally.n_faults++;
        strike(world, draw_fault(world), &world->nodes[node], other);
        world_add(world, random_between(&world->random, mean / 4, mean * 7 / 4), EVENT_FAULT, 0, 0,
                        NULL);
}

static void wake(struct node *node)
{
        struct world *world = node->world;

        node->n_stops = 0;
        node->n_freezes = 0;
        if (node->is_suspended) {
                node->suspended_ns += world->now_ns - node->suspended_since_ns;
                node->is_suspended = false;
        }
        node_start(node);
        node_wake(node);
}

void nemesis_heal_all(struct world *world)
{
        for (uint32_t i = 0; i < world->options.n_nodes; i++) {
                for (uint32_t j = 0; j < world->options.n_nodes; j++) {
                        while (world->cuts[i][j] > 0) {
                                network_heal(world, i, j);
                        }
                }
        }
        for (uint32_t i = 0; i < world->options.n_nodes; i++) {
                wake(&world->nodes[i]);
        }
}
