/* SPDX-License-Identifier: MIT */
#include "tests/sim/simulation.h"

#include "tests/sim/joiner.h"
#include "tests/sim/session.h"

#include <stdio.h>
#include <stdlib.h>

static void free_pages(struct world *world)
{
        while (world->pages) {
                struct sim_page *page = world->pages;

                world->pages = page->next;
                free(page->memory);
                free(page);
        }
}

static void clean(struct world *world)
{
        sessions_free(world);
        network_free(world);
        free_pages(world);
        judge_free(world);
        for (uint32_t i = 0; i < NODES_MAX; i++) {
                node_free(&world->nodes[i]);
        }
        agenda_clear(&world->agenda);
        memset(world->cuts, 0, sizeof(world->cuts));
        memset(world->dead, 0, sizeof(world->dead));
}

static struct random chance(uint64_t seed, uint64_t whose)
{
        struct random random = {seed * UINT64_C(0x9e3779b97f4a7c15) + 1 + (whose << 56)};

        random_next(&random);
        return random;
}

static void draw_chances(struct world *world)
{
        struct chances *chances = &world->chances;

        world->plan = chance(world->seed, 1);
        world->random = chance(world->seed, 2); /* until the first event */
        chances->rest = chance(world->seed, 3);
        world->more = chance(world->seed, 60);
        for (uint32_t i = 0; i < NODES_MAX; i++) {
                chances->nodes[i] = chance(world->seed, 4 + i);
                for (uint32_t j = 0; j < APPS_MAX; j++) {
                        chances->apps[i][j] = chance(world->seed, 4 + NODES_MAX + i * APPS_MAX + j);
                }
        }
}

static void set_up(struct world *world, uint64_t seed)
{
        struct random uneven = chance(seed, 62);
        struct random posts = chance(seed, 63);
        struct random sessions = chance(seed, 64);
        struct random joiner = chance(seed, 65);

        clean(world);
        world->seed = world->script ? world->script->seed : seed;
        world->n_played = 0;
        draw_chances(world);
        world->now_ns = 0;
        world->stage = STAGE_START;
        world->n_cookies = 0;
        world->digest = 0;
        world->story = 0;
        world->n_lines = 0;
        world->is_violated = false;
        world->violation[0] = '\0';
        if (world->script) {
                world->options = world->script->options;
        } else {
                options_draw(&world->options, &world->plan);
                options_draw_more(&world->options, &world->more);
                options_draw_uneven(&world->options, &uneven);
                options_draw_posts(&world->options, &posts);
                session_options_draw(&world->options, &sessions);
                options_draw_joiner(&world->options, &joiner);
        }
        if (world->adjust) {
                world->adjust(&world->options);
        }
        if (world->notes) {
                world->notes->seed = world->seed;
                world->notes->options = world->options;
        }
        judge_init(world);
        post_set_up(world, posts);
        sessions_begin(world);
        for (uint32_t i = 0; i < world->options.n_nodes; i++) {
                node_init(world, i);
        }
        joiner_begin(world);
        for (uint32_t i = 0; i < world->options.n_nodes; i++) {
                uint64_t late = random_below(&world->random, 3 * world->options.lease_ns) +
                                joiner_late_ns(world, i);

                world_add(world, late, EVENT_START, i, 0, NULL);
                world_add(world, late, EVENT_DISCOVER, i, 0, NULL);
                for (uint32_t j = 0; j < world->options.n_apps; j++) {
                        world->apps[i][j] = (struct app){.node = &world->nodes[i], .index = j};
                        app_start(&world->apps[i][j]);
                }
        }
        world_add(world, world->options.lease_ns, EVENT_STAGE, 0, 0, NULL);
}

/* Chaos begins when all have met: a node that starts cut off and knows nobody is
 * beyond the promise. */
static bool all_have_met(const struct world *world)
{
        for (uint32_t i = 0; i < world->options.n_nodes; i++) {
                for (uint32_t j = 0; j < world->options.n_nodes; j++) {
                        if (i != j && !world->nodes[i].has_met[j]) {
                                return false;
                        }
                }
        }
        return true;
}

