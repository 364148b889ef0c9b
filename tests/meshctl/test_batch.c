/* SPDX-License-Identifier: MIT */
#include "meshctl/batch.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

/* One for all cases: it is too large for the stack. */
static struct batch *empty_batch(void)
{
        static struct batch batch;

        batch.n = 0;
        batch.used = 0;
        return &batch;
}

/* Fill a batch with targets of one length; what it becomes must be an operation
 * that everybody accepts. */
static uint32_t fill(size_t len, bool is_tags)
{
        struct batch *batch = empty_batch();
        g_autofree uint8_t *buffer = g_malloc(CMI_OP_SIZE_MAX);
        struct cmi_writer writer = cmi_writer(buffer, CMI_OP_SIZE_MAX);
        char region[CMI_REGION_NAME_MAX], target[CMI_KEY_MAX];
        struct cmi_op op;

        memset(region, 'r', sizeof(region));
        memset(target, 'k', sizeof(target));
        while (batch_has_room(batch, len)) {
                batch_add(batch, target, len);
        }
        batch_write(batch, &writer, cmi_slice(region, sizeof(region)), is_tags, false);
        g_assert_cmpint(writer.error, ==, 0);
        g_assert_cmpint(cmi_op_decode(cmi_written(&writer), &op), ==, 0);
        g_assert_cmpuint(is_tags ? op.n_tags : op.n_keys, ==, batch->n);
        g_assert_cmpuint(is_tags ? op.n_keys : op.n_tags, ==, 0);
        return batch->n;
}

static void a_full_batch_fits_one_operation(void)
{
        for (size_t len = 1; len <= CMI_KEY_MAX; len += len < 300 ? 1 : 31) {
                uint32_t n = fill(len, false);

                g_assert_cmpuint(n, >, 0);
                g_assert_cmpuint(n, <=, CMI_OP_TARGETS_MAX);
        }
        g_assert_cmpuint(fill(CMI_KEY_MAX, false), >=, 56);
        g_assert_cmpuint(fill(CMI_TAG_MAX, true), >=, 200);
}

static void what_went_in_comes_out(void)
{
        struct batch *batch = empty_batch();
        uint8_t buffer[200];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));
        struct cmi_slice key;
        struct cmi_op op;

        batch_add(batch, "one", 3);
        batch_add(batch, "\0two", 4);
        batch_write(batch, &writer, cmi_slice_str("r"), false, false);
        g_assert_cmpint(cmi_op_decode(cmi_written(&writer), &op), ==, 0);
        g_assert_true(cmi_slice_equal(cmi_op_next(&op.keys), cmi_slice("one", 3)));
        key = cmi_op_next(&op.keys);
        g_assert_true(cmi_slice_equal(key, cmi_slice("\0two", 4)));
        g_assert_false(op.is_whole_region);
}

static void a_whole_region_needs_no_keys(void)
{
        struct batch *batch = empty_batch();
        uint8_t buffer[200];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));
        struct cmi_op op;

        batch_write(batch, &writer, cmi_slice_str("r"), false, true);
        g_assert_cmpint(cmi_op_decode(cmi_written(&writer), &op), ==, 0);
        g_assert_true(op.is_whole_region);
        g_assert_cmpuint(op.n_keys + op.n_tags, ==, 0);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/batch/full", a_full_batch_fits_one_operation);
        g_test_add_func("/batch/content", what_went_in_comes_out);
        g_test_add_func("/batch/region", a_whole_region_needs_no_keys);
        return g_test_run();
}
