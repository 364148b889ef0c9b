/* SPDX-License-Identifier: MIT */
/* The rules of the session store, one by one. That they hold together is test_store_orders.c. */
#include "tests/meshd/store_rig.h"

#include <errno.h>
#include <glib.h>

static struct store_rig rig;

#define BEGIN rig_open(&rig)
#define END rig_close(&rig)

static struct cmi_session with_request(struct cmi_session session, uint64_t id)
{
        session.requests[0] = id;
        session.n_requests = 1;
        return session;
}

static uint64_t touched_at(uint32_t key)
{
        struct store_view view = {0};

        g_assert_cmpint(rig_find(&rig, key, &view), ==, STORE_STORED);
        return view.session.last_touch_ms;
}

/* Create */

static void what_was_created_is_found_with_all_it_has(void)
{
        struct cmi_session s = rig_session(1, 1, 1);
        struct store_view view = {0};

        BEGIN;
        s.tag = cmi_slice("v1", 2);
        rig_belong(&s, 9);
        rig_carry(&s, 2, 3);
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_ABSENT);
        g_assert_cmpint(rig_create(&rig, &s), ==, STORE_STORED);
        g_assert_cmpint(rig_find(&rig, 1, &view), ==, STORE_STORED);
        g_assert_true(view.is_record);
        g_assert_cmpmem(view.session.tag.data, view.session.tag.len, "v1", 2);
        g_assert_cmpuint(view.session.vector[0].count, ==, 3);
        g_assert_cmpuint(view.session.holder_no, ==, 1);
        g_assert_cmpuint(view.session.last_touch_ms, ==, s.last_touch_ms);
        g_assert_cmpuint(view.blob.len, ==, 100);
        g_assert_cmpuint(cmi_session_sum(view.blob), ==, view.session.blob_sum);
        g_assert_cmpint(cmi_session_version_compare(&view.session.version, &s.version), ==, 0);
        END;
}

static void a_create_is_refused_where_anything_is_known(void)
{
        struct cmi_session s = rig_session(1, 1, 1);

        BEGIN;
        g_assert_cmpint(rig_create(&rig, &s), ==, STORE_STORED);
        g_assert_cmpint(rig_create(&rig, &s), ==, STORE_EXISTS);
        g_assert_cmpint(rig_end(&rig, &s, CMI_TOMBSTONE_IDLE), ==, STORE_STORED);
        s.version.seq = 9;
        s.last_touch_ms++;
        g_assert_cmpint(rig_create(&rig, &s), ==, STORE_DEAD);
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_DEAD);
        END;
}

static void a_create_that_is_repeated_is_harmless(void)
{
        struct cmi_session s = with_request(rig_session(1, 1, 1), 77);

        BEGIN;
        g_assert_cmpint(rig_create(&rig, &s), ==, STORE_STORED);
        g_assert_cmpint(rig_create(&rig, &s), ==, STORE_SAME);
        s = with_request(s, 78);
        g_assert_cmpint(rig_create(&rig, &s), ==, STORE_EXISTS);
        END;
}

/* Save */

static void of_two_saves_over_one_version_one_wins(void)
{
        struct cmi_session first = rig_session(1, 1, 1);
        struct cmi_session second = rig_session(1, 1, 2);
        struct cmi_session third = rig_session(1, 1, 3);

        BEGIN;
        rig_create(&rig, &first);
        g_assert_cmpint(rig_save(&rig, &second, first.version), ==, STORE_STORED);
        g_assert_cmpint(rig_save(&rig, &third, first.version), ==, STORE_CHANGED);
        g_assert_cmpint(rig_save(&rig, &third, second.version), ==, STORE_STORED);
        END;
}

static void a_save_creates_nothing(void)
{
        struct cmi_session first = rig_session(1, 1, 1);
        struct cmi_session second = rig_session(1, 1, 2);

        BEGIN;
        g_assert_cmpint(rig_save(&rig, &second, first.version), ==, STORE_ABSENT);
        rig_create(&rig, &first);
        rig_end(&rig, &first, CMI_TOMBSTONE_IDLE);
        second.last_touch_ms += 5;
        g_assert_cmpint(rig_save(&rig, &second, first.version), ==, STORE_DEAD);
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_DEAD);
        END;
}

static void a_save_that_is_repeated_is_harmless(void)
{
        struct cmi_session first = rig_session(1, 1, 1);
        struct cmi_session second = with_request(rig_session(1, 1, 2), 5);

        BEGIN;
        rig_create(&rig, &first);
        g_assert_cmpint(rig_save(&rig, &second, first.version), ==, STORE_STORED);
        g_assert_cmpint(rig_save(&rig, &second, first.version), ==, STORE_SAME);
        END;
}

