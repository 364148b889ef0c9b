/* SPDX-License-Identifier: MIT */
#include "meshd/local/loads.h"

#include "meshd/io/clock.h"
#include "meshd/local/kept.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

struct loads {
        struct service *service;
        struct flights *flights;
        struct kept *kept;
        struct {
                uint64_t granted;     /* processes told to load */
                uint64_t waited;      /* told to wait */
                uint64_t shared;      /* given what another one has found */
                uint64_t alone;       /* told to load for themselves */
                uint64_t failed;      /* given another one's error */
                uint64_t busy, stale; /* as the apps tell */
        } counters;
};

static uint64_t now(void)
{
        return clock_read_ns(CLOCK_MONOTONIC);
}

static void answer(struct loads *loads, struct guest *guest, uint64_t request,
                const struct cmi_load_state *state)
{
        struct cmi_writer writer;
        size_t begin;

        writer = service_begin(loads->service, CMI_LOCAL_LOAD_STATE, request, &begin);
        cmi_load_state_write(&writer, state);
        service_send(guest->client, &writer, begin, request);
}

static void refuse(struct loads *loads, struct guest *guest, uint64_t request, uint64_t arrival)
{
        struct cmi_load_state state = {.outcome = CMI_LOAD_ALONE, .arrival = arrival};

        loads->counters.alone++;
        answer(loads, guest, request, &state);
}

static bool has_room(const struct guest *guest, struct cmi_slice record)
{
        return client_n_waiting(guest->client) + record.len < LOCAL_OUT_HOLD;
}

/* flights_sink.tell */
static void tell(void *context, struct flight_guest *flight_guest, uint64_t request,
                const struct cmi_load_state *state)
{
        struct loads *loads = context;
        struct guest *guest =
                        (struct guest *)((char *)flight_guest - offsetof(struct guest, flight));

        if (state->outcome == CMI_LOAD_ALONE ||
                        (state->outcome == CMI_LOAD_VALUE && !has_room(guest, state->record))) {
                refuse(loads, guest, request, state->arrival);
                return;
        }
        loads->counters.granted += state->outcome == CMI_LOAD_GRANTED;
        loads->counters.shared += state->outcome == CMI_LOAD_VALUE;
        loads->counters.failed += state->outcome == CMI_LOAD_FAILED;
        answer(loads, guest, request, state);
}

int loads_new(struct loads **ret_loads, struct service *service)
{
        struct loads *loads = calloc(1, sizeof(*loads));
        struct flights_sink sink = {loads, tell};

        if (!loads) {
                return -ENOMEM;
        }
        if (kept_new(&loads->kept, service->page->page) < 0 ||
                        flights_new(&loads->flights, &sink) < 0) {
                loads_free(loads);
                return -ENOMEM;
        }
        loads->service = service;
        *ret_loads = loads;
        return 0;
}

struct loads *loads_free(struct loads *loads)
{
        if (loads) {
                flights_free(loads->flights);
                kept_free(loads->kept);
        }
        free(loads);
        return NULL;
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

/* Was it loaded lately? Who asks again has seen that, and cannot use it. */
static bool give_kept(struct loads *loads, struct guest *guest, uint64_t request,
                const struct cmi_load *load, const struct load_name *name)
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
        state.arrival = flights_next(loads->flights);
        loads->counters.shared++;
        answer(loads, guest, request, &state);
        return true;
}

static void take_seat(struct loads *loads, struct guest *guest, uint64_t request,
                const struct cmi_load *load, const struct load_name *name)
{
        struct flight_ask ask = {.name = name,
                        .request = request,
                        .arrival = load->arrival,
                        .lead_ms = load->lead_ms,
                        .patience_ms = load->patience_ms};
        int r = flights_ask(loads->flights, &guest->flight, &ask, now());

        if (r < 0) {
                refuse(loads, guest, request, 0);
        }
        loads->counters.waited += r == CMI_LOAD_WAIT;
}

int loads_ask(struct loads *loads, struct guest *guest, const struct cmi_local_head *head)
{
        struct cmi_load load;
        struct load_name name;
        int r = cmi_load_decode(head->fields, &load);

        if (r < 0 || load.key.len == 0 || load.arrival > flights_last(loads->flights)) {
                return r < 0 ? r : -EBADMSG;
        }
        loads->counters.busy += load.n_busy;
        loads->counters.stale += load.n_stale;
        name = (struct load_name){guest->client->uid, (uint32_t)load.index, load.version, load.key};
        if (!has_region(guest, load.index)) {
                refuse(loads, guest, head->id, 0);
        } else if (!give_kept(loads, guest, head->id, &load, &name)) {
                take_seat(loads, guest, head->id, &load, &name);
        }
        return 0;
}

/* What was loaded under the token of another page is nobody's. */
static void keep(struct loads *loads, const struct seat *seat, struct cmi_loaded *loaded)
{
        struct cmi_load_record record;

        if (loaded->outcome != CMI_LOADED_VALUE || !seat_loads(seat)) {
                return;
        }
        if (cmi_load_record_decode(loaded->record, &record) < 0 ||
                        record.epoch != loads->service->page->page->epoch) {
                loaded->outcome = CMI_LOADED_APART;
                return;
        }
        kept_put(loads->kept, seat_name(seat), record.token, loaded->record);
}

int loads_end(struct loads *loads, struct guest *guest, const struct cmi_local_head *head)
{
        struct cmi_loaded loaded;
        struct seat *seat;
        int r = cmi_loaded_decode(head->fields, &loaded);

        if (r < 0 || loaded.outcome < INT32_MIN) {
                return r < 0 ? r : -EBADMSG;
        }
        seat = flight_seat(&guest->flight, loaded.load);
        if (seat) { /* else it was told meanwhile that it need not load */
                keep(loads, seat, &loaded);
                flights_end(loads->flights, seat, &loaded, now());
        }
        return 0;
}

void loads_cancel(struct loads *loads, struct guest *guest)
{
        flights_leave(loads->flights, &guest->flight, now());
}

void loads_turn(struct loads *loads, uint64_t now_ns)
{
        flights_turn(loads->flights, now_ns);
}

int loads_timeout_ms(const struct loads *loads)
{
        return flights_timeout_ms(loads->flights);
}

void loads_write_counters(const struct loads *loads, struct document *document)
{
        document_uint(document, "loads_granted", loads->counters.granted);
        document_uint(document, "loads_waited", loads->counters.waited);
        document_uint(document, "loads_shared", loads->counters.shared);
        document_uint(document, "loads_alone", loads->counters.alone);
        document_uint(document, "loads_failed", loads->counters.failed);
        document_uint(document, "loads_handed_over", flights_n_handed_over(loads->flights));
        document_uint(document, "loads_kept_bytes", kept_bytes(loads->kept));
        document_uint(document, "loads_busy", loads->counters.busy);
        document_uint(document, "loads_stale", loads->counters.stale);
}
