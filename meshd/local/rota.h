/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Rota: which client is served next in a turn of the loop, and when it is another one's time. All
 * of a turn together get ROTA_TURN_NS, so that the lease and the mesh never wait long for clients.
 *
 * First whose time it is among users, then among this user's clients, by the same rule: first in
 * line is who has had the least time, of equal ones who came last. Times are compared in slices,
 * and nobody is served for longer than to the end of one. Time that somebody did not use while he
 * stood in no line is not kept for him: he begins with what the first in line has had. Who stands
 * in line for the first time is taken to have had this slice already, and goes behind his equals:
 * so nothing is gained by new connections.
 *
 * So expensive requests delay who asks them. A client that asks little waits for hardly more than
 * the turn that runs, and the others wait for at most a slice, and one request, of each one of the
 * same user, a new one for two; other users, however many connections they have, take a slice for
 * each of his.
 *
 * It is the idea of start-time fair queueing (Goyal, Vin and Cheng, 1996), of time instead of
 * bytes. It serves nobody (local.h does), and its clock is given. One thread.
 */
#include "base/time.h"

#include <stdbool.h>
#include <stdint.h>

#define ROTA_TURN_NS (20 * CMI_NS_PER_MS)
#define ROTA_SLICE_BITS 20 /* of nanoseconds: about a millisecond */
#define ROTA_USERS_MAX 64  /* with a client at a time; more than these share with another one */

struct rota_user;

/* Of a client in its user's line, or of a user in the line of users. Zeroed but for the owner. */
struct rota_seat {
        void *owner;
        struct rota_user *user; /* of a client */
        struct rota_seat *previous, *next;
        bool is_in_line;
        bool is_known;   /* it has stood in line */
        uint64_t had_ns; /* the time it has had, or was taken to have had */
};

struct rota_line {
        struct rota_seat *first;
        uint64_t had_ns; /* by who was served last, before that */
};

struct rota_user {
        struct rota_seat seat;
        struct rota_line line;
        uint32_t uid;
        uint32_t n_clients;
};

struct rota {
        uint64_t (*read_ns)(void); /* a clock that does not go back */
        struct rota_line line;     /* of users */
        struct rota_user *served;  /* now: in no line */
        uint32_t n;                /* clients in line */
        uint64_t now_ns;           /* as it was read last */
        uint64_t over_ns;          /* end of this turn */
        struct rota_user users[ROTA_USERS_MAX];
};

/* A client of this user, which may stand in line until it is taken out. What its user has had is
 * known also while he has no client, until another user needs the room. */
void rota_add(struct rota *rota, struct rota_seat *seat, uint32_t uid);
/* Before its memory goes. It stands in line no more. */
void rota_remove(struct rota *rota, struct rota_seat *seat);

/* Stand in line; nothing if it stands there already. */
void rota_join(struct rota *rota, struct rota_seat *seat);
/* Stand in line no more; nothing if it does not. */
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
