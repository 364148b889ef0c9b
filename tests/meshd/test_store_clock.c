/* SPDX-License-Identifier: MIT */
/* Ends, and clocks that are wrong. */
#include "tests/meshd/store_rig.h"

#include <errno.h>
#include <glib.h>

static struct store_rig rig;

#define BEGIN rig_open(&rig)
#define END rig_close(&rig)

/* Clocks */

static void a_clock_set_forward_makes_no_tombstone_go(void)
{
        struct cmi_session s = rig_session(1, 1, 1);
        struct cmi_time right;

        BEGIN;
        rig_end(&rig, &s, CMI_TOMBSTONE_DESTROY);
        right = rig.now;
        rig.now.real_ns += cmi_ms(48 * RIG_HOUR_MS);
        rig.now.mono_ns += cmi_ms(1000);
        rig_expire(&rig, STORE_FORGOTTEN);
        rig_end(&rig, &s, CMI_TOMBSTONE_DESTROY);
        rig.now = right;
        rig.now.mono_ns += cmi_ms(RIG_HOUR_MS);
        rig_expire(&rig, STORE_FORGOTTEN);
        g_assert_cmpint(rig_copy(&rig, &s), ==, STORE_DEAD);
        END;
}

static void a_clock_set_back_makes_a_tombstone_stay_longer(void)
{
        struct cmi_session s = rig_session(1, 1, 1);

        BEGIN;
        rig_end(&rig, &s, CMI_TOMBSTONE_DESTROY);
        rig.now.mono_ns += cmi_ms(13 * RIG_HOUR_MS);
        g_assert_cmpuint(rig_expire(&rig, STORE_FORGOTTEN), ==, 0);
        g_assert_cmpint(rig_copy(&rig, &s), ==, STORE_DEAD);
        rig_pass(&rig, 13 * RIG_HOUR_MS);
        g_assert_cmpuint(rig_expire(&rig, STORE_FORGOTTEN), ==, 1);
        END;
}

static void a_logout_that_comes_while_the_clock_is_ahead_counts(void)
{
        struct cmi_session known = rig_session(1, 1, 1);
        struct cmi_session unknown = rig_session(2, 1, 1);

        BEGIN;
        rig_create(&rig, &known);
        rig.now.real_ns += cmi_ms(13 * RIG_HOUR_MS);
        g_assert_cmpint(rig_end(&rig, &known, CMI_TOMBSTONE_DESTROY), ==, STORE_EXPIRED);
        g_assert_cmpint(rig_end(&rig, &unknown, CMI_TOMBSTONE_DESTROY), ==, STORE_EXPIRED);
        rig_expire(&rig, STORE_FORGOTTEN);
        rig.now.real_ns -= cmi_ms(13 * RIG_HOUR_MS);
        rig_expire(&rig, STORE_FORGOTTEN);
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_DEAD);
        g_assert_cmpint(rig_copy(&rig, &unknown), ==, STORE_DEAD);
        END;
}

static void a_logout_everywhere_that_comes_while_the_clock_is_ahead_counts(void)
{
        struct cmi_session s[2] = {rig_session(1, 1, 1), rig_session(2, 1, 1)};

        BEGIN;
        for (uint8_t i = 0; i < 2; i++) {
                rig_belong(&s[i], (uint8_t)(8 + i));
        }
        rig_copy(&rig, &s[0]);
        rig.now.real_ns += cmi_ms(9 * 24 * RIG_HOUR_MS);
        g_assert_cmpint(rig_count(&rig, rig_counts(8, 4, 1)), ==, STORE_EXPIRED);
        g_assert_cmpint(rig_count(&rig, rig_counts(9, 4, 1)), ==, STORE_EXPIRED);
        rig_expire(&rig, STORE_FORGOTTEN);
        rig.now.real_ns -= cmi_ms(9 * 24 * RIG_HOUR_MS);
        rig_expire(&rig, STORE_FORGOTTEN);
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_DEAD);
        g_assert_cmpint(rig_copy(&rig, &s[1]), ==, STORE_DEAD);
        END;
}

