/* SPDX-License-Identifier: MIT */
#include "meshd/core/log.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#define SIZE LOG_SIZE_MIN

static const struct cmi_id node = {{1, 2, 3}};

struct fixture {
        uint8_t *memory;
        struct log log;
        uint8_t op[CMI_OP_SIZE_MAX];
        uint8_t buffer[CMI_OP_SIZE_MAX + CMI_OP_PREFIX_SIZE];
};

static void setup(struct fixture *f, gconstpointer data)
{
        f->memory = g_malloc0(SIZE);
        g_assert_cmpint(log_open(&f->log, f->memory, SIZE, &node, 77), ==, LOG_CREATED);
}

static void teardown(struct fixture *f, gconstpointer data)
{
        g_free(f->memory);
}

/* An operation of about @len bytes that says which one it is. */
static struct cmi_slice make_op(struct fixture *f, uint64_t number, size_t len)
{
        struct cmi_writer writer = cmi_writer(f->op, sizeof(f->op));
        uint8_t key[CMI_KEY_MAX] = {0};

        memcpy(key, &number, sizeof(number));
        cmi_op_write_begin(&writer, cmi_slice_str("region"), (uint32_t)(len / CMI_KEY_MAX + 1));
        for (size_t left = len; left >= CMI_KEY_MAX; left -= CMI_KEY_MAX) {
                cmi_write_bin(&writer, cmi_slice(key, CMI_KEY_MAX));
        }
        cmi_write_bin(&writer, cmi_slice(key, len % CMI_KEY_MAX < 8 ? 8 : len % CMI_KEY_MAX));
        cmi_op_write_tags(&writer, 0);
        cmi_op_write_end(&writer, false);
        g_assert_cmpint(writer.error, ==, 0);
        return cmi_written(&writer);
}

static uint64_t number_in(struct cmi_slice bytes)
{
        struct cmi_op op;
        uint64_t number;
        struct cmi_slice key;

        g_assert_cmpint(cmi_op_decode(bytes, &op), ==, 0);
        key = cmi_op_next(&op.keys);
        memcpy(&number, key.data, sizeof(number));
        return number;
}

/* Read all from @first on and check that each operation is the one it should be. */
static void expect_readable(struct fixture *f, uint64_t first)
{
        uint64_t number = first;
        uint32_t count;
        int64_t len;

        while ((len = log_read(&f->log, number, f->buffer, sizeof(f->buffer), &count)) > 0) {
                struct cmi_slice run = cmi_slice(f->buffer, (size_t)len), op;

                for (uint32_t i = 0; i < count; i++) {
                        g_assert_cmpint(cmi_op_run_next(&run, &op), ==, 1);
                        g_assert_cmpuint(number_in(op), ==, number);
                        number++;
                }
                g_assert_cmpuint(run.len, ==, 0);
        }
        g_assert_cmpint(len, ==, 0);
        g_assert_cmpuint(number, ==, log_newest(&f->log) + 1);
}

static void what_was_appended_is_read_back_in_order(struct fixture *f, gconstpointer data)
{
        for (uint64_t i = 1; i <= 500; i++) {
                g_assert_cmpuint(log_append(&f->log, make_op(f, i, 20 + i % 50)), ==, i);
        }
        g_assert_cmpuint(log_oldest(&f->log), ==, 1);
        expect_readable(f, 1);
        expect_readable(f, 499);
        expect_readable(f, 250);
}

static void the_oldest_go_when_it_is_full_and_the_rest_stays_whole(
                struct fixture *f, gconstpointer data)
{
        for (uint64_t i = 1; i <= 20000; i++) {
                log_append(&f->log,
                                make_op(f, i, g_test_rand_int_range(8, i % 97 == 0 ? 50000 : 300)));
                if (i % 1009 == 0) {
                        expect_readable(f, log_oldest(&f->log));
                        expect_readable(f, (log_oldest(&f->log) + log_newest(&f->log)) / 2);
                }
        }
        g_assert_cmpuint(log_oldest(&f->log), >, 1);
        g_assert_cmpint(log_read(&f->log, log_oldest(&f->log) - 1, f->buffer, sizeof(f->buffer),
                                        &(uint32_t){0}),
                        ==, -ENOENT);
}

