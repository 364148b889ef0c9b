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

struct place {
        char *directory;
        char *path; /* in it, and not there at first */
        struct state_dir_options options;
        struct state_dir dir;
        struct fault fault;
};

static void set_up(struct place *place, gconstpointer unused)
{
        place->directory = g_dir_make_tmp("state-dir-XXXXXX", NULL);
        place->path = g_build_filename(place->directory, "state", NULL);
        place->options = (struct state_dir_options){place->path, "mesh", "node", 1000000, false};
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

static void tear_down(struct place *place, gconstpointer unused)
{
        remove_all(place->path);
        g_assert_cmpint(g_rmdir(place->directory), ==, 0);
        g_free(place->path);
        g_free(place->directory);
}

static int open_it(struct place *place)
{
        return state_dir_open(&place->dir, &place->options, &place->fault);
}

static void put(const char *path, const char *name, const char *text)
{
        g_autofree char *file = g_build_filename(path, name, NULL);

        g_assert_true(g_file_set_contents(file, text, -1, NULL));
}

static void the_node_is_the_same_after_a_restart_and_its_incarnation_grows(
                struct place *place, gconstpointer unused)
{
        struct cmi_id id;

        g_assert_cmpint(open_it(place), ==, STATE_DIR_OPENED);
        g_assert_cmpuint(place->dir.incarnation, ==, 1000000);
        id = place->dir.id;
        state_dir_close(&place->dir);
        place->options.unix_ms = 5; /* the clock was set back */
        g_assert_cmpint(open_it(place), ==, STATE_DIR_OPENED);
        g_assert_true(cmi_id_equal(&place->dir.id, &id));
        g_assert_cmpuint(place->dir.incarnation, ==, 1000001);
        g_assert_cmpint(state_dir_store_incarnation(&place->dir, 2000000), ==, 0);
        state_dir_close(&place->dir);
        g_assert_cmpint(open_it(place), ==, STATE_DIR_OPENED);
        g_assert_cmpuint(place->dir.incarnation, ==, 2000001);
        state_dir_close(&place->dir);
        place->options.is_new_identity = true;
        g_assert_cmpint(open_it(place), ==, STATE_DIR_OPENED);
        g_assert_false(cmi_id_equal(&place->dir.id, &id));
        state_dir_close(&place->dir);
}

static void a_directory_in_use_is_refused_with_the_holder(struct place *place, gconstpointer unused)
{
        g_autofree char *pid = g_strdup_printf("process %d", (int)getpid());
        struct state_dir first;

        g_assert_cmpint(state_dir_open(&first, &place->options, &place->fault), ==,
                        STATE_DIR_OPENED);
        g_assert_cmpint(open_it(place), ==, -EBUSY);
        g_assert_cmpint(place->fault.status, ==, FAULT_RETRY);
        g_assert_nonnull(strstr(place->fault.text, pid));
        state_dir_close(&first);
        g_assert_cmpint(open_it(place), ==, STATE_DIR_OPENED);
        state_dir_close(&place->dir);
}

static void another_users_directory_is_refused(struct place *place, gconstpointer unused)
{
        if (geteuid() != 0) {
                g_test_skip("needs root, to give a directory away");
                return;
        }
        g_assert_cmpint(g_mkdir(place->path, 0700), ==, 0);
        g_assert_cmpint(chown(place->path, NOBODY, NOBODY), ==, 0);
        g_assert_cmpint(open_it(place), ==, -EPERM);
        g_assert_cmpint(place->fault.status, ==, FAULT_CONFIG);
        g_assert_nonnull(strstr(place->fault.text, "65534"));
}

static void without_a_directory_the_id_depends_on_mesh_and_name(
                struct place *place, gconstpointer unused)
{
        struct cmi_id id;

        place->options.path = STATE_DIR_NONE;
        g_assert_cmpint(open_it(place), ==, STATE_DIR_UNWANTED);
        g_assert_true(place->dir.is_temporary);
        id = place->dir.id;
        g_assert_cmpint(open_it(place), ==, STATE_DIR_UNWANTED);
        g_assert_true(cmi_id_equal(&place->dir.id, &id));
        place->options.name = "other";
        g_assert_cmpint(open_it(place), ==, STATE_DIR_UNWANTED);
        g_assert_false(cmi_id_equal(&place->dir.id, &id));
        g_assert_cmpint(state_dir_store_incarnation(&place->dir, 7), ==, 0);
}

static void a_missing_parent_gives_a_temporary_id(struct place *place, gconstpointer unused)
{
        g_autofree char *path = g_build_filename(place->path, "below", NULL);

        place->options.path = path;
        g_assert_cmpint(open_it(place), ==, STATE_DIR_UNSTORED);
        g_assert_true(place->dir.is_temporary);
        g_assert_false(cmi_id_is_zero(&place->dir.id));
        g_assert_nonnull(strstr(place->dir.why, "No such file"));
        state_dir_close(&place->dir);
}

/* A full disk: a tmpfs with as many inodes as the directory and the lock take. */
static void a_full_disk_gives_a_temporary_id(struct place *place, gconstpointer unused)
{
        g_assert_cmpint(g_mkdir(place->path, 0700), ==, 0);
        if (mount("tmpfs", place->path, "tmpfs", 0, "nr_inodes=2,mode=0700") < 0) {
                g_test_skip("needs the right to mount");
                return;
        }
        g_assert_cmpint(open_it(place), ==, STATE_DIR_UNSTORED);
        g_assert_true(place->dir.is_temporary);
        g_assert_nonnull(strstr(place->dir.why, "No space"));
        state_dir_close(&place->dir);
        g_assert_cmpint(umount(place->path), ==, 0);
}

static void damaged_and_newer_files_are_refused(struct place *place, gconstpointer unused)
{
        g_assert_cmpint(g_mkdir(place->path, 0700), ==, 0);
        put(place->path, "node_id", "not an id\n");
        g_assert_cmpint(open_it(place), ==, -EBADMSG);
        g_assert_nonnull(strstr(place->fault.text, "--new-identity"));
        put(place->path, "format", "2\n");
        g_assert_cmpint(open_it(place), ==, -EPROTO);
        g_assert_cmpint(place->fault.status, ==, FAULT_CONFIG);
        put(place->path, "format", "1\n");
        place->options.is_new_identity = true;
        g_assert_cmpint(open_it(place), ==, STATE_DIR_OPENED);
        state_dir_close(&place->dir);
}

/* Nothing else than digits, and nothing that no clock can have made. */
static void a_damaged_incarnation_is_told_and_made_anew(struct place *place, gconstpointer unused)
{
        g_autofree char *rubbish = g_strnfill(300, '\x17');
        const char *texts[] = {"", "\n", "12x\n", "-5\n", " 7\n", "\x1b[2J", rubbish,
                        "99999999999999999999999\n", "18446744073709551615\n", "9000000000000\n"};

        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
                g_assert_cmpint(open_it(place), ==, STATE_DIR_OPENED);
                g_assert_cmpstr(place->dir.damage, ==, "");
                state_dir_close(&place->dir);
                put(place->path, "incarnation", texts[i]);
                g_assert_cmpint(open_it(place), ==, STATE_DIR_OPENED);
                g_assert_cmpstr(place->dir.damage, !=, "");
                g_assert_null(strpbrk(place->dir.damage, "\x17\x1b"));
                g_assert_cmpuint(place->dir.incarnation, ==, place->options.unix_ms);
                state_dir_close(&place->dir);
                place->options.unix_ms++;
        }
        put(place->path, "incarnation", "2000000\n");
        g_assert_cmpint(open_it(place), ==, STATE_DIR_OPENED);
        g_assert_cmpstr(place->dir.damage, ==, "");
        g_assert_cmpuint(place->dir.incarnation, ==, 2000001);
        state_dir_close(&place->dir);
}

