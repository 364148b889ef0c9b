/* SPDX-License-Identifier: MIT */
/*
 * The checker must refuse what is illegal, accept what is legal, and agree with the definition,
 * written down as it is spoken, on histories drawn at random.
 */
#include "tests/checker/check.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define RECORDS_MAX 12
#define KEY 7
#define OTHER_KEY 8

/* Times are small numbers; a row is KEY, a process is 1, if nothing else is said. */
#define EVENT(kind_, version_, write_, start_, end_)                                               \
        {                                                                                          \
                .kind = HISTORY_##kind_, .key = KEY, .process = 1, .version = (version_),          \
                .write = (write_), .start_ns = (start_), .end_ns = (end_)                          \
        }
/* The first write of KEY, begun, and done by all. */
#define ONE_WRITE EVENT(WRITE, 1, 11, 10, 20), EVENT(DONE, 1, 11, 20, 30)
#define AT_KEY(key_, kind_, version_, write_, start_, end_)                                        \
        {                                                                                          \
                .kind = HISTORY_##kind_, .key = (key_), .process = 1, .version = (version_),       \
                .write = (write_), .start_ns = (start_), .end_ns = (end_)                          \
        }
#define IN_PROCESS(process_, kind_, version_, write_, start_, end_)                                \
        {                                                                                          \
                .kind = HISTORY_##kind_, .key = KEY, .process = (process_), .version = (version_), \
                .write = (write_), .start_ns = (start_), .end_ns = (end_)                          \
        }

/* The last record is the accused: it gets the verdict, and all before it are legal. */
struct example {
        const char *name;
        enum verdict verdict;
        struct history_record records[RECORDS_MAX];
};

