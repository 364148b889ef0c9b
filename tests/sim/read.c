/* SPDX-License-Identifier: MIT */
/*
 * Readers: they look, and load when they miss; who misses while another reader of the process loads
 * the key waits for that one. Between any two steps they may be paused, as a scheduler or a garbage
 * collector does.
 */
#include "meshd/core/mutant.h"
#include "tests/sim/world.h"

static struct cmi_time page_lease(const struct sim_page *page)
{
        return (struct cmi_time){page->memory->lease_end_mono_ns, page->memory->lease_end_real_ns};
}

static struct cmi_time coarse_clock(const struct node *node)
{
        struct cmi_time precise = node_clock(node);
        uint64_t tick_ns = node->world->options.tick_ns;

        return (struct cmi_time){precise.mono_ns - precise.mono_ns % tick_ns,
                        precise.real_ns - precise.real_ns % tick_ns};
}

/* For the gets to come: is the page still the node's? */
static void look(struct sim_reader *reader)
{
        struct app *app = reader->app;

        if (app->page && reader_is_ttl(&app->cache, reader->key) &&
                        reader_look_is_due(&app->cache, coarse_clock(app->node).mono_ns)) {
                app_look(app);
        }
}

static enum reader_step begin_read(struct sim_reader *reader)
{
        struct app *app = reader->app;
        struct world *world = app->node->world;

        reader->started_ns = world->now_ns;
        reader->least = app->seen[reader->key];
        reader->page = app->page;
        if (!app->page) {
                return STEP_LOAD;
        }
        reader->lease_end = page_lease(app->page);
        memcpy(reader->gone_ns, app->page->gone_ns, sizeof(reader->gone_ns));
        reader->parted = app->page->parted;
        if (app_has_pending(app) && !reader_is_ttl(&app->cache, reader->key)) {
                return STEP_TOKEN;
        }
        if (!reader_get_begin(&app->cache, reader->key, &reader->get)) {
                look(reader);
                return STEP_TOKEN;
        }
        return STEP_CHECK;
}

static void hit(struct sim_reader *reader)
{
        struct app *app = reader->app;
        struct world *world = app->node->world;

        trace_story(world, reader->get.entry.version);
        trace(world, "%s: app %u hits key %u version %llu", app->node->name, app->index,
                        reader->key, (unsigned long long)reader->get.entry.version);
        judge_hit(world, reader, node_clock(app->node));
        world->tally.n_hits++;
}

/* Once more after a look, which may have brought the proof without which nothing is served. */
static bool get_again(struct sim_reader *reader)
{
        struct app *app = reader->app;

        if (!reader->get.is_ttl || app->page != reader->page) {
                return false;
        }
        look(reader);
        if (!reader_get_begin(&app->cache, reader->key, &reader->get)) {
                return false;
        }
        reader_get_check(&reader->get);
        return reader_get_end(&reader->get, coarse_clock(app->node));
}

static enum reader_step end_get(struct sim_reader *reader)
{
        if (!reader_get_end(&reader->get, coarse_clock(reader->app->node)) && !get_again(reader)) {
                return STEP_TOKEN;
        }
        hit(reader);
        look(reader);
        app_saw(reader->app, reader->key, reader->get.entry.version);
        return STEP_IDLE;
}

/* One load for each key: is another reader at it? */
static bool is_loaded(const struct sim_reader *reader)
{
        const struct app *app = reader->app;

        for (uint32_t i = 0; i < app->node->world->options.n_readers; i++) {
                const struct sim_reader *other = &app->readers[i];

                if (other != reader && other->key == reader->key &&
                                (other->step == STEP_LOAD || other->step == STEP_PUT)) {
                        return true;
                }
        }
        return false;
}

/* The result of a load that began before the waiter came: it takes it like an entry that it finds,
 * or loads itself. It may have been refused by the cache, for an entry that is good still: then
 * that one is hit afterwards, and may be older. */
static enum reader_step take_result(struct sim_reader *waiter, const struct sim_reader *loader)
{
        struct app *app = waiter->app;
        struct world *world = app->node->world;

        world->tally.n_awaited++;
        if (!app->page || app->page != waiter->page) {
                return STEP_TOKEN;
        }
        waiter->lease_end = page_lease(app->page);
        look(waiter);
        reader_get_result(&app->cache, waiter->key, loader->version, loader->token, &waiter->get);
        reader_get_check(&waiter->get);
        if (!reader_get_end(&waiter->get, coarse_clock(app->node)) && !MUTANT(WAITER_UNCHECKED)) {
                return STEP_TOKEN;
        }
        hit(waiter);
        return STEP_IDLE;
}

static enum reader_step load(struct sim_reader *reader)
{
        struct world *world = reader->app->node->world;

        reader->version = judge_newest(world, reader->key);
        trace(world, "%s: app %u loads key %u version %llu", reader->app->node->name,
                        reader->app->index, reader->key, (unsigned long long)reader->version);
        return STEP_PUT;
}

static enum reader_step put(struct sim_reader *reader)
{
        struct app *app = reader->app;

        app->node->world->tally.n_misses++;
        if (app->page) {
                if (MUTANT(TOKEN_AFTER_LOAD)) {
                        reader->token = reader_token(&app->cache);
                }
                look(reader);
                if (reader_put(&app->cache, reader->key, reader->version, reader->token,
                                    coarse_clock(app->node).mono_ns)) {
                        app_saw(app, reader->key, reader->version);
                }
        }
        return STEP_IDLE;
}

