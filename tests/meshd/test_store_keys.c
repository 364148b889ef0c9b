/* SPDX-License-Identifier: MIT */
/* The session store: keys and principals that somebody has chosen to make it slow. */
#include "tests/meshd/store_rig.h"

#include <glib.h>

#define N 50000
/* Of 50,000 that come in a random order the deepest is expected at 42. */
#define DEPTH_MAX 64

static struct store_rig rig;

#define END rig_close(&rig)

static void open_large(uint64_t seed)
{
        struct store_options options;

        rig = (struct store_rig){0};
        options = rig_options(&rig);
        options.key_bytes = 32u << 20;
        options.seed = seed;
        g_assert_cmpint(rig_open_with(&rig, &options), ==, 0);
}

/* The i-th number that comes. */
typedef uint32_t order(uint32_t i);

static uint32_t upwards(uint32_t i)
{
        return i;
}

static uint32_t downwards(uint32_t i)
{
        return N - 1 - i;
}

static uint32_t from_both_ends(uint32_t i)
{
        return i % 2 == 0 ? i / 2 : N - 1 - i / 2;
}

static order *const orders[] = {upwards, downwards, from_both_ends};

static int end_key(uint32_t number, uint64_t max_end_ms)
{
        struct cmi_session session = rig_session(1, 1, 1);

        session.key = rig_chosen_key(number);
        session.max_end_ms = max_end_ms;
        return rig_end(&rig, &session, CMI_TOMBSTONE_DESTROY);
}

static int count_principal(uint32_t number, uint64_t until_ms)
{
        struct cmi_principal counts = rig_counts(1, 4, 1);

        counts.principal = rig_chosen_key(number);
        counts.counts[0].until_ms = until_ms;
        return rig_count(&rig, counts);
}

/* Every fourth one lives longer than the others. */
static uint64_t end_of(uint32_t number)
{
        return RIG_START_MS + (number % 4 == 0 ? 12 : 1) * RIG_HOUR_MS;
}

static void expect_none_is_far(int (*put)(uint32_t number, uint64_t until_ms))
{
        for (size_t k = 0; k < G_N_ELEMENTS(orders); k++) {
                uint32_t n_failed = 0;

                open_large(k);
                for (uint32_t i = 0; i < N; i++) {
                        uint32_t number = orders[k](i);

                        n_failed += put(number, end_of(number)) != STORE_STORED;
                }
                g_assert_cmpuint(n_failed, ==, 0);
                g_assert_cmpuint(rig_depth(&rig), <=, DEPTH_MAX);
                rig_pass(&rig, RIG_HOUR_MS + CMI_SESSION_MARGIN_MS);
                g_assert_cmpuint(rig_expire(&rig, STORE_FORGOTTEN), ==, N - N / 4);
                g_assert_cmpuint(rig_depth(&rig), <=, DEPTH_MAX);
                END;
        }
}

static void keys_that_begin_alike_are_found_in_few_steps(void)
{
        expect_none_is_far(end_key);
}

static void principals_that_begin_alike_are_found_in_few_steps(void)
{
        expect_none_is_far(count_principal);
}

static void keys_that_begin_alike_are_walked_in_order_a_step_each(void)
{
        struct store_cursor cursor;
        struct store_view view;
        uint32_t n = 0;

        open_large(1);
        for (uint32_t i = 0; i < N; i++) {
                end_key(from_both_ends(i), end_of(i));
        }
        cursor = rig_cursor();
        cursor.at = rig_chosen_key(0);
        cursor.last = rig_chosen_key(N);
        cursor.steps = N + 1;
        while (store_next(rig.store, rig.now, STORE_BOTH, &cursor, &view) == STORE_GIVEN) {
                struct cmi_id key = rig_chosen_key(n++);

                if (!cmi_id_equal(&view.tombstone.key, &key)) {
                        break;
                }
        }
        g_assert_cmpuint(n, ==, N);
        g_assert_true(cursor.is_done);
        END;
}

/* Two nodes compare what they have, and neither knows the other's seed. */
static void neither_the_seed_nor_the_order_of_coming_is_seen_from_outside(void)
{
        struct store_digest digests[G_N_ELEMENTS(orders)];

        for (size_t k = 0; k < G_N_ELEMENTS(orders); k++) {
                struct store_cursor cursor = rig_cursor();
                struct store_digest half = {0};

                open_large(k);
                for (uint32_t i = 0; i < N; i++) {
                        end_key(orders[k](i), end_of(0));
                }
                cursor.last = rig_chosen_key(N / 2);
                store_digest(rig.store, rig.now, rig_now_ms(&rig), &cursor, &half);
                digests[k] = half;
                END;
                g_assert_cmpuint(half.n_tombstones, ==, N / 2 + 1);
                g_assert_cmpuint(half.sum, ==, digests[0].sum);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add_func("/store_keys/" #name, name)
        CASE(keys_that_begin_alike_are_found_in_few_steps);
        CASE(principals_that_begin_alike_are_found_in_few_steps);
        CASE(keys_that_begin_alike_are_walked_in_order_a_step_each);
        CASE(neither_the_seed_nor_the_order_of_coming_is_seen_from_outside);
        return g_test_run();
}
