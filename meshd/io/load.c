/* SPDX-License-Identifier: MIT */
#include "meshd/io/load.h"

#include "meshd/io/clock.h"
#include "meshd/io/kept.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHAINS 1024

/* Who takes part in a load, since its LOAD. */
struct seat {
        struct guest *guest;
        struct flight *flight;
        struct seat *next_of_guest;
        struct seat *previous, *next; /* in one of the flight's lists */
        uint64_t request;             /* id of the LOAD */
        uint64_t arrival;             /* in the order of arrivals and beginnings */
        uint64_t began;               /* 0: it waits */
        uint64_t lead_ms;
        uint64_t deadline_ns; /* who leads: then the next one may load, too; 0: one does */
};

struct seat_list {
        struct seat *first, *last;
};

/* The loads of one key that run, and who waits for them. It ends with its last leader. */
struct flight {
        struct flight *next; /* in its chain */
        uint64_t hash;
        uint64_t version;
        uid_t uid;
        uint32_t index;
        struct seat_list leaders;
        struct seat_list waiting;
        size_t key_len;
        char key[];
};

struct loads {
        struct service *service;
        struct kept *kept;
        struct flight *chains[CHAINS];
        uint64_t seq;
        uint32_t n_seats;
        uint32_t n_waiting;
        uint64_t turn_ns;  /* of the last look at the deadlines */
        uint64_t alive_ns; /* and of the last word to who waits */
        struct {
                uint64_t granted;     /* processes told to load */
                uint64_t waited;      /* told to wait */
                uint64_t shared;      /* given what another one has found */
                uint64_t alone;       /* told to load for themselves */
                uint64_t failed;      /* given another one's error */
                uint64_t handed_over; /* granted since the one before died, gave up or hangs */
                uint64_t busy, stale; /* as the apps tell */
        } counters;
};

int loads_new(struct loads **ret_loads, struct service *service)
{
        struct loads *loads = calloc(1, sizeof(*loads));

        if (!loads) {
                return -ENOMEM;
        }
        if (kept_new(&loads->kept, service->page->page) < 0) {
                free(loads);
                return -ENOMEM;
        }
        loads->service = service;
        *ret_loads = loads;
        return 0;
}

struct loads *loads_free(struct loads *loads)
{
        assert(!loads || loads->n_seats == 0);
        if (loads) {
                kept_free(loads->kept);
        }
        free(loads);
        return NULL;
}

/* Lists */

static void list_add(struct seat_list *list, struct seat *seat)
{
        seat->previous = list->last;
        seat->next = NULL;
        *(list->last ? &list->last->next : &list->first) = seat;
        list->last = seat;
}

static void list_remove(struct seat_list *list, struct seat *seat)
{
        *(seat->previous ? &seat->previous->next : &list->first) = seat->next;
        *(seat->next ? &seat->next->previous : &list->last) = seat->previous;
}

static struct seat **place_of(struct guest *guest, uint64_t request)
{
        struct seat **place = &guest->seats;

        while (*place && (*place)->request != request) {
                place = &(*place)->next_of_guest;
        }
        return place;
}

/* Flights */

static struct flight *find_flight(
                const struct loads *loads, uint64_t hash, const struct kept_name *name)
{
        struct flight *flight = loads->chains[hash % CHAINS];

        while (flight && (flight->hash != hash || flight->uid != name->uid ||
                                         flight->index != name->index ||
                                         flight->version != name->version ||
                                         flight->key_len != name->key.len ||
                                         memcmp(flight->key, name->key.data, name->key.len) != 0)) {
                flight = flight->next;
        }
        return flight;
}

static struct flight *new_flight(struct loads *loads, uint64_t hash, const struct kept_name *name)
{
        struct flight *flight = calloc(1, sizeof(*flight) + name->key.len);

        if (flight) {
                flight->hash = hash;
                flight->version = name->version;
                flight->uid = name->uid;
                flight->index = name->index;
                flight->key_len = name->key.len;
                memcpy(flight->key, name->key.data, name->key.len);
                flight->next = loads->chains[hash % CHAINS];
                loads->chains[hash % CHAINS] = flight;
        }
        return flight;
}

