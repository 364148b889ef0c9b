/* SPDX-License-Identifier: MIT */
/* The session store: principals, and ending all their sessions. */
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
        g_assert_true(cmi_id_equal(&rig.gone_key, &before.key));
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
        g_assert_cmpint(rig_copy(&rig, &s), ==, STORE_DEAD);
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_DEAD);
        next.version.seq = 2;
        g_assert_cmpint(rig_save(&rig, &s, s.version), ==, STORE_DEAD);
        g_assert_cmpint(rig_copy(&rig, &next), ==, STORE_DEAD);
        g_assert_cmpint(rig_touch(&rig, 1, RIG_START_MS, s.holder), ==, STORE_DEAD);
        END;
}

static void a_session_made_earlier_by_its_clock_lives_if_it_knew(void)
{
        struct cmi_session s = session_of(1, 9);

        BEGIN;
        rig_count(&rig, rig_counts(9, 4, 1));
        s.created_ms -= RIG_HOUR_MS;
        rig_carry(&s, 4, 1);
        g_assert_cmpint(rig_copy(&rig, &s), ==, STORE_STORED);
        END;
}

static void counts_are_merged_by_maximum_and_known_for_a_create(void)
{
        struct cmi_principal counts;
        struct cmi_id somebody = {{9}};
        struct cmi_id nobody = {{99}};

        BEGIN;
        rig_count(&rig, rig_counts(9, 5, 3));
        rig_count(&rig, rig_counts(9, 4, 7));
        g_assert_cmpint(rig_count(&rig, rig_counts(9, 5, 2)), ==, STORE_SAME);
        g_assert_cmpint(store_principal(rig.store, rig.now, &somebody, &counts), ==, 0);
        g_assert_cmpuint(counts.n_counts, ==, 2);
        g_assert_cmpint(cmi_principal_check(&counts), ==, 0);
        g_assert_cmpuint(counts.counts[0].count, ==, 7);
        g_assert_cmpuint(counts.counts[1].count, ==, 3);
        g_assert_cmpint(store_principal(rig.store, rig.now, &nobody, &counts), ==, STORE_ABSENT);
        END;
}

static void a_node_that_has_forgotten_does_not_count_from_one_again(void)
{
        const struct cmi_id hash = {{9}};
        const struct cmi_id node = {{4}};
        struct cmi_principal first, second, third;

        BEGIN;
        g_assert_cmpint(store_principal_raise(rig.store, rig.now, &hash, &node, false, &first), ==,
                        0);
        g_assert_cmpint(cmi_principal_check(&first), ==, 0);
        g_assert_cmpint(store_principal_raise(rig.store, rig.now, &hash, &node, false, &second), ==,
                        0);
        g_assert_cmpuint(second.counts[0].count, ==, first.counts[0].count + 1);
        rig_pass(&rig, CMI_SESSION_LIFE_MAX_MS + 2 * CMI_SESSION_MARGIN_MS - 1);
        g_assert_cmpuint(rig_expire(&rig, STORE_FORGOTTEN), ==, 0);
        rig_pass(&rig, 1);
        g_assert_cmpuint(rig_expire(&rig, STORE_FORGOTTEN), ==, 1);
        g_assert_cmpuint(store_status(rig.store, rig.now).n_principals, ==, 0);
        g_assert_cmpint(rig_count(&rig, second), ==, STORE_EXPIRED);
        store_principal_raise(rig.store, rig.now, &hash, &node, false, &third);
        g_assert_cmpuint(third.counts[0].count, >, second.counts[0].count);
        END;
}

static void raising_a_count_ends_all_sessions_of_the_principal_here(void)
{
        struct cmi_session s = session_of(1, 9);
        struct cmi_principal counts;

        BEGIN;
        rig_create(&rig, &s);
        g_assert_cmpint(store_principal_raise(rig.store, rig.now, &s.principal,
                                        &(struct cmi_id){{4}}, true, &counts),
                        ==, STORE_STORED);
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_DEAD);
        s.key = rig_key(2);
        rig_create(&rig, &s);
        g_assert_cmpint(rig_state(&rig, 2), ==, STORE_STORED); /* it knows of it */
        END;
}

