/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The planted bugs of plane and store that users can see on nodes that do not know each other's
 * sessions. What the others break is seen only where copies meet; tests/meshd finds those.
 */
#include "meshd/session/mutant.h"
#include "meshd/session/plane_mutant.h"

#include <stdint.h>

struct session_mutant_row {
        const char *name;
        uint64_t limit;
        const char *rule;
        enum plane_mutant plane;
        enum session_mutant store;
};

#define SESSION_MUTANTS 19

/* @index: below SESSION_MUTANTS */
const struct session_mutant_row *session_mutants_row(unsigned index);

/* Until another one is chosen; NULL: none. */
void session_mutants_choose(const struct session_mutant_row *row);
