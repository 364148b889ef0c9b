/* SPDX-License-Identifier: MIT */
/* The check of a get and of a put, rule by rule, against a page that the test
 * writes as meshd would. */
#include "tests/libcachemesh/fixture.h"

#include <string.h>
#include <sys/mman.h>

static struct cmi_page_view stamp_begin(struct fixture *fixture, uint64_t *ret_seq)
{
        struct cmi_page_view view = fixture_page(fixture);

        *ret_seq = cmi_page_begin(&view);
        return view;
}

static void a_value_put_under_a_fresh_token_is_served(void)
{
        struct fixture f = fixture_open(NULL, 0);

        assert_miss(f.region, "a", CM_REASON_ABSENT);
        g_assert_cmpint(put_text(f.region, "a", "one", cm_token(f.cm)), ==, 0);
        assert_hit(f.region, "a", "one");
        fixture_close(&f);
}

static void a_stamped_key_is_dead_and_its_neighbour_is_not(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct cmi_page_view view;
        uint64_t seq;

        put_text(f.region, "a", "one", cm_token(f.cm));
        put_text(f.region, "b", "two", cm_token(f.cm));
        view = stamp_begin(&f, &seq);
        cmi_page_stamp_key(&view, 0, "a", 1, seq);
        cmi_page_publish(&view, seq);
        assert_miss(f.region, "a", CM_REASON_INVALIDATED);
        assert_hit(f.region, "b", "two");
        g_assert_cmpint(put_text(f.region, "a", "new", cm_token(f.cm)), ==, 0);
        assert_hit(f.region, "a", "new");
        fixture_close(&f);
}

static void a_stamp_counts_before_its_publication(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct cmi_page_view view;
        uint64_t seq;

        put_text(f.region, "a", "one", cm_token(f.cm));
        view = stamp_begin(&f, &seq);
        cmi_page_stamp_key(&view, 0, "a", 1, seq);
        assert_miss(f.region, "a", CM_REASON_INVALIDATED);
        /* A token from between the two is too old as well. */
        g_assert_cmpint(put_text(f.region, "a", "old", cm_token(f.cm)), ==, CM_REFUSED);
        fixture_close(&f);
}

static void a_stamped_tag_kills_what_carries_it(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct cmi_page_view view;
        uint64_t seq;

        put_tagged(f.region, "a", "one", cm_token(f.cm), "red");
        put_tagged(f.region, "b", "two", cm_token(f.cm), "blue");
        view = stamp_begin(&f, &seq);
        cmi_page_stamp_tag(&view, 0, "red", 3, seq);
        cmi_page_publish(&view, seq);
        assert_miss(f.region, "a", CM_REASON_INVALIDATED);
        assert_hit(f.region, "b", "two");
        fixture_close(&f);
}

static void each_of_sixteen_tags_counts(void)
{
        struct fixture f = fixture_open(NULL, 0);
        char names[CM_TAGS_MAX][8];
        struct cm_bytes tags[CM_TAGS_MAX];
        struct cm_put_options options = {
                        .size = sizeof(options), .tags = tags, .n_tags = CM_TAGS_MAX};

        for (int i = 0; i < CM_TAGS_MAX; i++) {
                tags[i] = (struct cm_bytes){names[i], (size_t)g_snprintf(names[i], 8, "tag%d", i)};
        }
        for (int i = 0; i < CM_TAGS_MAX; i++) {
                struct cmi_page_view view;
                uint64_t seq;

                g_assert_cmpint(cm_put(f.region, "a", 1, "v", 1, cm_token(f.cm), &options), ==, 0);
                assert_hit(f.region, "a", "v");
                view = stamp_begin(&f, &seq);
                cmi_page_stamp_tag(&view, 0, tags[i].data, tags[i].len, seq);
                cmi_page_publish(&view, seq);
                assert_miss(f.region, "a", CM_REASON_INVALIDATED);
        }
        fixture_close(&f);
}

