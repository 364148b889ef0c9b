/* SPDX-License-Identifier: MIT */
/* What a primary decides, and what it is refused. Copies that meet are in test_store_merge.c. */
#include "tests/meshd/store_rig.h"

#include <errno.h>
#include <glib.h>

static struct store_rig rig;

#define BEGIN rig_open(&rig)
#define END rig_close(&rig)
#define HOLDER rig_holder(1, 1)

static struct cmi_session with_request(struct cmi_session session, uint64_t id)
{
        session.requests[0] = id;
        session.n_requests = 1;
        return session;
}

static void assert_version(const struct cmi_session_version *a, const struct cmi_session_version *b)
{
        g_assert_cmpint(cmi_session_version_compare(a, b), ==, 0);
}

/* Create */

static void what_was_created_is_found_with_all_it_has(void)
{
        struct cmi_session s = rig_session(1, 1, 1);
        struct store_view view = {0};

        BEGIN;
        s.tag = cmi_slice("v1", 2);
        rig_belong(&s, 9);
        rig_count(&rig, rig_counts(9, 2, 3));
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_ABSENT);
        g_assert_cmpint(rig_create(&rig, &s), ==, STORE_STORED);
        g_assert_cmpint(rig.result.was.found, ==, STORE_ABSENT);
        g_assert_cmpint(rig.result.is.found, ==, STORE_STORED);
        g_assert_cmpint(rig_find(&rig, 1, &view), ==, STORE_STORED);
        g_assert_true(view.is_record);
        g_assert_cmpmem(view.session.tag.data, view.session.tag.len, "v1", 2);
        g_assert_cmpuint(view.session.n_vector, ==, 1); /* as it is known when it is made */
        g_assert_cmpuint(view.session.vector[0].count, ==, 3);
        g_assert_cmpuint(view.session.holder.no, ==, 1);
        g_assert_cmpuint(view.session.last_touch_ms, ==, RIG_START_MS);
        g_assert_cmpuint(view.session.created_ms, ==, RIG_START_MS);
        g_assert_cmpuint(view.blob.len, ==, 100);
        g_assert_cmpuint(cmi_session_sum(view.blob), ==, view.session.blob_sum);
        g_assert_cmpint(cmi_session_check(&view.session), ==, 0);
        assert_version(&view.session.version, &s.version);
        END;
}

static void a_create_is_refused_where_anything_is_known(void)
{
        struct cmi_session s = rig_session(1, 1, 1);

        BEGIN;
        g_assert_cmpint(rig_create(&rig, &s), ==, STORE_STORED);
        g_assert_cmpint(rig_create(&rig, &s), ==, STORE_EXISTS);
        g_assert_cmpint(rig_end(&rig, &s, CMI_TOMBSTONE_IDLE), ==, STORE_STORED);
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

static void an_end_may_be_seven_days_away_by_a_clock_that_differs_a_little(void)
{
        struct cmi_session s = rig_session(1, 1, 1);

        BEGIN;
        s.max_end_ms = RIG_START_MS + CMI_SESSION_LIFE_MAX_MS + 5 * RIG_MINUTE_MS;
        g_assert_cmpint(rig_create(&rig, &s), ==, STORE_STORED);
        s = rig_get(&rig, 1);
        g_assert_cmpint(cmi_session_check(&s), ==, 0);
        s = rig_session(2, 1, 1);
        s.max_end_ms = RIG_START_MS + CMI_SESSION_LIFE_MAX_MS + 10 * RIG_MINUTE_MS;
        g_assert_cmpint(rig_create(&rig, &s), ==, STORE_AHEAD);
        s.max_end_ms = RIG_START_MS;
        g_assert_cmpint(rig_create(&rig, &s), ==, STORE_EXPIRED);
        g_assert_cmpint(rig_state(&rig, 2), ==, STORE_ABSENT);
        END;
}

/* Save */

static void of_two_saves_over_one_version_one_wins(void)
{
        struct cmi_session s = rig_session(1, 1, 1);

        BEGIN;
        rig_create(&rig, &s);
        g_assert_cmpint(rig_save(&rig, &s, s.version), ==, STORE_STORED);
        g_assert_cmpuint(rig.result.is.version.seq, ==, 2);
        g_assert_cmpint(rig_save(&rig, &s, s.version), ==, STORE_CHANGED);
        g_assert_cmpint(rig_save(&rig, &s, rig_get(&rig, 1).version), ==, STORE_STORED);
        g_assert_cmpuint(rig.result.was.version.seq, ==, 2);
        g_assert_cmpuint(rig.result.is.version.seq, ==, 3);
        END;
}

static void a_save_creates_nothing(void)
{
        struct cmi_session s = rig_session(1, 1, 1);

        BEGIN;
        g_assert_cmpint(rig_save(&rig, &s, s.version), ==, STORE_ABSENT);
        rig_create(&rig, &s);
        rig_end(&rig, &s, CMI_TOMBSTONE_IDLE);
        g_assert_cmpint(rig_save(&rig, &s, s.version), ==, STORE_DEAD);
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_DEAD);
        END;
}

