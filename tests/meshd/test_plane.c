/* SPDX-License-Identifier: MIT */
/* The session plane, verb by verb: the table of plane.h. */
#include "tests/meshd/plane_rig.h"

#include <errno.h>
#include <glib.h>

static struct plane_rig rig;

#define BEGIN plane_rig_open(&rig)
#define END plane_rig_close(&rig)
#define ASK(request) plane_rig_ask(&rig, request)
#define CREATE(key, text) ASK(plane_rig_create(&rig, key, text))
#define GET(key) ASK(plane_rig_get(key))
#define SAVE(key, text) ASK(plane_rig_save(&rig, key, text))
#define DESTROY(key) ASK(plane_rig_destroy(&rig, key))

static const struct plane_act *act(uint32_t from_end)
{
        g_assert_cmpuint(rig.n_acts, >, from_end);
        return &rig.acts[rig.n_acts - 1 - from_end];
}

static void expect_nothing_told(void)
{
        const struct cmi_session_answer *answer = &rig.answer;

        g_assert_true(cmi_session_version_is_none(&answer->version));
        g_assert_true(cmi_id_is_zero(&answer->holder.node));
        g_assert_cmpuint(answer->created_ms + answer->max_end_ms + answer->idle_ttl_ms, ==, 0);
        g_assert_cmpuint(answer->tag.len + answer->blob.len + answer->token, ==, 0);
}

static void expect_stamped_then_answered(uint32_t key)
{
        struct cmi_id id = plane_rig_key(key);

        g_assert_cmpint(act(0)->kind, ==, PLANE_ACT_ANSWER);
        g_assert_cmpint(act(1)->kind, ==, PLANE_ACT_STAMP);
        g_assert_true(cmi_id_equal(&act(1)->key, &id));
}

/* Create */

static void what_is_created_is_there(void)
{
        struct cmi_session_request create;

        BEGIN;
        create = plane_rig_create(&rig, 1, "one");
        create.tag = cmi_slice_str("cart");
        create.idle_ttl_ms = 60000;
        g_assert_cmpint(ASK(create), ==, 0);
        g_assert_cmpuint(rig.answer.n_copies, ==, 1);
        g_assert_cmpuint(rig.answer.version.epoch.counter, ==, 1);
        g_assert_true(cmi_id_equal(&rig.answer.version.epoch.opener, &rig.options.node_id));
        g_assert_cmpuint(rig.answer.version.epoch.incarnation, ==, 3);
        g_assert_cmpuint(rig.answer.version.seq, ==, 1);
        g_assert_cmpuint(rig.answer.holder.no, ==, 1);
        g_assert_cmpuint(rig.answer.holder.incarnation, ==, 3);
        g_assert_cmpuint(rig.answer.blob.len, ==, 0);
        g_assert_cmpuint(rig.answer.token, ==, 1000);
        g_assert_cmpuint(rig.n_stamps, ==, 0);
        rig.now.mono_ns += cmi_ms(5);
        rig.now.real_ns += cmi_ms(5);
        g_assert_cmpint(GET(1), ==, 0);
        g_assert_true(plane_rig_has(&rig, "one"));
        g_assert_true(cmi_slice_equal(rig.answer.tag, cmi_slice_str("cart")));
        g_assert_cmpuint(rig.answer.created_ms, ==, PLANE_RIG_START_MS);
        g_assert_cmpuint(rig.answer.max_end_ms, ==, PLANE_RIG_START_MS + PLANE_RIG_HOUR_MS);
        g_assert_cmpuint(rig.answer.idle_ttl_ms, ==, 60000);
        g_assert_true(cmi_session_version_is_none(&rig.answer.sealed_base));
        g_assert_true(cmi_id_equal(&rig.answer.save_id, &create.save_id));
        g_assert_cmpuint(rig.answer.token, ==, 1000);
        g_assert_cmpuint(rig.answer.n_copies, ==, 0);
        END;
}

