/* SPDX-License-Identifier: MIT */
/* Budgets: what counts, what is thrown out first, and what the process really takes. */
#include "tests/libcachemesh/fixture.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#else
#define IS_SANITIZED 0
#endif

static struct fixture open_budget(size_t bytes)
{
        struct cm_region_options options = {.size = sizeof(options), .budget_bytes = bytes};

        return fixture_open(&options, 0);
}

static struct cm_region_stats stats_of(struct fixture *f)
{
        struct cm_region_stats stats = {.size = sizeof(stats)};

        g_assert_cmpint(cm_region_stats(f->region, &stats), ==, 0);
        return stats;
}

static int put_bytes(struct fixture *f, const char *key, size_t len)
{
        char *value = g_malloc0(len + 1);
        int r = cm_put(f->region, key, strlen(key), value, len, cm_token(f->cm), NULL);

        g_free(value);
        return r;
}

static void a_full_region_stays_within_its_budget(void)
{
        struct fixture f = open_budget(1 << 20);
        struct cm_region_stats stats;
        char key[32];

        for (int i = 0; i < 50000; i++) {
                g_snprintf(key, sizeof(key), "key%d", i);
                g_assert_cmpint(put_bytes(&f, key, 100), ==, 0);
                if (i % 1000 == 0) {
                        stats = stats_of(&f);
                        g_assert_cmpuint(stats.bytes, <=, stats.budget_bytes);
                }
        }
        stats = stats_of(&f);
        g_assert_cmpuint(stats.bytes, >, stats.budget_bytes / 10 * 9);
        g_assert_cmpuint(stats.n_entries, >, 2500);
        g_assert_cmpuint(stats.n_puts, ==, 50000);
        g_assert_cmpuint(stats.n_evicted + stats.n_entries, ==, 50000);
        fixture_close(&f);
}

static void what_is_hit_stays_while_a_scan_passes(void)
{
        struct fixture f = open_budget(1 << 20);
        char key[32];
        int n_left = 0;
        int r;

        for (int i = 0; i < 100; i++) {
                g_snprintf(key, sizeof(key), "hot%d", i);
                put_bytes(&f, key, 100);
        }
        for (int i = 0; i < 50000; i++) {
                g_snprintf(key, sizeof(key), "hot%d", i % 100);
                g_free(get_text(f.region, key, &r));
                g_snprintf(key, sizeof(key), "scan%d", i);
                put_bytes(&f, key, 100);
        }
        for (int i = 0; i < 100; i++) {
                g_snprintf(key, sizeof(key), "hot%d", i);
                g_free(get_text(f.region, key, &r));
                n_left += r == 0;
        }
        g_assert_cmpint(n_left, ==, 100);
        fixture_close(&f);
}

static void what_is_never_hit_goes_first_in_first_out(void)
{
        struct fixture f = open_budget(64 << 10);
        char key[32];
        int r;

        for (int i = 0; i < 2000; i++) {
                g_snprintf(key, sizeof(key), "key%d", i);
                put_bytes(&f, key, 100);
        }
        g_free(get_text(f.region, "key0", &r));
        g_assert_cmpint(r, ==, CM_MISS);
        g_free(get_text(f.region, "key1999", &r));
        g_assert_cmpint(r, ==, 0);
        fixture_close(&f);
}

static void what_cannot_be_served_any_more_goes_although_it_was_hit(void)
{
        struct fixture f = open_budget(64 << 10);
        char key[32];
        int r;
        int n_left = 0;

        for (int i = 0; i < 100; i++) {
                g_snprintf(key, sizeof(key), "old%d", i);
                put_bytes(&f, key, 100);
                g_free(get_text(f.region, key, &r));
        }
        cm_invalidate_region(f.region, CM_WAIT_NONE, NULL);
        for (int i = 0; i < 100; i++) {
                g_snprintf(key, sizeof(key), "new%d", i);
                put_bytes(&f, key, 100);
        }
        for (int i = 0; i < 400; i++) {
                g_snprintf(key, sizeof(key), "more%d", i);
                put_bytes(&f, key, 10);
                if (stats_of(&f).n_evicted >= 90) {
                        break;
                }
        }
        for (int i = 0; i < 100; i++) {
                g_snprintf(key, sizeof(key), "new%d", i);
                g_free(get_text(f.region, key, &r));
                n_left += r == 0;
        }
        g_assert_cmpint(n_left, ==, 100);
        fixture_close(&f);
}

