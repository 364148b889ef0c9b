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
        X(MAX_END_BY_AGE)          /* a copy lives as long again as the session was to live */     \
        X(AHEAD_TAKEN)             /* however far its end is */                                    \
        X(TOMBSTONE_EVICTED)       /* to make room */                                              \
        X(TOMBSTONE_WITHOUT_MARGIN)                                                                \
        X(OVERFLOW_FORGOTTEN)      /* a tombstone that found no room is nobody's business */       \
        X(COUNT_FORGOTTEN)         /* nor is a count */                                            \
        X(BLOCK_OF_UNKNOWN_ONLY)   /* what yields may have been ended by what found no room */     \
        X(BEHIND_UNKNOWN)          /* the older version is served when the newer finds no room */  \
        X(END_NOT_KEPT)            /* a tombstone is kept to its own end, not to the latest one */ \
        X(EXPIRED_DROPPED)         /* a tombstone that is over by this clock is not looked at */   \
        X(FORGOTTEN_BY_CLOCK)      /* what is over is decided by UTC alone: of tombstones */       \
        X(UNTOLD_BY_CLOCK)         /* of what is passed on */                                      \
        X(ENDED_BY_CLOCK)          /* of records */                                                \
        X(IDLE_BY_CLOCK)           /* of what is idle */                                           \
        X(END_FORGETS)             /* a record that is over leaves nothing */                      \
        X(TOUCH_OF_LOSER_LOST)     /* a touch of an older version counts for nothing */            \
        X(CREATE_OVER_DEAD)        /* an idle tombstone is no reason to refuse it */               \
        X(RETRY_UNKNOWN)           /* what is repeated is done again */                            \
        X(HOLDER_BY_NUMBER)        /* two holders of one number are taken for one */               \
        X(HOLD_UNCHECKED)          /* a takeover takes no notice of another one */                 \
        X(END_UNCHECKED)           /* nor does what ends a session, of its version */              \
        X(FENCE_IGNORED)           /* a primary that was replaced goes on */                       \
        X(KEYS_UNBALANCED)         /* who chooses keys makes a chain of them */                    \
        X(BLIND_UNBOUNDED)         /* who makes keys up to end them leaves no room for sessions */ \
        X(KEYS_UNSHARED)           /* nor does a user who makes and ends sessions, for others' */  \
        X(BLIND_FOR_GOOD)          /* ended unknown, it is forgotten early though it has come */
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
