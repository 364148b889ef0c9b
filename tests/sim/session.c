/* SPDX-License-Identifier: MIT */
/*
 * The shell around the plane of each node, as meshd/local/sessions.c is in the daemon: it makes the
 * plane with its meshd, hands requests over, and calls it when something is due. A node that does
 * not run calls nothing.
 */
#include "tests/sim/session.h"

#include <errno.h>
#include <stdlib.h>

#define LIFE_MAX_MS 600000
#define BUSY_MAX 1000 /* ticks that are due at once, one after the other */

struct cmi_id session_id(uint8_t space, uint8_t kind, uint64_t number)
{
        struct cmi_id id = {{kind, space}};

        memcpy(id.bytes + 2, &number, sizeof(number));
        /* Slots are chosen by hash, so any distinct bytes do. */
        return id;
}

void session_add(struct world *world, uint64_t delay_ns, enum session_event kind, uint32_t index,
                uint64_t serial)
{
        world_add(world, delay_ns, EVENT_SESSION, (uint32_t)kind << 16 | index, serial, NULL);
}

/* Answers */

static void answered(struct session_node *at, struct visit *visit,
                const struct cmi_session_answer *answer)
{
        trace(at->node->world, "%s: user %d, app %u: %s session %u is told %lld%s", at->node->name,
                        (int)visit->user, visit->app->index, session_verb(visit->request.verb),
                        visit->session, (long long)answer->outcome,
                        answer->flags & CMI_SESSION_READ_ONLY ? ", read only" : "");
        trace_story(at->node->world, (uint64_t)answer->outcome);
        visit->answer = *answer;
        visit->answer.tag = cmi_slice(NULL, 0);
        visit->answer.blob = cmi_slice(NULL, 0);
        visit->step = VISIT_TOLD;
        session_told(visit);
}

static void refuse(struct session_node *at, struct visit *visit, int outcome)
{
        const struct cmi_session_answer answer = {.outcome = outcome};

        answered(at, visit, &answer);
}

static void on_answer(void *context, const struct plane_caller *caller,
                const struct cmi_session_answer *answer)
{
        struct session_node *at = context;
        struct world *world = at->node->world;
        struct visit *visit = &world->sessions->visits[caller->id % VISITS_MAX];

        if (visit->serial != caller->id / VISITS_MAX || visit->step != VISIT_WAITS ||
                        visit->client != caller->client) {
                violation(world, "S20 %s: a request is answered twice, or for somebody who is gone",
                                at->node->name);
                return;
        }
        at->n_waiting--;
        session_judge_answer(at, visit, answer);
        session_audit_copies(at, node_clock(at->node));
        answered(at, visit, answer);
}

static uint64_t on_stamp(void *context, const struct cmi_id *key)
{
        struct session_node *at = context;

        return bridge_stamp(&at->bridge, key);
}

/* Requests */

static struct cmi_slice make_blob(const struct visit *visit)
{
        static uint8_t blob[CMI_SESSION_BLOB_MAX];
        uint64_t number = visit->asked + 1;

        memset(blob, (int)number, visit->blob_len);
        memcpy(blob, &number, sizeof(number));
        return cmi_slice(blob, visit->blob_len);
}

static void hand_over(struct session_node *at, struct visit *visit)
{
        struct cmi_time now = node_clock(at->node);
        uint64_t index = (uint64_t)(visit - at->node->world->sessions->visits);
        const struct plane_caller caller = {.client = visit->client,
                        .id = visit->serial * (uint64_t)VISITS_MAX + index};
        struct cmi_slice blob = {0};
        struct cmi_session_request request = visit->request;

        if (cmi_session_has_blob(request.verb)) {
                blob = make_blob(visit);
                request.blob = blob;
        }
        request.tag = cmi_slice(NULL, 0);
        if (request.verb == CMI_SESSION_CREATE) {
                request.tag = cmi_slice(&request.principal, sizeof(request.principal));
        }
        if (cmi_session_request_check(&request) != 0) {
                violation(at->node->world, "S20 a user's request is senseless");
                return;
        }
        at->n_waiting++;
        session_oracle_time(at, now);
        plane_request(at->plane, now, &caller, &request, blob);
        session_audit_call(at, now, false);
        session_tick_later(at);
}

