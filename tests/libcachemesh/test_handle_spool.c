/* SPDX-License-Identifier: MIT */
/* The spool as a handle writes it: what is late is there, and nothing is lost to a meshd that takes
 * the file at the same time. */
#include "libcachemesh/spool.h"
#include "tests/libcachemesh/connection_fixture.h"
#include "wire/spool.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

struct place {
        struct fixture fixture;
        char *directory;
};

static void set_up(struct place *place, const void *unused)
{
        fixture_set_up(&place->fixture, NULL);
        place->directory = g_strconcat(place->fixture.path, CMI_SPOOL_SUFFIX, NULL);
        g_assert_cmpint(g_mkdir(place->directory, 0770), ==, 0);
}

static unsigned n_files(const struct place *place)
{
        g_autoptr(GDir) directory = g_dir_open(place->directory, 0, NULL);
        unsigned n = 0;

        while (directory && g_dir_read_name(directory)) {
                n++;
        }
        return n;
}

/* The operations of all files, oldest file first by name; the files are removed. */
static unsigned take_all(const struct place *place)
{
        g_autoptr(GDir) directory = g_dir_open(place->directory, 0, NULL);
        const char *name;
        unsigned n = 0;

        while ((name = g_dir_read_name(directory))) {
                g_autofree char *path = g_build_filename(place->directory, name, NULL);
                g_autofree char *bytes = NULL;
                struct cmi_slice file, op;
                uint32_t pid;
                gsize len;

                g_assert_true(g_file_get_contents(path, &bytes, &len, NULL));
                file = cmi_slice(bytes, len);
                g_assert_cmpint(cmi_spool_open(&file, &pid), ==, 0);
                g_assert_cmpuint(pid, ==, (uint32_t)getpid());
                while (cmi_spool_next(&file, &op) == 1) {
                        n++;
                }
                g_unlink(path);
        }
        return n;
}

static void tear_down(struct place *place, const void *unused)
{
        place->fixture.cm = fake_handle_close(place->fixture.cm);
        if (g_file_test(place->directory, G_FILE_TEST_IS_DIR)) {
                take_all(place);
                g_rmdir(place->directory);
        }
        g_free(place->directory);
        fixture_tear_down(&place->fixture, NULL);
}

static int invalidate(struct place *place, const char *key, enum cm_wait wait, uint32_t timeout_ms)
{
        return fake_handle_invalidate(place->fixture.cm, "r", key, wait, timeout_ms, NULL);
}

static void open_without_meshd(struct place *place, uint32_t pending_max)
{
        struct cm_options options = {.pending_max = pending_max, .timeout_ms = 200};

        place->fixture.cm = fake_handle_open(place->fixture.path, &options);
        fake_handle_region(place->fixture.cm, "r", 0);
}

static void each_one_is_there_when_its_call_returns(struct place *place, const void *unused)
{
        open_without_meshd(place, 0);
        g_assert_cmpuint(n_files(place), ==, 0);
        for (unsigned i = 1; i <= 5; i++) {
                g_assert_cmpint(invalidate(place, "k", (enum cm_wait)(i % 3), 200), ==, CM_PENDING);
                g_assert_cmpuint(n_files(place), ==, 1);
        }
        g_assert_cmpuint(take_all(place), ==, 5);
}

static void the_file_outlives_the_handle(struct place *place, const void *unused)
{
        open_without_meshd(place, 0);
        invalidate(place, "k", CM_WAIT_NONE, 200);
        place->fixture.cm = fake_handle_close(place->fixture.cm);
        g_assert_cmpuint(take_all(place), ==, 1);
}

static void the_file_goes_when_all_is_confirmed(struct place *place, const void *unused)
{
        open_without_meshd(place, 0);
        invalidate(place, "k", CM_WAIT_NONE, 200);
        g_assert_cmpuint(n_files(place), ==, 1);
        place->fixture.meshd = fake_meshd_start(place->fixture.path, NULL);
        g_assert_true(fake_handle_await(place->fixture.cm, fake_handle_is_flushed, NULL));
        g_assert_cmpuint(n_files(place), ==, 0);
}

