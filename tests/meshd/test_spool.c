/* SPDX-License-Identifier: MIT */
/* The spool as meshd takes it: what is handed on, what is refused, what is not read whole. */
#include "meshd/local/spool.h"

#include "meshd/io/logger.h"
#include "wire/op.h"
#include "wire/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>

struct place {
        char *directory;
        char *socket;
        struct spool spool;
        GPtrArray *published;
        unsigned n_forgets;
        int error; /* of the next publication */
};

static int on_publish(void *context, struct cmi_slice op)
{
        struct place *place = context;

        if (place->error < 0) {
                return place->error;
        }
        g_ptr_array_add(place->published, g_strndup(op.data, op.len));
        return 0;
}

static void on_forget(void *context)
{
        struct place *place = context;

        place->n_forgets++;
}

static uint32_t take(struct place *place, bool is_old_only)
{
        const struct spool_sink sink = {place, on_publish, on_forget};

        return spool_take(&place->spool, is_old_only, &sink);
}

static void set_up(struct place *place, const void *unused)
{
        place->directory = g_dir_make_tmp("cachemesh-XXXXXX", NULL);
        place->socket = g_build_filename(place->directory, "meshd.sock", NULL);
        place->published = g_ptr_array_new_with_free_func(g_free);
        g_assert_cmpint(spool_open(&place->spool, place->socket), ==, 0);
}

static unsigned n_files(const struct place *place)
{
        g_autoptr(GDir) directory = g_dir_open(place->spool.path, 0, NULL);
        unsigned n = 0;

        while (g_dir_read_name(directory)) {
                n++;
        }
        return n;
}

static char *path_of(const struct place *place, const char *name)
{
        return g_build_filename(place->spool.path, name, NULL);
}

static void tear_down(struct place *place, const void *unused)
{
        take(place, false);
        spool_close(&place->spool);
        g_assert_cmpint(g_rmdir(place->spool.path), ==, 0);
        g_rmdir(place->directory);
        g_ptr_array_free(place->published, TRUE);
        g_free(place->socket);
        g_free(place->directory);
}

static void put(const struct place *place, const char *name, const void *bytes, size_t len)
{
        g_autofree char *path = path_of(place, name);
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);

        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpint(write(fd, bytes, len), ==, (ssize_t)len);
        close(fd);
}

static void add_record(GByteArray *file, struct cmi_slice op)
{
        uint8_t record[CMI_SPOOL_RECORD_SIZE];

        cmi_spool_record(op, record);
        g_byte_array_append(file, record, sizeof(record));
        g_byte_array_append(file, op.data, (guint)op.len);
}

static GByteArray *file_of(unsigned n)
{
        uint8_t bytes[CMI_SPOOL_HEADER_SIZE];
        GByteArray *file = g_byte_array_new();

        cmi_spool_header(1, bytes);
        g_byte_array_append(file, bytes, sizeof(bytes));
        for (unsigned i = 0; i < n; i++) {
                g_autofree char *op = g_strdup_printf("%u", i);

                add_record(file, cmi_slice_str(op));
        }
        return file;
}

static void put_file(const struct place *place, const char *name, unsigned n)
{
        g_autoptr(GByteArray) file = file_of(n);

        put(place, name, file->data, file->len);
}

static void everything_is_handed_on_once_and_in_order(struct place *place, const void *unused)
{
        put_file(place, "1-a", 300);
        g_assert_cmpuint(take(place, false), ==, 1);
        g_assert_cmpuint(place->published->len, ==, 300);
        for (unsigned i = 0; i < 300; i++) {
                g_autofree char *expected = g_strdup_printf("%u", i);

                g_assert_cmpstr(place->published->pdata[i], ==, expected);
        }
        g_assert_cmpuint(n_files(place), ==, 0);
        g_assert_cmpuint(take(place, false), ==, 0);
        g_assert_cmpuint(place->n_forgets, ==, 0);
        g_assert_cmpuint(place->spool.n_operations, ==, 300);
}