static void a_stamped_region_is_dead_and_others_are_not(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct cmi_page_view view;
        struct cm_region *other;
        uint64_t seq;

        g_assert_cmpint(cm_region_open(&other, f.cm, "other", NULL), ==, 0);
        put_text(f.region, "a", "one", cm_token(f.cm));
        put_text(other, "a", "two", cm_token(f.cm));
        view = stamp_begin(&f, &seq);
        cmi_page_stamp_region(&view, 0, seq);
        cmi_page_publish(&view, seq);
        assert_miss(f.region, "a", CM_REASON_INVALIDATED);
        assert_hit(other, "a", "two");
        fixture_close(&f);
}

static void the_floor_forgets_everything(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct cm_token old = cm_token(f.cm);
        struct cmi_page_view view;
        uint64_t seq;

        put_text(f.region, "a", "one", old);
        view = stamp_begin(&f, &seq);
        cmi_page_stamp_floor(&view, seq);
        cmi_page_publish(&view, seq);
        assert_miss(f.region, "a", CM_REASON_FORGOTTEN);
        g_assert_cmpint(put_text(f.region, "a", "one", old), ==, CM_REFUSED);
        g_assert_cmpint(put_text(f.region, "a", "two", cm_token(f.cm)), ==, 0);
        assert_hit(f.region, "a", "two");
        fixture_close(&f);
}

static void an_open_intent_refuses_gets_and_puts(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct cmi_page_view view = fixture_page(&f);
        XXH128_hash_t hash = cmi_page_hash(view.seed, CMI_PAGE_KEY, 0, "a", 1);
        _Atomic uint64_t *slot = &view.keys[cmi_page_slot(hash, view.key_mask)];

        put_text(f.region, "a", "one", cm_token(f.cm));
        *slot |= CMI_PAGE_INTENT_FLAG;
        assert_miss(f.region, "a", CM_REASON_INTENT);
        g_assert_cmpint(put_text(f.region, "a", "two", cm_token(f.cm)), ==, CM_REFUSED);
        *slot &= ~CMI_PAGE_INTENT_FLAG;
        assert_hit(f.region, "a", "one");
        fixture_close(&f);
}

/* A hold of the whole region, and more intents than have room: both for what is there and for what
 * is not. */
static void a_flag_of_the_region_or_the_floor_is_an_intent_too(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct cmi_page_view view = fixture_page(&f);
        _Atomic uint64_t *slots[] = {&view.regions[0], &view.page->floor};

        for (size_t i = 0; i < G_N_ELEMENTS(slots); i++) {
                put_text(f.region, "a", "one", cm_token(f.cm));
                *slots[i] |= CMI_PAGE_INTENT_FLAG;
                assert_miss(f.region, "a", CM_REASON_INTENT);
                assert_miss(f.region, "none", CM_REASON_INTENT);
                *slots[i] &= ~CMI_PAGE_INTENT_FLAG;
                assert_hit(f.region, "a", "one");
                assert_miss(f.region, "none", CM_REASON_ABSENT);
        }
        fixture_close(&f);
}

static void no_lease_no_bounded_hit(void)
{
        struct fixture f = fixture_open(NULL, 0);

        put_text(f.region, "a", "one", cm_token(f.cm));
        fixture_set_lease(&f, false);
        assert_miss(f.region, "a", CM_REASON_LEASE);
        fixture_set_lease(&f, true);
        assert_hit(f.region, "a", "one");
        fixture_close(&f);
}

static void each_clock_ends_the_lease_by_itself(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct cmi_page_view view = fixture_page(&f);
        uint64_t far = UINT64_MAX / 2;

        put_text(f.region, "a", "one", cm_token(f.cm));
        cmi_page_set_lease(&view, cmi_clock_ns(CLOCK_MONOTONIC_COARSE), far);
        assert_miss(f.region, "a", CM_REASON_LEASE);
        cmi_page_set_lease(&view, far, cmi_clock_ns(CLOCK_REALTIME_COARSE));
        assert_miss(f.region, "a", CM_REASON_LEASE);
        cmi_page_set_lease(&view, far, far);
        assert_hit(f.region, "a", "one");
        fixture_close(&f);
}