static enum reader_step take_step(struct sim_reader *reader)
{
        switch (reader->step) {
        case STEP_IDLE:
                return begin_read(reader);
        case STEP_CHECK:
                reader_get_check(&reader->get);
                return STEP_END;
        case STEP_END:
                return end_get(reader);
        case STEP_TOKEN:
                if (reader->app->node->world->options.has_shared_loads && is_loaded(reader)) {
                        return STEP_WAIT;
                }
                reader->token = reader_token(&reader->app->cache);
                return STEP_LOAD;
        case STEP_LOAD:
                return load(reader);
        case STEP_PUT:
                return put(reader);
        case STEP_WAIT:
                break;
        }
        return STEP_WAIT;
}

/* The next step, unless somebody else's load, or a script, makes it. */
static void schedule(struct sim_reader *reader)
{
        if (reader->step != STEP_WAIT &&
                        (reader->step != STEP_IDLE || !reader->app->node->world->script)) {
                app_add(reader->app, reader->pause_ns[reader->step], EVENT_READ, 0, reader);
        }
}

static void wake_waiters(const struct sim_reader *loader)
{
        struct app *app = loader->app;

        for (uint32_t i = 0; i < app->node->world->options.n_readers; i++) {
                struct sim_reader *waiter = &app->readers[i];

                if (waiter->step == STEP_WAIT && waiter->key == loader->key) {
                        waiter->step = take_result(waiter, loader);
                        schedule(waiter);
                }
        }
}

/* One step, and those that follow without a pause. */
static void go_on(struct sim_reader *reader)
{
        bool has_loaded = false;

        do {
                has_loaded = has_loaded || reader->step == STEP_PUT;
                reader->step = take_step(reader);
        } while (reader->pause_ns[reader->step] == 0 && reader->step != STEP_IDLE &&
                        reader->step != STEP_WAIT);
        if (has_loaded) {
                wake_waiters(reader);
        }
        schedule(reader);
}

void app_read(struct app *app, const struct act *act)
{
        struct sim_reader *reader = &app->readers[act->read.reader];

        if (reader->step == STEP_IDLE && !app_is_halted(app)) {
                reader->key = (uint32_t)act->read.key;
                for (enum reader_step step = STEP_CHECK; step <= STEP_PUT; step++) {
                        reader->pause_ns[step] = (uint64_t)act->read.pause_ns[step - STEP_CHECK];
                }
                go_on(reader);
        }
}

/* 0: at once. */
static int64_t draw_pause(struct world *world, enum reader_step step)
{
        struct options *options = &world->options;

        if (random_chance(&world->plan, options->pause_ppm)) {
                return (int64_t)random_duration(&world->plan, 1000, options->pause_ns);
        }
        if (step == STEP_LOAD || step == STEP_PUT) {
                return (int64_t)random_duration(&world->plan, 1000, options->load_ns);
        }
        return 0;
}

static void plan_read(struct sim_reader *reader)
{
        struct app *app = reader->app;
        struct world *world = app->node->world;
        uint64_t read_ns = world->options.read_ns;
        struct act act = {.at_ns = world->now_ns, .kind = ACT_READ, .node = app->node->index};

        act.read.app = app->index;
        act.read.reader = reader - app->readers;
        act.read.key = (int64_t)random_below(&world->plan, world->options.n_keys);
        for (enum reader_step step = STEP_CHECK; step <= STEP_PUT; step++) {
                act.read.pause_ns[step - STEP_CHECK] = draw_pause(world, step);
        }
        reader->pause_ns[STEP_IDLE] = random_between(&world->plan, read_ns / 2, read_ns * 3 / 2);
        act_do(world, &act);
}

void app_read_event(struct sim_reader *reader, uint64_t life)
{
        struct app *app = reader->app;
        struct world *world = app->node->world;

        if (app->life != life) {
                return;
        }
        if (app_is_halted(app)) {
                app_add(app, world->options.lease_ns / 50, EVENT_READ, 0, reader);
        } else if (reader->step == STEP_IDLE) {
                plan_read(reader);
        } else {
                go_on(reader);
        }
}

static bool read_one(struct app *app, uint32_t key)
{
        struct world *world = app->node->world;
        struct sim_reader reader = {.app = app,
                        .key = key,
                        .started_ns = world->now_ns,
                        .page = app->page,
                        .lease_end = page_lease(app->page),
                        .least = app->seen[key]};
        struct reader_token token = reader_token(&app->cache);

        memcpy(reader.gone_ns, app->page->gone_ns, sizeof(reader.gone_ns));
        reader.parted = app->page->parted;
        reader_put(&app->cache, key, world->keys[key].newest, token,
                        coarse_clock(app->node).mono_ns);
        if (!reader_get_begin(&app->cache, key, &reader.get)) {
                return false;
        }
        reader_get_check(&reader.get);
        return end_get(&reader) == STEP_IDLE;
}

/*
 * A cache that never answers would keep every promise: in a whole mesh what was just stored is a
 * hit.
 */
bool app_read_all(struct app *app)
{
        for (uint32_t key = 0; key < app->node->world->options.n_keys; key++) {
                if (!read_one(app, key)) {
                        return false;
                }
        }
        return true;
}
