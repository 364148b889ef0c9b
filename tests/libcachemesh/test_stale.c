/* SPDX-License-Identifier: MIT */
/* A load that fails, and the last value instead: when it is given, and when it is not. */
#include "tests/libcachemesh/fixture.h"

#include "libcachemesh/region.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define HOUR_MS 3600000

static struct fixture open_with(uint32_t stale_ms)
{
        struct cm_region_options options = {.size = sizeof(options), .stale_if_error_ms = stale_ms};

        return fixture_open(&options, 0);
}

static int failing_load(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        return -EIO;
}

static int working_load(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        return cm_load_set_value(load, "new", 3);
}

static int negative_load(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        return cm_load_set_negative(load);
}

/* What a failing load of "k" gives; the value's text, to be freed. */
static char *get_failing(struct fixture *f, int *ret_outcome)
{
        struct cm_value value = {.age_ms = 77};
        char *text;

        *ret_outcome = cm_get_or_load(f->region, "k", 1, failing_load, NULL, &value);
        if (*ret_outcome < 0) {
                g_assert_null(value.data);
                g_assert_cmpuint(value.age_ms, ==, 77);
                return NULL;
        }
        if (*ret_outcome == CM_STALE) {
                g_assert_cmpuint(value.age_ms, >=, 100);
                g_assert_cmpuint(value.age_ms, <=, HOUR_MS);
                g_assert_nonnull(strstr(cm_error_detail(f->cm), "Input/output error (-5)"));
        }
        text = g_strndup(value.data, value.len);
        cm_release(&value);
        return text;
}

#define assert_failing(f, outcome, expected)                                                       \
        do {                                                                                       \
                int outcome_ = -1;                                                                 \
                g_autofree char *text_ = get_failing((f), &outcome_);                              \
                g_assert_cmpint(outcome_, ==, (outcome));                                          \
                g_assert_cmpstr(text_, ==, expected);                                              \
        } while (0)

static void store_old(struct fixture *f)
{
        g_assert_cmpint(put_tagged(f->region, "k", "old", cm_token(f->cm), "t"), ==, 0);
}

/* Not seen through: gcc would warn that the hash of longer keys reads beyond a short constant. */
static __attribute__((noipa)) _Atomic uint64_t *slot_of(
                const struct cmi_page_view *view, const char *key)
{
        XXH128_hash_t hash = cmi_page_hash(view->seed, CMI_PAGE_KEY, 0, key, strlen(key));

        return &view->keys[cmi_page_slot(hash, view->key_mask)];
}

/* As another node's invalidation of the key: a stamp that this process did not make. */
static void stamp_key(struct fixture *f, const char *key)
{
        struct cmi_page_view view = fixture_page(f);
        uint64_t seq = cmi_page_begin(&view);

        cmi_page_stamp(slot_of(&view, key), seq);
        cmi_page_publish(&view, seq);
}

static void a_failed_load_is_answered_by_the_invalidated_value(void)
{
        struct fixture f = open_with(HOUR_MS);
        struct cm_region_stats stats = {.size = sizeof(stats)};
        struct cm_value value = {0};

        store_old(&f);
        stamp_key(&f, "k");
        assert_failing(&f, CM_STALE, "old");
        assert_miss(f.region, "k", CM_REASON_INVALIDATED); /* and no get ever is */
        assert_failing(&f, CM_STALE, "old");
        g_assert_cmpint(cm_get_or_load(f.region, "k", 1, working_load, NULL, &value), ==, 0);
        g_assert_cmpmem(value.data, value.len, "new", 3); /* a load that works is not */
        cm_release(&value);
        assert_hit(f.region, "k", "new");
        cm_region_stats(f.region, &stats);
        g_assert_cmpuint(stats.n_stale, ==, 2);
        g_assert_cmpuint(stats.n_load_errors, ==, 2);
        g_assert_cmpuint(stats.n_pinned, ==, 0);
        fixture_close(&f);
}

static void without_the_option_the_error_stands(void)
{
        struct fixture f = open_with(0);

        store_old(&f);
        stamp_key(&f, "k");
        assert_failing(&f, -EIO, NULL);
        fixture_close(&f);
}

static void without_a_last_value_the_error_stands(void)
{
        struct fixture f = open_with(HOUR_MS);

        assert_failing(&f, -EIO, NULL);
        g_assert_cmpint(put_text(f.region, "other", "old", cm_token(f.cm)), ==, 0);
        assert_failing(&f, -EIO, NULL);
        fixture_close(&f);
}

