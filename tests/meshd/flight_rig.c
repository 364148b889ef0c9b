/* SPDX-License-Identifier: MIT */
#include "tests/meshd/flight_rig.h"

#include <string.h>

static const char *word_of(const struct cmi_load_state *state)
{
        static const char *const words[] = {"load", "wait", "value", "alone", "failed"};

        if (state->outcome == CMI_LOAD_VALUE && state->is_new) {
                return "new-value";
        }
        return words[state->outcome];
}

static void on_tell(void *context, struct flight_guest *guest, uint64_t request,
                const struct cmi_load_state *state)
{
        struct flight_rig *rig = context;

        if (rig->is_passing && state->outcome == CMI_LOAD_WAIT) {
                return;
        }
        g_string_append_printf(rig->said, "%s%c%u:%s", rig->said->len > 0 ? " " : "",
                        (char)('a' + (guest - rig->guests)), (unsigned)request, word_of(state));
        rig->last = *state;
}

void rig_set_up(struct flight_rig *rig, gconstpointer unused)
{
        struct flights_sink sink = {rig, on_tell};

        memset(rig, 0, sizeof(*rig));
        rig->said = g_string_new(NULL);
        rig->now_ns = 1000 * MS;
        g_assert_cmpint(flights_new(&rig->flights, &sink), ==, 0);
}

void rig_tear_down(struct flight_rig *rig, gconstpointer unused)
{
        for (int i = 0; i < GUESTS; i++) {
                flights_leave(rig->flights, &rig->guests[i], rig->now_ns);
                g_assert_cmpuint(rig->guests[i].n_seats, ==, 0);
        }
        g_assert_cmpint(flights_timeout_ms(rig->flights), ==, -1);
        flights_free(rig->flights);
        g_string_free(rig->said, TRUE);
}

void rig_renew(struct flight_rig *rig)
{
        rig_tear_down(rig, NULL);
        rig_set_up(rig, NULL);
}

void rig_hush(struct flight_rig *rig)
{
        g_string_truncate(rig->said, 0);
}

void rig_expect(struct flight_rig *rig, const char *said)
{
        g_assert_cmpstr(rig->said->str, ==, said);
        rig_hush(rig);
}

struct load_name rig_name(const char *key)
{
        return (struct load_name){.uid = 1, .index = 2, .version = 3, .key = cmi_slice_str(key)};
}

int rig_ask_again(struct flight_rig *rig, char guest, unsigned request, const char *key,
                uint64_t arrival)
{
        struct load_name name = rig_name(key);
        struct flight_ask ask = {&name, request, arrival, LEAD_MS};

        return flights_ask(rig->flights, &rig->guests[guest - 'a'], &ask, rig->now_ns);
}

int rig_ask(struct flight_rig *rig, char guest, unsigned request, const char *key)
{
        return rig_ask_again(rig, guest, request, key, 0);
}

void rig_ask_all(struct flight_rig *rig, const char *guests)
{
        for (const char *guest = guests; *guest != '\0'; guest++) {
                g_assert_cmpint(rig_ask(rig, *guest, 1, "k"), ==,
                                guest == guests ? CMI_LOAD_GRANTED : CMI_LOAD_WAIT);
        }
        rig_hush(rig);
}

struct seat *rig_seat(struct flight_rig *rig, char guest, unsigned request)
{
        return flight_seat(&rig->guests[guest - 'a'], request);
}

void rig_end(struct flight_rig *rig, char guest, unsigned request, int64_t outcome)
{
        struct cmi_loaded loaded = {.load = request, .outcome = outcome};
        struct seat *seat = rig_seat(rig, guest, request);

        if (outcome == CMI_LOADED_VALUE) {
                loaded.record = cmi_slice_str("record");
        }
        g_assert_nonnull(seat);
        flights_end(rig->flights, seat, &loaded, rig->now_ns);
        g_assert_null(rig_seat(rig, guest, request));
}

void rig_leave(struct flight_rig *rig, char guest)
{
        flights_leave(rig->flights, &rig->guests[guest - 'a'], rig->now_ns);
}

void rig_pass(struct flight_rig *rig, uint64_t ms)
{
        rig->is_passing = true;
        rig->now_ns += ms * MS;
        flights_turn(rig->flights, rig->now_ns);
        rig->is_passing = false;
}
