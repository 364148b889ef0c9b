/* SPDX-License-Identifier: MIT */
#include "meshctl/doctor.h"

#include <glib.h>
#include <string.h>

/* A sound node with one live peer; each case breaks one thing. */
static const char status_text[] =
                "{'node': 'a', 'state': 'live', 'reason': '', 'lease_left_ms': 700,"
                " 'peers_live': 1}";
static const char peers_text[] =
                "{'peers': [{'name': 'a', 'id': '1', 'is_self': true, 'state': 'live'},"
                " {'name': 'b', 'id': '2', 'is_self': false, 'state': 'live',"
                " 'clock_ahead_ms': 0, 'clock_behind_ms': 0}]}";
static const char links_text[] = "{'nodes': [{'name': 'a', 'state': 'live', 'hears': '.1'},"
                                 " {'name': 'b', 'state': 'live', 'hears': '1.'}]}";
static const char regions_text[] = "{'regions': [{'name': 'r', 'is_conflicting': false,"
                                   " 'elsewhere': ''}]}";
static const char facts_text[] =
                "{'descriptors_limit': 2000, 'descriptors_needed': 1000, 'max_peers': 256,"
                " 'state_dir': '/s', 'state_problem': '', 'runtime_dir': '/r', 'log_problem': '',"
                " 'refused': '', 'refused_ms': null, 'is_multicast': true, 'multicast': 'on',"
                " 'static_peers': 0, 'beacons_sent': 50, 'beacons_own': 50,"
                " 'beacons_others_ms': 4000, 'beacons_foreign_ms': null, 'foreign_source': '',"
                " 'has_key': true, 'beacons_bad_seal_ms': null, 'bad_seal_source': '',"
                " 'interfaces': [{'name': 'eth0', 'family': 4, 'is_joined': true, 'error': '',"
                " 'advice': ''}], 'candidates': []}";

struct fixture {
        json_t *status, *peers, *links, *regions, *facts;
        const char *storage;
        json_t *found;
};

static json_t *parse(const char *text)
{
        char *json = g_strdelimit(g_strdup(text), "'", '"');
        json_t *value = json_loads(json, 0, NULL);

        g_assert_nonnull(value);
        g_free(json);
        return value;
}

static void setup(struct fixture *fixture, const void *data)
{
        *fixture = (struct fixture){parse(status_text), parse(peers_text), parse(links_text),
                        parse(regions_text), parse(facts_text), "", NULL};
}

static void teardown(struct fixture *fixture, const void *data)
{
        json_decref(fixture->status);
        json_decref(fixture->peers);
        json_decref(fixture->links);
        json_decref(fixture->regions);
        json_decref(fixture->facts);
        json_decref(fixture->found);
}

static void examine(struct fixture *fixture)
{
        json_decref(fixture->found);
        fixture->found = doctor_examine(&(struct doctor_case){fixture->status, fixture->peers,
                        fixture->links, fixture->regions, fixture->facts, fixture->storage});
}

static void expect_no_problem(struct fixture *fixture)
{
        examine(fixture);
        g_assert_cmpint(json_integer_value(json_object_get(fixture->found, "problems")), ==, 0);
}

/* The one row of this check that is not ok. */
static void expect(struct fixture *fixture, const char *check, const char *state, const char *about,
                const char *finding)
{
        const json_t *row;
        size_t i, n = 0;

        examine(fixture);
        json_array_foreach(json_object_get(fixture->found, "checks"), i, row)
        {
                if (strcmp(json_string_value(json_object_get(row, "state")), "ok") == 0) {
                        continue;
                }
                n++;
                g_assert_cmpstr(json_string_value(json_object_get(row, "check")), ==, check);
                g_assert_cmpstr(json_string_value(json_object_get(row, "state")), ==, state);
                g_assert_cmpstr(json_string_value(json_object_get(row, "about")), ==, about);
                g_assert_nonnull(strstr(
                                json_string_value(json_object_get(row, "finding")), finding));
                g_assert_cmpuint(json_string_length(json_object_get(row, "advice")), >, 0);
        }
        g_assert_cmpuint(n, ==, 1);
        g_assert_cmpint(json_integer_value(json_object_get(fixture->found, "problems")), ==,
                        strcmp(state, "problem") == 0);
}