static void a_save_that_is_repeated_is_harmless_four_saves_long(void)
{
        struct cmi_session s = rig_session(1, 1, 1);

        BEGIN;
        rig_create(&rig, &s);
        for (uint64_t i = 1; i <= 5; i++) {
                s = with_request(s, i);
                g_assert_cmpint(rig_save(&rig, &s, rig_get(&rig, 1).version), ==, STORE_STORED);
        }
        for (uint64_t i = 2; i <= 5; i++) {
                s = with_request(s, i);
                g_assert_cmpint(rig_save(&rig, &s, s.version), ==, STORE_SAME);
        }
        s = with_request(s, 1);
        g_assert_cmpint(rig_save(&rig, &s, s.version), ==, STORE_CHANGED);
        END;
}

/* Whoever could change these could escape a logout everywhere, or the end. */
static void a_save_changes_the_content_and_nothing_else(void)
{
        struct cmi_session first = with_request(rig_session(1, 1, 1), 7);
        struct cmi_session other = rig_session(1, 1, 1);
        struct cmi_session s;

        BEGIN;
        rig_belong(&first, 9);
        rig_count(&rig, rig_counts(9, 4, 1));
        rig_create(&rig, &first);
        other.space = 77;
        other.idle_ttl_ms = 0;
        other.max_end_ms = RIG_START_MS + RIG_MINUTE_MS;
        other.blob_len = 5;
        other.save_id = (struct cmi_id){{42}};
        rig_pass(&rig, 1000);
        g_assert_cmpint(rig_save(&rig, &other, first.version), ==, STORE_STORED);
        s = rig_get(&rig, 1);
        g_assert_cmpuint(s.space, ==, first.space);
        g_assert_cmpuint(s.idle_ttl_ms, ==, first.idle_ttl_ms);
        g_assert_cmpuint(s.max_end_ms, ==, first.max_end_ms);
        g_assert_cmpuint(s.created_ms, ==, RIG_START_MS);
        g_assert_cmpuint(s.n_vector, ==, 1);
        g_assert_cmpuint(s.requests[0], ==, 7);
        g_assert_cmpuint(s.blob_len, ==, 5);
        g_assert_cmpint(s.save_id.bytes[0], ==, 42);
        assert_version(&s.sealed_base, &first.version);
        g_assert_cmpuint(s.last_touch_ms, ==, RIG_START_MS + 1000);
        rig_count(&rig, rig_counts(9, 4, 2));
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_DEAD);
        END;
}

static void a_new_epoch_begins_at_one_and_knows_what_it_is_built_on(void)
{
        struct cmi_session s = rig_session(1, 1, 1);
        struct cmi_session next = rig_session(1, 2, 1);

        BEGIN;
        rig_create(&rig, &s);
        rig_save(&rig, &s, s.version);
        g_assert_cmpint(rig_save(&rig, &next, rig_version(1, 1, 2)), ==, STORE_STORED);
        next = rig_get(&rig, 1);
        assert_version(&next.version, &(struct cmi_session_version){{2, {{1}}, 1}, 1, {{1}}});
        g_assert_true(cmi_session_has_ancestor(&next, &s.version));
        g_assert_cmpuint(next.n_lineage, ==, 1);
        END;
}