bool session_send(struct visit *visit)
{
        struct app *app = visit->app;
        struct node *node = app->node;
        struct session_node *at = session_node(node);

        if (!app_is_connected(app) || !node_is_serving(node)) {
                return false;
        }
        visit->life = node->life;
        visit->sent_mono_ns = node_clock(node).mono_ns;
        visit->n_sent++;
        visit->told = SESSION_NONE;
        trace(node->world, "%s: user %d, app %u: %s session %u, request %d, time %u", node->name,
                        (int)visit->user, app->index, session_verb(visit->request.verb),
                        visit->session, (int)visit->asked, visit->n_sent);
        visit->step = VISIT_WAITS;
        visit->client = at->clients[app->index];
        if (!at->plane) {
                refuse(at, visit, -EOPNOTSUPP);
        } else {
                hand_over(at, visit);
        }
        return true;
}

/* Time */

void session_tick_later(struct session_node *at)
{
        struct node *node = at->node;
        uint64_t now_ns = node_clock(node).mono_ns;
        uint64_t due_ns = at->is_changed ? 0 : plane_timeout_ns(at->plane);
        uint64_t local = due_ns > now_ns ? due_ns - now_ns : 0;

        at->n_busy = local == 0 ? at->n_busy + 1 : 0;
        if (at->n_busy > BUSY_MAX) {
                violation(node->world, "C11 %s: the plane keeps its loop busy", node->name);
        }
        at->due_serial++;
        if (due_ns == UINT64_MAX) {
                return;
        }
        local = local < 3600 * CMI_NS_PER_S ? local : 3600 * CMI_NS_PER_S;
        local = (uint64_t)((int64_t)local - (int64_t)local / 1000000 * node->drift_ppm);
        session_add(node->world, local + 5000, SESSION_TICK, node->index, at->due_serial);
}

static void tick(struct session_node *at, uint64_t serial)
{
        struct node *node = at->node;
        struct cmi_time now;

        if (at->due_serial != serial || !at->plane) {
                return;
        }
        if (!node_is_running(node)) {
                session_add(node->world, node->world->options.lease_ns / 50, SESSION_TICK,
                                node->index, serial);
                return;
        }
        now = node_clock(node);
        session_oracle_time(at, now);
        at->is_changed = false;
        plane_tick(at->plane, now);
        session_audit_call(at, now, true);
        session_tick_later(at);
}

static void sweep(struct session_node *at)
{
        struct node *node = at->node;

        session_add(node->world, node->world->options.lease_ns / 2, SESSION_SWEEP, node->index, 0);
        if (at->plane && node_is_running(node)) {
                session_oracle_time(at, node_clock(node));
                session_audit_sweep(at, node_clock(node));
        }
}

void sessions_due(struct world *world, const struct event *event)
{
        struct sim_sessions *sessions = world->sessions;
        uint32_t index = event->a & 0xffff;

        switch ((enum session_event)(event->a >> 16)) {
        case SESSION_CLICK:
                session_click_event(world, index);
                return;
        case SESSION_TICK:
                tick(&sessions->nodes[index], event->b);
                return;
        case SESSION_STEP:
                if (sessions->visits[index].is_used && sessions->visits[index].serial == event->b) {
                        session_step_event(&sessions->visits[index]);
                }
                return;
        case SESSION_SWEEP:
                sweep(&sessions->nodes[index]);
                return;
        case SESSION_BACK:
                session_back_event(&world->nodes[index], (int64_t)event->b);
                return;
        }
}

void sessions_event(struct node *node, const struct core_event *event)
{
        struct session_node *at;

        if (!node->world->sessions || !session_node(node)->plane) {
                return;
        }
        at = session_node(node);
        if (event->kind == CORE_EVENT_STATE || event->kind == CORE_EVENT_AWAY) {
                at->is_changed = true;
                session_tick_later(at);
        }
}

/* Life */

static void *take_memory(void *context, size_t size)
{
        (void)context;
        return malloc(size);
}

static void give_memory(void *context, void *memory, size_t size)
{
        (void)context;
        (void)size;
        free(memory);
}

