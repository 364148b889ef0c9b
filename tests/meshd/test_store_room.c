/* SPDX-License-Identifier: MIT */
/* The session store: limits, and memory that is not there. */
#include "tests/meshd/store_rig.h"

#include <errno.h>
#include <glib.h>

static struct store_rig rig;

#define BEGIN rig_open(&rig)
#define END rig_close(&rig)

static struct cmi_session session_of(uint32_t key, uint8_t principal)
{
        struct cmi_session session = rig_session(key, 1, 1);

        rig_belong(&session, principal);
        return session;
}

/* Limits */

static void a_full_store_refuses_new_sessions_and_keeps_the_old(void)
{
        struct store_options options;
        struct cmi_session s;
        uint32_t n = 0;
        int r;

        rig = (struct store_rig){0};
        options = rig_options(&rig);
        options.record_bytes = STORE_MEMORY_MIN;
        g_assert_cmpint(rig_open_with(&rig, &options), ==, 0);
        do {
                s = rig_session(n++, 1, 1);
                s.blob_len = 1000;
                r = rig_create(&rig, &s);
        } while (r == STORE_STORED);
        g_assert_cmpint(r, ==, STORE_FULL_RECORDS);
        g_assert_cmpuint(n, >, 30);
        g_assert_cmpint(rig_state(&rig, n - 1), ==, STORE_ABSENT);
        for (uint32_t i = 0; i < n - 1; i++) {
                g_assert_cmpint(rig_state(&rig, i), ==, STORE_STORED);
        }
        g_assert_cmpuint(store_status(rig.store, rig.now).record_bytes, <=, STORE_MEMORY_MIN);
        g_assert_cmpuint(store_status(rig.store, rig.now).n_refused, ==, 1);
        /* What is there may change, and be ended, and then there is room. */
        s = rig_session(0, 1, 1);
        s.blob_len = 1000;
        g_assert_cmpint(rig_save(&rig, &s, rig_version(1, 1, 1)), ==, STORE_STORED);
        s = rig_session(0, 1, 1);
        s.blob_len = 50000;
        g_assert_cmpint(rig_save(&rig, &s, rig_version(1, 1, 2)), ==, STORE_FULL_RECORDS);
        g_assert_cmpint(rig_end(&rig, &s, CMI_TOMBSTONE_DESTROY), ==, STORE_STORED);
        s = rig_session(n, 1, 1);
        g_assert_cmpint(rig_create(&rig, &s), ==, STORE_STORED);
        END;
}

static struct store_options small_keys(void)
{
        struct store_options options = rig_options(&rig);

        options.key_bytes = STORE_MEMORY_MIN;
        return options;
}

static void a_session_always_has_room_for_its_own_tombstone(void)
{
        struct store_options options;
        struct cmi_session s;
        uint32_t n = 0;
        int r;

        rig = (struct store_rig){0};
        options = small_keys();
        g_assert_cmpint(rig_open_with(&rig, &options), ==, 0);
        do {
                s = rig_session(n++, 1, 1);
                r = rig_create(&rig, &s);
        } while (r == STORE_STORED);
        g_assert_cmpint(r, ==, STORE_FULL_KEYS);
        s = rig_session(n, 1, 1); /* there is a reserve for what others destroy */
        g_assert_cmpint(rig_end(&rig, &s, CMI_TOMBSTONE_DESTROY), ==, STORE_STORED);
        rig.memory.fail_at = rig.memory.n_allocs + 1;
        rig.memory.fail_on = true;
        for (uint32_t i = 0; i < n - 1; i++) {
                s = rig_session(i, 1, 1);
                g_assert_cmpint(rig_end(&rig, &s, CMI_TOMBSTONE_DESTROY), ==, STORE_STORED);
        }
        g_assert_false(store_status(rig.store, rig.now).is_blocked);
        END;
}