/* No session that is not here can come, and one that is created later has heard of the end. */
static void alone_there_is_nothing_to_count_for_a_principal_without_sessions(void)
{
        struct cmi_session s = session_of(1, 9);
        struct cmi_principal counts;

        BEGIN;
        g_assert_cmpint(store_principal_raise(rig.store, rig.now, &s.principal,
                                        &(struct cmi_id){{4}}, true, &counts),
                        ==, STORE_SAME);
        g_assert_cmpuint(counts.n_counts, ==, 0);
        g_assert_cmpuint(store_status(rig.store, rig.now).key_bytes, ==, 0);
        rig_create(&rig, &s);
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_STORED);
        g_assert_cmpint(store_principal_raise(rig.store, rig.now, &s.principal,
                                        &(struct cmi_id){{4}}, true, &counts),
                        ==, STORE_STORED);
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_DEAD);
        END;
}

/* Nobody sees one of them meanwhile, and none of them takes long. */
static void of_many_sessions_some_are_ended_at_a_time(void)
{
        uint32_t n_calls = 0;
        struct cmi_id key;
        int r;

        BEGIN;
        for (uint32_t i = 0; i < 1000; i++) {
                struct cmi_session s = session_of(i, 9);

                g_assert_cmpint(rig_create(&rig, &s), ==, STORE_STORED);
        }
        rig_count(&rig, rig_counts(9, 4, 1));
        g_assert_cmpuint(rig.n_gone, ==, 0);
        g_assert_cmpint(rig_state(&rig, 500), ==, STORE_DEAD);
        g_assert_cmpuint(rig.n_gone, ==, 1);
        while ((r = store_expire(rig.store, rig.now, &key)) != STORE_NOTHING) {
                g_assert_cmpint(r, ==, STORE_CHECKED);
                g_assert_cmpuint(rig.n_gone, <=, 1 + ++n_calls * STORE_ENDED_AT_ONCE);
        }
        g_assert_cmpuint(rig.n_gone, ==, 1000);
        g_assert_cmpuint(store_status(rig.store, rig.now).n_records, ==, 0);
        END;
}

static void a_walk_and_a_save_see_what_is_not_ended_yet_as_ended(void)
{
        struct store_cursor cursor = rig_cursor();
        struct cmi_session s = session_of(1, 9);
        struct store_view view;

        BEGIN;
        rig_create(&rig, &s);
        rig_count(&rig, rig_counts(9, 4, 1));
        g_assert_cmpint(rig_save(&rig, &s, s.version), ==, STORE_DEAD);
        s.key = rig_key(2);
        rig_copy(&rig, &s);
        s.key = rig_key(3);
        rig_carry(&s, 4, 1);
        rig_copy(&rig, &s);
        rig_count(&rig, rig_counts(9, 5, 1));
        g_assert_cmpint(store_next(rig.store, rig.now, STORE_RECORDS, &cursor, &view), ==,
                        STORE_WALKED);
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
        rig_pass(&rig, RIG_HOUR_MS + CMI_SESSION_MARGIN_MS);
        g_assert_cmpuint(rig_expire(&rig, STORE_FORGOTTEN), ==, 1);
        g_assert_cmpint(store_principal(rig.store, rig.now, &early.principal, &left), ==, 0);
        g_assert_cmpuint(left.n_counts, ==, 1);
        g_assert_cmpint(left.counts[0].node.bytes[0], ==, 5);
        g_assert_cmpint(rig_count(&rig, rig_counts(9, 3, 1)), ==, STORE_STORED);
        END;
}