static const struct example illegal[] = {
                {"the_first_version_after_a_write_was_done", VERDICT_STALE,
                                {ONE_WRITE, EVENT(HIT, 0, 0, 31, 32)}},
                {"an_old_version_after_a_newer_one_was_done", VERDICT_STALE,
                                {EVENT(WRITE, 1, 11, 10, 20), EVENT(WRITE, 2, 12, 30, 40),
                                                EVENT(DONE, 2, 12, 40, 50),
                                                EVENT(HIT, 1, 11, 51, 52)}},
                {"an_old_version_one_nanosecond_after_a_newer_one_was_done", VERDICT_STALE,
                                {EVENT(WRITE, 1, 11, 10, 20), EVENT(DONE, 1, 11, 20, 1000000000),
                                                EVENT(HIT, 0, 0, 1000000001, 1000000001)}},
                {"a_version_that_is_two_behind", VERDICT_STALE,
                                {EVENT(WRITE, 1, 11, 1, 2), EVENT(WRITE, 2, 12, 3, 4),
                                                EVENT(WRITE, 3, 13, 5, 6), EVENT(DONE, 3, 13, 6, 7),
                                                EVENT(HIT, 1, 11, 20, 21)}},
                {"a_version_between_one_that_was_done_and_an_older_one", VERDICT_STALE,
                                {EVENT(WRITE, 1, 11, 1, 2), EVENT(WRITE, 2, 12, 3, 4),
                                                EVENT(WRITE, 3, 13, 5, 6), EVENT(DONE, 3, 13, 6, 7),
                                                EVENT(HIT, 2, 12, 20, 21)}},
                {"an_old_version_when_an_older_one_was_done_later", VERDICT_STALE,
                                {EVENT(WRITE, 1, 11, 1, 2), EVENT(WRITE, 2, 12, 3, 4),
                                                EVENT(DONE, 2, 12, 5, 6), EVENT(DONE, 1, 11, 5, 9),
                                                EVENT(HIT, 1, 11, 10, 11)}},
                {"an_old_version_long_after", VERDICT_STALE,
                                {EVENT(WRITE, 1, 11, 1, 2), EVENT(DONE, 1, 11, 3, 4),
                                                EVENT(HIT, 0, 0, UINT64_MAX - 1, UINT64_MAX)}},
                {"an_old_version_at_the_largest_key", VERDICT_STALE,
                                {AT_KEY(UINT32_MAX, WRITE, 1, 11, 1, 2),
                                                AT_KEY(UINT32_MAX, DONE, 1, 11, 3, 4),
                                                AT_KEY(UINT32_MAX, HIT, 0, 0, 5, 6)}},
                {"an_old_version_that_was_read_legally_before", VERDICT_STALE,
                                {ONE_WRITE, EVENT(HIT, 0, 0, 29, 40), EVENT(HIT, 0, 0, 41, 42)}},
                {"an_old_version_after_the_newer_one_was_read", VERDICT_STALE,
                                {ONE_WRITE, EVENT(HIT, 1, 11, 31, 32), EVENT(HIT, 0, 0, 33, 34)}},
                {"an_old_version_from_the_database", VERDICT_STALE,
                                {ONE_WRITE, EVENT(LOAD, 0, 0, 31, 32)}},
                {"an_old_version_in_another_process_than_the_writers", VERDICT_STALE,
                                {ONE_WRITE, IN_PROCESS(2, HIT, 0, 0, 31, 32)}},
                {"an_old_version_in_the_process_whose_own_write_returned", VERDICT_STALE_HERE,
                                {EVENT(WRITE, 1, 11, 10, 20), EVENT(DONE_HERE, 1, 11, 20, 30),
                                                EVENT(HIT, 0, 0, 31, 32)}},
                {"an_old_version_in_the_process_with_the_largest_number", VERDICT_STALE_HERE,
                                {IN_PROCESS(UINT16_MAX, WRITE, 1, 11, 10, 20),
                                                IN_PROCESS(UINT16_MAX, DONE_HERE, 1, 11, 20, 30),
                                                IN_PROCESS(UINT16_MAX, HIT, 0, 0, 31, 32)}},
                {"a_version_before_its_write_began", VERDICT_TOO_EARLY,
                                {EVENT(WRITE, 1, 11, 10, 20), EVENT(HIT, 1, 11, 8, 9)}},
                {"a_load_of_a_version_before_its_write_began", VERDICT_TOO_EARLY,
                                {ONE_WRITE, EVENT(LOAD, 1, 11, 1, 9)}},
                {"an_acknowledgement_before_the_write_began", VERDICT_TOO_EARLY,
                                {EVENT(WRITE, 1, 11, 10, 20), EVENT(DONE_HERE, 1, 11, 8, 9)}},
                {"a_version_that_nobody_wrote", VERDICT_NOT_WRITTEN,
                                {EVENT(WRITE, 1, 11, 10, 20), EVENT(HIT, 2, 12, 31, 32)}},
                {"a_version_without_any_write", VERDICT_NOT_WRITTEN, {EVENT(HIT, 1, 11, 1, 2)}},
                {"a_version_under_the_number_of_another_write", VERDICT_NOT_WRITTEN,
                                {EVENT(WRITE, 1, 11, 10, 20), EVENT(WRITE, 2, 12, 30, 40),
                                                EVENT(HIT, 2, 11, 50, 51)}},
                {"a_version_of_another_key", VERDICT_NOT_WRITTEN,
                                {EVENT(WRITE, 1, 11, 10, 20),
                                                AT_KEY(OTHER_KEY, HIT, 1, 11, 31, 32)}},
                {"the_first_version_under_a_writers_number", VERDICT_NOT_WRITTEN,
                                {EVENT(WRITE, 1, 11, 10, 20), EVENT(HIT, 0, 11, 11, 12)}},
                {"an_acknowledgement_of_what_nobody_wrote", VERDICT_NOT_WRITTEN,
                                {EVENT(WRITE, 1, 11, 10, 20), EVENT(DONE, 2, 12, 20, 30)}},
                {"a_version_that_was_rolled_back", VERDICT_NOT_REAL,
                                {EVENT(WRITE, 1, 11, 10, 20), EVENT(UNDONE, 1, 11, 20, 21),
                                                EVENT(HIT, 1, 11, 22, 23)}},
                {"a_version_read_before_it_was_rolled_back", VERDICT_NOT_REAL,
                                {EVENT(WRITE, 1, 11, 10, 20), EVENT(UNDONE, 1, 11, 20, 21),
                                                EVENT(HIT, 1, 11, 15, 16)}},
                {"an_acknowledgement_of_what_was_rolled_back", VERDICT_NOT_REAL,
                                {EVENT(WRITE, 1, 11, 10, 20), EVENT(UNDONE, 1, 11, 20, 21),
                                                EVENT(DONE, 1, 11, 22, 23)}},
                {"a_version_that_another_write_became", VERDICT_NOT_REAL,
                                {EVENT(WRITE, 1, 11, 10, 20), EVENT(WRITE, 1, 12, 10, 20),
                                                EVENT(DONE, 1, 12, 20, 30),
                                                EVENT(HIT, 1, 11, 25, 26)}},
                {"a_version_of_which_another_write_was_read", VERDICT_NOT_REAL,
                                {EVENT(WRITE, 1, 12, 10, 20), EVENT(WRITE, 1, 11, 10, 20),
                                                EVENT(HIT, 1, 11, 25, 26),
                                                EVENT(HIT, 1, 12, 25, 26)}},
                {"a_write_of_a_version_after_it_was_done", VERDICT_BACKWARDS,
                                {ONE_WRITE, EVENT(WRITE, 1, 12, 31, 32)}},
                {"a_write_of_an_older_version_than_was_done", VERDICT_BACKWARDS,
                                {EVENT(WRITE, 2, 11, 10, 20), EVENT(DONE, 2, 11, 20, 30),
                                                EVENT(WRITE, 1, 12, 31, 32)}},
                {"a_write_of_the_first_version", VERDICT_TWICE, {EVENT(WRITE, 0, 11, 1, 2)}},
                {"a_read_that_ends_before_it_starts", VERDICT_BROKEN,
                                {EVENT(WRITE, 1, 11, 10, 20), EVENT(HIT, 1, 11, 26, 25)}},
                {"a_record_of_an_unknown_kind", VERDICT_BROKEN,
                                {EVENT(WRITE, 1, 11, 10, 20), EVENT(HEAD, 1, 11, 25, 26)}},
};

