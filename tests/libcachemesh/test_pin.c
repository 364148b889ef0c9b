/* SPDX-License-Identifier: MIT */
/* Pins: values stay readable until released, whatever happens to their entry, thread or handle. */
#include "tests/libcachemesh/fixture.h"

#include <string.h>

#define MANY 300 /* more than four blocks of slots */

/* Overwrites what it gives back, so that a reader of freed memory sees it. */
static _Atomic int64_t n_allocated;

static void *poison_allocate(void *userdata, size_t alignment, size_t size)
{
        void *memory = aligned_alloc(alignment, (size + alignment - 1) & ~(alignment - 1));

        memset(memory, 0xa5, size);
        atomic_fetch_add(&n_allocated, (int64_t)size);
        return memory;
}

static void poison_deallocate(void *userdata, void *memory, size_t size)
{
        memset(memory, 0xdd, size);
        atomic_fetch_sub(&n_allocated, (int64_t)size);
        free(memory);
}

static struct fixture open_poisoned(void)
{
        struct cm_options options = {
                        .size = sizeof(options),
                        .flags = CM_OPEN_STANDALONE,
                        .allocator = {poison_allocate, poison_deallocate, NULL},
        };
        struct cm_region_options region = {.size = sizeof(region), .budget_bytes = 1 << 20};
        struct fixture fixture = {NULL, NULL};

        g_assert_cmpint(cm_open(&fixture.cm, &options), ==, 0);
        g_assert_cmpint(cm_region_open(&fixture.region, fixture.cm, "region", &region), ==, 0);
        return fixture;
}

static void pin(struct fixture *f, const char *key, struct cm_value *ret_value)
{
        memset(ret_value, 0, sizeof(*ret_value));
        g_assert_cmpint(cm_get(f->region, key, strlen(key), ret_value), ==, 0);
}

static uint64_t n_pinned(struct fixture *f)
{
        struct cm_region_stats stats = {.size = sizeof(stats)};

        g_assert_cmpint(cm_region_stats(f->region, &stats), ==, 0);
        return stats.n_pinned;
}

/* Makes the region free what it can, by putting and clearing. */
static void churn(struct fixture *f)
{
        char key[32];

        for (int i = 0; i < 1000; i++) {
                g_snprintf(key, sizeof(key), "churn%d", i);
                g_assert_cmpint(put_text(f->region, key, "churn", cm_token(f->cm)), ==, 0);
        }
        cm_region_clear(f->region);
}

static void a_pinned_value_outlives_its_invalidation(void)
{
        struct fixture f = open_poisoned();
        struct cm_value value;

        put_text(f.region, "a", "value", cm_token(f.cm));
        pin(&f, "a", &value);
        g_assert_cmpuint((uintptr_t)value.data % 16, ==, 0);
        cm_invalidate(f.region, "a", 1, CM_WAIT_NONE, NULL);
        churn(&f);
        g_assert_cmpmem(value.data, value.len, "value", 5);
        g_assert_cmpuint(n_pinned(&f), ==, 1);
        cm_release(&value);
        g_assert_null(value.data);
        g_assert_cmpuint(n_pinned(&f), ==, 0);
        fixture_close(&f);
        g_assert_cmpint(n_allocated, ==, 0);
}

static void many_pins_of_one_thread_all_hold(void)
{
        struct fixture f = open_poisoned();
        struct cm_value values[MANY];
        char key[32];

        for (int i = 0; i < MANY; i++) {
                g_snprintf(key, sizeof(key), "key%d", i);
                g_assert_cmpint(put_text(f.region, key, key, cm_token(f.cm)), ==, 0);
                pin(&f, key, &values[i]);
        }
        g_assert_cmpuint(n_pinned(&f), ==, MANY);
        cm_region_clear(f.region);
        churn(&f);
        for (int i = MANY - 1; i >= 0; i--) {
                g_snprintf(key, sizeof(key), "key%d", i);
                g_assert_cmpmem(values[i].data, values[i].len, key, strlen(key));
                cm_release(&values[i]);
        }
        g_assert_cmpuint(n_pinned(&f), ==, 0);
        fixture_close(&f);
        g_assert_cmpint(n_allocated, ==, 0);
}

static void slots_are_used_again(void)
{
        struct fixture f = open_poisoned();
        struct cm_value value;
        struct cmi_thread *thread = cmi_thread();
        struct cmi_pins *block = thread->block;

        put_text(f.region, "a", "value", cm_token(f.cm));
        for (int i = 0; i < 1000; i++) {
                pin(&f, "a", &value);
                cm_release(&value);
        }
        g_assert_true(thread->block == block);
        fixture_close(&f);
}

static void a_second_release_of_a_copy_harms_nobody(void)
{
        struct fixture f = open_poisoned();
        struct cm_value value;
        struct cm_value copy;
        struct cm_value other;

        put_text(f.region, "a", "value", cm_token(f.cm));
        put_text(f.region, "b", "other", cm_token(f.cm));
        pin(&f, "a", &value);
        copy = value;
        cm_release(&value);
        pin(&f, "b", &other); /* in the same slot */
        cm_release(&copy);
        g_assert_cmpuint(n_pinned(&f), ==, 1);
        cm_region_clear(f.region);
        churn(&f);
        g_assert_cmpmem(other.data, other.len, "other", 5);
        cm_release(&other);
        cm_release(&other);
        cm_release(NULL);
        fixture_close(&f);
}

