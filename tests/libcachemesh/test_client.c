/* SPDX-License-Identifier: MIT */
/* The whole client against real meshd processes: two nodes, an app on each, and what
 * can happen to a meshd. */
#include "tests/libcachemesh/real_meshd.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_KEYS 64

struct fixture {
        struct real_meshd nodes[2];
        struct cm *apps[2];
        struct cm_region *regions[2];
};

static void set_up(struct fixture *f, const void *unused)
{
        static const char *const names[2] = {"one", "two"};

        for (int i = 0; i < 2; i++) {
                struct cm_options options = {.size = sizeof(options)};

                real_meshd_start(&f->nodes[i], names[i], i ? &f->nodes[0] : NULL,
                                REAL_LEASE_SHORT_MS);
                options.socket_path = f->nodes[i].socket;
                g_assert_cmpint(cm_open(&f->apps[i], &options), ==, 0);
                g_assert_cmpint(cm_region_open(&f->regions[i], f->apps[i], "rows", NULL), ==, 0);
        }
        for (int i = 0; i < 2; i++) {
                g_assert_true(real_await_mode(f->apps[i], CM_LIVE));
        }
}

static void tear_down(struct fixture *f, const void *unused)
{
        for (int i = 0; i < 2; i++) {
                real_meshd_end(&f->nodes[i]);
                cm_close(f->apps[i]);
        }
}

static int get(struct fixture *f, int app, int key, int *ret_value)
{
        struct cm_value value = {0};
        int r = cm_get(f->regions[app], &key, sizeof(key), &value);

        if (r == 0) {
                memcpy(ret_value, value.data, sizeof(*ret_value));
                cm_release(&value);
        }
        return r;
}

static int put(struct fixture *f, int app, int key, int value)
{
        struct cm_token token = cm_token(f->apps[app]);

        return cm_put(f->regions[app], &key, sizeof(key), &value, sizeof(value), token, NULL);
}

static int invalidate(struct fixture *f, int app, int key, enum cm_wait wait)
{
        return cm_invalidate(f->regions[app], &key, sizeof(key), wait, NULL);
}

/* A mesh of two that has just met needs a moment until both count each other. */
static bool await_mesh(struct fixture *f)
{
        struct cm_result result = {0};
        gint64 end_us = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;
        bool is_whole = false;

        while (!is_whole && g_get_monotonic_time() < end_us) {
                int r = cm_invalidate_region(f->regions[0], CM_WAIT_MESH, &result);

                is_whole = r == 0 && result.n_applied + result.n_members >= 1 &&
                           cm_invalidate_region(f->regions[1], CM_WAIT_MESH, NULL) == 0;
                cm_result_clear(&result);
        }
        return is_whole && real_await_mode(f->apps[0], CM_LIVE) &&
               real_await_mode(f->apps[1], CM_LIVE);
}

static void an_invalidation_that_returned_has_happened_on_the_other_node(
                struct fixture *f, const void *unused)
{
        int n_hits = 0;
        int value = -1;

        g_assert_true(await_mesh(f));
        for (int i = 0; i < 300; i++) {
                int key = i % N_KEYS;

                put(f, 1, key, i);
                n_hits += get(f, 1, key, &value) == 0 && value == i;
                g_assert_cmpint(invalidate(f, 0, key, CM_WAIT_MESH), ==, 0);
                g_assert_cmpint(get(f, 1, key, &value), ==, CM_MISS);
        }
        /* Else the misses above would prove nothing. */
        g_assert_cmpint(n_hits, >, 250);
}

struct writer {
        struct fixture *f;
        atomic_bool is_over;
        atomic_int n_calls;
        int n_failed;
        gint64 longest_us;
};