static void what_a_lost_meshd_had_not_confirmed_is_there(struct place *place, const void *unused)
{
        struct fake_meshd_script script = fake_meshd_script();

        script.confirms_nothing = true;
        fixture_start_region(&place->fixture, &script);
        for (unsigned i = 0; i < 3; i++) {
                g_assert_cmpint(invalidate(place, "k", CM_WAIT_NONE, 200), ==, 0);
        }
        g_assert_true(fake_meshd_await_published(place->fixture.meshd, 3));
        g_assert_cmpuint(n_files(place), ==, 0);
        place->fixture.meshd = fake_meshd_kill(place->fixture.meshd);
        g_assert_cmpint(invalidate(place, "k", CM_WAIT_NONE, 200), ==, CM_PENDING);
        g_assert_cmpuint(take_all(place), ==, 4);
}

static void what_is_not_confirmed_at_the_close_is_there(struct place *place, const void *unused)
{
        struct fake_meshd_script script = fake_meshd_script();

        script.confirms_nothing = true;
        place->fixture.meshd = fake_meshd_start(place->fixture.path, &script);
        open_without_meshd(place, 0);
        g_assert_cmpint(invalidate(place, "k", CM_WAIT_NONE, 5000), ==, 0);
        place->fixture.cm = fake_handle_close(place->fixture.cm);
        g_assert_cmpuint(take_all(place), ==, 1);
}

static void an_overflow_writes_whole_regions_again_after_each_taking(
                struct place *place, const void *unused)
{
        open_without_meshd(place, 4);
        for (unsigned i = 0; i < 4; i++) {
                invalidate(place, "k", CM_WAIT_NONE, 200);
        }
        g_assert_cmpuint(take_all(place), ==, 4);
        for (unsigned i = 0; i < 3; i++) {
                invalidate(place, "k", CM_WAIT_NONE, 200);
                g_assert_cmpuint(take_all(place), ==, 1);
        }
        invalidate(place, "k", CM_WAIT_NONE, 200);
        invalidate(place, "k", CM_WAIT_NONE, 200);
        fake_handle_region(place->fixture.cm, "s", 0);
        fake_handle_invalidate(place->fixture.cm, "s", "k", CM_WAIT_NONE, 200, NULL);
        g_assert_cmpuint(take_all(place), ==, 2);
}

static void a_full_file_gets_whole_regions(struct place *place, const void *unused)
{
        g_autofree char *key = g_strnfill(1000, 'k');
        unsigned n_kept;

        open_without_meshd(place, 4096);
        for (unsigned i = 0; i < 1500; i++) {
                g_assert_cmpint(invalidate(place, key, CM_WAIT_NONE, 200), ==, CM_PENDING);
        }
        n_kept = take_all(place);
        g_assert_cmpuint(n_kept, >, 900);
        g_assert_cmpuint(n_kept, <, 1100);
        invalidate(place, key, CM_WAIT_NONE, 200);
        invalidate(place, key, CM_WAIT_NONE, 200);
        g_assert_cmpuint(take_all(place), ==, 2);
}

static void without_a_directory_it_is_told_once(struct place *place, const void *unused)
{
        g_rmdir(place->directory);
        open_without_meshd(place, 0);
        invalidate(place, "k", CM_WAIT_NONE, 200);
        invalidate(place, "k", CM_WAIT_NONE, 200);
        g_assert_nonnull(strstr(place->fixture.cm->last_log, "memory only"));
        g_assert_cmpuint(place->fixture.cm->n_logs, ==, 1);
}

static void a_directory_that_strangers_may_write_to_is_not_used(
                struct place *place, const void *unused)
{
        g_assert_cmpint(chmod(place->directory, 0777), ==, 0);
        open_without_meshd(place, 0);
        invalidate(place, "k", CM_WAIT_NONE, 200);
        g_assert_cmpuint(n_files(place), ==, 0);
        g_assert_nonnull(strstr(place->fixture.cm->last_log, "not meshd's"));
}

static void a_link_in_the_place_of_the_directory_is_not_followed(
                struct place *place, const void *unused)
{
        g_autofree char *elsewhere = g_strconcat(place->directory, ".real", NULL);

        g_assert_cmpint(g_rename(place->directory, elsewhere), ==, 0);
        g_assert_cmpint(symlink(elsewhere, place->directory), ==, 0);
        open_without_meshd(place, 0);
        invalidate(place, "k", CM_WAIT_NONE, 200);
        g_assert_cmpuint(n_files(place), ==, 0);
        g_unlink(place->directory);
        g_assert_cmpint(g_rename(elsewhere, place->directory), ==, 0);
}

/* The file alone */

static void rename_as_meshd_does(const struct place *place, const struct cmi_spool *spool)
{
        g_autofree char *from = g_build_filename(place->directory, spool->name, NULL);
        g_autofree char *to = g_strconcat(from, CMI_SPOOL_TAKEN, NULL);

        g_assert_cmpint(g_rename(from, to), ==, 0);
}

