/* SPDX-License-Identifier: MIT */
/* What goes wrong, and when: draws the faults of a seed. A script has its own. */
#include "tests/sim/world.h"

static void act(struct node *node, struct act act)
{
        act.at_ns = node->world->now_ns;
        act.node = node->index;
        act_do(node->world, &act);
}

static int64_t draw_duration(struct world *world)
{
        uint64_t shortest = world->options.lease_ns / 100;

        return (int64_t)random_duration(&world->plan, shortest, world->options.fault_max_ns);
}

static void cut(struct world *world, uint32_t from, uint32_t to, int64_t for_ns)
{
        act(&world->nodes[from],
                        (struct act){.kind = ACT_CUT, .cut = {.to = to, .for_ns = for_ns}});
}

static void cut_both(struct world *world, uint32_t a, uint32_t b, int64_t for_ns)
{
        cut(world, a, b, for_ns);
        cut(world, b, a, for_ns);
}

static void isolate(struct world *world, uint32_t node, int64_t for_ns)
{
        for (uint32_t i = 0; i < world->options.n_nodes; i++) {
                if (i != node) {
                        cut_both(world, node, i, for_ns);
                }
        }
}

static void break_connection(struct world *world, const struct connection *connection)
{
        act(&world->nodes[connection->from],
                        (struct act){.kind = ACT_BREAK,
                                        .broken = {connection->to, connection->link}});
}

static void break_any(struct world *world)
{
        struct connection *connection;
        uint32_t n = 0;

        for (connection = world->connections; connection; connection = connection->next) {
                n += connection->is_attached ? 1 : 0;
        }
        n = (uint32_t)random_below(&world->plan, n);
        for (connection = world->connections; connection; connection = connection->next) {
                if (connection->is_attached && n-- == 0) {
                        break_connection(world, connection);
                        return;
                }
        }
}

void nemesis_sent(struct world *world, struct connection *connection)
{
        uint64_t most = world->options.latency_ns + world->options.jitter_ns;

        if (!world->script && world->stage == STAGE_CHAOS &&
                        random_chance(&world->plan, world->options.break_ppm)) {
                world_add(world, random_below(&world->plan, most), EVENT_BREAK,
                                NETWORK_BREAK_ANYWAY, 0, connection);
        }
}

void nemesis_break_event(struct world *world, struct connection *connection)
{
        if (connection->is_attached) {
                break_connection(world, connection);
        }
}

/* A clock that is set back on a host that is then suspended hides the suspension; nobody
 * promises anything there. */
static void step_clock(struct node *node)
{
        struct world *world = node->world;
        int64_t step = (int64_t)random_duration(
                        &world->plan, CMI_NS_PER_MS, 10 * world->options.lease_ns);

        if (world->options.weights[FAULT_SUSPEND] == 0 && random_chance(&world->plan, 500000)) {
                step = -step;
        }
        act(node, (struct act){.kind = ACT_STEP, .step = {step}});
}

/* One declares the other gone, and dies about the time at which it could hear of it again. */
static void drop_and_kill(struct world *world, struct node *node, uint32_t other)
{
        const struct options *options = &world->options;
        uint64_t length = options->gone_ns + random_duration(&world->plan, options->lease_ns / 8,
                                                             2 * options->lease_ns);
        uint64_t kill = length - random_below(&world->plan, options->lease_ns / 4);

        if (random_chance(&world->plan, 500000)) {
                cut(world, node->index, other, (int64_t)length);
        }
        cut(world, other, node->index, (int64_t)length);
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
        act(node, (struct act){.kind = ACT_KILL});
        world_add(world, random_duration(&world->plan, 100000, lease_ns / 4), EVENT_START,
                        node->index, node->host_life, NULL);
        if (random_chance(&world->plan, 500000)) {
                world_add(world, random_duration(&world->plan, lease_ns / 20, lease_ns / 2),
                                EVENT_LEAVE, node->index, life + 1, NULL);
        }
}

void nemesis_leave_event(struct node *node, uint64_t life)
{
        if (node->life == life && node->world->stage == STAGE_CHAOS) {
                act(node, (struct act){.kind = ACT_LEAVE});
        }
}

void nemesis_start_event(struct node *node, uint64_t host_life)
{
        if (node->host_life != host_life || node->is_up) {
                return;
        }
        if (node->life == 0 || node->world->stage > STAGE_CHAOS) {
                node_start(node);
        } else {
                act(node, (struct act){.kind = ACT_START});
        }
}

static bool is_tearable(const struct node *node, const struct call *call)
{
        return call->kind == CALL_PUBLISH && call->write->stage == WRITE_HANDED &&
               call->write->intent != INTENT_BEGINS && node->stopping == STOP_NO;
}

/*
 * Most calls use no sink, so an interruption that is chosen waits for one that does. A call that an
 * act makes is left alone: the interruption would be noted behind the act, and be played behind it.
 */
