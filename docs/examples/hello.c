/* SPDX-License-Identifier: MIT */
/*
 * hello: the life of one cached value. Takes meshd's socket from $CACHEMESH_SOCKET; without it the
 * cache is a private one (CM_OPEN_STANDALONE), which behaves the same but reaches no other process.
 */
#include <cachemesh.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a real app reads from its database. */
static const char *database = "Hello, world";

/* Print whether the key is cached; load and cache it if not. This is the pattern
 * that every use follows. */
static int greet(struct cm_region *region)
{
        struct cm_value value = {0};
        int r = cm_get(region, "greeting", 8, &value);

        if (r == CM_OK) {
                printf("hit: %.*s\n", (int)value.len, (const char *)value.data);
                cm_release(&value); /* the value was pinned, not copied */
                return 0;
        }
        if (r != CM_MISS) {
                fprintf(stderr, "hello: cm_get: %s\n", cm_strerror(r));
                return -1;
        }
        /*
         * The miss has brought a token from before the load. If somebody changes the database
         * and invalidates the key while we read it, cm_put() refuses what we have read: it
         * could be the old value.
         */
        printf("miss: loading\n");
        r = cm_put(region, "greeting", 8, database, strlen(database), value.token, NULL);
        return r < 0 ? -1 : 0;
}

int main(void)
{
        struct cm_options options = {
                        .size = sizeof(options),
                        .flags = getenv("CACHEMESH_SOCKET") ? 0 : CM_OPEN_STANDALONE,
        };
        struct cm_region *region;
        struct cm *cm;
        int r = cm_open(&cm, &options);

        if (r < 0) {
                fprintf(stderr, "hello: cm_open: %s\n", cm_strerror(r));
                return 1;
        }
        r = cm_region_open(&region, cm, "greetings", NULL);
        if (r == CM_OK && greet(region) == 0 && greet(region) == 0) {
                /* The change: first commit, then invalidate. 0 means that no node serves the
                 * old value any more. */
                database = "Hello, mesh";
                r = cm_invalidate(region, "greeting", 8, CM_WAIT_MESH, NULL);
                printf("changed and invalidated: %s\n", cm_strerror(r));
                greet(region);
        } else if (r < 0) {
                fprintf(stderr, "hello: %s: %s\n", cm_strerror(r), cm_error_detail(cm));
        }
        cm_close(cm);
        return r < 0;
}