static void what_a_living_app_writes_to_is_left_alone(struct place *place, const void *unused)
{
        g_autofree char *path = path_of(place, "1-a");
        struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}};

        put_file(place, "1-a", 1);
        g_assert_cmpuint(take(place, true), ==, 0);
        g_assert_cmpuint(n_files(place), ==, 1);
        clock_gettime(CLOCK_REALTIME, &times[1]);
        times[1].tv_sec -= 2;
        g_assert_cmpint(utimensat(AT_FDCWD, path, times, 0), ==, 0);
        g_assert_cmpuint(take(place, true), ==, 1);
}

static void a_clock_that_was_set_back_keeps_no_file_for_ever(
                struct place *place, const void *unused)
{
        g_autofree char *path = path_of(place, "1-a");
        struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}};

        put_file(place, "1-a", 1);
        clock_gettime(CLOCK_REALTIME, &times[1]);
        times[1].tv_sec += 3600;
        g_assert_cmpint(utimensat(AT_FDCWD, path, times, 0), ==, 0);
        g_assert_cmpuint(take(place, true), ==, 1);
}

/* Whatever the order is in which the directory gives the two. */
static void what_a_killed_meshd_had_taken_is_not_replaced(struct place *place, const void *unused)
{
        for (unsigned i = 0; i < 20; i++) {
                g_autofree char *name = g_strdup_printf("%u-a", i);
                g_autofree char *taken = g_strconcat(name, CMI_SPOOL_TAKEN, NULL);

                put_file(place, i % 2 == 0 ? name : taken, 1);
                put_file(place, i % 2 == 0 ? taken : name, 2);
        }
        g_assert_cmpuint(take(place, false), ==, 40);
        g_assert_cmpuint(place->published->len, ==, 60);
        g_assert_cmpuint(n_files(place), ==, 0);
}

static void a_name_of_any_length_can_be_taken(struct place *place, const void *unused)
{
        g_autofree char *name = g_strnfill(255, 'n');

        put_file(place, name, 1);
        g_assert_cmpuint(take(place, false), ==, 1);
        g_assert_cmpuint(place->n_forgets, ==, 0);
}

static void an_operation_that_is_none_makes_all_forget(struct place *place, const void *unused)
{
        put_file(place, "1-a", 2);
        place->error = -EBADMSG;
        take(place, false);
        g_assert_cmpuint(place->n_forgets, ==, 1);
        g_assert_cmpuint(place->spool.n_damaged, ==, 1);
        g_assert_cmpuint(n_files(place), ==, 0);
}

/* Only a connection may begin a write, since each has its share of them. */
static void a_write_intent_is_damage(struct place *place, const void *unused)
{
        g_autoptr(GByteArray) file = file_of(1);
        uint8_t bytes[64];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));

        cmi_op_write_intent(&writer, CMI_OP_INTENT_BEGIN, cmi_slice_str("r"), 1);
        cmi_write_bin(&writer, cmi_slice_str("k"));
        cmi_op_write_tags(&writer, 0);
        cmi_op_write_deadline(&writer, 5000);
        add_record(file, cmi_written(&writer));
        put(place, "1-a", file->data, file->len);
        take(place, false);
        g_assert_cmpuint(place->published->len, ==, 1);
        g_assert_cmpuint(place->n_forgets, ==, 1);
}

/* Which sessions are dead elsewhere only meshd says. */
static void an_operation_of_sessions_is_damage(struct place *place, const void *unused)
{
        g_autoptr(GByteArray) file = file_of(1);
        uint8_t bytes[64];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));

        cmi_op_write_taken(&writer, &(struct cmi_id){{7}}, 5);
        add_record(file, cmi_written(&writer));
        put(place, "1-a", file->data, file->len);
        take(place, false);
        g_assert_cmpuint(place->published->len, ==, 1);
        g_assert_cmpuint(place->n_forgets, ==, 1);
}