static void a_tombstone_without_room_keeps_unknown_keys_out_until_it_is_over(void)
{
        struct store_options options;
        struct cmi_session first = rig_session(0, 1, 1);
        struct cmi_session lost, known;
        uint32_t n = 1;
        int r;

        rig = (struct store_rig){0};
        options = small_keys();
        g_assert_cmpint(rig_open_with(&rig, &options), ==, 0);
        first.idle_ttl_ms = 0;
        g_assert_cmpint(rig_create(&rig, &first), ==, STORE_STORED);
        do {
                lost = rig_session(n++, 1, 1);
                lost.max_end_ms = RIG_START_MS + RIG_HOUR_MS;
                r = rig_end(&rig, &lost, CMI_TOMBSTONE_DESTROY);
        } while (r == STORE_STORED);
        g_assert_cmpint(r, ==, STORE_FULL_KEYS);
        g_assert_true(store_status(rig.store, rig.now).is_blocked);
        lost.max_end_ms += 14 * RIG_MINUTE_MS; /* the margin is for such as this */
        rig_pass(&rig, RIG_HOUR_MS);
        g_assert_cmpint(rig_copy(&rig, &lost), ==, STORE_FULL_BLOCKED);
        g_assert_cmpint(rig_create(&rig, &lost), ==, STORE_FULL_BLOCKED);
        known = rig_session(0, 1, 2); /* what is known here goes on */
        g_assert_cmpint(rig_save(&rig, &known, first.version), ==, STORE_STORED);
        rig_pass(&rig, CMI_SESSION_MARGIN_MS);
        rig_expire(&rig, STORE_FORGOTTEN);
        g_assert_false(store_status(rig.store, rig.now).is_blocked);
        g_assert_cmpint(rig_copy(&rig, &lost), ==, STORE_EXPIRED);
        known = rig_session(n, 1, 1);
        g_assert_cmpint(rig_create(&rig, &known), ==, STORE_STORED);
        END;
}

static uint32_t fill_with(int (*put)(struct store_rig *rig, const struct cmi_session *session),
                uint32_t first)
{
        uint32_t n = first;
        struct cmi_session s;

        do {
                s = rig_session(n++, 1, 1);
        } while (put(&rig, &s) == STORE_STORED);
        return n - 1;
}

static int end_one(struct store_rig *unused, const struct cmi_session *session)
{
        (void)unused;
        return rig_end(&rig, session, CMI_TOMBSTONE_DESTROY);
}

static void records_leave_room_for_copies_and_copies_for_tombstones(void)
{
        struct store_options options;
        struct cmi_session s;
        uint32_t n[3];

        rig = (struct store_rig){0};
        options = small_keys();
        g_assert_cmpint(rig_open_with(&rig, &options), ==, 0);
        n[0] = fill_with(rig_create, 0);
        g_assert_cmpint(store_admit(rig.store, rig.now, 1, &(struct cmi_id){{0}}, 0), ==,
                        STORE_FULL_KEYS);
        n[1] = fill_with(rig_copy, n[0]);
        n[2] = fill_with(end_one, n[1]);
        g_assert_cmpuint(n[1], >, n[0] + 5);
        g_assert_cmpuint(n[2], >, n[1] + 5);
        g_assert_true(store_status(rig.store, rig.now).is_blocked);
        /* Some have found out that nothing else has died, and there is room for it. */
        store_unblock(rig.store);
        g_assert_false(store_status(rig.store, rig.now).is_blocked);
        s = rig_session(0, 1, 1);
        rig_end(&rig, &s, CMI_TOMBSTONE_DESTROY);
        END;
}

static void raising_a_count_needs_room_before_anybody_is_told(void)
{
        const struct cmi_id node = {{4}};
        struct cmi_session s = session_of(0, 9);
        struct store_options options;
        struct cmi_principal counts;

        rig = (struct store_rig){0};
        options = small_keys();
        g_assert_cmpint(rig_open_with(&rig, &options), ==, 0);
        rig_create(&rig, &s);
        fill_with(rig_create, 1);
        g_assert_cmpint(store_principal_raise(
                                        rig.store, rig.now, &s.principal, &node, false, &counts),
                        ==, STORE_FULL_KEYS);
        g_assert_false(store_status(rig.store, rig.now).is_blocked);
        g_assert_cmpint(rig_count(&rig, rig_counts(9, 4, 1)), ==, STORE_STORED);
        END;
}

static void the_older_version_is_not_served_when_the_newer_finds_no_room(void)
{
        struct cmi_session older = rig_session(0, 1, 1);
        struct cmi_session newer = rig_session(0, 1, 2);
        struct store_options options;
        struct cmi_session s;

        rig = (struct store_rig){0};
        options = rig_options(&rig);
        options.record_bytes = STORE_MEMORY_MIN;
        g_assert_cmpint(rig_open_with(&rig, &options), ==, 0);
        rig_copy(&rig, &older);
        fill_with(rig_copy, 1);
        newer.blob_len = 5000;
        g_assert_cmpint(rig_copy(&rig, &newer), ==, STORE_FULL_RECORDS);
        g_assert_cmpint(rig_state(&rig, 0), ==, STORE_BEHIND);
        g_assert_cmpint(rig_save(&rig, &older, older.version), ==, STORE_BEHIND);
        g_assert_cmpint(rig_hold(&rig, 0, 1, 2, older.version.epoch), ==, STORE_BEHIND);
        g_assert_cmpint(rig_stop(&rig, &older, CMI_TOMBSTONE_IDLE), ==, STORE_BEHIND);
        for (uint32_t i = 1; i < 20; i++) {
                s = rig_session(i, 1, 1);
                rig_end(&rig, &s, CMI_TOMBSTONE_DESTROY);
        }
        g_assert_cmpint(rig_copy(&rig, &newer), ==, STORE_STORED);
        g_assert_cmpint(rig_state(&rig, 0), ==, STORE_STORED);
        END;
}