static void a_cut_off_node_and_a_ttl_that_is_over_leave_the_last_value_too(void)
{
        struct fixture f = open_with(HOUR_MS);
        struct cm_put_options options = {.size = sizeof(options), .ttl_ms = 1};
        gint64 end = g_get_monotonic_time() + 30 * G_USEC_PER_SEC;
        int r = 0;

        store_old(&f);
        fixture_set_lease(&f, false);
        assert_failing(&f, CM_STALE, "old");
        fixture_set_lease(&f, true);
        assert_failing(&f, 0, "old"); /* a hit: nothing is loaded */
        stamp_key(&f, "k");
        g_assert_cmpint(cm_put(f.region, "k", 1, "short", 5, cm_token(f.cm), &options), ==, 0);
        while (r == 0 && g_get_monotonic_time() < end) {
                g_free(get_text(f.region, "k", &r));
        }
        assert_failing(&f, CM_STALE, "short");
        fixture_close(&f);
}

static void the_floor_leaves_it_as_well(void)
{
        struct fixture f = open_with(HOUR_MS);
        struct cmi_page_view view = fixture_page(&f);
        uint64_t seq = cmi_page_begin(&view);

        store_old(&f);
        cmi_page_stamp_floor(&view, seq);
        cmi_page_publish(&view, seq);
        assert_miss(f.region, "k", CM_REASON_FORGOTTEN);
        assert_failing(&f, CM_STALE, "old");
        fixture_close(&f);
}

static void what_this_process_invalidated_is_no_answer(void)
{
        for (int i = 0; i < 4; i++) {
                struct fixture f = open_with(HOUR_MS);

                store_old(&f);
                switch (i) {
                case 0:
                        cm_invalidate(f.region, "k", 1, CM_WAIT_NONE, NULL);
                        break;
                case 1:
                        cm_invalidate_tag(f.region, "t", 1, CM_WAIT_NONE, NULL);
                        break;
                case 2:
                        cm_invalidate_region(f.region, CM_WAIT_NONE, NULL);
                        break;
                default:
                        cm_region_clear(f.region);
                }
                assert_failing(&f, -EIO, NULL);
                fixture_close(&f);
        }
}

static void nothing_older_than_the_region_allows_is_given(void)
{
        struct fixture f = open_with(400);
        gint64 end = g_get_monotonic_time() + 30 * G_USEC_PER_SEC;
        gint64 stored;
        int r = CM_STALE;

        store_old(&f);
        stored = g_get_monotonic_time();
        stamp_key(&f, "k");
        while (r == CM_STALE && g_get_monotonic_time() < end) {
                g_free(get_failing(&f, &r));
        }
        g_assert_cmpint(r, ==, -EIO);
        g_assert_cmpint(g_get_monotonic_time() - stored, >=, 200 * 1000);
        fixture_close(&f);
}

static void that_there_is_nothing_is_no_answer_to_an_error(void)
{
        struct fixture f = open_with(HOUR_MS);
        struct cm_value value = {0};

        g_assert_cmpint(cm_get_or_load(f.region, "k", 1, negative_load, NULL, &value), ==,
                        CM_NEGATIVE);
        stamp_key(&f, "k");
        assert_failing(&f, -EIO, NULL);
        fixture_close(&f);
}

static void a_key_that_is_being_written_has_no_last_value(void)
{
        struct fixture f = open_with(HOUR_MS);
        struct cmi_page_view view = fixture_page(&f);
        _Atomic uint64_t *slot = slot_of(&view, "k");

        store_old(&f);
        stamp_key(&f, "k");
        atomic_fetch_or(slot, CMI_PAGE_INTENT_FLAG);
        assert_failing(&f, -EIO, NULL);
        atomic_fetch_and(slot, ~CMI_PAGE_INTENT_FLAG);
        assert_failing(&f, CM_STALE, "old");
        fixture_close(&f);
}

/* meshd is back with another page: other slots, other places in the table. */
static void give_new_page(struct fixture *f, uint64_t seed)
{
        const struct cmi_page_geometry geometry = {
                        CMI_PAGE_SLOTS_MIN, CMI_PAGE_SLOTS_MIN, CMI_PAGE_SLOTS_MIN};
        size_t size = cmi_page_size(&geometry);
        struct cmi_page_view view;
        uint32_t serial = 0;
        void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        cmi_page_init(page, &geometry, seed, seed, 1000);
        view = cmi_page_view(page);
        cmi_page_set_lease(&view, UINT64_MAX / 2, UINT64_MAX / 2);
        g_assert_cmpint(cmi_mapping_install(f->cm, page, size, &serial), ==, 0);
        cmi_region_set_index(f->region, serial, 3, 0);
}

