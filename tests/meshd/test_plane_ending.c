/* SPDX-License-Identifier: MIT */
/* The session plane: rotation, what is kept in grace, logout everywhere, what ends by itself. */
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
#define ROTATE(key, new_key, text) ASK(plane_rig_rotate(&rig, key, new_key, text))

static const struct plane_act *act(uint32_t from_end)
{
        g_assert_cmpuint(rig.n_acts, >, from_end);
        return &rig.acts[rig.n_acts - 1 - from_end];
}

static void expect_act_stamp(uint32_t from_end, uint32_t key)
{
        struct cmi_id id = plane_rig_key(key);

        g_assert_cmpint(act(from_end)->kind, ==, PLANE_ACT_STAMP);
        g_assert_true(cmi_id_equal(&act(from_end)->key, &id));
}

static int64_t rotate_with_grace(uint32_t key, uint32_t new_key, const char *text, uint64_t ms)
{
        struct cmi_session_request rotate = plane_rig_rotate(&rig, key, new_key, text);

        rotate.grace_ms = ms;
        return ASK(rotate);
}

static int64_t create_of(uint32_t key, uint8_t principal)
{
        struct cmi_session_request create = plane_rig_create(&rig, key, "of somebody");

        create.principal = (struct cmi_id){{principal}};
        return ASK(create);
}

/* Rotate */

static void a_rotated_session_is_under_its_new_key_only(void)
{
        struct cmi_session_request create;

        BEGIN;
        create = plane_rig_create(&rig, 1, "anonymous");
        create.tag = cmi_slice_str("cart");
        create.idle_ttl_ms = 600000;
        g_assert_cmpint(ASK(create), ==, 0);
        g_assert_cmpint(ROTATE(1, 2, "logged in"), ==, 0);
        expect_act_stamp(1, 1);
        g_assert_cmpint(act(0)->kind, ==, PLANE_ACT_ANSWER);
        g_assert_cmpuint(rig.answer.version.seq, ==, 1);
        g_assert_cmpuint(rig.answer.n_copies, ==, 1);
        g_assert_cmpuint(rig.answer.blob.len, ==, 0);
        g_assert_cmpuint(rig.answer.max_end_ms, ==, create.max_end_ms);
        g_assert_cmpuint(rig.answer.idle_ttl_ms, ==, 600000);
        g_assert_true(cmi_slice_equal(rig.answer.tag, cmi_slice_str("cart")));
        g_assert_cmpuint(rig.answer.token, ==, rig.apply_seq - 1);
        g_assert_cmpint(GET(1), ==, CMI_GONE);
        g_assert_cmpint(GET(2), ==, 0);
        g_assert_true(plane_rig_has(&rig, "logged in"));
        g_assert_true(cmi_session_version_is_none(&rig.answer.sealed_base));
        END;
}

static void a_rotation_may_change_all_but_the_space(void)
{
        struct cmi_session_request rotate;
        struct plane_entry entry;

        BEGIN;
        g_assert_cmpint(create_of(1, 4), ==, 0);
        rotate = plane_rig_rotate(&rig, 1, 2, "two");
        rotate.max_end_ms = plane_rig_now_ms(&rig) + 1000;
        rotate.idle_ttl_ms = 500;
        rotate.principal = (struct cmi_id){{5}};
        rotate.tag = cmi_slice_str("user");
        g_assert_cmpint(ASK(rotate), ==, 0);
        g_assert_cmpint(plane_find(rig.plane, rig.now, &rotate.new_key, &entry), ==, 0);
        g_assert_true(cmi_id_equal(&entry.principal, &rotate.principal));
        g_assert_cmpuint(entry.max_end_ms, ==, rotate.max_end_ms);
        g_assert_cmpuint(entry.idle_ttl_ms, ==, 500);
        g_assert_cmpmem(entry.tag, entry.tag_len, "user", 4);
        END;
}

static void a_rotation_without_a_principal_keeps_the_old_one(void)
{
        BEGIN;
        g_assert_cmpint(create_of(1, 4), ==, 0);
        g_assert_cmpint(ROTATE(1, 2, "two"), ==, 0);
        g_assert_cmpint(ASK(plane_rig_principal(&rig, 4)), ==, 0);
        g_assert_cmpint(GET(2), ==, CMI_GONE);
        END;
}

