/* SPDX-License-Identifier: MIT */
/* A host with its clocks and its meshd: a real core around which this file plays the shell. */
#include "tests/sim/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define BUSY_MAX 50 /* ticks that are due at once, one after the other */

static uint64_t awake_ns(const struct node *node)
{
        uint64_t now = node->is_suspended ? node->suspended_since_ns : node->world->now_ns;

        return now - node->suspended_ns;
}

static uint64_t drifted(uint64_t ns, int64_t ppm)
{
        return ns + (uint64_t)((int64_t)ns * ppm / 1000000);
}

struct cmi_time node_clock(const struct node *node)
{
        return (struct cmi_time){
                        .mono_ns = node->mono_base_ns + drifted(awake_ns(node), node->drift_ppm),
                        .real_ns = node->real_base_ns + (uint64_t)node->real_step_ns +
                                   drifted(node->world->now_ns, node->drift_ppm),
        };
}

bool node_is_running(const struct node *node)
{
        return node->is_up && node->n_stops == 0 && node->n_freezes == 0 && !node->is_in_call;
}

bool node_is_serving(const struct node *node)
{
        return node_is_running(node) && !node->is_taking;
}

void node_init(struct world *world, uint32_t index)
{
        struct node *node = &world->nodes[index];
        int64_t most = (int64_t)world->options.drift_ppm * 45 / 100;
        void *stack = node->stack;
        void *saved_stack = node->saved_stack;

        *node = (struct node){
                        .world = world, .index = index, .stack = stack, .saved_stack = saved_stack};
        snprintf(node->name, sizeof(node->name), "node%u", index);
        memset(node->id.bytes, (int)index + 1, sizeof(node->id.bytes));
        node->drift_ppm = (int64_t)random_below(&world->random, (uint64_t)(2 * most + 1)) - most;
        if (random_chance(&world->random, 700000)) {
                node->drift_ppm = node->drift_ppm < 0 ? -most : most;
        }
        node->mono_base_ns = random_between(&world->random, CMI_NS_PER_S, 1000 * CMI_NS_PER_S);
        node->real_base_ns = 1700000000 * CMI_NS_PER_S +
                             random_below(&world->random, 1000 * CMI_NS_PER_S);
        node->log_memory = budget_allocate(world->options.log_size);
        node->intents = budget_allocate(sizeof(*node->intents));
}

static void kick(struct node *node)
{
        struct world *world = node->world;

        network_kick(world, node->index);
        if (node->n_requests > 0) {
                world_add(world, random_below(&world->random, 100000), EVENT_REQUEST, node->index,
                                node->life, NULL);
        }
        node->is_turn_open = false;
        node_turn_ends(node, random_below(&world->random, 100000));
}

static void schedule_tick(struct node *node, uint64_t delay_ns)
{
        node->tick_serial++;
        world_add(node->world, delay_ns, EVENT_TICK, node->index, node->tick_serial, NULL);
}

void node_turn_ends(struct node *node, uint64_t delay_ns)
{
        if (!node->is_turn_open) {
                node->is_turn_open = true;
                schedule_tick(node, delay_ns);
        }
}

void node_timer(struct node *node)
{
        uint64_t local = core_timeout_ns(node->core, node_clock(node));
        int64_t ppm = node->drift_ppm;

        node->n_busy = local == 0 ? node->n_busy + 1 : 0;
        if (node->n_busy > BUSY_MAX) {
                violation(node->world, "C11 %s: the core keeps its loop busy", node->name);
        }
        if (local > 3600 * CMI_NS_PER_S) {
                local = 3600 * CMI_NS_PER_S;
        }
        local = (uint64_t)((int64_t)local - (int64_t)local / 1000000 * ppm);
        node->is_turn_open = false;
        schedule_tick(node, local + random_between(&node->world->random, 1000, 100000));
}

void node_tick_event(struct node *node, uint64_t serial)
{
        if (node->tick_serial == serial && node_is_running(node)) {
                node_call(node, &(struct call){.kind = CALL_TICK});
        }
}

void node_request(struct node *node, struct sim_write *write)
{
        if (node->n_requests == REQUESTS_MAX) {
                abort();
        }
        node->requests[node->n_requests++] = write;
        if (node->n_requests == 1) {
                world_add(node->world, random_below(&node->world->random, 100000), EVENT_REQUEST,
                                node->index, node->life, NULL);
        }
}

void node_withdraw(struct node *node, const struct app *app)
{
        uint32_t n = 0;

        for (uint32_t i = 0; i < node->n_requests; i++) {
                if (node->requests[i]->app != app) {
                        node->requests[n++] = node->requests[i];
                }
        }
        node->n_requests = n;
}

