/* SPDX-License-Identifier: MIT */
/* What the doctor finds about discovery: who is heard, who is named, and who cannot be reached. */
#include "meshctl/document.h"
#include "meshctl/report.h"

#include <string.h>

#define BEACON_FRESH_MS 30000 /* six of the longest pauses between two beacons */
#define BEACONS_ENOUGH 10     /* sent: by then the own ones should have come back */

static void check_interfaces(struct report *report, const json_t *facts)
{
        const json_t *row;
        size_t i, n_joined = 0, n_outside = 0;

        json_array_foreach(json_object_get(facts, "interfaces"), i, row)
        {
                const char *name = document_str(row, "name", "");
                const char *error = document_str(row, "error", "");

                if (report_is_true(row, "is_joined") && !error[0]) {
                        n_joined++;
                        n_outside += strcmp(name, "lo") != 0;
                } else {
                        report_tell(report, "note", name, "", "IPv%" JSON_INTEGER_FORMAT ": %s",
                                        document_int(row, "family", 0),
                                        document_str(row, "advice", error));
                }
        }
        if (n_joined == 0) {
                report_tell(report, "problem", "",
                                "do what it waits for, or name the others with --peer or --dns and "
                                "say --multicast off",
                                "multicast does not work: %s",
                                document_str(facts, "multicast", "?"));
        } else if (n_outside == 0) {
                report_tell(report, "note", "lo",
                                "nothing, if all nodes are here; else this node needs a mesh key, "
                                "see docs/how-to/several-machines.md",
                                "multicast stays on this host");
        }
}

static void check_beacons(struct report *report, const json_t *facts)
{
        json_int_t others_ms = document_int(facts, "beacons_others_ms", -1);

        if (document_int(facts, "beacons_sent", 0) > BEACONS_ENOUGH &&
                        document_int(facts, "beacons_own", 0) == 0) {
                report_tell(report, "problem", "",
                                "let UDP to the group's port pass: a firewall of this host drops "
                                "it",
                                "not even the own beacons come back");
        }
        if (others_ms > BEACON_FRESH_MS &&
                        document_int(report->patient->status, "peers_live", 0) > 0) {
                report_tell(report, "problem", "",
                                "if nobody turned multicast off: a switch that snoops IGMP needs a "
                                "querier; turn one on, or use --peer or --dns",
                                "beacons of others were heard, and stopped %" JSON_INTEGER_FORMAT
                                " s ago",
                                others_ms / 1000);
        }
}

void report_multicast(struct report *report)
{
        const json_t *facts = report->patient->facts;

        if (report_is_true(facts, "is_multicast")) {
                check_interfaces(report, facts);
                check_beacons(report, facts);
        } else {
                report_tell(report, "ok", "", "", "it is off, as configured");
        }
}

static void check_name(struct report *report, const json_t *row)
{
        const char *name = document_str(row, "name", "?");
        const char *state = document_str(row, "state", "");
        json_int_t n = document_int(row, "addresses", 0);

        if (strcmp(state, "failing") == 0) {
                report_tell(report, "problem", name,
                                "ask for it with dig or host from here: are the servers of "
                                "/etc/resolv.conf (or --dns-server) right, up and reachable?",
                                "DNS does not answer: %s; %" JSON_INTEGER_FORMAT
                                " addresses are known, from before",
                                document_str(row, "why", ""), n);
        } else if (strcmp(state, "empty") == 0) {
                report_tell(report, "problem", name,
                                "correct --dns, or give the name its addresses: A, AAAA, or SRV "
                                "records",
                                "DNS says that there is no address of it");
        } else if (strcmp(state, "waiting") == 0) {
                report_tell(report, "note", name, "", "it is being looked up for the first time");
        } else if (document_int(row, "surplus", 0) > 0) {
                report_tell(report, "note", name,
                                "nothing, if a few of the first ones are up: nodes learn of each "
                                "other from one",
                                "it has more addresses than the %" JSON_INTEGER_FORMAT
                                " that are used",
                                n);
        }
}

void report_names(struct report *report)
{
        const json_t *row;
        size_t i;

        json_array_foreach(json_object_get(report->patient->status, "dns"), i, row)
        {
                check_name(report, row);
        }
}

