/* SPDX-License-Identifier: MIT */
/* Keys of ids that were seen a moment ago. */
#include "libcachemesh/session/memo.h"

#include <glib.h>
#include <pthread.h>

#define ROUNDS 20000
#define IDS 40

static struct cmi_memo memo;

static void make(unsigned n, char ret_id[CMI_SESSION_ID_CHARS + 1], struct cmi_lookup *ret_keys)
{
        g_snprintf(ret_id, CMI_SESSION_ID_CHARS + 1, "%08u%024u", n % 3, n); /* three slots */
        memset(ret_keys, (int)n, sizeof(*ret_keys));
}

static void what_was_set_is_found_until_another_takes_its_place(void)
{
        char ids[2][CMI_SESSION_ID_CHARS + 1];
        struct cmi_lookup keys[2];
        struct cmi_lookup found;

        make(1, ids[0], &keys[0]);
        make(4, ids[1], &keys[1]);
        g_assert_false(cmi_memo_find(&memo, ids[0], &found));
        cmi_memo_set(&memo, ids[0], &keys[0]);
        g_assert_true(cmi_memo_find(&memo, ids[0], &found));
        g_assert_cmpmem(&found, sizeof(found), &keys[0], sizeof(keys[0]));
        g_assert_false(cmi_memo_find(&memo, ids[1], &found));
        cmi_memo_set(&memo, ids[1], &keys[1]);
        g_assert_false(cmi_memo_find(&memo, ids[0], &found));
        g_assert_true(cmi_memo_find(&memo, ids[1], &found));
        g_assert_cmpmem(&found, sizeof(found), &keys[1], sizeof(keys[1]));
}

static void an_empty_slot_has_no_id_of_zeros(void)
{
        static struct cmi_memo empty;
        static const char id[CMI_SESSION_ID_CHARS + 1];
        struct cmi_lookup found;

        g_assert_false(cmi_memo_find(&empty, id, &found));
}

static void *use(void *data)
{
        unsigned first = GPOINTER_TO_UINT(data);

        for (unsigned i = first; i < first + ROUNDS; i++) {
                char id[CMI_SESSION_ID_CHARS + 1];
                struct cmi_lookup keys;
                struct cmi_lookup found;

                make(i % IDS, id, &keys);
                if (cmi_memo_find(&memo, id, &found)) {
                        g_assert_cmpmem(&found, sizeof(found), &keys, sizeof(keys));
                } else {
                        cmi_memo_set(&memo, id, &keys);
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

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/memo/what_was_set_is_found_until_another_takes_its_place",
                        what_was_set_is_found_until_another_takes_its_place);
        g_test_add_func("/memo/an_empty_slot_has_no_id_of_zeros", an_empty_slot_has_no_id_of_zeros);
        g_test_add_func("/memo/threads_never_find_the_keys_of_another_id",
                        threads_never_find_the_keys_of_another_id);
        return g_test_run();
}