static void so_many_nodes_raise_and_the_others_leave_it_to_them(void)
{
        const struct cmi_id hash = {{9}};
        struct cmi_principal next;

        BEGIN;
        for (uint8_t node = 1; node <= STORE_RAISERS_MAX; node++) {
                g_assert_cmpint(store_principal_raise(rig.store, rig.now, &hash,
                                                &(struct cmi_id){{node}}, false, &next),
                                ==, STORE_STORED);
        }
        g_assert_cmpint(store_principal_raise(rig.store, rig.now, &hash, &(struct cmi_id){{200}},
                                        false, &next),
                        ==, STORE_FULL_NODES);
        g_assert_cmpint(store_principal_raise(rig.store, rig.now, &hash, &(struct cmi_id){{20}},
                                        false, &next),
                        ==, STORE_STORED);
        for (uint8_t node = STORE_RAISERS_MAX + 1; node <= CMI_SESSION_VECTOR_MAX; node++) {
                g_assert_cmpint(rig_count(&rig, rig_counts(9, node, 1)), ==, STORE_STORED);
        }
        END;
}

static void a_count_that_finds_no_place_ends_what_is_here_and_keeps_the_others_out(void)
{
        struct cmi_session s = session_of(1, 9);
        struct cmi_session idle = session_of(2, 9);
        struct cmi_session unknown = session_of(3, 9);
        struct cmi_session other = session_of(4, 8);

        BEGIN;
        for (uint8_t node = 1; node <= CMI_SESSION_VECTOR_MAX; node++) {
                g_assert_cmpint(rig_count(&rig, rig_counts(9, node, 1)), ==, STORE_STORED);
                rig_carry(&s, node, 1);
                rig_carry(&idle, node, 1);
                rig_carry(&unknown, node, 1);
        }
        g_assert_cmpint(rig_copy(&rig, &s), ==, STORE_STORED);
        rig_end(&rig, &idle, CMI_TOMBSTONE_IDLE);
        idle.last_touch_ms++;
        g_assert_cmpint(rig_count(&rig, rig_counts(9, CMI_SESSION_VECTOR_MAX + 1, 1)), ==,
                        STORE_FULL_NODES);
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_DEAD);
        g_assert_cmpint(rig_copy(&rig, &unknown), ==, STORE_FULL_BLOCKED);
        g_assert_cmpint(rig_copy(&rig, &idle), ==, STORE_FULL_BLOCKED);
        g_assert_cmpint(rig_state(&rig, 2), ==, STORE_DEAD);
        g_assert_cmpint(rig_copy(&rig, &other), ==, STORE_STORED); /* others have no part in it */
        rig_pass(&rig, CMI_SESSION_LIFE_MAX_MS + 2 * CMI_SESSION_MARGIN_MS);
        rig_expire(&rig, STORE_FORGOTTEN);
        rig_expire(&rig, STORE_FORGOTTEN);
        g_assert_cmpuint(store_status(rig.store, rig.now).n_principals, ==, 0);
        END;
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add_func("/store_principal/" #name, name)
        CASE(all_sessions_of_a_principal_end_that_do_not_know_of_it);
        CASE(a_session_with_older_counts_is_dead_on_every_way);
        CASE(a_session_made_earlier_by_its_clock_lives_if_it_knew);
        CASE(counts_are_merged_by_maximum_and_known_for_a_create);
        CASE(a_node_that_has_forgotten_does_not_count_from_one_again);
        CASE(raising_a_count_ends_all_sessions_of_the_principal_here);
        CASE(alone_there_is_nothing_to_count_for_a_principal_without_sessions);
        CASE(of_many_sessions_some_are_ended_at_a_time);
        CASE(a_walk_and_a_save_see_what_is_not_ended_yet_as_ended);
        CASE(counts_of_one_node_go_before_those_of_another);
        CASE(so_many_nodes_raise_and_the_others_leave_it_to_them);
        CASE(a_count_that_finds_no_place_ends_what_is_here_and_keeps_the_others_out);
        return g_test_run();
}