void node_request_event(struct node *node, uint64_t life)
{
        struct sim_write *write;

        if (node->life != life || !node_is_running(node) || node->n_requests == 0) {
                return;
        }
        if (!core_is_writable(node->core)) {
                world_add(node->world, node->world->options.lease_ns / 100, EVENT_REQUEST,
                                node->index, life, NULL);
                return;
        }
        write = node->requests[0];
        node->n_requests--;
        for (uint32_t i = 0; i < node->n_requests; i++) {
                node->requests[i] = node->requests[i + 1];
        }
        if (node->n_requests > 0) {
                world_add(node->world, 1000, EVENT_REQUEST, node->index, life, NULL);
        }
        node_call(node, &(struct call){.kind = CALL_PUBLISH, .write = write});
}

/* The stand-in for discovery: each node hears of each other one in turn. */
void node_discover_event(struct node *node)
{
        struct world *world = node->world;
        uint32_t round = node->discovered / world->options.n_nodes;
        uint32_t peer = node->discovered++ % world->options.n_nodes;
        uint32_t address = round % address_count(&world->options);
        uint64_t pause = world->options.discover_ns / world->options.n_nodes;

        world_add(world, random_between(&world->random, pause / 2, pause), EVENT_DISCOVER,
                        node->index, 0, NULL);
        if (node_is_running(node) && node->stopping == STOP_NO &&
                        world->cuts[peer][node->index] == 0 && world->nodes[peer].is_up &&
                        world->nodes[peer].n_freezes == 0) {
                node_call(node, &(struct call){.kind = CALL_CONNECT,
                                                .peer = peer,
                                                .address = address});
        }
}

/* Life and death */

static void node_done(void *context, uint64_t cookie, const struct core_outcome *outcome)
{
        struct node *node = context;

        node_interruption(node);
        app_done(node, cookie, outcome);
        node_interruption(node);
}

static struct sim_page *make_page(struct node *node)
{
        struct world *world = node->world;
        struct cmi_page_geometry geometry = {PAGE_SLOTS, PAGE_SLOTS, PAGE_SLOTS};
        struct sim_page *page = sim_allocate(sizeof(*page));
        uint64_t epoch = random_next(&world->random) | 1;
        uint64_t seed = random_next(&world->random);

        page->size = cmi_page_size(&geometry);
        page->memory = budget_allocate(page->size);
        cmi_page_init(page->memory, &geometry, epoch, seed, uneven_lease_ns(node));
        page->view = cmi_page_view(page->memory);
        page->node = node->index;
        page->life = node->life;
        page->incarnation = node->incarnation;
        page->closed_ns = NEVER;
        page->next = world->pages;
        world->pages = page;
        return page;
}

static struct core_options core_options_for(struct node *node)
{
        struct options *options = &node->world->options;
        struct core_options result = core_options_default();

        result.node_id = node->id;
        result.incarnation = node->incarnation;
        result.random = random_next(&node->world->random);
        result.name = node->name;
        result.mesh = "sim";
        result.software = "meshsim";
        result.n_endpoints = address_count(options);
        for (uint32_t i = 0; i < result.n_endpoints; i++) {
                result.endpoints[i] = address_endpoint(node->index, i);
        }
        result.max_peers = uneven_max_peers(node);
        result.lease_ns = uneven_lease_ns(node);
        result.gone_ns = uneven_gone_ns(node);
        result.margin_ns = options->margin_ns;
        result.drift_ppm = options->drift_ppm;
        result.start_ns = options->start_ns * result.lease_ns / options->lease_ns;
        result.alone_ns = options->alone_ns;
        result.intents = node->intents;
        result.is_obituary = node->is_obituary;
        result.before_ns = node->disk_lease_ns;
        result.before_gone_ns = node->disk_gone_ns;
        result.holds_max = options->holds_max > 0 ? options->holds_max : result.holds_max;
        return result;
}

static void open_log(struct node *node, struct core_options *options)
{
        struct world *world = node->world;
        int outcome;

        if (node->is_log_lost) {
                memset(node->log_memory, 0, world->options.log_size);
                node->intents->magic = 0;
                node->is_log_lost = false;
                node->lost_ns = world->now_ns;
        }
        if (node->life == 1) {
                node->lost_ns = world->now_ns; /* it never knew anything */
        }
        outcome = log_open(&node->log, node->log_memory, world->options.log_size, &node->id,
                        random_next(&world->random) | 1);
        if (outcome < 0) {
                violation(world, "log_open() of %s says %d", node->name, outcome);
        }
        options->is_clean = outcome == LOG_CONTINUED && log_was_closed(&node->log);
        trace(world, "%s starts, incarnation %llu, stream %016llx at %llu%s", node->name,
                        (unsigned long long)node->incarnation,
                        (unsigned long long)log_stream(&node->log),
                        (unsigned long long)log_newest(&node->log),
                        options->is_clean ? ", clean" : "");
}

