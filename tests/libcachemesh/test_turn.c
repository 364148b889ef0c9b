/* SPDX-License-Identifier: MIT */
/* How many loaders run at a time, who is next, and who is turned away. */
#include "tests/libcachemesh/fixture.h"

#include "libcachemesh/load.h"

#include <string.h>

#define DEADLINE_US (30 * G_USEC_PER_SEC)

/* What stands for a database: it counts, and answers when it is allowed to. */
struct database {
        struct cm_region *region;
        _Atomic int n_begun;
        _Atomic int n_running;
        _Atomic int n_running_max;
        _Atomic int n_allowed;
        char order[16]; /* first letters of the keys, as they began */
};

static void await(_Atomic int *n, int at_least)
{
        gint64 end = g_get_monotonic_time() + DEADLINE_US;

        while (atomic_load(n) < at_least && g_get_monotonic_time() < end) {
                g_thread_yield();
        }
        g_assert_cmpint(atomic_load(n), >=, at_least);
}

static int load(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        struct database *database = userdata;
        int n_running = atomic_fetch_add(&database->n_running, 1) + 1;
        int max = atomic_load(&database->n_running_max);
        int number = atomic_fetch_add(&database->n_begun, 1);

        database->order[number % 16] = *(const char *)key;
        while (n_running > max &&
                        !atomic_compare_exchange_weak(&database->n_running_max, &max, n_running)) {
        }
        await(&database->n_allowed, number + 1);
        atomic_fetch_sub(&database->n_running, 1);
        return cm_load_set_value(load, key, key_len);
}

struct caller {
        struct database *database;
        char key[8];
        struct cm_load_options options;
        pthread_t thread;
        int r;
};

static void *call(void *data)
{
        struct caller *caller = data;
        struct cm_value value = {0};

        caller->r = cm_get_or_load_with(caller->database->region, caller->key, strlen(caller->key),
                        load, caller->database, &caller->options, &value);
        if (caller->r == 0) {
                g_assert_cmpmem(value.data, value.len, caller->key, strlen(caller->key));
        }
        cm_release(&value);
        return NULL;
}

static void start(
                struct caller *caller, struct database *database, const char *key, uint32_t timeout)
{
        *caller = (struct caller){.database = database};
        g_strlcpy(caller->key, key, sizeof(caller->key));
        caller->options = (struct cm_load_options){
                        .size = sizeof(struct cm_load_options), .timeout_ms = timeout};
        g_assert_cmpint(pthread_create(&caller->thread, NULL, call, caller), ==, 0);
}

static void finish(struct caller *caller, int r)
{
        pthread_join(caller->thread, NULL);
        g_assert_cmpint(caller->r, ==, r);
}

static int call_now(struct database *database, const char *key, unsigned flags, uint32_t timeout)
{
        struct cm_load_options options = {
                        .size = sizeof(options), .timeout_ms = timeout, .flags = flags};
        struct cm_value value = {0};
        int r = cm_get_or_load_with(
                        database->region, key, strlen(key), load, database, &options, &value);

        cm_release(&value);
        return r;
}

static int n_queued(struct cm *cm)
{
        int n = 0;

        pthread_mutex_lock(&cm->loads_lock);
        for (struct cm_load *load = cm->turns.first; load; load = load->next_queued) {
                n++;
        }
        pthread_mutex_unlock(&cm->loads_lock);
        return n;
}

static void await_queued(struct cm *cm, int n)
{
        gint64 end = g_get_monotonic_time() + DEADLINE_US;

        while (n_queued(cm) != n && g_get_monotonic_time() < end) {
                g_thread_yield();
        }
        g_assert_cmpint(n_queued(cm), ==, n);
}

static struct fixture open_with(uint32_t loads_max)
{
        struct cm_options options = {.size = sizeof(options),
                        .flags = CM_OPEN_STANDALONE,
                        .timeout_ms = 30000,
                        .loads_max = loads_max};
        struct fixture f = {NULL, NULL};

        g_assert_cmpint(cm_open(&f.cm, &options), ==, 0);
        g_assert_cmpint(cm_region_open(&f.region, f.cm, "region", NULL), ==, 0);
        return f;
}

static void no_more_loaders_run_than_the_handle_allows(void)
{
        struct fixture f = open_with(3);
        struct database database = {.region = f.region};
        struct caller callers[12];
        char key[8];

        for (int i = 0; i < 12; i++) {
                g_snprintf(key, sizeof(key), "%c", 'a' + i);
                start(&callers[i], &database, key, 0);
        }
        await(&database.n_begun, 3);
        await_queued(f.cm, 9);
        atomic_store(&database.n_allowed, 12);
        for (int i = 0; i < 12; i++) {
                finish(&callers[i], 0);
        }
        g_assert_cmpint(database.n_begun, ==, 12);
        g_assert_cmpint(database.n_running_max, ==, 3);
        g_assert_cmpuint(f.cm->turns.n_taken, ==, 0);
        fixture_close(&f);
}

