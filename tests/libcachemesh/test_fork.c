/* SPDX-License-Identifier: MIT */
/*
 * Forking: a child notices at its first call, starts with an empty cache, and can still read what
 * was pinned before. Children report by their exit status: the line of the expectation that
 * failed, modulo 200, or 0.
 */
#include "tests/libcachemesh/fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_EXPECT(condition)                                                                    \
        do {                                                                                       \
                if (!(condition)) {                                                                \
                        dprintf(2, "# child, line %d: %s\n", __LINE__, #condition);                \
                        _exit(__LINE__ % 200 + 1);                                                 \
                }                                                                                  \
        } while (0)

static void expect_good_end(pid_t child)
{
        int status = -1;

        g_assert_cmpint(waitpid(child, &status, 0), ==, child);
        g_assert_true(WIFEXITED(status));
        g_assert_cmpint(WEXITSTATUS(status), ==, 0);
}

static bool has(struct cm_region *region, const char *key, const char *text)
{
        int r;
        g_autofree char *found = get_text(region, key, &r);

        return r == 0 && strcmp(found, text) == 0;
}

static void a_child_starts_empty_and_works(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct cm_region *other;
        struct cm_batch *batch;
        pid_t child;

        g_assert_cmpint(cm_region_open(&other, f.cm, "other", NULL), ==, 0);
        g_assert_cmpint(cm_batch_new(&batch, f.cm), ==, 0);
        g_assert_cmpint(cm_batch_add_key(batch, other, "c", 1), ==, 0);
        put_text(f.region, "a", "parent", cm_token(f.cm));
        put_text(other, "a", "parent", cm_token(f.cm));
        child = fork();
        if (child == 0) {
                struct cm_region_stats stats = {.size = sizeof(stats)};
                struct cm_region *again;

                CHILD_EXPECT(!has(f.region, "a", "parent"));
                CHILD_EXPECT(!has(other, "a", "parent"));
                CHILD_EXPECT(put_text(f.region, "a", "child", cm_token(f.cm)) == 0);
                CHILD_EXPECT(has(f.region, "a", "child"));
                CHILD_EXPECT(put_text(other, "b", "child", cm_token(f.cm)) == 0);
                CHILD_EXPECT(cm_invalidate(other, "b", 1, CM_WAIT_NODE, NULL) == 0);
                CHILD_EXPECT(!has(other, "b", "child"));
                CHILD_EXPECT(cm_region_open(&again, f.cm, "other", NULL) == 0 && again == other);
                CHILD_EXPECT(put_text(other, "c", "child", cm_token(f.cm)) == 0);
                CHILD_EXPECT(cm_batch_publish(batch, CM_WAIT_NODE, 0, NULL) == 0);
                CHILD_EXPECT(!has(other, "c", "child"));
                CHILD_EXPECT(cm_batch_free(batch) == NULL);
                CHILD_EXPECT(cm_region_stats(f.region, &stats) == 0);
                CHILD_EXPECT(stats.n_entries == 1 && stats.n_hits == 1 && stats.n_puts == 1);
                CHILD_EXPECT(cm_close(f.cm) == NULL);
                _exit(0);
        }
        expect_good_end(child);
        assert_hit(f.region, "a", "parent");
        assert_hit(other, "a", "parent");
        cm_batch_free(batch);
        g_assert_cmpint(put_text(f.region, "b", "parent", cm_token(f.cm)), ==, 0);
        assert_hit(f.region, "b", "parent");
        fixture_close(&f);
}

static void a_token_from_before_the_fork_stores_nothing_in_the_child(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct cm_token token = cm_token(f.cm);
        pid_t child = fork();

        if (child == 0) {
                CHILD_EXPECT(put_text(f.region, "a", "old", token) == CM_REFUSED);
                CHILD_EXPECT(!has(f.region, "a", "old"));
                _exit(0);
        }
        expect_good_end(child);
        g_assert_cmpint(put_text(f.region, "a", "new", token), ==, 0);
        fixture_close(&f);
}

static void pins_of_the_parent_stay_readable_in_the_child(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct cm_value value = {0};
        char key[16];
        pid_t child;

        put_text(f.region, "a", "pinned", cm_token(f.cm));
        g_assert_cmpint(cm_get(f.region, "a", 1, &value), ==, 0);
        child = fork();
        if (child == 0) {
                for (int i = 0; i < 2000; i++) {
                        g_snprintf(key, sizeof(key), "k%d", i);
                        CHILD_EXPECT(put_text(f.region, key, "x", cm_token(f.cm)) == 0);
                }
                cm_region_clear(f.region);
                CHILD_EXPECT(value.len == 6 && memcmp(value.data, "pinned", 6) == 0);
                cm_close(f.cm);
                CHILD_EXPECT(memcmp(value.data, "pinned", 6) == 0);
                cm_release(&value);
                _exit(0);
        }
        expect_good_end(child);
        g_assert_cmpmem(value.data, value.len, "pinned", 6);
        cm_release(&value);
        fixture_close(&f);
}

static int never(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        abort();
}

static void a_handle_may_refuse_to_be_inherited(void)
{
        struct fixture f = fixture_open(NULL, CM_OPEN_NO_FORK);
        struct cm_value value = {0};
        struct cm_batch *inherited;
        pid_t child;

        g_assert_cmpint(cm_batch_new(&inherited, f.cm), ==, 0);
        cm_batch_add_key(inherited, f.region, "b", 1);

        put_text(f.region, "a", "pinned", cm_token(f.cm));
        g_assert_cmpint(cm_get(f.region, "a", 1, &value), ==, 0);
        child = fork();
        if (child == 0) {
                struct cm_value other = {0};
                struct cm_region *region;
                struct cm_state state;
                struct cm_batch *batch;
                struct cm_region_stats stats = {.size = sizeof(stats)};
                struct cm_bytes key = {"a", 1};
                struct cm_event event;
                int outcome = 0;

                CHILD_EXPECT(cm_get(f.region, "a", 1, &other) == CM_E_FORKED);
                CHILD_EXPECT(put_text(f.region, "a", "x", cm_token(f.cm)) == CM_E_FORKED);
                CHILD_EXPECT(cm_invalidate(f.region, "a", 1, CM_WAIT_NONE, NULL) == CM_E_FORKED);
                CHILD_EXPECT(cm_region_open(&region, f.cm, "x", NULL) == CM_E_FORKED);
                CHILD_EXPECT(cm_state(f.cm, &state) == CM_E_FORKED);
                CHILD_EXPECT(cm_batch_new(&batch, f.cm) == CM_E_FORKED);
                CHILD_EXPECT(cm_region_stats(f.region, &stats) == CM_E_FORKED);
                CHILD_EXPECT(cm_fd(f.cm) == CM_E_FORKED && cm_dispatch(f.cm) == CM_E_FORKED);
                CHILD_EXPECT(cm_events(f.cm) == CM_E_FORKED);
                CHILD_EXPECT(cm_timeout_ms(f.cm) == CM_E_FORKED);
                CHILD_EXPECT(cm_next_event(f.cm, &event) == CM_E_FORKED);
                CHILD_EXPECT(cm_region_clear(f.region) == CM_E_FORKED);
                CHILD_EXPECT(cm_get_many(f.region, &key, 1, &other, &outcome) == 0);
                CHILD_EXPECT(outcome == CM_E_FORKED);
                CHILD_EXPECT(cm_get_or_load(f.region, "a", 1, never, NULL, &other) == CM_E_FORKED);
                CHILD_EXPECT(cm_invalidate_tag(f.region, "a", 1, CM_WAIT_NONE, NULL) ==
                                CM_E_FORKED);
                CHILD_EXPECT(cm_invalidate_region(f.region, CM_WAIT_NONE, NULL) == CM_E_FORKED);
                CHILD_EXPECT(cm_batch_publish(inherited, CM_WAIT_NONE, 0, NULL) == CM_E_FORKED);
                CHILD_EXPECT(cm_batch_free(inherited) == NULL);
                CHILD_EXPECT(memcmp(value.data, "pinned", 6) == 0);
                cm_release(&value);
                CHILD_EXPECT(cm_close(f.cm) == NULL);
                _exit(0);
        }
        expect_good_end(child);
        cm_batch_free(inherited);
        assert_hit(f.region, "a", "pinned");
        cm_release(&value);
        fixture_close(&f);
}

static void *use(void *data)
{
        struct fixture *f = data;

        for (int i = 0; i < 100; i++) {
                char key[16];

                g_snprintf(key, sizeof(key), "k%d", i);
                if (put_text(f->region, key, "thread", cm_token(f->cm)) < 0) {
                        return data;
                }
                (void)has(f->region, key, "thread");
        }
        return NULL;
}

static void threads_of_a_child_may_notice_the_fork_at_the_same_time(void)
{
        struct fixture f = fixture_open(NULL, 0);

        put_text(f.region, "k1", "parent", cm_token(f.cm));
        for (int i = 0; i < 20; i++) {
                pid_t child = fork();

                if (child == 0) {
                        pthread_t threads[4];
                        void *result;

                        for (int k = 0; k < 4; k++) {
                                CHILD_EXPECT(pthread_create(&threads[k], NULL, use, &f) == 0);
                        }
                        for (int k = 0; k < 4; k++) {
                                pthread_join(threads[k], &result);
                                CHILD_EXPECT(result == NULL);
                        }
                        CHILD_EXPECT(has(f.region, "k99", "thread"));
                        _exit(0);
                }
                expect_good_end(child);
        }
        assert_hit(f.region, "k1", "parent");
        fixture_close(&f);
}

static void *put_for_ever(void *data)
{
        struct fixture *f = data;
        char key[16];

        for (unsigned i = 0; f->cm; i++) {
                struct cm *cm = __atomic_load_n(&f->cm, __ATOMIC_ACQUIRE);

                if (!cm) {
                        break;
                }
                g_snprintf(key, sizeof(key), "k%u", i % 3000);
                put_text(f->region, key, "busy", cm_token(cm));
                cm_invalidate(f->region, key, 2, CM_WAIT_NONE, NULL);
        }
        return NULL;
}

/* Locks of the parent may be held at the moment of the fork; the child must not wait for them. */
static void a_child_forked_amid_changes_works(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct fixture shared = f;
        GThread *thread = g_thread_new("busy", put_for_ever, &shared);

        for (int i = 0; i < 100; i++) {
                pid_t child = fork();

                if (child == 0) {
                        int r;

                        alarm(20);
                        r = put_text(f.region, "a", "child", cm_token(f.cm));
                        if (r != 0) {
                                dprintf(2, "# put: %d, %s\n", r, cm_error_detail(f.cm));
                        }
                        CHILD_EXPECT(r == 0);
                        CHILD_EXPECT(has(f.region, "a", "child"));
                        CHILD_EXPECT(cm_invalidate(f.region, "a", 1, CM_WAIT_NODE, NULL) == 0);
                        _exit(0);
                }
                expect_good_end(child);
        }
        __atomic_store_n(&shared.cm, NULL, __ATOMIC_RELEASE);
        g_thread_join(thread);
        fixture_close(&f);
}

static void a_grandchild_works_too(void)
{
        struct fixture f = fixture_open(NULL, 0);
        pid_t child;

        put_text(f.region, "a", "parent", cm_token(f.cm));
        child = fork();
        if (child == 0) {
                pid_t grandchild;
                int status = -1;

                CHILD_EXPECT(put_text(f.region, "a", "child", cm_token(f.cm)) == 0);
                grandchild = fork();
                if (grandchild == 0) {
                        CHILD_EXPECT(!has(f.region, "a", "child"));
                        CHILD_EXPECT(put_text(f.region, "a", "grandchild", cm_token(f.cm)) == 0);
                        CHILD_EXPECT(has(f.region, "a", "grandchild"));
                        _exit(0);
                }
                CHILD_EXPECT(waitpid(grandchild, &status, 0) == grandchild && status == 0);
                CHILD_EXPECT(has(f.region, "a", "child"));
                _exit(0);
        }
        expect_good_end(child);
        assert_hit(f.region, "a", "parent");
        fixture_close(&f);
}

static int plain_load(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        return cm_load_set_value(load, key, key_len);
}

/* Forks, and comes back in both. */
static int forking_load(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        *(pid_t *)userdata = fork();
        return cm_load_set_value(load, "forked", 6);
}

struct nest {
        struct fixture *fixture;
        pid_t child;
        int r;
};

static int nested_load(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        struct nest *nest = userdata;
        struct cm_value value = {0};

        nest->r = cm_get_or_load(
                        nest->fixture->region, "inner", 5, forking_load, &nest->child, &value);
        cm_release(&value);
        return nest->r < 0 ? nest->r : cm_load_set_value(load, "outer", 5);
}

static void load_nested(struct nest *nest)
{
        struct cm_value value = {0};
        int r = cm_get_or_load(nest->fixture->region, "outer", 5, nested_load, nest, &value);

        if (nest->child == 0) {
                alarm(20);
                CHILD_EXPECT(nest->r == CM_E_FORKED && r == CM_E_FORKED);
                CHILD_EXPECT(strstr(cm_error_detail(nest->fixture->cm), "came back"));
                CHILD_EXPECT(!has(nest->fixture->region, "inner", "forked"));
                CHILD_EXPECT(put_text(nest->fixture->region, "inner", "child",
                                             cm_token(nest->fixture->cm)) == 0);
                CHILD_EXPECT(has(nest->fixture->region, "inner", "child"));
                _exit(0);
        }
        g_assert_cmpint(nest->r, ==, 0);
        g_assert_cmpint(r, ==, 0);
        cm_release(&value);
}

static void *load_for_ever(void *data)
{
        struct fixture *f = data;
        char key[16];

        for (unsigned i = 0; __atomic_load_n(&f->cm, __ATOMIC_ACQUIRE); i++) {
                struct cm_value value = {0};

                g_snprintf(key, sizeof(key), "k%u", i % 3000);
                cm_get_or_load(f->region, key, strlen(key), plain_load, NULL, &value);
                cm_release(&value);
                cm_invalidate(f->region, key, strlen(key), CM_WAIT_NONE, NULL);
        }
        return NULL;
}

/* Another thread loads meanwhile, so that its locks may be held at the fork, and stay so. */
static void a_child_that_returns_from_the_loader_that_forked_it_fails_only_there(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct fixture shared = f;
        GThread *thread = g_thread_new("busy", load_for_ever, &shared);

        for (int i = 0; i < 100; i++) {
                struct nest nest = {.fixture = &f, .child = -1};

                load_nested(&nest);
                expect_good_end(nest.child);
                cm_invalidate(f.region, "outer", 5, CM_WAIT_NONE, NULL);
                cm_invalidate(f.region, "inner", 5, CM_WAIT_NONE, NULL);
        }
        __atomic_store_n(&shared.cm, NULL, __ATOMIC_RELEASE);
        g_thread_join(thread);
        fixture_close(&f);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/fork/empty", a_child_starts_empty_and_works);
        g_test_add_func("/fork/token", a_token_from_before_the_fork_stores_nothing_in_the_child);
        g_test_add_func("/fork/pins", pins_of_the_parent_stay_readable_in_the_child);
        g_test_add_func("/fork/no_fork", a_handle_may_refuse_to_be_inherited);
        g_test_add_func("/fork/threads", threads_of_a_child_may_notice_the_fork_at_the_same_time);
        g_test_add_func("/fork/amid", a_child_forked_amid_changes_works);
        g_test_add_func("/fork/grandchild", a_grandchild_works_too);
        g_test_add_func("/fork/loader",
                        a_child_that_returns_from_the_loader_that_forked_it_fails_only_there);
        return g_test_run();
}