static uint64_t settle_ns(const struct world *world)
{
        const struct options *options = &world->options;

        return 3 * uneven_gone_most_ns(options) + options->alone_ns + 20 * options->lease_ns +
               CMI_NS_PER_S;
}

static void stage_event(struct world *world)
{
        const struct options *options = &world->options;

        if (world->stage == STAGE_START) {
                if (all_have_met(world)) {
                        world->stage = STAGE_CHAOS;
                        trace(world, "chaos begins");
                        sessions_chaos(world);
                        if (!world->script) {
                                world_add(world, options->ask_ns, EVENT_OPERATOR, 0, 0, NULL);
                                world_add(world, 1, EVENT_FAULT, 0, 0, NULL);
                                if (options->uneven_lease + options->uneven_room +
                                                                options->uneven_starts >
                                                0) {
                                        world_add(world, options->chaos_ns / 4, EVENT_UNEVEN, 0, 0,
                                                        NULL);
                                }
                                if (options->n_addresses > 1) {
                                        world_add(world, options->fault_ns, EVENT_ADDRESS, 0, 0,
                                                        NULL);
                                }
                                if (options->quit_ns > 0) {
                                        world_add(world, options->quit_ns, EVENT_APP, 0, 0, NULL);
                                }
                                if (options->post_ns > 0) {
                                        world_add(world, options->post_ns, EVENT_POST, 0, 0, NULL);
                                }
                        }
                        world_add(world, options->chaos_ns, EVENT_STAGE, 0, 0, NULL);
                } else if (world->now_ns > settle_ns(world)) {
                        violation(world, "C12 not all have met, though nothing hinders them");
                } else {
                        world_add(world, options->lease_ns / 4, EVENT_STAGE, 0, 0, NULL);
                }
                return;
        }
        trace(world, "all is healed");
        world->stage = STAGE_HEAL;
        nemesis_heal_all(world);
        world->stage_deadline_ns = world->now_ns + settle_ns(world);
        /* What is late already arrives first. */
        world_add(world, options->lease_ns / 8 + (options->spike_ppm ? options->spike_ns : 0),
                        EVENT_AUDIT, 0, 0, NULL);
        world->options.spike_ppm = 0;
}

static uint64_t beats_ns(const struct world *world)
{
        const struct options *options = &world->options;

        return options->lease_ns * 3 / 4 + 2 * (options->latency_ns + options->jitter_ns) +
               (options->spike_ppm ? 2 * options->spike_ns : 0) + 4 * options->turn_ns + cmi_ms(1);
}

static void last_stage(struct world *world)
{
        trace(world, "the mesh is whole");
        world->stage = STAGE_WHOLE;
        world->beat_deadline_ns = world->now_ns + beats_ns(world);
        for (uint32_t i = 0; i < world->options.n_nodes; i++) {
                app_last_write(&world->apps[i][0]);
        }
}

static bool all_hit(struct world *world)
{
        for (uint32_t i = 0; i < world->options.n_nodes; i++) {
                for (uint32_t j = 0; j < world->options.n_apps; j++) {
                        if (!app_read_all(&world->apps[i][j])) {
                                return false;
                        }
                }
        }
        return true;
}

/* Whatever was in one is published by now. */
static void check_spools(struct world *world)
{
        for (uint32_t i = 0; i < world->options.n_nodes; i++) {
                memcpy(world->nodes[i].owed, world->nodes[i].kept, sizeof(world->nodes[i].owed));
                spool_check(&world->nodes[i]);
        }
}

