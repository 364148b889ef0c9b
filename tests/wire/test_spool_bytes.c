/* SPDX-License-Identifier: MIT */
/* The bytes of a spool file: what is read back, what a killed writer leaves, what damage is. */
#include "wire/spool.h"

#include "wire/op.h"

#include <errno.h>
#include <glib.h>

#define PID 4711

static GByteArray *new_file(void)
{
        uint8_t header[CMI_SPOOL_HEADER_SIZE];

        cmi_spool_header(PID, header);
        return g_byte_array_append(g_byte_array_new(), header, sizeof(header));
}

static void add(GByteArray *file, struct cmi_slice op)
{
        uint8_t record[CMI_SPOOL_RECORD_SIZE];

        cmi_spool_record(op, record);
        g_byte_array_append(file, record, sizeof(record));
        g_byte_array_append(file, op.data, (guint)op.len);
}

static GByteArray *new_file_of(unsigned n)
{
        GByteArray *file = new_file();

        for (unsigned i = 0; i < n; i++) {
                g_autofree char *op = g_strdup_printf("operation %u", i);

                add(file, cmi_slice_str(op));
        }
        return file;
}

/* Reads it all. Return: the last step's outcome; @ret_n: how many operations came. */
static int read_all(const GByteArray *file, unsigned *ret_n)
{
        struct cmi_slice rest = cmi_slice(file->data, file->len);
        struct cmi_slice op;
        uint32_t pid = 0;
        int r = cmi_spool_open(&rest, &pid);

        *ret_n = 0;
        if (r < 0) {
                return r;
        }
        g_assert_cmpuint(pid, ==, PID);
        while ((r = cmi_spool_next(&rest, &op)) == 1) {
                g_autofree char *expected = g_strdup_printf("operation %u", (*ret_n)++);

                g_assert_cmpmem(op.data, op.len, expected, strlen(expected));
        }
        return r;
}

static void what_was_written_is_read_back(void)
{
        for (unsigned n = 0; n < 40; n++) {
                g_autoptr(GByteArray) file = new_file_of(n);
                unsigned n_read;

                g_assert_cmpint(read_all(file, &n_read), ==, 0);
                g_assert_cmpuint(n_read, ==, n);
        }
}

static void the_largest_operation_fits(void)
{
        g_autoptr(GByteArray) file = new_file();
        g_autofree char *op = g_strnfill(CMI_OP_SIZE_MAX, 'x');
        struct cmi_slice rest, read;
        uint32_t pid;

        add(file, cmi_slice(op, CMI_OP_SIZE_MAX));
        rest = cmi_slice(file->data, file->len);
        g_assert_cmpint(cmi_spool_open(&rest, &pid), ==, 0);
        g_assert_cmpint(cmi_spool_next(&rest, &read), ==, 1);
        g_assert_cmpmem(read.data, read.len, op, CMI_OP_SIZE_MAX);
}

static void a_killed_writer_costs_its_last_record_only(void)
{
        g_autoptr(GByteArray) file = new_file_of(3);
        g_autoptr(GByteArray) shorter = new_file_of(2);

        for (guint len = CMI_SPOOL_HEADER_SIZE; len < file->len; len++) {
                GByteArray part = {file->data, len};
                unsigned n_read;

                g_assert_cmpint(read_all(&part, &n_read), ==, 0);
                g_assert_cmpuint(n_read, <=, 2);
                g_assert_cmpint(n_read == 2, ==, len >= shorter->len);
        }
}

static void a_header_that_was_cut_off_is_no_damage(void)
{
        g_autoptr(GByteArray) file = new_file();

        for (guint len = 0; len < CMI_SPOOL_HEADER_SIZE; len++) {
                GByteArray part = {file->data, len};
                unsigned n_read;

                g_assert_cmpint(read_all(&part, &n_read), ==, -ENODATA);
        }
}

/* Every bit of a record counts: either its own record is refused, or none. */
static void every_changed_bit_of_a_record_is_noticed(void)
{
        g_autoptr(GByteArray) file = new_file_of(2);

        for (guint bit = CMI_SPOOL_HEADER_SIZE * 8; bit < file->len * 8; bit++) {
                unsigned n_read;

                file->data[bit / 8] ^= (guint8)(1u << bit % 8);
                g_assert_cmpint(read_all(file, &n_read), ==, -EBADMSG);
                g_assert_cmpuint(n_read, <=, 1);
                file->data[bit / 8] ^= (guint8)(1u << bit % 8);
        }
}

static void other_files_and_other_versions_are_told_apart(void)
{
        g_autoptr(GByteArray) file = new_file_of(1);
        GByteArray text = {(guint8 *)"Dear diary, today", 17};
        GByteArray letter = {(guint8 *)"D", 1};
        unsigned n_read;

        g_assert_cmpint(read_all(&text, &n_read), ==, -EBADMSG);
        g_assert_cmpint(read_all(&letter, &n_read), ==, -EBADMSG);
        file->data[8]++;
        g_assert_cmpint(read_all(file, &n_read), ==, -EPROTO);
}

static void no_length_is_believed(void)
{
        static const uint32_t lengths[] = {0, CMI_OP_SIZE_MAX + 1, UINT32_MAX, 1u << 31};

        for (size_t i = 0; i < G_N_ELEMENTS(lengths); i++) {
                g_autoptr(GByteArray) file = new_file_of(1);
                uint32_t words[2] = {lengths[i], ~lengths[i]};
                unsigned n_read;

                memcpy(file->data + CMI_SPOOL_HEADER_SIZE, words, sizeof(words));
                g_assert_cmpint(read_all(file, &n_read), ==, -EBADMSG);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/spool/what_was_written_is_read_back", what_was_written_is_read_back);
        g_test_add_func("/spool/the_largest_operation_fits", the_largest_operation_fits);
        g_test_add_func("/spool/a_killed_writer_costs_its_last_record_only",
                        a_killed_writer_costs_its_last_record_only);
        g_test_add_func("/spool/a_header_that_was_cut_off_is_no_damage",
                        a_header_that_was_cut_off_is_no_damage);
        g_test_add_func("/spool/every_changed_bit_of_a_record_is_noticed",
                        every_changed_bit_of_a_record_is_noticed);
        g_test_add_func("/spool/other_files_and_other_versions_are_told_apart",
                        other_files_and_other_versions_are_told_apart);
        g_test_add_func("/spool/no_length_is_believed", no_length_is_believed);
        return g_test_run();
}
