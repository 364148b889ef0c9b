/* SPDX-License-Identifier: MIT */
#include "meshd/local/flight.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHAINS 1024

enum seat_state {
        SEAT_WAITS = 0,
        SEAT_LEADS = 1,
        SEAT_LATE = 2,
};

struct seat {
        struct flight_guest *guest;
        struct flight *flight;
        struct seat *next_of_guest;
        struct seat *previous, *next; /* in the list of its state */
        enum seat_state state;
        uint64_t request;
        uint64_t arrival; /* in the order of arrivals and beginnings */
        uint64_t began;   /* of its load; 0: it has not */
        uint64_t lead_ms;
        uint64_t patience_ms;
        uint64_t since_ns; /* that it waits or leads */
};

struct seat_list {
        struct seat *first, *last;
};

struct flight {
        struct flight *next; /* in its chain */
        uint64_t hash;
        struct load_name name;
        struct seat_list seats[SEAT_LATE + 1]; /* by state; at most one leads */
        char key[];
};

struct flights {
        struct flights_sink sink;
        struct flight *chains[CHAINS];
        uint64_t last;
        uint32_t n_seats;
        uint32_t n_waiting;
        uint64_t turn_ns;     /* of the last look at the deadlines */
        uint64_t reminded_ns; /* of the last word to all who wait */
        uint64_t n_handed_over;
};

int flights_new(struct flights **ret_flights, const struct flights_sink *sink)
{
        struct flights *flights = calloc(1, sizeof(*flights));

        if (!flights) {
                return -ENOMEM;
        }
        flights->sink = *sink;
        *ret_flights = flights;
        return 0;
}

struct flights *flights_free(struct flights *flights)
{
        assert(!flights || flights->n_seats == 0);
        free(flights);
        return NULL;
}

uint64_t flights_next(struct flights *flights)
{
        return ++flights->last;
}

uint64_t flights_last(const struct flights *flights)
{
        return flights->last;
}

uint64_t flights_n_handed_over(const struct flights *flights)
{
        return flights->n_handed_over;
}

/* Flights */

static struct flight *find_flight(
                const struct flights *flights, uint64_t hash, const struct load_name *name)
{
        struct flight *flight = flights->chains[hash % CHAINS];

        while (flight && (flight->hash != hash || !load_name_equal(&flight->name, name))) {
                flight = flight->next;
        }
        return flight;
}

static struct flight *new_flight(
                struct flights *flights, uint64_t hash, const struct load_name *name)
{
        struct flight *flight = calloc(1, sizeof(*flight) + name->key.len);

        if (flight) {
                flight->hash = hash;
                flight->name = *name;
                memcpy(flight->key, name->key.data, name->key.len);
                flight->name.key.data = flight->key;
                flight->next = flights->chains[hash % CHAINS];
                flights->chains[hash % CHAINS] = flight;
        }
        return flight;
}

static struct flight *find_or_add(struct flights *flights, const struct load_name *name)
{
        uint64_t hash = load_name_hash(name);
        struct flight *flight = find_flight(flights, hash, name);

        return flight ? flight : new_flight(flights, hash, name);
}

static bool is_empty(const struct flight *flight)
{
        for (unsigned state = SEAT_WAITS; state <= SEAT_LATE; state++) {
                if (flight->seats[state].first) {
                        return false;
                }
        }
        return true;
}

static void free_flight(struct flights *flights, struct flight *flight)
{
        struct flight **place = &flights->chains[flight->hash % CHAINS];

        while (*place != flight) {
                place = &(*place)->next;
        }
        *place = flight->next;
        free(flight);
}

static struct seat *leader_of(const struct flight *flight)
{
        return flight->seats[SEAT_LEADS].first;
}

static struct seat *first_waiting(const struct flight *flight)
{
        return flight->seats[SEAT_WAITS].first;
}

/* Seats */

static struct seat **place_of(struct flight_guest *guest, uint64_t request)
{
        struct seat **place = &guest->seats;

        while (*place && (*place)->request != request) {
                place = &(*place)->next_of_guest;
        }
        return place;
}

struct seat *flight_seat(const struct flight_guest *guest, uint64_t request)
{
        struct seat *seat = guest->seats;

        while (seat && seat->request != request) {
                seat = seat->next_of_guest;
        }
        return seat;
}

bool seat_loads(const struct seat *seat)
{
        return seat->state != SEAT_WAITS;
}

const struct load_name *seat_name(const struct seat *seat)
{
        return &seat->flight->name;
}