static void limits_of_principals_and_namespaces_are_for_who_decides(void)
{
        struct store_options options;
        struct cmi_session s[4];

        rig = (struct store_rig){0};
        options = rig_options(&rig);
        options.principal_sessions = 2;
        options.space_sessions = 3;
        options.space_bytes = 3000;
        g_assert_cmpint(rig_open_with(&rig, &options), ==, 0);
        for (uint32_t i = 0; i < 4; i++) {
                s[i] = session_of(i, i < 3 ? 9 : 8);
        }
        g_assert_cmpint(rig_create(&rig, &s[0]), ==, STORE_STORED);
        g_assert_cmpint(rig_create(&rig, &s[1]), ==, STORE_STORED);
        g_assert_cmpint(store_admit(rig.store, rig.now, 1, &s[2].principal, 100), ==,
                        STORE_FULL_PRINCIPAL);
        g_assert_cmpint(store_admit(rig.store, rig.now, 1, &s[3].principal, 100), ==, 0);
        g_assert_cmpint(rig_create(&rig, &s[2]), ==, STORE_FULL_PRINCIPAL);
        g_assert_cmpint(rig_copy(&rig, &s[2]), ==, STORE_STORED); /* its primary has taken it */
        g_assert_cmpint(rig_create(&rig, &s[3]), ==, STORE_FULL_SPACE);
        s[3].space = 2;
        g_assert_cmpint(rig_create(&rig, &s[3]), ==, STORE_STORED);
        rig_end(&rig, &s[0], CMI_TOMBSTONE_DESTROY);
        rig_end(&rig, &s[1], CMI_TOMBSTONE_DESTROY);
        s[0] = rig_session(5, 1, 1);
        s[0].blob_len = 3000;
        g_assert_cmpint(rig_create(&rig, &s[0]), ==, STORE_FULL_SPACE);
        s[0].blob_len = 1000;
        g_assert_cmpint(rig_create(&rig, &s[0]), ==, STORE_STORED);
        s[1] = rig_session(5, 1, 2);
        s[1].blob_len = 2900;
        g_assert_cmpint(rig_save(&rig, &s[1], s[0].version), ==, STORE_FULL_SPACE);
        s[1].blob_len = 1100;
        g_assert_cmpint(rig_save(&rig, &s[1], s[0].version), ==, STORE_STORED);
        END;
}

/* Return: what a new session is refused for at last; of @n it says how many there were. */
static int wear_out(uint64_t user, uint32_t *n)
{
        struct cmi_session s;
        int r;

        do {
                s = rig_session((*n)++, 1, 1);
                s.space = user << 32;
                r = rig_create(&rig, &s);
        } while (r == STORE_STORED && rig_end(&rig, &s, CMI_TOMBSTONE_DESTROY) == STORE_STORED);
        return r;
}

static void open_shared(uint64_t share)
{
        struct store_options options;

        rig = (struct store_rig){0};
        options = rig_options(&rig);
        options.user_key_bytes = share;
        g_assert_cmpint(rig_open_with(&rig, &options), ==, 0);
}