static void audit_event_is_due(struct world *world)
{
        char reason[200] = "";
        bool is_whole = audit_is_whole(world, reason, sizeof(reason));

        if (world->stage == STAGE_HEAL && is_whole) {
                last_stage(world);
        } else if (world->stage == STAGE_HEAL && world->now_ns > world->stage_deadline_ns) {
                violation(world, "C12 %.1f s after the heal: %s", (double)settle_ns(world) / 1e9,
                                reason);
        } else if (world->stage == STAGE_WHOLE && is_whole && all_hit(world)) {
                check_spools(world);
                world->stage = STAGE_OVER;
        } else if (world->stage == STAGE_WHOLE && is_whole) {
                if (world->now_ns > world->beat_deadline_ns + world->options.lease_ns +
                                                    2 * world->options.hold_ns + cmi_ms(20)) {
                        violation(world, "C12 the mesh is whole, and not every cache answers");
                }
        } else if (world->stage == STAGE_WHOLE && world->now_ns > world->beat_deadline_ns) {
                violation(world, "C12 three beats after a write in a whole mesh: %s", reason);
        }
        world_add(world, world->options.lease_ns / 8, EVENT_AUDIT, 0, 0, NULL);
}

/* Events, each taken apart for the function that knows what to do */

static struct node *node_of(struct world *world, const struct event *event)
{
        return &world->nodes[event->a & 0xff];
}

static void frame_due(struct world *world, const struct event *event)
{
        network_frame_event(world, event->object);
}

static void heal_due(struct world *world, const struct event *event)
{
        network_heal(world, event->a, (uint32_t)event->b);
}

static void tick_due(struct world *world, const struct event *event)
{
        node_tick_event(node_of(world, event), event->b);
}

static void discover_due(struct world *world, const struct event *event)
{
        node_discover_event(node_of(world, event));
}

static void request_due(struct world *world, const struct event *event)
{
        node_request_event(node_of(world, event), event->b);
}

static void return_due(struct world *world, const struct event *event)
{
        node_return_event(node_of(world, event), event->b);
}

static void start_due(struct world *world, const struct event *event)
{
        nemesis_start_event(node_of(world, event), event->b);
}

static void kill_due(struct world *world, const struct event *event)
{
        nemesis_kill_event(node_of(world, event), event->b);
}

static void leave_due(struct world *world, const struct event *event)
{
        nemesis_leave_event(node_of(world, event), event->b);
}

static void spool_due(struct world *world, const struct event *event)
{
        spool_event(node_of(world, event), event->b);
}

static void obituary_due(struct world *world, const struct event *event)
{
        nemesis_obituary_event(node_of(world, event), event->b);
}

static void app_due(struct world *world, const struct event *event)
{
        nemesis_app_event(world);
}

static void uneven_due(struct world *world, const struct event *event)
{
        uneven_event(world);
}

static void post_due(struct world *world, const struct event *event)
{
        post_event(world);
}

static void address_due(struct world *world, const struct event *event)
{
        address_event(world, event);
}

static void stopping_due(struct world *world, const struct event *event)
{
        node_stopping_event(node_of(world, event), event->b);
}

static void continue_due(struct world *world, const struct event *event)
{
        node_continue_event(node_of(world, event), event);
}

static void attach_due(struct world *world, const struct event *event)
{
        app_attach_event(event->object, event->b);
}

static void read_due(struct world *world, const struct event *event)
{
        app_read_event(event->object, event->b);
}

static void write_due(struct world *world, const struct event *event)
{
        app_write_event(event->object, event);
}

static void commit_due(struct world *world, const struct event *event)
{
        judge_intent_committed(world, event);
}

static void operator_due(struct world *world, const struct event *event)
{
        operator_event(world);
}

static void fault_due(struct world *world, const struct event *event)
{
        nemesis_fault_event(world);
}

static void stage_due(struct world *world, const struct event *event)
{
        stage_event(world);
}

static void audit_due(struct world *world, const struct event *event)
{
        audit_event_is_due(world);
}