static void free_flight(struct loads *loads, struct flight *flight)
{
        struct flight **place = &loads->chains[flight->hash % CHAINS];

        while (*place != flight) {
                place = &(*place)->next;
        }
        *place = flight->next;
        free(flight);
}

/* Answers */

static void answer(struct loads *loads, struct guest *guest, uint64_t request,
                const struct cmi_load_state *state)
{
        struct cmi_writer writer;
        size_t begin;

        writer = service_begin(loads->service, CMI_LOCAL_LOAD_STATE, request, &begin);
        cmi_load_state_write(&writer, state);
        service_send(guest->client, &writer, begin, request);
}

static void tell(struct loads *loads, const struct seat *seat, enum cmi_load_outcome outcome)
{
        struct cmi_load_state state = {.outcome = outcome, .arrival = seat->arrival};

        answer(loads, seat->guest, seat->request, &state);
}

static void refuse(struct loads *loads, struct guest *guest, uint64_t request)
{
        struct cmi_load_state state = {.outcome = CMI_LOAD_ALONE};

        loads->counters.alone++;
        answer(loads, guest, request, &state);
}

/* Seats */

static void grant(struct loads *loads, struct seat *seat, uint64_t now_ns)
{
        seat->began = ++loads->seq;
        seat->deadline_ns = now_ns + cmi_ms(seat->lead_ms);
        list_add(&seat->flight->leaders, seat);
        loads->counters.granted++;
        tell(loads, seat, CMI_LOAD_GRANTED);
}

static void grant_next(struct loads *loads, struct flight *flight, uint64_t now_ns)
{
        struct seat *seat = flight->waiting.first;

        list_remove(&flight->waiting, seat);
        loads->n_waiting--;
        loads->counters.handed_over++;
        grant(loads, seat, now_ns);
}

static void free_seat(struct loads *loads, struct seat *seat)
{
        struct guest *guest = seat->guest;

        *place_of(guest, seat->request) = seat->next_of_guest;
        guest->n_seats--;
        loads->n_seats--;
        free(seat);
}

static struct seat *new_seat(struct loads *loads, struct guest *guest, uint64_t request,
                const struct cmi_load *load, struct flight *flight)
{
        struct seat *seat = calloc(1, sizeof(*seat));
        uint64_t lead_ms = load->lead_ms < LOADS_LEAD_MAX_MS ? load->lead_ms : LOADS_LEAD_MAX_MS;

        if (!seat) {
                return NULL;
        }
        seat->guest = guest;
        seat->flight = flight;
        seat->request = request;
        seat->arrival = load->arrival ? load->arrival : ++loads->seq;
        seat->lead_ms = lead_ms > LOADS_LEAD_MIN_MS ? lead_ms : LOADS_LEAD_MIN_MS;
        seat->next_of_guest = guest->seats;
        guest->seats = seat;
        guest->n_seats++;
        loads->n_seats++;
        return seat;
}

static bool has_region(const struct guest *guest, uint64_t index)
{
        for (uint32_t i = 0; i < guest->n_regions; i++) {
                if (guest->regions[i].index == index) {
                        return true;
                }
        }
        return false;
}

static bool may_take_part(
                const struct loads *loads, const struct guest *guest, const struct cmi_load *load)
{
        return has_region(guest, load->index) && loads->n_seats < LOADS_SEATS_MAX &&
               guest->n_seats < LOADS_OF_CLIENT_MAX;
}

/* The flight of the key, which may be a new one without a leader. NULL: no memory. */
static struct flight *find_or_add(struct loads *loads, const struct kept_name *name)
{
        uint64_t hash = kept_hash(name);
        struct flight *flight = find_flight(loads, hash, name);

        return flight ? flight : new_flight(loads, hash, name);
}

static bool has_room(const struct guest *guest, struct cmi_slice record)
{
        return client_n_waiting(guest->client) + record.len < LOCAL_OUT_HOLD;
}

/* Was it loaded lately? Who asks again has seen that, and cannot use it. */
static bool give_kept(struct loads *loads, struct guest *guest, uint64_t request,
                const struct cmi_load *load, const struct kept_name *name)
{
        struct cmi_load_state state = {.outcome = CMI_LOAD_VALUE};

        if (load->arrival != 0) {
                kept_drop(loads->kept, name);
                return false;
        }
        state.record = kept_find(loads->kept, name);
        if (state.record.len == 0 || !has_room(guest, state.record)) {
                return false;
        }
        state.arrival = ++loads->seq;
        loads->counters.shared++;
        answer(loads, guest, request, &state);
        return true;
}

