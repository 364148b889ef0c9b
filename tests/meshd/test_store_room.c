/* SPDX-License-Identifier: MIT */
/* The session store: principals, limits, walking, and memory that is not there. */
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

/* Principals */

static void all_sessions_of_a_principal_end_that_do_not_know_of_it(void)
{
        struct cmi_session before = session_of(1, 9);
        struct cmi_session after = session_of(2, 9);
        struct cmi_session other = session_of(3, 8);
        struct store_view view = {0};

        BEGIN;
        rig_carry(&after, 4, 1);
        rig_copy(&rig, &before);
        rig_copy(&rig, &after);
        rig_copy(&rig, &other);
        g_assert_cmpint(rig_count(&rig, rig_counts(9, 4, 1)), ==, STORE_STORED);
        g_assert_cmpint(rig_find(&rig, 1, &view), ==, STORE_DEAD);
        g_assert_cmpuint(view.tombstone.reason, ==, CMI_TOMBSTONE_PRINCIPAL);
        g_assert_cmpint(cmi_tombstone_check(&view.tombstone), ==, 0);
        g_assert_cmpuint(rig.n_gone, ==, 1);
        g_assert_cmpint(rig.gone_why, ==, STORE_GONE_PRINCIPAL);
        g_assert_true(cmi_hash_equal(&rig.gone_key, &before.key));
        g_assert_cmpint(rig_state(&rig, 2), ==, STORE_STORED);
        g_assert_cmpint(rig_state(&rig, 3), ==, STORE_STORED);
        g_assert_cmpint(rig_count(&rig, rig_counts(9, 4, 1)), ==, STORE_SAME);
        END;
}

static void a_session_with_older_counts_is_dead_on_every_way(void)
{
        struct cmi_session s = session_of(1, 9);
        struct cmi_session next = session_of(1, 9);

        BEGIN;
        rig_count(&rig, rig_counts(9, 4, 2));
        rig_carry(&s, 4, 1);
        rig_carry(&s, 5, 100); /* much of one node makes up for nothing of another */
        g_assert_cmpint(rig_create(&rig, &s), ==, STORE_DEAD);
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_ABSENT);
        g_assert_cmpint(rig_copy(&rig, &s), ==, STORE_DEAD);
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_DEAD);
        next.version.seq = 2;
        g_assert_cmpint(rig_save(&rig, &next, s.version), ==, STORE_DEAD);
        g_assert_cmpint(rig_copy(&rig, &next), ==, STORE_DEAD);
        g_assert_cmpint(rig_touch(&rig, 1, RIG_START_MS + 1, 1), ==, STORE_DEAD);
        END;
}

static void a_session_made_earlier_by_its_clock_lives_if_it_knew(void)
{
        struct cmi_session s = session_of(1, 9);

        BEGIN;
        rig_count(&rig, rig_counts(9, 4, 1));
        s.created_ms -= RIG_HOUR_MS;
        rig_carry(&s, 4, 1);
        g_assert_cmpint(rig_create(&rig, &s), ==, STORE_STORED);
        END;
}

static void counts_are_merged_by_maximum_and_known_for_a_create(void)
{
        struct cmi_principal counts;
        struct cmi_hash somebody = {{9}};
        struct cmi_hash nobody = {{99}};

        BEGIN;
        rig_count(&rig, rig_counts(9, 5, 3));
        rig_count(&rig, rig_counts(9, 4, 7));
        g_assert_cmpint(rig_count(&rig, rig_counts(9, 5, 2)), ==, STORE_SAME);
        g_assert_cmpint(store_principal(rig.store, &somebody, &counts), ==, 0);
        g_assert_cmpuint(counts.n_counts, ==, 2);
        g_assert_cmpint(cmi_principal_check(&counts), ==, 0);
        g_assert_cmpuint(counts.counts[0].count, ==, 7);
        g_assert_cmpuint(counts.counts[1].count, ==, 3);
        g_assert_cmpint(store_principal(rig.store, &nobody, &counts), ==, STORE_ABSENT);
        END;
}

