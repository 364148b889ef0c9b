/* SPDX-License-Identifier: MIT */
/*
 * The connection of an app to its meshd, and what becomes of it: attaching, handing writes over,
 * what waits while there is no meshd, and the looks with which regions that are served by their TTL
 * find out whether the page is still the node's.
 */
#include "meshd/core/mutant.h"
#include "tests/sim/session.h"

bool app_is_halted(const struct app *app)
{
        return app->node->n_freezes > 0 || app->node->world->now_ns < app->halted_ns;
}

bool app_is_connected(const struct app *app)
{
        return app->is_attached && !app->is_dropped && app->node->is_up &&
               app->page->life == app->node->life;
}

void app_hand_over(struct app *app, struct sim_write *write)
{
        struct world *world = app->node->world;

        if (!app_is_connected(app)) {
                /* Nobody begins to write later than he asked to. */
                write->stage = write->intent == INTENT_BEGINS ? WRITE_FREE : WRITE_PENDING;
                if (write->stage == WRITE_PENDING) {
                        spool_append(write);
                }
                if (app->is_attached) {
                        app->is_attached = false;
                        app_add(app, random_below(&world->random, world->options.lease_ns / 20),
                                        EVENT_ATTACH, 0, app);
                }
                return;
        }
        write->stage = WRITE_HANDED;
        write->node_life = app->node->life;
        write->is_dropped = false;
        node_request(app->node, write);
}

/* Its meshd has what it was given, or will never say what became of it. */
static bool is_lost(const struct app *app, const struct sim_write *write)
{
        return (write->stage == WRITE_HANDED || write->stage == WRITE_WAITING) &&
               (write->is_dropped || write->node_life != app->node->life);
}

const char *app_region(const struct world *world, uint32_t key)
{
        return key >= world->options.n_keys - world->options.n_ttl ? "t" : "r";
}

/* It has them open, and tells with which options. */
static void hold_regions(struct node *node, const uint32_t regions[2])
{
        const struct options *options = &node->world->options;
        const uint64_t hold_ms = options->hold_ns / CMI_NS_PER_MS;
        const struct cmi_region is_bounded = {.hold_ms = hold_ms};
        const struct cmi_region is_ttl = {.fresh = CMI_FRESH_TTL,
                        .ttl_ms = options->ttl_ns / CMI_NS_PER_MS,
                        .hold_ms = hold_ms};

        core_region_hold(node->core, regions[0]);
        core_region_describe(node->core, regions[0], &is_bounded);
        if (options->n_ttl > 0) {
                core_region_hold(node->core, regions[1]);
                core_region_describe(node->core, regions[1], &is_ttl);
        }
}

static bool find_regions(struct node *node, uint32_t ret_regions[2])
{
        bool has_ttl = node->world->options.n_ttl > 0;

        ret_regions[1] = 0;
        return core_region(node->core, cmi_slice_str("r"), &ret_regions[0]) == 0 &&
               (!has_ttl || core_region(node->core, cmi_slice_str("t"), &ret_regions[1]) == 0);
}

static void attach(struct app *app)
{
        struct node *node = app->node;
        struct world *world = node->world;
        uint32_t regions[2];

        if (!find_regions(node, regions)) {
                violation(world, "%s has no region index to give", node->name);
                return;
        }
        spool_check(node);
        trace(world, "%s: app %u maps the page of life %llu", node->name, app->index,
                        (unsigned long long)node->life);
        if (app->is_dropped || app->held_life != node->life) {
                hold_regions(node, regions);
                sessions_attached(app);
                app->held_life = node->life;
        }
        app->page = node->page;
        app->is_attached = true;
        app->was_live = app->page->memory->state == CMI_PAGE_LIVE;
        app->is_dropped = false;
        reader_map(&app->cache, &node->page->view, regions, world->options.n_tags);
        for (uint32_t i = 0; i < WRITES_MAX; i++) {
                struct sim_write *write = &app->writes[i];

                if (is_lost(app, write) && write->intent == INTENT_BEGINS) {
                        write->stage = WRITE_FREE;
                } else if (write->stage == WRITE_PENDING || is_lost(app, write)) {
                        app_hand_over(app, write);
                }
        }
}

