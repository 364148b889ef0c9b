/* SPDX-License-Identifier: MIT */
/* The programs of docs/examples, each alone and with a real meshd. */
#include "tests/libcachemesh/real_meshd.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct real_meshd node;

/* Runs an example; what it printed, to be freed. @socket: of a meshd, or NULL. @input: for
 * its stdin, or NULL. */
static char *run(const char *name, const char *socket, const char *input, int *ret_status)
{
        g_autofree char *program = g_strdup_printf("%s/example-%s", getenv("EXAMPLES"), name);
        g_autofree char *command = g_strdup_printf(
                        "printf '%s' | timeout 60 '%s'", input ? input : "", program);
        const char *arguments[] = {"sh", "-c", command, NULL};
        g_auto(GStrv) environment = g_get_environ();
        char *output = NULL;

        environment = socket ? g_environ_setenv(environment, "CACHEMESH_SOCKET", socket, TRUE)
                             : g_environ_unsetenv(environment, "CACHEMESH_SOCKET");
        g_assert_true(g_spawn_sync(NULL, (char **)arguments, environment, G_SPAWN_SEARCH_PATH, NULL,
                        NULL, &output, NULL, ret_status, NULL));
        return output;
}

static void await_live(void)
{
        struct cm_options options = {.size = sizeof(options), .socket_path = node.socket};
        struct cm *cm;

        g_assert_cmpint(cm_open(&cm, &options), ==, 0);
        g_assert_true(real_await_mode(cm, CM_LIVE));
        cm_close(cm);
}

static void hello_misses_hits_and_misses_again(gconstpointer has_meshd)
{
        g_autofree char *output = NULL;
        int status;

        output = run("hello", has_meshd ? node.socket : NULL, NULL, &status);
        g_assert_cmpint(status, ==, 0);
        g_assert_cmpstr(output, ==,
                        "miss: loading\nhit: Hello, world\nchanged and invalidated: success\n"
                        "miss: loading\n");
}

static void a_session_is_made_changed_and_ended(void)
{
        g_autofree char *output = NULL;
        g_autofree char *keys = g_strdup_printf("%s.keys", node.socket);
        g_autofree char *name = g_strdup_printf("login' '%s", keys);
        int status;

        output = run(name, node.socket, NULL, &status);
        g_assert_cmpint(status, ==, 0);
        g_assert_cmpstr(output, ==, "log in first\ncart: cart: book pen\nlog in first\n");
        unlink(keys);
}

static void a_tag_and_a_batch_end_what_was_made_of_the_changed_rows(gconstpointer has_meshd)
{
        g_autofree char *output = NULL;
        int status;

        output = run("tags", has_meshd ? node.socket : NULL, NULL, &status);
        g_assert_cmpint(status, ==, 0);
        g_assert_cmpstr(output, ==,
                        "en/0: 50, loaded\nde/0: 50, loaded\nen/1: 20, loaded\n"
                        "en/2: none, loaded\n"
                        "the price of product 0 changes: 1 hits left\n"
                        "en/0: 40, loaded\nde/0: 40, loaded\nen/1: 20, cached\n"
                        "en/2: none, cached\n"
                        "hats are cheaper, and product 2 is new: 2 hits left\n"
                        "en/0: 40, cached\nde/0: 40, cached\nen/1: 15, loaded\n"
                        "en/2: 70, loaded\n");
}

static void threads_see_nothing_stale(gconstpointer has_meshd)
{
        g_autofree char *output = NULL;
        long n_reads = 0;
        long n_loads = 0;
        int n_changes = 0;
        int status;

        output = run("threads", has_meshd ? node.socket : NULL, NULL, &status);
        g_assert_cmpint(status, ==, 0);
        g_assert_nonnull(strstr(output, " 0 stale\n"));
        /* And the cache was of use. */
        g_assert_cmpint(sscanf(output, "%ld reads, %ld loads, %d changes", &n_reads, &n_loads,
                                        &n_changes),
                        ==, 3);
        g_assert_cmpint(n_loads, <, n_reads);
        g_assert_cmpint(n_loads, >=, 16);
}

static void a_herd_costs_few_queries_and_an_outage_leaves_the_last_values(void)
{
        g_autofree char *output = NULL;
        int status;

        output = run("herd", NULL, NULL, &status);
        g_assert_cmpint(status, ==, 0);
        g_assert_cmpstr(output, ==,
                        "one key: 24 threads, 1 query\nmany keys: 24 queries, at most 4 at a time\n"
                        "key1: stale, less than a minute old\nkey99: Input/output error\n");
}

static void forked_workers_invalidate_for_each_other(void)
{
        g_autofree char *output = NULL;
        int status;

        output = run("prefork", node.socket, NULL, &status);
        g_assert_cmpint(status, ==, 0);
        g_assert_nonnull(strstr(output, "the setting was changed 150 times\n"));
        g_assert_null(strstr(output, " 1 stale"));
}

static void the_loop_tells_events_and_invalidates(void)
{
        g_autofree char *output = NULL;
        int status;

        output = run("epoll_loop", node.socket, "a\\nsecond key\\n", &status);
        g_assert_cmpint(status, ==, 0);
        g_assert_nonnull(strstr(output, "a: success\nsecond key: success\n"));
        g_assert_nonnull(strstr(output, ", live: "));
}

static void the_loop_without_meshd_queues(void)
{
        g_autofree char *output = NULL;
        int status;

        output = run("epoll_loop", "/nonexistent/meshd.sock", "a\\n", &status);
        g_assert_cmpint(status, ==, 0);
        g_assert_nonnull(strstr(output, "a: not known to be in the stream"));
}

static void a_write_that_dies_half_way_is_healed(void)
{
        g_autofree char *output = NULL;
        int status;

        output = run("half_way", node.socket, NULL, &status);
        g_assert_cmpint(status, ==, 0);
        g_assert_cmpstr(output, ==,
                        "100 from the database\n100 from the cache\nthe writer is dead\n"
                        "50 from the database, since a write has begun\n50 from the cache\n");
}

int main(int argc, char **argv)
{
        int r;

        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        real_meshd_start(&node, "examples", NULL, REAL_LEASE_LONG_MS);
        await_live();
        g_test_add_data_func("/examples/hello/alone", NULL, hello_misses_hits_and_misses_again);
        g_test_add_data_func("/examples/hello/meshd", "", hello_misses_hits_and_misses_again);
        g_test_add_data_func("/examples/tags/alone", NULL,
                        a_tag_and_a_batch_end_what_was_made_of_the_changed_rows);
        g_test_add_data_func("/examples/tags/meshd", "",
                        a_tag_and_a_batch_end_what_was_made_of_the_changed_rows);
        g_test_add_data_func("/examples/threads/alone", NULL, threads_see_nothing_stale);
        g_test_add_data_func("/examples/threads/meshd", "", threads_see_nothing_stale);
        g_test_add_func("/examples/herd",
                        a_herd_costs_few_queries_and_an_outage_leaves_the_last_values);
        g_test_add_func("/examples/login", a_session_is_made_changed_and_ended);
        g_test_add_func("/examples/prefork", forked_workers_invalidate_for_each_other);
        g_test_add_func("/examples/epoll_loop", the_loop_tells_events_and_invalidates);
        g_test_add_func("/examples/half_way", a_write_that_dies_half_way_is_healed);
        g_test_add_func("/examples/epoll_loop_alone", the_loop_without_meshd_queues);
        r = g_test_run();
        real_meshd_end(&node);
        return r;
}