static void a_node_that_has_forgotten_does_not_count_from_one_again(void)
{
        const struct cmi_hash hash = {{9}};
        const struct cmi_id node = {{4}};
        struct cmi_principal first, second, third;

        BEGIN;
        g_assert_cmpint(store_principal_next(rig.store, rig.now, &hash, &node, &first), ==, 0);
        g_assert_cmpint(cmi_principal_check(&first), ==, 0);
        rig_count(&rig, first);
        store_principal_next(rig.store, rig.now, &hash, &node, &second);
        g_assert_cmpuint(second.counts[0].count, ==, first.counts[0].count + 1);
        rig_count(&rig, second);
        rig_pass(&rig, first.counts[0].until_ms - RIG_START_MS - 1);
        g_assert_cmpuint(rig_expire(&rig, STORE_FORGOTTEN), ==, 0);
        rig_pass(&rig, 1);
        g_assert_cmpuint(rig_expire(&rig, STORE_FORGOTTEN), ==, 1);
        g_assert_cmpuint(store_status(rig.store, rig.now).n_principals, ==, 0);
        g_assert_cmpint(rig_count(&rig, second), ==, STORE_EXPIRED);
        store_principal_next(rig.store, rig.now, &hash, &node, &third);
        g_assert_cmpuint(third.counts[0].count, >, second.counts[0].count);
        END;
}

static void counts_of_one_node_go_before_those_of_another(void)
{
        struct cmi_principal early = rig_counts(9, 4, 1);
        struct cmi_principal left;

        BEGIN;
        early.counts[0].until_ms = RIG_START_MS + RIG_HOUR_MS;
        rig_count(&rig, early);
        rig_count(&rig, rig_counts(9, 5, 1));
        rig_pass(&rig, RIG_HOUR_MS);
        g_assert_cmpuint(rig_expire(&rig, STORE_FORGOTTEN), ==, 1);
        g_assert_cmpint(store_principal(rig.store, &early.principal, &left), ==, 0);
        g_assert_cmpuint(left.n_counts, ==, 1);
        g_assert_cmpint(left.counts[0].node.bytes[0], ==, 5);
        g_assert_cmpint(rig_count(&rig, rig_counts(9, 3, 1)), ==, STORE_STORED);
        END;
}

static void more_nodes_than_fit_are_refused_and_end_what_is_here_all_the_same(void)
{
        struct cmi_session s = session_of(1, 9);
        struct cmi_session idle = session_of(2, 9);
        struct cmi_session unknown = session_of(3, 9);
        struct cmi_session other = session_of(4, 8);
        struct cmi_principal next;

        BEGIN;
        for (uint8_t node = 1; node <= CMI_SESSION_VECTOR_MAX; node++) {
                g_assert_cmpint(rig_count(&rig, rig_counts(9, node, 1)), ==, STORE_STORED);
                rig_carry(&s, node, 1);
                rig_carry(&idle, node, 1);
                rig_carry(&unknown, node, 1);
        }
        g_assert_cmpint(store_principal_next(rig.store, rig.now, &s.principal,
                                        &(struct cmi_id){{200}}, &next),
                        ==, STORE_FULL_PRINCIPAL);
        g_assert_cmpint(store_principal_next(rig.store, rig.now, &s.principal,
                                        &(struct cmi_id){{20}}, &next),
                        ==, 0);
        g_assert_cmpint(rig_copy(&rig, &s), ==, STORE_STORED);
        rig_end(&rig, &idle, CMI_TOMBSTONE_IDLE);
        idle.last_touch_ms++;
        g_assert_cmpint(rig_count(&rig, rig_counts(9, CMI_SESSION_VECTOR_MAX + 1, 1)), ==,
                        STORE_FULL_PRINCIPAL);
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_DEAD);
        g_assert_cmpint(rig_copy(&rig, &unknown), ==, STORE_FULL_BLOCKED);
        g_assert_cmpint(rig_copy(&rig, &idle), ==, STORE_FULL_BLOCKED);
        g_assert_cmpint(rig_state(&rig, 2), ==, STORE_DEAD);
        g_assert_cmpint(rig_copy(&rig, &other), ==, STORE_STORED); /* others have no part in it */
        rig_pass(&rig, CMI_SESSION_LIFE_MAX_MS + CMI_SESSION_MARGIN_MS);
        rig_expire(&rig, STORE_FORGOTTEN);
        g_assert_cmpuint(store_status(rig.store, rig.now).n_principals, ==, 0);
        END;
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
        s = rig_session(0, 1, 2);
        s.blob_len = 1000;
        g_assert_cmpint(rig_save(&rig, &s, rig_version(1, 1, 1)), ==, STORE_STORED);
        s = rig_session(0, 1, 3);
        s.blob_len = 50000;
        g_assert_cmpint(rig_save(&rig, &s, rig_version(1, 1, 2)), ==, STORE_FULL_RECORDS);
        g_assert_cmpint(rig_end(&rig, &s, CMI_TOMBSTONE_DESTROY), ==, STORE_STORED);
        s = rig_session(n, 1, 1);
        g_assert_cmpint(rig_create(&rig, &s), ==, STORE_STORED);
        END;
}

