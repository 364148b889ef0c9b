/* SPDX-License-Identifier: MIT */
/*
 * threads: one handle, shared by all threads of a process. Readers load through the cache while a
 * writer changes the rows, and each reader checks what cachemesh promises: a value from before an
 * invalidation is not served after it.
 */
#include <cachemesh.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define N_READERS 3
#define N_ROWS 16
#define N_CHANGES 2000 /* at least */
#define N_READS 10000

static atomic_int rows[N_ROWS];        /* the database: each change makes a number larger */
static atomic_int invalidated[N_ROWS]; /* the newest change whose cm_invalidate() has returned */
static atomic_bool is_over;
static atomic_long n_loads, n_reads, n_stale;
static struct cm_region *region;

/* Called once for a key that is not cached, however many threads ask for it at the same time. */
static int load_row(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        int row = atomic_load(&rows[*(const int *)key]);

        (void)userdata;
        (void)key_len;
        atomic_fetch_add(&n_loads, 1);
        return cm_load_set_value(load, &row, sizeof(row));
}

static void *read_rows(void *unused)
{
        struct cm_value value = {0};

        for (int i = 0; !atomic_load(&is_over); i++) {
                int key = i % N_ROWS;
                int oldest = atomic_load(&invalidated[key]);

                if (cm_get_or_load(region, &key, sizeof(key), load_row, NULL, &value) == CM_OK) {
                        atomic_fetch_add(&n_stale, *(const int *)value.data < oldest);
                        atomic_fetch_add(&n_reads, 1);
                        cm_release(&value);
                }
        }
        return unused;
}

static int change_rows(void)
{
        int i;

        for (i = 1; i <= N_CHANGES || atomic_load(&n_reads) < N_READS; i++) {
                int key = i % N_ROWS;

                atomic_store(&rows[key], i);
                /* Whatever the wait level, in this process the row is dead
                 * when the call returns. */
                cm_invalidate(region, &key, sizeof(key), CM_WAIT_NONE, NULL);
                atomic_store(&invalidated[key], i);
        }
        return i - 1;
}

int main(void)
{
        struct cm_options options = {
                        .size = sizeof(options),
                        .flags = getenv("CACHEMESH_SOCKET") ? 0 : CM_OPEN_STANDALONE,
        };
        pthread_t readers[N_READERS];
        struct cm *cm;
        int n_changes;

        if (cm_open(&cm, &options) < 0 || cm_region_open(&region, cm, "rows", NULL) < 0) {
                fprintf(stderr, "threads: cannot open the cache\n");
                return 1;
        }
        for (int i = 0; i < N_READERS; i++) {
                pthread_create(&readers[i], NULL, read_rows, NULL);
        }
        n_changes = change_rows();
        atomic_store(&is_over, true);
        for (int i = 0; i < N_READERS; i++) {
                pthread_join(readers[i], NULL);
        }
        printf("%ld reads, %ld loads, %d changes, %ld stale\n", atomic_load(&n_reads),
                        atomic_load(&n_loads), n_changes, atomic_load(&n_stale));
        cm_close(cm);
        return atomic_load(&n_stale) > 0;
}