static void a_lease_ends_a_tick_early_since_coarse_clocks_are_late(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct cmi_page_view view = fixture_page(&f);
        struct cmi_mapping *mapping = atomic_load(&f.cm->mapping);
        uint64_t far = UINT64_MAX / 2;

        /* A tick of an hour, so that the test need not hurry. */
        mapping->tick_mono_ns = mapping->tick_real_ns = 3600 * UINT64_C(1000000000);
        put_text(f.region, "a", "one", cm_token(f.cm));
        cmi_page_set_lease(&view, cmi_clock_ns(CLOCK_MONOTONIC) + 3599 * UINT64_C(1000000000), far);
        assert_miss(f.region, "a", CM_REASON_LEASE);
        cmi_page_set_lease(&view, far, cmi_clock_ns(CLOCK_REALTIME) + 3599 * UINT64_C(1000000000));
        assert_miss(f.region, "a", CM_REASON_LEASE);
        cmi_page_set_lease(&view, cmi_clock_ns(CLOCK_MONOTONIC) + 7200 * UINT64_C(1000000000),
                        cmi_clock_ns(CLOCK_REALTIME) + 7200 * UINT64_C(1000000000));
        assert_hit(f.region, "a", "one");
        fixture_close(&f);
}

static void a_ttl_region_is_served_without_a_lease_but_not_past_its_stamps(void)
{
        struct cm_region_options options = {
                        .size = sizeof(options), .fresh = CM_FRESH_TTL, .ttl_ms = 3600000};
        struct fixture f = fixture_open(&options, 0);
        struct cmi_page_view view;
        uint64_t seq;

        put_tagged(f.region, "a", "one", cm_token(f.cm), "red");
        fixture_set_lease(&f, false);
        cmi_handle_set_pending(f.cm, true);
        assert_hit(f.region, "a", "one");
        view = stamp_begin(&f, &seq);
        cmi_page_stamp_tag(&view, 0, "red", 3, seq);
        cmi_page_publish(&view, seq);
        assert_miss(f.region, "a", CM_REASON_INVALIDATED);
        put_text(f.region, "a", "two", cm_token(f.cm));
        assert_hit(f.region, "a", "two");
        view = stamp_begin(&f, &seq);
        cmi_page_stamp_floor(&view, seq);
        cmi_page_publish(&view, seq);
        assert_miss(f.region, "a", CM_REASON_FORGOTTEN);
        fixture_close(&f);
}

/* What a source says when it is asked whether a page is still the node's. */
static struct {
        struct cmi_source_ops ops;
        uint64_t until_ns; /* 0: nothing */
        unsigned n_looks;
} looker;

static void look(struct cm *cm)
{
        looker.n_looks++;
        if (looker.until_ns != 0) {
                cmi_mapping_vouch(cm, looker.until_ns);
        }
}

#define HOUR_NS (3600 * UINT64_C(1000000000))

static struct fixture open_looked_after(void)
{
        struct cm_region_options options = {
                        .size = sizeof(options), .fresh = CM_FRESH_TTL, .ttl_ms = 3600000};
        struct fixture f = fixture_open(&options, 0);

        memset(&looker, 0, sizeof(looker));
        looker.ops = *f.cm->ops;
        looker.ops.vouch = look;
        f.cm->ops = &looker.ops;
        atomic_load(&f.cm->mapping)->half_lease_ns = HOUR_NS;
        put_text(f.region, "a", "one", cm_token(f.cm));
        g_assert_cmpuint(looker.n_looks, ==, 0);
        return f;
}

static uint64_t in_hours(uint64_t n)
{
        return cmi_clock_ns(CLOCK_MONOTONIC) + n * HOUR_NS;
}

static void without_a_lease_a_ttl_region_misses_unless_its_page_is_vouched_for(void)
{
        struct fixture f = open_looked_after();

        fixture_set_lease(&f, false);
        assert_miss(f.region, "a", CM_REASON_LEASE);
        looker.until_ns = in_hours(2);
        assert_hit(f.region, "a", "one");
        g_assert_cmpuint(looker.n_looks, ==, 2);
        assert_hit(f.region, "a", "one");
        g_assert_cmpuint(looker.n_looks, ==, 2);
        fixture_close(&f);
}

static void half_a_lease_before_its_end_a_hit_looks_and_is_served(void)
{
        struct fixture f = open_looked_after();
        struct cmi_page_view view = fixture_page(&f);

        cmi_page_set_lease(&view, in_hours(1) - HOUR_NS / 2, 0);
        assert_hit(f.region, "a", "one");
        g_assert_cmpuint(looker.n_looks, ==, 1);
        cmi_page_set_lease(&view, in_hours(2), 0);
        assert_hit(f.region, "a", "one");
        g_assert_cmpuint(looker.n_looks, ==, 1);
        fixture_close(&f);
}

