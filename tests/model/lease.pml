/* SPDX-License-Identifier: MIT */
/*
 * Invalidation, leases and nodes that come back: the rules of meshd/core (lease.c, wait.c,
 * stream.c) for one key, as a model for Spin (G. Holzmann, "The Spin Model Checker", 2003).
 *
 * Node A writes: it commits a new version, numbers one operation and waits. Node B serves: an app
 * reads through B's page. Beats may be lost or late; A's meshd may be killed and started again as
 * often as it likes, B's once; and anything may stop between any two steps for any time.
 *
 * Times are kept as ages that stop at the age at which they have lost their meaning, and what is
 * left of a lease as a countdown, so the model has no end. All clocks run at one rate: margins for
 * drift are meshsim's.
 *
 * Property: a get that began after the wait ended with 0 does not answer with the old version.
 *
 * Each -DMUTANT_... leaves one rule out and must break the property: see test_model.py.
 */
#ifndef L
#define L 1 /* lease */
#endif
#ifndef GONE
#define GONE 2 /* silence after which B goes on without A */
#endif
#define OLD GONE /* ages stop here: no lease, no confirmation follows from it */

#define older(age) ((age) < OLD -> (age) + 1 : OLD)
#define less(left) ((left) > 0 -> (left) - 1 : 0)
#define younger(x, y) ((x) < (y) -> (x) : (y))
#define left_of(age) ((age) < L -> L - (age) : 0)
#define larger(x, y) ((x) > (y) -> (x) : (y))

bool is_committed = false;
bool is_published = false; /* in A's log, which outlives A */
bool is_done = false;      /* A's wait ended with 0 */

/*
 * Beats, one on its way in each direction. clock: age of the sender's clock in it; echo: age of the
 * receiver's clock that it returns.
 */
typedef beat {
        bool is_there;
        byte clock;
        byte echo;
        bool position; /* to B: A's operation is numbered. To A: it is applied */
        bool counts;   /* to A: "I count you" */
}
beat to_a;
beat to_b;

/* B's page, and that of its next life. */
typedef page {
        byte lease_left;
        bool is_stamped; /* since the app took its token: key or floor */
}
page pages[2];
bit newest = 0;

byte app_lease = 0; /* what the app's get read */

bit b_life = 0;
byte b_start = OLD;
byte b_heard = 0;     /* A */
byte b_clock_a = OLD; /* A's newest clock */

byte a_start = OLD;
byte a_clock_b = OLD;  /* B's newest clock */
byte a_received = OLD; /* when that came */
byte a_grant = OLD;    /* receipt of the newest beat of B that a beat of ours echoed */
byte a_counted = OLD;  /* own clock in the newest beat that said "I count you" */
byte a_due = 0;        /* countdown */

active proctype ticks()
{
        do
        :: d_step {
                to_a.clock = older(to_a.clock);
                to_a.echo = older(to_a.echo);
                to_b.clock = older(to_b.clock);
                to_b.echo = older(to_b.echo);
                pages[0].lease_left = less(pages[0].lease_left);
                pages[1].lease_left = less(pages[1].lease_left);
                app_lease = less(app_lease);
                b_start = older(b_start);
                b_heard = older(b_heard);
                b_clock_a = older(b_clock_a);
                a_start = older(a_start);
                a_clock_b = older(a_clock_b);
                a_received = older(a_received);
                a_grant = older(a_grant);
                a_counted = older(a_counted);
                a_due = less(a_due)
           }
        od
}

/* An app on B. It maps B's newest page when it happens to look. */
active proctype app()
{
        bit mine = 0;
        bool has = false;
        bool is_old = false; /* the version that it has */
        bool is_good = false;
        bool is_late = false; /* this get began after the wait */

        do
        :: mine != newest -> d_step { mine = newest; has = false; is_old = false }
        :: !has ->
#ifdef MUTANT_TOKEN_AFTER_LOAD
                is_old = !is_committed;
                pages[mine].is_stamped = false;
#else
                pages[mine].is_stamped = false;
                is_old = !is_committed;
#endif
                d_step { has = !pages[mine].is_stamped; is_old = has && is_old }
        :: has -> /* lease, stamps, clock: in this order */
#ifdef MUTANT_LEASE_AFTER_SLOTS
                d_step { is_late = is_done; is_good = !pages[mine].is_stamped }
                app_lease = pages[mine].lease_left;
#else
                d_step { is_late = is_done; app_lease = pages[mine].lease_left }
                is_good = !pages[mine].is_stamped;
#endif
                d_step {
                        assert(!(is_good && app_lease > 0 && is_late && is_old));
                        has = is_good;
                        is_old = has && is_old;
                        is_good = false;
                        is_late = false;
                        app_lease = 0
                }
        od
}

inline serve(left)
{
        pages[b_life].lease_left = larger(pages[b_life].lease_left, left)
}