static bool is_heard(const struct node *node)
{
        return !node->is_obituary || !MUTANT(OBITUARY_UNHEARD);
}

void app_attach_event(struct app *app, uint64_t life)
{
        struct node *node = app->node;

        if (app->life != life || app_is_connected(app)) {
                return;
        }
        app->is_attached = false;
        if (node_is_serving(node) && is_heard(node) && !app_is_halted(app)) {
                attach(app);
        } else {
                app_add(app, node->world->options.lease_ns / 20, EVENT_ATTACH, 0, app);
        }
}

static void drop_region(struct node *node, const char *name)
{
        uint32_t region;

        if (core_region_find(node->core, cmi_slice_str(name), &region) == 0) {
                core_region_drop(node->core, region);
        }
}

/* meshd closes its connection: what it holds is given back, and its waits are over. */
void app_drop(struct app *app)
{
        struct node *node = app->node;

        if (!node->is_up || app->held_life != node->life || app->is_dropped) {
                return;
        }
        trace(node->world, "%s: the connection of app %u ends", node->name, app->index);
        node->world->tally.n_drops++;
        app->is_dropped = true;
        sessions_dropped(app);
        drop_region(node, "r");
        if (node->world->options.n_ttl > 0) {
                drop_region(node, "t");
        }
        for (uint32_t i = 0; i < WRITES_MAX; i++) {
                struct sim_write *write = &app->writes[i];

                if (write->stage == WRITE_WAITING) {
                        core_cancel(node->core, write->cookie);
                }
                write->is_dropped = true;
        }
        node_withdraw(node, app);
        app_meshd_ended(app);
}

/*
 * It sees the socket close when a call uses it: an app that only hits looks at the old page for
 * long.
 */
void app_meshd_ended(struct app *app)
{
        struct world *world = app->node->world;
        uint64_t lease_ns = world->options.lease_ns;
        uint64_t deaf_ns = world->options.deaf_ns;
        uint64_t delay = random_chance(&world->random, 500000)
                                         ? random_below(&world->random, 2 * lease_ns + deaf_ns)
                                         : random_duration(&world->random, 10000, lease_ns / 2);

        app_add(app, delay, EVENT_ATTACH, 0, app);
}

/*
 * Is the page still the node's, though its lease is over? It is while its meshd holds the other end
 * of the connection, or nobody listens and the last look is not too long ago. Who listens now is
 * asked for his page.
 */
void app_look(struct app *app)
{
        struct node *node = app->node;
        uint64_t lease_ns = app->cache.view.page->lease_ns;
        uint64_t now_ns = node_clock(node).mono_ns;
        bool has_gap = now_ns >= app->cache.view.page->lease_end_mono_ns &&
                       now_ns >= app->cache.vouched_ns;

        if (now_ns < app->next_look_ns) {
                return;
        }
        app->next_look_ns = now_ns + CMI_NS_PER_MS;
        node->world->tally.n_looks++;
        app->was_live = app->was_live || app->page->memory->state == CMI_PAGE_LIVE;
        if (!app_is_connected(app) && node->is_up && is_heard(node)) {
                app_add(app, random_below(&node->world->random, lease_ns / 20), EVENT_ATTACH, 0,
                                app);
                return;
        }
        if (!app_is_connected(app) && has_gap && !MUTANT(TTL_GAP_KEPT)) {
                return;
        }
        if (app->was_live || MUTANT(TTL_UNJOINED)) {
                app->cache.vouched_ns = now_ns + lease_ns - lease_ns / 8;
        }
}

void app_halt(struct app *app, uint64_t duration_ns)
{
        trace(app->node->world, "%s: app %u is stopped for %.6f s", app->node->name, app->index,
                        (double)duration_ns / 1e9);
        app->halted_ns = app->node->world->now_ns + duration_ns;
}

/* Somebody kills it, and starts it again; its meshd, if there is one, has noticed. */
void app_quit(struct app *app)
{
        trace(app->node->world, "%s: app %u is killed", app->node->name, app->index);
        app->node->world->tally.n_quits++;
        spool_orphaned(app->node);
        app_start(app);
}
