/* SPDX-License-Identifier: MIT */
/*
 * half_way: a write that dies between its COMMIT and its invalidation. The program forks a writer
 * that announces its write, commits, and is killed before it can tell anybody; until the write's
 * deadline nobody serves the key, and from then on nobody serves the old value. Needs a meshd
 * ($CACHEMESH_SOCKET).
 */
#include <cachemesh.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DEADLINE_MS 3000

/* What stands for a database: a row that all processes see. */
static volatile int *balance;

static int fail(const char *what, int r, struct cm *cm)
{
        fprintf(stderr, "half_way: %s: %s: %s\n", what, cm_strerror(r), cm_error_detail(cm));
        return 1;
}

/* Begin; then the database transaction; then end. A real COMMIT has a deadline of its own that
 * lies before DEADLINE_MS: one that took effect later would not be covered. */
static int write_balance(struct cm *cm, struct cm_region *accounts, int value, int is_dying)
{
        struct cm_bytes key = {"anna", 4};
        struct cm_write_options options = {
                        .size = sizeof(options),
                        .keys = &key,
                        .n_keys = 1,
                        .deadline_ms = DEADLINE_MS,
        };
        struct cm_write *write;
        int r = cm_write_begin(&write, accounts, &options, NULL);

        if (r < 0) {
                return fail("cm_write_begin", r, cm);
        }
        /* CM_PARTIAL and CM_PENDING: not every node is known to have it. This app writes all the
         * same; another one may end the write and try later. */
        *balance = value;
        if (is_dying) {
                raise(SIGKILL);
        }
        r = cm_write_end(write);
        return r < 0 ? fail("cm_write_end", r, cm) : 0;
}

/* What a reader is told: from the cache, or from the database, and then cached. */
static int read_balance(struct cm_region *accounts, const char **ret_from)
{
        struct cm_value value = {0};
        int found;

        if (cm_get(accounts, "anna", 4, &value) == CM_OK) {
                memcpy(&found, value.data, sizeof(found));
                cm_release(&value);
                *ret_from = "the cache";
                return found;
        }
        *ret_from = cm_last_reason() == CM_REASON_INTENT ? "the database, since a write has begun"
                                                         : "the database";
        found = *balance;
        cm_put(accounts, "anna", 4, &found, sizeof(found), value.token, NULL);
        return found;
}

static void show(struct cm_region *accounts)
{
        const char *from;
        int value = read_balance(accounts, &from);

        printf("%d from %s\n", value, from);
        fflush(stdout);
}

static int run(struct cm *cm, struct cm_region *accounts)
{
        const struct timespec nap = {0, 10000000};
        const char *from = "";
        pid_t writer;
        int value;

        if (write_balance(cm, accounts, 100, 0) != 0) {
                return 1;
        }
        show(accounts);
        show(accounts);
        writer = fork();
        if (writer < 0) {
                perror("half_way: fork");
                return 1;
        }
        if (writer == 0) {
                _exit(write_balance(cm, accounts, 50, 1)); /* its connection is its own */
        }
        waitpid(writer, NULL, 0);
        printf("the writer is dead\n");
        show(accounts);
        /* Nobody ends the write; its deadline does. */
        while (strcmp(from, "the cache") != 0) {
                nanosleep(&nap, NULL);
                value = read_balance(accounts, &from);
                if (value != 50) {
                        printf("%d from %s: stale!\n", value, from);
                        return 1;
                }
        }
        show(accounts);
        return 0;
}

int main(void)
{
        struct cm_region *accounts;
        struct cm *cm;
        int r;

        balance = mmap(NULL, sizeof(*balance), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                        -1, 0);
        if (balance == MAP_FAILED || cm_open(&cm, NULL) < 0) {
                fprintf(stderr, "half_way: cannot open\n");
                return 1;
        }
        r = cm_region_open(&accounts, cm, "accounts", NULL);
        r = r < 0 ? fail("cm_region_open", r, cm) : run(cm, accounts);
        cm_close(cm);
        return r;
}