static void who_ends_sessions_leaves_keys_to_other_users(void)
{
        const struct cmi_id nobody = {{0}};
        struct cmi_session s;
        uint32_t n = 0;

        open_shared(STORE_MEMORY_MIN / 2);
        g_assert_cmpint(wear_out(33, &n), ==, STORE_FULL_USER_KEYS);
        g_assert_cmpuint(store_status(rig.store, rig.now).key_bytes, <=, STORE_MEMORY_MIN / 2);
        g_assert_cmpuint(store_status(rig.store, rig.now).key_bytes, >, STORE_MEMORY_MIN / 2 - 500);
        g_assert_cmpint(store_admit(rig.store, rig.now, UINT64_C(33) << 32, &nobody, 0), ==,
                        STORE_FULL_USER_KEYS);
        g_assert_cmpint(store_admit(rig.store, rig.now, UINT64_C(34) << 32, &nobody, 0), ==, 0);
        s = rig_session(n, 1, 1);
        s.space = UINT64_C(33) << 32;
        g_assert_cmpint(rig_copy(&rig, &s), ==, STORE_STORED); /* its primary has taken it */
        n++;
        g_assert_cmpint(wear_out(34, &n), ==, STORE_FULL_USER_KEYS);
        rig_pass(&rig, 12 * RIG_HOUR_MS + CMI_SESSION_MARGIN_MS);
        rig_expire(&rig, STORE_FORGOTTEN);
        s = rig_session(n, 1, 1);
        s.space = UINT64_C(33) << 32;
        s.max_end_ms += 13 * RIG_HOUR_MS;
        g_assert_cmpint(rig_create(&rig, &s), ==, STORE_STORED);
        END;
}

/* They are kept for a week, when their sessions are long forgotten. */
static void principals_are_counted_for_the_user_who_had_their_sessions(void)
{
        const struct cmi_id node = {{4}};
        struct cmi_principal counts;
        struct cmi_session s;
        uint32_t n = 0;
        int r;

        open_shared(STORE_MEMORY_MIN / 2);
        do {
                s = rig_session(n++, 1, 1);
                s.space = UINT64_C(33) << 32;
                s.created_ms = s.last_touch_ms = rig_now_ms(&rig);
                s.max_end_ms = rig_now_ms(&rig) + 1000;
                s.principal = s.key;
                r = rig_create(&rig, &s);
                store_principal_raise(rig.store, rig.now, &s.principal, &node, true, &counts);
                rig_pass(&rig, 1000 + CMI_SESSION_MARGIN_MS);
                rig_expire(&rig, STORE_FORGOTTEN);
        } while (r == STORE_STORED && n < 500);
        g_assert_cmpint(r, ==, STORE_FULL_USER_KEYS);
        g_assert_cmpuint(store_status(rig.store, rig.now).n_keys, <=, 1);
        g_assert_cmpuint(store_status(rig.store, rig.now).n_principals, >, 100);
        s.space = UINT64_C(34) << 32;
        s.max_end_ms = rig_now_ms(&rig) + 1000;
        g_assert_cmpint(rig_create(&rig, &s), ==, STORE_STORED);
        END;
}

static void users_for_whom_there_is_no_place_share_one(void)
{
        struct cmi_session s;
        uint32_t n = 0;

        open_shared(4000);
        for (uint32_t user = 1; user < STORE_USERS_MAX; user++) {
                s = rig_session(n++, 1, 1);
                s.space = (uint64_t)user << 32;
                g_assert_cmpint(rig_create(&rig, &s), ==, STORE_STORED);
                rig_end(&rig, &s, CMI_TOMBSTONE_DESTROY);
        }
        g_assert_cmpint(wear_out(1000, &n), ==, STORE_FULL_USER_KEYS);
        g_assert_cmpint(wear_out(1001, &n), ==, STORE_FULL_USER_KEYS);
        s = rig_session(n++, 1, 1);
        s.space = UINT64_C(1) << 32;
        g_assert_cmpint(rig_create(&rig, &s), ==, STORE_STORED);
        END;
}

static void so_many_namespaces_have_sessions_and_no_more(void)
{
        struct cmi_session s;

        BEGIN;
        for (uint32_t i = 0; i < STORE_SPACES_MAX; i++) {
                s = rig_session(i, 1, 1);
                s.space = 1000 + i;
                g_assert_cmpint(rig_copy(&rig, &s), ==, STORE_STORED);
        }
        s = rig_session(99, 1, 1);
        g_assert_cmpint(rig_copy(&rig, &s), ==, STORE_FULL_SPACE);
        s = rig_session(0, 1, 1);
        rig_end(&rig, &s, CMI_TOMBSTONE_DESTROY);
        s = rig_session(99, 1, 1);
        g_assert_cmpint(rig_copy(&rig, &s), ==, STORE_STORED);
        END;
}

static void the_largest_record_is_taken_whole(void)
{
        struct cmi_session s = rig_session(1, 1, 1);
        struct store_view view = {0};

        BEGIN;
        s.blob_len = CMI_SESSION_BLOB_MAX;
        g_assert_cmpint(rig_copy(&rig, &s), ==, STORE_STORED);
        g_assert_cmpint(rig_find(&rig, 1, &view), ==, STORE_STORED);
        g_assert_cmpuint(view.blob.len, ==, CMI_SESSION_BLOB_MAX);
        s.blob_len++;
        g_assert_cmpint(cmi_session_check(&s), ==, -EMSGSIZE);
        END;
}