static void remember_peers(struct node *node)
{
        struct world *world = node->world;

        for (uint32_t i = 0; i < world->options.n_nodes; i++) {
                struct cmi_endpoint endpoint = address_endpoint(i, 0);

                node->page->gone_ns[i] = 0;
                node->met_ns[i] = NEVER;
                if (i == node->index) {
                        node->page->gone_ns[i] = NEVER;
                } else if (node->has_met[i]) {
                        node->page->gone_ns[i] = NEVER;
                        core_remember(node->core, node_clock(node), &world->nodes[i].id,
                                        world->nodes[i].name, &endpoint);
                }
        }
}

/* When depends on the plan, but for what stops late and is missing after the heal. */
void node_start_later(struct node *node)
{
        struct world *world = node->world;
        uint64_t delay;

        if (world->stage > STAGE_CHAOS) {
                delay = random_between(&world->random, 100000, CMI_NS_PER_MS);
        } else if (!world->script) {
                delay = random_duration(&world->plan, 100000, world->options.fault_max_ns);
        } else {
                return;
        }
        world_add(world, delay, EVENT_START, node->index, node->host_life, NULL);
}

static void start(struct node *node, bool is_obituary)
{
        static const struct core_sink callbacks = {
                        .dial = network_dial,
                        .hangup = network_hangup,
                        .send = network_send,
                        .done = node_done,
                        .event = audit_event,
                        .applied = audit_applied,
                        .answered = operator_answered,
                        .applied_ns = operator_applied_ns,
                        .message = post_message,
                        .postable = post_postable,
        };
        struct world *world = node->world;
        struct core_sink sink = callbacks;
        struct core_options options;

        if (node->is_up) {
                return;
        }
        world->tally.n_starts++;
        node->life++;
        node->is_up = true;
        node->stopping = STOP_NO;
        node->is_obituary = is_obituary;
        node->is_closed = false;
        node->n_stops = 0;
        node->is_in_call = false;
        node->interrupt_at = 0;
        node->is_tearing = false;
        node->n_busy = 0;
        node->n_requests = 0;
        node->n_questions = 0;
        node->incarnation++;
        node->undisturbed_ns = NEVER;
        node->turn_clock = node_clock(node);
        node->called = node->turn_clock;
        node->awake_ns = world->now_ns;
        options = core_options_for(node);
        open_log(node, &options);
        if (node->core_size < core_size(&options)) {
                free(node->core_memory);
                node->core_size = core_size(&options);
                node->core_memory = budget_allocate(node->core_size);
        }
        memset(node->core_memory, 0, node->core_size);
        node->page = make_page(node);
        sink.context = node;
        node->core = core_init(node->core_memory, &options, &sink, &node->page->view, &node->log,
                        node_clock(node));
        uneven_keep_lease(node, log_lease_ns(&node->log));
        uneven_keep_gone(node);
        sessions_started(node);
        audit_started(node);
        remember_peers(node);
        spool_begin(node);
        kick(node);
}

void node_start(struct node *node)
{
        start(node, false);
}

void node_start_for_dead(struct node *node)
{
        start(node, true);
}

static void end_process(struct node *node, bool is_host)
{
        struct world *world = node->world;

        network_process_ended(node, is_host);
        sessions_ended(node);
        node->is_up = false;
        node->is_taking = false;
        node->is_in_call = false;
        node->interrupt_at = 0;
        free(node->call.frame);
        node->call = (struct call){0};
        node->n_requests = 0;
        for (uint32_t i = 0; i < world->options.n_apps; i++) {
                app_meshd_ended(&world->apps[node->index][i]);
        }
}

void node_kill(struct node *node, bool is_log_lost)
{
        if (!node->is_up) {
                return;
        }
        trace(node->world, "%s: meshd is killed%s", node->name,
                        is_log_lost ? ", its log is lost" : "");
        node->is_log_lost = is_log_lost;
        end_process(node, false);
}