void report_foreign(struct report *report)
{
        const json_t *facts = report->patient->facts;
        bool is_alone = json_array_size(json_object_get(report->patient->peers, "peers")) < 2;

        if (report_is_recent(facts, "beacons_foreign_ms", RECENT_MS)) {
                report_tell(report, is_alone ? "problem" : "note",
                                document_str(facts, "foreign_source", ""),
                                "if that node should be in this mesh, give both the same --mesh; "
                                "else all is well",
                                "a node of another mesh is heard on this group");
        }
}

/* Whoever has another key is no member, and cannot tell so: its beacons are all that is heard. */
void report_key(struct report *report)
{
        const json_t *facts = report->patient->facts;
        const char *source = document_str(facts, "bad_seal_source", "");

        if (!report_is_recent(facts, "beacons_bad_seal_ms", RECENT_MS)) {
                return;
        }
        if (report_is_true(facts, "has_key")) {
                report_tell(report, "problem", source,
                                "if that is a node of this mesh, give it a key of meshctl key list "
                                "here: docs/how-to/keys.md; else it is a stranger, and ignored",
                                "a node there says that it is of this mesh, with no key of this "
                                "one");
        } else {
                report_tell(report, "problem", source,
                                "start this node with --key and a copy of that node's key file, or "
                                "give it another --mesh",
                                "a node of this mesh there has a mesh key, and this one has none");
        }
}

static const char *name_of(const struct report *report, const char *id, const char *fallback)
{
        const json_t *row;
        size_t i;

        json_array_foreach(json_object_get(report->patient->peers, "peers"), i, row)
        {
                if (strcmp(document_str(row, "id", ""), id) == 0) {
                        return document_str(row, "name", fallback);
                }
        }
        return fallback;
}

static void check_candidate(struct report *report, const json_t *row)
{
        const char *address = document_str(row, "address", "?");
        const char *about = name_of(report, document_str(row, "id", ""), address);
        const char *probe = document_str(row, "probe", "");
        bool is_heard = report_is_recent(row, "beacon_ms", BEACON_FRESH_MS);

        if (probe[0] && report_is_true(row, "is_dns") && !is_heard &&
                        !report_is_true(row, "is_static")) {
                report_tell(report, "note", about,
                                "start the meshd there, or take the address out of DNS",
                                "DNS names %s: %s", address,
                                strcmp(probe, "open") == 0
                                                ? "it takes connections, but is no other member"
                                                : probe);
                return;
        }
        if (!probe[0] || (!is_heard && !report_is_true(row, "is_static"))) {
                return;
        }
        if (strcmp(probe, "open") == 0) {
                report_tell(report, "problem", about,
                                "is that a meshd of this mesh, and of a version that this one "
                                "knows? its log says whom it drops",
                                "%s takes connections, but does not answer as a member", address);
        } else if (is_heard) {
                report_tell(report, "problem", about,
                                "a firewall, or its --listen and --advertise name what cannot be "
                                "reached from here",
                                "its beacons are heard, but TCP to %s: %s", address, probe);
        } else {
                report_tell(report, "problem", about,
                                "start the meshd there, or correct --peer on this node",
                                "the configured peer %s: %s", address, probe);
        }
}

/* No candidate at all is not the same as candidates that all answer. */
static bool is_source_silent(const struct report *report)
{
        const json_t *names = json_object_get(report->patient->status, "dns");
        const json_t *row;
        size_t i;

        if (report_is_true(report->patient->facts, "is_multicast") ||
                        document_int(report->patient->facts, "static_peers", 0) > 0 ||
                        document_int(report->patient->status, "peers_live", 0) > 0) {
                return false;
        }
        json_array_foreach(names, i, row)
        {
                if (json_is_integer(json_object_get(row, "answered_ms"))) {
                        return false;
                }
        }
        return json_array_size(names) > 0;
}

void report_candidates(struct report *report)
{
        const json_t *row;
        size_t i;

        if (is_source_silent(report)) {
                report_tell(report, "note", "",
                                "see the check dns; without an answer this node finds nobody, and "
                                "goes on alone",
                                "nodes are found by DNS only, and it has not answered yet: so far "
                                "it names nobody to dial");
        }
        json_array_foreach(json_object_get(report->patient->facts, "candidates"), i, row)
        {
                check_candidate(report, row);
        }
}
