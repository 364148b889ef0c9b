/* SPDX-License-Identifier: MIT */
/*
 * Write intents, as a model for Spin: two owners at node A announce writes to one key, an app at
 * node B reads it. What leases do is taken from lease.pml: B stops serving at any time, and starts
 * again only when it has applied all of A's stream, or when it declares A gone: then it forgets
 * everything first. That is why an owner's wait ends only when B has applied the BEGIN: that B does
 * not serve now is not enough, as it is for an invalidation.
 *
 * An owner begins, waits, commits, ends. It may die at any moment; a COMMIT that it has sent may
 * still take effect, but never after the database's deadline, which lies within the intent's.
 *
 * Property: a get that began after a commit does not answer with what was there before, at no
 * moment, although the invalidation (END) may come late or never.
 *
 * Each -DMUTANT_... leaves one rule out and must break the property: see test_model.py.
 */
#define OWNERS 2
#ifndef DEADLINE
#define DEADLINE 2 /* of an intent, in ticks */
#endif
#define LOG 5

#define less(left) ((left) > 0 -> (left) - 1 : 0)

mtype = { BEGIN_INTENT, END_INTENT, INVALIDATE };

typedef operation {
        mtype kind;
        bit owner
}
operation log[LOG]; /* A's stream */
byte n_log = 0;

/* Of A: what it tells a node that joins. */
bool a_is_open[OWNERS];
byte a_left[OWNERS];

/* Of B. */
bool serves = true;
bool is_gone = false; /* A, in B's eyes: B serves without it */
byte applied = 0;
bool is_open[OWNERS];
byte left[OWNERS];
byte n_open = 0; /* of the slot; its flag is set while this is not 0 */
bool is_flagged = false;
bool is_stamped = false; /* since the app took its token */

bool has_old = false; /* the app's value is older than the last commit */
bool is_loaded = false;
byte page_life = 0;

/* All that ends an intent at B is here, and it happens once. */
inline close(i)
{
        if
        :: is_open[i] -> is_open[i] = false; left[i] = 0; n_open--
#ifdef MUTANT_LATE_END_COUNTS_TWICE
        :: !is_open[i] && n_open > 0 -> n_open--
        :: !is_open[i] && n_open == 0
#else
        :: else
#endif
        fi;
        is_flagged = n_open > 0;
#ifndef MUTANT_END_WITHOUT_STAMP
        is_stamped = true
#endif
}

active proctype ticks()
{
        do
        :: d_step {
                a_left[0] = less(a_left[0]);
                a_left[1] = less(a_left[1]);
                left[0] = less(left[0]);
                left[1] = less(left[1])
           }
        od
}

proctype writer(bit i)
{
        byte number;

        d_step { n_log < LOG ->
                log[n_log].kind = BEGIN_INTENT;
                log[n_log].owner = i;
                n_log++;
                number = n_log;
                a_is_open[i] = true;
                a_left[i] = DEADLINE }
        do
#ifdef MUTANT_LAPSED_IS_ENOUGH
        :: d_step { (applied >= number || !serves) && a_left[i] > 0 -> number = 0 }
#else
        :: d_step { applied >= number && a_left[i] > 0 -> number = 0 }
#endif
                break
        :: a_left[i] == 0 -> goto over /* too late to begin to write */
        od;
        /* The COMMIT: perhaps sent by an owner that is dead by now. */
        if
        :: d_step { a_left[i] > 0 -> has_old = has_old || is_loaded }
        :: true
        fi;
over:
        number = 0;
        if
        :: d_step { n_log < LOG -> /* END, in time or late; A closes it there, once */
                log[n_log].kind = END_INTENT;
                log[n_log].owner = i;
                n_log++;
                a_is_open[i] = false;
                a_left[i] = 0 }
        :: true /* it died */
        fi
}

/* Any other write to the slot. */
active proctype other()
{
        d_step { n_log < LOG -> log[n_log].kind = INVALIDATE; log[n_log].owner = 0; n_log++ }
}

active proctype server()
{
        do
        :: d_step { applied < n_log && !is_gone ->
                if
                :: log[applied].kind == BEGIN_INTENT ->
                        is_open[log[applied].owner] = true;
                        left[log[applied].owner] = DEADLINE; /* from the own receipt */
                        n_open++;
                        is_flagged = true;
                        is_stamped = true
                :: log[applied].kind == END_INTENT ->
                        close(log[applied].owner)
                :: log[applied].kind == INVALIDATE ->
                        is_stamped = true;
#ifdef MUTANT_FLAG_LOST_BY_STORE
                        is_flagged = false
#endif
                fi;
                applied++ }
        :: d_step { is_open[0] && left[0] == 0 -> close(0) }
        :: d_step { is_open[1] && left[1] == 0 -> close(1) }
#ifdef MUTANT_ENDED_BY_DEATH
        /* The owner may be dead; who knows. */
        :: d_step { is_open[0] -> close(0) }
#endif
        :: d_step { serves -> serves = false }
        :: d_step { !serves && !is_gone && applied == n_log -> serves = true }
        :: d_step { !serves -> is_gone = true; is_stamped = true; serves = true }
        /* Heard again. */
        :: d_step { is_gone -> is_gone = false; serves = false }
        /* Killed and started again: a new page that joins at A's position. If A is not there, it
         * has what its own file kept. */
        :: d_step { page_life == 0 && !is_gone ->
                page_life = 1;
                serves = false;
                applied = n_log;
                is_stamped = true;
                n_open = 0;
                is_open[0] = false;
                is_open[1] = false;
                left[0] = 0;
                left[1] = 0;
#ifndef MUTANT_NOT_TOLD_TO_JOINER
                is_open[0] = a_is_open[0] && a_left[0] > 0;
                is_open[1] = a_is_open[1] && a_left[1] > 0;
                left[0] = (is_open[0] -> a_left[0] : 0);
                left[1] = (is_open[1] -> a_left[1] : 0);
                n_open = is_open[0] + is_open[1];
#endif
                is_flagged = n_open > 0 }
        :: d_step { page_life == 0 && is_gone ->
                page_life = 1;
                serves = false;
                is_stamped = true
#ifdef MUTANT_NOT_DURABLE
                ;
                n_open = 0;
                is_flagged = false;
                is_open[0] = false;
                is_open[1] = false;
                left[0] = 0;
                left[1] = 0
#endif
           }
        od
}

active proctype app()
{
        bool has = false;
        bool is_late = false;
        bool may = false;

        do
        :: !has ->
                d_step { is_stamped = false; is_loaded = false; has_old = false };
                is_loaded = true; /* what the database says now */
                d_step {
                        has = !is_stamped && !is_flagged;
                        is_loaded = has;
                        has_old = has && has_old
                }
        :: has ->
                d_step { is_late = has_old; may = serves };
                d_step {
                        assert(!(may && !is_stamped && !is_flagged && is_late));
                        has = !is_stamped && !is_flagged;
                        is_loaded = has;
                        has_old = has && has_old;
                        is_late = false;
                        may = false
                }
        od
}

init {
        atomic { run writer(0); run writer(1) }
}
