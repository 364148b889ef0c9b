/* SPDX-License-Identifier: MIT */
/*
 * Processes that use a cache, and their writers, which commit to the database and then announce it.
 * Their connections to meshd are in attachment.c, their readers in read.c. Between any two steps
 * they may be paused, as a scheduler or a garbage collector does.
 */
#include "meshd/core/mutant.h"
#include "tests/sim/world.h"

#include <errno.h>

#define NEW_WRITE UINT32_MAX

void app_add(struct app *app, uint64_t delay_ns, enum event_kind kind, uint32_t a, void *object)
{
        world_add(app->node->world, delay_ns, kind, a, app->life, object);
}

static void plan_start(struct app *app)
{
        struct world *world = app->node->world;

        for (uint32_t i = 0; i < world->options.n_readers; i++) {
                app_add(app, random_below(&world->plan, world->options.read_ns), EVENT_READ, 0,
                                &app->readers[i]);
        }
        app_add(app, random_below(&world->plan, world->options.write_ns), EVENT_WRITE, NEW_WRITE,
                        app);
}

void app_start(struct app *app)
{
        struct world *world = app->node->world;
        uint64_t life = app->life + 1;
        uint32_t index = app->index;
        struct node *node = app->node;

        *app = (struct app){.node = node, .index = index, .life = life};
        app->cache.tick_ns = world->options.tick_ns;
        app->cache.n_keys = world->options.n_keys;
        app->cache.n_ttl = world->options.n_ttl;
        app->cache.ttl_ns = world->options.ttl_ns;
        app_add(app, random_below(&world->random, world->options.lease_ns / 4), EVENT_ATTACH, 0,
                        app);
        for (uint32_t i = 0; i < world->options.n_readers; i++) {
                app->readers[i].app = app;
        }
        for (uint32_t i = 0; i < WRITES_MAX; i++) {
                app->writes[i].app = app;
        }
        if (!world->script) {
                plan_start(app);
        }
}

bool app_has_pending(const struct app *app)
{
        for (uint32_t i = 0; i < WRITES_MAX; i++) {
                if (app->writes[i].stage == WRITE_PENDING) {
                        return true;
                }
        }
        return false;
}

void app_saw(struct app *app, uint32_t key, uint64_t version)
{
        if (app->seen[key] < version) {
                app->seen[key] = version;
        }
}

/* Writing */

/* Dead in this process before anything else happens. */
static void announce(struct app *app, struct sim_write *write)
{
        for (uint32_t i = 0; i < app->node->world->options.n_keys; i++) {
                if (write->keys & 1u << i) {
                        reader_kill(&app->cache, i);
                        write->announced[i] = app->node->world->keys[i].newest;
                }
        }
        if (write->wait == CMI_WAIT_NONE && app->node->world->options.lag_ns == 0) {
                for (uint32_t i = 0; i < app->node->world->options.n_keys; i++) {
                        if (write->keys & 1u << i) {
                                app_saw(app, i, write->announced[i]);
                        }
                }
        }
        app_hand_over(app, write);
}

static struct sim_write *free_write(struct app *app)
{
        for (uint32_t i = 0; i < WRITES_MAX; i++) {
                if (app->writes[i].stage == WRITE_FREE) {
                        return &app->writes[i];
                }
        }
        return NULL;
}

void app_write(struct app *app, const struct act *act)
{
        struct world *world = app->node->world;
        struct sim_write *write = free_write(app);
        uint32_t key = (uint32_t)act->write.key;

        if (!write || app_is_halted(app)) {
                return;
        }
        world->tally.n_writes++;
        write->is_spooled = false;
        write->intent = INTENT_NONE;
        if (act->write.op == OP_INTENT) {
                intent_draw(write, key);
                announce(app, write);
                return;
        }
        write->stage = WRITE_COMMITTED;
        write->wait = (enum cmi_wait)act->write.wait;
        write->timeout_ns = (uint64_t)act->write.timeout_ns;
        operation_make(write, (enum write_op)act->write.op, key);
        if (act->write.op != OP_FAT) {
                judge_commit(world, key);
        }
        app_add(app, (uint64_t)act->write.after_ns, EVENT_WRITE, (uint32_t)(write - app->writes),
                        app);
}

static enum write_op draw_op(struct world *world)
{
        const struct options *options = &world->options;

        if (random_chance(&world->plan, options->intent_ppm)) {
                return OP_INTENT;
        }
        if (random_chance(&world->plan, options->fat_ppm)) {
                return OP_FAT;
        }
        if (random_chance(&world->plan, options->unknown_ppm)) {
                return OP_UNKNOWN;
        }
        if (!random_chance(&world->plan, options->wide_ppm)) {
                return OP_KEY;
        }
        if (random_chance(&world->plan, 500000)) {
                return OP_TAG;
        }
        return random_chance(&world->plan, 500000) ? OP_REGION : OP_ALL;
}

static void draw_wait(struct world *world, struct act *act)
{
        uint64_t lease_ns = world->options.lease_ns;

        if (!random_chance(&world->plan, world->options.wait_mesh_ppm)) {
                act->write.wait =
                                random_chance(&world->plan, 500000) ? CMI_WAIT_NONE : CMI_WAIT_NODE;
                return;
        }
        act->write.wait = CMI_WAIT_MESH;
        if (random_chance(&world->plan, 300000)) {
                act->write.timeout_ns =
                                (int64_t)random_duration(&world->plan, lease_ns / 4, 6 * lease_ns);
        }
}