void nemesis_calls(struct node *node, const struct call *call)
{
        struct world *world = node->world;
        const struct options *options = &world->options;

        if (world->script || world->stage != STAGE_CHAOS) {
                return;
        }
        if (is_tearable(node, call) && random_chance(&world->plan, options->tear_ppm) &&
                        !world->is_acting) {
                act(node, (struct act){.kind = ACT_TEAR});
                return;
        }
        if (node->interrupt_at == 0 && random_chance(&world->plan, options->interrupt_ppm) &&
                        !world->is_acting) {
                struct act interruption = {.kind = ACT_INTERRUPT};

                interruption.interrupt.at_sink = (int64_t)random_between(&world->plan, 1, 8);
                if (!random_chance(&world->plan, 300000)) {
                        interruption.interrupt.for_ns = (int64_t)random_duration(
                                        &world->plan, 100000, 2 * options->lease_ns);
                }
                act(node, interruption);
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
        at = (uint32_t)random_below(&world->plan, sum);
        while (at >= world->options.weights[fault]) {
                at -= world->options.weights[fault++];
        }
        return fault;
}

/* Whoever looks after the host lets another one speak for it. */
static void speak_later(struct node *node, struct act fault)
{
        struct world *world = node->world;
        const struct options *options = &world->options;

        if (fault.kind == ACT_KILL && options->obituary_ppm > 0 &&
                        random_chance(&world->more, options->obituary_ppm)) {
                world_add(world, random_duration(&world->more, 100000, options->lease_ns / 2),
                                EVENT_OBITUARY, node->index, node->life, NULL);
        }
}

void nemesis_obituary_event(struct node *node, uint64_t life)
{
        if (node->life == life && !node->is_up && node->world->stage == STAGE_CHAOS) {
                act(node, (struct act){.kind = ACT_OBITUARY});
        }
}

/* Another meshd comes, answers and ends while an app is stopped that keeps what it has. */
static void replace_unseen(struct world *world, struct node *node, int64_t app)
{
        struct random *more = &world->more;
        uint64_t lease_ns = world->options.lease_ns;
        uint64_t end_ns = random_between(more, 2 * lease_ns, 5 * lease_ns);
        int64_t for_ns = (int64_t)(end_ns + random_below(more, lease_ns / 20));

        act(node, (struct act){.kind = ACT_HALT, .halt = {app, for_ns}});
        act(node, (struct act){.kind = ACT_KILL});
        world_add(world, random_duration(more, 100000, lease_ns / 4), EVENT_START, node->index,
                        node->host_life, NULL);
        world_add(world, end_ns, random_chance(more, 500000) ? EVENT_LEAVE : EVENT_KILL,
                        node->index, node->life + 1, NULL);
}

/* An app dies, or is stopped while its meshd goes on. */
void nemesis_app_event(struct world *world)
{
        const struct options *options = &world->options;
        struct random *more = &world->more;
        struct node *node = &world->nodes[random_below(more, options->n_nodes)];
        int64_t app = (int64_t)random_below(more, options->n_apps);

        if (world->stage != STAGE_CHAOS) {
                return;
        }
        if (options->n_ttl > 0 && node->is_up && random_chance(more, 200000)) {
                replace_unseen(world, node, app);
        } else if (random_chance(more, 500000)) {
                act(node, (struct act){.kind = ACT_QUIT, .drop = {app}});
        } else {
                uint64_t for_ns = random_duration(
                                more, options->lease_ns / 10, 10 * options->lease_ns);

                act(node, (struct act){.kind = ACT_HALT, .halt = {app, (int64_t)for_ns}});
        }
        world_add(world, random_between(more, options->quit_ns / 2, options->quit_ns * 3 / 2),
                        EVENT_APP, 0, 0, NULL);
}

static void kill_and_start(struct node *node, struct act fault)
{
        if (node->is_up || fault.kind == ACT_CRASH) {
                act(node, fault);
                node_start_later(node);
                speak_later(node, fault);
        }
}

static void strike(struct world *world, enum fault fault, struct node *node, uint32_t other)
{
        int64_t for_ns = draw_duration(world);

        switch (fault) {
        case FAULT_CUT:
                cut_both(world, node->index, other, for_ns);
                break;
        case FAULT_CUT_ONE_WAY:
                cut(world, node->index, other, for_ns);
                break;
        case FAULT_ISOLATE:
                isolate(world, node->index, for_ns);
                break;
        case FAULT_BREAK:
                break_any(world);
                break;
        case FAULT_STOP:
                act(node, (struct act){.kind = ACT_STOP, .pause = {for_ns}});
                break;
        case FAULT_FREEZE:
                act(node, (struct act){.kind = ACT_FREEZE, .pause = {for_ns}});
                break;
        case FAULT_SUSPEND:
                act(node, (struct act){.kind = ACT_SUSPEND, .pause = {for_ns}});
                break;
        case FAULT_KILL:
        case FAULT_KILL_LOG:
                if (random_chance(&world->plan, 300000)) {
                        nemesis_kill_event(node, node->life);
                } else {
                        kill_and_start(node, (struct act){.kind = ACT_KILL,
                                                             .kill = {fault == FAULT_KILL_LOG}});
                }
                break;
        case FAULT_DROP_KILL:
                drop_and_kill(world, node, other);
                break;
        case FAULT_CRASH:
                kill_and_start(node, (struct act){.kind = ACT_CRASH});
                break;
        case FAULT_CLEAN_STOP:
                act(node, (struct act){.kind = ACT_LEAVE});
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
        uint32_t node = (uint32_t)random_below(&world->plan, n);
        uint32_t other = (node + 1 + (uint32_t)random_below(&world->plan, n - 1)) % n;

        if (world->stage != STAGE_CHAOS) {
                return;
        }
        world->tally.n_faults++;
        strike(world, draw_fault(world), &world->nodes[node], other);
        world_add(world, random_between(&world->plan, mean / 4, mean * 7 / 4), EVENT_FAULT, 0, 0,
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
        for (uint32_t i = 0; i < NODES_MAX * ADDRESSES_MAX; i++) {
                while (world->dead[i / ADDRESSES_MAX][i % ADDRESSES_MAX] > 0) {
                        address_revive(world, i / ADDRESSES_MAX, i % ADDRESSES_MAX);
                }
        }
        for (uint32_t i = 0; i < world->options.n_nodes; i++) {
                uneven_heal(&world->nodes[i]);
                world->nodes[i].is_tearing = false; /* a script may be without what it meant */
                wake(&world->nodes[i]);
        }
}