static void of_two_rotations_one_wins(void)
{
        struct cmi_session_request mine, other;

        BEGIN;
        g_assert_cmpint(CREATE(1, "one"), ==, 0);
        mine = plane_rig_rotate(&rig, 1, 2, "mine");
        other = plane_rig_rotate(&rig, 1, 3, "other");
        g_assert_cmpint(ASK(mine), ==, 0);
        g_assert_cmpint(ASK(other), ==, CMI_GONE);
        g_assert_cmpint(GET(3), ==, CMI_GONE);
        g_assert_cmpint(ASK(mine), ==, 0);
        g_assert_cmpuint(rig.answer.version.seq, ==, 1);
        g_assert_cmpint(GET(2), ==, 0);
        g_assert_true(plane_rig_has(&rig, "mine"));
        END;
}

static void a_repeated_rotation_is_told_of_what_it_made(void)
{
        struct cmi_session_request rotate;

        BEGIN;
        g_assert_cmpint(CREATE(1, "one"), ==, 0);
        rotate = plane_rig_rotate(&rig, 1, 2, "two");
        g_assert_cmpint(ASK(rotate), ==, 0);
        g_assert_cmpint(SAVE(2, "three"), ==, 0);
        g_assert_cmpint(ASK(rotate), ==, 0);
        g_assert_true(cmi_session_version_is_none(&rig.answer.version));
        g_assert_cmpuint(rig.answer.token, ==, 0);
        g_assert_cmpint(DESTROY(2), ==, 0);
        g_assert_cmpint(ASK(rotate), ==, CMI_GONE);
        END;
}

static void a_rotation_over_another_version_or_holder_changes_nothing(void)
{
        struct cmi_session_request rotate;

        BEGIN;
        g_assert_cmpint(CREATE(1, "one"), ==, 0);
        rotate = plane_rig_rotate(&rig, 1, 2, "two");
        rotate.holder.no++;
        g_assert_cmpint(ASK(rotate), ==, CMI_E_STALE);
        rotate.holder.no--;
        g_assert_cmpint(SAVE(1, "saved"), ==, 0);
        g_assert_cmpint(ASK(rotate), ==, CMI_CONFLICT);
        g_assert_true(plane_rig_has(&rig, "saved"));
        g_assert_cmpint(GET(2), ==, CMI_GONE);
        g_assert_cmpint(ROTATE(3, 2, "two"), ==, CMI_GONE);
        END;
}

static void a_new_key_that_is_in_use_or_was_is_refused(void)
{
        struct cmi_session_request create, rotate;

        BEGIN;
        g_assert_cmpint(CREATE(2, "two"), ==, 0);
        g_assert_cmpint(DESTROY(3), ==, 0);
        create = plane_rig_create(&rig, 4, "of others");
        create.space = plane_rig_space(2);
        g_assert_cmpint(ASK(create), ==, 0);
        g_assert_cmpint(CREATE(1, "one"), ==, 0);
        for (uint32_t key = 2; key <= 4; key++) {
                g_assert_cmpint(ROTATE(1, key, "new"), ==, -EEXIST);
        }
        rotate = plane_rig_rotate(&rig, 1, 5, "new");
        rotate.max_end_ms = 1;
        g_assert_cmpint(ASK(rotate), ==, -EINVAL);
        g_assert_cmpint(GET(1), ==, 0);
        g_assert_true(plane_rig_has(&rig, "one"));
        END;
}

/* Somebody saves between the making of the new one and the commit. */
static void save_meanwhile(struct plane_rig *r)
{
        struct store_change change = {.way = STORE_SAVE};
        struct cmi_id new_key = plane_rig_key(2);
        struct store_view view;

        if (store_find(plane_store(r->plane), r->now, &new_key, &view) != STORE_STORED) {
                return;
        }
        r->on_token = NULL;
        change.save = (struct store_save){.key = plane_rig_key(1),
                        .expected = r->version,
                        .epoch = r->version.epoch,
                        .holder = r->holder,
                        .content = {cmi_slice_str("meanwhile"), .save_id = {{9}}, .request = 99}};
        g_assert_cmpint(store_merge(plane_store(r->plane), r->now, &change, NULL), ==,
                        STORE_STORED);
}