static const struct example legal[] = {
                {"the_first_version_when_nothing_was_written", VERDICT_LEGAL,
                                {EVENT(HIT, 0, 0, 0, 0)}},
                {"the_new_version_after_its_write_was_done", VERDICT_LEGAL,
                                {ONE_WRITE, EVENT(HIT, 1, 11, 31, 32)}},
                {"the_new_version_while_its_write_runs", VERDICT_LEGAL,
                                {EVENT(WRITE, 1, 11, 10, 20), EVENT(HIT, 1, 11, 1, 10)}},
                {"the_old_version_while_the_write_runs", VERDICT_LEGAL,
                                {ONE_WRITE, EVENT(HIT, 0, 0, 29, 100)}},
                {"the_old_version_at_the_moment_of_the_acknowledgement", VERDICT_LEGAL,
                                {ONE_WRITE, EVENT(HIT, 0, 0, 30, 31)}},
                {"the_old_version_when_nobody_acknowledged", VERDICT_LEGAL,
                                {EVENT(WRITE, 1, 11, 10, 20), EVENT(HIT, 0, 0, 100, 101)}},
                {"the_old_version_when_another_key_was_done", VERDICT_LEGAL,
                                {AT_KEY(OTHER_KEY, WRITE, 1, 11, 10, 20),
                                                AT_KEY(OTHER_KEY, DONE, 1, 11, 20, 30),
                                                EVENT(HIT, 0, 0, 100, 101)}},
                {"the_old_version_elsewhere_when_only_one_process_has_done_it", VERDICT_LEGAL,
                                {EVENT(WRITE, 1, 11, 10, 20), EVENT(DONE_HERE, 1, 11, 20, 30),
                                                IN_PROCESS(2, HIT, 0, 0, 31, 32)}},
                {"a_newer_version_than_was_done", VERDICT_LEGAL,
                                {ONE_WRITE, EVENT(WRITE, 2, 12, 31, 40),
                                                EVENT(HIT, 2, 12, 35, 36)}},
                {"a_version_whose_writer_was_killed", VERDICT_LEGAL,
                                {EVENT(WRITE, 1, 11, 10, 20), EVENT(HIT, 1, 11, 30, 31)}},
                {"a_version_that_a_killed_writer_had_also_got", VERDICT_LEGAL,
                                {EVENT(WRITE, 1, 11, 10, 20), EVENT(WRITE, 1, 12, 15, 25),
                                                EVENT(DONE, 1, 12, 25, 30),
                                                EVENT(HIT, 1, 12, 31, 32)}},
                {"two_versions_that_go_back_before_either_was_done", VERDICT_LEGAL,
                                {EVENT(WRITE, 1, 11, 10, 20), EVENT(HIT, 1, 11, 21, 22),
                                                EVENT(HIT, 0, 0, 23, 24)}},
                {"a_rollback", VERDICT_LEGAL,
                                {EVENT(WRITE, 1, 11, 10, 20), EVENT(UNDONE, 1, 11, 20, 21)}},
                {"acknowledgements_in_another_order_than_the_writes", VERDICT_LEGAL,
                                {EVENT(WRITE, 1, 11, 10, 20), EVENT(WRITE, 2, 12, 12, 25),
                                                EVENT(DONE, 2, 12, 25, 30),
                                                EVENT(DONE, 1, 11, 21, 40)}},
};