static void a_former_holder_saves_and_touches_nothing(void)
{
        struct cmi_session first = rig_session(1, 1, 1);
        struct cmi_session second = rig_session(1, 1, 2);

        BEGIN;
        first.holder_no = 4;
        second.holder_no = 3;
        rig_create(&rig, &first);
        g_assert_cmpint(rig_save(&rig, &second, first.version), ==, STORE_STALE);
        g_assert_cmpint(rig_touch(&rig, 1, RIG_START_MS + 5, 3), ==, STORE_STALE);
        second.holder_no = 4;
        g_assert_cmpint(rig_save(&rig, &second, first.version), ==, STORE_STORED);
        g_assert_cmpint(rig_touch(&rig, 1, RIG_START_MS + 5, 4), ==, STORE_STORED);
        END;
}

static void a_save_keeps_a_later_touch_and_never_moves_the_end(void)
{
        struct cmi_session first = rig_session(1, 1, 1);
        struct cmi_session second = rig_session(1, 1, 2);
        struct cmi_session longer = rig_session(1, 1, 3);

        BEGIN;
        rig_create(&rig, &first);
        rig_touch(&rig, 1, RIG_START_MS + 500, 1);
        g_assert_cmpint(rig_save(&rig, &second, first.version), ==, STORE_STORED);
        g_assert_cmpuint(touched_at(1), ==, RIG_START_MS + 500);
        longer.max_end_ms++;
        g_assert_cmpint(rig_save(&rig, &longer, second.version), ==, -EINVAL);
        END;
}

static void what_no_decoder_lets_through_is_refused(void)
{
        struct cmi_session s = rig_session(1, 1, 1);
        struct cmi_tombstone tombstone = rig_tombstone(&s, CMI_TOMBSTONE_DESTROY);
        struct cmi_principal counts = rig_counts(1, 1, 0);
        struct store_change change = {.way = STORE_COPY, .session = &s};

        BEGIN;
        s.blob_len = 3;
        change.blob = cmi_slice("abc", 3);
        s.blob_sum = cmi_session_sum(change.blob) + 1; /* damaged */
        g_assert_cmpint(store_merge(rig.store, rig.now, &change), ==, -EINVAL);
        s.blob_sum--;
        change.blob.len = 2;
        g_assert_cmpint(store_merge(rig.store, rig.now, &change), ==, -EINVAL);
        s.version.seq = 0;
        g_assert_cmpint(rig_copy(&rig, &s), ==, -EINVAL);
        tombstone.reason = 0;
        g_assert_cmpint(rig_bury(&rig, &tombstone), ==, -EINVAL);
        g_assert_cmpint(rig_count(&rig, counts), ==, -EINVAL);
        g_assert_cmpint(rig_touch(&rig, 1, UINT64_MAX, 1), ==, -EINVAL);
        change = (struct store_change){.way = 0};
        g_assert_cmpint(store_merge(rig.store, rig.now, &change), ==, -EINVAL);
        g_assert_cmpuint(rig_digest(&rig).n_records, ==, 0);
        END;
}

/* Touch */

static void a_touch_raises_and_never_creates_changes_or_lowers(void)
{
        struct cmi_session s = rig_session(1, 1, 1);
        struct store_view view = {0};
        struct store_digest before;

        BEGIN;
        g_assert_cmpint(rig_touch(&rig, 1, RIG_START_MS, 1), ==, STORE_ABSENT);
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_ABSENT);
        rig_create(&rig, &s);
        before = rig_digest(&rig);
        g_assert_cmpint(rig_touch(&rig, 1, RIG_START_MS + 9, 1), ==, STORE_STORED);
        g_assert_cmpint(rig_touch(&rig, 1, RIG_START_MS + 9, 1), ==, STORE_SAME);
        g_assert_cmpint(rig_touch(&rig, 1, RIG_START_MS + 5, 1), ==, STORE_SAME);
        g_assert_cmpint(rig_find(&rig, 1, &view), ==, STORE_STORED);
        g_assert_cmpuint(view.session.last_touch_ms, ==, RIG_START_MS + 9);
        g_assert_cmpint(cmi_session_version_compare(&view.session.version, &s.version), ==, 0);
        g_assert_cmpuint(rig_digest(&rig).sum, ==, before.sum);
        g_assert_cmpint(rig_touch(&rig, 1, s.max_end_ms + 1, 1), ==, STORE_EXPIRED);
        END;
}

