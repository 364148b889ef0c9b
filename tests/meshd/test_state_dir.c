/* SPDX-License-Identifier: MIT */
#include "meshd/io/state_dir.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOBODY 65534

static char *directory;

static struct state_dir_options options_for(const char *path)
{
        return (struct state_dir_options){path, "mesh", "node", 1000000, false};
}

static void remove_all(const char *path)
{
        g_autoptr(GDir) entries = g_dir_open(path, 0, NULL);
        const char *name;

        while (entries && (name = g_dir_read_name(entries))) {
                g_autofree char *file = g_build_filename(path, name, NULL);

                g_unlink(file);
        }
        g_rmdir(path);
}

static char *fresh_path(const char *name)
{
        return g_build_filename(directory, name, NULL);
}

static void put(const char *path, const char *name, const char *text)
{
        g_autofree char *file = g_build_filename(path, name, NULL);

        g_assert_true(g_file_set_contents(file, text, -1, NULL));
}

static void the_node_is_the_same_after_a_restart_and_its_incarnation_grows(void)
{
        g_autofree char *path = fresh_path("same");
        struct state_dir_options options = options_for(path);
        struct state_dir first;
        struct state_dir second;
        struct fault fault;

        g_assert_cmpint(state_dir_open(&first, &options, &fault), ==, STATE_DIR_OPENED);
        g_assert_cmpuint(first.incarnation, ==, 1000000);
        state_dir_close(&first);
        options.unix_ms = 5; /* the clock was set back */
        g_assert_cmpint(state_dir_open(&second, &options, &fault), ==, STATE_DIR_OPENED);
        g_assert_true(cmi_id_equal(&first.id, &second.id));
        g_assert_cmpuint(second.incarnation, ==, 1000001);
        g_assert_cmpint(state_dir_store_incarnation(&second, 2000000), ==, 0);
        state_dir_close(&second);
        g_assert_cmpint(state_dir_open(&second, &options, &fault), ==, STATE_DIR_OPENED);
        g_assert_cmpuint(second.incarnation, ==, 2000001);
        state_dir_close(&second);
        options.is_new_identity = true;
        g_assert_cmpint(state_dir_open(&second, &options, &fault), ==, STATE_DIR_OPENED);
        g_assert_false(cmi_id_equal(&first.id, &second.id));
        state_dir_close(&second);
        remove_all(path);
}

static void a_directory_in_use_is_refused_with_the_holder(void)
{
        g_autofree char *path = fresh_path("busy");
        g_autofree char *pid = g_strdup_printf("process %d", (int)getpid());
        struct state_dir_options options = options_for(path);
        struct state_dir first;
        struct state_dir second;
        struct fault fault;

        g_assert_cmpint(state_dir_open(&first, &options, &fault), ==, STATE_DIR_OPENED);
        g_assert_cmpint(state_dir_open(&second, &options, &fault), ==, -EBUSY);
        g_assert_cmpint(fault.status, ==, FAULT_RETRY);
        g_assert_nonnull(strstr(fault.text, pid));
        state_dir_close(&first);
        g_assert_cmpint(state_dir_open(&second, &options, &fault), ==, STATE_DIR_OPENED);
        state_dir_close(&second);
        remove_all(path);
}

static void another_users_directory_is_refused(void)
{
        g_autofree char *path = fresh_path("foreign");
        struct state_dir_options options = options_for(path);
        struct state_dir dir;
        struct fault fault;

        if (geteuid() != 0) {
                g_test_skip("needs root, to give a directory away");
                return;
        }
        g_assert_cmpint(g_mkdir(path, 0700), ==, 0);
        g_assert_cmpint(chown(path, NOBODY, NOBODY), ==, 0);
        g_assert_cmpint(state_dir_open(&dir, &options, &fault), ==, -EPERM);
        g_assert_cmpint(fault.status, ==, FAULT_CONFIG);
        g_assert_nonnull(strstr(fault.text, "65534"));
        remove_all(path);
}

static void without_a_directory_the_id_depends_on_mesh_and_name(void)
{
        struct state_dir_options options = options_for(STATE_DIR_NONE);
        struct state_dir a;
        struct state_dir b;
        struct fault fault;

        g_assert_cmpint(state_dir_open(&a, &options, &fault), ==, STATE_DIR_UNWANTED);
        g_assert_cmpint(state_dir_open(&b, &options, &fault), ==, STATE_DIR_UNWANTED);
        g_assert_true(a.is_temporary && cmi_id_equal(&a.id, &b.id));
        options.name = "other";
        g_assert_cmpint(state_dir_open(&b, &options, &fault), ==, STATE_DIR_UNWANTED);
        g_assert_false(cmi_id_equal(&a.id, &b.id));
        g_assert_cmpint(state_dir_store_incarnation(&b, 7), ==, 0);
}