static const char *state_of(const struct fixture *fixture, const char *check)
{
        const json_t *row;
        size_t i;

        json_array_foreach(json_object_get(fixture->found, "checks"), i, row)
        {
                if (strcmp(json_string_value(json_object_get(row, "check")), check) == 0) {
                        return json_string_value(json_object_get(row, "state"));
                }
        }
        return NULL;
}

static void set(json_t *map, const char *key, json_t *value)
{
        json_object_set_new(map, key, value);
}

static json_t *peer(struct fixture *fixture)
{
        return json_array_get(json_object_get(fixture->peers, "peers"), 1);
}

static void another_patience_is_a_note_and_an_untold_one_is_none(
                struct fixture *fixture, const void *data)
{
        json_t *self = json_array_get(json_object_get(fixture->peers, "peers"), 0);

        set(self, "gone_ms", json_integer(3000));
        set(peer(fixture), "gone_ms", json_null());
        expect_no_problem(fixture);
        g_assert_cmpstr(state_of(fixture, "gone-ms"), ==, "ok");
        set(peer(fixture), "gone_ms", json_integer(3000));
        examine(fixture);
        g_assert_cmpstr(state_of(fixture, "gone-ms"), ==, "ok");
        set(peer(fixture), "gone_ms", json_integer(20000));
        expect(fixture, "gone-ms", "note", "b", "after 20000 ms (--gone-ms), this one after 3000");
        set(peer(fixture), "state", json_string("left"));
        examine(fixture);
        g_assert_cmpstr(state_of(fixture, "gone-ms"), ==, "ok");
}

static void candidate(struct fixture *fixture, const char *text)
{
        json_array_append_new(json_object_get(fixture->facts, "candidates"), parse(text));
}

static void nothing_is_wrong_with_a_sound_node(struct fixture *fixture, const void *data)
{
        expect_no_problem(fixture);
        g_assert_cmpint(json_integer_value(json_object_get(fixture->found, "notes")), ==, 0);
        g_assert_cmpuint(json_array_size(json_object_get(fixture->found, "checks")), ==, 16);
}

static void beacons_that_stop_are_told_once_a_peer_is_live(
                struct fixture *fixture, const void *data)
{
        set(fixture->facts, "beacons_others_ms", json_integer(200000));
        expect(fixture, "multicast", "problem", "", "stopped 200 s ago");
        set(fixture->status, "peers_live", json_integer(0));
        expect_no_problem(fixture);
}

static void own_beacons_that_do_not_come_back_are_told(struct fixture *fixture, const void *data)
{
        set(fixture->facts, "beacons_own", json_integer(0));
        expect(fixture, "multicast", "problem", "", "not even the own");
}

static void multicast_that_stays_on_the_host_is_a_note(struct fixture *fixture, const void *data)
{
        set(json_array_get(json_object_get(fixture->facts, "interfaces"), 0), "name",
                        json_string("lo"));
        expect(fixture, "multicast", "note", "lo", "stays on this host");
}

static void no_interface_is_a_problem(struct fixture *fixture, const void *data)
{
        json_array_clear(json_object_get(fixture->facts, "interfaces"));
        set(fixture->facts, "multicast", json_string("eth7: there is no such interface"));
        expect(fixture, "multicast", "problem", "", "eth7: there is no such interface");
}

static void clocks_are_compared(struct fixture *fixture, const void *data)
{
        set(peer(fixture), "clock_behind_ms", json_integer(1500));
        expect(fixture, "clocks", "note", "b", "1.500 s behind");
        set(peer(fixture), "clock_ahead_ms", json_integer(90000));
        expect(fixture, "clocks", "problem", "b", "90.000 s ahead");
}

static void a_one_way_link_names_both_ends(struct fixture *fixture, const void *data)
{
        json_t *nodes = json_object_get(fixture->links, "nodes");

        set(json_array_get(nodes, 1), "hears", json_string("0."));
        expect(fixture, "links", "problem", "b", "a hears b, b does not hear a");
        set(json_array_get(nodes, 0), "hears", json_string(".0"));
        expect(fixture, "links", "problem", "b", "a and b do not hear each other");
        set(json_array_get(nodes, 1), "state", json_string("gone"));
        expect_no_problem(fixture);
}