static void budgets_that_cannot_work_are_refused(void)
{
        struct store_options options;

        rig = (struct store_rig){0};
        options = rig_options(&rig);
        options.record_bytes = STORE_MEMORY_MIN - 1;
        g_assert_cmpint(rig_open_with(&rig, &options), ==, -EINVAL);
        options = rig_options(&rig);
        options.key_bytes = STORE_MEMORY_MIN - 1;
        g_assert_cmpint(rig_open_with(&rig, &options), ==, -EINVAL);
        g_assert_cmpuint(rig.memory.n_allocs, ==, 0);
}

/* Memory that is not there */

/* A day of all kinds of changes; @n_tried: how often each key was given. */
static void play_changes(void)
{
        for (uint32_t i = 0; i < 12; i++) {
                struct cmi_session s = session_of(i, (uint8_t)(1 + i % 3));
                struct cmi_session next = session_of(i, (uint8_t)(1 + i % 3));

                next.blob_len = 300;
                rig_copy(&rig, &s);
                rig_save(&rig, &next, s.version);
                rig_touch(&rig, i, RIG_START_MS, s.holder);
                rig_fence(&rig, i, rig_version(2, 1, 1).epoch);
        }
        rig_count(&rig, rig_counts(1, 4, 1));
        rig_count(&rig, rig_counts(1, 5, 1));
        for (uint32_t i = 6; i < 18; i++) {
                struct cmi_session s = rig_session(i, 1, 1);

                rig_end(&rig, &s, i % 2 == 0 ? CMI_TOMBSTONE_DESTROY : CMI_TOMBSTONE_IDLE);
        }
}

/* After it, dead is dead, and what lives is whole. */
static void check_changes(void)
{
        for (uint32_t i = 0; i < 18; i++) {
                bool is_dead = i % 3 == 0 || (i >= 6 && i % 2 == 0);
                struct cmi_session s = session_of(i, (uint8_t)(1 + i % 3));
                struct store_view view = {0};

                rig_copy(&rig, &s);
                if (rig_find(&rig, i, &view) == STORE_STORED) {
                        g_assert_false(is_dead);
                        g_assert_cmpuint(cmi_session_sum(view.blob), ==, view.session.blob_sum);
                }
        }
}

static void the_nth_allocation_fails_and_nothing_is_lost_or_comes_back(void)
{
        for (int fails_on = 0; fails_on < 2; fails_on++) {
                uint64_t n_all = 1;

                for (uint64_t at = 1; at <= n_all; at++) {
                        struct store_options options;
                        int r;

                        rig = (struct store_rig){
                                        .memory = {.fail_at = at, .fail_on = fails_on != 0}};
                        options = rig_options(&rig);
                        r = rig_open_with(&rig, &options);
                        if (r != 0) {
                                g_assert_cmpint(r, ==, -ENOMEM);
                                g_assert_cmpuint(rig.memory.n_blocks, ==, 0);
                                n_all = at + 1;
                                continue;
                        }
                        play_changes();
                        n_all = rig.memory.n_allocs;
                        rig.memory.fail_at = 0;
                        check_changes();
                        END;
                }
                g_assert_cmpuint(n_all, >, 30);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add_func("/store_room/" #name, name)
        CASE(a_full_store_refuses_new_sessions_and_keeps_the_old);
        CASE(a_session_always_has_room_for_its_own_tombstone);
        CASE(a_tombstone_without_room_keeps_unknown_keys_out_until_it_is_over);
        CASE(records_leave_room_for_copies_and_copies_for_tombstones);
        CASE(raising_a_count_needs_room_before_anybody_is_told);
        CASE(the_older_version_is_not_served_when_the_newer_finds_no_room);
        CASE(limits_of_principals_and_namespaces_are_for_who_decides);
        CASE(who_ends_sessions_leaves_keys_to_other_users);
        CASE(principals_are_counted_for_the_user_who_had_their_sessions);
        CASE(users_for_whom_there_is_no_place_share_one);
        CASE(so_many_namespaces_have_sessions_and_no_more);
        CASE(the_largest_record_is_taken_whole);
        CASE(budgets_that_cannot_work_are_refused);
        CASE(the_nth_allocation_fails_and_nothing_is_lost_or_comes_back);
        return g_test_run();
}
