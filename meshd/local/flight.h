/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The loads that run, each a flight: of the processes that miss one key, who loads, who waits, and
 * how long a load is trusted. It decides by what happens and by the time it is told; it sends
 * nothing and reads no clock. loads.h says what clients have said, and tells them what is decided.
 *
 * A client's part in a flight is a seat:
 *
 *   WAITS  another one loads         -> LEADS  the one that did has left, or is late; or this one
 *                                               has waited for it as long as it may
 *   LEADS  it loads                  -> LATE   its time is over, or that of one who waits for it
 *   LATE   it still loads, or hangs; what it finds is still of use
 *   any    -> gone                   its load has ended, it was given what it waits for, or its
 *                                    client has left
 *
 * Of a flight at most one seat LEADS, and one does as long as any WAITS: so no key is blocked for
 * longer than one lead, whoever hangs or dies. Nor does the patience of the one that hangs bind who
 * waits: each has its own. A flight ends with its last seat.
 *
 * One thread. All times are nanoseconds of one monotonic clock.
 */
#include "meshd/local/load_name.h"
#include "wire/load.h"

#define FLIGHT_SEATS_MAX 8192     /* of all clients */
#define FLIGHT_SEATS_OF_GUEST 256 /* of one */
#define FLIGHT_LEAD_MIN_MS 10
#define FLIGHT_LEAD_MAX_MS 600000
#define FLIGHT_TURN_MS 50   /* how exactly times are kept */
#define FLIGHT_ALIVE_MS 250 /* how often who waits is told that it still does */

struct seat;

/* The seats of one client; zeroed at first, and the same address as long as it has any. */
struct flight_guest {
        struct seat *seats;
        uint32_t n_seats;
        uint64_t reminded_ns;
};

struct flights_sink {
        void *context;
        /* This is what the client's LOAD of that id is told; borrowed for the call, which may not
         * call back. After GRANTED and WAIT it has a seat, else none. */
        void (*tell)(void *context, struct flight_guest *guest, uint64_t request,
                        const struct cmi_load_state *state);
};

struct flights;

/**
 * flights_new() - nothing runs
 * @sink: copied
 *
 * Return: 0, -ENOMEM.
 */
int flights_new(struct flights **ret_flights, const struct flights_sink *sink);
/* Once no guest has a seat. Takes NULL, returns NULL. */
struct flights *flights_free(struct flights *flights);

/* A number in the order of arrivals and beginnings; and the newest one. */
uint64_t flights_next(struct flights *flights);
uint64_t flights_last(const struct flights *flights);

struct flight_ask {
        const struct load_name *name;
        uint64_t request;     /* id of the LOAD */
        uint64_t arrival;     /* of who asks again, at most flights_last(); 0: it comes now */
        uint64_t lead_ms;     /* how long it is trusted, should it lead */
        uint64_t patience_ms; /* how long it waits for one that leads; 0: lead_ms */
};

/**
 * flights_ask() - a client wants a key: it is told to load, or to wait
 *
 * Return: CMI_LOAD_GRANTED or CMI_LOAD_WAIT, which it was told; -ENOSPC (too many seats) or
 *         -ENOMEM; then it was told nothing and has no seat.
 */
int flights_ask(struct flights *flights, struct flight_guest *guest, const struct flight_ask *ask,
                uint64_t now_ns);

/* The seat that a request has; NULL: none any more. */
struct seat *flight_seat(const struct flight_guest *guest, uint64_t request);

/* Was it told to load? Else it waits. */
bool seat_loads(const struct seat *seat);

/* What the load is of; borrowed from the seat. */
const struct load_name *seat_name(const struct seat *seat);

/**
 * flights_end() - a load has ended, or who waits gives up
 * @loaded: what its client says; of one who waits it does not count
 *
 * A value is for everybody who waits, and so is an error, and APART; but those not of one that is
 * LATE, since another one loads, which may do better. The seat is gone after the call.
 */
void flights_end(struct flights *flights, struct seat *seat, const struct cmi_loaded *loaded,
                uint64_t now_ns);

/* The client is gone: all its seats are. */
void flights_leave(struct flights *flights, struct flight_guest *guest, uint64_t now_ns);

/* Looks at the deadlines, and reminds who waits; call it at least as often as is due. */
void flights_turn(struct flights *flights, uint64_t now_ns);

/* Milliseconds until flights_turn() may have work, -1 if there is none. */
int flights_timeout_ms(const struct flights *flights);

/* How often one that waited was told to load, since the one before it left or is late. */
uint64_t flights_n_handed_over(const struct flights *flights);