static void a_rotation_that_comes_too_late_ends_what_it_made(void)
{
        struct cmi_session_request rotate;
        struct plane_entry entry;
        struct cmi_id new_key = plane_rig_key(2);

        BEGIN;
        g_assert_cmpint(CREATE(1, "one"), ==, 0);
        rotate = plane_rig_rotate(&rig, 1, 2, "two");
        rotate.grace_ms = 1000;
        rig.on_token = save_meanwhile;
        g_assert_cmpint(ASK(rotate), ==, CMI_CONFLICT);
        g_assert_null(rig.on_token);
        g_assert_true(plane_rig_has(&rig, "meanwhile"));
        g_assert_cmpint(plane_find(rig.plane, rig.now, &new_key, &entry), ==, 0);
        g_assert_cmpuint(entry.reason, ==, CMI_TOMBSTONE_DESTROY);
        g_assert_cmpint(GET(2), ==, CMI_GONE);
        g_assert_cmpint(GET(1), ==, 0);
        g_assert_cmpuint(rig.answer.flags, ==, 0);
        g_assert_cmpint(ASK(rotate), ==, CMI_CONFLICT);
        END;
}

static void a_rotation_finds_a_later_epoch_in_the_way(void)
{
        struct store_change change = {.way = STORE_FENCE};

        BEGIN;
        g_assert_cmpint(CREATE(1, "one"), ==, 0);
        change.fence = (struct store_fence){plane_rig_key(1), {4, {{9}}, 1}, 0};
        g_assert_cmpint(store_merge(plane_store(rig.plane), rig.now, &change, NULL), ==,
                        STORE_STORED);
        g_assert_cmpint(ROTATE(1, 2, "two"), ==, 0);
        g_assert_cmpint(GET(1), ==, CMI_GONE);
        END;
}

/* Grace */

static void what_was_rotated_is_readable_for_its_grace(void)
{
        struct cmi_session_request save;

        BEGIN;
        g_assert_cmpint(CREATE(1, "old"), ==, 0);
        save = plane_rig_save(&rig, 1, "late");
        g_assert_cmpint(rotate_with_grace(1, 2, "new", 2000), ==, 0);
        g_assert_cmpint(GET(1), ==, 0);
        g_assert_true(plane_rig_has(&rig, "old"));
        g_assert_cmpuint(rig.answer.flags, ==, CMI_SESSION_READ_ONLY);
        g_assert_cmpuint(rig.answer.token, ==, 0);
        g_assert_cmpint(cmi_session_version_compare(&rig.answer.version, &save.expected), ==, 0);
        g_assert_cmpint(ASK(save), ==, CMI_E_READ_ONLY);
        g_assert_true(cmi_session_version_is_none(&rig.answer.version));
        g_assert_cmpint(ROTATE(1, 3, "new"), ==, CMI_E_READ_ONLY);
        save = plane_rig_get(1);
        save.space = plane_rig_space(2);
        g_assert_cmpint(ASK(save), ==, CMI_GONE);
        g_assert_cmpuint(plane_timeout_ns(rig.plane), ==, rig.now.mono_ns + cmi_ms(2000));
        rig.now.mono_ns += cmi_ms(1999);
        g_assert_cmpint(GET(1), ==, 0);
        rig.now.mono_ns += cmi_ms(1);
        g_assert_cmpint(GET(1), ==, CMI_GONE);
        plane_rig_pass(&rig, 0);
        g_assert_cmpuint(plane_timeout_ns(rig.plane), >, rig.now.mono_ns + cmi_ms(2000));
        END;
}

static void a_grace_is_a_minute_at_most(void)
{
        BEGIN;
        g_assert_cmpint(CREATE(1, "old"), ==, 0);
        g_assert_cmpint(rotate_with_grace(1, 2, "new", CMI_SESSION_LIFE_MAX_MS), ==, 0);
        plane_rig_pass(&rig, PLANE_GRACE_MS_MAX - 1);
        g_assert_cmpint(GET(1), ==, 0);
        plane_rig_pass(&rig, 1);
        g_assert_cmpint(GET(1), ==, CMI_GONE);
        END;
}

static void a_grace_is_never_longer_than_the_session_was_to_live(void)
{
        struct cmi_session_request create;

        BEGIN;
        create = plane_rig_create(&rig, 1, "old");
        create.max_end_ms = plane_rig_now_ms(&rig) + 1000;
        g_assert_cmpint(ASK(create), ==, 0);
        g_assert_cmpint(rotate_with_grace(1, 2, "new", 5000), ==, 0);
        rig.now.real_ns += cmi_ms(1000);
        g_assert_cmpint(GET(1), ==, CMI_GONE);
        END;
}