static void an_address_that_does_not_answer_is_told(struct fixture *fixture, const void *data)
{
        candidate(fixture, "{'id': '2', 'address': '10.0.0.1:6781', 'is_static': false,"
                           " 'beacon_ms': 900, 'probe': 'Connection refused'}");
        expect(fixture, "dial", "problem", "b",
                        "its beacons are heard, but TCP to 10.0.0.1:6781: Connection refused");
        json_array_clear(json_object_get(fixture->facts, "candidates"));
        candidate(fixture, "{'id': '9', 'address': '10.0.0.1:6781', 'is_static': true,"
                           " 'beacon_ms': null, 'probe': 'open'}");
        expect(fixture, "dial", "problem", "10.0.0.1:6781", "does not answer as a member");
        json_array_clear(json_object_get(fixture->facts, "candidates"));
        candidate(fixture, "{'id': '9', 'address': '10.0.0.1:6781', 'is_static': false,"
                           " 'beacon_ms': 90000, 'probe': 'Connection refused'}");
        expect_no_problem(fixture);
}

static void dns(struct fixture *fixture, const char *row)
{
        json_t *rows = json_array();

        json_array_append_new(rows, parse(row));
        json_object_set_new(fixture->status, "dns", rows);
}

static void a_name_that_dns_does_not_answer_for_is_told(struct fixture *fixture, const void *data)
{
        dns(fixture, "{'name': 'm:1', 'state': 'failing', 'why': 'too late', 'addresses': 3}");
        expect(fixture, "dns", "problem", "m:1", "does not answer: too late; 3 addresses");
        dns(fixture, "{'name': 'm:1', 'state': 'empty', 'why': '', 'addresses': 0}");
        expect(fixture, "dns", "problem", "m:1", "no address");
        dns(fixture, "{'name': 'm:1', 'state': 'good', 'addresses': 64, 'surplus': 9}");
        expect(fixture, "dns", "note", "m:1", "more addresses than the 64");
        dns(fixture, "{'name': 'm:1', 'state': 'good', 'why': '', 'addresses': 3, 'surplus': 0}");
        expect_no_problem(fixture);
        candidate(fixture, "{'id': '9', 'address': '10.0.0.1:1', 'is_static': false,"
                           " 'is_dns': true, 'beacon_ms': null, 'probe': 'No route to host'}");
        expect(fixture, "dial", "note", "10.0.0.1:1", "No route to host");
}

static void a_source_that_never_answered_is_not_told_as_well(
                struct fixture *fixture, const void *data)
{
        dns(fixture, "{'name': 'm:1', 'state': 'waiting', 'why': '', 'addresses': 0,"
                     " 'answered_ms': null}");
        examine(fixture);
        g_assert_cmpstr(state_of(fixture, "dial"), ==, "ok");
        set(fixture->facts, "is_multicast", json_false());
        set(fixture->facts, "multicast", json_string("off"));
        examine(fixture);
        g_assert_cmpstr(state_of(fixture, "dial"), ==, "ok"); /* found by what is on the disk */
        set(fixture->status, "peers_live", json_integer(0));
        examine(fixture);
        g_assert_cmpstr(state_of(fixture, "dial"), ==, "note");
        set(fixture->facts, "static_peers", json_integer(2));
        examine(fixture);
        g_assert_cmpstr(state_of(fixture, "dial"), ==, "ok");
        set(fixture->facts, "static_peers", json_integer(0));
        dns(fixture, "{'name': 'm:1', 'state': 'failing', 'why': 'too late', 'addresses': 3,"
                     " 'answered_ms': 7000}");
        examine(fixture);
        g_assert_cmpstr(state_of(fixture, "dial"), ==, "ok");
}

static void a_full_disk_and_a_volatile_log_are_told(struct fixture *fixture, const void *data)
{
        fixture->storage = "its file system is full";
        expect(fixture, "storage", "problem", "/s", "full");
        fixture->storage = "";
        set(fixture->facts, "state_damage", json_string("it holds no number"));
        expect(fixture, "storage", "problem", "/s", "incarnation was damaged: it holds no number");
        set(fixture->facts, "state_damage", json_string(""));
        set(fixture->facts, "log_problem", json_string("No space left on device"));
        expect(fixture, "storage", "problem", "/r", "No space left");
}

