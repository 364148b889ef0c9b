/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Planted bugs of the session store, as those of meshd/core/mutant.h: each leaves one rule out, and
 * tests/meshd/test_session_mutants.c must find it. They have a list of their own, since that test
 * chooses from it and the simulator from the other one.
 */
#include "meshd/core/mutant.h"

/* clang-format off */
#define SESSION_MUTANT_LIST(X)                                                                     \
        X(TOUCH_CREATES)          /* a touch of what is not there makes an empty session */        \
        X(TOUCH_GOES_BACK)        /* the last touch that comes counts, not the latest one */       \
        X(SAVE_CREATES)           /* a save of what is dead or gone makes it anew */               \
        X(SAVE_UNCHECKED)         /* a save takes no notice of the version it was made over */     \
        X(HOLDER_UNCHECKED)       /* nor of a takeover */                                          \
        X(CHECK_APART)            /* a copy is checked when it is sent, not when it is taken */    \
        X(LAST_COPY_WINS)         /* whatever comes last replaces what is there */                 \
        X(LINEAGE_UNCHECKED)      /* who loses is always taken for an ancestor */                  \
        X(IDLE_IS_FINAL)          /* an idle tombstone yields to nothing */                        \
        X(PRINCIPAL_BY_CLOCK)     /* created before its principal was ended, by wall clocks */     \
        X(PRINCIPAL_NEW_ONLY)     /* counts are asked of what comes, not of what is there */       \
        X(COUNTS_REPLACED)        /* counts that come later replace the others */                  \
        X(MAX_END_BY_AGE)         /* a copy lives as long again as the session was to live */      \
        X(TOMBSTONE_EVICTED)      /* to make room */                                               \
        X(TOMBSTONE_WITHOUT_MARGIN)                                                                \
        X(OVERFLOW_FORGOTTEN)     /* a tombstone that found no room is nobody's business */
/* clang-format on */

enum session_mutant {
        SESSION_MUTANT_NONE = 0,
#define SESSION_MUTANT_ENUM(name) SESSION_MUTANT_##name,
        SESSION_MUTANT_LIST(SESSION_MUTANT_ENUM)
#undef SESSION_MUTANT_ENUM
};

#ifdef CM_MUTANTS_CHOSEN
extern enum session_mutant session_mutant_chosen;
#define SESSION_MUTANT(name) (session_mutant_chosen == SESSION_MUTANT_##name)
#else
#define SESSION_MUTANT(name) MUTANT(name)
#endif
