/* SPDX-License-Identifier: MIT */
/* Deadlines of single calls, beside a meshd that answers nothing any more. */
#include "tests/libcachemesh/fake_meshd.h"

#include "libcachemesh/cachemesh.h"

#include <errno.h>

#define HANDLE_MS 60000
#define CALL_MS 20
#define LIMIT_US (30 * G_USEC_PER_SEC) /* far from both */

struct fixture {
        char *path;
        struct fake_meshd *meshd;
        struct cm *cm;
        struct cm_region *region;
};

static void open_handle(struct fixture *f, uint32_t timeout_ms)
{
        const struct cm_options options = {
                        .size = sizeof(options), .socket_path = f->path, .timeout_ms = timeout_ms};
        struct cm_state state;

        g_assert_cmpint(cm_open(&f->cm, &options), ==, 0);
        g_assert_cmpint(cm_state(f->cm, &state), ==, 0); /* connects */
        g_assert_cmpint(cm_region_open(&f->region, f->cm, "r", NULL), ==, 0);
}

static void fall_silent(struct fixture *f)
{
        struct fake_meshd_script script = fake_meshd_script();

        script.is_silent = true;
        fake_meshd_set_script(f->meshd, &script);
}

static void set_up(struct fixture *f, const void *unused)
{
        f->path = fake_path_new();
        f->meshd = fake_meshd_start(f->path, NULL);
        open_handle(f, HANDLE_MS);
}

static void tear_down(struct fixture *f, const void *unused)
{
        fake_meshd_kill(f->meshd);
        cm_close(f->cm);
        fake_path_free(f->path);
}

static void an_invalidation_ends_at_its_own_deadline(struct fixture *f, const void *unused)
{
        const struct cm_invalidate_options options = {
                        .size = sizeof(options), .timeout_ms = CALL_MS};
        gint64 begin_us = g_get_monotonic_time();

        fall_silent(f);
        for (int wait = CM_WAIT_NODE; wait <= CM_WAIT_MESH; wait++) {
                enum cm_wait level = (enum cm_wait)wait;

                g_assert_cmpint(cm_invalidate_with(f->region, "k", 1, level, &options, NULL), ==,
                                CM_PENDING);
                g_assert_cmpint(cm_invalidate_tag_with(f->region, "t", 1, level, &options, NULL),
                                ==, CM_PENDING);
                g_assert_cmpint(cm_invalidate_region_with(f->region, level, &options, NULL), ==,
                                CM_PENDING);
        }
        g_assert_cmpint(g_get_monotonic_time() - begin_us, >=, 6 * CALL_MS * 1000);
        g_assert_cmpint(g_get_monotonic_time() - begin_us, <, LIMIT_US);
}

static void without_one_it_has_the_handles(struct fixture *f, const void *unused)
{
        const struct cm_invalidate_options options = {.size = sizeof(options)};
        gint64 begin_us = g_get_monotonic_time();

        cm_close(f->cm);
        open_handle(f, CALL_MS);
        fall_silent(f);
        g_assert_cmpint(cm_invalidate_with(f->region, "k", 1, CM_WAIT_NODE, &options, NULL), ==,
                        CM_PENDING);
        g_assert_cmpint(cm_invalidate_with(f->region, "k", 1, CM_WAIT_NODE, NULL, NULL), ==,
                        CM_PENDING);
        g_assert_cmpint(g_get_monotonic_time() - begin_us, >=, 2 * CALL_MS * 1000);
        g_assert_cmpint(g_get_monotonic_time() - begin_us, <, LIMIT_US);
}

static void options_without_their_size_change_nothing(struct fixture *f, const void *unused)
{
        const struct cm_invalidate_options options = {.timeout_ms = CALL_MS};

        g_assert_cmpint(cm_invalidate_with(f->region, "k", 1, CM_WAIT_NODE, &options, NULL), ==,
                        -EINVAL);
        g_assert_cmpint(cm_invalidate_tag_with(f->region, "t", 1, CM_WAIT_NODE, &options, NULL), ==,
                        -EINVAL);
        g_assert_cmpint(cm_invalidate_region_with(f->region, CM_WAIT_NODE, &options, NULL), ==,
                        -EINVAL);
        g_assert_cmpuint(fake_meshd_n_published(f->meshd), ==, 0);
}

static void the_end_of_a_write_has_one_of_its_own(struct fixture *f, const void *unused)
{
        const struct cm_bytes key = {"k", 1};
        const struct cm_write_options options = {.size = sizeof(options),
                        .keys = &key,
                        .n_keys = 1,
                        .end_timeout_ms = CALL_MS};
        gint64 begin_us = g_get_monotonic_time();
        struct cm_write *write = NULL;

        g_assert_cmpint(cm_write_begin(&write, f->region, &options, NULL), ==, 0);
        fall_silent(f);
        g_assert_cmpint(cm_write_end(write), ==, CM_PENDING);
        g_assert_cmpint(g_get_monotonic_time() - begin_us, <, LIMIT_US);
}

/* The region is open, and misses until meshd answers. */
static void the_opening_of_a_region_has_one_of_its_own(struct fixture *f, const void *unused)
{
        const struct cm_region_options options = {.size = sizeof(options), .timeout_ms = CALL_MS};
        gint64 begin_us = g_get_monotonic_time();
        struct cm_region *region = NULL;
        struct cm_region *again = NULL;

        fall_silent(f);
        g_assert_cmpint(cm_region_open(&region, f->cm, "other", &options), ==, 0);
        g_assert_cmpint(g_get_monotonic_time() - begin_us, >=, CALL_MS * 1000);
        g_assert_cmpint(g_get_monotonic_time() - begin_us, <, LIMIT_US);
        /* It is no property of the region. */
        g_assert_cmpint(cm_region_open(&again, f->cm, "other", NULL), ==, 0);
        g_assert_true(again == region);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add("/deadline/" #name, struct fixture, NULL, set_up, name, tear_down)
        CASE(an_invalidation_ends_at_its_own_deadline);
        CASE(without_one_it_has_the_handles);
        CASE(options_without_their_size_change_nothing);
        CASE(the_end_of_a_write_has_one_of_its_own);
        CASE(the_opening_of_a_region_has_one_of_its_own);
        return g_test_run();
}
