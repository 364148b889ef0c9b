/* SPDX-License-Identifier: MIT */
/* Keys of ids that were seen a moment ago. */
#include "libcachemesh/session/memo.h"

#include <glib.h>
#include <pthread.h>

#define ROUNDS 20000
#define IDS 40

static struct cmi_memo memo;

/* In one of three sets. */
static void make(unsigned n, struct cmi_memo_mark *ret_mark, struct cmi_lookup *ret_keys)
{
        *ret_mark = (struct cmi_memo_mark){n % 3, n};
        memset(ret_keys, (int)n, sizeof(*ret_keys));
}

static unsigned count_found(unsigned n)
{
        struct cmi_memo_mark mark;
        struct cmi_lookup keys;
        struct cmi_lookup found;
        unsigned n_found = 0;

        for (unsigned i = 0; i < n; i++) {
                make(3 * i + 1, &mark, &keys);
                if (cmi_memo_find(&memo, &mark, &found)) {
                        g_assert_cmpmem(&found, sizeof(found), &keys, sizeof(keys));
                        n_found++;
                }
        }
        return n_found;
}

static void what_was_set_is_found_until_another_takes_its_place(void)
{
        struct cmi_memo_mark mark;
        struct cmi_lookup keys;

        for (unsigned i = 0; i < 2 * CMI_MEMO_WAYS; i++) {
                g_assert_cmpuint(count_found(2 * CMI_MEMO_WAYS), ==, MIN(i, CMI_MEMO_WAYS));
                make(3 * i + 1, &mark, &keys);
                cmi_memo_set(&memo, &mark, &keys);
                g_assert_cmpuint(count_found(i + 1), ==, MIN(i + 1, CMI_MEMO_WAYS));
        }
}

/* However many were there before them: as many as a set has come to rest. */
static void those_that_fit_stay_when_they_are_asked_for_again(void)
{
        struct cmi_memo_mark mark;
        struct cmi_lookup keys;
        struct cmi_lookup found;
        unsigned n_lost = 0;

        for (unsigned round = 0; round < 100; round++) {
                n_lost = 0;
                for (unsigned i = 0; i < CMI_MEMO_WAYS; i++) {
                        make(3 * (100 + i) + 1, &mark, &keys);
                        if (!cmi_memo_find(&memo, &mark, &found)) {
                                cmi_memo_set(&memo, &mark, &keys);
                                n_lost++;
                        }
                }
        }
        g_assert_cmpuint(n_lost, ==, 0);
}

static void an_empty_slot_has_no_mark_of_zeros(void)
{
        static struct cmi_memo empty;
        static const struct cmi_memo_mark mark;
        struct cmi_lookup found;

        g_assert_false(cmi_memo_find(&empty, &mark, &found));
}

/* Any of its characters, and any byte of the secret that is used. */
static void a_mark_depends_on_the_whole_id_and_on_the_secret(void)
{
        uint8_t secret[CMI_MEMO_SECRET_SIZE];
        char id[] = "ABCDEFGHabcdefgh01234567-_-_zyxw";
        struct cmi_memo_mark first;
        struct cmi_memo_mark next;

        for (size_t i = 0; i < sizeof(secret); i++) {
                secret[i] = (uint8_t)(i * 37 + 11);
        }
        first = cmi_memo_mark(secret, id);
        for (size_t i = 0; i < CMI_SESSION_ID_CHARS; i++) {
                id[i] ^= 1;
                next = cmi_memo_mark(secret, id);
                g_assert_true(next.low != first.low && next.high != first.high);
                id[i] ^= 1;
                secret[i] ^= 1;
                next = cmi_memo_mark(secret, id);
                g_assert_true(next.low != first.low && next.high != first.high);
                secret[i] ^= 1;
        }
        next = cmi_memo_mark(secret, id);
        g_assert_true(next.low == first.low && next.high == first.high);
}

static void *use(void *data)
{
        unsigned first = GPOINTER_TO_UINT(data);

        for (unsigned i = first; i < first + ROUNDS; i++) {
                struct cmi_memo_mark mark;
                struct cmi_lookup keys;
                struct cmi_lookup found;

                make(i % IDS, &mark, &keys);
                if (cmi_memo_find(&memo, &mark, &found)) {
                        g_assert_cmpmem(&found, sizeof(found), &keys, sizeof(keys));
                } else {
                        cmi_memo_set(&memo, &mark, &keys);
                }
        }
        return NULL;
}

static void threads_never_find_the_keys_of_another_id(void)
{
        pthread_t threads[4];

        for (unsigned i = 0; i < G_N_ELEMENTS(threads); i++) {
                g_assert_cmpint(pthread_create(&threads[i], NULL, use, GUINT_TO_POINTER(i * 7)), ==,
                                0);
        }
        for (unsigned i = 0; i < G_N_ELEMENTS(threads); i++) {
                pthread_join(threads[i], NULL);
        }
}

#define CASE(name) g_test_add_func("/memo/" #name, name)

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        CASE(what_was_set_is_found_until_another_takes_its_place);
        CASE(those_that_fit_stay_when_they_are_asked_for_again);
        CASE(an_empty_slot_has_no_mark_of_zeros);
        CASE(a_mark_depends_on_the_whole_id_and_on_the_secret);
        CASE(threads_never_find_the_keys_of_another_id);
        return g_test_run();
}