static void a_format_that_is_no_number_is_refused_with_the_file_and_what_to_do(
                struct place *place, gconstpointer unused)
{
        g_autofree char *advice = g_strdup_printf("echo 1 >%s/format", place->path);
        g_autofree char *rubbish = g_strnfill(300, '\x17');
        const char *texts[] = {"", "\n", "1x\n", "\x1b[2J", rubbish};

        g_assert_cmpint(g_mkdir(place->path, 0700), ==, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
                put(place->path, "format", texts[i]);
                g_assert_cmpint(open_it(place), ==, -EBADMSG);
                g_assert_cmpint(place->fault.status, ==, FAULT_CONFIG);
                g_assert_nonnull(strstr(place->fault.text, "the file format"));
                g_assert_nonnull(strstr(place->fault.text, advice));
                g_assert_null(strpbrk(place->fault.text, "\x17\x1b"));
        }
        put(place->path, "format", "1\n");
        g_assert_cmpint(open_it(place), ==, STATE_DIR_OPENED);
        state_dir_close(&place->dir);
}

static void a_directory_that_others_may_write_to_is_refused_with_advice(
                struct place *place, gconstpointer unused)
{
        static const mode_t modes[] = {0777, 0770, 0702, 01777};
        g_autofree char *advice = g_strdup_printf("chmod go-w %s", place->path);