static void a_key_is_created_once(void)
{
        struct cmi_session_request create;

        BEGIN;
        create = plane_rig_create(&rig, 1, "one");
        g_assert_cmpint(ASK(create), ==, 0);
        g_assert_cmpint(ASK(create), ==, 0);
        g_assert_cmpuint(rig.answer.version.seq, ==, 1);
        g_assert_cmpint(CREATE(1, "two"), ==, -EEXIST);
        expect_nothing_told();
        g_assert_cmpint(DESTROY(1), ==, 0);
        g_assert_cmpint(CREATE(1, "two"), ==, CMI_GONE);
        g_assert_cmpint(ASK(create), ==, CMI_GONE);
        END;
}

static void a_repeated_create_is_not_told_of_later_saves(void)
{
        struct cmi_session_request create;

        BEGIN;
        create = plane_rig_create(&rig, 1, "one");
        g_assert_cmpint(ASK(create), ==, 0);
        g_assert_cmpint(SAVE(1, "two"), ==, 0);
        g_assert_cmpint(ASK(create), ==, 0);
        expect_nothing_told();
        g_assert_cmpint(GET(1), ==, 0);
        g_assert_true(plane_rig_has(&rig, "two"));
        END;
}

static void an_end_that_is_past_or_too_far_is_refused(void)
{
        struct cmi_session_request create;

        BEGIN;
        create = plane_rig_create(&rig, 1, "one");
        create.max_end_ms = plane_rig_now_ms(&rig);
        g_assert_cmpint(ASK(create), ==, -EINVAL);
        g_assert_cmpstr(rig.answer.text, !=, "");
        create.max_end_ms = plane_rig_now_ms(&rig) + CMI_SESSION_LIFE_MAX_MS + 1;
        g_assert_cmpint(ASK(create), ==, -EINVAL);
        g_assert_cmpint(GET(1), ==, CMI_GONE);
        create.max_end_ms--;
        g_assert_cmpint(ASK(create), ==, 0);
        END;
}

/* Get */

static void what_is_not_there_is_gone(void)
{
        BEGIN;
        g_assert_cmpint(GET(1), ==, CMI_GONE);
        expect_nothing_told();
        g_assert_cmpuint(rig.n_stamps, ==, 0);
        END;
}

static void nothing_older_is_given_than_what_was_seen(void)
{
        struct cmi_session_request get = plane_rig_get(1);

        BEGIN;
        g_assert_cmpint(CREATE(1, "one"), ==, 0);
        get.expected = rig.answer.version;
        g_assert_cmpint(ASK(get), ==, 0);
        get.expected.seq++;
        g_assert_cmpint(ASK(get), ==, CMI_E_UNCONFIRMED);
        expect_nothing_told();
        END;
}

static void without_a_page_nothing_may_be_kept(void)
{
        BEGIN;
        rig.is_pageless = true;
        g_assert_cmpint(CREATE(1, "one"), ==, 0);
        g_assert_cmpuint(rig.answer.token, ==, 0);
        g_assert_cmpint(SAVE(1, "two"), ==, 0);
        g_assert_cmpuint(rig.answer.token, ==, 0);
        g_assert_cmpint(GET(1), ==, 0);
        g_assert_cmpuint(rig.answer.token, ==, 0);
        END;
}

static void a_get_is_a_use_and_a_peek_is_none(void)
{
        struct cmi_session_request create, peek = plane_rig_get(1);

        BEGIN;
        create = plane_rig_create(&rig, 1, "one");
        create.idle_ttl_ms = 600000;
        g_assert_cmpint(ASK(create), ==, 0);
        plane_rig_pass(&rig, 300000);
        peek.flags = CMI_SESSION_PEEK;
        g_assert_cmpint(ASK(peek), ==, 0);
        g_assert_cmpuint(rig.answer.idle_ms, ==, 300000);
        g_assert_cmpint(GET(1), ==, 0);
        g_assert_cmpuint(rig.answer.idle_ms, ==, 0);
        plane_rig_pass(&rig, 600000);
        g_assert_cmpint(ASK(peek), ==, 0);
        g_assert_cmpuint(rig.answer.idle_ms, ==, 600000);
        plane_rig_pass(&rig, 30000);
        g_assert_cmpint(ASK(peek), ==, CMI_GONE);
        END;
}

