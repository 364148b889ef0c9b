/* SPDX-License-Identifier: MIT */
/* Who clicks on what, and where; and clocks that are wrong for a while. A script has its own. */
#include "tests/sim/session.h"

static enum click draw_click(struct world *world)
{
        const uint32_t *weights = world->options.click_weights;
        uint64_t sum = 0;
        uint32_t click = 0;
        uint64_t at;

        for (uint32_t i = 0; i < CLICK_KINDS; i++) {
                sum += weights[i];
        }
        at = random_below(&world->sessions->plan, sum);
        while (at >= weights[click]) {
                at -= weights[click++];
        }
        return (enum click)click;
}

static void step_clock(struct node *node, int64_t by_ns)
{
        const struct act act = {.at_ns = node->world->now_ns,
                        .kind = ACT_STEP,
                        .node = node->index,
                        .step = {by_ns}};

        act_do(node->world, &act);
}

/* Somebody sets the clock of a node by much, and back when he has seen it. */
static void set_clock(struct world *world, uint32_t index)
{
        const struct options *options = &world->options;
        struct random *plan = &world->sessions->plan;
        int64_t by_ns = (int64_t)random_duration(
                        plan, options->lease_ns, 2 * options->session_life_ns);

        if (random_chance(plan, options->ahead_ppm)) {
                by_ns = random_chance(plan, 500000) ? by_ns : -by_ns;
                step_clock(&world->nodes[index], by_ns);
                session_add(world, random_duration(plan, CMI_NS_PER_MS, 4 * options->lease_ns),
                                SESSION_BACK, index, (uint64_t)by_ns);
        }
}

void session_back_event(struct node *node, int64_t by_ns)
{
        if (node->world->stage == STAGE_CHAOS) {
                step_clock(node, -by_ns);
        }
}

void session_click_event(struct world *world, uint32_t index)
{
        const struct options *options = &world->options;
        struct sim_sessions *sessions = world->sessions;
        struct random *plan = &sessions->plan;
        const struct user *user = &sessions->users[index];
        struct act act = {.at_ns = world->now_ns, .kind = ACT_CLICK};

        if (world->stage != STAGE_CHAOS) {
                return;
        }
        act.node = user->session != SESSION_NONE && random_chance(plan, options->sticky_ppm)
                                   ? user->home
                                   : (uint32_t)random_below(plan, options->n_nodes);
        set_clock(world, act.node);
        act.click.user = index;
        act.click.app = (int64_t)random_below(plan, options->n_apps);
        act.click.what = draw_click(world);
        act.click.timeout_ns = (int64_t)random_duration(
                        plan, options->lease_ns / 8, 4 * options->lease_ns);
        act.click.pause_ns = (int64_t)random_duration(plan, 10000, options->lease_ns / 4);
        act.click.chance = (int64_t)random_below(plan, 10000);
        act_do(world, &act);
        session_add(world, random_between(plan, options->click_ns / 4, options->click_ns * 7 / 4),
                        SESSION_CLICK, index, 0);
}