static void a_missing_parent_gives_a_temporary_id(void)
{
        g_autofree char *path = fresh_path("none/below");
        struct state_dir_options options = options_for(path);
        struct state_dir dir;
        struct fault fault;

        g_assert_cmpint(state_dir_open(&dir, &options, &fault), ==, STATE_DIR_UNSTORED);
        g_assert_true(dir.is_temporary);
        g_assert_false(cmi_id_is_zero(&dir.id));
        g_assert_nonnull(strstr(dir.why, "No such file"));
        state_dir_close(&dir);
}

/* A full disk: a tmpfs with as many inodes as the directory and the lock take. */
static void a_full_disk_gives_a_temporary_id(void)
{
        g_autofree char *path = fresh_path("full");
        struct state_dir_options options = options_for(path);
        struct state_dir dir;
        struct fault fault;

        g_assert_cmpint(g_mkdir(path, 0700), ==, 0);
        if (mount("tmpfs", path, "tmpfs", 0, "nr_inodes=2,mode=0700") < 0) {
                g_test_skip("needs the right to mount");
                g_rmdir(path);
                return;
        }
        g_assert_cmpint(state_dir_open(&dir, &options, &fault), ==, STATE_DIR_UNSTORED);
        g_assert_true(dir.is_temporary);
        g_assert_nonnull(strstr(dir.why, "No space"));
        state_dir_close(&dir);
        g_assert_cmpint(umount(path), ==, 0);
        g_rmdir(path);
}

static void damaged_and_newer_files_are_refused(void)
{
        g_autofree char *path = fresh_path("damaged");
        struct state_dir_options options = options_for(path);
        struct state_dir dir;
        struct fault fault;

        g_assert_cmpint(g_mkdir(path, 0700), ==, 0);
        put(path, "node_id", "not an id\n");
        g_assert_cmpint(state_dir_open(&dir, &options, &fault), ==, -EBADMSG);
        g_assert_nonnull(strstr(fault.text, "--new-identity"));
        put(path, "format", "2\n");
        g_assert_cmpint(state_dir_open(&dir, &options, &fault), ==, -EPROTO);
        g_assert_cmpint(fault.status, ==, FAULT_CONFIG);
        put(path, "format", "1\n");
        options.is_new_identity = true;
        g_assert_cmpint(state_dir_open(&dir, &options, &fault), ==, STATE_DIR_OPENED);
        state_dir_close(&dir);
        remove_all(path);
}

/* Nothing else than digits, and nothing that no clock can have made. */
static void a_damaged_incarnation_is_told_and_made_anew(void)
{
        g_autofree char *path = fresh_path("torn");
        g_autofree char *rubbish = g_strnfill(300, '\x17');
        const char *texts[] = {"", "\n", "12x\n", "-5\n", " 7\n", "\x1b[2J", rubbish,
                        "99999999999999999999999\n", "18446744073709551615\n", "9000000000000\n"};
        struct state_dir_options options = options_for(path);
        struct state_dir dir;
        struct fault fault;

        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
                g_assert_cmpint(state_dir_open(&dir, &options, &fault), ==, STATE_DIR_OPENED);
                g_assert_cmpstr(dir.damage, ==, "");
                state_dir_close(&dir);
                put(path, "incarnation", texts[i]);
                g_assert_cmpint(state_dir_open(&dir, &options, &fault), ==, STATE_DIR_OPENED);
                g_assert_cmpstr(dir.damage, !=, "");
                g_assert_null(strpbrk(dir.damage, "\x17\x1b"));
                g_assert_cmpuint(dir.incarnation, ==, options.unix_ms);
                state_dir_close(&dir);
                options.unix_ms++;
        }
        put(path, "incarnation", "2000000\n");
        g_assert_cmpint(state_dir_open(&dir, &options, &fault), ==, STATE_DIR_OPENED);
        g_assert_cmpstr(dir.damage, ==, "");
        g_assert_cmpuint(dir.incarnation, ==, 2000001);
        state_dir_close(&dir);
        remove_all(path);
}