static void unless_told_otherwise_32_loaders_run(void)
{
        struct fixture f = fixture_open(NULL, 0);

        g_assert_cmpuint(f.cm->options.loads_max, ==, 32);
        fixture_close(&f);
}

static void turns_are_given_in_the_order_of_arrival(void)
{
        struct fixture f = open_with(1);
        struct database database = {.region = f.region};
        struct caller callers[5];
        const char *keys[] = {"e", "b", "d", "a", "c"};

        for (int i = 0; i < 5; i++) {
                start(&callers[i], &database, keys[i], 0);
                await(&database.n_begun, 1);
                await_queued(f.cm, i);
        }
        atomic_store(&database.n_allowed, 5);
        for (int i = 0; i < 5; i++) {
                finish(&callers[i], 0);
        }
        g_assert_cmpstr(database.order, ==, "ebdac");
        fixture_close(&f);
}

static void who_gets_no_turn_in_time_is_told_so(void)
{
        struct fixture f = open_with(1);
        struct database database = {.region = f.region};
        struct cm_region_stats stats = {.size = sizeof(stats)};
        struct caller first;

        start(&first, &database, "a", 0);
        await(&database.n_begun, 1);
        g_assert_cmpint(call_now(&database, "b", 0, 20), ==, CM_E_BUSY);
        g_assert_cmpstr(cm_error_detail(f.cm), ==, "1 loaders run already");
        g_assert_cmpint(n_queued(f.cm), ==, 0);
        atomic_store(&database.n_allowed, 2);
        finish(&first, 0);
        g_assert_cmpint(call_now(&database, "b", 0, 20), ==, 0);
        cm_region_stats(f.region, &stats);
        g_assert_cmpuint(stats.n_busy, ==, 1);
        g_assert_cmpuint(stats.n_loads, ==, 2);
        fixture_close(&f);
}

static void who_does_not_want_to_wait_is_told_at_once(void)
{
        struct fixture f = open_with(1);
        struct database database = {.region = f.region};
        struct caller first;
        gint64 began;

        g_assert_cmpint(call_now(&database, "a", 2, 0), ==, -EINVAL);
        start(&first, &database, "a", 0);
        await(&database.n_begun, 1);
        began = g_get_monotonic_time();
        g_assert_cmpint(call_now(&database, "a", CM_LOAD_NO_WAIT, 0), ==, CM_E_BUSY);
        g_assert_cmpint(call_now(&database, "b", CM_LOAD_NO_WAIT, 0), ==, CM_E_BUSY);
        g_assert_cmpint(g_get_monotonic_time() - began, <, 20 * G_USEC_PER_SEC);
        atomic_store(&database.n_allowed, 2);
        finish(&first, 0);
        g_assert_cmpint(call_now(&database, "b", CM_LOAD_NO_WAIT, 0), ==, 0);
        fixture_close(&f);
}

static void those_who_want_the_same_key_wait_for_one_turn(void)
{
        struct fixture f = open_with(1);
        struct database database = {.region = f.region};
        struct cm_region_stats stats = {.size = sizeof(stats)};
        struct caller first;
        struct caller same[4];
        gint64 end = g_get_monotonic_time() + DEADLINE_US;

        start(&first, &database, "a", 0);
        await(&database.n_begun, 1);
        for (int i = 0; i < 4; i++) {
                start(&same[i], &database, "b", 0);
        }
        while (stats.n_load_waits < 3 && g_get_monotonic_time() < end) {
                cm_region_stats(f.region, &stats);
        }
        await_queued(f.cm, 1);
        atomic_store(&database.n_allowed, 9);
        finish(&first, 0);
        for (int i = 0; i < 4; i++) {
                finish(&same[i], 0);
        }
        g_assert_cmpint(database.n_begun, ==, 2);
        fixture_close(&f);
}

static void whose_leader_got_no_turn_goes_on_waiting(void)
{
        struct fixture f = open_with(1);
        struct database database = {.region = f.region};
        struct caller first;
        struct caller hasty;
        struct caller patient;

        start(&first, &database, "a", 0);
        await(&database.n_begun, 1);
        start(&hasty, &database, "b", 50);
        await_queued(f.cm, 1);
        start(&patient, &database, "b", 0);
        finish(&hasty, CM_E_BUSY);
        await_queued(f.cm, 1);
        atomic_store(&database.n_allowed, 2);
        finish(&first, 0);
        finish(&patient, 0);
        g_assert_cmpint(database.n_begun, ==, 2);
        g_assert_cmpuint(f.cm->turns.n_taken, ==, 0);
        fixture_close(&f);
}