static struct store_options small_tombstones(void)
{
        struct store_options options = rig_options(&rig);

        options.tombstone_bytes = STORE_MEMORY_MIN;
        return options;
}

static void a_session_always_has_room_for_its_own_tombstone(void)
{
        struct store_options options;
        struct cmi_session s;
        uint32_t n = 0;
        int r;

        rig = (struct store_rig){0};
        options = small_tombstones();
        g_assert_cmpint(rig_open_with(&rig, &options), ==, 0);
        do {
                s = rig_session(n++, 1, 1);
                r = rig_create(&rig, &s);
        } while (r == STORE_STORED);
        g_assert_cmpint(r, ==, STORE_FULL_TOMBSTONES);
        s = rig_session(n, 1, 1); /* there is a reserve for what others destroy */
        g_assert_cmpint(rig_end(&rig, &s, CMI_TOMBSTONE_DESTROY), ==, STORE_STORED);
        rig.fail_at = rig.n_allocs + 1;
        rig.fail_on = true;
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
        options = small_tombstones();
        g_assert_cmpint(rig_open_with(&rig, &options), ==, 0);
        first.idle_ttl_ms = 0;
        g_assert_cmpint(rig_create(&rig, &first), ==, STORE_STORED);
        do {
                lost = rig_session(n++, 1, 1);
                lost.max_end_ms = RIG_START_MS + RIG_HOUR_MS;
                r = rig_end(&rig, &lost, CMI_TOMBSTONE_DESTROY);
        } while (r == STORE_STORED);
        g_assert_cmpint(r, ==, STORE_FULL_TOMBSTONES);
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
        options.tombstone_bytes = STORE_MEMORY_MIN - 1;
        g_assert_cmpint(rig_open_with(&rig, &options), ==, -EINVAL);
        g_assert_cmpuint(rig.n_allocs, ==, 0);
}

/* Memory that is not there */

/* A day of all kinds of changes; @n_tried: how often each key was given. */
static void play_changes(void)
{
        for (uint32_t i = 0; i < 12; i++) {
                struct cmi_session s = session_of(i, (uint8_t)(1 + i % 3));
                struct cmi_session next = session_of(i, (uint8_t)(1 + i % 3));

                next.version.seq = 2;
                next.blob_len = 300;
                rig_copy(&rig, &s);
                rig_save(&rig, &next, s.version);
                rig_touch(&rig, i, RIG_START_MS + 10, 1);
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

                        rig = (struct store_rig){.fail_at = at, .fail_on = fails_on != 0};
                        options = rig_options(&rig);
                        r = rig_open_with(&rig, &options);
                        if (r != 0) {
                                g_assert_cmpint(r, ==, -ENOMEM);
                                g_assert_cmpuint(rig.n_blocks, ==, 0);
                                n_all = at + 1;
                                continue;
                        }
                        play_changes();
                        n_all = rig.n_allocs;
                        rig.fail_at = 0;
                        check_changes();
                        END;
                }
                g_assert_cmpuint(n_all, >, 30);
        }
}

/* Walking */