static void *write_rows(void *data)
{
        struct writer *writer = data;

        while (!atomic_load(&writer->is_over)) {
                int n = atomic_fetch_add(&writer->n_calls, 1);
                gint64 begin_us = g_get_monotonic_time();
                struct cm_result result = {0};
                int key = n % N_KEYS;
                int r = cm_invalidate(writer->f->regions[0], &key, sizeof(key),
                                (enum cm_wait)(n % 3), &result);

                cm_result_clear(&result);
                writer->n_failed += r < 0 && r != CM_E_TIMEOUT;
                if (g_get_monotonic_time() - begin_us > writer->longest_us) {
                        writer->longest_us = g_get_monotonic_time() - begin_us;
                }
        }
        return NULL;
}

static void start_writers(struct fixture *f, struct writer *writers, pthread_t *threads, int n)
{
        for (int i = 0; i < n; i++) {
                memset((void *)&writers[i], 0, sizeof(writers[i]));
                writers[i].f = f;
                pthread_create(&threads[i], NULL, write_rows, &writers[i]);
        }
}

static void stop_writers(struct writer *writers, pthread_t *threads, int n)
{
        for (int i = 0; i < n; i++) {
                atomic_store(&writers[i].is_over, true);
                pthread_join(threads[i], NULL);
                g_assert_cmpint(writers[i].n_failed, ==, 0);
                g_assert_cmpint(writers[i].longest_us, <, 8 * G_USEC_PER_SEC);
        }
}

static void a_meshd_killed_in_mid_call_loses_no_invalidation(struct fixture *f, const void *unused)
{
        struct writer writers[3];
        pthread_t threads[3];
        int n_hits = 0;
        int value;

        g_assert_true(await_mesh(f));
        for (int round = 0; round < 3; round++) {
                int key = 1000 + round;

                start_writers(f, writers, threads, 3);
                while (atomic_load(&writers[0].n_calls) < 50) {
                        n_hits += put(f, 1, key, round) == 0;
                }
                real_meshd_kill(&f->nodes[0]);
                /* Nobody can be told this one now. */
                invalidate(f, 0, key, CM_WAIT_NONE);
                real_meshd_restart(&f->nodes[0]);
                stop_writers(writers, threads, 3);
                g_assert_true(real_await_flushed(f->apps[0]));
                g_assert_true(await_mesh(f));
                g_assert_cmpint(get(f, 1, key, &value), ==, CM_MISS);
        }
        g_assert_cmpint(n_hits, >, 0);
}

static void a_stopped_meshd_holds_no_call_beyond_its_deadline(struct fixture *f, const void *unused)
{
        struct cm_batch *batch;
        gint64 begin_us;
        int value;

        g_assert_true(await_mesh(f));
        put(f, 0, 1, 1);
        put(f, 1, 1, 1);
        g_assert_cmpint(get(f, 1, 1, &value), ==, 0);
        g_assert_cmpint(cm_batch_new(&batch, f->apps[0]), ==, 0);
        real_meshd_signal(&f->nodes[0], SIGSTOP);
        begin_us = g_get_monotonic_time();
        cm_batch_add_key(batch, f->regions[0], "k", 1);
        g_assert_cmpint(cm_batch_publish(batch, CM_WAIT_MESH, 200, NULL), ==, CM_PENDING);
        g_assert_cmpint(g_get_monotonic_time() - begin_us, <, 2 * G_USEC_PER_SEC);
        for (int i = 0; i < 2000; i++) {
                int r = cm_batch_add_key(batch, f->regions[0], &i, sizeof(i));

                g_assert_cmpint(r, ==, 0);
                r = cm_batch_publish(batch, CM_WAIT_NONE, 200, NULL);
                g_assert_true(r == 0 || r == CM_PENDING);
        }
        g_assert_cmpint(g_get_monotonic_time() - begin_us, <, 5 * G_USEC_PER_SEC);
        /* Its lease has ended, so the other node may write without it. */
        g_assert_true(real_await_mode(f->apps[0], CM_BYPASS));
        g_assert_cmpint(get(f, 0, 1, &value), ==, CM_MISS);
        real_meshd_signal(&f->nodes[0], SIGCONT);
        g_assert_true(real_await_flushed(f->apps[0]));
        g_assert_true(await_mesh(f));
        g_assert_cmpint(get(f, 1, 1, &value), ==, CM_MISS);
        cm_batch_free(batch);
}