static void a_touch_brings_nothing_back(void)
{
        struct cmi_session s = rig_session(1, 1, 1);

        BEGIN;
        rig_create(&rig, &s);
        rig_end(&rig, &s, CMI_TOMBSTONE_IDLE);
        g_assert_cmpint(rig_touch(&rig, 1, s.last_touch_ms, 1), ==, STORE_DEAD);
        g_assert_cmpint(rig_touch(&rig, 1, s.last_touch_ms + 1, 1), ==, STORE_WANTED);
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_DEAD);
        rig_end(&rig, &s, CMI_TOMBSTONE_DESTROY);
        g_assert_cmpint(rig_touch(&rig, 1, s.last_touch_ms + 1, 1), ==, STORE_DEAD);
        END;
}

/* Tombstones */

static void nothing_brings_a_destroyed_session_back(void)
{
        static const enum cmi_tombstone_reason reasons[] = {
                        CMI_TOMBSTONE_DESTROY, CMI_TOMBSTONE_ROTATE};

        for (size_t i = 0; i < G_N_ELEMENTS(reasons); i++) {
                struct cmi_session old = rig_session(1, 1, 1);
                struct cmi_session later = rig_session(1, 9, 9);

                BEGIN;
                later.last_touch_ms = later.max_end_ms;
                later.holder_no = 99;
                rig_create(&rig, &old);
                g_assert_cmpint(rig_end(&rig, &old, reasons[i]), ==, STORE_STORED);
                g_assert_cmpint(rig.gone_why, ==, STORE_GONE_TOMBSTONE);
                g_assert_cmpint(rig_copy(&rig, &later), ==, STORE_DEAD);
                g_assert_cmpint(rig_save(&rig, &later, old.version), ==, STORE_DEAD);
                g_assert_cmpint(rig_create(&rig, &later), ==, STORE_DEAD);
                g_assert_cmpint(rig_end(&rig, &later, CMI_TOMBSTONE_IDLE), ==, STORE_OLDER);
                g_assert_cmpint(rig_state(&rig, 1), ==, STORE_DEAD);
                g_assert_cmpint(rig_end(&rig, &later, reasons[i]), ==, STORE_SAME);
                END;
        }
}

static void a_tombstone_that_comes_first_keeps_the_record_out(void)
{
        struct cmi_session s = rig_session(1, 1, 1);
        struct store_view view = {0};

        BEGIN;
        g_assert_cmpint(rig_end(&rig, &s, CMI_TOMBSTONE_ROTATE), ==, STORE_STORED);
        g_assert_cmpint(rig_copy(&rig, &s), ==, STORE_DEAD);
        g_assert_cmpint(rig_end(&rig, &s, CMI_TOMBSTONE_DESTROY), ==, STORE_STORED);
        g_assert_cmpint(rig_end(&rig, &s, CMI_TOMBSTONE_ROTATE), ==, STORE_SAME);
        g_assert_cmpint(rig_find(&rig, 1, &view), ==, STORE_DEAD);
        g_assert_cmpuint(view.tombstone.reason, ==, CMI_TOMBSTONE_DESTROY);
        g_assert_cmpint(cmi_tombstone_check(&view.tombstone), ==, 0);
        END;
}

static void an_idle_tombstone_yields_to_a_later_touch_takeover_or_save(void)
{
        struct cmi_session s = rig_session(1, 1, 5);
        struct cmi_session later[3] = {s, s, rig_session(1, 1, 6)};

        later[0].last_touch_ms++;
        later[1].holder_no++;
        for (size_t i = 0; i < G_N_ELEMENTS(later); i++) {
                BEGIN;
                rig_copy(&rig, &s);
                g_assert_cmpint(rig_end(&rig, &s, CMI_TOMBSTONE_IDLE), ==, STORE_STORED);
                g_assert_cmpint(rig_end(&rig, &s, CMI_TOMBSTONE_IDLE), ==, STORE_SAME);
                g_assert_cmpint(rig_copy(&rig, &s), ==, STORE_DEAD);
                g_assert_cmpint(rig_copy(&rig, &later[i]), ==, STORE_STORED);
                g_assert_cmpint(rig_state(&rig, 1), ==, STORE_STORED);
                g_assert_cmpint(rig_end(&rig, &s, CMI_TOMBSTONE_IDLE), ==, STORE_OLDER);
                g_assert_cmpint(rig_state(&rig, 1), ==, STORE_STORED);
                END;
        }
}

