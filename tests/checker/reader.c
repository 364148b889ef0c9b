/* SPDX-License-Identifier: MIT */
#include "tests/checker/client.h"

#include <errno.h>
#include <string.h>

#define BURST 64    /* gets between two pauses */
#define LOADS_MAX 4 /* rows of one transaction */
#define PAUSE_US 1500
#define SLOW_ONE_IN 8 /* loads */
#define SLOW_US 2000

static void note_value(struct worker *worker, uint32_t key, struct cm_value *value,
                uint64_t start_ns, uint64_t end_ns)
{
        struct row row;

        client_must(value->len == sizeof(row), "a value of another length");
        memcpy(&row, value->data, sizeof(row));
        cm_release(value);
        worker_note(worker, HISTORY_HIT, key, &row, start_ns, end_ns);
        atomic_fetch_add_explicit(&worker->client->n_hits, 1, memory_order_relaxed);
}

static void note_load(struct worker *worker, uint32_t key, const struct row *row, uint64_t start_ns,
                uint64_t end_ns)
{
        worker_note(worker, HISTORY_LOAD, key, row, start_ns, end_ns);
        atomic_fetch_add_explicit(&worker->client->n_loads, 1, memory_order_relaxed);
}

static void put(struct client *client, uint32_t key, const struct row *row, struct cm_token token)
{
        struct name name = client_key(key), tag_name = client_tag(key);
        struct cm_bytes tag = {tag_name.text, tag_name.len};
        struct cm_put_options options = {.size = sizeof(options), .tags = &tag, .n_tags = 1};
        int r = cm_put(client->region, name.text, name.len, row, sizeof(*row), token, &options);

        client_must(r == 0 || r == CM_REFUSED, "cm_put");
}

/* Some loads are slow: what is changed meanwhile must not be stored. */
static void linger(struct worker *worker, bool is_slow)
{
        if (is_slow) {
                worker_pause(worker, SLOW_US);
        }
}

static void load_rows(struct worker *worker, const uint32_t *keys, unsigned n)
{
        struct client *client = worker->client;
        bool is_slow = worker_draw(worker, SLOW_ONE_IN) == 0;
        struct row rows[LOADS_MAX], other;
        uint64_t start_ns = client_now_ns(), end_ns;
        struct cm_token token = cm_token(client->cm);

        client_must(database_begin(worker->database) == 0, "begin");
        if (client->when == TOKEN_BEGUN) {
                client_must(database_read(worker->database, keys[0], &other) == 0, "read");
                linger(worker, is_slow);
                token = cm_token(client->cm);
        }
        for (unsigned i = 0; i < n; i++) {
                client_must(database_read(worker->database, keys[i], &rows[i]) == 0, "read");
                linger(worker, is_slow);
        }
        client_must(database_commit(worker->database) == 0, "end of a read");
        end_ns = client_now_ns();
        if (client->when == TOKEN_LOADED) {
                token = cm_token(client->cm);
        }
        for (unsigned i = 0; i < n; i++) {
                put(client, keys[i], &rows[i], token);
                note_load(worker, keys[i], &rows[i], start_ns, end_ns);
        }
}

/* One load at a time in a process: the library takes the token. */
struct single {
        struct worker *worker;
        uint32_t key;
};

static int load_single(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        struct single *single = userdata;
        struct worker *worker = single->worker;
        struct name tag = client_tag(single->key);
        uint64_t start_ns = client_now_ns();
        struct row row;

        (void)key;
        (void)key_len;
        client_must(database_begin(worker->database) == 0, "begin");
        client_must(database_read(worker->database, single->key, &row) == 0, "read");
        linger(worker, worker_draw(worker, SLOW_ONE_IN) == 0);
        client_must(database_commit(worker->database) == 0, "end of a read");
        note_load(worker, single->key, &row, start_ns, client_now_ns());
        client_must(cm_load_add_tag(load, tag.text, tag.len) == 0, "cm_load_add_tag");
        return cm_load_set_value(load, &row, sizeof(row));
}

static void get_or_load(struct worker *worker, uint32_t key)
{
        struct single single = {worker, key};
        struct name name = client_key(key);
        struct cm_value value = {0};
        uint64_t start_ns = client_now_ns();
        int r = cm_get_or_load(
                        worker->client->region, name.text, name.len, load_single, &single, &value);

        client_must(r == 0 || r == CM_E_TIMEOUT, "cm_get_or_load");
        if (r == 0) {
                note_value(worker, key, &value, start_ns, client_now_ns());
        }
}

static bool is_hit(struct worker *worker, uint32_t key)
{
        struct name name = client_key(key);
        struct cm_value value = {0};
        uint64_t start_ns = client_now_ns();
        int r = cm_get(worker->client->region, name.text, name.len, &value);
        uint64_t end_ns = client_now_ns();

        client_must(r == 0 || r == CM_MISS, "cm_get");
        if (r == 0) {
                note_value(worker, key, &value, start_ns, end_ns);
        }
        return r == 0;
}

void *reader_run(void *argument)
{
        struct worker *worker = argument;
        struct client *client = worker->client;

        while (!atomic_load(&client->is_ending)) {
                uint32_t missing[LOADS_MAX];
                unsigned n_missing = 0;

                for (int i = 0; i < BURST && n_missing < LOADS_MAX; i++) {
                        uint32_t key = worker_draw(worker, client->n_rows);

                        if (!is_hit(worker, key)) {
                                missing[n_missing++] = key;
                        }
                }
                if (n_missing == 1 && client->when == TOKEN_BEFORE) {
                        get_or_load(worker, missing[0]);
                } else if (n_missing > 0) {
                        load_rows(worker, missing, n_missing);
                }
                worker_pause(worker, PAUSE_US);
        }
        return NULL;
}