static void a_save_that_cannot_be_is_refused(void)
{
        struct cmi_session s = rig_session(1, 1, 1);
        struct store_change change = {.way = STORE_SAVE};

        BEGIN;
        rig_create(&rig, &s);
        change.save = (struct store_save){.key = s.key,
                        .expected = s.version,
                        .epoch = s.version.epoch,
                        .holder = s.holder,
                        .content.sealed_base = rig_version(9, 1, 1)}; /* made over a later one */
        g_assert_cmpint(store_merge(rig.store, rig.now, &change, NULL), ==, -EINVAL);
        change.save.content.sealed_base = s.version;
        change.save.content.tag = cmi_slice(&s, CMI_SESSION_TAG_MAX + 1);
        g_assert_cmpint(store_merge(rig.store, rig.now, &change, NULL), ==, -EINVAL);
        g_assert_cmpuint(rig_get(&rig, 1).version.seq, ==, 1);
        END;
}

/* Holders */

static void only_the_very_holder_saves_and_touches(void)
{
        struct cmi_session s = rig_session(1, 1, 1);
        struct cmi_session_holder others[] = {
                        rig_holder(1, 0), rig_holder(1, 2), rig_holder(2, 1), {{{1}}, 2, 1}};

        BEGIN;
        rig_create(&rig, &s);
        for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
                struct cmi_session other = s;

                other.holder = others[i];
                g_assert_cmpint(rig_save(&rig, &other, s.version), ==, STORE_STALE);
                g_assert_cmpint(rig_touch(&rig, 1, RIG_START_MS, others[i]), ==, STORE_STALE);
        }
        g_assert_cmpint(rig_touch(&rig, 1, RIG_START_MS, HOLDER), ==, STORE_SAME);
        END;
}

static void a_takeover_is_taken_from_whom_was_expected(void)
{
        struct cmi_session s = rig_session(1, 1, 1);

        BEGIN;
        rig_create(&rig, &s);
        g_assert_cmpint(rig_hold(&rig, 1, 1, 2, s.version.epoch), ==, STORE_STORED);
        g_assert_cmpint(rig.result.was.holder.node.bytes[0], ==, 1);
        g_assert_cmpint(rig.result.is.holder.node.bytes[0], ==, 2);
        g_assert_cmpuint(rig.result.is.holder.no, ==, 2);
        g_assert_cmpint(rig_hold(&rig, 1, 1, 2, s.version.epoch), ==, STORE_SAME);
        g_assert_cmpint(rig_hold(&rig, 1, 1, 3, s.version.epoch), ==, STORE_STALE);
        g_assert_cmpint(rig_save(&rig, &s, s.version), ==, STORE_STALE);
        s.holder = rig_holder(2, 2);
        g_assert_cmpint(rig_save(&rig, &s, s.version), ==, STORE_STORED);
        g_assert_cmpint(rig_hold(&rig, 9, 1, 3, s.version.epoch), ==, STORE_ABSENT);
        g_assert_cmpint(rig_hold(&rig, 1, 2, 0, s.version.epoch), ==, -EINVAL);
        END;
}

/* Touch */

static void a_touch_raises_and_never_creates_changes_or_lowers(void)
{
        struct cmi_session s = rig_session(1, 1, 1);
        struct store_digest before;

        BEGIN;
        g_assert_cmpint(rig_touch(&rig, 1, RIG_START_MS, HOLDER), ==, STORE_ABSENT);
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_ABSENT);
        rig_create(&rig, &s);
        before = rig_digest(&rig);
        rig_pass(&rig, 9);
        g_assert_cmpint(rig_touch(&rig, 1, RIG_START_MS + 9, HOLDER), ==, STORE_STORED);
        g_assert_cmpint(rig_touch(&rig, 1, RIG_START_MS + 9, HOLDER), ==, STORE_SAME);
        g_assert_cmpint(rig_touch(&rig, 1, RIG_START_MS + 5, HOLDER), ==, STORE_SAME);
        g_assert_cmpuint(rig_get(&rig, 1).last_touch_ms, ==, RIG_START_MS + 9);
        g_assert_cmpuint(rig_get(&rig, 1).version.seq, ==, 1);
        g_assert_cmpuint(rig_digest(&rig).sum, ==, before.sum);
        END;
}

static void a_touch_brings_nothing_back(void)
{
        struct cmi_session s = rig_session(1, 1, 1);

        BEGIN;
        rig_create(&rig, &s);
        rig_end(&rig, &s, CMI_TOMBSTONE_IDLE);
        rig_pass(&rig, 1);
        g_assert_cmpint(rig_touch(&rig, 1, s.last_touch_ms, HOLDER), ==, STORE_DEAD);
        g_assert_cmpint(rig_touch(&rig, 1, s.last_touch_ms + 1, HOLDER), ==, STORE_WANTED);
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_DEAD);
        rig_end(&rig, &s, CMI_TOMBSTONE_DESTROY);
        g_assert_cmpint(rig_touch(&rig, 1, s.last_touch_ms + 1, HOLDER), ==, STORE_DEAD);
        END;
}