static void an_operation_of_the_region_of_sessions_is_damage(
                struct place *place, const void *unused)
{
        g_autoptr(GByteArray) file = file_of(1);
        uint8_t bytes[64];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));

        cmi_op_write_begin(&writer, cmi_slice_str("@sessions"), 1);
        cmi_write_bin(&writer, cmi_slice_str("k"));
        cmi_op_write_tags(&writer, 0);
        cmi_op_write_end(&writer, false);
        add_record(file, cmi_written(&writer));
        put(place, "1-a", file->data, file->len);
        take(place, false);
        g_assert_cmpuint(place->published->len, ==, 1);
        g_assert_cmpuint(place->n_forgets, ==, 1);
}

static void a_file_larger_than_any_app_makes_it_is_not_read(struct place *place, const void *unused)
{
        g_autofree char *path = path_of(place, "1-a");

        put_file(place, "1-a", 2);
        g_assert_cmpint(truncate(path, CMI_SPOOL_FILE_MAX + 1), ==, 0);
        take(place, false);
        g_assert_cmpuint(place->published->len, ==, 0);
        g_assert_cmpuint(place->n_forgets, ==, 1);
        g_assert_cmpuint(n_files(place), ==, 0);
}

/* Whatever the order is: an app may have committed what a good file says after the first
 * forgetting, and what another bad one said as well. */
static void what_is_beside_a_damaged_file_is_published_too(struct place *place, const void *unused)
{
        for (unsigned i = 0; i < 20; i++) {
                g_autofree char *name = g_strdup_printf("%u-a", i);
                g_autofree char *path = path_of(place, name);

                put_file(place, name, 1);
                if (i % 2 == 0) {
                        g_assert_cmpint(truncate(path, CMI_SPOOL_FILE_MAX + 1), ==, 0);
                }
        }
        take(place, false);
        g_assert_cmpuint(place->published->len, ==, 10);
        g_assert_cmpuint(place->n_forgets, ==, 10);
}

#define LARGE_OP 50000
#define LARGE_OPS (CMI_SPOOL_FILE_MAX / (LARGE_OP + CMI_SPOOL_RECORD_SIZE))

static void put_large_file(const struct place *place, const char *name)
{
        g_autoptr(GByteArray) file = file_of(0);
        g_autofree char *op = g_strnfill(LARGE_OP, 'x');

        for (unsigned i = 0; i < LARGE_OPS; i++) {
                add_record(file, cmi_slice_str(op));
        }
        put(place, name, file->data, file->len);
}

static void what_is_more_than_is_read_at_once_is_published_later(
                struct place *place, const void *unused)
{
        for (unsigned i = 0; i < 12; i++) {
                g_autofree char *name = g_strdup_printf("%u-a", i);

                put_large_file(place, name);
        }
        g_assert_cmpuint(take(place, false), <, 12);
        g_assert_cmpuint(place->n_forgets, ==, 1);
        g_assert_cmpuint(take(place, false), >, 0);
        g_assert_cmpuint(place->published->len, ==, 12 * LARGE_OPS);
        g_assert_cmpuint(place->n_forgets, ==, 1);
}

/* As a backup makes one, or whoever wants to know what is published. */
static void a_file_with_a_second_link_is_read(struct place *place, const void *unused)
{
        g_autofree char *path = path_of(place, "1-a");
        g_autofree char *elsewhere = g_build_filename(place->directory, "1-a", NULL);
        g_autofree char *beside = path_of(place, "1-b");

        put_file(place, "1-a", 3);
        g_assert_cmpint(link(path, elsewhere), ==, 0);
        g_assert_cmpint(link(path, beside), ==, 0);
        g_assert_cmpuint(take(place, false), ==, 2);
        g_assert_cmpuint(place->published->len, ==, 6);
        g_assert_cmpuint(place->n_forgets, ==, 0);
        g_assert_cmpuint(n_files(place), ==, 0);
        g_assert_cmpint(g_unlink(elsewhere), ==, 0);
}