void sessions_started(struct node *node)
{
        static const struct store_memory memory = {.alloc = take_memory, .free = give_memory};
        const struct options *options = &node->world->options;
        const struct plane_options of_plane = {
                        .node_id = node->id,
                        .incarnation = node->incarnation,
                        .store = {.record_bytes = options->session_bytes,
                                        .key_bytes = options->session_key_bytes,
                                        .principal_sessions = options->session_limit,
                                        .margin_ms = options->session_margin_ns / CMI_NS_PER_MS,
                                        .life_max_ms = LIFE_MAX_MS,
                                        .idle_again_ms = 20},
        };
        struct session_node *at;
        struct plane_sink sink = {.answer = on_answer, .stamp = on_stamp};
        struct plane_view view;

        if (!node->world->sessions || node->is_obituary) {
                return;
        }
        at = session_node(node);
        sink.context = at;
        at->life = node->life;
        at->n_waiting = 0;
        at->n_raises = 0;
        at->bridge = (struct bridge){.core = node->core, .page = node->page->view};
        at->is_changed = false;
        view = bridge_view(&at->bridge);
        if (plane_new(&at->plane, &of_plane, &memory, &sink, &view) != 0) {
                violation(node->world, "%s: there is no plane", node->name);
        }
}

/* Its answer will not come: it is sent again, with its number. */
static void lose(struct visit *visit)
{
        visit->step = VISIT_SENDS;
        session_told(visit);
}

static void lose_all(struct session_node *at, const struct app *app)
{
        struct sim_sessions *sessions = at->node->world->sessions;

        for (uint32_t i = 0; i < VISITS_MAX; i++) {
                struct visit *visit = &sessions->visits[i];

                if (visit->is_used && visit->step == VISIT_WAITS && visit->app->node == at->node &&
                                (!app || visit->app == app)) {
                        at->n_waiting--;
                        lose(visit);
                }
        }
}

void sessions_ended(struct node *node)
{
        if (node->world->sessions) {
                struct session_node *at = session_node(node);

                at->plane = plane_free(at->plane);
                lose_all(at, NULL);
                memset(at->clients, 0, sizeof(at->clients));
        }
}

void sessions_attached(struct app *app)
{
        struct node *node = app->node;
        uint32_t region;

        if (node->world->sessions &&
                        core_region(node->core, cmi_slice_str(CMI_SESSION_REGION), &region) == 0) {
                core_region_hold(node->core, region);
                session_node(node)->clients[app->index] = ++node->world->sessions->n_clients;
        }
}

void sessions_dropped(struct app *app)
{
        struct node *node = app->node;
        struct session_node *at;
        uint32_t region;

        if (!node->world->sessions) {
                return;
        }
        at = session_node(node);
        if (core_region_find(node->core, cmi_slice_str(CMI_SESSION_REGION), &region) == 0) {
                core_region_drop(node->core, region);
        }
        if (at->plane && at->clients[app->index] != 0) {
                plane_cancel(at->plane, at->clients[app->index]);
        }
        lose_all(at, app);
}

void sessions_begin(struct world *world)
{
        struct sim_sessions *sessions;

        if (world->options.n_users == 0) {
                return;
        }
        sessions = calloc(1, sizeof(*sessions)); /* most of it is never touched */
        if (!sessions) {
                abort();
        }
        sessions->world = world;
        sessions->plan = (struct random){world->seed * 977 + 63};
        for (uint32_t i = 0; i < NODES_MAX; i++) {
                sessions->nodes[i].node = &world->nodes[i];
        }
        for (uint32_t i = 0; i < USERS_MAX; i++) {
                sessions->users[i].session = SESSION_NONE;
                sessions->users[i].principal = (uint8_t)(1 + i / 2);
        }
        world->sessions = sessions;
}

void sessions_chaos(struct world *world)
{
        if (!world->sessions) {
                return;
        }
        for (uint32_t i = 0; i < world->options.n_nodes; i++) {
                session_add(world, world->options.lease_ns / 2, SESSION_SWEEP, i, 0);
        }
        for (uint32_t i = 0; i < world->options.n_users && !world->script; i++) {
                session_add(world, random_below(&world->sessions->plan, world->options.click_ns),
                                SESSION_CLICK, i, 0);
        }
}

void sessions_free(struct world *world)
{
        if (world->sessions) {
                for (uint32_t i = 0; i < NODES_MAX; i++) {
                        plane_free(world->sessions->nodes[i].plane);
                }
        }
        free(world->sessions);
        world->sessions = NULL;
}