static void a_refusal_is_told_while_it_is_new(struct fixture *fixture, const void *data)
{
        set(fixture->facts, "refused", json_string("c: max_peers is reached here"));
        set(fixture->facts, "refused_ms", json_integer(5000));
        expect(fixture, "refused", "problem", "", "c: max_peers is reached here");
        set(fixture->facts, "refused_ms", json_integer(700000));
        expect_no_problem(fixture);
}

static void a_region_of_which_too_much_is_held_is_told_while_it_is_new(
                struct fixture *fixture, const void *data)
{
        set(fixture->facts, "widened", json_string("prices"));
        set(fixture->facts, "widened_ms", json_integer(5000));
        expect(fixture, "holds", "problem", "prices", "so many of its keys are held");
        set(fixture->facts, "widened_ms", json_integer(700000));
        expect_no_problem(fixture);
}

static void another_mesh_is_a_problem_only_for_a_lonely_node(
                struct fixture *fixture, const void *data)
{
        set(fixture->facts, "beacons_foreign_ms", json_integer(1000));
        set(fixture->facts, "foreign_source", json_string("10.0.0.9:6780"));
        expect(fixture, "foreign", "note", "10.0.0.9:6780", "another mesh");
        json_array_remove(json_object_get(fixture->peers, "peers"), 1);
        examine(fixture);
        g_assert_cmpstr(state_of(fixture, "foreign"), ==, "problem");
        g_assert_cmpstr(state_of(fixture, "peers"), ==, "note");
}

static void a_node_with_another_key_is_told_by_its_beacons(
                struct fixture *fixture, const void *data)
{
        set(fixture->facts, "beacons_bad_seal_ms", json_integer(1000));
        set(fixture->facts, "bad_seal_source", json_string("10.0.0.9:6780"));
        expect(fixture, "key", "problem", "10.0.0.9:6780", "no key of this one");
        set(fixture->facts, "has_key", json_false());
        expect(fixture, "key", "problem", "10.0.0.9:6780", "this one has none");
        set(fixture->facts, "beacons_bad_seal_ms", json_integer(3600000));
        expect_no_problem(fixture);
        /* Of a meshd that does not count them yet. */
        json_object_del(fixture->facts, "beacons_bad_seal_ms");
        expect_no_problem(fixture);
}

int main(int argc, char **argv)
{
        static const struct {
                const char *name;
                void (*run)(struct fixture *fixture, const void *data);
        } cases[] = {
                        {"/doctor/sound", nothing_is_wrong_with_a_sound_node},
                        {"/doctor/patience", another_patience_is_a_note_and_an_untold_one_is_none},
                        {"/doctor/stopped", beacons_that_stop_are_told_once_a_peer_is_live},
                        {"/doctor/own", own_beacons_that_do_not_come_back_are_told},
                        {"/doctor/loopback", multicast_that_stays_on_the_host_is_a_note},
                        {"/doctor/interface", no_interface_is_a_problem},
                        {"/doctor/clocks", clocks_are_compared},
                        {"/doctor/one_way", a_one_way_link_names_both_ends},
                        {"/doctor/dial", an_address_that_does_not_answer_is_told},
                        {"/doctor/dns", a_name_that_dns_does_not_answer_for_is_told},
                        {"/doctor/source", a_source_that_never_answered_is_not_told_as_well},
                        {"/doctor/storage", a_full_disk_and_a_volatile_log_are_told},
                        {"/doctor/refused", a_refusal_is_told_while_it_is_new},
                        {"/doctor/holds",
                                        a_region_of_which_too_much_is_held_is_told_while_it_is_new},
                        {"/doctor/key", a_node_with_another_key_is_told_by_its_beacons},
                        {"/doctor/foreign", another_mesh_is_a_problem_only_for_a_lonely_node},
        };

        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                g_test_add(cases[i].name, struct fixture, NULL, setup, cases[i].run, teardown);
        }
        return g_test_run();
}