/* The second name of a file that has nothing to do with the spool, for example. */
static void a_large_file_that_is_no_spool_file_costs_nothing(
                struct place *place, const void *unused)
{
        g_autofree char *path = path_of(place, "1-a");

        put(place, "1-a", "Dear diary", 10);
        g_assert_cmpint(truncate(path, CMI_SPOOL_FILE_MAX + 1), ==, 0);
        take(place, false);
        g_assert_cmpuint(place->n_forgets, ==, 0);
        g_assert_cmpuint(place->spool.n_refused, ==, 1);
        g_assert_cmpuint(n_files(place), ==, 0);
}

static void more_files_than_are_read_at_once_make_all_forget_and_are_taken_later(
                struct place *place, const void *unused)
{
        for (unsigned i = 0; i < SPOOL_FILES_MAX + 10; i++) {
                g_autofree char *name = g_strdup_printf("%u-a", i);
                g_autofree char *path = path_of(place, name);
                int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

                g_assert_cmpint(fd, >=, 0);
                close(fd);
        }
        take(place, false);
        g_assert_cmpuint(place->n_forgets, ==, 1);
        g_assert_cmpuint(n_files(place), >=, 10);
        take(place, false);
        g_assert_cmpuint(n_files(place), ==, 0);
        g_assert_cmpuint(place->n_forgets, ==, 1);
}

static void a_file_that_was_just_begun_is_nothing(struct place *place, const void *unused)
{
        put(place, "1-a", "", 0);
        put(place, "1-b", "cmsp", 4);
        g_assert_cmpuint(take(place, false), ==, 0);
        g_assert_cmpuint(place->n_forgets, ==, 0);
        g_assert_cmpuint(place->spool.n_refused, ==, 0);
        g_assert_cmpuint(n_files(place), ==, 0);
}

static void a_directory_with_something_in_it_is_told_once(struct place *place, const void *unused)
{
        g_autofree char *inner = path_of(place, "inner");
        g_autofree char *file = g_build_filename(inner, "file", NULL);

        g_assert_cmpint(g_mkdir(inner, 0700), ==, 0);
        g_assert_true(g_file_set_contents(file, "x", 1, NULL));
        take(place, false);
        g_assert_cmpuint(place->spool.n_refused, ==, 1);
        take(place, true);
        take(place, true);
        g_assert_cmpuint(place->spool.n_refused, ==, 1);
        g_unlink(file);
}

static void make_old(const char *path)
{
        struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}};

        clock_gettime(CLOCK_REALTIME, &times[1]);
        times[1].tv_sec -= 2;
        g_assert_cmpint(utimensat(AT_FDCWD, path, times, 0), ==, 0);
}

static void make_full_directory(const struct place *place, unsigned i, bool is_to_be_made)
{
        g_autofree char *name = g_strdup_printf("%u-a", i);
        g_autofree char *path = path_of(place, name);
        g_autofree char *inner = g_build_filename(path, "inner", NULL);

        if (is_to_be_made) {
                g_assert_cmpint(g_mkdir_with_parents(inner, 0700), ==, 0);
        } else {
                g_assert_cmpint(g_rmdir(inner), ==, 0);
        }
}

static void whoever_fills_it_makes_nobody_forget(struct place *place, const void *unused)
{
        const unsigned n = SPOOL_ENTRIES_TURN + 10;
        g_autofree char *path = path_of(place, "old");

        for (unsigned i = 0; i < n; i++) {
                make_full_directory(place, i, true);
        }
        take(place, false);
        put_file(place, "old", 3);
        make_old(path);
        for (unsigned i = 0; i < 3; i++) {
                take(place, true);
        }
        g_assert_cmpuint(place->published->len, ==, 3);
        g_assert_cmpuint(place->n_forgets, ==, 0);
        for (unsigned i = 0; i < n; i++) {
                make_full_directory(place, i, false);
        }
}

