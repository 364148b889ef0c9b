/* SPDX-License-Identifier: MIT */
#include "libcachemesh/entry.h"

#include <stddef.h>

void cmi_entry_set_lengths(struct cmi_entry *entry, size_t key_len, size_t value_len)
{
        size_t offset = offsetof(struct cmi_entry, tag_slots) + entry->n_tags * sizeof(uint32_t) +
                        key_len;

        entry->key_len = (uint16_t)key_len;
        entry->value_len = (uint32_t)value_len;
        entry->value_offset = (uint16_t)((offset + CMI_ENTRY_ALIGN - 1) & ~(CMI_ENTRY_ALIGN - 1u));
}

struct cmi_entry *cmi_entry_fill(void *memory, const struct cmi_entry *head, struct cmi_slice key,
                struct cmi_slice first, struct cmi_slice value)
{
        struct cmi_entry *entry = memory;
        size_t head_size = offsetof(struct cmi_entry, tag_slots) + head->n_tags * sizeof(uint32_t);

        memcpy((void *)entry, (const void *)head, head_size);
        memcpy((char *)memory + head_size, key.data, key.len);
        if (first.len > 0) {
                memcpy(cmi_entry_value(entry), first.data, first.len);
        }
        if (value.len > 0) {
                memcpy((char *)cmi_entry_value(entry) + first.len, value.data, value.len);
        }
        return entry;
}