static void a_value_over_an_eighth_is_refused(void)
{
        struct fixture f = open_budget(1 << 20);

        g_assert_cmpint(put_bytes(&f, "a", (1 << 17) + 1), ==, -E2BIG);
        g_assert_cmpint(put_bytes(&f, "a", 1 << 17), ==, 0);
        g_assert_cmpuint(stats_of(&f).n_entries, ==, 1);
        fixture_close(&f);
}

static void when_all_is_pinned_a_put_says_full_until_something_is_released(void)
{
        struct fixture f = open_budget(64 << 10);
        struct cm_value values[64] = {{0}};
        char key[32];
        int n = 0;
        int r = 0;

        for (; n < 64; n++) {
                g_snprintf(key, sizeof(key), "key%d", n);
                r = put_bytes(&f, key, 8000);
                if (r != 0) {
                        break;
                }
                g_assert_cmpint(cm_get(f.region, key, strlen(key), &values[n]), ==, 0);
        }
        g_assert_cmpint(r, ==, CM_E_FULL);
        g_assert_cmpint(n, >=, 5);
        g_assert_cmpuint(stats_of(&f).n_pinned, ==, (uint64_t)n);
        g_assert_cmpuint(stats_of(&f).bytes, <=, 64 << 10);
        g_assert_cmpint(put_bytes(&f, "more", 8000), ==, CM_E_FULL);
        /* Also pins of what is not in the table any more count. */
        cm_region_clear(f.region);
        g_assert_cmpint(put_bytes(&f, "more", 8000), ==, CM_E_FULL);
        cm_release(&values[0]);
        g_assert_cmpint(put_bytes(&f, "more", 8000), ==, 0);
        for (int i = 1; i < n; i++) {
                cm_release(&values[i]);
        }
        g_assert_cmpint(put_bytes(&f, "another", 8000), ==, 0);
        fixture_close(&f);
}

static void pinned_entries_are_not_evicted_for_nothing(void)
{
        struct fixture f = open_budget(64 << 10);
        struct cm_value value = {0};
        char key[32];

        put_bytes(&f, "pinned", 100);
        g_assert_cmpint(cm_get(f.region, "pinned", 6, &value), ==, 0);
        for (int i = 0; i < 5000; i++) {
                g_snprintf(key, sizeof(key), "key%d", i);
                put_bytes(&f, key, 100);
        }
        assert_hit(f.region, "pinned", "");
        cm_release(&value);
        fixture_close(&f);
}

/* Puts an entry, with a hit before it that scatters visited marks, and notes how many entries are
 * fewer afterwards if that is the most so far. */
static void put_and_count_losses(struct fixture *f, int i, size_t len, uint64_t *most)
{
        uint64_t before = stats_of(f).n_entries;
        uint64_t after;
        char key[32];
        int r;

        g_snprintf(key, sizeof(key), "key%d", g_test_rand_int_range(0, i + 1));
        g_free(get_text(f->region, key, &r));
        g_snprintf(key, sizeof(key), "key%d", i);
        g_assert_cmpint(put_bytes(f, key, len), ==, 0);
        after = stats_of(f).n_entries;
        *most = MAX(*most, before - MIN(before, after));
}

/* What one put may throw out: two batches of a 32nd of the budget and a chunk, all in entries of
 * the smallest size there. */
static uint64_t losses_allowed(size_t budget, size_t chunk, size_t entry)
{
        return (2 * (budget / 32) + chunk) / entry;
}

/* Large entries, all over the memory, then small ones, for which the table has to grow. */
static void a_growing_table_costs_a_chunk_not_the_cache(void)
{
        const size_t budget = 64 << 20;
        struct fixture f = open_budget(budget);
        uint64_t most = 0;
        uint64_t n_least = UINT64_MAX;
        int i = 0;

        for (; i < 30000; i++) {
                put_and_count_losses(&f, i, 4000, &most);
        }
        g_assert_cmpuint(most, <=, losses_allowed(budget, 2 << 20, 4000));
        for (; i < 90000; i++) {
                put_and_count_losses(&f, i, 100, &most);
                n_least = MIN(n_least, stats_of(&f).n_entries);
        }
        g_printerr("# at most %" G_GUINT64_FORMAT " entries fewer, at least %" G_GUINT64_FORMAT
                   " there\n",
                        most, n_least);
        g_assert_cmpuint(most, <=, losses_allowed(budget, 2 << 20, 200));
        g_assert_cmpuint(n_least, >, 14000);
        fixture_close(&f);
}

