/* SPDX-License-Identifier: MIT */
#include "meshctl/batch.h"

#define HEADER_MAX 3                         /* of a bin of up to 65535 bytes */
#define FIXED_MAX (CMI_REGION_NAME_MAX + 64) /* everything else, generously */

bool batch_has_room(const struct batch *batch, size_t len)
{
        return batch->n < CMI_OP_TARGETS_MAX &&
               batch->used + len + ((size_t)batch->n + 1) * HEADER_MAX + FIXED_MAX <=
                               CMI_OP_SIZE_MAX;
}

void batch_add(struct batch *batch, const void *data, size_t len)
{
        memcpy(batch->data + batch->used, data, len);
        batch->used += len;
        batch->lengths[batch->n++] = (uint16_t)len;
}

static void write_targets(const struct batch *batch, struct cmi_writer *writer)
{
        const uint8_t *at = batch->data;

        for (uint32_t i = 0; i < batch->n; i++) {
                cmi_write_bin(writer, cmi_slice(at, batch->lengths[i]));
                at += batch->lengths[i];
        }
}

void batch_write(const struct batch *batch, struct cmi_writer *writer, struct cmi_slice region,
                bool is_tags, bool is_whole_region)
{
        cmi_op_write_head(writer, CMI_OP_INVALIDATE, region, is_tags ? 0 : batch->n,
                        batch->hold_ms > 0);
        if (!is_tags) {
                write_targets(batch, writer);
        }
        cmi_op_write_tags(writer, is_tags ? batch->n : 0);
        if (is_tags) {
                write_targets(batch, writer);
        }
        cmi_op_write_end(writer, is_whole_region);
        cmi_op_write_hold(writer, batch->hold_ms);
}