        g_assert_cmpint(g_mkdir(place->path, 0700), ==, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
                g_assert_cmpint(chmod(place->path, modes[i]), ==, 0);
                g_assert_cmpint(open_it(place), ==, -EPERM);
                g_assert_cmpint(place->fault.status, ==, FAULT_CONFIG);
                g_assert_nonnull(strstr(place->fault.text, advice));
        }
        g_assert_cmpint(chmod(place->path, 0755), ==, 0);
        g_assert_cmpint(open_it(place), ==, STATE_DIR_OPENED);
        state_dir_close(&place->dir);
}

static void an_incarnation_of_the_far_future_counts_as_none(
                struct place *place, gconstpointer unused)
{
        g_assert_cmpint(g_mkdir(place->path, 0700), ==, 0);
        put(place->path, "incarnation", "18446744073709551614\n");
        g_assert_cmpint(open_it(place), ==, STATE_DIR_OPENED);
        g_assert_cmpuint(place->dir.incarnation, ==, place->options.unix_ms);
        state_dir_close(&place->dir);
}

static void a_file_in_its_place_is_refused(struct place *place, gconstpointer unused)
{
        g_assert_true(g_file_set_contents(place->path, "", 0, NULL));
        g_assert_cmpint(open_it(place), ==, -ENOTDIR);
        g_assert_cmpint(place->fault.status, ==, FAULT_CONFIG);
        g_assert_cmpint(g_unlink(place->path), ==, 0);
}

static void a_lease_is_kept_for_the_next_process(struct place *place, gconstpointer unused)
{
        struct state_dir dir = {.fd = -1, .lock = -1};

        g_assert_cmpint(state_dir_store_lease(&dir, 1000), ==, 0);
        g_assert_cmpuint(state_dir_lease(&dir), ==, 0);
        g_assert_cmpint(state_dir_open(&dir, &place->options, &place->fault), ==, STATE_DIR_OPENED);
        g_assert_cmpuint(state_dir_lease(&dir), ==, 0);
        g_assert_cmpint(state_dir_store_lease(&dir, 1000), ==, 0);
        g_assert_cmpuint(state_dir_gone(&dir), ==, 0);
        g_assert_cmpint(state_dir_store_gone(&dir, 3000), ==, 0);
        state_dir_close(&dir);
        g_assert_cmpint(state_dir_open(&dir, &place->options, &place->fault), ==, STATE_DIR_OPENED);
        g_assert_cmpuint(state_dir_lease(&dir), ==, 1000);
        g_assert_cmpuint(state_dir_gone(&dir), ==, 3000);
        put(place->path, "lease", "1000 and more\n");
        g_assert_cmpuint(state_dir_lease(&dir), ==, 0);
        state_dir_close(&dir);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add("/state_dir/" #name, struct place, NULL, set_up, name, tear_down)
        CASE(the_node_is_the_same_after_a_restart_and_its_incarnation_grows);
        CASE(a_directory_in_use_is_refused_with_the_holder);
        CASE(another_users_directory_is_refused);
        CASE(without_a_directory_the_id_depends_on_mesh_and_name);
        CASE(a_missing_parent_gives_a_temporary_id);
        CASE(a_full_disk_gives_a_temporary_id);
        CASE(damaged_and_newer_files_are_refused);
        CASE(a_damaged_incarnation_is_told_and_made_anew);
        CASE(a_format_that_is_no_number_is_refused_with_the_file_and_what_to_do);
        CASE(a_directory_that_others_may_write_to_is_refused_with_advice);
        CASE(an_incarnation_of_the_far_future_counts_as_none);
        CASE(a_file_in_its_place_is_refused);
        CASE(a_lease_is_kept_for_the_next_process);
        return g_test_run();
}