/* One that has not hung so far. The others stay in the list: what they find still counts. */
static bool has_leader(const struct flight *flight)
{
        const struct seat *seat = flight->leaders.first;

        while (seat && seat->deadline_ns == 0) {
                seat = seat->next;
        }
        return seat != NULL;
}

static void take_seat(struct loads *loads, struct guest *guest, uint64_t request,
                const struct cmi_load *load, const struct kept_name *name)
{
        struct flight *flight = find_or_add(loads, name);
        struct seat *seat = flight ? new_seat(loads, guest, request, load, flight) : NULL;

        if (!seat) {
                if (flight && !flight->leaders.first) {
                        free_flight(loads, flight);
                }
                refuse(loads, guest, request);
        } else if (has_leader(flight)) {
                list_add(&flight->waiting, seat);
                loads->n_waiting++;
                loads->counters.waited++;
                tell(loads, seat, CMI_LOAD_WAIT);
        } else {
                grant(loads, seat, clock_read_ns(CLOCK_MONOTONIC));
        }
}

int loads_ask(struct loads *loads, struct guest *guest, const struct cmi_local_head *head)
{
        struct cmi_load load;
        struct kept_name name;
        int r = cmi_load_decode(head->fields, &load);

        if (r < 0 || load.key.len == 0 || load.arrival > loads->seq) {
                return r < 0 ? r : -EBADMSG;
        }
        loads->counters.busy += load.n_busy;
        loads->counters.stale += load.n_stale;
        name = (struct kept_name){guest->client->uid, (uint32_t)load.index, load.version, load.key};
        if (!may_take_part(loads, guest, &load)) {
                refuse(loads, guest, head->id);
        } else if (!give_kept(loads, guest, head->id, &load, &name)) {
                take_seat(loads, guest, head->id, &load, &name);
        }
        return 0;
}

/* What one who waits is told when a load that began at @began has ended. */
static void serve(struct loads *loads, const struct seat *seat, uint64_t began,
                const struct cmi_loaded *loaded)
{
        struct cmi_load_state state = {.arrival = seat->arrival};

        if (loaded->outcome < 0) {
                state.outcome = CMI_LOAD_FAILED;
                state.error = loaded->outcome;
                loads->counters.failed++;
        } else if (loaded->outcome == CMI_LOADED_VALUE && has_room(seat->guest, loaded->record)) {
                state.outcome = CMI_LOAD_VALUE;
                state.is_new = began > seat->arrival;
                state.record = loaded->record;
                loads->counters.shared++;
        } else {
                state.outcome = CMI_LOAD_ALONE;
                loads->counters.alone++;
        }
        answer(loads, seat->guest, seat->request, &state);
}

static void serve_all(struct loads *loads, struct flight *flight, uint64_t began,
                const struct cmi_loaded *loaded)
{
        struct seat *next;

        for (struct seat *seat = flight->waiting.first; seat; seat = next) {
                next = seat->next;
                loads->n_waiting--;
                serve(loads, seat, began, loaded);
                free_seat(loads, seat);
        }
        flight->waiting = (struct seat_list){NULL, NULL};
}

/* It waits no more, or leads no more. The flight ends with its last leader. */
static void leave(struct loads *loads, struct seat *seat)
{
        struct flight *flight = seat->flight;

        if (seat->began == 0) {
                list_remove(&flight->waiting, seat);
                loads->n_waiting--;
        } else {
                list_remove(&flight->leaders, seat);
        }
        free_seat(loads, seat);
        if (!has_leader(flight) && flight->waiting.first) {
                grant_next(loads, flight, clock_read_ns(CLOCK_MONOTONIC));
        }
        if (!flight->leaders.first) {
                free_flight(loads, flight);
        }
}

