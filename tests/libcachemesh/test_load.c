/* SPDX-License-Identifier: MIT */
/* cm_get_or_load(): one load per key, and what a waiter may take. */
#include "tests/libcachemesh/fixture.h"

#include <errno.h>
#include <string.h>

/* A loader that says when it runs and waits until it may end. Atomics: TSan does
 * not know GLib's locks. */
struct gate {
        _Atomic int n_begun;
        _Atomic int n_allowed;
        int outcome;
        const char *text;
        struct fixture *fixture;
};

static gint64 deadline(void)
{
        return g_get_monotonic_time() + 30 * G_USEC_PER_SEC;
}

static void await(_Atomic int *n, int at_least)
{
        gint64 end = deadline();

        while (atomic_load(n) < at_least && g_get_monotonic_time() < end) {
                g_thread_yield();
        }
        g_assert_cmpint(atomic_load(n), >=, at_least);
}

static void allow(struct gate *gate, int n)
{
        atomic_fetch_add(&gate->n_allowed, n);
}

static void await_begun(struct gate *gate, int n)
{
        await(&gate->n_begun, n);
}

/* Gives "text N" for the Nth load. */
static int gated_load(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        struct gate *gate = userdata;
        int number = atomic_fetch_add(&gate->n_begun, 1) + 1;
        char text[64];

        await(&gate->n_allowed, number);
        if (gate->outcome < 0) {
                return gate->outcome;
        }
        g_snprintf(text, sizeof(text), "%s %d", gate->text, number);
        return cm_load_set_value(load, text, strlen(text));
}

struct caller {
        struct gate *gate;
        pthread_t thread;
        int r;
        char *text;
};

static void *call(void *data)
{
        struct caller *caller = data;
        struct cm_value value = {0};

        caller->r = cm_get_or_load(
                        caller->gate->fixture->region, "k", 1, gated_load, caller->gate, &value);
        if (caller->r == 0) {
                caller->text = g_strndup(value.data, value.len);
                cm_release(&value);
        }
        return NULL;
}

static void start(struct caller *caller, struct gate *gate)
{
        *caller = (struct caller){.gate = gate};
        g_assert_cmpint(pthread_create(&caller->thread, NULL, call, caller), ==, 0);
}

static void finish(struct caller *caller, int r, const char *text)
{
        pthread_join(caller->thread, NULL);
        g_assert_cmpint(caller->r, ==, r);
        g_assert_cmpstr(caller->text, ==, text);
        g_free(caller->text);
}

static uint64_t n_waits(struct fixture *f)
{
        struct cm_region_stats stats = {.size = sizeof(stats)};

        cm_region_stats(f->region, &stats);
        return stats.n_load_waits;
}

static void await_waiters(struct fixture *f, uint64_t n)
{
        gint64 end = deadline();

        while (n_waits(f) < n && g_get_monotonic_time() < end) {
                g_thread_yield();
        }
        g_assert_cmpuint(n_waits(f), >=, n);
}

static void one_load_serves_all_who_wait(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct gate gate = {.text = "load", .fixture = &f};
        struct caller callers[8];
        struct cm_region_stats stats = {.size = sizeof(stats)};

        for (int i = 0; i < 8; i++) {
                start(&callers[i], &gate);
        }
        await_begun(&gate, 1);
        await_waiters(&f, 7);
        allow(&gate, 1);
        for (int i = 0; i < 8; i++) {
                finish(&callers[i], 0, "load 1");
        }
        g_assert_cmpint(gate.n_begun, ==, 1);
        assert_hit(f.region, "k", "load 1");
        cm_region_stats(f.region, &stats);
        g_assert_cmpuint(stats.n_loads, ==, 1);
        g_assert_cmpuint(stats.n_load_waits, ==, 7);
        g_assert_cmpuint(stats.n_load_errors, ==, 0);
        g_assert_cmpuint(stats.n_pinned, ==, 0);
        fixture_close(&f);
}