static void a_touch_by_a_clock_that_is_ahead_is_one_up_to_the_end(void)
{
        struct cmi_session s = rig_session(1, 1, 1);

        BEGIN;
        rig_create(&rig, &s);
        s = rig_get(&rig, 1);
        rig_pass(&rig, 12 * RIG_HOUR_MS - 1);
        g_assert_cmpint(rig_touch(&rig, 1, rig_now_ms(&rig), HOLDER), ==, STORE_STORED);
        s.last_touch_ms = s.max_end_ms;
        g_assert_cmpint(rig_copy(&rig, &s), ==, STORE_SAME);
        g_assert_cmpuint(rig_get(&rig, 1).last_touch_ms, ==, s.max_end_ms);
        g_assert_cmpint(rig_save(&rig, &s, s.version), ==, STORE_STORED);
        rig_pass(&rig, 1);
        g_assert_cmpint(rig_touch(&rig, 1, rig_now_ms(&rig), HOLDER), ==, STORE_DEAD);
        END;
}

/* End */

static void what_is_ended_by_version_is_ended_only_if_it_is_that(void)
{
        struct cmi_session s = rig_session(1, 1, 1);
        struct cmi_session old = s;

        BEGIN;
        g_assert_cmpint(rig_stop(&rig, &s, CMI_TOMBSTONE_ROTATE), ==, STORE_ABSENT);
        rig_create(&rig, &s);
        rig_save(&rig, &s, s.version);
        g_assert_cmpint(rig_stop(&rig, &old, CMI_TOMBSTONE_ROTATE), ==, STORE_CHANGED);
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_STORED);
        s = rig_get(&rig, 1);
        g_assert_cmpint(rig_stop(&rig, &s, CMI_TOMBSTONE_ROTATE), ==, STORE_STORED);
        g_assert_cmpint(rig.result.is.found, ==, STORE_DEAD);
        g_assert_cmpuint(rig.result.is.reason, ==, CMI_TOMBSTONE_ROTATE);
        g_assert_cmpint(rig_stop(&rig, &s, CMI_TOMBSTONE_ROTATE), ==, STORE_DEAD);
        g_assert_cmpint(rig_stop(&rig, &s, CMI_TOMBSTONE_PRINCIPAL), ==, -EINVAL);
        END;
}

static void what_was_used_since_is_not_ended_for_idleness(void)
{
        struct cmi_session s = rig_session(1, 1, 1);

        BEGIN;
        rig_create(&rig, &s);
        rig_pass(&rig, RIG_HOUR_MS);
        rig_touch(&rig, 1, rig_now_ms(&rig), HOLDER);
        g_assert_cmpint(rig_stop(&rig, &s, CMI_TOMBSTONE_IDLE), ==, STORE_CHANGED);
        s = rig_get(&rig, 1);
        g_assert_cmpint(rig_stop(&rig, &s, CMI_TOMBSTONE_IDLE), ==, STORE_STORED);
        END;
}

static void a_logout_ends_whatever_version_there_is_and_whoever_says_so(void)
{
        struct cmi_session s = rig_session(1, 3, 1);
        struct store_change change = {.way = STORE_END};

        BEGIN;
        change.end = (struct store_end){.key = s.key, .reason = CMI_TOMBSTONE_DESTROY};
        g_assert_cmpint(store_merge(rig.store, rig.now, &change, NULL), ==, STORE_ABSENT);
        rig_copy(&rig, &s);
        g_assert_cmpint(store_merge(rig.store, rig.now, &change, NULL), ==, STORE_STORED);
        g_assert_cmpint(store_merge(rig.store, rig.now, &change, NULL), ==, STORE_DEAD);
        s.key = change.end.key = rig_key(2);
        rig_copy(&rig, &s);
        rig_end(&rig, &s, CMI_TOMBSTONE_IDLE);
        g_assert_cmpint(store_merge(rig.store, rig.now, &change, NULL), ==, STORE_STORED);
        s.last_touch_ms++;
        g_assert_cmpint(rig_copy(&rig, &s), ==, STORE_DEAD);
        END;
}