static size_t length(const struct example *example)
{
        size_t n = 0;

        while (n < RECORDS_MAX && example->records[n].kind != HISTORY_NONE) {
                n++;
        }
        return n;
}

static void test_example(gconstpointer data)
{
        const struct example *example = data;
        struct checker checker = {0};
        size_t n = length(example);

        for (size_t i = 0; i < n; i++) {
                g_assert_cmpint(checker_learn(&checker, &example->records[i]), ==, 0);
        }
        checker_seal(&checker);
        for (size_t i = 0; i < n; i++) {
                enum verdict wanted = i == n - 1 ? example->verdict : VERDICT_LEGAL;

                g_assert_cmpstr(verdict_name(checker_judge(&checker, &example->records[i])), ==,
                                verdict_name(wanted));
        }
        checker_deinit(&checker);
}

/* Both records are to blame, so neither is the last one only. */
static void test_pair(const struct history_record *records, size_t n, enum verdict verdict)
{
        struct checker checker = {0};

        for (size_t i = 0; i < n; i++) {
                g_assert_cmpint(checker_learn(&checker, &records[i]), ==, 0);
        }
        checker_seal(&checker);
        for (size_t i = n - 2; i < n; i++) {
                g_assert_cmpint(checker_judge(&checker, &records[i]), ==, verdict);
        }
        checker_deinit(&checker);
}

static void test_one_number_for_two_attempts_of_a_version(void)
{
        const struct history_record records[] = {
                        EVENT(WRITE, 1, 11, 10, 20), EVENT(WRITE, 1, 11, 30, 40)};

        test_pair(records, G_N_ELEMENTS(records), VERDICT_TWICE);
}

static void test_two_writes_that_both_became_one_version(void)
{
        const struct history_record records[] = {EVENT(WRITE, 1, 11, 10, 20),
                        EVENT(WRITE, 1, 12, 10, 20), EVENT(DONE, 1, 11, 20, 30),
                        EVENT(DONE_HERE, 1, 12, 20, 30)};

        test_pair(records, G_N_ELEMENTS(records), VERDICT_TWICE);
}

