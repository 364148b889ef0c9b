/* SPDX-License-Identifier: MIT */
/* The session store: what somebody ends though it is not known here, and may be made up. */
#include "tests/meshd/store_rig.h"

#include <glib.h>

#define BLIND_MS (2 * RIG_MINUTE_MS)

static struct store_rig rig;

#define BEGIN rig_open(&rig)
#define END rig_close(&rig)

static int logout(uint32_t key)
{
        struct cmi_id hash = rig_key(key);

        return rig_logout(&rig, &hash, BLIND_MS);
}

static int create(uint32_t key)
{
        struct cmi_session session = rig_session(key, 1, 1);

        return rig_create(&rig, &session);
}

static struct store_status status_now(void)
{
        return store_status(rig.store, rig.now);
}

static void open_small(void)
{
        struct store_options options;

        rig = (struct store_rig){0};
        options = rig_options(&rig);
        options.key_bytes = STORE_MEMORY_MIN;
        g_assert_cmpint(rig_open_with(&rig, &options), ==, 0);
}

/* How long */

static void a_logout_of_the_unknown_is_kept_for_as_long_as_was_asked(void)
{
        BEGIN;
        g_assert_cmpint(logout(1), ==, STORE_STORED);
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_DEAD);
        g_assert_cmpuint(status_now().n_blind, ==, 1);
        rig_pass(&rig, BLIND_MS - 1);
        g_assert_cmpuint(rig_expire(&rig, STORE_FORGOTTEN), ==, 0);
        g_assert_cmpint(create(1), ==, STORE_DEAD);
        rig_pass(&rig, 1);
        g_assert_cmpuint(rig_expire(&rig, STORE_FORGOTTEN), ==, 1);
        g_assert_cmpuint(status_now().n_blind, ==, 0);
        g_assert_cmpuint(status_now().blind_bytes, ==, 0);
        g_assert_cmpint(create(1), ==, STORE_STORED);
        END;
}

static void no_clock_that_is_set_makes_it_go_early(void)
{
        BEGIN;
        logout(1);
        rig.now.real_ns += cmi_ms(30 * RIG_HOUR_MS);
        rig_pass(&rig, BLIND_MS - 1);
        g_assert_cmpuint(rig_expire(&rig, STORE_FORGOTTEN), ==, 0);
        logout(2);
        rig.now.real_ns -= cmi_ms(31 * RIG_HOUR_MS);
        rig_pass(&rig, BLIND_MS);
        g_assert_cmpuint(rig_expire(&rig, STORE_FORGOTTEN), ==, 0);
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_DEAD);
        g_assert_cmpint(rig_state(&rig, 2), ==, STORE_DEAD);
        END;
}

static void who_ends_it_once_more_is_sure_of_it_for_as_long_again(void)
{
        BEGIN;
        logout(1);
        rig_pass(&rig, BLIND_MS - 1);
        g_assert_cmpint(logout(1), ==, STORE_DEAD);
        g_assert_cmpuint(status_now().n_blind, ==, 1);
        rig_pass(&rig, BLIND_MS - 1);
        g_assert_cmpuint(rig_expire(&rig, STORE_FORGOTTEN), ==, 0);
        rig_pass(&rig, 1);
        g_assert_cmpuint(rig_expire(&rig, STORE_FORGOTTEN), ==, 1);
        END;
}

static void it_is_kept_no_longer_than_any_session_could_live(void)
{
        struct cmi_id key = rig_key(1);

        BEGIN;
        g_assert_cmpint(rig_logout(&rig, &key, UINT64_MAX), ==, STORE_STORED);
        rig_pass(&rig, CMI_SESSION_LIFE_MAX_MS + 2 * CMI_SESSION_MARGIN_MS - 1);
        g_assert_cmpuint(rig_expire(&rig, STORE_FORGOTTEN), ==, 0);
        rig_pass(&rig, 1);
        g_assert_cmpuint(rig_expire(&rig, STORE_FORGOTTEN), ==, 1);
        END;
}

static void without_a_time_nothing_is_kept(void)
{
        struct cmi_id key = rig_key(1);

        BEGIN;
        g_assert_cmpint(rig_logout(&rig, &key, 0), ==, STORE_ABSENT);
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_ABSENT);
        END;
}

/* A copy, an order and a tombstone tell how long the session could live. */
static void what_comes_of_its_key_makes_it_one_like_any_other(void)
{
        struct cmi_session s[3] = {
                        rig_session(0, 1, 1), rig_session(1, 1, 1), rig_session(2, 1, 1)};

        BEGIN;
        for (uint32_t i = 0; i < 3; i++) {
                logout(i);
        }
        g_assert_cmpint(rig_copy(&rig, &s[0]), ==, STORE_DEAD);
        g_assert_cmpint(rig_order(&rig, &s[1], true), ==, STORE_DEAD);
        g_assert_cmpint(rig_end(&rig, &s[2], CMI_TOMBSTONE_DESTROY), ==, STORE_STORED);
        g_assert_cmpuint(status_now().n_blind, ==, 0);
        g_assert_cmpuint(status_now().blind_bytes, ==, 0);
        rig_pass(&rig, 12 * RIG_HOUR_MS + CMI_SESSION_MARGIN_MS - 1);
        g_assert_cmpuint(rig_expire(&rig, STORE_FORGOTTEN), ==, 0);
        rig_pass(&rig, 1);
        g_assert_cmpuint(rig_expire(&rig, STORE_FORGOTTEN), ==, 3);
        END;
}

