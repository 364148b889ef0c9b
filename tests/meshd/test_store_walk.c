/* SPDX-License-Identifier: MIT */
/* The session store: walking, and digests. */
#include "tests/meshd/store_rig.h"

#include <errno.h>
#include <glib.h>

static struct store_rig rig;

#define BEGIN rig_open(&rig)
#define END rig_close(&rig)

static void walking_gives_each_key_once_in_order(void)
{
        struct store_cursor cursor = rig_cursor();
        struct cmi_id last = {{0}};
        struct store_view view;
        uint32_t n = 0;

        BEGIN;
        for (uint32_t i = 0; i < 1000; i++) {
                struct cmi_session s = rig_session(i, 1, 1);

                i % 4 == 0 ? rig_end(&rig, &s, CMI_TOMBSTONE_DESTROY) : rig_copy(&rig, &s);
        }
        while (store_next(rig.store, rig.now, STORE_RECORDS, &cursor, &view) == STORE_GIVEN) {
                g_assert_true(view.is_record);
                g_assert_cmpint(cmi_id_compare(&view.session.key, &last), >, 0);
                last = view.session.key;
                n++;
        }
        g_assert_cmpuint(n, ==, 750);
        cursor = rig_cursor();
        for (n = 0; store_next(rig.store, rig.now, STORE_TOMBSTONES, &cursor, &view) == STORE_GIVEN;
                        n++) {
                g_assert_false(view.is_record);
        }
        g_assert_cmpuint(n, ==, 250);
        END;
}

static void walking_goes_on_though_everything_changes(void)
{
        struct store_cursor cursor = rig_cursor();
        bool is_seen[1000] = {false};
        struct store_view view;
        uint32_t n = 0;

        BEGIN;
        for (uint32_t i = 0; i < 500; i++) {
                struct cmi_session s = rig_session(i, 1, 1);

                rig_copy(&rig, &s);
        }
        while (store_next(rig.store, rig.now, STORE_BOTH, &cursor, &view) == STORE_GIVEN) {
                const struct cmi_id *key = view.is_record ? &view.session.key : &view.tombstone.key;
                uint32_t i = (uint32_t)key->bytes[14] << 8 | key->bytes[15];
                struct cmi_session more = rig_session(500 + n % 500, 1, 1);

                g_assert_false(is_seen[i]);
                is_seen[i] = true;
                rig_end(&rig, &view.session, CMI_TOMBSTONE_IDLE);
                rig_copy(&rig, &more);
                n++;
        }
        for (uint32_t i = 0; i < 500; i++) {
                g_assert_true(is_seen[i]);
        }
        END;
}

static struct store_digest digest_of(const struct cmi_id *first, const struct cmi_id *last)
{
        struct store_cursor cursor = {.at = *first, .last = *last, .steps = UINT32_MAX};
        struct store_digest digest = {0};

        store_digest(rig.store, rig.now, rig_now_ms(&rig), &cursor, &digest);
        return digest;
}

static void a_range_has_its_first_and_its_last_key(void)
{
        struct cmi_session s = rig_session(5, 1, 1);
        struct cmi_id below = s.key;
        struct cmi_id lowest = {{0}};
        struct cmi_id highest;
        struct store_digest all;

        BEGIN;
        memset(&highest, 0xff, sizeof(highest));
        below.bytes[15]--;
        rig_copy(&rig, &s);
        all = digest_of(&lowest, &highest);
        g_assert_cmpuint(all.n_records, ==, 1);
        g_assert_cmpuint(digest_of(&s.key, &s.key).sum, ==, all.sum);
        g_assert_cmpuint(digest_of(&lowest, &below).n_records, ==, 0);
        s.key = highest; /* there is nothing behind it to go on from */
        rig_copy(&rig, &s);
        g_assert_cmpuint(digest_of(&highest, &highest).n_records, ==, 1);
        g_assert_cmpuint(digest_of(&lowest, &highest).n_records, ==, 2);
        END;
}