static void a_waiter_does_not_take_what_was_invalidated_while_it_waited(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct gate gate = {.text = "load", .fixture = &f};
        struct caller first;
        struct caller late[3];

        start(&first, &gate);
        await_begun(&gate, 1);
        cm_invalidate(f.region, "k", 1, CM_WAIT_NONE, NULL);
        for (int i = 0; i < 3; i++) {
                start(&late[i], &gate); /* these came after the invalidation */
        }
        await_waiters(&f, 3);
        allow(&gate, 2);
        finish(&first, 0, "load 1"); /* its own load, as old as its call */
        for (int i = 0; i < 3; i++) {
                finish(&late[i], 0,
                                "load 2"); /* one of them loads, the others came before it began */
        }
        g_assert_cmpint(gate.n_begun, ==, 2);
        assert_hit(f.region, "k", "load 2");
        fixture_close(&f);
}

static void without_a_lease_a_herd_costs_two_loads(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct gate gate = {.text = "load", .fixture = &f};
        struct caller callers[6];

        fixture_set_lease(&f, false);
        start(&callers[0], &gate);
        await_begun(&gate, 1);
        for (int i = 1; i < 6; i++) {
                start(&callers[i], &gate);
        }
        await_waiters(&f, 5);
        allow(&gate, 1);
        await_begun(&gate, 2);
        await_waiters(&f, 9);
        allow(&gate, 1);
        finish(&callers[0], 0, "load 1");
        for (int i = 1; i < 6; i++) {
                finish(&callers[i], 0, "load 2");
        }
        g_assert_cmpint(gate.n_begun, ==, 2);
        assert_miss(f.region, "k", CM_REASON_LEASE);
        fixture_close(&f);
}

static void a_failed_load_fails_for_all_who_wait(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct gate gate = {.text = "load", .fixture = &f, .outcome = -EIO};
        struct caller callers[4];

        start(&callers[0], &gate);
        await_begun(&gate, 1);
        for (int i = 1; i < 4; i++) {
                start(&callers[i], &gate);
        }
        await_waiters(&f, 3);
        allow(&gate, 1);
        for (int i = 0; i < 4; i++) {
                finish(&callers[i], -EIO, NULL);
        }
        g_assert_cmpint(gate.n_begun, ==, 1);
        assert_miss(f.region, "k", CM_REASON_ABSENT);
        fixture_close(&f);
}

static void a_waiter_gives_up_at_its_deadline_and_the_load_goes_on(void)
{
        struct cm_options options = {
                        .size = sizeof(options), .flags = CM_OPEN_STANDALONE, .timeout_ms = 50};
        struct fixture f = {NULL, NULL};
        struct gate gate = {.text = "load", .fixture = &f};
        struct caller first;
        struct caller second;

        g_assert_cmpint(cm_open(&f.cm, &options), ==, 0);
        g_assert_cmpint(cm_region_open(&f.region, f.cm, "region", NULL), ==, 0);
        start(&first, &gate);
        await_begun(&gate, 1);
        start(&second, &gate);
        finish(&second, CM_E_TIMEOUT, NULL);
        allow(&gate, 1);
        finish(&first, 0, "load 1");
        assert_hit(f.region, "k", "load 1");
        fixture_close(&f);
}

static int recursive_load(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        struct fixture *f = userdata;
        struct cm_value value = {0};
        int r = cm_get_or_load(f->region, key, key_len, recursive_load, f, &value);

        g_assert_cmpint(r, ==, -EDEADLK);
        g_assert_null(value.data);
        return cm_load_set_value(load, "outer", 5);
}

static void a_load_of_its_own_key_is_a_deadlock(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct cm_value value = {0};

        g_assert_cmpint(cm_get_or_load(f.region, "k", 1, recursive_load, &f, &value), ==, 0);
        g_assert_cmpmem(value.data, value.len, "outer", 5);
        cm_release(&value);
        fixture_close(&f);
}

/* Two threads, each loading what the other one needs. */
struct crossed {
        struct cm_region *a, *b; /* each loads its own name; may be one */
        _Atomic int n_inside;
        _Atomic int n_deadlocks;
};

static int leaf_load(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        return cm_load_set_value(load, "leaf", 4);
}