/* In a child of a busy parent: all of the parent's locks may be in any state. */
static int work_in_child(struct fixture *f)
{
        int value;

        for (int i = 0; i < 5; i++) {
                int r = invalidate(f, 0, i, i % 2 ? CM_WAIT_NODE : CM_WAIT_NONE);

                if (r != 0 || put(f, 0, i, i) < 0 || get(f, 0, i, &value) < 0) {
                        return 1;
                }
        }
        cm_close(f->apps[0]);
        return 0;
}

static void children_of_a_busy_parent_work(struct fixture *f, const void *unused)
{
        struct writer writers[3];
        pthread_t threads[3];

        g_assert_true(await_mesh(f));
        start_writers(f, writers, threads, 3);
        for (int i = 0; i < 40; i++) {
                int n_calls = atomic_load(&writers[0].n_calls);
                int status = -1;
                pid_t pid = fork();

                if (pid == 0) {
                        alarm(20); /* a hanging child ends, and not with 0 */
                        _exit(work_in_child(f));
                }
                g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
                g_assert_cmpint(status, ==, 0);
                while (atomic_load(&writers[0].n_calls) == n_calls) {
                        /* the parent goes on as well */
                }
        }
        stop_writers(writers, threads, 3);
        g_assert_cmpint(invalidate(f, 0, 0, CM_WAIT_MESH), ==, 0);
}

static void a_result_names_the_member_that_is_not_proven(struct fixture *f, const void *unused)
{
        struct cm_result result = {0};
        int r;

        g_assert_true(await_mesh(f));
        real_meshd_kill(&f->nodes[1]);
        r = cm_invalidate_region(f->regions[0], CM_WAIT_MESH, &result);
        g_assert_true(r == 0 || r == CM_PARTIAL);
        g_assert_cmpuint(result.n_members, ==, 1);
        g_assert_cmpstr(result.members[0].name, ==, "two");
        g_assert_cmpuint(result.n_applied, ==, 0);
        cm_result_clear(&result);
}

static void a_result_counts_other_nodes_and_only_what_was_waited_for(
                struct fixture *f, const void *unused)
{
        struct cm_result result = {0};

        g_assert_true(await_mesh(f));
        g_assert_cmpint(cm_invalidate_region(f->regions[0], CM_WAIT_NODE, &result), ==, 0);
        g_assert_cmpuint(result.n_applied, ==, 0);
        g_assert_cmpuint(result.position, >, 0);
        g_assert_cmpint(cm_invalidate_region(f->regions[0], CM_WAIT_MESH, &result), ==, 0);
        g_assert_cmpuint(result.n_applied, ==, 1);
        cm_result_clear(&result);
}

static struct cm *open_at(const struct real_meshd *node)
{
        struct cm_options options = {.size = sizeof(options), .socket_path = node->socket};
        struct cm *cm = NULL;

        g_assert_cmpint(cm_open(&cm, &options), ==, 0);
        return cm;
}

static int open_number(struct cm *cm, char prefix, int number)
{
        struct cm_region_options options = {.size = sizeof(options), .budget_bytes = 64 << 10};
        struct cm_region *region;
        char name[16];

        snprintf(name, sizeof(name), "%c%d", prefix, number);
        return cm_region_open(&region, cm, name, &options);
}

/* All apps of the test are of one user. */
static void regions_of_a_client_that_left_are_there_for_others(
                struct fixture *f, const void *unused)
{
        struct cm *greedy = open_at(&f->nodes[0]);
        struct cm *late = open_at(&f->nodes[0]);
        gint64 end_us = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;
        int n = 1; /* "rows" */
        int value = -1;
        int r;