static void an_idle_tombstone_yields_to_no_older_version_however_late_its_touch(void)
{
        struct cmi_session s = rig_session(1, 1, 5);
        struct cmi_session older = rig_session(1, 1, 4);

        BEGIN;
        older.last_touch_ms = older.max_end_ms;
        rig_end(&rig, &s, CMI_TOMBSTONE_IDLE);
        g_assert_cmpint(rig_copy(&rig, &older), ==, STORE_DEAD);
        END;
}

static void a_tombstone_stays_to_the_latest_end_it_met_and_the_margin(void)
{
        struct cmi_session s = rig_session(1, 1, 1);
        struct cmi_session later = rig_session(1, 1, 2);

        BEGIN;
        later.max_end_ms += 10 * RIG_MINUTE_MS; /* created twice, on two sides of a split */
        rig_copy(&rig, &later);
        rig_end(&rig, &s, CMI_TOMBSTONE_DESTROY);
        rig_pass(&rig, later.max_end_ms - RIG_START_MS + CMI_SESSION_MARGIN_MS - 1);
        g_assert_cmpuint(rig_expire(&rig, STORE_FORGOTTEN), ==, 0);
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_DEAD);
        rig_pass(&rig, 1);
        g_assert_cmpuint(rig_expire(&rig, STORE_FORGOTTEN), ==, 1);
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_ABSENT);
        g_assert_cmpint(rig_copy(&rig, &later), ==, STORE_EXPIRED);
        g_assert_cmpint(rig_end(&rig, &later, CMI_TOMBSTONE_DESTROY), ==, STORE_EXPIRED);
        END;
}

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

/* Copies */

static void of_two_copies_the_higher_version_stays(void)
{
        struct cmi_session first = rig_session(1, 1, 1);
        struct cmi_session second = rig_session(1, 1, 2);

        BEGIN;
        g_assert_cmpint(rig_copy(&rig, &first), ==, STORE_STORED);
        g_assert_cmpint(rig_copy(&rig, &first), ==, STORE_SAME);
        g_assert_cmpint(rig_copy(&rig, &second), ==, STORE_STORED);
        g_assert_cmpint(rig_copy(&rig, &first), ==, STORE_OLDER);
        g_assert_cmpuint(rig.n_losers, ==, 0);
        END;
}

static void who_is_no_ancestor_is_a_conflict_in_either_order(void)
{
        struct cmi_session a = rig_session(1, 2, 1);
        struct cmi_session b = rig_session(1, 2, 1);

        b.version = rig_version(2, 2, 1); /* another primary, in the other half */
        b.blob_len = 50;
        BEGIN;
        g_assert_cmpint(rig_copy(&rig, &a), ==, STORE_STORED);
        g_assert_cmpint(rig_copy(&rig, &b), ==, STORE_WON);
        g_assert_cmpuint(rig.n_losers, ==, 1);
        g_assert_cmpuint(rig.loser_len, ==, 100);
        g_assert_cmpuint(rig.winner.blob_len, ==, 50);
        g_assert_cmpint(rig_copy(&rig, &a), ==, STORE_LOST);
        g_assert_cmpuint(rig.n_losers, ==, 2);
        g_assert_cmpuint(store_status(rig.store, rig.now).n_conflicts, ==, 2);
        END;
}

static void a_version_with_two_contents_is_a_conflict(void)
{
        struct cmi_session a = rig_session(1, 1, 1);
        struct cmi_session b = a;
        int first, second;

        BEGIN;
        b.save_id.bytes[5] = 1;
        rig_copy(&rig, &a);
        first = rig_copy(&rig, &b);
        second = rig_copy(&rig, first == STORE_WON ? &a : &b);
        g_assert_true(first == STORE_WON || first == STORE_LOST);
        g_assert_cmpint(second, ==, STORE_LOST);
        END;
}

static void a_takeover_needs_no_new_version_and_no_second_blob(void)
{
        struct cmi_session s = rig_session(1, 1, 1);
        struct store_view view = {0};
        struct store_change change = {.way = STORE_COPY, .session = &view.session};
        uint64_t n_allocs;

        BEGIN;
        rig_copy(&rig, &s);
        g_assert_cmpint(rig_find(&rig, 1, &view), ==, STORE_STORED);
        view.session.holder = (struct cmi_id){{7}};
        view.session.holder_no++;
        change.blob = view.blob;
        n_allocs = rig.n_allocs;
        g_assert_cmpint(store_merge(rig.store, rig.now, &change), ==, STORE_STORED);
        g_assert_cmpuint(rig.n_allocs, ==, n_allocs);
        g_assert_cmpint(rig_copy(&rig, &s), ==, STORE_SAME);
        g_assert_cmpint(rig_find(&rig, 1, &view), ==, STORE_STORED);
        g_assert_cmpint(view.session.holder.bytes[0], ==, 7);
        g_assert_cmpuint(view.session.holder_no, ==, 2);
        END;
}

