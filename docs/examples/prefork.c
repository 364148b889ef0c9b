/* SPDX-License-Identifier: MIT */
/*
 * prefork: the parent opens the cache, then forks its workers, as gunicorn does with --preload.
 * Nothing special is to be done: a worker's first call notices that it is in a child, makes an own
 * connection and starts with an empty cache. The workers share what meshd tells them: when one
 * invalidates, the others stop serving the old value.
 *
 * Needs meshd ($CACHEMESH_SOCKET or /run/cachemesh/meshd.sock) to cache anything;
 * without it each get loads.
 */
#include <cachemesh.h>

#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_WORKERS 3
#define N_ROUNDS 50

static atomic_int *setting; /* the database: one number, in memory that parent and workers share */
static struct cm_region *region; /* opened once, by the parent */

static int load_setting(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        int value = atomic_load(setting);

        (void)key;
        (void)key_len;
        ++*(int *)userdata;
        return cm_load_set_value(load, &value, sizeof(value));
}

/* Each round changes the number, tells the others, and reads what they have
 * made of it meanwhile. */
static int work(void)
{
        struct cm_value value = {0};
        int n_loads = 0;
        int n_stale = 0;

        for (int i = 0; i < N_ROUNDS; i++) {
                int now;

                atomic_fetch_add(setting, 1);
                /* CM_WAIT_NODE: when it returns, no process of this node serves the old number. */
                if (cm_invalidate(region, "setting", 7, CM_WAIT_NODE, NULL) < 0) {
                        return 1;
                }
                now = atomic_load(setting);
                if (cm_get_or_load(region, "setting", 7, load_setting, &n_loads, &value) != CM_OK) {
                        return 1;
                }
                /* Others may be between their commit and their invalidation; each has
                 * at most one of these. */
                n_stale += *(const int *)value.data < now - (N_WORKERS - 1);
                cm_release(&value);
        }
        printf("worker: %d rounds, %d loads, %d stale\n", N_ROUNDS, n_loads, n_stale);
        fflush(stdout);
        return n_stale > 0;
}

int main(void)
{
        struct cm *cm;
        int failed = 0;

        setting = mmap(NULL, sizeof(*setting), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                        -1, 0);
        if (setting == MAP_FAILED || cm_open(&cm, NULL) < 0 ||
                        cm_region_open(&region, cm, "settings", NULL) < 0) {
                fprintf(stderr, "prefork: cannot open the cache\n");
                return 1;
        }
        for (int i = 0; i < N_WORKERS; i++) {
                if (fork() == 0) {
                        int r = work();

                        cm_close(cm);
                        _exit(r);
                }
        }
        for (int i = 0, status; i < N_WORKERS; i++) {
                wait(&status);
                failed |= status != 0;
        }
        printf("the setting was changed %d times\n", atomic_load(setting));
        cm_close(cm);
        return failed;
}