static void a_new_page_leaves_it_once(void)
{
        struct fixture f = open_with(HOUR_MS);

        store_old(&f);
        give_new_page(&f, 4711);
        assert_miss(f.region, "k", CM_REASON_ABSENT);
        assert_failing(&f, CM_STALE, "old");
        give_new_page(&f, 4712);
        assert_failing(&f, -EIO, NULL);
        fixture_close(&f);
}

/* The handle's own source knows nothing of the new page: only what is done here counts. */
static void what_this_process_invalidated_after_a_new_page_is_no_answer(void)
{
        for (int i = 0; i < 3; i++) {
                struct fixture f = open_with(HOUR_MS);
                struct cmi_target target = {.region = f.region};

                store_old(&f);
                give_new_page(&f, 4711);
                if (i == 0) {
                        target.key = cmi_slice_str("k");
                } else if (i == 1) {
                        target.tag = cmi_slice_str("t");
                }
                cmi_own_invalidate(f.cm, cmi_thread(), &target, 1);
                assert_failing(&f, -EIO, NULL);
                fixture_close(&f);
        }
}

struct stuck {
        struct fixture *fixture;
        _Atomic bool is_begun;
        _Atomic bool may_end;
};

static int stuck_load(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        struct stuck *stuck = userdata;

        atomic_store(&stuck->is_begun, true);
        while (!atomic_load(&stuck->may_end)) {
                g_thread_yield();
        }
        return -EIO;
}

static void *call_stuck(void *data)
{
        struct stuck *stuck = data;
        struct cm_value value = {0};

        g_assert_cmpint(cm_get_or_load(stuck->fixture->region, "k", 1, stuck_load, stuck, &value),
                        ==, CM_STALE);
        cm_release(&value);
        return NULL;
}

static void who_does_not_want_to_wait_gets_the_last_value(void)
{
        struct fixture f = open_with(HOUR_MS);
        struct cm_load_options options = {.size = sizeof(options), .flags = CM_LOAD_NO_WAIT};
        struct stuck stuck = {.fixture = &f};
        struct cm_value value = {0};
        pthread_t thread;

        store_old(&f);
        stamp_key(&f, "k");
        g_assert_cmpint(pthread_create(&thread, NULL, call_stuck, &stuck), ==, 0);
        while (!atomic_load(&stuck.is_begun)) {
                g_thread_yield();
        }
        g_assert_cmpint(cm_get_or_load_with(f.region, "k", 1, failing_load, NULL, &options, &value),
                        ==, CM_STALE);
        g_assert_cmpmem(value.data, value.len, "old", 3);
        cm_release(&value);
        options = (struct cm_load_options){.size = sizeof(options), .timeout_ms = 20};
        g_assert_cmpint(cm_get_or_load_with(f.region, "k", 1, failing_load, NULL, &options, &value),
                        ==, CM_STALE); /* instead of CM_E_TIMEOUT */
        cm_release(&value);
        atomic_store(&stuck.may_end, true);
        pthread_join(thread, NULL);
        fixture_close(&f);
}

static int own_load(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        struct fixture *f = userdata;
        struct cm_value value = {0};

        g_assert_cmpint(cm_get_or_load(f->region, key, key_len, own_load, f, &value), ==, -EDEADLK);
        return cm_load_set_value(load, "outer", 5);
}

static void a_mistake_is_not_covered_up(void)
{
        struct fixture f = open_with(HOUR_MS);
        struct cm_value value = {0};

        store_old(&f);
        stamp_key(&f, "k");
        g_assert_cmpint(cm_get_or_load(f.region, "k", 1, own_load, &f, &value), ==, 0);
        cm_release(&value);
        fixture_close(&f);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/stale/given", a_failed_load_is_answered_by_the_invalidated_value);
        g_test_add_func("/stale/off", without_the_option_the_error_stands);
        g_test_add_func("/stale/none", without_a_last_value_the_error_stands);
        g_test_add_func("/stale/causes",
                        a_cut_off_node_and_a_ttl_that_is_over_leave_the_last_value_too);
        g_test_add_func("/stale/floor", the_floor_leaves_it_as_well);
        g_test_add_func("/stale/own", what_this_process_invalidated_is_no_answer);
        g_test_add_func("/stale/bound", nothing_older_than_the_region_allows_is_given);
        g_test_add_func("/stale/negative", that_there_is_nothing_is_no_answer_to_an_error);
        g_test_add_func("/stale/written", a_key_that_is_being_written_has_no_last_value);
        g_test_add_func("/stale/page", a_new_page_leaves_it_once);
        g_test_add_func("/stale/own_later",
                        what_this_process_invalidated_after_a_new_page_is_no_answer);
        g_test_add_func("/stale/no_wait", who_does_not_want_to_wait_gets_the_last_value);
        g_test_add_func("/stale/mistake", a_mistake_is_not_covered_up);
        return g_test_run();
}
