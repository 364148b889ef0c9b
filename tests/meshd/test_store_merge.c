/* SPDX-License-Identifier: MIT */
/*
 * What becomes of copies and tombstones that meet, rule by rule. That the rules hold together is
 * test_store_orders.c.
 */
#include "tests/meshd/store_rig.h"

#include <errno.h>
#include <glib.h>

static struct store_rig rig;

#define BEGIN rig_open(&rig)
#define END rig_close(&rig)

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
                later.holder.no = 99;
                rig_create(&rig, &old);
                g_assert_cmpint(rig_end(&rig, &old, reasons[i]), ==, STORE_STORED);
                g_assert_cmpint(rig.gone_why, ==, STORE_GONE_TOMBSTONE);
                g_assert_cmpint(rig_copy(&rig, &later), ==, STORE_DEAD);
                g_assert_cmpint(rig_save(&rig, &later, later.version), ==, STORE_DEAD);
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
        later[1].holder.no++;
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

static void what_an_idle_tombstone_has_ended_lives_again_if_it_was_used_elsewhere(void)
{
        struct cmi_session s = rig_session(1, 1, 5);
        struct cmi_session older = rig_session(1, 1, 4);

        BEGIN;
        rig_pass(&rig, RIG_HOUR_MS);
        older.last_touch_ms += 29 * RIG_MINUTE_MS; /* in the other half of a split */
        rig_copy(&rig, &s);
        g_assert_cmpint(rig_end(&rig, &s, CMI_TOMBSTONE_IDLE), ==, STORE_STORED);
        g_assert_cmpint(rig_copy(&rig, &older), ==, STORE_DEAD);
        g_assert_cmpint(rig_copy(&rig, &s), ==, STORE_STORED);
        g_assert_cmpuint(rig_get(&rig, 1).last_touch_ms, ==, older.last_touch_ms);
        g_assert_cmpint(rig_end(&rig, &s, CMI_TOMBSTONE_IDLE), ==, STORE_OLDER);
        END;
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

static void a_tombstone_without_end_is_kept_as_long_as_any_session_lives(void)
{
        struct cmi_session s = rig_session(1, 1, 1);
        struct cmi_tombstone tombstone = rig_tombstone(&s, CMI_TOMBSTONE_DESTROY);
        struct cmi_principal counts = rig_counts(9, 4, 1);

        BEGIN;
        tombstone.max_end_ms = CMI_SESSION_TIME_MAX_MS;
        counts.counts[0].until_ms = CMI_SESSION_TIME_MAX_MS;
        g_assert_cmpint(rig_bury(&rig, &tombstone), ==, STORE_STORED);
        g_assert_cmpint(rig_count(&rig, counts), ==, STORE_STORED);
        rig_pass(&rig, CMI_SESSION_LIFE_MAX_MS + 2 * CMI_SESSION_MARGIN_MS - 1);
        g_assert_cmpuint(rig_expire(&rig, STORE_FORGOTTEN), ==, 0);
        rig_pass(&rig, CMI_SESSION_MARGIN_MS + 1);
        g_assert_cmpuint(rig_expire(&rig, STORE_FORGOTTEN), ==, 2);
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

static void who_is_no_ancestor_is_a_conflict_in_either_order_and_told_once(void)
{
        struct cmi_session a = rig_session(1, 2, 1);
        struct cmi_session b = rig_session(1, 2, 1);

        b.version = rig_version(3, 2, 1); /* another primary, in the other half */
        b.blob_len = 50;
        BEGIN;
        g_assert_cmpint(rig_copy(&rig, &a), ==, STORE_STORED);
        g_assert_cmpint(rig_copy(&rig, &b), ==, STORE_WON);
        g_assert_cmpuint(rig.n_losers, ==, 1);
        g_assert_cmpuint(rig.loser_len, ==, 100);
        g_assert_cmpuint(rig.winner.blob_len, ==, 50);
        g_assert_cmpint(rig_copy(&rig, &a), ==, STORE_OLDER);
        g_assert_cmpint(rig_copy(&rig, &b), ==, STORE_SAME);
        b.key = a.key = rig_key(2);
        g_assert_cmpint(rig_copy(&rig, &b), ==, STORE_STORED);
        g_assert_cmpint(rig_bare(&rig, &a), ==, STORE_WANTED); /* who is told gets its blob */
        g_assert_cmpint(rig_copy(&rig, &a), ==, STORE_LOST);
        g_assert_cmpuint(rig.n_losers, ==, 2);
        g_assert_cmpuint(rig.loser_len, ==, 100);
        g_assert_cmpint(rig_copy(&rig, &a), ==, STORE_OLDER);
        g_assert_cmpuint(store_status(rig.store, rig.now).n_conflicts, ==, 2);
        /* What one was told, nobody is told who gets the winner from it. */
        b = rig_get(&rig, 2);
        b.key = a.key = rig_key(3);
        rig_copy(&rig, &a);
        g_assert_cmpint(rig_copy(&rig, &b), ==, STORE_STORED);
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

static void what_a_version_holds_is_its_save_and_its_blob(void)
{
        struct cmi_session s = rig_session(1, 2, 1);
        struct cmi_session known = s;

        BEGIN;
        rig_copy(&rig, &s);
        known.n_lineage = 1;
        known.lineage[0] = rig_version(1, 1, 4);
        known.tag = cmi_slice("x", 1); /* it passed a node that knows less fields, say */
        g_assert_cmpint(rig_copy(&rig, &known), ==, STORE_SAME);
        g_assert_cmpuint(rig.n_losers, ==, 0);
        g_assert_cmpuint(rig_get(&rig, 1).n_lineage, ==, 1);
        END;
}

static void a_takeover_needs_no_new_version_and_no_second_blob(void)
{
        struct cmi_session s = rig_session(1, 1, 1);
        struct cmi_session taken = s;
        uint64_t n_allocs;

        BEGIN;
        rig_copy(&rig, &s);
        taken.holder = rig_holder(7, 2);
        n_allocs = rig.memory.n_allocs;
        g_assert_cmpint(rig_bare(&rig, &taken), ==, STORE_STORED);
        g_assert_cmpuint(rig.memory.n_allocs, ==, n_allocs);
        g_assert_cmpint(rig_copy(&rig, &s), ==, STORE_SAME);
        g_assert_cmpint(rig_get(&rig, 1).holder.node.bytes[0], ==, 7);
        g_assert_cmpuint(rig_get(&rig, 1).holder.no, ==, 2);
        END;
}

static void of_two_holders_with_one_number_all_find_the_same_and_who_lost_is_told(void)
{
        struct cmi_session a = rig_session(1, 1, 1);
        struct cmi_session b = a;

        a.holder = rig_holder(3, 5);
        b.holder = rig_holder(4, 5);
        BEGIN;
        rig_copy(&rig, &a);
        g_assert_cmpint(rig_copy(&rig, &b), ==, STORE_STORED);
        g_assert_cmpint(rig.result.was.holder.node.bytes[0], ==, 3);
        g_assert_cmpint(rig.result.is.holder.node.bytes[0], ==, 4);
        g_assert_cmpint(rig_copy(&rig, &a), ==, STORE_SAME);
        g_assert_cmpint(rig.result.is.holder.node.bytes[0], ==, 4);
        END;
}

static void a_bare_record_is_taken_only_where_its_blob_is(void)
{
        struct cmi_session s = rig_session(1, 1, 1);
        struct cmi_session next = rig_session(1, 1, 2);

        BEGIN;
        g_assert_cmpint(rig_bare(&rig, &s), ==, STORE_WANTED);
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_ABSENT);
        rig_copy(&rig, &s);
        g_assert_cmpint(rig_bare(&rig, &next), ==, STORE_WANTED);
        g_assert_cmpint(rig_bare(&rig, &s), ==, STORE_SAME);
        g_assert_cmpuint(rig_get(&rig, 1).version.seq, ==, 1);
        END;
}

static void the_latest_touch_of_any_version_counts(void)
{
        struct cmi_session older = rig_session(1, 1, 1);
        struct cmi_session newer = rig_session(1, 1, 2);

        BEGIN;
        rig_pass(&rig, 10);
        older.last_touch_ms += 9;
        newer.holder.no = 2; /* a takeover, by a clock that is a little late */
        rig_copy(&rig, &older);
        g_assert_cmpint(rig_copy(&rig, &newer), ==, STORE_STORED);
        g_assert_cmpuint(rig_get(&rig, 1).last_touch_ms, ==, older.last_touch_ms);
        older.last_touch_ms++;
        g_assert_cmpint(rig_copy(&rig, &older), ==, STORE_OLDER);
        g_assert_cmpuint(rig_get(&rig, 1).last_touch_ms, ==, older.last_touch_ms);
        END;
}

static void a_blob_may_come_from_the_store_itself(void)
{
        struct cmi_session s = rig_session(1, 1, 1);
        struct store_change change = {.way = STORE_SAVE};
        struct store_view view = {0};

        BEGIN;
        rig_copy(&rig, &s);
        rig_find(&rig, 1, &view);
        change.save = (struct store_save){.key = s.key,
                        .expected = s.version,
                        .epoch = s.version.epoch,
                        .holder = s.holder,
                        .content.blob = view.blob};
        g_assert_cmpint(store_merge(rig.store, rig.now, &change, NULL), ==, STORE_STORED);
        END;
}

static void what_no_decoder_lets_through_is_refused(void)
{
        struct cmi_session s = rig_session(1, 1, 1);
        struct cmi_tombstone tombstone = rig_tombstone(&s, CMI_TOMBSTONE_DESTROY);
        struct cmi_principal counts = rig_counts(1, 1, 0);
        struct store_change change = {.way = STORE_COPY, .record.session = &s};

        BEGIN;
        s.blob_len = 3;
        change.record.blob = cmi_slice("abc", 3);
        s.blob_sum = cmi_session_sum(change.record.blob) + 1; /* damaged */
        g_assert_cmpint(store_merge(rig.store, rig.now, &change, NULL), ==, -EINVAL);
        s.blob_sum--;
        change.record.blob.len = 2;
        g_assert_cmpint(store_merge(rig.store, rig.now, &change, NULL), ==, -EINVAL);
        s.version.seq = 0;
        g_assert_cmpint(rig_copy(&rig, &s), ==, -EINVAL);
        tombstone.reason = 0;
        g_assert_cmpint(rig_bury(&rig, &tombstone), ==, -EINVAL);
        g_assert_cmpint(rig_count(&rig, counts), ==, -EINVAL);
        g_assert_cmpint(rig_fence(&rig, 1, (struct cmi_session_epoch){0}), ==, -EINVAL);
        change = (struct store_change){.way = 0};
        g_assert_cmpint(store_merge(rig.store, rig.now, &change, NULL), ==, -EINVAL);
        g_assert_cmpuint(store_status(rig.store, rig.now).n_keys, ==, 0);
        END;
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add_func("/store_merge/" #name, name)
        CASE(nothing_brings_a_destroyed_session_back);
        CASE(a_tombstone_that_comes_first_keeps_the_record_out);
        CASE(an_idle_tombstone_yields_to_a_later_touch_takeover_or_save);
        CASE(what_an_idle_tombstone_has_ended_lives_again_if_it_was_used_elsewhere);
        CASE(an_idle_tombstone_yields_to_no_older_version_however_late_its_touch);
        CASE(a_tombstone_stays_to_the_latest_end_it_met_and_the_margin);
        CASE(a_tombstone_without_end_is_kept_as_long_as_any_session_lives);
        CASE(of_two_copies_the_higher_version_stays);
        CASE(who_is_no_ancestor_is_a_conflict_in_either_order_and_told_once);
        CASE(a_version_with_two_contents_is_a_conflict);
        CASE(what_a_version_holds_is_its_save_and_its_blob);
        CASE(a_takeover_needs_no_new_version_and_no_second_blob);
        CASE(of_two_holders_with_one_number_all_find_the_same_and_who_lost_is_told);
        CASE(a_bare_record_is_taken_only_where_its_blob_is);
        CASE(the_latest_touch_of_any_version_counts);
        CASE(a_blob_may_come_from_the_store_itself);
        CASE(what_no_decoder_lets_through_is_refused);
        return g_test_run();
}
