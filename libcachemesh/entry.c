/* SPDX-License-Identifier: MIT */
#include "libcachemesh/entry.h"

#include "libcachemesh/handle.h"

static size_t align_up(size_t size)
{
        return (size + CMI_ENTRY_ALIGN - 1) & ~(size_t)(CMI_ENTRY_ALIGN - 1);
}

struct cmi_entry *cmi_entry_new(struct cm *cm, const struct cmi_content *content)
{
        size_t tags_size = content->n_tags * sizeof(uint32_t);
        size_t value_offset = align_up(
                        offsetof(struct cmi_entry, tag_slots) + tags_size + content->key.len);
        struct cmi_entry *entry = cmi_handle_allocate(
                        cm, CMI_ENTRY_ALIGN, align_up(value_offset + content->value.len));

        if (!entry) {
                return NULL;
        }
        memset((void *)entry, 0, sizeof(*entry));
        entry->value_offset = (uint16_t)value_offset;
        entry->value_len = (uint32_t)content->value.len;
        entry->key_len = (uint16_t)content->key.len;
        entry->n_tags = (uint8_t)content->n_tags;
        entry->flags = content->is_negative ? CMI_ENTRY_NEGATIVE : 0;
        if (tags_size > 0) {
                memcpy(entry->tag_slots, content->tag_slots, tags_size);
        }
        memcpy((char *)entry->tag_slots + tags_size, content->key.data, content->key.len);
        if (content->value.len > 0) {
                memcpy(cmi_entry_value(entry), content->value.data, content->value.len);
        }
        return entry;
}

size_t cmi_entry_size(const struct cmi_entry *entry)
{
        return align_up((size_t)entry->value_offset + entry->value_len);
}
