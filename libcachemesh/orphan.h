/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Values that are still pinned when their handle is closed. They keep the allocator's functions and
 * are freed by the release of the last one.
 */
#include "libcachemesh/cachemesh.h"
#include "libcachemesh/entry.h"

struct cmi_orphanage {
        struct cm_allocator allocator;
        struct cmi_entry *entries; /* linked by older */
        struct cmi_orphanage *next;
};

/* Takes over the entries, all unlinked, and itself; frees what nobody has pinned, at once or
 * at a later release. */
void cmi_orphanage_adopt(struct cmi_orphanage *orphanage, struct cmi_entry *entries);

/* Frees what is no longer pinned. Called by cm_release() while there are orphans. */
void cmi_orphans_reclaim(void);
