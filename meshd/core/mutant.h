/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Planted bugs. MUTANT(NAME) stands at the place of a rule and leaves it out: it is the constant
 * false, and costs nothing, unless the build asks for that bug (-Dmutant=name defines
 * CM_MUTANT_NAME) or lets the simulator choose one at run time (CM_MUTANTS_CHOSEN). Each must be
 * found by tests/sim: a simulator that misses them proves nothing. Those of the shell are not in
 * this list, nor is what only costs time: other tests find them, in a build for each.
 */

/* clang-format off */
#define MUTANT_LIST(X)                                                                             \
        /* of the reader's rules, page.h */                                                        \
        X(TOKEN_AFTER_LOAD)        /* the token is taken when the load is over */                  \
        X(LEASE_AFTER_SLOTS)       /* lease ends are loaded after the slots */                     \
        X(FLOOR_UNCHECKED)                                                                         \
        X(EPOCH_UNCHECKED)                                                                         \
        X(PUT_REPLACES)            /* also an entry that is good, by a value loaded earlier */     \
        X(WAITER_UNCHECKED)        /* a load's result goes to all who wait for it */               \
        X(OWNER_UNCHECKED)         /* stored at an index that is another region's by now */        \
        /* of regions that are served by their TTL */                                             \
        X(TTL_UNVOUCHED)           /* also without proof that the page is the node's */            \
        X(TTL_UNJOINED)            /* also on a page whose node was never LIVE */                  \
        X(TTL_GAP_KEPT)            /* that nobody listens is proof also after a time without */    \
        X(TTL_PAGE_OPEN)           /* a meshd that ends leaves its page as it is */                \
        X(OBITUARY_UNHEARD)        /* who speaks for a dead meshd does not listen: shell */        \
        X(TTL_LAPSED_ENOUGH)       /* for them too it is enough that a member has lapsed */        \
        X(SPOOL_UNREAD)            /* what apps have spooled is left there: shell */               \
        /* of streams */                                                                           \
        X(FULL_QUEUE_DROPS)        /* what a full queue refuses is skipped */                      \
        X(LOST_LOG_KEPT)           /* a new stream of a known node is no reason to forget */       \
        X(STREAM_NOT_DURABLE)      /* each start begins the same stream again, from 1 */           \
        X(TAIL_FORGOTTEN)          /* a start gives the newest operation's number away again */    \
        X(UNKNOWN_STREAM_CURRENT)  /* an unknown stream is begun at its newest position */         \
        X(UNKNOWN_OP_SKIPPED)      /* an operation of an unknown kind has no effect */             \
        X(ACK_BEFORE_BUMP)         /* acknowledged when received, not when applied */              \
        X(GONE_KEPT)               /* a member that is gone leaves nothing to forget */            \
        X(UNMET_KEPT)              /* nor does one that was never met, while JOINING */            \
        /* of leases */                                                                            \
        X(LEASE_FROM_RECEIPT)      /* counted from when the grant came, not from what it echoes */ \
        X(NO_DRIFT_MARGIN)         /* other clocks are taken to run as fast as ours */             \
        X(GRANT_FROM_TURN)         /* a grant's start is the time at which the turn began: shell */\
        X(ONE_CLOCK)               /* the lease ends on one clock only */                          \
        X(LAPSE_NOT_CAUGHT_UP)     /* renewed though operations are missing */                     \
        X(GOODBYE_BEFORE_LEASE)    /* the lease goes on after the goodbye */                       \
        X(GOODBYE_IN_PAUSE)        /* though the predecessor's page may still be served */         \
        X(B1_NO_START_PAUSE)                                                                       \
        X(B1_OWN_LEASE)            /* the predecessor's lease was no longer than ours */           \
        X(PAUSE_COUNTS)            /* and "I count you" is said in it */                           \
        X(B2_WAIT_BY_STATE)        /* waits for members, not for running grants */                 \
        X(B3_ANSWERS_EARLY)        /* answers waits though it is not LIVE */                       \
        X(B4_AWAY_COUNTS)          /* time in which it did not run itself counts as silence */     \
        X(B5_UNCONFIRMED)          /* nobody could have dropped us */                              \
        X(B5_OWN_GONE)             /* nobody gives us up before we would give it up */             \
        X(B5_GONE_UNKEPT)          /* what a process before told others of that is void */         \
        X(WAIT_UNBOUNDED)          /* it ends when it is decided, however late that is */          \
        X(CANCEL_KEPT)             /* a wait whose client is gone stays */                         \
        X(ROOM_IGNORED)            /* a live node without a place here is none of our business */  \
        X(LIST_UNASKED)            /* whom others count is none of our business, either */         \
        /* of messages between nodes */                                                            \
        X(POST_BEFORE_BEATS)       /* beats and operations wait for them */                        \
        X(POST_UNBOUNDED)          /* as many are under way as the link takes */                   \
        X(POST_OVERTAKEN)          /* one that comes late counts, too */                           \
        X(POST_TO_OLD_INCARNATION) /* so does one that was meant for a process before */           \
        /* of write intents */                                                                     \
        X(INTENT_FLAG_LOST)        /* any other stamp takes the flag away */                       \
        X(INTENT_ENDED_BY_DEATH)   /* its node is gone, so it is taken for over */                 \
        X(INTENT_LATE_END_TWICE)   /* an end after the deadline counts down once more */           \
        X(INTENT_END_UNSTAMPED)    /* its end takes the flag away and stamps nothing */            \
        X(HOLD_END_UNSTAMPED)      /* the same of a hold */                                        \
        X(HOLD_INDEX_LOST)         /* a region that gets an index again is not held */             \
        X(HOLD_MISSED)             /* nor is one of which something may have been missed */        \
        X(INTENT_UNTOLD)           /* to nobody who joins, nor with a RESET */                     \
        X(INTENT_GRANT_EARLY)      /* a joiner serves before it is told */                         \
        X(INTENT_NOT_DURABLE)      /* a meshd that starts knows none of those before */           \
        X(INTENT_LAPSED_ENOUGH)    /* a begin is 0 though a member has only lapsed */
/* clang-format on */

enum mutant {
        MUTANT_NONE = 0,
#define MUTANT_ENUM(name) MUTANT_##name,
        MUTANT_LIST(MUTANT_ENUM)
#undef MUTANT_ENUM
};

#ifdef CM_MUTANTS_CHOSEN
extern enum mutant mutant_chosen;
#define MUTANT(name) (mutant_chosen == MUTANT_##name)
#else
/* CM_MUTANT_NAME is 1 or not defined: the comma of MUTANT_COMMA_1 moves the 1 to the second place.
 */
#define MUTANT_COMMA_1 0,
#define MUTANT_SECOND(first, second, ...) second
#define MUTANT_TAKE(...) MUTANT_SECOND(__VA_ARGS__)
#define MUTANT_PASTE(value) MUTANT_TAKE(MUTANT_COMMA_##value 1, 0, 0)
#define MUTANT_EXPAND(value) MUTANT_PASTE(value)
#define MUTANT(name) (MUTANT_EXPAND(CM_MUTANT_##name))
#endif
