/* SPDX-License-Identifier: MIT */
#include "demo-app/cache.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The rows are cached as they are in memory: a process with other ones must not read them. */
#define TREES_VERSION (1u << 16 | sizeof(struct store_folder))
#define LISTS_VERSION (1u << 16 | sizeof(struct store_person) << 8 | sizeof(struct store_node))

/* For changes that go round the app, made by hand in the database. */
#define TTL_MS (10 * 60 * 1000)
#define WAIT_MS 5000

struct cache {
        struct cm *cm;
        struct cm_region *trees;
        struct cm_region *lists;
        struct store *store;
        bool is_publishing;
};

/* A key that is being loaded: which one, and what was seen of it. */
struct load {
        struct cache *cache;
        size_t row_size;
        bool is_loaded;
        int outcome; /* of the store, if positive */
        enum cm_reason reason;
};

static const char *reason_text(enum cm_reason reason)
{
        switch (reason) {
        case CM_REASON_NONE:
                return "";
        case CM_REASON_ABSENT:
                return "absent";
        case CM_REASON_EXPIRED:
                return "expired";
        case CM_REASON_LEASE:
                return "no lease";
        case CM_REASON_INVALIDATED:
                return "invalidated";
        case CM_REASON_FORGOTTEN:
                return "forgotten";
        case CM_REASON_PENDING:
                return "pending";
        case CM_REASON_OFFLINE:
                return "offline";
        case CM_REASON_INTENT:
                return "being written";
        }
        return "unknown";
}

static void log_line(void *userdata, enum cm_log_level level, const char *message)
{
        fprintf(stderr, "event=cachemesh level=%d message=\"%s\"\n", (int)level, message);
}

static int open_regions(struct cache *cache)
{
        struct cm_region_options trees = {.size = sizeof(trees),
                        .ttl_ms = TTL_MS,
                        .ttl_jitter_percent = 10,
                        .version = TREES_VERSION};
        struct cm_region_options lists = {.size = sizeof(lists),
                        .budget_bytes = 1024 * 1024,
                        .ttl_ms = TTL_MS,
                        .version = LISTS_VERSION};
        int r = cm_region_open(&cache->trees, cache->cm, "demo-trees", &trees);

        return r < 0 ? r : cm_region_open(&cache->lists, cache->cm, "demo-lists", &lists);
}

int cache_open(struct cache **ret_cache, struct store *store, const struct cache_options *options)
{
        struct cm_options cm_options = {.size = sizeof(cm_options),
                        .socket_path = options->socket,
                        .name = options->name,
                        .flags = options->is_standalone ? CM_OPEN_STANDALONE : 0,
                        .timeout_ms = WAIT_MS,
                        .log = log_line};
        struct cache *cache = calloc(1, sizeof(*cache));
        int r = cache ? cm_open(&cache->cm, &cm_options) : -ENOMEM;

        if (r == 0) {
                cache->store = store;
                cache->is_publishing = options->is_publishing;
                r = open_regions(cache);
        }
        if (r < 0) {
                cache_close(cache);
                return r;
        }
        *ret_cache = cache;
        return 0;
}

struct cache *cache_close(struct cache *cache)
{
        if (cache) {
                cm_close(cache->cm);
                free(cache);
        }
        return NULL;
}

struct cm *cache_handle(struct cache *cache)
{
        return cache->cm;
}

static int add_tag(struct cm_load *load, const char *kind, const char *name)
{
        char tag[sizeof("person:") + NAME_PERSON_MAX];
        int n = snprintf(tag, sizeof(tag), "%s:%s", kind, name);

        return cm_load_add_tag(load, tag, (size_t)n);
}

static int add_tags(struct cm_load *load, const char *person, const struct store_folder *folders,
                size_t n)
{
        char id[24];
        int r = add_tag(load, "person", person);

        for (size_t i = 0; r == 0 && i < n; i++) {
                if (folders[i].is_shared && folders[i].depth == 0) {
                        snprintf(id, sizeof(id), "%" PRId64, folders[i].id);
                        r = add_tag(load, "folder", id);
                }
        }
        return r;
}

/* The reason is that of the lookup which this thread has just done. */
static void begin_load(struct load *load)
{
        load->is_loaded = true;
        load->reason = cm_last_reason();
}

static int set_rows(struct cm_load *cm_load, const void *rows, size_t n, size_t row_size)
{
        return cm_load_set_value(cm_load, n ? rows : "", n * row_size);
}

static int load_tree(void *userdata, struct cm_load *cm_load, const void *key, size_t key_len)
{
        struct load *load = userdata;
        char person[NAME_PERSON_MAX + 1];
        struct store_folder *folders = NULL;
        size_t n = 0;
        int r;

        begin_load(load);
        snprintf(person, sizeof(person), "%.*s", (int)key_len, (const char *)key);
        load->outcome = store_tree(load->cache->store, person, &folders, &n);
        if (load->outcome < 0) {
                return load->outcome;
        }
        r = add_tags(cm_load, person, folders, n);
        if (r == 0 && load->outcome > 0) {
                r = cm_load_set_negative(cm_load);
        } else if (r == 0) {
                r = set_rows(cm_load, folders, n, sizeof(*folders));
        }
        free(folders);
        return r;
}

static int load_people(void *userdata, struct cm_load *cm_load, const void *key, size_t key_len)
{
        struct load *load = userdata;
        struct store_person *people = NULL;
        size_t n = 0;
        int r;

        begin_load(load);
        r = store_people(load->cache->store, &people, &n);
        if (r == 0) {
                r = set_rows(cm_load, people, n, sizeof(*people));
        }
        free(people);
        return r;
}