static void of_a_fence_it_takes_the_place(void)
{
        BEGIN;
        rig_fence(&rig, 1, rig_version(1, 1, 1).epoch);
        g_assert_cmpint(logout(1), ==, STORE_STORED);
        g_assert_cmpint(rig_state(&rig, 1), ==, STORE_DEAD);
        g_assert_cmpuint(status_now().n_blind, ==, 0);
        rig_pass(&rig, 12 * RIG_HOUR_MS);
        g_assert_cmpuint(rig_expire(&rig, STORE_FORGOTTEN), ==, 0);
        END;
}

/* How many */

static void those_that_are_made_up_have_a_part_of_their_own(void)
{
        uint32_t n = 1000;
        uint32_t key = 1;

        open_small();
        g_assert_cmpint(create(0), ==, STORE_STORED);
        while (logout(n) == STORE_STORED) {
                n++;
        }
        g_assert_cmpint(logout(n), ==, STORE_FULL_BLIND);
        g_assert_cmpuint(status_now().n_blind, ==, n - 1000);
        g_assert_cmpuint(status_now().n_blind, >, 10);
        g_assert_cmpuint(status_now().blind_bytes, <=, STORE_MEMORY_MIN / STORE_BLIND_PART);
        g_assert_false(status_now().is_blocked);
        g_assert_cmpint(logout(1000), ==, STORE_DEAD);
        g_assert_cmpint(create(key++), ==, STORE_STORED);
        g_assert_cmpint(logout(0), ==, STORE_STORED);
        /* And where there is no room for more sessions there is some for these, again. */
        while (create(key) == STORE_STORED) {
                key++;
        }
        rig_pass(&rig, BLIND_MS);
        g_assert_cmpuint(rig_expire(&rig, STORE_FORGOTTEN), ==, n - 1000);
        while (create(key) == STORE_STORED) {
                key++;
        }
        g_assert_cmpint(create(key), ==, STORE_FULL_KEYS);
        g_assert_cmpint(logout(n), ==, STORE_STORED);
        END;
}

static int raise_one(uint32_t principal)
{
        struct cmi_id hash = rig_key(principal);
        struct cmi_principal counts;

        return store_principal_raise(
                        rig.store, rig.now, &hash, &(struct cmi_id){{4}}, false, &counts);
}

static void so_do_principals_without_sessions(void)
{
        struct cmi_session s = rig_session(0, 1, 1);
        uint32_t n = 0;

        open_small();
        while (raise_one(n) == STORE_STORED) {
                n++;
        }
        g_assert_cmpuint(n, >, 10);
        g_assert_cmpint(raise_one(n), ==, STORE_FULL_BLIND);
        g_assert_cmpint(logout(1), ==, STORE_FULL_BLIND);
        g_assert_cmpuint(status_now().n_blind, ==, n);
        s.principal = rig_key(n);
        g_assert_cmpint(rig_create(&rig, &s), ==, STORE_STORED);
        g_assert_cmpint(raise_one(n), ==, STORE_STORED); /* it has a session */
        s = rig_session(1, 1, 1);
        s.principal = rig_key(0);
        g_assert_cmpint(rig_create(&rig, &s), ==, STORE_STORED);
        g_assert_cmpuint(status_now().n_blind, ==, n - 1);
        g_assert_cmpint(raise_one(n + 1), ==, STORE_STORED);
        rig_pass(&rig, CMI_SESSION_LIFE_MAX_MS + 2 * CMI_SESSION_MARGIN_MS);
        rig_expire(&rig, STORE_FORGOTTEN);
        g_assert_cmpuint(status_now().n_blind, ==, 0);
        g_assert_cmpuint(status_now().blind_bytes, ==, 0);
        END;
}

static void without_memory_nobody_is_told_and_nothing_is_blocked(void)
{
        BEGIN;
        rig.memory.fail_at = rig.memory.n_allocs + 1;
        g_assert_cmpint(logout(1), ==, STORE_FULL_MEMORY);
        g_assert_cmpuint(status_now().n_blind, ==, 0);
        g_assert_false(status_now().is_blocked);
        g_assert_cmpint(create(1), ==, STORE_STORED);
        END;
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add_func("/store_blind/" #name, name)
        CASE(a_logout_of_the_unknown_is_kept_for_as_long_as_was_asked);
        CASE(no_clock_that_is_set_makes_it_go_early);
        CASE(who_ends_it_once_more_is_sure_of_it_for_as_long_again);
        CASE(it_is_kept_no_longer_than_any_session_could_live);
        CASE(without_a_time_nothing_is_kept);
        CASE(what_comes_of_its_key_makes_it_one_like_any_other);
        CASE(of_a_fence_it_takes_the_place);
        CASE(those_that_are_made_up_have_a_part_of_their_own);
        CASE(so_do_principals_without_sessions);
        CASE(without_memory_nobody_is_told_and_nothing_is_blocked);
        return g_test_run();
}
