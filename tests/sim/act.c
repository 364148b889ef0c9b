/* SPDX-License-Identifier: MIT */
/* Acts, done to the mesh. What one draws for itself depends on itself and the seed only. */
#include "tests/sim/session.h"

static struct random chance_of(const struct world *world, const struct act *act)
{
        struct random random = {
                        world->seed ^ act->at_ns << 8 ^ (uint64_t)act->kind << 4 ^ act->node};

        random_next(&random);
        return random;
}

static bool has_node(const struct world *world, int64_t index)
{
        return index >= 0 && index < world->options.n_nodes;
}

static bool has_app(const struct world *world, int64_t app, int64_t key)
{
        return app >= 0 && app < world->options.n_apps && key >= 0 && key < world->options.n_keys;
}

static void break_one(struct world *world, const struct act *act)
{
        struct connection *chosen = NULL;
        struct connection *connection;

        for (connection = world->connections; connection; connection = connection->next) {
                if (connection->is_attached && connection->from == act->node &&
                                connection->to == (uint32_t)act->broken.to &&
                                (!chosen || connection->link == (uint32_t)act->broken.link)) {
                        chosen = connection;
                }
        }
        if (chosen) {
                network_break(world, chosen);
        }
}

/* A clock that jumps is taken for a suspension by the core. */
static void step_clock(struct node *node, int64_t by_ns)
{
        trace(node->world, "%s: the real-time clock jumps by %.6f s", node->name,
                        (double)by_ns / 1e9);
        node->real_step_ns += by_ns;
        node->undisturbed_ns = NEVER;
}

static void interrupt(struct node *node, const struct act *act)
{
        node->interrupt_at = (uint32_t)act->interrupt.at_sink;
        node->interrupt_ns = (uint64_t)act->interrupt.for_ns;
}

/* A meshd that does not run would notice later; then the app lives on. */
static void quit(struct node *node, const struct act *act)
{
        if (node->is_up && !node_is_running(node)) {
                return;
        }
        if (node->is_up) {
                node->wish = *act;
                node_call(node, &(struct call){.kind = CALL_OPERATE});
        }
        if (!node->is_in_call) {
                app_quit(&node->world->apps[act->node][act->drop.app]);
        }
}

static void use_app(struct world *world, const struct act *act)
{
        struct app *apps = world->apps[act->node];

        if (act->kind == ACT_WRITE && has_app(world, act->write.app, act->write.key)) {
                app_write(&apps[act->write.app], act);
        }
        if (act->kind == ACT_READ && has_app(world, act->read.app, act->read.key) &&
                        act->read.reader >= 0 && act->read.reader < world->options.n_readers) {
                app_read(&apps[act->read.app], act);
        }
        if (act->kind == ACT_CLICK && has_app(world, act->click.app, 0)) {
                session_click(world, act);
        }
        if (act->kind == ACT_HALT && has_app(world, act->halt.app, 0)) {
                app_halt(&apps[act->halt.app], (uint64_t)act->halt.for_ns);
        }
        if (act->kind == ACT_QUIT && has_app(world, act->drop.app, 0)) {
                quit(&world->nodes[act->node], act);
        }
}

static bool makes_sense(const struct world *world, const struct act *act)
{
        return (act->kind != ACT_ASK || has_node(world, act->ask.to)) &&
               (act->kind != ACT_POST || has_node(world, act->post.to)) &&
               (act->kind != ACT_FORGET || has_node(world, act->forget.whom)) &&
               (act->kind != ACT_DROP || has_app(world, act->drop.app, 0)) &&
               (act->kind != ACT_REGIONS ||
                               (act->regions.n >= 0 && act->regions.n <= 2 * CMI_PAGE_REGIONS));
}

static void cut(struct world *world, const struct act *act)
{
        if (has_node(world, act->cut.to)) {
                network_cut(world, act->node, (uint32_t)act->cut.to, (uint64_t)act->cut.for_ns);
        }
}

static void operate(struct node *node, const struct act *act)
{
        if (makes_sense(node->world, act) && node_is_running(node)) {
                node->wish = *act;
                node_call(node, &(struct call){.kind = CALL_OPERATE});
        }
}

/* It stands still, ends, or begins. */
static void move_process(struct node *node, const struct act *act)
{
        if (act->kind == ACT_STOP) {
                node_pause(node, (uint64_t)act->pause.for_ns);
        }
        if (act->kind == ACT_FREEZE || act->kind == ACT_SUSPEND) {
                node_freeze(node, (uint64_t)act->pause.for_ns, act->kind == ACT_SUSPEND);
        }
        if (act->kind == ACT_KILL) {
                node_kill(node, act->kill.is_log_lost != 0);
        }
        if (act->kind == ACT_CRASH) {
                node_crash(node);
        }
        if (act->kind == ACT_LEAVE) {
                node_clean_stop(node);
        }
        if (act->kind == ACT_START) {
                node_start(node);
        }
}

static void perform(struct world *world, const struct act *act)
{
        struct node *node = &world->nodes[act->node];

        switch (act->kind) {
        case ACT_READ:
        case ACT_WRITE:
        case ACT_QUIT:
        case ACT_HALT:
        case ACT_CLICK:
                use_app(world, act);
                break;
        case ACT_CUT:
                cut(world, act);
                break;
        case ACT_BREAK:
                break_one(world, act);
                break;
        case ACT_STOP:
        case ACT_FREEZE:
        case ACT_SUSPEND:
        case ACT_KILL:
        case ACT_CRASH:
        case ACT_LEAVE:
        case ACT_START:
                move_process(node, act);
                break;
        case ACT_STEP:
                step_clock(node, act->step.by_ns);
                break;
        case ACT_INTERRUPT:
                interrupt(node, act);
                break;
        case ACT_TEAR:
                node->is_tearing = true;
                break;
        case ACT_ASK:
        case ACT_REGIONS:
        case ACT_DESCRIBE:
        case ACT_FORGET:
        case ACT_DROP:
        case ACT_POST:
                operate(node, act);
                break;
        case ACT_OBITUARY:
                obituary_begin(node);
                break;
        case ACT_CONFIGURE:
                uneven_configure(node, act);
                break;
        case ACT_ADDRESS:
                address_die(world, act);
                break;
        case ACT_KINDS:
                break;
        }
}

/*
 * Before all have met, and once all is healed, nothing breaks, but for what breaks by itself. A
 * script may say otherwise when its chance is another one.
 */
static bool is_untimely(const struct world *world, const struct act *act)
{
        switch (world->stage) {
        case STAGE_START:
                return act->kind != ACT_READ && act->kind != ACT_WRITE;
        case STAGE_CHAOS:
                return false;
        case STAGE_HEAL:
        case STAGE_WHOLE:
        case STAGE_OVER:
                break;
        }
        return act->kind != ACT_READ && act->kind != ACT_BREAK;
}

void act_do(struct world *world, const struct act *act)
{
        struct random random = world->random;

        if (world->notes) {
                script_add(world->notes, act);
        }
        if (has_node(world, act->node) && !is_untimely(world, act)) {
                world->random = chance_of(world, act);
                world->is_acting = true;
                perform(world, act);
                world->is_acting = false;
                world->random = random;
        }
}
