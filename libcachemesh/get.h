/* SPDX-License-Identifier: MIT */
#pragma once
/* The get behind cm_get(), for the other callers inside the library; arguments are checked already. */
#include "libcachemesh/cache.h"

int cmi_get(struct cm_region *region, struct cmi_slice key, struct cm_value *ret_value);
struct cm_token cmi_token(struct cm *cm, struct cmi_thread *thread);

static inline void cmi_value_set(struct cm_value *value, _Atomic(struct cmi_entry *) *slot,
                const struct cmi_entry *entry)
{
        value->data = cmi_entry_value(entry);
        value->len = entry->value_len;
        value->opaque[0] = (uint64_t)(uintptr_t)slot;
        value->opaque[1] = (uint64_t)(uintptr_t)entry;
}