/* No free block is large enough for it, and hardly a chunk ever empty by itself. */
static void a_value_of_half_a_chunk_costs_a_chunk_not_the_cache(void)
{
        const size_t budget = 64 << 20;
        struct fixture f = open_budget(budget);
        uint64_t most = 0;
        int i = 0;

        for (; i < 120000; i++) {
                put_and_count_losses(&f, i, 500, &most);
        }
        most = 0;
        for (; i < 120020; i++) {
                put_and_count_losses(&f, i, 500000, &most);
        }
        g_printerr("# at most %" G_GUINT64_FORMAT " entries fewer of %" G_GUINT64_FORMAT "\n", most,
                        stats_of(&f).n_entries);
        g_assert_cmpuint(most, <=, losses_allowed(budget, 2 << 20, 600));
        g_assert_cmpuint(stats_of(&f).n_entries, >, 65000);
        fixture_close(&f);
}

/* What was hit is all over the memory; whichever chunk is emptied, its entries move. */
static void what_is_hit_stays_while_chunks_are_emptied(void)
{
        struct fixture f = open_budget(16 << 20);
        char key[32];
        int n_left = 0;
        int r;

        for (int i = 0; i < 60000; i++) {
                g_snprintf(key, sizeof(key), i % 60 == 0 ? "hot%d" : "cold%d", i);
                put_bytes(&f, key, i < 20000 ? 500 + i % 7 * 50 : 80);
                for (int k = 0; k < 5; k++) {
                        g_snprintf(key, sizeof(key), "hot%d", (i * 5 + k) % 334 * 60);
                        g_free(get_text(f.region, key, &r));
                }
                if (i % 1000 == 999) {
                        g_assert_cmpint(put_bytes(&f, "half", 400000), ==, 0);
                        cm_invalidate(f.region, "half", 4, CM_WAIT_NONE, NULL);
                }
        }
        for (int i = 0; i < 20000; i += 60) {
                g_snprintf(key, sizeof(key), "hot%d", i);
                g_free(get_text(f.region, key, &r));
                n_left += r == 0;
        }
        g_assert_cmpint(n_left, ==, 334);
        fixture_close(&f);
}

static size_t resident_bytes(void)
{
        FILE *file = fopen("/proc/self/statm", "r");
        unsigned long size = 0;
        unsigned long resident = 0;

        g_assert_nonnull(file);
        g_assert_cmpint(fscanf(file, "%lu %lu", &size, &resident), ==, 2);
        fclose(file);
        return resident * 4096;
}

struct filler {
        struct fixture *fixture;
        int number;
        int n_puts;
};

/* Sizes change over time, which is what tears holes into a heap: from mostly small to
 * mostly large, and back. */
static void *fill(void *data)
{
        struct filler *filler = data;
        GRand *random = g_rand_new_with_seed((guint32)filler->number);
        char key[32];

        for (int i = 0; i < filler->n_puts; i++) {
                int shift = i / (filler->n_puts / 6);
                int largest = 64 << (shift < 4 ? shift : 7 - shift);

                g_snprintf(key, sizeof(key), "key%d-%d", filler->number, i);
                if (put_bytes(filler->fixture, key, (size_t)g_rand_int_range(random, 1, largest)) !=
                                0) {
                        return data;
                }
        }
        g_rand_free(random);
        return NULL;
}

static void take_memory(int n_threads)
{
        const size_t budget = 96 << 20;
        size_t before = resident_bytes();
        struct fixture f = open_budget(budget);
        struct filler fillers[4];
        GThread *threads[4];
        size_t taken;

        for (int i = 0; i < n_threads; i++) {
                fillers[i] = (struct filler){&f, i, 1500000 / n_threads};
                threads[i] = g_thread_new("filler", fill, &fillers[i]);
        }
        for (int i = 0; i < n_threads; i++) {
                g_assert_null(g_thread_join(threads[i]));
        }
        taken = resident_bytes() - before;
        g_printerr("# %d threads, budget %zu MiB, taken %zu MiB: %.3f\n", n_threads, budget >> 20,
                        taken >> 20, (double)taken / (double)budget);
        g_assert_cmpuint(taken, >, budget / 2);
        g_assert_cmpfloat((double)taken, <=, 1.15 * (double)budget);
        fixture_close(&f);
}