static void what_is_dead_is_passed_on_whatever_the_clock_says_but_not_for_ever(void)
{
        struct cmi_session s = rig_session(1, 1, 1);
        struct store_cursor cursor = rig_cursor();
        struct store_view view;

        BEGIN;
        rig_end(&rig, &s, CMI_TOMBSTONE_DESTROY);
        rig.now.real_ns += cmi_ms(13 * RIG_HOUR_MS);
        g_assert_cmpint(store_next(rig.store, rig.now, STORE_BOTH, &cursor, &view), ==,
                        STORE_GIVEN);
        rig.now.mono_ns += cmi_ms(13 * RIG_HOUR_MS);
        rig_expire(&rig, STORE_FORGOTTEN);
        /* Two that know it only by each other do not keep it. */
        g_assert_cmpint(rig_end(&rig, &s, CMI_TOMBSTONE_DESTROY), ==, STORE_EXPIRED);
        cursor = rig_cursor();
        g_assert_cmpint(store_next(rig.store, rig.now, STORE_BOTH, &cursor, &view), ==,
                        STORE_WALKED);
        rig_pass(&rig, CMI_SESSION_MARGIN_MS);
        rig_expire(&rig, STORE_FORGOTTEN);
        g_assert_cmpuint(store_status(rig.store, rig.now).n_keys, ==, 0);
        END;
}

static void a_clock_set_forward_ends_no_record_and_no_older_version_comes_after_it(void)
{
        struct cmi_session newer = rig_session(1, 1, 5);
        struct cmi_session older = rig_session(1, 1, 3);

        BEGIN;
        rig_copy(&rig, &newer);
        rig.now.real_ns += cmi_ms(13 * RIG_HOUR_MS);
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_EXPIRED);
        rig_touch(&rig, 1, rig_now_ms(&rig), newer.holder);
        rig_expire(&rig, STORE_ENDED);
        rig.now.real_ns -= cmi_ms(13 * RIG_HOUR_MS);
        g_assert_cmpint(rig_copy(&rig, &older), ==, STORE_OLDER);
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_STORED);
        END;
}

static void a_clock_set_forward_makes_no_session_idle(void)
{
        struct cmi_session s = rig_session(1, 1, 1);

        BEGIN;
        rig_create(&rig, &s);
        rig_pass(&rig, 20 * RIG_MINUTE_MS);
        rig_touch(&rig, 1, rig_now_ms(&rig), s.holder);
        rig.now.real_ns += cmi_ms(RIG_HOUR_MS);
        s = rig_get(&rig, 1);
        rig_copy(&rig, &s);
        g_assert_cmpuint(rig_expire(&rig, STORE_IDLE), ==, 0);
        rig_pass(&rig, 30 * RIG_MINUTE_MS);
        rig_touch(&rig, 1, rig_now_ms(&rig), s.holder);
        g_assert_cmpuint(rig_expire(&rig, STORE_IDLE), ==, 0);
        rig_pass(&rig, 31 * RIG_MINUTE_MS);
        g_assert_cmpuint(rig_expire(&rig, STORE_IDLE), ==, 1);
        END;
}

static void what_ends_later_than_any_session_may_is_not_taken(void)
{
        struct cmi_session s = rig_session(1, 1, 1);

        BEGIN;
        s.created_ms += 30 * 24 * RIG_HOUR_MS;
        s.max_end_ms = s.created_ms + RIG_HOUR_MS;
        g_assert_cmpint(rig_copy(&rig, &s), ==, STORE_AHEAD);
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_ABSENT);
        s = rig_session(1, 1, 1);
        s.last_touch_ms = s.max_end_ms;
        g_assert_cmpint(rig_copy(&rig, &s), ==, STORE_STORED);
        g_assert_cmpuint(rig_get(&rig, 1).last_touch_ms, ==, RIG_START_MS + CMI_SESSION_MARGIN_MS);
        END;
}

