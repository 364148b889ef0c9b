/* SPDX-License-Identifier: MIT */
#include "meshd/io/log_file.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define SIZE (1u << 16)

struct fixture {
        char *directory;
        char *socket;
        char *path;
};

static void set_up(struct fixture *fixture, const void *unused)
{
        fixture->directory = g_dir_make_tmp("log_file.XXXXXX", NULL);
        g_assert_nonnull(fixture->directory);
        fixture->socket = g_build_filename(fixture->directory, "s.sock", NULL);
        fixture->path = g_build_filename(fixture->directory, "s.stream", NULL);
}

static void tear_down(struct fixture *fixture, const void *unused)
{
        g_unlink(fixture->path);
        g_rmdir(fixture->directory);
        g_free(fixture->path);
        g_free(fixture->socket);
        g_free(fixture->directory);
}

static int open_log(const struct fixture *fixture, struct log_file *ret_file, struct fault *fault)
{
        return log_file_open(ret_file, fixture->directory, fixture->socket, SIZE, fault);
}

static void the_content_is_there_again(struct fixture *fixture, const void *unused)
{
        struct log_file file;
        struct fault fault;

        g_assert_cmpint(open_log(fixture, &file, &fault), ==, LOG_FILE_OPENED);
        strcpy(file.memory, "what was written");
        log_file_close(&file);
        g_assert_cmpint(open_log(fixture, &file, &fault), ==, LOG_FILE_OPENED);
        g_assert_cmpstr(file.memory, ==, "what was written");
        log_file_close(&file);
}

static void what_had_another_length_begins_empty_and_says_so(
                struct fixture *fixture, const void *unused)
{
        struct log_file file;
        struct fault fault;

        g_assert_cmpint(open_log(fixture, &file, &fault), ==, LOG_FILE_OPENED);
        g_assert_cmpstr(file.path, ==, fixture->path);
        g_assert_cmpuint(file.dropped, ==, 0);
        g_assert_true(file.is_new);
        strcpy(file.memory, "what was written");
        log_file_close(&file);
        g_assert_cmpint(open_log(fixture, &file, &fault), ==, LOG_FILE_OPENED);
        g_assert_cmpuint(file.dropped, ==, 0);
        g_assert_false(file.is_new);
        log_file_close(&file);
        g_assert_cmpint(truncate(fixture->path, 300), ==, 0);
        g_assert_cmpint(open_log(fixture, &file, &fault), ==, LOG_FILE_OPENED);
        g_assert_cmpuint(file.dropped, ==, 300);
        g_assert_cmpstr(file.memory, ==, "");
        log_file_close(&file);
}

static void a_log_in_use_is_refused(struct fixture *fixture, const void *unused)
{
        struct log_file file;
        struct log_file other;
        struct fault fault;

        g_assert_cmpint(open_log(fixture, &file, &fault), ==, LOG_FILE_OPENED);
        g_assert_cmpint(open_log(fixture, &other, &fault), ==, -EBUSY);
        g_assert_cmpint(fault.status, ==, FAULT_RETRY);
        log_file_close(&file);
        g_assert_cmpint(open_log(fixture, &other, &fault), ==, LOG_FILE_OPENED);
        log_file_close(&other);
}

/* As of a killed process, whose descriptors are closed, and whose memory
 * somebody still looks at. */
static void the_lock_ends_with_the_descriptor(struct fixture *fixture, const void *unused)
{
        struct log_file dead;
        struct log_file next;
        struct fault fault;

        g_assert_cmpint(open_log(fixture, &dead, &fault), ==, LOG_FILE_OPENED);
        close(dead.fd);
        dead.fd = -1;
        g_assert_cmpint(open_log(fixture, &next, &fault), ==, LOG_FILE_OPENED);
        log_file_close(&next);
        log_file_close(&dead);
}

static void without_a_directory_it_is_volatile(struct fixture *fixture, const void *unused)
{
        struct log_file file;
        struct fault fault;
        int r = log_file_open(&file, "/nonexistent", fixture->socket, SIZE, &fault);

        g_assert_cmpint(r, ==, LOG_FILE_VOLATILE);
        g_assert_cmpint(file.fd, ==, -1);
        memset(file.memory, 1, SIZE);
        log_file_close(&file);
}

#define ADD(name) g_test_add("/" #name, struct fixture, NULL, set_up, name, tear_down)

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        ADD(the_content_is_there_again);
        ADD(what_had_another_length_begins_empty_and_says_so);
        ADD(a_log_in_use_is_refused);
        ADD(the_lock_ends_with_the_descriptor);
        ADD(without_a_directory_it_is_volatile);
        return g_test_run();
}