static void a_logout_ends_the_grace_of_every_earlier_id(void)
{
        BEGIN;
        g_assert_cmpint(CREATE(1, "one"), ==, 0);
        g_assert_cmpint(rotate_with_grace(1, 2, "two", 5000), ==, 0);
        g_assert_cmpint(rotate_with_grace(2, 3, "three", 5000), ==, 0);
        g_assert_cmpint(GET(1), ==, 0);
        g_assert_cmpint(GET(2), ==, 0);
        g_assert_true(plane_rig_has(&rig, "two"));
        g_assert_cmpint(DESTROY(3), ==, 0);
        g_assert_cmpint(GET(1), ==, CMI_GONE);
        g_assert_cmpint(GET(2), ==, CMI_GONE);
        END;
}

static void a_session_that_ends_takes_its_grace_along(void)
{
        struct cmi_session_request rotate;

        BEGIN;
        g_assert_cmpint(CREATE(1, "one"), ==, 0);
        rotate = plane_rig_rotate(&rig, 1, 2, "two");
        rotate.grace_ms = 60000;
        rotate.max_end_ms = plane_rig_now_ms(&rig) + 1000;
        g_assert_cmpint(ASK(rotate), ==, 0);
        plane_rig_pass(&rig, 1000);
        g_assert_cmpint(GET(1), ==, CMI_GONE);
        g_assert_cmpint(CREATE(3, "one"), ==, 0);
        rotate = plane_rig_rotate(&rig, 3, 4, "two");
        rotate.grace_ms = 60000;
        rotate.idle_ttl_ms = 1000;
        g_assert_cmpint(ASK(rotate), ==, 0);
        plane_rig_pass(&rig, 1050);
        g_assert_cmpint(GET(3), ==, CMI_GONE);
        END;
}

static void the_oldest_grace_goes_first(void)
{
        struct plane_status status;

        BEGIN;
        for (uint32_t i = 0; i <= PLANE_GRACES_MAX; i++) {
                g_assert_cmpint(CREATE(2 * i, "old"), ==, 0);
                g_assert_cmpint(rotate_with_grace(2 * i, 2 * i + 1, "new", 60000), ==, 0);
        }
        plane_status(rig.plane, rig.now, &status);
        g_assert_cmpuint(status.n_graces, ==, PLANE_GRACES_MAX);
        g_assert_cmpint(GET(0), ==, CMI_GONE);
        g_assert_cmpint(GET(2), ==, 0);
        g_assert_cmpint(GET(2 * PLANE_GRACES_MAX), ==, 0);
        END;
}

static void what_is_kept_in_grace_has_a_budget(void)
{
        static char large[CMI_SESSION_BLOB_MAX];
        struct plane_status status;

        BEGIN;
        memset(large, 'x', sizeof(large) - 1);
        for (uint32_t i = 0; i < 20; i++) {
                g_assert_cmpint(CREATE(2 * i, large), ==, 0);
                g_assert_cmpint(rotate_with_grace(2 * i, 2 * i + 1, "new", 60000), ==, 0);
        }
        plane_status(rig.plane, rig.now, &status);
        g_assert_cmpuint(status.n_graces, ==, 15);
        g_assert_cmpint(GET(38), ==, 0);
        g_assert_cmpint(GET(8), ==, CMI_GONE);
        END;
}

/* Everywhere */

static void a_logout_everywhere_ends_what_is_there_and_nothing_later(void)
{
        struct cmi_session_request end;

        BEGIN;
        g_assert_cmpint(create_of(1, 4), ==, 0);
        g_assert_cmpint(create_of(2, 5), ==, 0);
        g_assert_cmpint(create_of(3, 4), ==, 0);
        end = plane_rig_principal(&rig, 4);
        g_assert_cmpint(ASK(end), ==, 0);
        g_assert_cmpint(act(0)->kind, ==, PLANE_ACT_ANSWER);
        g_assert_cmpint(act(1)->kind, ==, PLANE_ACT_STAMP);
        g_assert_true(cmi_id_is_zero(&act(1)->key));
        g_assert_cmpuint(rig.answer.n_copies, ==, 1);
        g_assert_cmpint(create_of(6, 4), ==, 0);
        g_assert_cmpint(ASK(end), ==, 0); /* repeated */
        g_assert_cmpint(GET(1), ==, CMI_GONE);
        g_assert_cmpint(GET(2), ==, 0);
        plane_rig_pass(&rig, 10);
        g_assert_cmpint(GET(3), ==, CMI_GONE);
        g_assert_cmpint(GET(6), ==, 0);
        g_assert_cmpint(ASK(plane_rig_principal(&rig, 4)), ==, 0);
        g_assert_cmpint(GET(6), ==, CMI_GONE);
        END;
}