/* At the end of the list of its state. */
static void list(struct flights *flights, struct seat *seat)
{
        struct seat_list *list = &seat->flight->seats[seat->state];

        seat->previous = list->last;
        seat->next = NULL;
        *(list->last ? &list->last->next : &list->first) = seat;
        list->last = seat;
        flights->n_waiting += seat->state == SEAT_WAITS;
}

static void unlist(struct flights *flights, struct seat *seat)
{
        struct seat_list *list = &seat->flight->seats[seat->state];

        *(seat->previous ? &seat->previous->next : &list->first) = seat->next;
        *(seat->next ? &seat->next->previous : &list->last) = seat->previous;
        flights->n_waiting -= seat->state == SEAT_WAITS;
}

static void set_state(struct flights *flights, struct seat *seat, enum seat_state state)
{
        unlist(flights, seat);
        seat->state = state;
        list(flights, seat);
}

static uint64_t in_bounds(uint64_t lead_ms)
{
        if (lead_ms > FLIGHT_LEAD_MAX_MS) {
                return FLIGHT_LEAD_MAX_MS;
        }
        return lead_ms > FLIGHT_LEAD_MIN_MS ? lead_ms : FLIGHT_LEAD_MIN_MS;
}

/* It waits; who is to lead is decided afterwards. */
static struct seat *new_seat(struct flights *flights, struct flight_guest *guest,
                const struct flight_ask *ask, struct flight *flight, uint64_t now_ns)
{
        struct seat *seat = calloc(1, sizeof(*seat));

        if (!seat) {
                return NULL;
        }
        seat->guest = guest;
        seat->flight = flight;
        seat->request = ask->request;
        seat->arrival = ask->arrival ? ask->arrival : flights_next(flights);
        seat->lead_ms = in_bounds(ask->lead_ms);
        seat->patience_ms = ask->patience_ms ? in_bounds(ask->patience_ms) : seat->lead_ms;
        seat->since_ns = now_ns;
        seat->next_of_guest = guest->seats;
        guest->seats = seat;
        guest->n_seats++;
        flights->n_seats++;
        list(flights, seat);
        return seat;
}

static void free_seat(struct flights *flights, struct seat *seat)
{
        struct flight_guest *guest = seat->guest;

        unlist(flights, seat);
        *place_of(guest, seat->request) = seat->next_of_guest;
        guest->n_seats--;
        flights->n_seats--;
        free(seat);
}

/* What is said */

static void tell(const struct flights *flights, const struct seat *seat,
                enum cmi_load_outcome outcome)
{
        struct cmi_load_state state = {.outcome = outcome, .arrival = seat->arrival};

        flights->sink.tell(flights->sink.context, seat->guest, seat->request, &state);
}

static void grant(struct flights *flights, struct seat *seat, uint64_t now_ns)
{
        set_state(flights, seat, SEAT_LEADS);
        seat->began = flights_next(flights);
        seat->since_ns = now_ns;
        tell(flights, seat, CMI_LOAD_GRANTED);
}

static void grant_next(struct flights *flights, struct seat *next, uint64_t now_ns)
{
        flights->n_handed_over++;
        grant(flights, next, now_ns);
}

/* To one who waits, when the load that began at @began has ended. */
static void serve(const struct flights *flights, const struct seat *seat, uint64_t began,
                const struct cmi_loaded *loaded)
{
        struct cmi_load_state state = {.outcome = CMI_LOAD_ALONE, .arrival = seat->arrival};

        if (loaded->outcome < 0) {
                state.outcome = CMI_LOAD_FAILED;
                state.error = loaded->outcome;
        } else if (loaded->outcome == CMI_LOADED_VALUE) {
                state.outcome = CMI_LOAD_VALUE;
                state.is_new = began > seat->arrival;
                state.record = loaded->record;
        }
        flights->sink.tell(flights->sink.context, seat->guest, seat->request, &state);
}

static void serve_all(struct flights *flights, struct flight *flight, uint64_t began,
                const struct cmi_loaded *loaded)
{
        struct seat *next;

        for (struct seat *seat = first_waiting(flight); seat; seat = next) {
                next = seat->next;
                serve(flights, seat, began, loaded);
                free_seat(flights, seat);
        }
        flight->seats[SEAT_WAITS] = (struct seat_list){NULL, NULL};
}

/* Events */