/* A beat is due four times a second, however much there is. */
static void a_walk_takes_so_many_steps_as_it_is_given(void)
{
        struct store_cursor cursor = rig_cursor();
        struct store_digest digest = {0};
        struct cmi_principal counts;
        struct store_view view;
        uint32_t n_pauses = 0;
        uint32_t n = 0;
        int r;

        BEGIN;
        for (uint32_t i = 0; i < 1000; i++) {
                struct cmi_session s = rig_session(i, 1, 1);

                rig_copy(&rig, &s);
        }
        cursor.steps = 10;
        while ((r = store_next(rig.store, rig.now, STORE_BOTH, &cursor, &view)) != STORE_WALKED) {
                if (r == STORE_PAUSED) {
                        g_assert_cmpuint(cursor.steps, ==, 0);
                        cursor.steps = 10;
                        n_pauses++;
                } else {
                        n++;
                }
        }
        g_assert_cmpuint(n, ==, 1000);
        g_assert_cmpuint(n_pauses, >=, 100);
        cursor = rig_cursor();
        cursor.steps = 10; /* none of these are there */
        g_assert_cmpint(store_next(rig.store, rig.now, STORE_TOMBSTONES, &cursor, &view), ==,
                        STORE_PAUSED);
        g_assert_cmpint(store_next_principal(rig.store, rig.now, &cursor, &counts), ==,
                        STORE_PAUSED);
        cursor = rig_cursor();
        for (n_pauses = 0; !cursor.is_done; n_pauses++) {
                cursor.steps = 10;
                store_digest(rig.store, rig.now, rig_now_ms(&rig), &cursor, &digest);
        }
        g_assert_cmpuint(n_pauses, >=, 100);
        g_assert_cmpuint(digest.sum, ==, rig_digest(&rig).sum);
        END;
}

static void a_digest_sees_each_difference_that_counts(void)
{
        struct cmi_session s = rig_session(1, 1, 1);
        struct store_digest empty, record, other, tombstone;

        BEGIN;
        empty = rig_digest(&rig);
        rig_copy(&rig, &s);
        record = rig_digest(&rig);
        s = rig_session(1, 1, 2);
        rig_copy(&rig, &s);
        other = rig_digest(&rig);
        rig_end(&rig, &s, CMI_TOMBSTONE_IDLE);
        tombstone = rig_digest(&rig);
        g_assert_cmpuint(empty.sum, !=, record.sum);
        g_assert_cmpuint(record.sum, !=, other.sum);
        g_assert_cmpuint(other.sum, !=, tombstone.sum);
        rig_end(&rig, &s, CMI_TOMBSTONE_DESTROY);
        g_assert_cmpuint(rig_digest(&rig).sum, !=, tombstone.sum);
        END;
}

static void nodes_whose_clocks_differ_have_one_digest_near_an_end(void)
{
        struct cmi_session s = rig_session(1, 1, 1);
        struct store_cursor cursor = rig_cursor();
        struct store_digest late = {0};
        struct store_digest early = {0};
        uint64_t at_ms;

        BEGIN;
        rig_copy(&rig, &s);
        s.key = rig_key(2);
        s.max_end_ms += RIG_HOUR_MS;
        rig_copy(&rig, &s);
        rig_pass(&rig, 12 * RIG_HOUR_MS - 3 * RIG_MINUTE_MS);
        at_ms = rig_now_ms(&rig);
        store_digest(rig.store, rig.now, at_ms, &cursor, &early);
        rig_pass(&rig, 5 * RIG_MINUTE_MS); /* the clock of the other one */
        cursor = rig_cursor();
        store_digest(rig.store, rig.now, at_ms, &cursor, &late);
        g_assert_cmpuint(early.n_records, ==, 1);
        g_assert_cmpuint(early.sum, ==, late.sum);
        END;
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add_func("/store_walk/" #name, name)
        CASE(walking_gives_each_key_once_in_order);
        CASE(walking_goes_on_though_everything_changes);
        CASE(a_range_has_its_first_and_its_last_key);
        CASE(a_walk_takes_so_many_steps_as_it_is_given);
        CASE(a_digest_sees_each_difference_that_counts);
        CASE(nodes_whose_clocks_differ_have_one_digest_near_an_end);
        return g_test_run();
}