static void times_may_be_a_thousand_times_shorter(void)
{
        struct cmi_session s = rig_session(1, 1, 1);
        struct store_options options;

        rig = (struct store_rig){0};
        options = rig_options(&rig);
        options.margin_ms = 900;
        options.life_max_ms = 604800;
        options.idle_again_ms = 1;
        g_assert_cmpint(rig_open_with(&rig, &options), ==, 0);
        g_assert_cmpint(rig_copy(&rig, &s), ==, STORE_AHEAD);
        s.max_end_ms = RIG_START_MS + 43200;
        s.idle_ttl_ms = 1000;
        g_assert_cmpint(rig_create(&rig, &s), ==, STORE_STORED);
        rig_pass(&rig, 1050);
        g_assert_cmpuint(rig_expire(&rig, STORE_IDLE), ==, 1);
        rig_pass(&rig, 50);
        g_assert_cmpuint(rig_expire(&rig, STORE_IDLE), ==, 1);
        rig_end(&rig, &s, CMI_TOMBSTONE_DESTROY);
        rig_pass(&rig, 43200 + 900);
        g_assert_cmpuint(rig_expire(&rig, STORE_FORGOTTEN), ==, 1);
        END;
        options.life_max_ms = CMI_SESSION_LIFE_MAX_MS + 1;
        g_assert_cmpint(rig_open_with(&rig, &options), ==, -EINVAL);
}

/* The end */

static void nothing_lives_past_its_end_and_no_copy_makes_it_younger(void)
{
        struct cmi_session s = rig_session(1, 1, 1);

        BEGIN;
        s.idle_ttl_ms = 0;
        rig_create(&rig, &s);
        g_assert_cmpuint(store_next_due_ns(rig.store), ==,
                        rig.now.mono_ns + cmi_ms(12 * RIG_HOUR_MS));
        rig_pass(&rig, 12 * RIG_HOUR_MS - 1);
        s = rig_get(&rig, 1);
        g_assert_cmpint(rig_copy(&rig, &s), ==, STORE_SAME);
        g_assert_cmpuint(rig_expire(&rig, STORE_ENDED), ==, 0);
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_STORED);
        rig_pass(&rig, 1);
        g_assert_cmpuint(rig_digest(&rig).n_records, ==, 0);
        g_assert_cmpint(rig_copy(&rig, &s), ==, STORE_EXPIRED);
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_DEAD);
        g_assert_cmpint(rig.gone_why, ==, STORE_GONE_ENDED);
        g_assert_cmpuint(store_status(rig.store, rig.now).n_records, ==, 0);
        rig_pass(&rig, CMI_SESSION_MARGIN_MS);
        g_assert_cmpuint(rig_expire(&rig, STORE_FORGOTTEN), ==, 1);
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_ABSENT);
        g_assert_cmpuint(store_next_due_ns(rig.store), ==, UINT64_MAX);
        END;
}

static void an_older_version_with_a_later_end_does_not_come_after_the_newer(void)
{
        struct cmi_session newer = rig_session(1, 1, 2);
        struct cmi_session older = rig_session(1, 1, 1);

        BEGIN;
        older.max_end_ms += 5 * RIG_MINUTE_MS; /* created twice, on two sides of a split */
        for (int is_expired_first = 0; is_expired_first < 2; is_expired_first++) {
                newer.key = older.key = rig_key(1 + (uint32_t)is_expired_first);
                newer.max_end_ms = rig.now.real_ns / CMI_NS_PER_MS + RIG_MINUTE_MS;
                older.max_end_ms = newer.max_end_ms + 5 * RIG_MINUTE_MS;
                older.created_ms = newer.created_ms = newer.max_end_ms - RIG_HOUR_MS;
                older.last_touch_ms = newer.last_touch_ms = newer.created_ms;
                if (is_expired_first == 0) {
                        rig_copy(&rig, &older);
                }
                rig_copy(&rig, &newer);
                rig_pass(&rig, RIG_MINUTE_MS);
                if (is_expired_first != 0) {
                        g_assert_cmpuint(rig_expire(&rig, STORE_ENDED), ==, 1);
                }
                rig_copy(&rig, &older);
                g_assert_cmpint(rig_state(&rig, 1 + (uint32_t)is_expired_first), !=, STORE_STORED);
                rig_pass(&rig, RIG_HOUR_MS);
                g_assert_cmpuint(rig_expire(&rig, STORE_FORGOTTEN), ==, 1);
        }
        END;
}