static void a_format_that_is_no_number_is_refused_with_the_file_and_what_to_do(void)
{
        g_autofree char *path = fresh_path("rubbish");
        g_autofree char *advice = g_strdup_printf("echo 1 >%s/format", path);
        g_autofree char *rubbish = g_strnfill(300, '\x17');
        const char *texts[] = {"", "\n", "1x\n", "\x1b[2J", rubbish};
        struct state_dir_options options = options_for(path);
        struct state_dir dir;
        struct fault fault;

        g_assert_cmpint(g_mkdir(path, 0700), ==, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
                put(path, "format", texts[i]);
                g_assert_cmpint(state_dir_open(&dir, &options, &fault), ==, -EBADMSG);
                g_assert_cmpint(fault.status, ==, FAULT_CONFIG);
                g_assert_nonnull(strstr(fault.text, "the file format"));
                g_assert_nonnull(strstr(fault.text, advice));
                g_assert_null(strpbrk(fault.text, "\x17\x1b"));
        }
        put(path, "format", "1\n");
        g_assert_cmpint(state_dir_open(&dir, &options, &fault), ==, STATE_DIR_OPENED);
        state_dir_close(&dir);
        remove_all(path);
}

static void a_directory_that_others_may_write_to_is_refused_with_advice(void)
{
        static const mode_t modes[] = {0777, 0770, 0702, 01777};
        g_autofree char *path = fresh_path("open");
        g_autofree char *advice = g_strdup_printf("chmod go-w %s", path);
        struct state_dir_options options = options_for(path);
        struct state_dir dir;
        struct fault fault;

        g_assert_cmpint(g_mkdir(path, 0700), ==, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
                g_assert_cmpint(chmod(path, modes[i]), ==, 0);
                g_assert_cmpint(state_dir_open(&dir, &options, &fault), ==, -EPERM);
                g_assert_cmpint(fault.status, ==, FAULT_CONFIG);
                g_assert_nonnull(strstr(fault.text, advice));
        }
        g_assert_cmpint(chmod(path, 0755), ==, 0);
        g_assert_cmpint(state_dir_open(&dir, &options, &fault), ==, STATE_DIR_OPENED);
        state_dir_close(&dir);
        remove_all(path);
}

static void an_incarnation_of_the_far_future_counts_as_none(void)
{
        g_autofree char *path = fresh_path("future");
        struct state_dir_options options = options_for(path);
        struct state_dir dir;
        struct fault fault;

        g_assert_cmpint(g_mkdir(path, 0700), ==, 0);
        put(path, "incarnation", "18446744073709551614\n");
        g_assert_cmpint(state_dir_open(&dir, &options, &fault), ==, STATE_DIR_OPENED);
        g_assert_cmpuint(dir.incarnation, ==, options.unix_ms);
        state_dir_close(&dir);
        remove_all(path);
}

static void a_file_in_its_place_is_refused(void)
{
        g_autofree char *path = fresh_path("file");
        struct state_dir_options options = options_for(path);
        struct state_dir dir;
        struct fault fault;

        g_assert_true(g_file_set_contents(path, "", 0, NULL));
        g_assert_cmpint(state_dir_open(&dir, &options, &fault), ==, -ENOTDIR);
        g_assert_cmpint(fault.status, ==, FAULT_CONFIG);
        g_unlink(path);
}

int main(int argc, char **argv)
{
        int r;

        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        directory = g_dir_make_tmp("state-dir-XXXXXX", NULL);
        if (!directory) {
                return 1;
        }
        g_test_add_func("/state_dir/restart",
                        the_node_is_the_same_after_a_restart_and_its_incarnation_grows);
        g_test_add_func("/state_dir/busy", a_directory_in_use_is_refused_with_the_holder);
        g_test_add_func("/state_dir/foreign", another_users_directory_is_refused);
        g_test_add_func("/state_dir/none", without_a_directory_the_id_depends_on_mesh_and_name);
        g_test_add_func("/state_dir/parent", a_missing_parent_gives_a_temporary_id);
        g_test_add_func("/state_dir/full", a_full_disk_gives_a_temporary_id);
        g_test_add_func("/state_dir/damaged", damaged_and_newer_files_are_refused);
        g_test_add_func("/state_dir/torn", a_damaged_incarnation_is_told_and_made_anew);
        g_test_add_func("/state_dir/format",
                        a_format_that_is_no_number_is_refused_with_the_file_and_what_to_do);
        g_test_add_func("/state_dir/open",
                        a_directory_that_others_may_write_to_is_refused_with_advice);
        g_test_add_func("/state_dir/future", an_incarnation_of_the_far_future_counts_as_none);
        g_test_add_func("/state_dir/file", a_file_in_its_place_is_refused);
        r = g_test_run();
        r |= g_rmdir(directory);
        g_free(directory);
        return r;
}
