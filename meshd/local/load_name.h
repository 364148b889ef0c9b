/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a shared load is of: one key of one region in one version of its values, wanted by processes
 * of one user. Only what is equal in all of these is shared.
 */
#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct load_name {
        uid_t uid;
        uint32_t index; /* of the region */
        uint64_t version;
        struct cmi_slice key; /* borrowed */
};

/* Other numbers in each process: who chooses keys cannot choose where in a table they go. */
uint64_t load_name_hash(const struct load_name *name);
bool load_name_equal(const struct load_name *a, const struct load_name *b);