static int load_two(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        return cm_load_set_value(load, "two", 3);
}

static void each_use_of_a_ttl_region_looks(void)
{
        struct fixture f = open_looked_after();
        struct cm_bytes keys[2] = {{"a", 1}, {"b", 1}};
        struct cm_value values[2] = {0};
        int outcomes[2];
        unsigned n;

        fixture_set_lease(&f, false);
        put_text(f.region, "b", "two", cm_token(f.cm));
        g_assert_cmpuint(looker.n_looks, ==, 1);
        g_assert_cmpint(cm_get_many(f.region, keys, 2, values, outcomes), ==, 0);
        g_assert_cmpuint(looker.n_looks, ==, 3);
        g_assert_cmpint(cm_get_or_load(f.region, "c", 1, load_two, NULL, &values[0]), ==, 0);
        g_assert_cmpuint(looker.n_looks, >, 3);
        cm_release(&values[0]);
        n = looker.n_looks;
        assert_miss(f.region, "absent", CM_REASON_ABSENT);
        g_assert_cmpuint(looker.n_looks, ==, n + 1);
        fixture_close(&f);
}

static void a_closed_page_serves_and_takes_nothing_any_more(void)
{
        struct fixture f = open_looked_after();
        struct cmi_page_view view = fixture_page(&f);

        looker.until_ns = in_hours(2);
        cmi_page_close(&view);
        cmi_page_stamp_floor(&view, cmi_page_begin(&view));
        assert_miss(f.region, "a", CM_REASON_FORGOTTEN);
        g_assert_cmpint(put_text(f.region, "a", "two", cm_token(f.cm)), ==, CM_REFUSED);
        fixture_close(&f);
}

static void while_invalidations_are_pending_bounded_regions_miss(void)
{
        struct fixture f = fixture_open(NULL, 0);

        put_text(f.region, "a", "one", cm_token(f.cm));
        cmi_handle_set_pending(f.cm, true);
        assert_miss(f.region, "a", CM_REASON_PENDING);
        cmi_handle_set_pending(f.cm, false);
        assert_hit(f.region, "a", "one");
        fixture_close(&f);
}

static void a_token_from_before_the_stamp_stores_nothing(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct cm_token old = cm_token(f.cm);
        struct cmi_page_view view;
        uint64_t seq;

        view = stamp_begin(&f, &seq);
        cmi_page_stamp_key(&view, 0, "a", 1, seq);
        cmi_page_publish(&view, seq);
        g_assert_cmpint(put_text(f.region, "a", "old", old), ==, CM_REFUSED);
        assert_miss(f.region, "a", CM_REASON_ABSENT);
        g_assert_cmpint(put_text(f.region, "other", "fine", old), ==, 0);
        fixture_close(&f);
}

static void a_put_does_not_replace_what_is_fresh(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct cm_token slow = cm_token(f.cm);

        g_assert_cmpint(put_text(f.region, "a", "new", cm_token(f.cm)), ==, 0);
        g_assert_cmpint(put_text(f.region, "a", "slow", slow), ==, CM_REFUSED);
        assert_hit(f.region, "a", "new");
        fixture_close(&f);
}

static void a_put_does_not_replace_what_waits_for_a_lease(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct cm_token slow = cm_token(f.cm);

        g_assert_cmpint(put_text(f.region, "a", "new", cm_token(f.cm)), ==, 0);
        fixture_set_lease(&f, false);
        g_assert_cmpint(put_text(f.region, "a", "slow", slow), ==, CM_REFUSED);
        fixture_set_lease(&f, true);
        assert_hit(f.region, "a", "new");
        fixture_close(&f);
}

static void a_put_replaces_what_is_not_served_any_more(void)
{
        struct cm_region_options options = {.size = sizeof(options), .ttl_ms = 1};
        struct fixture f = fixture_open(&options, 0);
        gint64 end = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;
        int r;

        g_assert_cmpint(put_text(f.region, "a", "old", cm_token(f.cm)), ==, 0);
        do {
                r = put_text(f.region, "a", "new", cm_token(f.cm));
        } while (r == CM_REFUSED && g_get_monotonic_time() < end);
        g_assert_cmpint(r, ==, 0);
        fixture_close(&f);
}