static void a_logout_everywhere_ends_grace_too(void)
{
        struct cmi_session_request rotate;

        BEGIN;
        g_assert_cmpint(create_of(1, 4), ==, 0);
        g_assert_cmpint(rotate_with_grace(1, 2, "two", 5000), ==, 0);
        g_assert_cmpint(ASK(plane_rig_principal(&rig, 4)), ==, 0);
        g_assert_cmpint(GET(1), ==, CMI_GONE);
        /* Also what it had before it was anybody's. */
        g_assert_cmpint(CREATE(3, "anonymous"), ==, 0);
        rotate = plane_rig_rotate(&rig, 3, 4, "logged in");
        rotate.principal = (struct cmi_id){{4}};
        rotate.grace_ms = 5000;
        g_assert_cmpint(ASK(rotate), ==, 0);
        g_assert_cmpint(GET(3), ==, 0);
        g_assert_cmpint(ASK(plane_rig_principal(&rig, 4)), ==, 0);
        g_assert_cmpint(GET(3), ==, CMI_GONE);
        END;
}

/* Whoever makes principals up takes no room, and nobody's copies. */
static void a_logout_everywhere_of_nobody_changes_nothing(void)
{
        struct plane_status status;

        BEGIN;
        g_assert_cmpint(create_of(1, 4), ==, 0);
        g_assert_cmpint(ASK(plane_rig_principal(&rig, 5)), ==, 0);
        g_assert_cmpuint(rig.n_stamps, ==, 0);
        plane_status(rig.plane, rig.now, &status);
        g_assert_cmpuint(status.store.n_principals, ==, 1);
        g_assert_cmpint(create_of(2, 5), ==, 0);
        g_assert_cmpint(GET(1), ==, 0);
        g_assert_cmpint(GET(2), ==, 0);
        g_assert_cmpint(ASK(plane_rig_principal(&rig, 5)), ==, 0);
        g_assert_cmpint(GET(2), ==, CMI_GONE);
        END;
}

static void a_logout_everywhere_without_room_says_so(void)
{
        uint32_t key = 1;

        plane_rig_init(&rig);
        rig.options.store.key_bytes = STORE_MEMORY_MIN;
        g_assert_cmpint(plane_rig_start(&rig), ==, 0);
        g_assert_cmpint(create_of(0, 4), ==, 0);
        while (CREATE(key, "one") == 0) {
                key++;
        }
        g_assert_cmpint(rig.answer.outcome, ==, CMI_E_FULL);
        g_assert_cmpint(ASK(plane_rig_principal(&rig, 4)), ==, CMI_E_FULL);
        g_assert_cmpint(act(0)->kind, ==, PLANE_ACT_ANSWER);
        g_assert_cmpint(act(1)->kind, ==, PLANE_ACT_ANSWER); /* nothing was stamped */
        END;
}

/* By themselves */

static void an_idle_session_ends_after_its_ttl_and_is_stamped(void)
{
        struct cmi_session_request create;
        struct plane_status status;
        struct plane_entry entry;

        BEGIN;
        create = plane_rig_create(&rig, 1, "one");
        create.idle_ttl_ms = 600000;
        g_assert_cmpint(ASK(create), ==, 0);
        plane_rig_pass(&rig, 629999);
        g_assert_cmpuint(rig.n_stamps, ==, 0);
        plane_rig_pass(&rig, 1);
        expect_act_stamp(0, 1);
        g_assert_cmpint(plane_find(rig.plane, rig.now, &create.key, &entry), ==, 0);
        g_assert_cmpuint(entry.reason, ==, CMI_TOMBSTONE_IDLE);
        g_assert_cmpint(GET(1), ==, CMI_GONE);
        g_assert_cmpint(ASK(create), ==, CMI_GONE);
        plane_status(rig.plane, rig.now, &status);
        g_assert_cmpuint(status.counters.n_idle, ==, 1);
        g_assert_cmpuint(status.counters.n_ended, ==, 0);
        END;
}