/* The definition: is there any newer version that was done before the read began? */
static bool is_stale(const struct history_record *records, size_t n,
                const struct history_record *read, bool is_here)
{
        for (size_t i = 0; i < n; i++) {
                const struct history_record *r = &records[i];
                bool counts = is_here ? r->kind == HISTORY_DONE_HERE && r->process == read->process
                                      : r->kind == HISTORY_DONE;

                if (counts && r->key == read->key && r->version > read->version &&
                                r->end_ns < read->start_ns) {
                        return true;
                }
        }
        return false;
}

static bool began_later(
                const struct history_record *records, size_t n, const struct history_record *read)
{
        for (size_t i = 0; i < n; i++) {
                const struct history_record *r = &records[i];

                if (r->kind == HISTORY_WRITE && r->key == read->key &&
                                r->version == read->version && r->start_ns > read->end_ns) {
                        return true;
                }
        }
        return false;
}

static enum verdict judge_slowly(
                const struct history_record *records, size_t n, const struct history_record *read)
{
        return began_later(records, n, read)       ? VERDICT_TOO_EARLY
               : is_stale(records, n, read, false) ? VERDICT_STALE
               : is_stale(records, n, read, true)  ? VERDICT_STALE_HERE
                                                   : VERDICT_LEGAL;
}

#define DRAWN_KEYS 3
#define DRAWN_VERSIONS 6
#define DRAWN_READS 40
#define DRAWN_MAX (DRAWN_KEYS * DRAWN_VERSIONS * 2 + DRAWN_READS)

static uint32_t draw(uint32_t below)
{
        return (uint32_t)g_test_rand_int_range(0, (int)below);
}

/* Writes of each key one after the other, most of them acknowledged some time later. */
static size_t draw_history(struct history_record records[DRAWN_MAX])
{
        size_t n = 0;

        for (uint32_t key = 0; key < DRAWN_KEYS; key++) {
                uint64_t now = 0;

                for (uint32_t version = 1; version <= DRAWN_VERSIONS; version++) {
                        struct history_record *write = &records[n++];

                        now += draw(8);
                        *write = (struct history_record){.kind = HISTORY_WRITE,
                                        .key = key,
                                        .version = version,
                                        .write = key * 100 + version,
                                        .process = (uint16_t)draw(3),
                                        .start_ns = now,
                                        .end_ns = now};
                        if (draw(4) > 0) {
                                records[n] = *write;
                                records[n].kind = draw(2) ? HISTORY_DONE : HISTORY_DONE_HERE;
                                records[n++].end_ns += draw(20);
                        }
                }
        }
        for (int i = 0; i < DRAWN_READS; i++) {
                uint32_t key = draw(DRAWN_KEYS), version = draw(DRAWN_VERSIONS + 1);
                uint64_t start = draw(60);

                records[n++] = (struct history_record){.kind = draw(2) ? HISTORY_HIT : HISTORY_LOAD,
                                .key = key,
                                .version = version,
                                .write = version ? key * 100 + version : 0,
                                .process = (uint16_t)draw(3),
                                .start_ns = start,
                                .end_ns = start + draw(10)};
        }
        return n;
}

static void test_agrees_with_the_definition(void)
{
        uint64_t n_by_verdict[VERDICTS] = {0};

        for (int round = 0; round < 2000; round++) {
                struct history_record records[DRAWN_MAX];
                struct checker checker = {0};
                size_t n = draw_history(records);

                for (size_t i = n; i-- > 0;) { /* in any order */
                        g_assert_cmpint(checker_learn(&checker, &records[i]), ==, 0);
                }
                checker_seal(&checker);
                for (size_t i = n - DRAWN_READS; i < n; i++) {
                        enum verdict verdict = checker_judge(&checker, &records[i]);

                        g_assert_cmpint(verdict, ==, judge_slowly(records, n, &records[i]));
                        n_by_verdict[verdict]++;
                }
                checker_deinit(&checker);
        }
        for (int i = VERDICT_LEGAL; i <= VERDICT_TOO_EARLY; i++) {
                g_assert_cmpuint(n_by_verdict[i], >, 1000);
        }
}