/* Bytes of the process's mappings that asked for huge pages ("hg"; not what it got). */
static size_t huge_bytes(void)
{
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;
        size_t bytes = 0;
        size_t kib = 0;

        g_assert_true(g_file_get_contents("/proc/self/smaps", &text, NULL, NULL));
        lines = g_strsplit(text, "\n", -1);
        for (char **line = lines; *line; line++) {
                if (g_str_has_prefix(*line, "Size:")) {
                        kib = g_ascii_strtoull(*line + strlen("Size:"), NULL, 10);
                }
                if (g_str_has_prefix(*line, "VmFlags:") && strstr(*line, " hg")) {
                        bytes += kib << 10;
                }
        }
        return bytes;
}

static void put_many(struct fixture *f, int first, int n)
{
        char key[32];

        for (int i = first; i < first + n; i++) {
                g_snprintf(key, sizeof(key), "key%d", i);
                g_assert_cmpint(put_bytes(f, key, 1000), ==, 0);
        }
}

static void measure_a_large_region(void)
{
        const size_t budget = 128 << 20;
        struct fixture f = open_budget(budget);
        size_t before;

        mallopt(M_PERTURB, 0);
        before = resident_bytes();
        put_many(&f, 0, 1);
        g_assert_cmpuint(resident_bytes() - before, <=, 1 << 20);
        put_many(&f, 1, 4000);
        g_assert_cmpuint(resident_bytes() - before, <=, 6 << 20);
        put_many(&f, 4001, 60000);
        /* 8 MiB of small chunks first; the table asks for all that it may need. */
        g_assert_cmpuint(huge_bytes(), >=, 40 << 20);
        g_assert_cmpuint(resident_bytes() - before, <=, stats_of(&f).bytes / 100 * 115);
        fixture_close(&f);
        g_assert_cmpuint(huge_bytes(), ==, 0);
}

static void a_large_region_asks_for_huge_pages_once_it_has_grown(void)
{
        if (!g_file_test("/sys/kernel/mm/transparent_hugepage", G_FILE_TEST_IS_DIR)) {
                g_test_skip("a kernel without huge pages");
                return;
        }
        g_test_trap_subprocess("/budget/subprocess/large", 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
        g_test_trap_assert_passed();
}

/* In processes of their own, so that nothing is counted that an earlier test
 * gave back to the heap. */
static void measure_one_thread(void)
{
        mallopt(M_PERTURB, 0); /* Meson sets it, and then each allocation touches all its memory */
        take_memory(1);
}

static void measure_four_threads(void)
{
        mallopt(M_PERTURB, 0);
        take_memory(4);
}

static void a_process_takes_at_most_fifteen_percent_more_than_the_budget(void)
{
        g_test_trap_subprocess("/budget/subprocess/one", 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
        g_test_trap_assert_passed();
}

static void so_does_one_with_four_threads(void)
{
        g_test_trap_subprocess("/budget/subprocess/four", 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
        g_test_trap_assert_passed();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/budget/within", a_full_region_stays_within_its_budget);
        g_test_add_func("/budget/hot", what_is_hit_stays_while_a_scan_passes);
        g_test_add_func("/budget/order", what_is_never_hit_goes_first_in_first_out);
        g_test_add_func("/budget/dead", what_cannot_be_served_any_more_goes_although_it_was_hit);
        g_test_add_func("/budget/eighth", a_value_over_an_eighth_is_refused);
        g_test_add_func("/budget/full",
                        when_all_is_pinned_a_put_says_full_until_something_is_released);
        g_test_add_func("/budget/pinned", pinned_entries_are_not_evicted_for_nothing);
        g_test_add_func("/budget/table", a_growing_table_costs_a_chunk_not_the_cache);
        g_test_add_func("/budget/half", a_value_of_half_a_chunk_costs_a_chunk_not_the_cache);
        g_test_add_func("/budget/moved", what_is_hit_stays_while_chunks_are_emptied);
        /* A sanitizer's own memory is resident too. */
        if (!IS_SANITIZED) {
                g_test_add_func("/budget/resident",
                                a_process_takes_at_most_fifteen_percent_more_than_the_budget);
                g_test_add_func("/budget/resident_threads", so_does_one_with_four_threads);
                g_test_add_func("/budget/huge",
                                a_large_region_asks_for_huge_pages_once_it_has_grown);
                g_test_add_func("/budget/subprocess/large", measure_a_large_region);
                g_test_add_func("/budget/subprocess/one", measure_one_thread);
                g_test_add_func("/budget/subprocess/four", measure_four_threads);
        }
        return g_test_run();
}