/* "All" takes two bytes. Among them each @step-th one says which it is. */
static void append_small(struct fixture *f, uint64_t n, uint64_t step)
{
        for (uint64_t i = 1; i <= n; i++) {
                struct cmi_writer writer = cmi_writer(f->op, sizeof(f->op));

                cmi_op_write_all(&writer);
                log_append(&f->log, i % step == 0 ? make_op(f, i, 8) : cmi_written(&writer));
        }
}

static void the_smallest_operations_are_found_under_their_numbers(
                struct fixture *f, gconstpointer data)
{
        const uint64_t n = 40000, step = 500;
        uint32_t count;

        append_small(f, n, step);
        g_assert_cmpuint(log_oldest(&f->log), <, n / 10);
        for (uint64_t i = n / 10; i <= n; i += step) {
                int64_t len = log_read(&f->log, i, f->buffer, sizeof(f->buffer), &count);
                struct cmi_slice run = cmi_slice(f->buffer, (size_t)len), op;

                g_assert_cmpint(len, >, 0);
                g_assert_cmpint(cmi_op_run_next(&run, &op), ==, 1);
                g_assert_cmpuint(op.len, >, 8);
                g_assert_cmpuint(op.len > 8 ? number_in(op) : 0, ==, i);
        }
}

static void a_dead_process_leaves_a_log_that_is_continued(struct fixture *f, gconstpointer data)
{
        for (uint64_t i = 1; i <= 3000; i++) {
                log_append(&f->log, make_op(f, i, 200));
        }
        uint64_t oldest = log_oldest(&f->log);
        g_assert_cmpint(log_open(&f->log, f->memory, SIZE, &node, 99), ==, LOG_CONTINUED);
        g_assert_cmpuint(log_stream(&f->log), ==, 77);
        g_assert_cmpuint(log_newest(&f->log), ==, 3000);
        g_assert_cmpuint(log_oldest(&f->log), ==, oldest);
        g_assert_false(log_was_closed(&f->log));
        expect_readable(f, oldest);
        g_assert_cmpuint(log_append(&f->log, make_op(f, 3001, 200)), ==, 3001);
        expect_readable(f, 2999);
}

static void a_log_closed_in_order_says_so_once(struct fixture *f, gconstpointer data)
{
        log_append(&f->log, make_op(f, 1, 20));
        log_close(&f->log);
        g_assert_cmpint(log_open(&f->log, f->memory, SIZE, &node, 99), ==, LOG_CONTINUED);
        g_assert_true(log_was_closed(&f->log));
        g_assert_cmpint(log_open(&f->log, f->memory, SIZE, &node, 99), ==, LOG_CONTINUED);
        g_assert_false(log_was_closed(&f->log));
}

static void the_log_of_another_node_is_not_continued(struct fixture *f, gconstpointer data)
{
        struct cmi_id other = {{9}};

        log_append(&f->log, make_op(f, 1, 20));
        g_assert_cmpint(log_open(&f->log, f->memory, SIZE, &other, 99), ==, LOG_CREATED);
        g_assert_cmpuint(log_stream(&f->log), ==, 99);
        g_assert_cmpuint(log_newest(&f->log), ==, 0);
        g_assert_cmpint(log_loss(&f->log), ==, LOG_LOST_NODE);
}

static enum log_loss loss_of(struct fixture *f, enum log_open_outcome outcome)
{
        g_assert_cmpint(log_open(&f->log, f->memory, SIZE, &node, 99), ==, outcome);
        return log_loss(&f->log);
}