static void a_token_of_another_epoch_is_refused(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct fixture other = fixture_open(NULL, 0);

        g_assert_cmpint(put_text(f.region, "a", "one", cm_token(other.cm)), ==, CM_REFUSED);
        g_assert_cmpint(put_text(f.region, "a", "one", (struct cm_token){{0, 0, 0}}), ==,
                        CM_REFUSED);
        assert_miss(f.region, "a", CM_REASON_ABSENT);
        fixture_close(&other);
        fixture_close(&f);
}

/* A mapping as a source would hand it over. */
static uint32_t install(struct cm *cm, uint64_t epoch)
{
        static const struct cmi_page_geometry geometry = {256, 256, 256};
        size_t size = cmi_page_size(&geometry);
        void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        struct cmi_page_view view;
        uint32_t serial = 0;

        g_assert_true(page != MAP_FAILED);
        cmi_page_init(page, &geometry, epoch, 99, 1);
        view = cmi_page_view(page);
        cmi_page_set_lease(&view, UINT64_MAX / 2, UINT64_MAX / 2);
        g_assert_cmpint(cmi_mapping_install(cm, page, size, &serial), ==, 0);
        return serial;
}

static void a_new_page_forgets_what_was_stored_under_the_old_one(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct cm_token old = cm_token(f.cm);
        uint32_t serial;

        put_text(f.region, "a", "one", old);
        serial = install(f.cm, 4711);
        g_assert_cmpuint(atomic_load(&f.cm->mapping)->serial, ==, serial);
        g_assert_cmpuint(fixture_page(&f).epoch, ==, 4711);
        assert_miss(f.region, "a", CM_REASON_OFFLINE); /* no index there yet */
        g_assert_cmpint(put_text(f.region, "a", "one", cm_token(f.cm)), ==, CM_REFUSED);
        cmi_region_set_index(f.region, serial, 7, 0);
        assert_miss(f.region, "a", CM_REASON_ABSENT);
        g_assert_cmpint(put_text(f.region, "a", "one", old), ==, CM_REFUSED);
        g_assert_cmpint(put_text(f.region, "a", "two", cm_token(f.cm)), ==, 0);
        assert_hit(f.region, "a", "two");
        fixture_close(&f);
}

/* Same epoch, same seed, same index: only the serial tells that there was a gap in between. */
static void the_same_page_mapped_again_forgets_too(void)
{
        struct fixture f = fixture_open(NULL, 0);
        uint32_t serial = install(f.cm, 4711);

        cmi_region_set_index(f.region, serial, 7, 0);
        g_assert_cmpint(put_text(f.region, "a", "one", cm_token(f.cm)), ==, 0);
        assert_hit(f.region, "a", "one");
        serial = install(f.cm, 4711);
        cmi_region_set_index(f.region, serial, 7, 0);
        assert_miss(f.region, "a", CM_REASON_FORGOTTEN);
        fixture_close(&f);
}

/*
 * What an app sees whose connection ended without its knowledge: meshd gives the region's index to
 * another one, and invalidations of its own region do not come there any more.
 */
static void an_index_that_is_another_regions_now_takes_nothing_more(void)
{
        struct fixture f = fixture_open(NULL, 0);
        uint32_t serial = install(f.cm, 4711);
        struct cmi_page_view view = atomic_load(&f.cm->mapping)->view;
        struct cm_token before;
        uint64_t seq;

        cmi_page_set_owner(&view, 7, 5);
        cmi_region_set_index(f.region, serial, 7, 5);
        g_assert_cmpint(put_text(f.region, "a", "one", cm_token(f.cm)), ==, 0);
        assert_hit(f.region, "a", "one");
        before = cm_token(f.cm);
        cmi_page_set_owner(&view, 7, 6);
        seq = cmi_page_begin(&view);
        cmi_page_stamp_region(&view, 7, seq);
        cmi_page_publish(&view, seq);
        assert_miss(f.region, "a", CM_REASON_INVALIDATED);
        g_assert_cmpint(put_text(f.region, "a", "two", cm_token(f.cm)), ==, CM_REFUSED);
        /* From here on it looks at its connection. */
        assert_miss(f.region, "a", CM_REASON_OFFLINE);
        cmi_region_set_index(f.region, serial, 7, 6);
        g_assert_cmpint(put_text(f.region, "a", "two", before), ==, CM_REFUSED);
        g_assert_cmpint(put_text(f.region, "a", "two", cm_token(f.cm)), ==, 0);
        assert_hit(f.region, "a", "two");
        fixture_close(&f);
}

