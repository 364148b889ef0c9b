/* SPDX-License-Identifier: MIT */
#include "base/file.h"

#include "base/cleanup.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

struct place {
        char *path;
        int directory;
};

static void set_up(struct place *place, const void *unused)
{
        place->path = g_dir_make_tmp("file-XXXXXX", NULL);
        place->directory = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        g_assert_cmpint(place->directory, >=, 0);
}

static void tear_down(struct place *place, const void *unused)
{
        unlinkat(place->directory, "it", 0);
        unlinkat(place->directory, "other", 0);
        g_assert_cmpint(rmdir(place->path), ==, 0); /* nothing else is left */
        close(place->directory);
        g_free(place->path);
}

static void expect_content(const struct place *place, const char *name, const char *content)
{
        g_autofree char *path = g_build_filename(place->path, name, NULL);
        g_autofree char *found = NULL;

        g_file_get_contents(path, &found, NULL, NULL);
        g_assert_cmpstr(found, ==, content);
}

static void replace(const struct place *place, const char *content)
{
        g_assert_cmpint(cmi_file_replace(place->directory, "it", cmi_slice_str(content)), ==, 0);
        expect_content(place, "it", content);
}

static void it_is_made_and_replaced(struct place *place, const void *unused)
{
        replace(place, "a long first text\n");
        replace(place, "short\n");
        replace(place, "");
}

static void nobody_else_may_read_it_whatever_the_umask_is(struct place *place, const void *unused)
{
        mode_t before = umask(0777);
        struct stat status;

        g_assert_cmpint(cmi_file_create(place->directory, "it", cmi_slice_str("x")), ==, 0);
        umask(0);
        g_assert_cmpint(cmi_file_create(place->directory, "other", cmi_slice_str("x")), ==, 0);
        umask(before);
        g_assert_cmpint(fstatat(place->directory, "it", &status, 0), ==, 0);
        g_assert_cmpuint(status.st_mode & 07777, ==, 0600);
        g_assert_cmpint(fstatat(place->directory, "other", &status, 0), ==, 0);
        g_assert_cmpuint(status.st_mode & 07777, ==, 0600);
}

static void what_exists_is_not_made_anew(struct place *place, const void *unused)
{
        replace(place, "old");
        g_assert_cmpint(cmi_file_create(place->directory, "it", cmi_slice_str("new")), ==, -EEXIST);
        expect_content(place, "it", "old");
}

static void what_a_crash_or_a_stranger_left_is_not_followed(struct place *place, const void *unused)
{
        replace(place, "old");
        g_assert_cmpint(cmi_file_create(place->directory, "other", cmi_slice_str("theirs")), ==, 0);
        g_assert_cmpint(symlinkat("other", place->directory, "it.new"), ==, 0);
        replace(place, "new");
        expect_content(place, "other", "theirs");
}

static void without_a_place_for_the_new_one_the_old_one_stays(
                struct place *place, const void *unused)
{
        replace(place, "old");
        g_assert_cmpint(mkdirat(place->directory, "it.new", 0700), ==, 0);
        g_assert_cmpint(cmi_file_replace(place->directory, "it", cmi_slice_str("new")), ==,
                        -EEXIST);
        expect_content(place, "it", "old");
        g_assert_cmpint(unlinkat(place->directory, "it.new", AT_REMOVEDIR), ==, 0);
}

static void half_a_new_one_leaves_the_old_one(struct place *place, const void *unused)
{
        struct rlimit before, low = {0};

        replace(place, "old");
        signal(SIGXFSZ, SIG_IGN);
        getrlimit(RLIMIT_FSIZE, &before);
        low = (struct rlimit){.rlim_cur = 3, .rlim_max = before.rlim_max};
        setrlimit(RLIMIT_FSIZE, &low);
        g_assert_cmpint(cmi_file_replace(place->directory, "it", cmi_slice_str("longer")), ==,
                        -EFBIG);
        setrlimit(RLIMIT_FSIZE, &before);
        expect_content(place, "it", "old");
}

static void a_directory_that_cannot_be_synced_is_told(struct place *place, const void *unused)
{
        /* Good for names, and not for fsync(). */
        CM_CLEANUP(cmi_close_p)
        int directory = open(place->path, O_PATH | O_DIRECTORY | O_CLOEXEC);

        replace(place, "old");
        g_assert_cmpint(cmi_file_replace(directory, "it", cmi_slice_str("new")), ==,
                        CMI_FILE_UNSYNCED);
        expect_content(place, "it", "new");
}

static void a_name_has_a_limit(struct place *place, const void *unused)
{
        char name[CMI_FILE_NAME_MAX + 2];

        memset(name, 'n', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        g_assert_cmpint(cmi_file_replace(place->directory, name, cmi_slice_str("x")), ==,
                        -ENAMETOOLONG);
        name[CMI_FILE_NAME_MAX] = '\0';
        g_assert_cmpint(cmi_file_replace(place->directory, name, cmi_slice_str("x")), ==, 0);
        g_assert_cmpint(unlinkat(place->directory, name, 0), ==, 0);
}

static void no_more_is_read_than_there_is_and_than_fits(struct place *place, const void *unused)
{
        CM_CLEANUP(cmi_close_p) int fd = -1;
        char buffer[8] = "";

        replace(place, "123456");
        fd = openat(place->directory, "it", O_RDONLY | O_CLOEXEC);
        g_assert_cmpint(cmi_file_read(fd, buffer, 4), ==, 4);
        g_assert_cmpint(cmi_file_read(fd, buffer + 4, 4), ==, 2);
        g_assert_cmpstr(buffer, ==, "123456");
        g_assert_cmpint(cmi_file_read(place->directory, buffer, 4), ==, -EISDIR);
}

#define CASE(name, function)                                                                       \
        g_test_add("/file/" name, struct place, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        CASE("replace", it_is_made_and_replaced);
        CASE("mode", nobody_else_may_read_it_whatever_the_umask_is);
        CASE("exists", what_exists_is_not_made_anew);
        CASE("stranger", what_a_crash_or_a_stranger_left_is_not_followed);
        CASE("no_place", without_a_place_for_the_new_one_the_old_one_stays);
        CASE("half", half_a_new_one_leaves_the_old_one);
        CASE("directory", a_directory_that_cannot_be_synced_is_told);
        CASE("read", no_more_is_read_than_there_is_and_than_fits);
        CASE("name", a_name_has_a_limit);
        return g_test_run();
}