/* A beat that brings the operation, or only its position (then the operation comes again). */
inline take(with_operation)
{
        b_heard = 0;
        b_clock_a = younger(b_clock_a, to_b.clock);
        if
        :: !counts -> counts = true; pages[b_life].lease_left = 0
        :: counts
        fi;
#ifdef MUTANT_UNKNOWN_STREAM_AT_CURRENT
        applied = applied || (!is_joined && to_b.position);
#endif
        is_joined = true;
#ifdef MUTANT_RENEWED_WITHOUT_CATCHING_UP
        serve(left_of(to_b.echo));
#endif
        if
        :: to_b.position && !applied && with_operation ->
                applied = true;
#ifdef MUTANT_ACK_BEFORE_STAMP
                owes_stamp = true
#else
                pages[b_life].is_stamped = true
#endif
        :: else
        fi;
        if
        :: applied || !to_b.position ->
#ifdef MUTANT_LEASE_FROM_RECEIPT
                serve((to_b.echo < OLD -> L : 0))
#else
                serve(left_of(to_b.echo))
#endif
        :: else
        fi;
        to_b.is_there = false; to_b.clock = 0; to_b.echo = 0; to_b.position = false
}

active proctype server()
{
        bool applied = false;
        bool counts = true;
        bool is_joined = true; /* A's stream is known in this life */
        bool owes_stamp = false;

        do
        :: d_step { !to_a.is_there ->
                to_a.is_there = true;
                to_a.clock = 0;
                to_a.echo = b_clock_a;
                /* In the start pause apps may be served by the predecessor's page, which may have
                 * other acks, and may have dropped A. */
#ifdef MUTANT_NO_START_PAUSE
                to_a.position = applied;
                to_a.counts = counts
#else
                to_a.position = applied && b_start >= L;
                to_a.counts = counts && b_start >= L
#endif
           }
        :: d_step { to_b.is_there -> take(true) }
        :: d_step { to_b.is_there && to_b.position && !applied -> take(false) }
        :: d_step { to_b.is_there ->
                to_b.is_there = false; to_b.clock = 0; to_b.echo = 0; to_b.position = false }
        :: d_step { owes_stamp -> owes_stamp = false; pages[b_life].is_stamped = true }
        /* A is silent for too long. It may have published: forget, and go on without it. */
        :: d_step { counts && b_heard >= GONE ->
                counts = false;
#ifndef MUTANT_GONE_KEPT
                pages[b_life].is_stamped = true;
#endif
                pages[b_life].lease_left = L }
        :: d_step { !counts && pages[b_life].lease_left < L -> pages[b_life].lease_left = L }
        /* Killed and started again: a new page; the lease of the old one runs out by itself, and
         * frames for the old incarnation are dropped. */
        :: d_step { b_life == 0 ->
                b_life = 1;
                newest = 1;
                b_start = 0;
                b_heard = 0;
                b_clock_a = OLD;
                applied = false;
                counts = true;
                is_joined = false;
                owes_stamp = false;
                to_b.is_there = false; to_b.clock = 0; to_b.echo = 0; to_b.position = false }
        od
}

#ifdef MUTANT_ANSWERS_BEFORE_LIVE
#define IS_LIVE true
#else
#define IS_LIVE (a_start >= L)
#endif
#ifdef MUTANT_UNCONFIRMED
#define IS_CONFIRMED true
#else
#define IS_CONFIRMED (a_counted < GONE)
#endif

active proctype writer()
{
        bool waits = false;
        bool is_acknowledged = false;

        do
        :: d_step { !is_committed -> is_committed = true }
        :: d_step { is_committed && !is_published ->
                is_published = true;
                waits = true;
                /* Fixed here: later beats carry a position that covers the operation. */
#ifdef MUTANT_NO_WAIT_FOR_GRANTS
                a_due = 0
#else
                a_due = left_of(a_grant)
#endif
           }
        :: d_step { !to_b.is_there ->
                to_b.is_there = true;
                to_b.clock = 0;
                to_b.echo = a_clock_b;
                to_b.position = is_published;
                a_grant = (a_clock_b < OLD -> younger(a_grant, a_received) : a_grant) }
        :: d_step { to_a.is_there ->
                a_clock_b = younger(a_clock_b, to_a.clock);
                a_received = 0;
                /* What echoes the predecessor's clock was not meant for this incarnation. */
                if
                :: to_a.echo <= a_start ->
                        is_acknowledged = is_acknowledged || (waits && to_a.position);
                        a_counted = (to_a.counts -> younger(a_counted, to_a.echo) : a_counted)
                :: else
                fi;
                to_a.is_there = false; to_a.clock = 0; to_a.echo = 0;
                to_a.position = false; to_a.counts = false }
        :: d_step { to_a.is_there -> /* lost */
                to_a.is_there = false; to_a.clock = 0; to_a.echo = 0;
                to_a.position = false; to_a.counts = false }
        /* Killed and started again. Its log is there; of its predecessor's grants it knows
         * nothing. The caller asks again. */
        :: d_step {
                a_start = 0;
                a_clock_b = OLD;
                a_received = OLD;
                a_grant = OLD;
                a_counted = OLD;
                a_due = 0;
                waits = is_published && !is_done;
                is_acknowledged = false }
        :: d_step { waits && IS_LIVE && is_acknowledged -> waits = false; is_done = true }
        /* Without an ack: its grant has ended, and it cannot have dropped us since. */
        :: d_step { waits && IS_LIVE && a_due == 0 && IS_CONFIRMED -> waits = false; is_done = true }
        od
}
