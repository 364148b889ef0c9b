/* SPDX-License-Identifier: MIT */
/* The name of the local socket: who has it, what a dead one left there, and where none is made. */
#include "meshd/local/socket_file.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

struct place {
        char *directory, *path, *lock;
        struct socket_file file;
        struct fault fault;
};

static void set_up(struct place *place, gconstpointer unused)
{
        place->directory = g_dir_make_tmp("socket-file-XXXXXX", NULL);
        place->path = g_build_filename(place->directory, "sock", NULL);
        place->lock = g_strconcat(place->path, ".lock", NULL);
}

/* Nothing may be left. */
static void tear_down(struct place *place, gconstpointer unused)
{
        g_assert_cmpint(rmdir(place->directory), ==, 0);
        g_free(place->lock);
        g_free(place->path);
        g_free(place->directory);
}

static void the_name_is_locked_and_what_a_dead_one_left_is_replaced(
                struct place *place, gconstpointer unused)
{
        struct socket_file second;
        struct stat status;

        g_assert_cmpint(socket_file_open(&place->file, place->path, &place->fault), ==, 0);
        g_assert_cmpint(stat(place->path, &status), ==, 0);
        g_assert_cmpint(status.st_mode & 0777, ==, 0660);
        g_assert_cmpint(socket_file_open(&second, place->path, &place->fault), ==, -EBUSY);
        g_assert_cmpint(place->fault.status, ==, FAULT_RETRY);
        /* As after SIGKILL: nobody holds the lock, and both names are there. */
        close(place->file.lock);
        close(place->file.fd);
        g_assert_cmpint(access(place->path, F_OK), ==, 0);
        g_assert_cmpint(access(place->lock, F_OK), ==, 0);
        g_assert_cmpint(socket_file_open(&second, place->path, &place->fault), ==, 0);
        socket_file_close(&second);
}

static void a_plain_file_of_that_name_is_not_removed(struct place *place, gconstpointer unused)
{
        g_assert_true(g_file_set_contents(place->path, "precious", -1, NULL));
        g_assert_cmpint(socket_file_open(&place->file, place->path, &place->fault), ==, -EEXIST);
        g_assert_cmpint(place->fault.status, ==, FAULT_CONFIG);
        g_assert_cmpint(access(place->lock, F_OK), ==, -1);
        g_assert_cmpint(unlink(place->path), ==, 0);
}

static void without_its_directory_there_is_none(struct place *place, gconstpointer unused)
{
        g_autofree char *path = g_build_filename(place->directory, "none", "sock", NULL);

        g_assert_cmpint(socket_file_open(&place->file, path, &place->fault), ==, -ENOENT);
        g_assert_cmpint(place->fault.status, ==, FAULT_CONFIG);
}

static void a_directory_in_which_others_could_swap_the_socket_is_refused(
                struct place *place, gconstpointer unused)
{
        static const struct {
                mode_t mode;
                int expected;
        } cases[] = {{0777, -EPERM}, {0770, -EPERM}, {01777, 0}, {01770, 0}, {0755, 0}};
        g_autofree char *advice = g_strdup_printf("chmod go-w %s", place->directory);

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_assert_cmpint(chmod(place->directory, cases[i].mode), ==, 0);
                g_assert_cmpint(socket_file_open(&place->file, place->path, &place->fault), ==,
                                cases[i].expected);
                if (cases[i].expected == 0) {
                        socket_file_close(&place->file);
                        continue;
                }
                g_assert_cmpint(place->fault.status, ==, FAULT_CONFIG);
                g_assert_nonnull(strstr(place->fault.text, advice));
        }
}

static void a_directory_of_somebody_else_is_refused(struct place *place, gconstpointer unused)
{
        if (geteuid() != 0) {
                g_test_skip("needs root, to give a directory away");
                return;
        }
        g_assert_cmpint(chown(place->directory, 65534, 65534), ==, 0);
        g_assert_cmpint(socket_file_open(&place->file, place->path, &place->fault), ==, -EPERM);
        g_assert_nonnull(strstr(place->fault.text, "65534"));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add("/socket_file/" #name, struct place, NULL, set_up, name, tear_down)
        CASE(the_name_is_locked_and_what_a_dead_one_left_is_replaced);
        CASE(a_plain_file_of_that_name_is_not_removed);
        CASE(without_its_directory_there_is_none);
        CASE(a_directory_in_which_others_could_swap_the_socket_is_refused);
        CASE(a_directory_of_somebody_else_is_refused);
        return g_test_run();
}