static void walking_gives_each_key_once_in_order(void)
{
        struct store_cursor cursor = {.is_done = false};
        struct cmi_hash last = {{0}};
        struct store_view view;
        uint32_t n = 0;

        BEGIN;
        memset(&cursor.last, 0xff, sizeof(cursor.last));
        for (uint32_t i = 0; i < 1000; i++) {
                struct cmi_session s = rig_session(i, 1, 1);

                i % 4 == 0 ? rig_end(&rig, &s, CMI_TOMBSTONE_DESTROY) : rig_copy(&rig, &s);
        }
        while (store_next(rig.store, rig.now, STORE_RECORDS, &cursor, &view)) {
                g_assert_true(view.is_record);
                g_assert_cmpint(cmi_hash_compare(&view.session.key, &last), >, 0);
                last = view.session.key;
                n++;
        }
        g_assert_cmpuint(n, ==, 750);
        cursor = (struct store_cursor){.last = cursor.last};
        for (n = 0; store_next(rig.store, rig.now, STORE_TOMBSTONES, &cursor, &view); n++) {
                g_assert_false(view.is_record);
        }
        g_assert_cmpuint(n, ==, 250);
        END;
}

static void walking_goes_on_though_everything_changes(void)
{
        struct store_cursor cursor = {.is_done = false};
        bool is_seen[1000] = {false};
        struct store_view view;
        uint32_t n = 0;

        BEGIN;
        memset(&cursor.last, 0xff, sizeof(cursor.last));
        for (uint32_t i = 0; i < 500; i++) {
                struct cmi_session s = rig_session(i, 1, 1);

                rig_copy(&rig, &s);
        }
        while (store_next(rig.store, rig.now, STORE_BOTH, &cursor, &view)) {
                const struct cmi_hash *key =
                                view.is_record ? &view.session.key : &view.tombstone.key;
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

static void a_range_has_its_first_and_its_last_key(void)
{
        struct cmi_session s = rig_session(5, 1, 1);
        struct cmi_hash below = s.key;
        struct cmi_hash lowest = {{0}};
        struct cmi_hash highest;
        struct store_digest all;

        BEGIN;
        memset(&highest, 0xff, sizeof(highest));
        below.bytes[15]--;
        rig_copy(&rig, &s);
        all = store_digest(rig.store, rig.now, &lowest, &highest);
        g_assert_cmpuint(all.n_records, ==, 1);
        g_assert_cmpuint(store_digest(rig.store, rig.now, &s.key, &s.key).sum, ==, all.sum);
        g_assert_cmpuint(store_digest(rig.store, rig.now, &lowest, &below).n_records, ==, 0);
        s.key = highest; /* there is nothing behind it to go on from */
        rig_copy(&rig, &s);
        g_assert_cmpuint(store_digest(rig.store, rig.now, &highest, &highest).n_records, ==, 1);
        g_assert_cmpuint(store_digest(rig.store, rig.now, &lowest, &highest).n_records, ==, 2);
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

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add_func("/store_room/" #name, name)
        CASE(all_sessions_of_a_principal_end_that_do_not_know_of_it);
        CASE(a_session_with_older_counts_is_dead_on_every_way);
        CASE(a_session_made_earlier_by_its_clock_lives_if_it_knew);
        CASE(counts_are_merged_by_maximum_and_known_for_a_create);
        CASE(a_node_that_has_forgotten_does_not_count_from_one_again);
        CASE(counts_of_one_node_go_before_those_of_another);
        CASE(more_nodes_than_fit_are_refused_and_end_what_is_here_all_the_same);
        CASE(a_full_store_refuses_new_sessions_and_keeps_the_old);
        CASE(a_session_always_has_room_for_its_own_tombstone);
        CASE(a_tombstone_without_room_keeps_unknown_keys_out_until_it_is_over);
        CASE(limits_of_principals_and_namespaces_are_for_who_decides);
        CASE(so_many_namespaces_have_sessions_and_no_more);
        CASE(the_largest_record_is_taken_whole);
        CASE(budgets_that_cannot_work_are_refused);
        CASE(the_nth_allocation_fails_and_nothing_is_lost_or_comes_back);
        CASE(walking_gives_each_key_once_in_order);
        CASE(walking_goes_on_though_everything_changes);
        CASE(a_range_has_its_first_and_its_last_key);
        CASE(a_digest_sees_each_difference_that_counts);
        return g_test_run();
}
