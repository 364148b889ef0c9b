/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Bugs to plant in the plane, as meshd/core/mutant.h does in the core and mutant.h in the store.
 * tests/meshd/plane_mutants has to find each.
 */
#include "meshd/core/mutant.h"

/* clang-format off */
#define PLANE_MUTANT_LIST(X)                                                                       \
        X(STAMP_FORGOTTEN)    /* of what is saved over: other processes keep it */                 \
        X(ANSWERED_UNSTAMPED) /* the stamp comes, but after the answer */                          \
        X(END_UNSTAMPED)      /* what ends by itself is kept by processes */                       \
        X(SPACE_UNCHECKED)    /* who knows a key may use it, whosever it is */                     \
        X(SERVED_AWAY)        /* also while this node does not serve */                            \
        X(AGAIN_AS_NEWEST)    /* a repeated save is told of a later one as its own */              \
        X(ROTATE_LEADS_ON)    /* the old id finds what the new one has */                          \
        X(GRACE_OUTLIVES)     /* a logout of the new id leaves the old one readable */             \
        X(SUCCESSOR_SPARED)   /* a logout with the old id in its grace leaves the new one */       \
        X(LOSER_KEPT)         /* of a rotation that was too late */                                \
        X(RAISED_TWICE)       /* a repeated logout everywhere ends what began meanwhile */         \
        X(OTHERS_FORGOTTEN)   /* what is not known here is told to be dead in all the mesh */
/* clang-format on */

enum plane_mutant {
        PLANE_MUTANT_NONE = 0,
#define PLANE_MUTANT_ENUM(name) PLANE_MUTANT_##name,
        PLANE_MUTANT_LIST(PLANE_MUTANT_ENUM)
#undef PLANE_MUTANT_ENUM
};

#ifdef CM_MUTANTS_CHOSEN
extern enum plane_mutant plane_mutant_chosen;
#define PLANE_MUTANT(name) (plane_mutant_chosen == PLANE_MUTANT_##name)
#else
#define PLANE_MUTANT(name) MUTANT(name)
#endif