static void test_a_file_gives_back_what_was_noted_up_to_where_it_was_cut_off(void)
{
        char *directory = g_dir_make_tmp("cm-check-XXXXXX", NULL);
        char *path = g_build_filename(directory, "history", NULL);
        struct history_record noted = EVENT(HIT, 1, 11, 25, 26);
        const struct history_record *read;
        struct history history = {0};
        size_t n;

        g_assert_cmpint(history_create(&history, path, 4), ==, 0);
        for (uint64_t i = 0; i < 3; i++) {
                noted.version = i;
                g_assert_cmpint(history_add(&history, &noted), ==, 0);
        }
        g_assert_cmpint(history_add(&history, &noted), ==, -ENOSPC);
        g_assert_cmpint(history_map(path, &read, &n), ==, 0); /* as after a kill: never closed */
        g_assert_cmpuint(n, ==, 3);
        noted.version = 1;
        g_assert_cmpmem(&read[1], sizeof(noted), &noted, sizeof(noted));
        history_close(&history);
        g_assert_cmpint(history_create(&history, path, 4), ==, -EEXIST);
        g_unlink(path);
        g_rmdir(directory);
        g_free(path);
        g_free(directory);
}

static void test_another_file_is_no_history(void)
{
        char *path;
        int fd = g_file_open_tmp("cm-check-XXXXXX", &path, NULL);
        const struct history_record *read;
        size_t n;

        g_assert_cmpint(write(fd, "no history", 10), ==, 10);
        g_assert_cmpint(history_map(path, &read, &n), ==, -EBADMSG);
        g_assert_cmpint(ftruncate(fd, 4096), ==, 0);
        g_assert_cmpint(pwrite(fd, (uint8_t[]){HISTORY_HIT}, 1,
                                        offsetof(struct history_record, kind)),
                        ==, 1);
        g_assert_cmpint(history_map(path, &read, &n), ==, -EBADMSG);
        close(fd);
        g_unlink(path);
        g_assert_cmpint(history_map(path, &read, &n), ==, -ENOENT);
        g_free(path);
}

static void test_who_was_killed_before_the_head_has_noted_nothing(void)
{
        char *path;
        int fd = g_file_open_tmp("cm-check-XXXXXX", &path, NULL);
        const struct history_record *read;
        size_t n = 1;

        g_assert_cmpint(history_map(path, &read, &n), ==, 0);
        g_assert_cmpuint(n, ==, 0);
        n = 1;
        g_assert_cmpint(ftruncate(fd, 4096), ==, 0);
        g_assert_cmpint(history_map(path, &read, &n), ==, 0);
        g_assert_cmpuint(n, ==, 0);
        close(fd);
        g_unlink(path);
        g_free(path);
}

static void add_examples(const char *folder, const struct example *examples, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                char *path = g_strconcat("/check/", folder, "/", examples[i].name, NULL);

                g_test_add_data_func(path, &examples[i], test_example);
                g_free(path);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        add_examples("refuses", illegal, G_N_ELEMENTS(illegal));
        add_examples("accepts", legal, G_N_ELEMENTS(legal));
        g_test_add_func("/check/refuses/one_number_for_two_attempts_of_a_version",
                        test_one_number_for_two_attempts_of_a_version);
        g_test_add_func("/check/refuses/two_writes_that_both_became_one_version",
                        test_two_writes_that_both_became_one_version);
        g_test_add_func("/check/agrees_with_the_definition", test_agrees_with_the_definition);
        g_test_add_func("/check/a_file_gives_back_what_was_noted_up_to_where_it_was_cut_off",
                        test_a_file_gives_back_what_was_noted_up_to_where_it_was_cut_off);
        g_test_add_func("/check/another_file_is_no_history", test_another_file_is_no_history);
        g_test_add_func("/check/who_was_killed_before_the_head_has_noted_nothing",
                        test_who_was_killed_before_the_head_has_noted_nothing);
        return g_test_run();
}