struct handing {
        struct fixture *fixture;
        struct cm_value value;
};

static void *pin_and_leave(void *data)
{
        struct handing *handing = data;

        pin(handing->fixture, "a", &handing->value);
        return NULL;
}

static void *release_here(void *data)
{
        struct handing *handing = data;

        cm_release(&handing->value);
        return NULL;
}

static void a_pin_outlives_its_thread_and_any_thread_releases_it(void)
{
        struct fixture f = open_poisoned();
        struct handing handing = {.fixture = &f};

        put_text(f.region, "a", "value", cm_token(f.cm));
        g_thread_join(g_thread_new("pins", pin_and_leave, &handing));
        cm_region_clear(f.region);
        churn(&f);
        g_assert_cmpmem(handing.value.data, handing.value.len, "value", 5);
        g_thread_join(g_thread_new("releases", release_here, &handing));
        g_assert_cmpuint(n_pinned(&f), ==, 0);
        churn(&f);
        fixture_close(&f);
        g_assert_cmpint(n_allocated, ==, 0);
}

static unsigned count_records(void)
{
        unsigned n = 0;

        for (struct cmi_thread *t = atomic_load(&cmi_threads); t; t = t->next) {
                n++;
        }
        return n;
}

static void threads_that_come_and_go_share_records(void)
{
        struct fixture f = open_poisoned();
        struct handing handing = {.fixture = &f};
        unsigned n = 0;

        put_text(f.region, "a", "value", cm_token(f.cm));
        for (int i = 0; i < 50; i++) {
                g_thread_join(g_thread_new("pins", pin_and_leave, &handing));
                cm_release(&handing.value);
                if (i == 0) {
                        n = count_records();
                }
        }
        g_assert_cmpuint(count_records(), ==, n);
        fixture_close(&f);
}

static void a_value_outlives_its_handle_and_is_freed_by_its_release(void)
{
        struct fixture f = open_poisoned();
        struct cm_value one;
        struct cm_value two;

        put_text(f.region, "a", "value", cm_token(f.cm));
        put_text(f.region, "b", "other", cm_token(f.cm));
        pin(&f, "a", &one);
        pin(&f, "b", &two);
        fixture_close(&f);
        g_assert_cmpint(n_allocated, >, 0);
        g_assert_cmpmem(one.data, one.len, "value", 5);
        cm_release(&one);
        g_assert_cmpmem(two.data, two.len, "other", 5);
        g_assert_cmpint(n_allocated, >, 0);
        cm_release(&two);
        g_assert_cmpint(n_allocated, ==, 0);
        g_assert_cmpuint(atomic_load(&cmi_process->n_orphanages), ==, 0);
}

static void more_pins_than_a_set_holds_are_still_respected(void)
{
        struct fixture f = open_poisoned();
        g_autofree struct cm_value *values = g_new0(struct cm_value, 2 * CMI_PIN_SET_MAX);
        char key[32];

        put_text(f.region, "a", "value", cm_token(f.cm));
        for (int i = 0; i < 2 * CMI_PIN_SET_MAX - 1; i++) {
                pin(&f, "a", &values[i]);
        }
        put_text(f.region, "last", "the last pin", cm_token(f.cm));
        pin(&f, "last", &values[2 * CMI_PIN_SET_MAX - 1]);
        cm_region_clear(f.region);
        for (int i = 0; i < 500; i++) {
                g_snprintf(key, sizeof(key), "key%d", i);
                put_text(f.region, key, "churn", cm_token(f.cm));
        }
        cm_region_clear(f.region);
        g_assert_cmpmem(values[0].data, values[0].len, "value", 5);
        g_assert_cmpmem(values[2 * CMI_PIN_SET_MAX - 1].data, values[2 * CMI_PIN_SET_MAX - 1].len,
                        "the last pin", 12);
        for (int i = 0; i < 2 * CMI_PIN_SET_MAX; i++) {
                cm_release(&values[i]);
        }
        fixture_close(&f);
        g_assert_cmpint(n_allocated, ==, 0);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/pin/invalidated", a_pinned_value_outlives_its_invalidation);
        g_test_add_func("/pin/many", many_pins_of_one_thread_all_hold);
        g_test_add_func("/pin/again", slots_are_used_again);
        g_test_add_func("/pin/twice", a_second_release_of_a_copy_harms_nobody);
        g_test_add_func("/pin/thread", a_pin_outlives_its_thread_and_any_thread_releases_it);
        g_test_add_func("/pin/records", threads_that_come_and_go_share_records);
        g_test_add_func("/pin/handle", a_value_outlives_its_handle_and_is_freed_by_its_release);
        g_test_add_func("/pin/set", more_pins_than_a_set_holds_are_still_respected);
        return g_test_run();
}