/* Also by a new stream and another node: apps look at the page, whoever wrote it. */
static void the_lease_of_before_is_kept_beyond_the_stream(struct fixture *f, gconstpointer data)
{
        static const struct cmi_id other = {{9}};

        g_assert_cmpuint(log_lease_ns(&f->log), ==, 0);
        g_assert_cmpuint(log_gone_ns(&f->log), ==, 0);
        log_keep_lease(&f->log, 12345);
        log_keep_gone(&f->log, 67890);
        g_assert_cmpint(log_open(&f->log, f->memory, SIZE, &node, 78), ==, LOG_CONTINUED);
        g_assert_cmpuint(log_lease_ns(&f->log), ==, 12345);
        g_assert_cmpint(log_open(&f->log, f->memory, SIZE, &other, 79), ==, LOG_CREATED);
        g_assert_cmpuint(log_lease_ns(&f->log), ==, 12345);
        g_assert_cmpuint(log_gone_ns(&f->log), ==, 67890);
        memset(f->memory, 1, 8); /* nothing of a damaged header is believed */
        g_assert_cmpint(log_open(&f->log, f->memory, SIZE, &other, 80), ==, LOG_CREATED);
        g_assert_cmpuint(log_lease_ns(&f->log), ==, 0);
        g_assert_cmpuint(log_gone_ns(&f->log), ==, 0);
}

static void what_is_lost_is_told_and_why(struct fixture *f, gconstpointer data)
{
        g_assert_cmpint(log_loss(&f->log), ==, LOG_LOST_NOTHING); /* it was all zero */
        log_append(&f->log, make_op(f, 1, 20));
        g_assert_cmpint(loss_of(f, LOG_CONTINUED), ==, LOG_LOST_NOTHING);
        f->memory[0] ^= 1;
        g_assert_cmpint(loss_of(f, LOG_CREATED), ==, LOG_LOST_DAMAGED);
        f->memory[sizeof(uint64_t)] += 1; /* the word after the first is the version */
        g_assert_cmpint(loss_of(f, LOG_CREATED), ==, LOG_LOST_VERSION);
        log_append(&f->log, make_op(f, 1, 20));
        memset(f->memory + SIZE / 2, 0xff, SIZE / 2);
        g_assert_cmpint(loss_of(f, LOG_CONTINUED), ==, LOG_LOST_NOTHING); /* nothing was there */
        memset(f->memory + 4096, 0xff, 64);
        g_assert_cmpint(loss_of(f, LOG_CREATED), ==, LOG_LOST_DAMAGED);
        memset(f->memory, 0, 4096);
        g_assert_cmpint(loss_of(f, LOG_CREATED), ==, LOG_LOST_DAMAGED);
}

/* Any bytes at all: no crash, and what is readable afterwards decodes. ASan watches the edges. */
static void a_damaged_log_is_replaced_or_whole(struct fixture *f, gconstpointer data)
{
        uint8_t *pristine = g_malloc(SIZE);
        uint32_t n_replaced = 0;

        for (uint64_t i = 1; i <= 3000; i++) {
                log_append(&f->log, make_op(f, i, 200));
        }
        memcpy(pristine, f->memory, SIZE);
        for (int round = 0; round < 300; round++) {
                uint32_t count;
                int64_t len = 1;

                memcpy(f->memory, pristine, SIZE);
                for (int i = 0; i < 8; i++) {
                        size_t at = (size_t)g_test_rand_int_range(0, round % 2 ? 256 : SIZE);

                        f->memory[at] = (uint8_t)g_test_rand_int();
                }
                n_replaced += log_open(&f->log, f->memory, SIZE, &node, 99) == LOG_CREATED;
                for (uint64_t n = log_oldest(&f->log); len > 0 && n <= log_newest(&f->log);
                                n += count) {
                        len = log_read(&f->log, n, f->buffer, sizeof(f->buffer), &count);
                        g_assert_cmpint(len, >, 0);
                }
        }
        g_assert_cmpuint(n_replaced, >, 0);
        g_free(pristine);
}

/* The process dies between any two stores of an append: copy the memory after
 * each byte that changes. */