static void without_a_page_gets_miss_and_puts_are_refused(void)
{
        struct fixture f = fixture_open(NULL, 0);

        put_text(f.region, "a", "one", cm_token(f.cm));
        cmi_mapping_drop(f.cm);
        assert_miss(f.region, "a", CM_REASON_OFFLINE);
        g_assert_cmpint(put_text(f.region, "a", "one", cm_token(f.cm)), ==, CM_REFUSED);
        g_assert_null(atomic_load(&f.cm->mapping));
        fixture_close(&f);
}

static void a_replaced_page_stays_while_a_reader_is_inside(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct cmi_thread *thread = cmi_thread();
        struct cmi_mapping *old = cmi_mapping_enter(thread, &f.cm->mapping);

        install(f.cm, 1);
        g_assert_true(f.cm->replaced == old);
        g_assert_cmpuint(old->view.page->apply_seq, ==, 0); /* readable */
        cmi_mapping_leave(thread);
        install(f.cm, 2);
        g_assert_null(f.cm->replaced);
        fixture_close(&f);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/check/fresh", a_value_put_under_a_fresh_token_is_served);
        g_test_add_func("/check/key", a_stamped_key_is_dead_and_its_neighbour_is_not);
        g_test_add_func("/check/unpublished", a_stamp_counts_before_its_publication);
        g_test_add_func("/check/tag", a_stamped_tag_kills_what_carries_it);
        g_test_add_func("/check/tags", each_of_sixteen_tags_counts);
        g_test_add_func("/check/region", a_stamped_region_is_dead_and_others_are_not);
        g_test_add_func("/check/floor", the_floor_forgets_everything);
        g_test_add_func("/check/intent", an_open_intent_refuses_gets_and_puts);
        g_test_add_func("/check/flags", a_flag_of_the_region_or_the_floor_is_an_intent_too);
        g_test_add_func("/check/lease", no_lease_no_bounded_hit);
        g_test_add_func("/check/clocks", each_clock_ends_the_lease_by_itself);
        g_test_add_func("/check/tick", a_lease_ends_a_tick_early_since_coarse_clocks_are_late);
        g_test_add_func("/check/ttl_region",
                        a_ttl_region_is_served_without_a_lease_but_not_past_its_stamps);
        g_test_add_func("/check/unvouched",
                        without_a_lease_a_ttl_region_misses_unless_its_page_is_vouched_for);
        g_test_add_func("/check/look", half_a_lease_before_its_end_a_hit_looks_and_is_served);
        g_test_add_func("/check/uses", each_use_of_a_ttl_region_looks);
        g_test_add_func("/check/closed", a_closed_page_serves_and_takes_nothing_any_more);
        g_test_add_func("/check/pending", while_invalidations_are_pending_bounded_regions_miss);
        g_test_add_func("/check/old_token", a_token_from_before_the_stamp_stores_nothing);
        g_test_add_func("/check/fresh_stays", a_put_does_not_replace_what_is_fresh);
        g_test_add_func("/check/lapsed_stays", a_put_does_not_replace_what_waits_for_a_lease);
        g_test_add_func("/check/stale_goes", a_put_replaces_what_is_not_served_any_more);
        g_test_add_func("/check/epoch", a_token_of_another_epoch_is_refused);
        g_test_add_func("/check/new_page", a_new_page_forgets_what_was_stored_under_the_old_one);
        g_test_add_func("/check/same_page", the_same_page_mapped_again_forgets_too);
        g_test_add_func("/check/owner", an_index_that_is_another_regions_now_takes_nothing_more);
        g_test_add_func("/check/no_page", without_a_page_gets_miss_and_puts_are_refused);
        g_test_add_func("/check/inside", a_replaced_page_stays_while_a_reader_is_inside);
        return g_test_run();
}