/* Save */

static void a_save_is_stamped_and_then_answered(void)
{
        struct cmi_session_request save;

        BEGIN;
        g_assert_cmpint(CREATE(1, "one"), ==, 0);
        save = plane_rig_save(&rig, 1, "two");
        g_assert_cmpint(ASK(save), ==, 0);
        expect_stamped_then_answered(1);
        g_assert_cmpuint(rig.answer.version.seq, ==, 2);
        g_assert_cmpuint(rig.answer.version.epoch.counter, ==, 1);
        g_assert_cmpuint(rig.answer.token, ==, 1001);
        g_assert_cmpuint(rig.answer.blob.len, ==, 0);
        g_assert_cmpuint(rig.answer.n_copies, ==, 1);
        g_assert_cmpint(GET(1), ==, 0);
        g_assert_true(plane_rig_has(&rig, "two"));
        g_assert_cmpint(cmi_session_version_compare(&rig.answer.sealed_base, &save.expected), ==,
                        0);
        g_assert_true(cmi_id_equal(&rig.answer.save_id, &save.save_id));
        END;
}

static void who_saves_over_another_version_is_given_the_present_one(void)
{
        struct cmi_session_request mine, other;

        BEGIN;
        g_assert_cmpint(CREATE(1, "one"), ==, 0);
        mine = plane_rig_save(&rig, 1, "mine");
        other = plane_rig_save(&rig, 1, "other");
        g_assert_cmpint(ASK(other), ==, 0);
        g_assert_cmpint(ASK(mine), ==, CMI_CONFLICT);
        g_assert_cmpint(act(1)->kind, ==, PLANE_ACT_ANSWER);
        g_assert_true(plane_rig_has(&rig, "other"));
        g_assert_cmpuint(rig.answer.version.seq, ==, 2);
        g_assert_cmpuint(rig.answer.token, ==, rig.apply_seq);
        g_assert_cmpint(SAVE(1, "mine"), ==, 0);
        g_assert_cmpuint(rig.answer.version.seq, ==, 3);
        END;
}

static void a_repeated_save_is_done_once(void)
{
        struct cmi_session_request save;

        BEGIN;
        g_assert_cmpint(CREATE(1, "one"), ==, 0);
        save = plane_rig_save(&rig, 1, "two");
        g_assert_cmpint(ASK(save), ==, 0);
        g_assert_cmpint(ASK(save), ==, 0);
        g_assert_cmpuint(rig.answer.version.seq, ==, 2);
        g_assert_cmpuint(rig.answer.token, ==, 1001);
        g_assert_cmpuint(rig.n_stamps, ==, 1);
        g_assert_cmpint(SAVE(1, "three"), ==, 0);
        g_assert_cmpint(ASK(save), ==, 0);
        expect_nothing_told();
        g_assert_cmpuint(rig.answer.n_copies, ==, 1);
        g_assert_cmpint(GET(1), ==, 0);
        g_assert_true(plane_rig_has(&rig, "three"));
        END;
}

static void a_save_by_another_holder_is_stale(void)
{
        struct cmi_session_request save;

        BEGIN;
        g_assert_cmpint(CREATE(1, "one"), ==, 0);
        save = plane_rig_save(&rig, 1, "two");
        save.holder.incarnation++;
        g_assert_cmpint(ASK(save), ==, CMI_E_STALE);
        expect_nothing_told();
        g_assert_cmpuint(rig.n_stamps, ==, 0);
        END;
}