static void a_torn_append_leaves_the_log_before_or_after_it(struct fixture *f, gconstpointer data)
{
        uint8_t *before = g_malloc(SIZE), *torn = g_malloc(SIZE);
        struct log log;

        for (uint64_t i = 1; i <= 2000; i++) {
                log_append(&f->log, make_op(f, i, 300));
        }
        memcpy(before, f->memory, SIZE);
        log_append(&f->log, make_op(f, 2001, 300));
        /* Everything but the header's counters is written first, so any part of it may be there. */
        for (size_t cut = 4096; cut < SIZE; cut += 64) {
                memcpy(torn, f->memory, cut);
                memcpy(torn, before, 4096);
                memcpy(torn + cut, before + cut, SIZE - cut);
                g_assert_cmpint(log_open(&log, torn, SIZE, &node, 99), ==, LOG_CONTINUED);
                g_assert_cmpuint(log_newest(&log), ==, 2000);
        }
        g_free(before);
        g_free(torn);
}

static void one_large_operation_behind_is_no_large_backlog(struct fixture *f, gconstpointer data)
{
        size_t size = (size_t)16 << 20;
        uint8_t *memory = g_malloc0(size);
        struct log log;

        g_assert_cmpint(log_open(&log, memory, size, &node, 77), ==, LOG_CREATED);
        for (uint64_t i = 1; i <= 400; i++) {
                log_append(&log, make_op(f, i, 50000));
                g_assert_cmpuint(
                                log_backlog(&log, i - 1), <=, CMI_OP_PREFIX_SIZE + CMI_OP_SIZE_MAX);
        }
        g_assert_cmpuint(log_backlog(&log, 300), >=, 100 * 50000);
        g_free(memory);
}

static void backlog_counts_bytes_behind(struct fixture *f, gconstpointer data)
{
        for (uint64_t i = 1; i <= 400; i++) {
                log_append(&f->log, make_op(f, i, 200));
        }
        g_assert_cmpuint(log_backlog(&f->log, 400), ==, 0);
        g_assert_cmpuint(log_backlog(&f->log, 0), >=, 400 * 200);
        g_assert_cmpuint(log_backlog(&f->log, 200), <, log_backlog(&f->log, 100));
}

static void sizes_out_of_range_are_refused(struct fixture *f, gconstpointer data)
{
        struct log log;

        g_assert_cmpint(log_open(&log, f->memory, LOG_SIZE_MIN - 1, &node, 1), ==, -EINVAL);
        g_assert_cmpint(log_open(&log, f->memory, (size_t)LOG_SIZE_MAX + 1, &node, 1), ==, -EINVAL);
        g_assert_cmpint(log_open(&log, f->memory, SIZE, &node, 0), ==, -EINVAL);
}

#define ADD(path, test) g_test_add(path, struct fixture, NULL, setup, test, teardown)

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        ADD("/log/order", what_was_appended_is_read_back_in_order);
        ADD("/log/full", the_oldest_go_when_it_is_full_and_the_rest_stays_whole);
        ADD("/log/small", the_smallest_operations_are_found_under_their_numbers);
        ADD("/log/continued", a_dead_process_leaves_a_log_that_is_continued);
        ADD("/log/closed", a_log_closed_in_order_says_so_once);
        ADD("/log/other", the_log_of_another_node_is_not_continued);
        ADD("/log/lease", the_lease_of_before_is_kept_beyond_the_stream);
        ADD("/log/loss", what_is_lost_is_told_and_why);
        ADD("/log/damaged", a_damaged_log_is_replaced_or_whole);
        ADD("/log/torn", a_torn_append_leaves_the_log_before_or_after_it);
        ADD("/log/backlog", backlog_counts_bytes_behind);
        ADD("/log/backlog_of_large", one_large_operation_behind_is_no_large_backlog);
        ADD("/log/sizes", sizes_out_of_range_are_refused);
        return g_test_run();
}
