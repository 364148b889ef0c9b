/* SPDX-License-Identifier: MIT */
#pragma once
/* What loads share with gets. */
#include "libcachemesh/cache.h"

/* A token of now; the thread is in no mapping. */
struct cm_token cmi_token(struct cm *cm, struct cmi_thread *thread);

static inline void cmi_value_set(
                struct cm_value *value, struct cmi_pin *pin, const struct cmi_entry *entry)
{
        value->data = cmi_entry_value(entry);
        value->len = entry->value_len;
        value->opaque[0] = (uint64_t)(uintptr_t)pin;
        value->opaque[1] = (uint64_t)(uintptr_t)entry;
}