static int crossed_load(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        struct crossed *crossed = userdata;
        bool is_a = *(const char *)key == 'a';
        struct cm_value value = {0};
        int r;

        atomic_fetch_add(&crossed->n_inside, 1);
        await(&crossed->n_inside, 2);
        r = cm_get_or_load(is_a ? crossed->b : crossed->a, is_a ? "b" : "a", 1, leaf_load, NULL,
                        &value);
        if (r == -EDEADLK) {
                crossed->n_deadlocks++;
        }
        cm_release(&value);
        return cm_load_set_value(load, key, key_len);
}

static void *load_b(void *data)
{
        struct crossed *crossed = data;
        struct cm_value value = {0};

        g_assert_cmpint(cm_get_or_load(crossed->b, "b", 1, crossed_load, crossed, &value), ==, 0);
        cm_release(&value);
        return NULL;
}

static void cross(struct cm_region *a, struct cm_region *b)
{
        struct crossed crossed = {.a = a, .b = b};
        pthread_t thread;
        struct cm_value value = {0};

        g_assert_cmpint(pthread_create(&thread, NULL, load_b, &crossed), ==, 0);
        g_assert_cmpint(cm_get_or_load(a, "a", 1, crossed_load, &crossed, &value), ==, 0);
        cm_release(&value);
        pthread_join(thread, NULL);
        g_assert_cmpint(crossed.n_deadlocks, ==, 1);
}

static void threads_that_wait_for_each_other_are_a_deadlock_too(void)
{
        struct fixture f = fixture_open(NULL, 0);

        cross(f.region, f.region);
        fixture_close(&f);
}

static void also_those_that_wait_in_two_handles(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct fixture other = fixture_open(NULL, 0);

        for (int i = 0; i < 20; i++) {
                cross(f.region, other.region);
                cm_invalidate(f.region, "a", 1, CM_WAIT_NONE, NULL);
                cm_invalidate(other.region, "b", 1, CM_WAIT_NONE, NULL);
        }
        fixture_close(&other);
        fixture_close(&f);
}

static int tagged_load(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        g_assert_cmpint(cm_load_add_tag(load, "red", 3), ==, 0);
        g_assert_cmpint(cm_load_add_tag(load, "blue", 4), ==, 0);
        g_assert_cmpint(cm_load_set_ttl(load, 3600000), ==, 0);
        g_assert_cmpint(cm_load_set_value(load, "first", 5), ==, 0);
        return cm_load_set_value(load, "tagged", 6);
}

static void tags_given_by_the_loader_count(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct cm_value value = {0};

        for (int i = 0; i < 2; i++) {
                g_assert_cmpint(cm_get_or_load(f.region, "k", 1, tagged_load, NULL, &value), ==, 0);
                cm_release(&value);
                assert_hit(f.region, "k", "tagged");
                cm_invalidate_tag(f.region, i ? "red" : "blue", i ? 3 : 4, CM_WAIT_NONE, NULL);
                assert_miss(f.region, "k", CM_REASON_INVALIDATED);
        }
        fixture_close(&f);
}

static int short_load(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        cm_load_set_ttl(load, 1);
        return cm_load_set_value(load, "short", 5);
}

static void a_ttl_given_by_the_loader_counts(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct cm_value value = {0};
        gint64 end = deadline();
        int r = 0;

        g_assert_cmpint(cm_get_or_load(f.region, "k", 1, short_load, NULL, &value), ==, 0);
        cm_release(&value);
        while (r == 0 && g_get_monotonic_time() < end) {
                g_free(get_text(f.region, "k", &r));
        }
        g_assert_cmpint(r, ==, CM_MISS);
        g_assert_cmpint(cm_last_reason(), ==, CM_REASON_EXPIRED);
        fixture_close(&f);
}

static int negative_load(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        (*(int *)userdata)++;
        return cm_load_set_negative(load);
}

static void knowing_that_there_is_nothing_is_cached_too(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct cm_value value = {0};
        int n = 0;

        g_assert_cmpint(cm_get_or_load(f.region, "k", 1, negative_load, &n, &value), ==,
                        CM_NEGATIVE);
        g_assert_cmpint(cm_get_or_load(f.region, "k", 1, negative_load, &n, &value), ==,
                        CM_NEGATIVE);
        g_assert_cmpint(n, ==, 1);
        g_assert_null(value.data);
        cm_invalidate(f.region, "k", 1, CM_WAIT_NONE, NULL);
        g_assert_cmpint(cm_get_or_load(f.region, "k", 1, negative_load, &n, &value), ==,
                        CM_NEGATIVE);
        g_assert_cmpint(n, ==, 2);
        fixture_close(&f);
}