static int load_nodes(void *userdata, struct cm_load *cm_load, const void *key, size_t key_len)
{
        struct load *load = userdata;
        struct store_node *nodes = NULL;
        size_t n = 0;
        int r;

        begin_load(load);
        r = store_nodes(load->cache->store, &nodes, &n);
        if (r == 0) {
                r = set_rows(cm_load, nodes, n, sizeof(*nodes));
        }
        free(nodes);
        return r;
}

static int look_up(struct cm_region *region, const char *key, cm_load_fn function,
                struct load *load, struct cache_answer *ret_answer)
{
        struct cache_answer answer = {0};
        int r = cm_get_or_load(region, key, strlen(key), function, load, &answer.value);

        if (r < 0) {
                return r;
        }
        answer.is_hit = !load->is_loaded;
        answer.reason = reason_text(load->reason);
        if (r == 0) {
                answer.rows = answer.value.data;
                answer.n = answer.value.len / load->row_size;
        }
        *ret_answer = answer;
        return r == CM_NEGATIVE ? STORE_NO_PERSON : 0;
}

int cache_tree(struct cache *cache, const char *person, struct cache_answer *ret_answer)
{
        struct load load = {.cache = cache, .row_size = sizeof(struct store_folder)};

        return look_up(cache->trees, person, load_tree, &load, ret_answer);
}

int cache_people(struct cache *cache, struct cache_answer *ret_answer)
{
        struct load load = {.cache = cache, .row_size = sizeof(struct store_person)};

        return look_up(cache->lists, "people", load_people, &load, ret_answer);
}

int cache_nodes(struct cache *cache, struct cache_answer *ret_answer)
{
        struct load load = {.cache = cache, .row_size = sizeof(struct store_node)};

        return look_up(cache->lists, "nodes", load_nodes, &load, ret_answer);
}

void cache_release(struct cache_answer *answer)
{
        cm_release(&answer->value);
}

static uint64_t now_us(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int add_targets(
                struct cache *cache, struct cm_batch *batch, const struct store_change *change)
{
        char tag[sizeof("person:") + NAME_PERSON_MAX];
        int r = 0;

        for (size_t i = 0; r == 0 && i < change->n_people; i++) {
                int n = snprintf(tag, sizeof(tag), "person:%s", change->people[i]);

                r = cm_batch_add_tag(batch, cache->trees, tag, (size_t)n);
        }
        for (size_t i = 0; r == 0 && i < change->n_folders; i++) {
                int n = snprintf(tag, sizeof(tag), "folder:%" PRId64, change->folders[i]);

                r = cm_batch_add_tag(batch, cache->trees, tag, (size_t)n);
        }
        return r;
}

/* @key: of the lists, or NULL. @change: of the trees, or NULL. */
static int publish(struct cache *cache, const char *key, const struct store_change *change,
                struct cm_result *result)
{
        struct cm_batch *batch = NULL;
        int r = cm_batch_new(&batch, cache->cm);

        if (r == 0 && key) {
                r = cm_batch_add_key(batch, cache->lists, key, strlen(key));
        }
        if (r == 0 && change) {
                r = add_targets(cache, batch, change);
        }
        if (r == 0) {
                r = cm_batch_publish(batch, CM_WAIT_MESH, 0, result);
        }
        cm_batch_free(batch);
        return r;
}

static void publish_timed(struct cache *cache, const char *key, const struct store_change *change,
                struct cache_report *ret_report)
{
        struct cm_result result = {0};
        struct cache_report report = {.outcome = -ECANCELED};
        uint64_t begin_us = now_us();

        if (cache->is_publishing) {
                report.outcome = publish(cache, key, change, &result);
        }
        report.n_applied = result.n_applied;
        report.n_lapsed = result.n_lapsed;
        report.n_unconfirmed = result.n_unconfirmed;
        report.took_us = (uint32_t)(now_us() - begin_us);
        cm_result_clear(&result);
        *ret_report = report;
}

void cache_publish(struct cache *cache, const struct store_change *change,
                struct cache_report *ret_report)
{
        publish_timed(cache, NULL, change, ret_report);
}

void cache_publish_people(struct cache *cache, const struct store_change *change,
                struct cache_report *ret_report)
{
        publish_timed(cache, "people", change, ret_report);
}

void cache_publish_nodes(struct cache *cache, struct cache_report *ret_report)
{
        publish_timed(cache, "nodes", NULL, ret_report);
}

const char *cache_mode(struct cache *cache, const char **ret_reason)
{
        static const char *const names[] = {[CM_LIVE] = "live",
                        [CM_BYPASS] = "bypass",
                        [CM_OFFLINE] = "offline",
                        [CM_STANDALONE] = "standalone"};
        struct cm_state state = {.mode = CM_OFFLINE, .reason = ""};

        cm_state(cache->cm, &state);
        *ret_reason = state.reason;
        return names[state.mode];
}

static void add_counts(struct cm_region *region, struct cache_counts *counts)
{
        struct cm_region_stats stats = {.size = sizeof(stats)};

        if (cm_region_stats(region, &stats) < 0) {
                return;
        }
        counts->n_hits += stats.n_hits + stats.n_negative_hits;
        for (size_t i = 0; i < sizeof(stats.n_misses) / sizeof(stats.n_misses[0]); i++) {
                counts->n_misses += stats.n_misses[i];
        }
        counts->n_entries += stats.n_entries;
        counts->bytes += stats.bytes;
}

void cache_count(struct cache *cache, struct cache_counts *ret_counts)
{
        *ret_counts = (struct cache_counts){0};
        add_counts(cache->trees, ret_counts);
        add_counts(cache->lists, ret_counts);
}