static void what_comes_after_a_taking_is_in_a_new_file(struct place *place, const void *unused)
{
        struct cmi_spool spool;
        const char *path = place->fixture.path;

        cmi_spool_init(&spool, 1);
        g_assert_false(cmi_spool_is_kept(&spool));
        g_assert_cmpint(cmi_spool_append(&spool, path, cmi_slice_str("1"), UINT64_MAX), ==, 0);
        g_assert_true(cmi_spool_is_kept(&spool));
        rename_as_meshd_does(place, &spool);
        /* Written into the file that was taken, which is noticed, and then again. */
        g_assert_cmpint(cmi_spool_append(&spool, path, cmi_slice_str("2"), UINT64_MAX), ==, 0);
        g_assert_true(cmi_spool_is_kept(&spool));
        g_assert_cmpuint(n_files(place), ==, 2);
        g_assert_cmpuint(spool.size, ==, CMI_SPOOL_HEADER_SIZE + CMI_SPOOL_RECORD_SIZE + 1);
        cmi_spool_close(&spool);
}

static void a_bound_is_kept_to_the_byte(struct place *place, const void *unused)
{
        struct cmi_spool spool;
        const char *path = place->fixture.path;
        uint64_t max = CMI_SPOOL_HEADER_SIZE + 2 * (CMI_SPOOL_RECORD_SIZE + 2);

        cmi_spool_init(&spool, 1);
        for (int i = 0; i < 2; i++) {
                g_assert_cmpint(cmi_spool_append(&spool, path, cmi_slice_str("op"), max), ==, 0);
        }
        g_assert_cmpint(cmi_spool_append(&spool, path, cmi_slice_str("o"), max), ==, -EFBIG);
        g_assert_cmpuint(spool.size, ==, max);
        cmi_spool_drop(&spool);
        g_assert_cmpuint(n_files(place), ==, 0);
}

static int append_limited(struct cmi_spool *spool, const struct place *place, rlim_t max)
{
        struct rlimit before, limit;
        int r;

        g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &before), ==, 0);
        limit = (struct rlimit){.rlim_cur = max, .rlim_max = before.rlim_max};
        g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
        r = cmi_spool_append(spool, place->fixture.path, cmi_slice_str("op"), UINT64_MAX);
        g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &before), ==, 0);
        return r;
}

/* The signal for it would end this program, as it would an app. */
static void a_limit_on_the_size_of_files_ends_no_process(struct place *place, const void *unused)
{
        const rlim_t one = CMI_SPOOL_HEADER_SIZE + CMI_SPOOL_RECORD_SIZE + 2;
        struct cmi_spool spool;

        cmi_spool_init(&spool, 1);
        g_assert_cmpint(append_limited(&spool, place, 0), ==, -ENOSPC);
        g_assert_cmpuint(n_files(place), ==, 0);
        g_assert_cmpint(append_limited(&spool, place, CMI_SPOOL_HEADER_SIZE), ==, -ENOSPC);
        for (rlim_t i = 0; i < CMI_SPOOL_RECORD_SIZE + 2; i++) {
                g_assert_cmpint(append_limited(&spool, place, one + i), ==, i == 0 ? 0 : -ENOSPC);
        }
        g_assert_cmpint(append_limited(&spool, place, RLIM_INFINITY), ==, 0);
        g_assert_cmpuint(take_all(place), ==, 2);
        cmi_spool_close(&spool);
}

#define ADD(name) g_test_add("/handle_spool/" #name, struct place, NULL, set_up, name, tear_down)

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        ADD(each_one_is_there_when_its_call_returns);
        ADD(the_file_outlives_the_handle);
        ADD(the_file_goes_when_all_is_confirmed);
        ADD(what_a_lost_meshd_had_not_confirmed_is_there);
        ADD(what_is_not_confirmed_at_the_close_is_there);
        ADD(an_overflow_writes_whole_regions_again_after_each_taking);
        ADD(a_full_file_gets_whole_regions);
        ADD(without_a_directory_it_is_told_once);
        ADD(a_directory_that_strangers_may_write_to_is_not_used);
        ADD(a_link_in_the_place_of_the_directory_is_not_followed);
        ADD(what_comes_after_a_taking_is_in_a_new_file);
        ADD(a_bound_is_kept_to_the_byte);
        ADD(a_limit_on_the_size_of_files_ends_no_process);
        return g_test_run();
}