static void a_save_makes_nothing(void)
{
        struct cmi_session_request save;

        BEGIN;
        g_assert_cmpint(CREATE(1, "one"), ==, 0);
        save = plane_rig_save(&rig, 2, "two");
        g_assert_cmpint(ASK(save), ==, CMI_GONE);
        g_assert_cmpint(GET(2), ==, CMI_GONE);
        save = plane_rig_save(&rig, 1, "two");
        g_assert_cmpint(DESTROY(1), ==, 0);
        g_assert_cmpint(ASK(save), ==, CMI_GONE);
        END;
}

static void a_save_without_a_tag_leaves_the_one_that_is_there(void)
{
        struct cmi_session_request request;

        BEGIN;
        request = plane_rig_create(&rig, 1, "one");
        request.tag = cmi_slice_str("cart");
        g_assert_cmpint(ASK(request), ==, 0);
        g_assert_cmpint(SAVE(1, "two"), ==, 0);
        g_assert_true(cmi_slice_equal(rig.answer.tag, cmi_slice_str("cart")));
        request = plane_rig_save(&rig, 1, "three");
        request.tag = cmi_slice_str("paid");
        g_assert_cmpint(ASK(request), ==, 0);
        g_assert_true(cmi_slice_equal(rig.answer.tag, cmi_slice_str("paid")));
        END;
}

static void a_record_of_an_earlier_process_is_saved_in_a_new_epoch(void)
{
        const struct cmi_session_epoch later = {4, {{9}}, 1};
        struct store_change change = {.way = STORE_FENCE};

        BEGIN;
        g_assert_cmpint(CREATE(1, "one"), ==, 0);
        change.fence = (struct store_fence){plane_rig_key(1), later, 0};
        g_assert_cmpint(store_merge(plane_store(rig.plane), rig.now, &change, NULL), ==,
                        STORE_STORED);
        g_assert_cmpint(SAVE(1, "two"), ==, 0);
        g_assert_cmpuint(rig.answer.version.epoch.counter, ==, 5);
        g_assert_true(cmi_id_equal(&rig.answer.version.epoch.opener, &rig.options.node_id));
        g_assert_cmpuint(rig.answer.version.seq, ==, 1);
        g_assert_cmpint(SAVE(1, "three"), ==, 0);
        g_assert_cmpuint(rig.answer.version.epoch.counter, ==, 5);
        g_assert_cmpuint(rig.answer.version.seq, ==, 2);
        END;
}

/* Touch */

static void a_touch_keeps_alive_and_changes_nothing(void)
{
        struct cmi_session_request create, touch;
        struct cmi_session_version version;

        BEGIN;
        create = plane_rig_create(&rig, 1, "one");
        create.idle_ttl_ms = 600000;
        g_assert_cmpint(ASK(create), ==, 0);
        version = rig.answer.version;
        touch = plane_rig_touch(&rig, 1);
        for (int i = 0; i < 5; i++) {
                plane_rig_pass(&rig, 400000);
                g_assert_cmpint(ASK(touch), ==, 0);
                expect_nothing_told();
        }
        g_assert_cmpint(GET(1), ==, 0);
        g_assert_cmpint(cmi_session_version_compare(&rig.answer.version, &version), ==, 0);
        g_assert_cmpuint(rig.n_stamps, ==, 0);
        END;
}

static void an_old_touch_is_of_its_own_time(void)
{
        struct cmi_session_request create, touch, peek = plane_rig_get(1);

        BEGIN;
        create = plane_rig_create(&rig, 1, "one");
        g_assert_cmpint(ASK(create), ==, 0);
        touch = plane_rig_touch(&rig, 1);
        plane_rig_pass(&rig, 1000);
        touch.age_ms = 400;
        peek.flags = CMI_SESSION_PEEK;
        g_assert_cmpint(ASK(touch), ==, 0);
        g_assert_cmpint(ASK(peek), ==, 0);
        g_assert_cmpuint(rig.answer.idle_ms, ==, 400);
        touch.age_ms = CMI_SESSION_TIME_MAX_MS;
        g_assert_cmpint(ASK(touch), ==, 0);
        g_assert_cmpint(ASK(peek), ==, 0);
        g_assert_cmpuint(rig.answer.idle_ms, ==, 400);
        END;
}

