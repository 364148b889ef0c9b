/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Bugs to plant in what keeps sessions on a disk, as meshd/core/mutant.h does in the core.
 * tests/meshd/test_journal_mutants.c has to find each.
 */
#include "meshd/core/mutant.h"

/* clang-format off */
#define JOURNAL_MUTANT_LIST(X)                                                                     \
        X(DISK_BEFORE_DEAD)    /* what is loaded is served before all that has died is */          \
        X(LOGOUT_UNCOMMITTED)  /* a logout is told when it is written, not when it is safe */      \
        X(ROTATE_UNCOMMITTED)  /* so is a changed id */                                            \
        X(SAVE_UNCOMMITTED)    /* so is a save that is to be on the disk */                        \
        X(PRINCIPAL_UNWRITTEN) /* counts are not written */                                        \
        X(RECORD_LEFT)         /* what has ended stays beside its tombstone */                     \
        X(FORGOTTEN_LEFT)      /* what is forgotten stays on the disk */                           \
        X(TOUCH_UNWRITTEN)     /* what is used but not saved is idle after a restart */            \
        X(OVERFLOW_UNWRITTEN)  /* after more changes than are remembered all goes on as before */  \
        X(SWEPT_NEVER)         /* what was forgotten meanwhile stays */                            \
        X(BROKEN_IS_DONE)      /* who waits for a disk that breaks is told that it is done */      \
        X(SUM_UNCHECKED)       /* what is damaged is taken as it is */                             \
        X(COUNTS_DROPPED)      /* damaged counts are as none */                                    \
        X(IDLE_REVIVED)        /* what was idle for too long before it is loaded is used again */
/* clang-format on */

enum journal_mutant {
        JOURNAL_MUTANT_NONE = 0,
#define JOURNAL_MUTANT_ENUM(name) JOURNAL_MUTANT_##name,
        JOURNAL_MUTANT_LIST(JOURNAL_MUTANT_ENUM)
#undef JOURNAL_MUTANT_ENUM
};

#ifdef CM_JOURNAL_MUTANTS_CHOSEN
extern enum journal_mutant journal_mutant_chosen;
#define JOURNAL_MUTANT(name) (journal_mutant_chosen == JOURNAL_MUTANT_##name)
#else
#define JOURNAL_MUTANT(name) 0
#endif