static void a_blind_logout_needs_no_version(void)
{
        struct cmi_session s = rig_session(1, 1, 1);
        struct cmi_tombstone blind = rig_tombstone(&s, CMI_TOMBSTONE_DESTROY);
        struct store_view view = {0};

        BEGIN;
        blind.version = (struct cmi_session_version){.seq = 0};
        g_assert_cmpint(rig_bury(&rig, &blind), ==, STORE_STORED);
        g_assert_cmpint(rig_copy(&rig, &s), ==, STORE_DEAD);
        g_assert_cmpint(rig_find(&rig, 1, &view), ==, STORE_DEAD);
        assert_version(&view.tombstone.version, &s.version);
        blind.key = rig_key(2);
        s = rig_session(2, 1, 1);
        rig_copy(&rig, &s);
        g_assert_cmpint(rig_bury(&rig, &blind), ==, STORE_STORED);
        g_assert_cmpint(rig_state(&rig, 2), ==, STORE_DEAD);
        END;
}

/* Fences */

static void who_has_seen_an_epoch_takes_no_order_of_an_earlier_one(void)
{
        struct cmi_session s = rig_session(1, 1, 1);
        struct cmi_session next = rig_session(1, 1, 2);
        struct cmi_session_epoch later = rig_version(2, 2, 1).epoch;

        BEGIN;
        rig_create(&rig, &s);
        g_assert_cmpint(rig_fence(&rig, 1, later), ==, STORE_STORED);
        g_assert_cmpint(rig.result.is.found, ==, STORE_STORED);
        g_assert_cmpint(rig_fence(&rig, 1, later), ==, STORE_SAME);
        g_assert_cmpint(rig_fence(&rig, 1, s.version.epoch), ==, STORE_FENCED);
        g_assert_cmpuint(rig.result.is.fence.counter, ==, 2);
        g_assert_cmpint(rig_save(&rig, &s, s.version), ==, STORE_FENCED);
        g_assert_cmpint(rig_hold(&rig, 1, 1, 2, s.version.epoch), ==, STORE_FENCED);
        g_assert_cmpint(rig_stop(&rig, &s, CMI_TOMBSTONE_ROTATE), ==, STORE_FENCED);
        g_assert_cmpint(rig_order(&rig, &next, false), ==, STORE_FENCED);
        /* What an earlier primary has acknowledged is no order of it. */
        g_assert_cmpint(rig_copy(&rig, &next), ==, STORE_STORED);
        g_assert_cmpint(rig_hold(&rig, 1, 1, 2, later), ==, STORE_STORED);
        next.holder = rig_holder(2, 2);
        next.version.epoch = later;
        g_assert_cmpint(rig_save(&rig, &next, rig_version(1, 1, 2)), ==, STORE_STORED);
        END;
}

static void an_order_or_a_version_of_an_epoch_is_a_fence_too(void)
{
        struct cmi_session s = rig_session(1, 2, 1);
        struct cmi_session old = rig_session(1, 1, 7);
        struct store_change change = {.way = STORE_ORDERED};

        BEGIN;
        rig_copy(&rig, &s);
        g_assert_cmpint(rig_order(&rig, &old, false), ==, STORE_FENCED);
        s = rig_get(&rig, 1);
        change.record = (struct store_record){
                        .session = &s, .is_bare = true, .epoch = rig_version(3, 1, 1).epoch};
        g_assert_cmpint(store_merge(rig.store, rig.now, &change, NULL), ==, STORE_SAME);
        change.record.epoch = s.version.epoch;
        g_assert_cmpint(store_merge(rig.store, rig.now, &change, NULL), ==, STORE_FENCED);
        change.record.epoch = old.version.epoch; /* earlier than what it orders */
        g_assert_cmpint(store_merge(rig.store, rig.now, &change, NULL), ==, -EINVAL);
        END;
}