void node_crash(struct node *node)
{
        struct world *world = node->world;

        trace(world, "%s: the host crashes", node->name);
        if (node->is_up) {
                end_process(node, true);
        }
        spool_lose(node);
        node->is_log_lost = true;
        node->host_life++;
        node->n_freezes = 0;
        if (node->is_suspended) {
                node->suspended_ns += world->now_ns - node->suspended_since_ns;
                node->is_suspended = false;
        }
        for (uint32_t i = 0; i < world->options.n_apps; i++) {
                app_start(&world->apps[node->index][i]);
        }
}

void node_clean_stop(struct node *node)
{
        struct world *world = node->world;

        if (!node_is_running(node) || node->stopping != STOP_NO) {
                return;
        }
        trace(world, "%s: clean stop", node->name);
        node->stopping = STOP_FLUSHING;
        node->undisturbed_ns = NEVER;
        node->stop_deadline_ns = world->now_ns + world->options.lease_ns;
        world_add(world, random_below(&world->random, 1000000), EVENT_STOPPING, node->index,
                        node->life, NULL);
        node_call(node, &(struct call){.kind = CALL_STOP});
}

static void close_log(struct node *node)
{
        if (node->is_goodbye) {
                log_close(&node->log);
        }
        node->is_closed = node->is_goodbye;
}

void node_stopping_event(struct node *node, uint64_t life)
{
        struct world *world = node->world;

        if (!node->is_up || node->life != life) {
                return;
        }
        if (node->stopping == STOP_NO && node->is_obituary && node_is_running(node) &&
                        obituary_is_over(node)) {
                node_clean_stop(node);
                return;
        }
        world_add(world, world->options.lease_ns / 100, EVENT_STOPPING, node->index, life, NULL);
        if (node->stopping == STOP_NO) {
                return;
        }
        if (!node_is_running(node)) {
                return;
        }
        if (node->stopping == STOP_GOODBYE) {
                trace(world, "%s: meshd exits", node->name);
                close_log(node);
                end_process(node, false);
                node_start_later(node);
        } else if (core_is_flushed(node->core) || world->now_ns >= node->stop_deadline_ns) {
                node->stopping = STOP_GOODBYE;
                node->page->closed_ns = world->now_ns;
                node->is_goodbye = false;
                node_call(node, &(struct call){.kind = CALL_GOODBYE});
        }
}

enum pause_kind {
        PAUSE_PROCESS = 0,
        PAUSE_HOST,
        PAUSE_SUSPEND,
};

void node_pause(struct node *node, uint64_t duration_ns)
{
        if (node->is_up) {
                trace(node->world, "%s: meshd is stopped for %.6f s", node->name,
                                (double)duration_ns / 1e9);
                node->n_stops++;
                node->undisturbed_ns = NEVER;
                world_add(node->world, duration_ns, EVENT_CONTINUE,
                                node->index | PAUSE_PROCESS << 8, node->life, NULL);
        }
}

void node_freeze(struct node *node, uint64_t duration_ns, bool is_suspend)
{
        struct world *world = node->world;

        if (is_suspend && node->is_suspended) {
                return;
        }
        trace(world, "%s: host is %s for %.6f s", node->name, is_suspend ? "suspended" : "frozen",
                        (double)duration_ns / 1e9);
        node->n_freezes++;
        node->undisturbed_ns = NEVER;
        if (is_suspend) {
                node->is_suspended = true;
                node->suspended_since_ns = world->now_ns;
        }
        world_add(world, duration_ns, EVENT_CONTINUE,
                        node->index | (is_suspend ? PAUSE_SUSPEND : PAUSE_HOST) << 8,
                        node->host_life, NULL);
}

void node_continue_event(struct node *node, const struct event *event)
{
        struct world *world = node->world;
        enum pause_kind kind = event->a >> 8;

        if (kind == PAUSE_PROCESS) {
                if (!node->is_up || node->life != event->b || node->n_stops == 0) {
                        return;
                }
                node->n_stops--;
        } else {
                if (node->host_life != event->b || node->n_freezes == 0) {
                        return;
                }
                node->n_freezes--;
                if (kind == PAUSE_SUSPEND) {
                        node->suspended_ns += world->now_ns - node->suspended_since_ns;
                        node->is_suspended = false;
                }
        }
        trace(world, "%s goes on", node->name);
        if (node_is_running(node)) {
                kick(node);
        }
}

void node_wake(struct node *node)
{
        if (node_is_running(node)) {
                kick(node);
        }
}

void node_free(struct node *node)
{
        free(node->call.frame);
        free(node->core_memory);
        free(node->log_memory);
        free(node->intents);
        free(node->stack);
        spool_lose(node);
        node->call.frame = NULL;
        node->core_memory = NULL;
        node->log_memory = NULL;
        node->intents = NULL;
        node->stack = NULL;
}
