/* SPDX-License-Identifier: MIT */
/*
 * What operators and other apps want of a meshd: questions to other nodes, options of regions, so
 * many regions that indexes are given to others, a member forgotten, a connection ended. None of it
 * may break a promise to the readers. All of it is a call of the core.
 */
#include "tests/sim/world.h"

#include <errno.h>
#include <stdio.h>

#define REGION_NAME_MAX 16

static void ask(struct node *node, const struct act *act)
{
        struct world *world = node->world;
        const struct cmi_id *id = &world->nodes[act->ask.to].id;
        uint64_t timeout_ns = world->options.lease_ns;
        int r = core_query(node->core, node->call.now, id, (enum cmi_query_kind)act->ask.what,
                        log_newest(&node->log), timeout_ns, ++world->n_cookies);

        trace(world, "%s: question %lld to node%lld: %d", node->name, (long long)act->ask.what,
                        (long long)act->ask.to, r);
        if (r == 0) {
                node->n_questions++;
                world->tally.n_questions++;
        } else if (r != -ENOENT && r != -EHOSTUNREACH && r != -EBUSY) {
                violation(world, "core_query() of %s says %d", node->name, r);
        }
}

void operator_answered(void *context, uint64_t cookie, const struct cmi_answer *answer)
{
        struct node *node = context;

        node_interruption(node);
        trace_story(node->world, answer ? answer->n_links : UINT32_MAX);
        node->world->tally.n_answers += answer != NULL;
        if (node->n_questions-- == 0) {
                violation(node->world, "%s: an answer to no question", node->name);
        }
}

uint64_t operator_applied_ns(void *context, const char *source, uint64_t number)
{
        const struct node *node = context;

        return node->call.now.mono_ns;
}

/* Another app opens regions, one after the other, and goes. */
static void open_regions(struct node *node, const struct act *act)
{
        struct world *world = node->world;
        struct cmi_region options = {0};
        char name[REGION_NAME_MAX];
        uint32_t index;

        for (int64_t i = 0; i < act->regions.n; i++) {
                snprintf(name, sizeof(name), "x%lld", (long long)(act->regions.first + i));
                if (core_region(node->core, cmi_slice_str(name), &index) < 0) {
                        violation(world, "%s has no region index to give", node->name);
                        return;
                }
                core_region_hold(node->core, index);
                options.ttl_ms = (uint64_t)i % 2;
                core_region_describe(node->core, index, &options);
                core_region_drop(node->core, index);
        }
}

static void describe(struct node *node, const struct act *act)
{
        const struct cmi_region options = {.ttl_ms = (uint64_t)act->describe.ttl};
        uint32_t index, cursor = 0;
        struct core_region_difference other;

        if (core_region_find(node->core, cmi_slice_str("r"), &index) == 0) {
                core_region_describe(node->core, index, &options);
                while (core_region_differs(node->core, index, &cursor, &other)) {
                        trace(node->world, "%s: the region has other options on %s", node->name,
                                        other.node);
                }
        }
}

/* One that left in order: nobody misses it. Of another one an operator has to know that. */
static void forget(struct node *node, const struct act *act)
{
        if (node->page->left & 1u << act->forget.whom) {
                int r = core_forget(node->core, node->call.now,
                                &node->world->nodes[act->forget.whom].id);

                trace(node->world, "%s forgets node%lld: %d", node->name,
                                (long long)act->forget.whom, r);
        }
}

void operator_call(struct node *node, const struct act *act)
{
        switch (act->kind) {
        case ACT_ASK:
                ask(node, act);
                return;
        case ACT_REGIONS:
                open_regions(node, act);
                return;
        case ACT_DESCRIBE:
                describe(node, act);
                return;
        case ACT_FORGET:
                forget(node, act);
                return;
        case ACT_DROP:
        case ACT_QUIT:
                app_drop(&node->world->apps[node->index][act->drop.app]);
                return;
        case ACT_POST:
                post_many(node, act);
                return;
        case ACT_READ:
        case ACT_WRITE:
        case ACT_CUT:
        case ACT_BREAK:
        case ACT_STOP:
        case ACT_FREEZE:
        case ACT_SUSPEND:
        case ACT_KILL:
        case ACT_CRASH:
        case ACT_LEAVE:
        case ACT_START:
        case ACT_STEP:
        case ACT_INTERRUPT:
        case ACT_TEAR:
        case ACT_HALT:
        case ACT_OBITUARY:
        case ACT_CONFIGURE:
        case ACT_CLICK:
        case ACT_ADDRESS:
        case ACT_KINDS:
                break;
        }
}

/* Drawn */

static int64_t below(struct world *world, uint64_t n)
{
        return (int64_t)random_below(&world->plan, n);
}

static struct act draw_act(struct world *world)
{
        uint32_t n_nodes = world->options.n_nodes;
        struct act act = {.at_ns = world->now_ns, .kind = ACT_ASK};
        uint32_t other;

        act.node = (uint32_t)below(world, n_nodes);
        other = (act.node + 1 + (uint32_t)below(world, n_nodes - 1)) % n_nodes;
        if (random_chance(&world->plan, 600000)) {
                act.ask.to = other;
                act.ask.what = CMI_QUERY_PING + below(world, 3);
        } else if (random_chance(&world->plan, 500000)) {
                act.kind = ACT_DESCRIBE;
                act.describe.ttl = below(world, 3);
        } else {
                act.kind = ACT_FORGET;
                act.forget.whom = other;
        }
        return act;
}

/* An app loses its connection, and then its region's index, before it notices. */
static void drop(struct world *world)
{
        struct act act = {.at_ns = world->now_ns, .kind = ACT_DROP};

        act.node = (uint32_t)below(world, world->options.n_nodes);
        act.drop.app = below(world, world->options.n_apps);
        act_do(world, &act);
        if (random_chance(&world->plan, 700000)) {
                act.kind = ACT_REGIONS;
                act.regions.first = below(world, 1000000);
                act.regions.n = CMI_PAGE_REGIONS / 2 + below(world, CMI_PAGE_REGIONS);
                act_do(world, &act);
        }
}

void operator_event(struct world *world)
{
        const struct options *options = &world->options;
        struct act act;

        if (world->stage > STAGE_CHAOS) {
                return;
        }
        world_add(world, random_between(&world->plan, options->ask_ns / 2, options->ask_ns * 3 / 2),
                        EVENT_OPERATOR, 0, 0, NULL);
        if (random_chance(&world->plan, options->drop_ppm)) {
                drop(world);
        } else {
                act = draw_act(world);
                act_do(world, &act);
        }
}