static void a_fence_stands_where_nothing_else_is_known_and_after_an_idle_end(void)
{
        struct cmi_session old = rig_session(1, 1, 2);
        struct cmi_session s = rig_session(2, 1, 1);

        BEGIN;
        g_assert_cmpint(rig_fence(&rig, 1, rig_version(2, 1, 1).epoch), ==, STORE_STORED);
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_ABSENT);
        g_assert_cmpuint(rig_digest(&rig).n_tombstones, ==, 0);
        g_assert_cmpint(rig_order(&rig, &old, false), ==, STORE_FENCED);
        g_assert_cmpint(rig_create(&rig, &old), ==, STORE_FENCED);
        g_assert_cmpint(rig_copy(&rig, &old), ==, STORE_STORED);
        rig_create(&rig, &s);
        rig_fence(&rig, 2, rig_version(2, 1, 1).epoch);
        rig_end(&rig, &s, CMI_TOMBSTONE_IDLE);
        s.version.seq++;
        g_assert_cmpint(rig_order(&rig, &s, false), ==, STORE_FENCED);
        rig_pass(&rig, 13 * RIG_HOUR_MS);
        rig_expire(&rig, STORE_FORGOTTEN);
        g_assert_cmpuint(store_status(rig.store, rig.now).n_keys, ==, 0);
        END;
}

static void the_order_of_a_create_replaces_nothing(void)
{
        struct cmi_session s = rig_session(1, 1, 1);
        struct cmi_session other = rig_session(1, 2, 1);

        BEGIN;
        g_assert_cmpint(rig_order(&rig, &s, true), ==, STORE_STORED);
        g_assert_cmpint(rig_order(&rig, &s, true), ==, STORE_SAME);
        g_assert_cmpint(rig_order(&rig, &other, true), ==, STORE_EXISTS);
        rig_end(&rig, &s, CMI_TOMBSTONE_IDLE);
        g_assert_cmpint(rig_order(&rig, &other, true), ==, STORE_DEAD);
        END;
}

/* Notes */

static void a_note_is_of_one_version(void)
{
        struct cmi_session s = rig_session(1, 1, 1);
        struct store_view view = {0};

        BEGIN;
        g_assert_cmpint(store_note(rig.store, &s.key, &s.version, 5), ==, STORE_ABSENT);
        rig_create(&rig, &s);
        g_assert_cmpint(store_note(rig.store, &s.key, &s.version, 5), ==, 0);
        rig_hold(&rig, 1, 1, 2, s.version.epoch);
        rig_find(&rig, 1, &view);
        g_assert_cmpuint(view.note, ==, 5);
        s.holder = rig_holder(2, 2);
        rig_save(&rig, &s, s.version);
        rig_find(&rig, 1, &view);
        g_assert_cmpuint(view.note, ==, 0);
        g_assert_cmpint(store_note(rig.store, &s.key, &s.version, 5), ==, STORE_CHANGED);
        g_assert_cmpint(store_note(rig.store, &s.key, &view.session.version, 6), ==, 0);
        rig_end(&rig, &view.session, CMI_TOMBSTONE_DESTROY);
        rig_find(&rig, 1, &view);
        g_assert_cmpuint(view.note, ==, 0);
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
        CASE(an_end_may_be_seven_days_away_by_a_clock_that_differs_a_little);
        CASE(of_two_saves_over_one_version_one_wins);
        CASE(a_save_creates_nothing);
        CASE(a_save_that_is_repeated_is_harmless_four_saves_long);
        CASE(a_save_changes_the_content_and_nothing_else);
        CASE(a_new_epoch_begins_at_one_and_knows_what_it_is_built_on);
        CASE(a_save_that_cannot_be_is_refused);
        CASE(only_the_very_holder_saves_and_touches);
        CASE(a_takeover_is_taken_from_whom_was_expected);
        CASE(a_touch_raises_and_never_creates_changes_or_lowers);
        CASE(a_touch_brings_nothing_back);
        CASE(a_touch_by_a_clock_that_is_ahead_is_one_up_to_the_end);
        CASE(what_is_ended_by_version_is_ended_only_if_it_is_that);
        CASE(what_was_used_since_is_not_ended_for_idleness);
        CASE(a_logout_ends_whatever_version_there_is_and_whoever_says_so);
        CASE(a_blind_logout_needs_no_version);
        CASE(who_has_seen_an_epoch_takes_no_order_of_an_earlier_one);
        CASE(an_order_or_a_version_of_an_epoch_is_a_fence_too);
        CASE(a_fence_stands_where_nothing_else_is_known_and_after_an_idle_end);
        CASE(the_order_of_a_create_replaces_nothing);
        CASE(a_note_is_of_one_version);
        return g_test_run();
}