/* On a file system that is read-only suddenly, for example; here it is another user's. */
static void what_cannot_be_removed_is_not_handed_on_each_time(
                struct place *place, const void *unused)
{
        g_autofree char *path = path_of(place, "1-a");
        bool is_root = geteuid() == 0;

        put_file(place, "1-a", 1);
        make_old(path);
        g_assert_cmpint(chmod(place->spool.path, 0555), ==, 0);
        g_assert_cmpint(is_root ? seteuid(65534) : 0, ==, 0);
        take(place, true);
        take(place, true);
        g_assert_cmpuint(place->n_forgets, ==, 1);
        g_assert_cmpint(is_root ? seteuid(0) : 0, ==, 0);
        g_assert_cmpint(chmod(place->spool.path, 0700), ==, 0);
        take(place, false);
        g_assert_cmpuint(place->published->len, ==, 1);
}

static void a_directory_that_is_there_is_put_in_order(struct place *place, const void *unused)
{
        struct stat status;

        g_assert_cmpint(chmod(place->spool.path, 0777), ==, 0);
        spool_close(&place->spool);
        g_assert_cmpint(spool_open(&place->spool, place->socket), ==, 0);
        g_assert_cmpint(stat(place->spool.path, &status), ==, 0);
        g_assert_cmpuint(status.st_mode & 07777, ==, 03770);
}

static void what_is_no_directory_is_not_touched(struct place *place, const void *unused)
{
        struct spool other;
        g_autofree char *socket = g_build_filename(place->directory, "other", NULL);
        g_autofree char *path = g_strconcat(socket, CMI_SPOOL_SUFFIX, NULL);
        const struct spool_sink sink = {place, on_publish, on_forget};

        g_assert_true(g_file_set_contents(path, "mine", 4, NULL));
        g_assert_cmpint(spool_open(&other, socket), <, 0);
        g_assert_nonnull(strstr(other.why, path));
        g_assert_cmpuint(spool_take(&other, false, &sink), ==, 0);
        spool_close(&other);
        g_unlink(path);
        g_assert_cmpint(symlink(place->spool.path, path), ==, 0);
        g_assert_cmpint(spool_open(&other, socket), <, 0);
        g_unlink(path);
}

#define ADD(name) g_test_add("/spool/" #name, struct place, NULL, set_up, name, tear_down)

int main(int argc, char **argv)
{
        logger_start(LOGGER_ERROR, "test");
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        ADD(everything_is_handed_on_once_and_in_order);
        ADD(what_a_living_app_writes_to_is_left_alone);
        ADD(a_clock_that_was_set_back_keeps_no_file_for_ever);
        ADD(what_a_killed_meshd_had_taken_is_not_replaced);
        ADD(a_name_of_any_length_can_be_taken);
        ADD(an_operation_that_is_none_makes_all_forget);
        ADD(a_write_intent_is_damage);
        ADD(an_operation_of_sessions_is_damage);
        ADD(an_operation_of_the_region_of_sessions_is_damage);
        ADD(a_file_larger_than_any_app_makes_it_is_not_read);
        ADD(what_is_beside_a_damaged_file_is_published_too);
        ADD(what_is_more_than_is_read_at_once_is_published_later);
        ADD(a_file_with_a_second_link_is_read);
        ADD(a_large_file_that_is_no_spool_file_costs_nothing);
        ADD(more_files_than_are_read_at_once_make_all_forget_and_are_taken_later);
        ADD(a_file_that_was_just_begun_is_nothing);
        ADD(a_directory_with_something_in_it_is_told_once);
        ADD(whoever_fills_it_makes_nobody_forget);
        ADD(what_cannot_be_removed_is_not_handed_on_each_time);
        ADD(a_directory_that_is_there_is_put_in_order);
        ADD(what_is_no_directory_is_not_touched);
        return g_test_run();
}