static void plan_write(struct app *app)
{
        struct world *world = app->node->world;
        struct act act = {.at_ns = world->now_ns, .kind = ACT_WRITE, .node = app->node->index};

        act.write.app = app->index;
        act.write.key = (int64_t)random_below(&world->plan, world->options.n_keys);
        act.write.op = draw_op(world);
        draw_wait(world, &act);
        act.write.after_ns =
                        (int64_t)random_duration(&world->plan, 1000, world->options.announce_ns);
        act_do(world, &act);
}

void app_write_event(struct app *app, const struct event *event)
{
        struct world *world = app->node->world;
        uint64_t mean = world->options.write_ns;

        if (app->life != event->b) {
                return;
        }
        if (app_is_halted(app)) {
                app_add(app, world->options.lease_ns / 50, EVENT_WRITE, event->a, app);
        } else if (event->a != NEW_WRITE) {
                announce(app, &app->writes[event->a]);
        } else if (world->stage <= STAGE_CHAOS) {
                plan_write(app);
                app_add(app, random_between(&world->plan, mean / 4, mean * 7 / 4), EVENT_WRITE,
                                NEW_WRITE, app);
        }
}

/* A write on each node at the end: the mesh is whole, so nobody may be missing. */
void app_last_write(struct app *app)
{
        struct world *world = app->node->world;
        struct sim_write *write = free_write(app);

        write->stage = WRITE_COMMITTED;
        write->is_spooled = false;
        write->intent = INTENT_NONE;
        write->wait = CMI_WAIT_MESH;
        write->timeout_ns = 0;
        operation_make(write, OP_KEY, 0);
        judge_commit(world, 0);
        announce(app, write);
}

static void returned(struct app *app, struct sim_write *write)
{
        for (uint32_t i = 0; i < app->node->world->options.n_keys; i++) {
                if ((write->keys & 1u << i) && app->node->world->options.lag_ns == 0) {
                        app_saw(app, i, write->announced[i]);
                }
        }
        spool_drop(write);
        write->is_spooled = false;
        write->stage = WRITE_FREE;
}

/* Inside the shell of @node: may be interrupted, and never return. */
void app_publish(struct node *node, struct sim_write *write, struct cmi_time now)
{
        struct world *world = node->world;
        uint64_t number = 0;
        int r;

        if (write->stage != WRITE_HANDED || write->is_dropped) {
                return;
        }
        for (uint32_t i = 0; i < world->options.n_keys; i++) {
                write->versions[i] = world->keys[i].newest;
        }
        write->left = node->page->left;
        write->cookie = ++world->n_cookies;
        write->published_ns = world->now_ns;
        write->stage = WRITE_WAITING;
        if (write->intent == INTENT_ENDS) {
                judge_intent_ended(world, write); /* the call may be interrupted when it has */
        }
        r = core_publish(node->core, now, cmi_slice(write->op, write->op_len), write->wait,
                        write->timeout_ns, write->cookie, &number);
        trace(world, "%s: app %u publishes keys %x as %llu, wait %d: %d", node->name,
                        write->app->index, write->keys, (unsigned long long)number,
                        (int)write->wait, r);
        world->tally.n_late_ends += r == CORE_EXPIRED;
        if (r < 0 && write->intent == INTENT_BEGINS) {
                write->stage = WRITE_FREE;
        } else if (r == -ESHUTDOWN || r == -EBUSY) {
                write->stage = WRITE_PENDING;
                write->app->is_attached = false;
                app_add(write->app, world->options.lease_ns / 20, EVENT_ATTACH, 0, write->app);
        } else if (r < 0) {
                violation(world, "core_publish() of %s says %d", node->name, r);
        } else {
                judge_published(world, write, node->index);
                if (!core_defers(node->core, now, write->wait)) {
                        returned(write->app, write);
                }
        }
}

static struct sim_write *find_write(struct node *node, uint64_t cookie)
{
        for (uint32_t i = 0; i < node->world->options.n_apps; i++) {
                struct app *app = &node->world->apps[node->index][i];

                for (uint32_t j = 0; j < WRITES_MAX; j++) {
                        if (app->writes[j].stage == WRITE_WAITING &&
                                        app->writes[j].cookie == cookie) {
                                return &app->writes[j];
                        }
                }
        }
        return NULL;
}

void app_done(struct node *node, uint64_t cookie, const struct core_outcome *outcome)
{
        struct world *world = node->world;
        struct sim_write *write = find_write(node, cookie);

        trace(world,
                        "%s: wait for %llu is over after %.6f s: %d, %u applied, %u lapsed, %u "
                        "unconfirmed",
                        node->name, (unsigned long long)outcome->position,
                        write ? (double)(world->now_ns - write->published_ns) / 1e9 : -1.0,
                        outcome->outcome, outcome->n_applied, outcome->n_lapsed,
                        outcome->n_unconfirmed);
        if (!write) {
                violation(world, "%s: done() with an unknown cookie", node->name);
                return;
        }
        write->left |= node->page->left; /* whom it has not waited for, though LIVE later */
        trace_story(world, (uint64_t)outcome->outcome);
        if (write->wait == CMI_WAIT_MESH) {
                audit_outcome(node, write, outcome);
                if (outcome->outcome == 0) {
                        judge_acknowledged(world, write);
                }
        }
        returned(write->app, write);
        if (write->intent == INTENT_BEGINS) {
                intent_begun(write, outcome);
        }
}

/* The end */

bool app_is_idle(const struct app *app)
{
        for (uint32_t i = 0; i < WRITES_MAX; i++) {
                if (app->writes[i].stage != WRITE_FREE) {
                        return false;
                }
        }
        return app_is_connected(app);
}