        while ((r = open_number(greedy, 'g', n)) == 0 && n < CM_REGIONS_MAX) {
                n++;
        }
        g_assert_cmpint(r, ==, -ENOSPC);
        g_assert_cmpint(n, ==, 768);
        g_assert_nonnull(strstr(cm_error_detail(greedy), "this user has 768 regions"));
        g_assert_cmpint(open_number(late, 'l', 0), ==, -ENOSPC);
        cm_close(greedy);
        /* It is asked for again by the same handle; meshd needs a moment to see the end. */
        while ((r = open_number(late, 'l', 0)) == -ENOSPC && g_get_monotonic_time() < end_us) {
                g_thread_yield();
        }
        g_assert_cmpint(r, ==, 0);
        for (int i = 1; i < 767; i++) {
                g_assert_cmpint(open_number(late, 'l', i), ==, 0);
        }
        g_assert_cmpint(open_number(late, 'l', 767), ==, -ENOSPC);
        /* What was open all the time works as before. */
        g_assert_true(await_mesh(f));
        g_assert_cmpint(put(f, 0, 1, 41), ==, 0);
        g_assert_cmpint(get(f, 0, 1, &value), ==, 0);
        g_assert_cmpint(invalidate(f, 1, 1, CM_WAIT_MESH), ==, 0);
        g_assert_cmpint(get(f, 0, 1, &value), ==, CM_MISS);
        cm_close(late);
}

static bool await_config_event(struct cm *cm, const char *detail)
{
        gint64 end_us = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;
        struct cm_event event = {0};

        while (g_get_monotonic_time() < end_us) {
                cm_dispatch(cm);
                while (cm_next_event(cm, &event) == 0) {
                        if (event.kind == CM_EVENT_CONFIG) {
                                return strstr(event.detail, detail) != NULL;
                        }
                }
                g_thread_yield();
        }
        return false;
}

static void apps_are_told_when_a_region_has_other_options_on_another_node(
                struct fixture *f, const void *unused)
{
        struct cm_region_options options = {.size = sizeof(options), .ttl_ms = 1000};
        struct cm_region *region;

        g_assert_true(await_mesh(f));
        g_assert_cmpint(cm_region_open(&region, f->apps[0], "equal", &options), ==, 0);
        g_assert_cmpint(cm_region_open(&region, f->apps[1], "equal", &options), ==, 0);
        g_assert_cmpint(cm_region_open(&region, f->apps[0], "unlike", &options), ==, 0);
        options.ttl_ms = 2000;
        g_assert_cmpint(cm_region_open(&region, f->apps[1], "unlike", &options), ==, 0);
        g_assert_true(await_config_event(f->apps[0],
                        "unlike: differs on node two: bounded, ttl 2000 ms, hold 0 ms there"));
        g_assert_true(await_config_event(f->apps[1],
                        "unlike: differs on node one: bounded, ttl 1000 ms, hold 0 ms there"));
        g_assert_cmpint(cm_region_open(&region, f->apps[0], "unheld", &options), ==, 0);
        options.hold_ms = 3000;
        g_assert_cmpint(cm_region_open(&region, f->apps[1], "unheld", &options), ==, 0);
        g_assert_true(await_config_event(f->apps[0],
                        "unheld: differs on node two: bounded, ttl 2000 ms, hold 3000 ms"));
}

#define CASE(name, function)                                                                       \
        g_test_add("/client/" name, struct fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        CASE("mesh", an_invalidation_that_returned_has_happened_on_the_other_node);
        CASE("killed", a_meshd_killed_in_mid_call_loses_no_invalidation);
        CASE("stopped", a_stopped_meshd_holds_no_call_beyond_its_deadline);
        CASE("fork", children_of_a_busy_parent_work);
        CASE("names", a_result_names_the_member_that_is_not_proven);
        CASE("regions", regions_of_a_client_that_left_are_there_for_others);
        CASE("unlike", apps_are_told_when_a_region_has_other_options_on_another_node);
        CASE("counts", a_result_counts_other_nodes_and_only_what_was_waited_for);
        return g_test_run();
}
