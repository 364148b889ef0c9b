/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Rota: which client is served next in a turn of the loop, and when it is another one's time. All
 * of a turn together get ROTA_TURN_NS, so that the lease and the mesh never wait long for clients.
 *
 * First in line is who has had the least time, of equal ones who came last. Times are compared in
 * slices, and nobody is served for longer than to the end of one. Time that somebody did not use
 * while he stood in no line is not kept for him: he begins with what the first in line has had. So
 * expensive requests delay who asks them, a client that asks little waits for hardly more than the
 * turn that runs, and the others wait for at most a slice, and one request, of each one.
 *
 * It is the idea of start-time fair queueing (Goyal, Vin and Cheng, 1996), of time instead of
 * bytes. It serves nobody (local.h does), and its clock is given. One thread.
 */
#include "base/time.h"

#include <stdbool.h>
#include <stdint.h>

#define ROTA_TURN_NS (20 * CMI_NS_PER_MS)
#define ROTA_SLICE_BITS 20 /* of nanoseconds: about a millisecond */

/* One who may stand in line; zeroed but for the owner. */
struct rota_seat {
        void *owner;
        struct rota_seat *previous, *next;
        bool is_in_line;
        uint64_t had_ns; /* the time it has had, or was taken to have had */
};

struct rota {
        uint64_t (*read_ns)(void); /* a clock that does not go back */
        struct rota_seat *first;
        uint32_t n;       /* in line */
        uint64_t had_ns;  /* by who was served last, before that */
        uint64_t now_ns;  /* as it was read last */
        uint64_t over_ns; /* end of this turn */
};

/* Stand in line; nothing if it stands there already. */
void rota_join(struct rota *rota, struct rota_seat *seat);
/* Stand in line no more, as before its memory goes; nothing if it does not. */
void rota_leave(struct rota *rota, struct rota_seat *seat);

/* A turn begins. The clock is read here, and once in each rota_charge(). */
void rota_begin(struct rota *rota);

/**
 * rota_next() - who is next?
 *
 * It does not stand in line any more: who has not said all is to join again.
 *
 * Return: NULL if the turn's time is over or nobody stands in line.
 */
struct rota_seat *rota_next(struct rota *rota);

/**
 * rota_charge() - something was done for the one that rota_next() named
 *
 * Return: whether there is time for one more of its requests, before others are to be served.
 */
bool rota_charge(struct rota *rota, struct rota_seat *seat);
