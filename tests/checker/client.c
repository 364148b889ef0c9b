/* SPDX-License-Identifier: MIT */
#include "tests/checker/client.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WORKERS_MAX 32
#define RECORDS_MAX (8u << 20) /* of a thread; unused ones take no room */
#define KEYS_OF_TAG 4
#define BUDGET (4u << 20)

uint64_t client_now_ns(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void client_must(bool is_true, const char *what)
{
        if (!is_true) {
                fprintf(stderr, "client: %s\n", what);
                _exit(2); /* other threads run */
        }
}

static struct name make_name(const char *prefix, uint32_t number)
{
        struct name name;

        name.len = (size_t)snprintf(name.text, sizeof(name.text), "%s%" PRIu32, prefix, number);
        return name;
}

struct name client_key(uint32_t key)
{
        return make_name("row:", key);
}

struct name client_tag(uint32_t key)
{
        return make_name("rows:", key / KEYS_OF_TAG);
}

void worker_note(struct worker *worker, enum history_kind kind, uint32_t key, const struct row *row,
                uint64_t start_ns, uint64_t end_ns)
{
        struct history_record record = {
                        .start_ns = start_ns,
                        .end_ns = end_ns,
                        .version = row->version,
                        .write = row->write,
                        .key = key,
                        .process = worker->client->process,
                        .kind = (uint8_t)kind,
        };

        client_must(history_add(&worker->history, &record) == 0, "the history is full");
}

uint32_t worker_draw(struct worker *worker, uint32_t limit)
{
        worker->random ^= worker->random << 13;
        worker->random ^= worker->random >> 7;
        worker->random ^= worker->random << 17;
        return (uint32_t)((worker->random >> 32) % limit);
}

void worker_pause(struct worker *worker, uint32_t limit_us)
{
        struct timespec pause = {.tv_nsec = worker_draw(worker, limit_us) * 1000l};

        nanosleep(&pause, NULL);
}

static void start(struct client *client, struct worker *worker, void *(*run)(void *))
{
        char path[512];

        worker->client = client;
        worker->random = (client_now_ns() << 8 | worker->number) * 2 + 1;
        snprintf(path, sizeof(path), "%s.%u", client->history, worker->number);
        client_must(history_create(&worker->history, path, RECORDS_MAX) == 0, path);
        client_must(database_open(&worker->database, client->where) == 0, client->where);
        client_must(pthread_create(&worker->thread, NULL, run, worker) == 0, "pthread_create");
}

static void stop(struct worker *worker)
{
        pthread_join(worker->thread, NULL);
        worker->database = database_close(worker->database);
        history_close(&worker->history);
}

static void print_counts(const struct client *client)
{
        printf("hits=%" PRIu64 " loads=%" PRIu64 " writes=%" PRIu64 " acks=%" PRIu64
               " errors=%" PRIu64 "\n",
                        client->n_hits, client->n_loads, client->n_writes, client->n_acks,
                        client->n_errors);
        fflush(stdout);
}

static void run(struct client *client, unsigned n_readers, unsigned n_writers)
{
        static struct worker workers[WORKERS_MAX];
        unsigned n = n_readers + n_writers;
        char *line = NULL;
        size_t capacity = 0;

        client_must(n <= WORKERS_MAX, "too many threads");
        for (unsigned i = 0; i < n; i++) {
                workers[i].number = i;
                start(client, &workers[i], i < n_readers ? reader_run : writer_run);
        }
        while (getline(&line, &capacity, stdin) > 0) {
                print_counts(client);
        }
        free(line);
        atomic_store(&client->is_ending, true);
        for (unsigned i = 0; i < n; i++) {
                stop(&workers[i]);
        }
}

static void open_cache(struct client *client, const char *socket, const char *name)
{
        struct cm_options options = {
                        .size = sizeof(options),
                        .socket_path = socket,
                        .name = name,
                        .timeout_ms = 1000,
        };
        struct cm_region_options region_options = {
                        .size = sizeof(region_options),
                        .fresh = CM_FRESH_BOUNDED,
                        .budget_bytes = BUDGET,
        };

        client_must(cm_open(&client->cm, &options) == 0, "cm_open");
        client_must(cm_region_open(&client->region, client->cm, "rows", &region_options) == 0,
                        "cm_region_open");
}

static enum token_when token_when(const char *word)
{
        return strcmp(word, "before") == 0  ? TOKEN_BEFORE
               : strcmp(word, "begun") == 0 ? TOKEN_BEGUN
                                            : TOKEN_LOADED;
}

static int create(const char *where, uint32_t n_rows)
{
        struct database *database;
        int r = database_open(&database, where);

        if (r == 0) {
                r = database_create(database, n_rows);
                database_close(database);
        }
        return r == 0 ? 0 : 1;
}

/*
 * client create DATABASE ROWS
 * client run SOCKET NAME DATABASE HISTORY PROCESS READERS WRITERS ROWS before|begun|loaded
 *
 * Each line on standard input is answered by the counts, and its end is the end.
 */
int main(int argc, char **argv)
{
        static struct client client;

        if (argc == 4 && strcmp(argv[1], "create") == 0) {
                return create(argv[2], (uint32_t)atoi(argv[3]));
        }
        client_must(argc == 11 && strcmp(argv[1], "run") == 0, "see client.c for its usage");
        client.where = argv[4];
        client.history = argv[5];
        client.process = (uint16_t)atoi(argv[6]);
        client.n_rows = (uint32_t)atoi(argv[9]);
        client.when = token_when(argv[10]);
        open_cache(&client, argv[2], argv[3]);
        print_counts(&client);
        run(&client, (unsigned)atoi(argv[7]), (unsigned)atoi(argv[8]));
        cm_close(client.cm);
        return 0;
}
