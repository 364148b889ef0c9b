/* SPDX-License-Identifier: MIT */
/*
 * A process of a herd: threads that all want the same keys, and a database that all processes of a
 * test share through a file. It counts its queries, and dies of more at a time than it bears.
 * Driven over standard input as app.c: one command and one answer a line.
 */
#include "libcachemesh/cachemesh.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 64
#define WORDS 8

struct database {
        _Atomic uint32_t n_running;
        _Atomic uint32_t n_running_max;
        _Atomic uint64_t n_queries;
        _Atomic uint32_t capacity; /* 0: any */
        _Atomic uint32_t query_us;
        _Atomic uint32_t is_dead; /* until it is told otherwise */
};

static struct {
        struct database *database;
        struct cm *cm;
        struct cm_region *region;
        unsigned n_keys;
        unsigned n_threads;
        bool is_sweep; /* each key once, by each thread */
        atomic_bool is_over;
        pthread_t threads[THREADS_MAX];
        _Atomic uint64_t n_calls;
        _Atomic uint64_t n_stale;
        _Atomic uint64_t n_errors;
        _Atomic int last_error;
} herd;

static void nap(uint32_t us)
{
        struct timespec ts = {us / 1000000, (long)(us % 1000000) * 1000};

        nanosleep(&ts, NULL);
}

/* What a query costs is the time that it keeps a place in the database. */
static int query(struct database *database)
{
        uint32_t n = atomic_fetch_add(&database->n_running, 1) + 1;
        uint32_t max = atomic_load(&database->n_running_max);
        uint32_t capacity = atomic_load(&database->capacity);

        atomic_fetch_add(&database->n_queries, 1);
        while (n > max && !atomic_compare_exchange_weak(&database->n_running_max, &max, n)) {
        }
        if (capacity > 0 && n > capacity) {
                atomic_store(&database->is_dead, 1);
        }
        nap(atomic_load(&database->query_us));
        atomic_fetch_sub(&database->n_running, 1);
        return atomic_load(&database->is_dead) ? -5 : 0; /* EIO */
}

static int load(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        int r = query(userdata);

        return r < 0 ? r : cm_load_set_value(load, key, key_len);
}

static int read_key(const char *key, uint64_t *ret_age_ms)
{
        struct cm_value value = {0};
        int r = cm_get_or_load(herd.region, key, strlen(key), load, herd.database, &value);

        if ((r == 0 || r == CM_STALE) &&
                        (value.len != strlen(key) || memcmp(value.data, key, value.len) != 0)) {
                fprintf(stderr, "herd: %s has another key's value\n", key);
                abort();
        }
        *ret_age_ms = r == CM_STALE ? value.age_ms : 0;
        if (r >= 0) {
                cm_release(&value);
        }
        return r;
}

static void count(int r)
{
        atomic_fetch_add(&herd.n_calls, 1);
        if (r == CM_STALE) {
                atomic_fetch_add(&herd.n_stale, 1);
        } else if (r < 0) {
                atomic_fetch_add(&herd.n_errors, 1);
                atomic_store(&herd.last_error, r);
        }
}

static void *run(void *argument)
{
        uint64_t random = (uint64_t)(uintptr_t)argument * UINT64_C(0x9e3779b97f4a7c15) + 1;
        uint64_t age_ms;
        char key[32];

        for (unsigned i = 0; !atomic_load(&herd.is_over) && (!herd.is_sweep || i < herd.n_keys);
                        i++) {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                snprintf(key, sizeof(key), "key%u",
                                herd.is_sweep ? i : (unsigned)(random % herd.n_keys));
                count(read_key(key, &age_ms));
                if (i % 64 == 63) {
                        nap(1000); /* clients think, and others need the processor */
                }
        }
        return NULL;
}

/* Wants one key, once. */
static void *hold(void *argument)
{
        uint64_t age_ms;
        char *key = argument;

        count(read_key(key, &age_ms));
        free(key);
        return NULL;
}

static void join_all(void)
{
        for (unsigned i = 0; i < herd.n_threads; i++) {
                pthread_join(herd.threads[i], NULL);
        }
        herd.n_threads = 0;
}

/* start THREADS KEYS, sweep THREADS KEYS */
static void do_start(char **words)
{
        unsigned n = (unsigned)atoi(words[1]);

        herd.is_sweep = strcmp(words[0], "sweep") == 0;
        herd.n_keys = (unsigned)atoi(words[2]);
        atomic_store(&herd.is_over, false);
        for (unsigned i = 0; i < n && i < THREADS_MAX; i++) {
                uintptr_t seed = (uintptr_t)getpid() * THREADS_MAX + i + 1;

                if (pthread_create(&herd.threads[i], NULL, run, (void *)seed) != 0) {
                        abort();
                }
                herd.n_threads = i + 1;
        }
        if (herd.is_sweep) {
                join_all();
        }
        printf("rc=0\n");
}