static void a_touch_of_what_is_gone_or_of_others_says_so(void)
{
        struct cmi_session_request touch;

        BEGIN;
        g_assert_cmpint(CREATE(1, "one"), ==, 0);
        touch = plane_rig_touch(&rig, 1);
        touch.holder.no++;
        g_assert_cmpint(ASK(touch), ==, CMI_E_STALE);
        touch = plane_rig_touch(&rig, 2);
        touch.holder.no = 1;
        touch.holder.node = rig.options.node_id;
        g_assert_cmpint(ASK(touch), ==, CMI_GONE);
        g_assert_cmpint(GET(2), ==, CMI_GONE);
        END;
}

/* Destroy */

static void what_is_destroyed_is_gone_and_stamped(void)
{
        BEGIN;
        g_assert_cmpint(CREATE(1, "one"), ==, 0);
        g_assert_cmpint(DESTROY(1), ==, 0);
        expect_stamped_then_answered(1);
        expect_nothing_told();
        g_assert_cmpuint(rig.answer.n_copies, ==, 1);
        g_assert_cmpint(GET(1), ==, CMI_GONE);
        g_assert_cmpint(DESTROY(1), ==, 0);
        END;
}

static void a_create_that_comes_after_its_logout_makes_nothing(void)
{
        struct cmi_session_request create;

        BEGIN;
        create = plane_rig_create(&rig, 1, "one");
        create.max_end_ms += PLANE_RIG_HOUR_MS;
        g_assert_cmpint(DESTROY(1), ==, 0);
        expect_stamped_then_answered(1);
        g_assert_cmpint(ASK(create), ==, CMI_GONE);
        plane_rig_pass(&rig, 2 * CMI_SESSION_TIMEOUT_MAX_MS - 1);
        g_assert_cmpint(ASK(create), ==, CMI_GONE);
        END;
}

static void a_logout_of_the_unknown_lasts_longer_than_any_request(void)
{
        struct cmi_session_request destroy;
        struct plane_entry entry;
        struct cmi_id key = plane_rig_key(1);

        BEGIN;
        destroy = plane_rig_destroy(&rig, 1);
        destroy.max_end_ms = plane_rig_now_ms(&rig) + PLANE_RIG_HOUR_MS;
        g_assert_cmpint(ASK(destroy), ==, 0);
        g_assert_cmpint(plane_find(rig.plane, rig.now, &key, &entry), ==, 0);
        g_assert_cmpuint(entry.reason, ==, CMI_TOMBSTONE_DESTROY);
        plane_rig_pass(&rig, CMI_SESSION_TIMEOUT_MAX_MS);
        g_assert_cmpint(plane_find(rig.plane, rig.now, &key, &entry), ==, 0);
        plane_rig_pass(&rig, CMI_SESSION_TIMEOUT_MAX_MS);
        g_assert_cmpint(plane_find(rig.plane, rig.now, &key, &entry), ==, STORE_ABSENT);
        END;
}

/* Spaces */

static void a_session_of_another_space_is_as_absent(void)
{
        struct cmi_session_request create, request;

        BEGIN;
        g_assert_cmpint(CREATE(1, "one"), ==, 0);
        request = plane_rig_save(&rig, 1, "two");
        request.space = plane_rig_space(2);
        g_assert_cmpint(ASK(request), ==, CMI_GONE);
        expect_nothing_told();
        request.verb = CMI_SESSION_TOUCH;
        g_assert_cmpint(ASK(request), ==, CMI_GONE);
        request.verb = CMI_SESSION_ROTATE;
        request.new_key = plane_rig_key(2);
        g_assert_cmpint(ASK(request), ==, CMI_GONE);
        request = plane_rig_get(1);
        request.space = plane_rig_space(2);
        g_assert_cmpint(ASK(request), ==, CMI_GONE);
        request = plane_rig_destroy(&rig, 1);
        request.space = plane_rig_space(2);
        g_assert_cmpint(ASK(request), ==, 0);
        g_assert_cmpuint(rig.n_stamps, ==, 0);
        create = plane_rig_create(&rig, 1, "theirs");
        create.space = plane_rig_space(2);
        create.request = 1; /* that of the record which is there */
        g_assert_cmpint(ASK(create), ==, -EEXIST);
        expect_nothing_told();
        g_assert_cmpint(GET(1), ==, 0);
        g_assert_true(plane_rig_has(&rig, "one"));
        END;
}