static int invalidating_load(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        struct fixture *f = userdata;

        cm_invalidate(f->region, key, key_len, CM_WAIT_NONE, NULL);
        return cm_load_set_value(load, "stale", 5);
}

static void a_value_that_may_not_be_cached_is_returned_all_the_same(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct cm_value value = {0};

        g_assert_cmpint(cm_get_or_load(f.region, "k", 1, invalidating_load, &f, &value), ==, 0);
        g_assert_cmpmem(value.data, value.len, "stale", 5);
        assert_miss(f.region, "k", CM_REASON_ABSENT);
        cm_release(&value);
        fixture_close(&f);
}

static int large_load(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        size_t len = *(size_t *)userdata;
        char *bytes = g_malloc0(len);
        int r = cm_load_set_value(load, bytes, len);

        g_free(bytes);
        return r;
}

static void a_value_over_the_budget_is_returned_but_not_cached(void)
{
        struct cm_region_options options = {.size = sizeof(options), .budget_bytes = 64 << 10};
        struct fixture f = fixture_open(&options, 0);
        struct cm_region_stats stats = {.size = sizeof(stats)};
        struct cm_value value = {0};
        size_t len = 1 << 20;

        g_assert_cmpint(cm_get_or_load(f.region, "k", 1, large_load, &len, &value), ==, 0);
        g_assert_cmpuint(value.len, ==, len);
        cm_region_stats(f.region, &stats);
        g_assert_cmpuint(stats.n_entries, ==, 0);
        g_assert_cmpuint(stats.bytes, <, 64 << 10);
        cm_release(&value);
        fixture_close(&f);
}

static int careless_load(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        switch (*(int *)userdata) {
        case 0:
                return 0;
        case 1:
                cm_load_add_tag(load, "", 0);
                break;
        case 2:
                for (int i = 0; i <= CM_TAGS_MAX; i++) {
                        cm_load_add_tag(load, "t", 1);
                }
                break;
        default:
                break;
        }
        return cm_load_set_value(load, "v", 1);
}

static void a_careless_loader_fails_with_the_reason(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct cm_value value = {0};
        const int expected[] = {-ENODATA, -EINVAL, -E2BIG};

        for (int i = 0; i < 3; i++) {
                g_assert_cmpint(cm_get_or_load(f.region, "k", 1, careless_load, &i, &value), ==,
                                expected[i]);
                g_assert_null(value.data);
        }
        g_assert_cmpint(cm_get_or_load(f.region, "", 0, careless_load, NULL, &value), ==, -EINVAL);
        g_assert_cmpint(cm_get_or_load(f.region, "k", 1, NULL, NULL, &value), ==, -EINVAL);
        fixture_close(&f);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/load/one", one_load_serves_all_who_wait);
        g_test_add_func("/load/waiter",
                        a_waiter_does_not_take_what_was_invalidated_while_it_waited);
        g_test_add_func("/load/herd", without_a_lease_a_herd_costs_two_loads);
        g_test_add_func("/load/error", a_failed_load_fails_for_all_who_wait);
        g_test_add_func("/load/deadline", a_waiter_gives_up_at_its_deadline_and_the_load_goes_on);
        g_test_add_func("/load/recursion", a_load_of_its_own_key_is_a_deadlock);
        g_test_add_func("/load/crossed", threads_that_wait_for_each_other_are_a_deadlock_too);
        g_test_add_func("/load/crossed_handles", also_those_that_wait_in_two_handles);
        g_test_add_func("/load/tags", tags_given_by_the_loader_count);
        g_test_add_func("/load/ttl", a_ttl_given_by_the_loader_counts);
        g_test_add_func("/load/negative", knowing_that_there_is_nothing_is_cached_too);
        g_test_add_func("/load/uncached", a_value_that_may_not_be_cached_is_returned_all_the_same);
        g_test_add_func("/load/large", a_value_over_the_budget_is_returned_but_not_cached);
        g_test_add_func("/load/careless", a_careless_loader_fails_with_the_reason);
        return g_test_run();
}