static void an_idle_record_is_told_of_and_stays(void)
{
        struct cmi_session s = rig_session(1, 1, 1);
        uint64_t idle_ms = 30 * RIG_MINUTE_MS + RIG_MINUTE_MS;

        BEGIN;
        rig_create(&rig, &s);
        rig_pass(&rig, idle_ms - 1);
        g_assert_cmpuint(rig_expire(&rig, STORE_IDLE), ==, 0);
        g_assert_cmpint(rig_touch(&rig, 1, RIG_START_MS + 5, s.holder), ==, STORE_STORED);
        rig_pass(&rig, 1);
        g_assert_cmpuint(rig_expire(&rig, STORE_IDLE), ==, 0);
        rig_pass(&rig, 5);
        g_assert_cmpuint(rig_expire(&rig, STORE_IDLE), ==, 1);
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_STORED);
        g_assert_cmpuint(rig_expire(&rig, STORE_IDLE), ==, 0);
        rig_pass(&rig, RIG_MINUTE_MS);
        g_assert_cmpuint(rig_expire(&rig, STORE_IDLE), ==, 1);
        END;
}

static void an_idle_record_ends_at_its_end(void)
{
        struct cmi_session s = rig_session(1, 1, 1);
        uint64_t idle_ms = 30 * RIG_MINUTE_MS + RIG_MINUTE_MS;

        BEGIN;
        s.max_end_ms = RIG_START_MS + idle_ms + 10000;
        rig_create(&rig, &s);
        rig_pass(&rig, idle_ms);
        g_assert_cmpuint(rig_expire(&rig, STORE_IDLE), ==, 1);
        rig_pass(&rig, 10000);
        g_assert_cmpuint(rig_expire(&rig, STORE_ENDED), ==, 1);
        g_assert_cmpuint(rig.n_gone, ==, 1);
        END;
}

static void due_times_come_in_order_among_thousands(void)
{
        uint64_t last_ns = 0;

        BEGIN;
        for (uint32_t i = 0; i < 3000; i++) {
                struct cmi_session s = rig_session(i, 1, 1);

                s.idle_ttl_ms = 0;
                s.max_end_ms = RIG_START_MS + 1 + i * UINT64_C(7919) % 3000;
                s.last_touch_ms = 0;
                g_assert_cmpint(rig_copy(&rig, &s), ==, STORE_STORED);
                if (i % 3 == 0) {
                        rig_end(&rig, &s, CMI_TOMBSTONE_DESTROY);
                }
        }
        for (uint32_t n = 0; n < 5000; n++) {
                uint64_t due_ns = store_next_due_ns(rig.store);
                struct cmi_id key;

                g_assert_cmpuint(due_ns, >=, last_ns);
                last_ns = due_ns;
                if (due_ns > rig.now.mono_ns) {
                        rig_pass(&rig, (due_ns - rig.now.mono_ns) / CMI_NS_PER_MS);
                }
                g_assert_cmpint(store_expire(rig.store, rig.now, &key), !=, STORE_NOTHING);
        }
        g_assert_cmpuint(store_next_due_ns(rig.store), ==, UINT64_MAX);
        g_assert_cmpuint(store_status(rig.store, rig.now).key_bytes, ==, 0);
        END;
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add_func("/store_clock/" #name, name)
        CASE(a_clock_set_forward_makes_no_tombstone_go);
        CASE(a_clock_set_back_makes_a_tombstone_stay_longer);
        CASE(a_logout_that_comes_while_the_clock_is_ahead_counts);
        CASE(a_logout_everywhere_that_comes_while_the_clock_is_ahead_counts);
        CASE(what_is_dead_is_passed_on_whatever_the_clock_says_but_not_for_ever);
        CASE(a_clock_set_forward_ends_no_record_and_no_older_version_comes_after_it);
        CASE(a_clock_set_forward_makes_no_session_idle);
        CASE(what_ends_later_than_any_session_may_is_not_taken);
        CASE(times_may_be_a_thousand_times_shorter);
        CASE(nothing_lives_past_its_end_and_no_copy_makes_it_younger);
        CASE(an_older_version_with_a_later_end_does_not_come_after_the_newer);
        CASE(an_idle_record_is_told_of_and_stays);
        CASE(an_idle_record_ends_at_its_end);
        CASE(due_times_come_in_order_among_thousands);
        return g_test_run();
}