static void nothing_is_idle_while_this_node_does_not_serve(void)
{
        struct cmi_session_request create, touch;

        BEGIN;
        create = plane_rig_create(&rig, 1, "one");
        create.idle_ttl_ms = 10000;
        g_assert_cmpint(ASK(create), ==, 0);
        rig.is_live = false;
        touch = plane_rig_touch(&rig, 1);
        touch.timeout_ms = 60000;
        plane_rig_pass(&rig, 9000);
        g_assert_cmpint(plane_rig_send(&rig, &touch), ==, 0);
        plane_rig_pass(&rig, 5000);
        rig.is_live = true;
        plane_rig_pass(&rig, 0);
        g_assert_cmpint(rig.answer.outcome, ==, 0);
        plane_rig_pass(&rig, 4000); /* 9 s since the use, not since it was told */
        g_assert_cmpint(plane_find(rig.plane, rig.now, &create.key,
                                        &(struct plane_entry){.key = {{0}}}),
                        ==, 0);
        g_assert_cmpuint(rig.n_stamps, ==, 0);
        plane_rig_pass(&rig, 2500);
        g_assert_cmpuint(rig.n_stamps, ==, 1);
        END;
}

static void a_session_ends_at_its_end_and_is_stamped(void)
{
        struct plane_status status;

        BEGIN;
        g_assert_cmpint(CREATE(1, "one"), ==, 0);
        plane_rig_pass(&rig, PLANE_RIG_HOUR_MS - 1);
        g_assert_cmpint(GET(1), ==, 0);
        plane_rig_pass(&rig, 1);
        expect_act_stamp(0, 1);
        g_assert_cmpint(GET(1), ==, CMI_GONE);
        plane_status(rig.plane, rig.now, &status);
        g_assert_cmpuint(status.counters.n_ended, ==, 1);
        END;
}

/* Looked at by a request before any tick. */
static void an_end_that_a_request_finds_is_stamped_before_it_is_told(void)
{
        BEGIN;
        g_assert_cmpint(CREATE(1, "one"), ==, 0);
        rig.now.mono_ns += cmi_ms(PLANE_RIG_HOUR_MS);
        rig.now.real_ns += cmi_ms(PLANE_RIG_HOUR_MS);
        g_assert_cmpint(GET(1), ==, CMI_GONE);
        expect_act_stamp(1, 1);
        END;
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define ADD(name) g_test_add_func("/plane_ending/" #name, name)
        ADD(a_rotated_session_is_under_its_new_key_only);
        ADD(a_rotation_may_change_all_but_the_space);
        ADD(a_rotation_without_a_principal_keeps_the_old_one);
        ADD(of_two_rotations_one_wins);
        ADD(a_repeated_rotation_is_told_of_what_it_made);
        ADD(a_rotation_over_another_version_or_holder_changes_nothing);
        ADD(a_new_key_that_is_in_use_or_was_is_refused);
        ADD(a_rotation_that_comes_too_late_ends_what_it_made);
        ADD(a_rotation_finds_a_later_epoch_in_the_way);
        ADD(what_was_rotated_is_readable_for_its_grace);
        ADD(a_grace_is_a_minute_at_most);
        ADD(a_grace_is_never_longer_than_the_session_was_to_live);
        ADD(a_logout_ends_the_grace_of_every_earlier_id);
        ADD(a_session_that_ends_takes_its_grace_along);
        ADD(the_oldest_grace_goes_first);
        ADD(what_is_kept_in_grace_has_a_budget);
        ADD(a_logout_everywhere_ends_what_is_there_and_nothing_later);
        ADD(a_logout_everywhere_ends_grace_too);
        ADD(a_logout_everywhere_of_nobody_changes_nothing);
        ADD(a_logout_everywhere_without_room_says_so);
        ADD(an_idle_session_ends_after_its_ttl_and_is_stamped);
        ADD(nothing_is_idle_while_this_node_does_not_serve);
        ADD(a_session_ends_at_its_end_and_is_stamped);
        ADD(an_end_that_a_request_finds_is_stamped_before_it_is_told);
        return g_test_run();
}