/* The clock may be wrong, and then it lives on, if it was left alone. */
static void a_session_past_its_end_by_utc_is_still_of_its_space(void)
{
        struct cmi_session_request destroy, create;
        struct plane_entry entry;

        BEGIN;
        g_assert_cmpint(CREATE(1, "one"), ==, 0);
        rig.now.real_ns += cmi_ms(2 * PLANE_RIG_HOUR_MS);
        destroy = plane_rig_destroy(&rig, 1);
        destroy.space = plane_rig_space(2);
        g_assert_cmpint(ASK(destroy), ==, 0);
        g_assert_cmpuint(rig.n_stamps, ==, 0);
        create = plane_rig_create(&rig, 1, "theirs");
        create.space = plane_rig_space(2);
        g_assert_cmpint(ASK(create), ==, -EEXIST);
        g_assert_cmpint(GET(1), ==, CMI_GONE);
        g_assert_cmpint(plane_find(rig.plane, rig.now, &create.key, &entry), ==, 0);
        g_assert_true(entry.is_expired);
        g_assert_cmpuint(entry.reason, ==, 0);
        rig.now.real_ns -= cmi_ms(2 * PLANE_RIG_HOUR_MS);
        g_assert_cmpint(GET(1), ==, 0);
        rig.now.real_ns += cmi_ms(2 * PLANE_RIG_HOUR_MS);
        destroy.space = plane_rig_space(1);
        g_assert_cmpint(ASK(destroy), ==, 0);
        g_assert_cmpuint(rig.n_stamps, ==, 1);
        rig.now.real_ns -= cmi_ms(2 * PLANE_RIG_HOUR_MS);
        g_assert_cmpint(GET(1), ==, CMI_GONE);
        END;
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define ADD(name) g_test_add_func("/plane/" #name, name)
        ADD(what_is_created_is_there);
        ADD(a_key_is_created_once);
        ADD(a_repeated_create_is_not_told_of_later_saves);
        ADD(an_end_that_is_past_or_too_far_is_refused);
        ADD(what_is_not_there_is_gone);
        ADD(nothing_older_is_given_than_what_was_seen);
        ADD(without_a_page_nothing_may_be_kept);
        ADD(a_get_is_a_use_and_a_peek_is_none);
        ADD(a_save_is_stamped_and_then_answered);
        ADD(who_saves_over_another_version_is_given_the_present_one);
        ADD(a_repeated_save_is_done_once);
        ADD(a_save_by_another_holder_is_stale);
        ADD(a_save_makes_nothing);
        ADD(a_save_without_a_tag_leaves_the_one_that_is_there);
        ADD(a_record_of_an_earlier_process_is_saved_in_a_new_epoch);
        ADD(a_touch_keeps_alive_and_changes_nothing);
        ADD(an_old_touch_is_of_its_own_time);
        ADD(a_touch_of_what_is_gone_or_of_others_says_so);
        ADD(what_is_destroyed_is_gone_and_stamped);
        ADD(a_create_that_comes_after_its_logout_makes_nothing);
        ADD(a_logout_of_the_unknown_lasts_longer_than_any_request);
        ADD(a_session_of_another_space_is_as_absent);
        ADD(a_session_past_its_end_by_utc_is_still_of_its_space);
        return g_test_run();
}