int flights_ask(struct flights *flights, struct flight_guest *guest, const struct flight_ask *ask,
                uint64_t now_ns)
{
        struct flight *flight;
        struct seat *seat;

        if (flights->n_seats >= FLIGHT_SEATS_MAX || guest->n_seats >= FLIGHT_SEATS_OF_GUEST) {
                return -ENOSPC;
        }
        flight = find_or_add(flights, ask->name);
        seat = flight ? new_seat(flights, guest, ask, flight, now_ns) : NULL;
        if (!seat) {
                if (flight && is_empty(flight)) {
                        free_flight(flights, flight);
                }
                return -ENOMEM;
        }
        if (leader_of(flight)) {
                tell(flights, seat, CMI_LOAD_WAIT);
                return CMI_LOAD_WAIT;
        }
        grant(flights, seat, now_ns);
        return CMI_LOAD_GRANTED;
}

static void leave(struct flights *flights, struct seat *seat, uint64_t now_ns)
{
        struct flight *flight = seat->flight;

        free_seat(flights, seat);
        if (!leader_of(flight) && first_waiting(flight)) {
                grant_next(flights, first_waiting(flight), now_ns);
        }
        if (is_empty(flight)) {
                free_flight(flights, flight);
        }
}

static bool is_for_all(const struct seat *seat, const struct cmi_loaded *loaded)
{
        switch (seat->state) {
        case SEAT_WAITS:
                return false;
        case SEAT_LEADS:
                return loaded->outcome != CMI_LOADED_NOTHING;
        case SEAT_LATE:
                return loaded->outcome == CMI_LOADED_VALUE;
        }
        return false;
}

void flights_end(struct flights *flights, struct seat *seat, const struct cmi_loaded *loaded,
                uint64_t now_ns)
{
        if (is_for_all(seat, loaded)) {
                serve_all(flights, seat->flight, seat->began, loaded);
        }
        leave(flights, seat, now_ns);
}

void flights_leave(struct flights *flights, struct flight_guest *guest, uint64_t now_ns)
{
        struct seat *next;

        /* Others of its seats may be told to load meanwhile, but none is freed. */
        for (struct seat *seat = guest->seats; seat; seat = next) {
                next = seat->next_of_guest;
                leave(flights, seat, now_ns);
        }
}

/* Time */

/* The patience is for each that leads anew: else all who wait would be told to load, one after the
 * other, once the first one is late. */
static bool has_waited(const struct seat *seat, const struct seat *leader, uint64_t now_ns)
{
        uint64_t since_ns = seat->since_ns > leader->since_ns ? seat->since_ns : leader->since_ns;

        return now_ns >= since_ns + cmi_ms(seat->patience_ms);
}

/* Who is to load beside the leader; NULL: nobody. */
static struct seat *successor(const struct flight *flight, uint64_t now_ns)
{
        const struct seat *leader = leader_of(flight);
        struct seat *seat = first_waiting(flight);

        if (seat && now_ns >= leader->since_ns + cmi_ms(leader->lead_ms)) {
                return seat;
        }
        while (seat && !has_waited(seat, leader, now_ns)) {
                seat = seat->next;
        }
        return seat;
}

static void hand_over(struct flights *flights, struct flight *flight, uint64_t now_ns)
{
        struct seat *next = successor(flight, now_ns);

        if (next) {
                set_state(flights, leader_of(flight), SEAT_LATE);
                grant_next(flights, next, now_ns);
        }
}

/* Once for each client: a meshd that is stopped says nothing, and they all hear that. */
static void remind(const struct flights *flights, const struct flight *flight, uint64_t now_ns)
{
        for (const struct seat *seat = first_waiting(flight); seat; seat = seat->next) {
                if (seat->guest->reminded_ns != now_ns) {
                        seat->guest->reminded_ns = now_ns;
                        tell(flights, seat, CMI_LOAD_WAIT);
                }
        }
}

void flights_turn(struct flights *flights, uint64_t now_ns)
{
        bool is_reminding = now_ns >= flights->reminded_ns + cmi_ms(FLIGHT_ALIVE_MS);

        if (flights->n_waiting == 0 || now_ns < flights->turn_ns + cmi_ms(FLIGHT_TURN_MS)) {
                return;
        }
        flights->turn_ns = now_ns;
        for (uint32_t i = 0; i < CHAINS; i++) {
                for (struct flight *flight = flights->chains[i]; flight; flight = flight->next) {
                        hand_over(flights, flight, now_ns);
                        if (is_reminding) {
                                remind(flights, flight, now_ns);
                        }
                }
        }
        if (is_reminding) {
                flights->reminded_ns = now_ns;
        }
}

int flights_timeout_ms(const struct flights *flights)
{
        return flights->n_waiting > 0 ? FLIGHT_TURN_MS : -1;
}