static int inner_load(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        return cm_load_set_value(load, key, key_len);
}

/* Loads another key inside, once it is allowed to go on. */
static int outer_load(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        struct database *database = userdata;
        struct cm_value value = {0};
        int r;

        atomic_fetch_add(&database->n_begun, 1);
        await(&database->n_allowed, 1);
        r = cm_get_or_load(database->region, "b", 1, inner_load, NULL, &value);
        cm_release(&value);
        return r < 0 ? r : cm_load_set_value(load, key, key_len);
}

static void *call_outer(void *data)
{
        struct caller *caller = data;
        struct cm_value value = {0};

        caller->r = cm_get_or_load(
                        caller->database->region, "a", 1, outer_load, caller->database, &value);
        cm_release(&value);
        return NULL;
}

static void what_a_loader_loads_needs_no_turn(void)
{
        struct fixture f = open_with(1);
        struct database database = {.region = f.region, .n_allowed = 1};
        struct caller caller = {.database = &database};

        call_outer(&caller);
        g_assert_cmpint(caller.r, ==, 0);
        g_assert_cmpuint(f.cm->turns.n_taken, ==, 0);
        fixture_close(&f);
}

static void a_loader_lends_its_turn_to_whom_it_waits_for(void)
{
        struct fixture f = open_with(1);
        struct database database = {.region = f.region};
        struct caller outer = {.database = &database};
        struct caller queued;

        g_assert_cmpint(pthread_create(&outer.thread, NULL, call_outer, &outer), ==, 0);
        await(&database.n_begun, 1);
        start(&queued, &database, "b", 0);
        await_queued(f.cm, 1);
        atomic_store(&database.n_allowed, 9);
        finish(&outer, 0); /* not after 30 s with CM_E_TIMEOUT */
        finish(&queued, 0);
        g_assert_cmpuint(f.cm->turns.n_taken, ==, 0);
        fixture_close(&f);
}

/* Instead of meshd: it says who loads when it is allowed to. */
static _Atomic int n_asked;
static _Atomic int n_answered;

static int slow_share_begin(struct cm *cm, struct cmi_share *share)
{
        await(&n_answered, atomic_fetch_add(&n_asked, 1) + 1);
        return CMI_SHARE_ALONE;
}

static void also_to_one_that_still_asks_who_loads(void)
{
        struct cm_region_options options = {
                        .size = sizeof(options), .flags = CM_REGION_SHARE_LOADS};
        struct fixture f = open_with(1);
        struct cmi_source_ops ops = *f.cm->ops;
        struct database database = {.region = f.region};
        struct caller outer = {.database = &database};
        struct cm_region_stats stats = {.size = sizeof(stats)};
        gint64 end = g_get_monotonic_time() + DEADLINE_US;
        struct caller asking;

        ops.share_begin = slow_share_begin;
        f.cm->ops = &ops;
        g_assert_cmpint(cm_region_open(&database.region, f.cm, "shared", &options), ==, 0);
        atomic_store(&n_answered, 1);
        g_assert_cmpint(pthread_create(&outer.thread, NULL, call_outer, &outer), ==, 0);
        await(&database.n_begun, 1);
        start(&asking, &database, "b", 0);
        await(&n_asked, 2);
        atomic_store(&database.n_allowed, 9);
        while (stats.n_load_waits == 0 && g_get_monotonic_time() < end) {
                cm_region_stats(database.region, &stats);
        }
        g_assert_cmpint(n_queued(f.cm), ==, 0);
        atomic_store(&n_answered, 9);
        finish(&outer, 0);
        finish(&asking, 0);
        g_assert_cmpuint(f.cm->turns.n_taken, ==, 0);
        fixture_close(&f);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/turn/cap", no_more_loaders_run_than_the_handle_allows);
        g_test_add_func("/turn/default", unless_told_otherwise_32_loaders_run);
        g_test_add_func("/turn/order", turns_are_given_in_the_order_of_arrival);
        g_test_add_func("/turn/busy", who_gets_no_turn_in_time_is_told_so);
        g_test_add_func("/turn/no_wait", who_does_not_want_to_wait_is_told_at_once);
        g_test_add_func("/turn/same", those_who_want_the_same_key_wait_for_one_turn);
        g_test_add_func("/turn/hasty", whose_leader_got_no_turn_goes_on_waiting);
        g_test_add_func("/turn/inner", what_a_loader_loads_needs_no_turn);
        g_test_add_func("/turn/lent", a_loader_lends_its_turn_to_whom_it_waits_for);
        g_test_add_func("/turn/lent_before", also_to_one_that_still_asks_who_loads);
        return g_test_run();
}