static void a_blob_may_come_from_the_store_itself(void)
{
        struct cmi_session s = rig_session(1, 1, 1);
        struct store_view view = {0};
        struct store_change change = {
                        .way = STORE_SAVE, .session = &view.session, .expected = s.version};

        BEGIN;
        rig_copy(&rig, &s);
        rig_find(&rig, 1, &view);
        view.session.version.seq++;
        change.blob = view.blob;
        g_assert_cmpint(store_merge(rig.store, rig.now, &change), ==, STORE_STORED);
        END;
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
        g_assert_cmpint(rig_copy(&rig, &s), ==, STORE_SAME);
        g_assert_cmpuint(rig_expire(&rig, STORE_ENDED), ==, 0);
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_STORED);
        rig_pass(&rig, 1);
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_EXPIRED);
        g_assert_cmpuint(rig_digest(&rig).n_records, ==, 0);
        g_assert_cmpint(rig_copy(&rig, &s), ==, STORE_EXPIRED);
        g_assert_cmpuint(rig_expire(&rig, STORE_ENDED), ==, 1);
        g_assert_cmpint(rig.gone_why, ==, STORE_GONE_ENDED);
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
                rig_copy(&rig, &older);
                rig_copy(&rig, &newer);
                rig_pass(&rig, RIG_MINUTE_MS);
                if (is_expired_first != 0) {
                        g_assert_cmpuint(rig_expire(&rig, STORE_ENDED), ==, 1);
                }
                g_assert_cmpint(rig_copy(&rig, &older), ==, STORE_DEAD);
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
        g_assert_cmpint(rig_touch(&rig, 1, RIG_START_MS + 5, 1), ==, STORE_STORED);
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
        for (uint32_t n = 0; n < 3000; n++) {
                uint64_t due_ns = store_next_due_ns(rig.store);
                struct cmi_hash key;

                g_assert_cmpuint(due_ns, >=, last_ns);
                last_ns = due_ns;
                rig_pass(&rig, (due_ns - rig.now.mono_ns) / CMI_NS_PER_MS);
                g_assert_cmpint(store_expire(rig.store, rig.now, &key), !=, STORE_NOTHING);
        }
        g_assert_cmpuint(store_next_due_ns(rig.store), ==, UINT64_MAX);
        g_assert_cmpuint(store_status(rig.store, rig.now).tombstone_bytes, ==, 0);
        END;
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add_func("/store/" #name, name)
        CASE(what_was_created_is_found_with_all_it_has);
        CASE(a_create_is_refused_where_anything_is_known);
        CASE(a_create_that_is_repeated_is_harmless);
        CASE(of_two_saves_over_one_version_one_wins);
        CASE(a_save_creates_nothing);
        CASE(a_save_that_is_repeated_is_harmless);
        CASE(a_former_holder_saves_and_touches_nothing);
        CASE(a_save_keeps_a_later_touch_and_never_moves_the_end);
        CASE(what_no_decoder_lets_through_is_refused);
        CASE(a_touch_raises_and_never_creates_changes_or_lowers);
        CASE(a_touch_brings_nothing_back);
        CASE(nothing_brings_a_destroyed_session_back);
        CASE(a_tombstone_that_comes_first_keeps_the_record_out);
        CASE(an_idle_tombstone_yields_to_a_later_touch_takeover_or_save);
        CASE(an_idle_tombstone_yields_to_no_older_version_however_late_its_touch);
        CASE(a_tombstone_stays_to_the_latest_end_it_met_and_the_margin);
        CASE(a_clock_set_forward_makes_no_tombstone_go);
        CASE(a_clock_set_back_makes_a_tombstone_stay_longer);
        CASE(of_two_copies_the_higher_version_stays);
        CASE(who_is_no_ancestor_is_a_conflict_in_either_order);
        CASE(a_version_with_two_contents_is_a_conflict);
        CASE(a_takeover_needs_no_new_version_and_no_second_blob);
        CASE(a_blob_may_come_from_the_store_itself);
        CASE(nothing_lives_past_its_end_and_no_copy_makes_it_younger);
        CASE(an_older_version_with_a_later_end_does_not_come_after_the_newer);
        CASE(an_idle_record_is_told_of_and_stays);
        CASE(due_times_come_in_order_among_thousands);
        return g_test_run();
}
