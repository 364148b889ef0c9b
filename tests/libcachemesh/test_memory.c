/* SPDX-License-Identifier: MIT */
/*
 * Memory that runs out: a fixed sequence of calls is run again and again, each time with another
 * allocation failing, once or from there on. Nothing may crash, leak or serve a wrong value.
 */
#include "tests/libcachemesh/fixture.h"

#include <errno.h>
#include <string.h>

struct supply {
        int64_t n_left; /* allocations until the failure */
        bool is_for_ever;
        bool has_failed;
        int64_t n_blocks;
        int64_t n_bytes;
};

static void *allocate(void *userdata, size_t alignment, size_t size)
{
        struct supply *supply = userdata;
        void *memory;

        if (supply->n_left-- == 0 || (supply->is_for_ever && supply->has_failed)) {
                supply->has_failed = true;
                return NULL;
        }
        memory = aligned_alloc(alignment, (size + alignment - 1) & ~(alignment - 1));
        g_assert_nonnull(memory);
        supply->n_blocks++;
        supply->n_bytes += (int64_t)size;
        return memory;
}

static void deallocate(void *userdata, void *memory, size_t size)
{
        struct supply *supply = userdata;

        g_assert_nonnull(memory);
        memset(memory, 0xdd, size);
        supply->n_blocks--;
        supply->n_bytes -= (int64_t)size;
        free(memory);
}

static int load(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        cm_load_add_tag(load, "tag", 3);
        return cm_load_set_value(load, "loaded", 6);
}

static void expect_value(const struct cm_value *value, const char *text)
{
        g_assert_cmpmem(value->data, value->len, text, strlen(text));
}

static void batch(struct cm *cm, struct cm_region *region)
{
        struct cm_batch *targets = NULL;
        char key[32];
        int r = cm_batch_new(&targets, cm);

        if (r < 0) {
                g_assert_cmpint(r, ==, -ENOMEM);
                return;
        }
        for (int i = 0; i < 70; i++) {
                g_snprintf(key, sizeof(key), "key%d", i);
                r = cm_batch_add_key(targets, region, key, strlen(key));
                g_assert_true(r == 0 || r == -ENOMEM);
        }
        r = cm_batch_publish(targets, CM_WAIT_NODE, 0, NULL);
        g_assert_true(r == 0 || r == -ENOMEM);
        cm_batch_free(targets);
}

static void use(struct cm *cm, struct cm_region *region)
{
        struct cm_value value = {0};
        struct cm_value pinned = {0};
        char key[32];
        int r;

        for (int i = 0; i < 2000; i++) { /* past the first split and the first overflow */
                g_snprintf(key, sizeof(key), "key%d", i);
                r = put_tagged(region, key, key, cm_token(cm), "tag");
                g_assert_true(r == 0 || r == -ENOMEM);
                r = cm_get(region, key, strlen(key), &value);
                if (r == 0) {
                        expect_value(&value, key);
                        cm_release(&value);
                }
        }
        r = cm_get_or_load(region, "loaded", 6, load, NULL, &pinned);
        g_assert_true(r == 0 || r == -ENOMEM);
        if (r == 0) {
                expect_value(&pinned, "loaded");
        }
        g_assert_cmpint(cm_invalidate(region, "key1", 4, CM_WAIT_NODE, NULL), ==, 0);
        g_assert_cmpint(cm_get(region, "key1", 4, &value), ==, CM_MISS);
        batch(cm, region);
        cm_region_clear(region);
        if (pinned.data) {
                expect_value(&pinned, "loaded");
        }
        cm_release(&pinned);
}

/* Returns whether the failure was reached. */
static bool run(int64_t n, bool is_for_ever)
{
        struct supply supply = {.n_left = n, .is_for_ever = is_for_ever};
        struct cm_options options = {
                        .size = sizeof(options),
                        .flags = CM_OPEN_STANDALONE,
                        .allocator = {allocate, deallocate, &supply},
        };
        struct cm_region *region = NULL;
        struct cm *cm = NULL;
        int r = cm_open(&cm, &options);

        if (r == 0) {
                r = cm_region_open(&region, cm, "region", NULL);
                if (r == 0) {
                        use(cm, region);
                } else {
                        g_assert_cmpint(r, ==, -ENOMEM);
                        g_assert_null(region);
                }
                cm_close(cm);
        } else {
                g_assert_cmpint(r, ==, -ENOMEM);
                g_assert_null(cm);
        }
        g_assert_cmpint(supply.n_blocks, ==, 0);
        g_assert_cmpint(supply.n_bytes, ==, 0);
        return supply.has_failed;
}

static void the_nth_allocation_fails_once(void)
{
        int64_t n = 0;

        while (run(n, false)) {
                n++;
        }
        g_test_message("%" G_GINT64_FORMAT " allocations", n);
        g_assert_cmpint(n, >, 20);
}

static void the_nth_allocation_and_all_later_ones_fail(void)
{
        int64_t n = 0;

        while (run(n, true)) {
                n++;
        }
        g_assert_cmpint(n, >, 20);
}

static void the_allocator_gets_back_what_it_gave_with_its_size(void)
{
        g_assert_false(run(INT64_MAX, false));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/memory/balance", the_allocator_gets_back_what_it_gave_with_its_size);
        g_test_add_func("/memory/once", the_nth_allocation_fails_once);
        g_test_add_func("/memory/for_ever", the_nth_allocation_and_all_later_ones_fail);
        return g_test_run();
}