/* What was loaded under the token of another page is nobody's. */
static void keep(struct loads *loads, const struct flight *flight, struct cmi_loaded *loaded)
{
        struct kept_name name = {flight->uid, flight->index, flight->version,
                        {flight->key, flight->key_len}};
        struct cmi_load_record record;

        if (loaded->outcome != CMI_LOADED_VALUE) {
                return;
        }
        if (cmi_load_record_decode(loaded->record, &record) < 0 ||
                        record.epoch != loads->service->page->page->epoch) {
                loaded->outcome = CMI_LOADED_APART;
                return;
        }
        kept_put(loads->kept, &name, record.token, loaded->record);
}

/* One that hung was replaced: those who wait, wait for the other one now, and only a value is
 * better. */
static bool is_for_all(const struct seat *seat, const struct cmi_loaded *loaded)
{
        return loaded->outcome == CMI_LOADED_VALUE ||
               (loaded->outcome != CMI_LOADED_NOTHING && seat->deadline_ns != 0);
}

int loads_end(struct loads *loads, struct guest *guest, const struct cmi_local_head *head)
{
        struct cmi_loaded loaded;
        struct seat *seat;
        int r = cmi_loaded_decode(head->fields, &loaded);

        if (r < 0 || loaded.outcome < INT32_MIN) {
                return r < 0 ? r : -EBADMSG;
        }
        seat = *place_of(guest, loaded.load);
        if (!seat) {
                return 0; /* it was told meanwhile that it need not load */
        }
        if (seat->began != 0) {
                keep(loads, seat->flight, &loaded);
                if (is_for_all(seat, &loaded)) {
                        serve_all(loads, seat->flight, seat->began, &loaded);
                }
        }
        leave(loads, seat);
        return 0;
}

void loads_cancel(struct loads *loads, struct guest *guest)
{
        struct seat *next;

        /* Others of its seats may be granted meanwhile, but none is freed. */
        for (struct seat *seat = guest->seats; seat; seat = next) {
                next = seat->next_of_guest;
                leave(loads, seat);
        }
}

/* A load takes longer than it said: the next one may load as well. Its result still counts. */
static void hand_over(struct loads *loads, struct flight *flight, uint64_t now_ns)
{
        for (struct seat *seat = flight->leaders.first; seat && flight->waiting.first;
                        seat = seat->next) {
                if (seat->deadline_ns != 0 && now_ns >= seat->deadline_ns) {
                        seat->deadline_ns = 0;
                        grant_next(loads, flight, now_ns);
                }
        }
}

/* A meshd that is stopped says nothing: so who waits knows when to wait no more. */
static void tell_alive(struct loads *loads)
{
        for (struct client *client = loads->service->local->clients; client;
                        client = client->next) {
                struct guest *guest = client->guest;
                struct seat *seat = guest ? guest->seats : NULL;

                while (seat && seat->began != 0) {
                        seat = seat->next_of_guest;
                }
                if (seat) {
                        tell(loads, seat, CMI_LOAD_WAIT);
                }
        }
}

void loads_turn(struct loads *loads, uint64_t now_ns)
{
        if (loads->n_waiting == 0 || now_ns < loads->turn_ns + cmi_ms(LOADS_TURN_MS)) {
                return;
        }
        loads->turn_ns = now_ns;
        for (uint32_t i = 0; i < CHAINS; i++) {
                for (struct flight *flight = loads->chains[i]; flight; flight = flight->next) {
                        hand_over(loads, flight, now_ns);
                }
        }
        if (now_ns >= loads->alive_ns + cmi_ms(LOADS_ALIVE_MS)) {
                loads->alive_ns = now_ns;
                tell_alive(loads);
        }
}

int loads_timeout_ms(const struct loads *loads)
{
        return loads->n_waiting > 0 ? LOADS_TURN_MS : -1;
}

void loads_write_counters(const struct loads *loads, struct document *document)
{
        document_uint(document, "loads_granted", loads->counters.granted);
        document_uint(document, "loads_waited", loads->counters.waited);
        document_uint(document, "loads_shared", loads->counters.shared);
        document_uint(document, "loads_alone", loads->counters.alone);
        document_uint(document, "loads_failed", loads->counters.failed);
        document_uint(document, "loads_handed_over", loads->counters.handed_over);
        document_uint(document, "loads_kept_bytes", kept_bytes(loads->kept));
        document_uint(document, "loads_busy", loads->counters.busy);
        document_uint(document, "loads_stale", loads->counters.stale);
}
