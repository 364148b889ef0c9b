/* SPDX-License-Identifier: MIT */
#include "meshd/verbs/history.h"

#include <glib.h>

static _Atomic uint64_t apply_seq;

/* An operation on so many keys PREFIX0, PREFIX1... is applied. */
static void apply(struct history *history, const char *source, uint64_t number, const char *prefix,
                uint32_t n_keys)
{
        static uint8_t bytes[CMI_OP_SIZE_MAX];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        struct cmi_op op;

        cmi_op_write_begin(&writer, cmi_slice_str("r"), n_keys);
        for (uint32_t i = 0; i < n_keys; i++) {
                char key[32];

                g_snprintf(key, sizeof(key), "%s%u", prefix, i);
                cmi_write_bin(&writer, cmi_slice_str(key));
        }
        cmi_op_write_tags(&writer, 0);
        cmi_op_write_end(&writer, false);
        g_assert_cmpint(cmi_op_decode(cmi_written(&writer), &op), ==, 0);
        history_applied(history, source, number, &op);
}

static struct history *start(void)
{
        struct history *history = NULL;

        apply_seq = 0;
        g_assert_cmpint(history_new(&history, &apply_seq), ==, 0);
        return history;
}

static void a_stamp_leads_to_its_operation(void)
{
        struct history *history = start();
        const struct history_entry *entry;

        apply_seq = 7;
        apply(history, "n2", 3, "k", 2);
        entry = history_find(history, 7);
        g_assert_nonnull(entry);
        g_assert_cmpstr(entry->source, ==, "n2");
        g_assert_cmpuint(entry->number, ==, 3);
        g_assert_cmpint(history_is_about(history, entry, CMI_PAGE_KEY, cmi_slice_str("k1")), ==,
                        HISTORY_SAME);
        g_assert_cmpint(history_is_about(history, entry, CMI_PAGE_KEY, cmi_slice_str("k2")), ==,
                        HISTORY_OTHER);
        g_assert_cmpint(history_is_about(history, entry, CMI_PAGE_TAG, cmi_slice_str("k1")), ==,
                        HISTORY_OTHER);
        g_assert_null(history_find(history, 6));
        g_assert_null(history_find(history, 0));
        g_assert_true(history_find_number(history, "n2", 3) == entry);
        g_assert_null(history_find_number(history, "n1", 3));
        history_free(history);
}

static void an_operation_without_effect_has_no_stamp(void)
{
        struct history *history = start();

        apply_seq = 7;
        apply(history, "n2", 3, "k", 1);
        apply(history, "n2", 4, "other", 1);
        g_assert_cmpuint(history_find(history, 7)->number, ==, 3);
        g_assert_cmpuint(history_find_number(history, "n2", 4)->seq, ==, 0);
        history_free(history);
}

static void what_is_older_than_the_ring_is_not_known(void)
{
        struct history *history = start();

        for (uint64_t i = 1; i <= HISTORY_OPERATIONS + 1; i++) {
                apply_seq = i;
                apply(history, "n2", i, "k", 1);
        }
        g_assert_null(history_find(history, 1));
        g_assert_cmpuint(history_oldest(history)->number, ==, 2);
        g_assert_cmpuint(history_n_entries(history), ==, HISTORY_OPERATIONS);
        history_free(history);
}

/* The newest one with this stamp or of this number, looked for in what was noted. */
static uint64_t newest_with(const GArray *noted, uint64_t wanted)
{
        for (guint i = 0; i < noted->len && i < HISTORY_OPERATIONS; i++) {
                if (g_array_index(noted, uint64_t, noted->len - 1 - i) == wanted) {
                        return noted->len - i;
                }
        }
        return 0;
}

/* Three rounds of the ring; stamps leave gaps, some have none; sources share their numbers. */
static void each_stamp_and_number_finds_what_a_walk_would(void)
{
        static const char *const sources[] = {"n1", "n2", "n3"};
        struct history *history = start();
        g_autoptr(GArray) stamps = g_array_new(false, false, sizeof(uint64_t));
        g_autoptr(GArray) numbers = g_array_new(false, false, sizeof(uint64_t));
        g_autoptr(GRand) random = g_rand_new_with_seed(7);

        for (uint64_t i = 1; i <= 3 * HISTORY_OPERATIONS; i++) {
                uint64_t step = (uint64_t)g_rand_int_range(random, 0, 4);
                uint64_t stamp = 0;
                uint64_t place;

                apply_seq += step;
                stamp = step > 0 || i == 1 ? apply_seq : 0;
                place = 3 * (i / 3 % 1000) + i % 3; /* numbers come again, as of a new stream */
                apply(history, sources[i % 3], 1 + i / 3 % 1000, "k", 1);
                g_array_append_val(stamps, stamp);
                g_array_append_val(numbers, place);
        }
        for (uint64_t seq = 1; seq <= apply_seq; seq++) {
                const struct history_entry *entry = history_find(history, seq);
                uint64_t nth = newest_with(stamps, seq);

                g_assert_true((entry == NULL) == (nth == 0));
                if (entry) {
                        g_assert_cmpuint(entry->seq, ==, seq);
                        g_assert_cmpstr(entry->source, ==, sources[nth % 3]);
                        g_assert_cmpuint(entry->number, ==, 1 + nth / 3 % 1000);
                }
        }
        for (uint64_t place = 0; place < 3300; place++) {
                const struct history_entry *entry =
                                history_find_number(history, sources[place % 3], 1 + place / 3);
                uint64_t nth = newest_with(numbers, place);

                g_assert_true((entry == NULL) == (nth == 0));
                if (entry) {
                        g_assert_cmpuint(entry->seq, ==, g_array_index(stamps, uint64_t, nth - 1));
                }
        }
        history_free(history);
}

static void an_operation_may_outlive_its_targets(void)
{
        struct history *history = start();

        apply_seq = 1;
        apply(history, "n2", 1, "k", 1);
        for (uint64_t i = 2; i <= 2 + HISTORY_TARGETS / 4096; i++) {
                apply_seq = i;
                apply(history, "n2", i, "x", 4096);
        }
        g_assert_cmpint(history_is_about(history, history_find(history, 1), CMI_PAGE_KEY,
                                        cmi_slice_str("k0")),
                        ==, HISTORY_UNKNOWN);
        history_free(history);
}

static void forgetting_is_found_by_the_floor_with_its_cause(void)
{
        struct history *history = start();

        apply_seq = 9;
        history_forgot(history, "n3", "a member is gone without a goodbye");
        g_assert_cmpstr(history_find(history, 9)->text, ==, "a member is gone without a goodbye");
        g_assert_cmpuint(history_find(history, 9)->number, ==, 0);
        history_free(history);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/history/stamp", a_stamp_leads_to_its_operation);
        g_test_add_func("/history/no_effect", an_operation_without_effect_has_no_stamp);
        g_test_add_func("/history/old", what_is_older_than_the_ring_is_not_known);
        g_test_add_func("/history/walk", each_stamp_and_number_finds_what_a_walk_would);
        g_test_add_func("/history/targets", an_operation_may_outlive_its_targets);
        g_test_add_func("/history/forgot", forgetting_is_found_by_the_floor_with_its_cause);
        return g_test_run();
}
