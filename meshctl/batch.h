/* SPDX-License-Identifier: MIT */
#pragma once
/* Keys or tags on their way into one operation: as many as one operation and its frame can hold. */
#include "wire/op.h"

struct batch {
        uint8_t data[CMI_OP_SIZE_MAX];
        uint16_t lengths[CMI_OP_TARGETS_MAX];
        size_t used;
        uint32_t n;
        uint64_t hold_ms; /* of the operation; 0: none */
};

/* Could @len more bytes be added? */
bool batch_has_room(const struct batch *batch, size_t len);

/* Copy one key or tag; there must be room. */
void batch_add(struct batch *batch, const void *data, size_t len);

/* Encode it as an INVALIDATE of @region, its content being tags or keys. */
void batch_write(const struct batch *batch, struct cmi_writer *writer, struct cmi_slice region,
                bool is_tags, bool is_whole_region);