static void (*const handlers[EVENT_KINDS])(struct world *world, const struct event *event) = {
                [EVENT_FRAME] = frame_due,
                [EVENT_CONNECT] = network_connect_event,
                [EVENT_BREAK] = network_break_event,
                [EVENT_KILL] = kill_due,
                [EVENT_LEAVE] = leave_due,
                [EVENT_SPOOL] = spool_due,
                [EVENT_OBITUARY] = obituary_due,
                [EVENT_APP] = app_due,
                [EVENT_UNEVEN] = uneven_due,
                [EVENT_POST] = post_due,
                [EVENT_ADDRESS] = address_due,
                [EVENT_WRITABLE] = network_writable_event,
                [EVENT_TICK] = tick_due,
                [EVENT_DISCOVER] = discover_due,
                [EVENT_REQUEST] = request_due,
                [EVENT_RETURN] = return_due,
                [EVENT_START] = start_due,
                [EVENT_STOPPING] = stopping_due,
                [EVENT_CONTINUE] = continue_due,
                [EVENT_ATTACH] = attach_due,
                [EVENT_READ] = read_due,
                [EVENT_WRITE] = write_due,
                [EVENT_COMMIT] = commit_due,
                [EVENT_OPERATOR] = operator_due,
                [EVENT_SESSION] = sessions_due,
                [EVENT_FAULT] = fault_due,
                [EVENT_HEAL] = heal_due,
                [EVENT_STAGE] = stage_due,
                [EVENT_AUDIT] = audit_due,
};

static struct random *chance_of_app(struct world *world, const struct app *app)
{
        return &world->chances.apps[app->node->index][app->index];
}

/* Whose event it is. */
static struct random *chance_of(struct world *world, const struct event *event)
{
        struct chances *chances = &world->chances;
        const struct connection *connection = event->object;
        const struct sim_reader *reader = event->object;

        switch (event->kind) {
        case EVENT_FRAME:
        case EVENT_TICK:
        case EVENT_DISCOVER:
        case EVENT_REQUEST:
        case EVENT_RETURN:
        case EVENT_START:
        case EVENT_STOPPING:
        case EVENT_SPOOL:
        case EVENT_CONTINUE:
        case EVENT_ADDRESS:
                return &chances->nodes[event->a & 0xff];
        case EVENT_CONNECT:
        case EVENT_WRITABLE:
                return &chances->nodes[event->a >> 16];
        case EVENT_BREAK:
                return &chances->nodes[connection->from];
        case EVENT_HEAL:
                return &chances->nodes[event->b];
        case EVENT_ATTACH:
        case EVENT_WRITE:
                return chance_of_app(world, event->object);
        case EVENT_READ:
                return chance_of_app(world, reader->app);
        case EVENT_KILL:
        case EVENT_LEAVE:
        case EVENT_OBITUARY:
        case EVENT_APP:
        case EVENT_UNEVEN:
        case EVENT_POST:
        case EVENT_COMMIT:
        case EVENT_OPERATOR:
        case EVENT_SESSION:
        case EVENT_FAULT:
        case EVENT_STAGE:
        case EVENT_AUDIT:
        case EVENT_KINDS:
                break;
        }
        return &chances->rest;
}

static void handle(struct world *world, const struct event *event)
{
        struct random *owner = chance_of(world, event);

        world->now_ns = event->at_ns;
        world->tally.n_events++;
        trace_digest(world, event->at_ns ^ event->kind);
        world->random = *owner;
        if (event->kind < EVENT_KINDS) {
                handlers[event->kind](world, event);
        }
        *owner = world->random;
}

/* The acts that are due before the next event. */
static void play(struct world *world)
{
        const struct script *script = world->script;

        while (script && world->n_played < script->n_acts && !world->is_violated) {
                const struct act *act = &script->acts[world->n_played];

                if (act->at_ns > agenda_next_ns(&world->agenda)) {
                        return;
                }
                world->n_played++;
                world->now_ns = act->at_ns;
                act_do(world, act);
        }
}

bool simulation_run(struct world *world, uint64_t seed)
{
        struct event event;

        set_up(world, seed);
        for (;;) {
                play(world);
                if (world->is_violated || world->stage == STAGE_OVER ||
                                !agenda_next(&world->agenda, &event) ||
                                event.at_ns > world->until_ns) {
                        break;
                }
                handle(world, &event);
        }
        world->tally.virtual_ns += world->now_ns;
        return !world->is_violated;
}

void simulation_free(struct world *world)
{
        clean(world);
        agenda_deinit(&world->agenda);
        free(world->lines);
        world->lines = NULL;
}