static void do_stop(void)
{
        atomic_store(&herd.is_over, true);
        join_all();
        printf("rc=0\n");
}

/* hold KEY: a thread wants it; stop waits for the thread */
static void do_hold(char **words)
{
        if (herd.n_threads == THREADS_MAX || pthread_create(&herd.threads[herd.n_threads], NULL,
                                                             hold, strdup(words[1])) != 0) {
                abort();
        }
        herd.n_threads++;
        printf("rc=0\n");
}

/* open DATABASE REGION LOADS_MAX IS_SHARED STALE_MS */
static void do_open(char **words, const struct cm_options *base)
{
        struct cm_options options = *base;
        struct cm_region_options region = {
                        .size = sizeof(region),
                        .flags = atoi(words[4]) ? CM_REGION_SHARE_LOADS : 0,
                        .stale_if_error_ms = (uint32_t)atoi(words[5]),
        };
        int fd = open(words[1], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        int r;

        options.loads_max = (uint32_t)atoi(words[3]);
        if (fd < 0 || ftruncate(fd, sizeof(*herd.database)) < 0) {
                abort();
        }
        herd.database = mmap(
                        NULL, sizeof(*herd.database), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (herd.database == MAP_FAILED) {
                abort();
        }
        close(fd);
        r = cm_open(&herd.cm, &options);
        if (r == 0) {
                r = cm_region_open(&herd.region, herd.cm, words[2], &region);
        }
        printf("rc=%d\n", r);
}

static void do_get(char **words)
{
        uint64_t age_ms = 0;
        int r = read_key(words[1], &age_ms);

        printf("rc=%d age_ms=%lu\n", r, age_ms);
}

/* db CAPACITY QUERY_US: set, and begin to count anew; db: what was counted */
static void do_database(char **words)
{
        struct database *database = herd.database;

        if (words[1]) {
                atomic_store(&database->capacity, (uint32_t)atoi(words[1]));
                atomic_store(&database->query_us, (uint32_t)atoi(words[2]));
                atomic_store(&database->is_dead, words[3] ? 1 : 0);
                atomic_store(&database->n_queries, 0);
                atomic_store(&database->n_running_max, 0);
        }
        printf("queries=%lu running=%u running_max=%u is_dead=%u\n",
                        atomic_load(&database->n_queries), atomic_load(&database->n_running),
                        atomic_load(&database->n_running_max), atomic_load(&database->is_dead));
}

static void do_stats(void)
{
        struct cm_region_stats stats = {.size = sizeof(stats)};

        cm_region_stats(herd.region, &stats);
        printf("calls=%lu stale=%lu errors=%lu last_error=%d hits=%lu loads=%lu waits=%lu "
               "shared=%lu busy=%lu entries=%lu\n",
                        atomic_load(&herd.n_calls), atomic_load(&herd.n_stale),
                        atomic_load(&herd.n_errors), atomic_load(&herd.last_error), stats.n_hits,
                        stats.n_loads, stats.n_load_waits, stats.n_shared, stats.n_busy,
                        stats.n_entries);
}

static void do_state(void)
{
        static const char *const modes[] = {"live", "bypass", "offline", "standalone"};
        struct cm_state state;

        cm_state(herd.cm, &state);
        printf("mode=%s lease_ms=%ld\n", modes[state.mode], (long)state.lease_left_ms);
}

static void obey(char **words, const struct cm_options *options)
{
        if (strcmp(words[0], "open") == 0) {
                do_open(words, options);
        } else if (strcmp(words[0], "start") == 0 || strcmp(words[0], "sweep") == 0) {
                do_start(words);
        } else if (strcmp(words[0], "stop") == 0) {
                do_stop();
        } else if (strcmp(words[0], "hold") == 0) {
                do_hold(words);
        } else if (strcmp(words[0], "get") == 0) {
                do_get(words);
        } else if (strcmp(words[0], "db") == 0) {
                do_database(words);
        } else if (strcmp(words[0], "stats") == 0) {
                do_stats();
        } else if (strcmp(words[0], "state") == 0) {
                do_state();
        } else {
                abort();
        }
        fflush(stdout);
}

int main(int argc, char **argv)
{
        struct cm_options options = {.size = sizeof(options)};
        char line[512];

        if (argc < 4) {
                return 64;
        }
        options.socket_path = argv[1];
        options.name = argv[2];
        options.timeout_ms = (uint32_t)atoi(argv[3]);
        printf("rc=0\n");
        fflush(stdout);
        while (fgets(line, sizeof(line), stdin)) {
                char *words[WORDS + 1] = {NULL};
                int n = 0;

                for (char *word = strtok(line, " \n"); word && n < WORDS;
                                word = strtok(NULL, " \n")) {
                        words[n++] = word;
                }
                if (n > 0) {
                        obey(words, &options);
                }
        }
        if (herd.n_threads > 0) {
                atomic_store(&herd.is_over, true);
                join_all();
        }
        cm_close(herd.cm);
        return 0;
}
