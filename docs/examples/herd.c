/* SPDX-License-Identifier: MIT */
/*
 * herd: what protects a database from its cache. Of many threads that miss one key one loads; of
 * many keys that are missed at once a few are loaded at a time; and when the database fails, the
 * last value is an answer for a while.
 */
#include <cachemesh.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define N_THREADS 24
#define LOADS_MAX 4

static atomic_bool is_down;
static atomic_int n_queries, n_running, n_running_max;
static struct cm_region *region;

/* A query that takes 10 ms, if the database is there. */
static int query(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        const struct timespec duration = {0, 10 * 1000000};
        int n = atomic_fetch_add(&n_running, 1) + 1;
        int max = atomic_load(&n_running_max);

        (void)userdata;
        atomic_fetch_add(&n_queries, 1);
        while (n > max && !atomic_compare_exchange_weak(&n_running_max, &max, n)) {
        }
        nanosleep(&duration, NULL);
        atomic_fetch_sub(&n_running, 1);
        return atomic_load(&is_down) ? -5 /* EIO */ : cm_load_set_value(load, key, key_len);
}

static void *ask(void *key)
{
        struct cm_value value = {0};

        if (cm_get_or_load(region, key, strlen(key), query, NULL, &value) >= 0) {
                cm_release(&value);
        }
        return NULL;
}

/* All threads at once, each for the key of its number. */
static void ask_all(char keys[][8])
{
        pthread_t threads[N_THREADS];

        for (int i = 0; i < N_THREADS; i++) {
                pthread_create(&threads[i], NULL, ask, keys[i]);
        }
        for (int i = 0; i < N_THREADS; i++) {
                pthread_join(threads[i], NULL);
        }
}

static void ask_while_down(const char *key)
{
        struct cm_value value = {0};
        int r = cm_get_or_load(region, key, strlen(key), query, NULL, &value);

        if (r == CM_STALE) {
                /* Say so: this may be wrong by now. */
                printf("%s: stale, %s a minute old\n", key,
                                value.age_ms < 60000 ? "less than" : "at least");
                cm_release(&value);
        } else {
                printf("%s: %s\n", key, cm_strerror(r));
        }
}

int main(void)
{
        struct cm_options options = {
                        .size = sizeof(options),
                        .loads_max = LOADS_MAX,
                        .flags = CM_OPEN_STANDALONE,
        };
        struct cm_region_options region_options = {
                        .size = sizeof(region_options),
                        .ttl_ms = 200,
                        .ttl_jitter_percent = 20,
                        .stale_if_error_ms = 600000,
        };
        char same[N_THREADS][8]; /* keys */
        char different[N_THREADS][8];
        struct cm *cm = NULL;

        if (cm_open(&cm, &options) < 0 ||
                        cm_region_open(&region, cm, "prices", &region_options) < 0) {
                fprintf(stderr, "herd: cannot open the cache\n");
                return 1;
        }
        for (int i = 0; i < N_THREADS; i++) {
                snprintf(same[i], sizeof(same[i]), "same");
                snprintf(different[i], sizeof(different[i]), "key%d", i);
        }
        ask_all(same);
        printf("one key: %d threads, %d query\n", N_THREADS, atomic_load(&n_queries));
        ask_all(different);
        printf("many keys: %d queries, at most %d at a time\n", atomic_load(&n_queries) - 1,
                        atomic_load(&n_running_max));
        atomic_store(&is_down, true);
        nanosleep(&(struct timespec){0, 300 * 1000000}, NULL); /* every TTL is over */
        ask_while_down("key1");
        ask_while_down("key99");
        cm = cm_close(cm);
        return 0;
}
