/* SPDX-License-Identifier: MIT */
/*
 * Single invalidations: dead here first, then handed to the source as one operation.
 */
#include "libcachemesh/region.h"
#include "wire/op.h"

#include <errno.h>

#define OP_BUFFER_SIZE (CM_KEY_MAX + CM_REGION_NAME_MAX + 64)

static int check_wait(enum cm_wait wait)
{
        return wait == CM_WAIT_NONE || wait == CM_WAIT_NODE || wait == CM_WAIT_MESH
                               ? 0
                               : cmi_fail(-EINVAL, "unknown wait level %d", (int)wait);
}

static struct cmi_slice encode(const struct cmi_target *target, struct cmi_writer *writer)
{
        uint32_t hold_ms = target->region->options.hold_ms;

        cmi_op_write_head(writer, CMI_OP_INVALIDATE, cmi_slice_str(target->region->name),
                        target->key.data ? 1 : 0, hold_ms > 0);
        if (target->key.data) {
                cmi_write_bin(writer, target->key);
        }
        cmi_op_write_tags(writer, target->tag.data ? 1 : 0);
        if (target->tag.data) {
                cmi_write_bin(writer, target->tag);
        }
        cmi_op_write_end(writer, !target->key.data && !target->tag.data);
        cmi_op_write_hold(writer, hold_ms);
        return cmi_written(writer);
}

static int invalidate(const struct cmi_target *target, enum cm_wait wait,
                const struct cm_invalidate_options *options, struct cm_result *ret_result)
{
        struct cm *cm = target->region->cm;
        struct cm_invalidate_options copy = {0};
        uint8_t buffer[OP_BUFFER_SIZE];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));
        struct cmi_thread *thread = NULL;
        struct cmi_slice op;
        int r = check_wait(wait);

        if (r == 0 && options &&
                        cmi_options_copy(&copy, sizeof(copy), options, options->size) < 0) {
                r = cmi_fail(-EINVAL, "invalidate options begin with their size");
        }
        if (r == 0) {
                r = cmi_handle_join(cm, &thread);
        }
        if (r < 0) {
                return r;
        }
        cmi_unsent_begin(cm);
        cmi_own_invalidate(cm, thread, target, 1);
        op = encode(target, &writer);
        r = cm->ops->publish(cm, &op, 1, wait, cmi_timeout(cm, copy.timeout_ms), ret_result);
        cmi_unsent_end(cm, r);
        if (r == CM_PENDING) {
                cmi_own_hold(cm, thread, target, 1);
        }
        return r;
}

int cm_invalidate_with(struct cm_region *region, const void *key, size_t key_len, enum cm_wait wait,
                const struct cm_invalidate_options *options, struct cm_result *ret_result)
{
        struct cmi_target target = {.region = region, .key = {key, key_len}};

        if (!region || !key || key_len - 1 >= CM_KEY_MAX) {
                return cmi_fail(-EINVAL, "a key has 1 to %d bytes", CM_KEY_MAX);
        }
        return invalidate(&target, wait, options, ret_result);
}

int cm_invalidate(struct cm_region *region, const void *key, size_t key_len, enum cm_wait wait,
                struct cm_result *ret_result)
{
        return cm_invalidate_with(region, key, key_len, wait, NULL, ret_result);
}

int cm_invalidate_tag_with(struct cm_region *region, const void *tag, size_t tag_len,
                enum cm_wait wait, const struct cm_invalidate_options *options,
                struct cm_result *ret_result)
{
        struct cmi_target target = {.region = region, .tag = {tag, tag_len}};

        if (!region || !tag || tag_len - 1 >= CM_TAG_MAX) {
                return cmi_fail(-EINVAL, "a tag has 1 to %d bytes", CM_TAG_MAX);
        }
        return invalidate(&target, wait, options, ret_result);
}

int cm_invalidate_tag(struct cm_region *region, const void *tag, size_t tag_len, enum cm_wait wait,
                struct cm_result *ret_result)
{
        return cm_invalidate_tag_with(region, tag, tag_len, wait, NULL, ret_result);
}

int cm_invalidate_region_with(struct cm_region *region, enum cm_wait wait,
                const struct cm_invalidate_options *options, struct cm_result *ret_result)
{
        struct cmi_target target = {.region = region};

        if (!region) {
                return cmi_fail(-EINVAL, "there is no region");
        }
        return invalidate(&target, wait, options, ret_result);
}

int cm_invalidate_region(struct cm_region *region, enum cm_wait wait, struct cm_result *ret_result)
{
        return cm_invalidate_region_with(region, wait, NULL, ret_result);
}

void cm_result_clear(struct cm_result *result)
{
        cmi_result_set(result, (struct cm_result){0});
}
