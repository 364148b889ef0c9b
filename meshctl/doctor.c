/* SPDX-License-Identifier: MIT */
#include "meshctl/doctor.h"

#include "meshctl/document.h"
#include "meshctl/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FINDING_MAX 400
#define BEACON_FRESH_MS 30000 /* six of the longest pauses between two beacons */
#define BEACONS_ENOUGH 10     /* sent: by then the own ones should have come back */
#define CLOCK_NOTE_MS 1000
#define CLOCK_PROBLEM_MS 60000
#define RECENT_MS 600000
#define DESCRIPTORS_A_PEER 3

struct report {
        const struct doctor_case *patient;
        json_t *checks;
        const char *check; /* that runs */
        int n_problems;
        int n_notes;
};

/* One row. @advice: static, or "" */
__attribute__((format(printf, 5, 6))) static void tell(struct report *report, const char *state,
                const char *about, const char *advice, const char *format, ...)
{
        char finding[FINDING_MAX];
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(finding, sizeof(finding), format, arguments);
        va_end(arguments);
        report->n_problems += strcmp(state, "problem") == 0;
        report->n_notes += strcmp(state, "note") == 0;
        json_array_append_new(report->checks,
                        memory_got(json_pack("{s:s, s:s, s:s, s:o, s:s}", "check", report->check,
                                        "state", state, "about", about, "finding",
                                        document_text(cmi_slice_str(finding)), "advice", advice)));
}

static bool is_true(const json_t *map, const char *key)
{
        return json_is_true(json_object_get(map, key));
}

static bool is_one_of(const char *text, const char *a, const char *b)
{
        return strcmp(text, a) == 0 || strcmp(text, b) == 0;
}

/* An age that is known and not over this. */
static bool is_recent(const json_t *map, const char *key, json_int_t max_ms)
{
        json_int_t age = document_int(map, key, -1);

        return age >= 0 && age <= max_ms;
}

static void check_node(struct report *report)
{
        const json_t *status = report->patient->status;
        const char *node = document_str(status, "node", "?");
        const char *reason = document_str(status, "reason", "");

        if (strncmp(reason, "refused", strlen("refused")) == 0) {
                tell(report, "problem", node,
                                "docs/how-to/troubleshoot.md, Refused, has what to do for each "
                                "reason",
                                "another node does not take this one: %s", reason);
        } else if (strcmp(document_str(status, "state", ""), "live") != 0) {
                tell(report, "problem", node,
                                "wait some seconds; if it stays so, see the other findings",
                                "this node is not live, so bounded regions only miss: %s", reason);
        } else if (document_int(status, "lease_left_ms", 0) == 0) {
                tell(report, "problem", node, "see who is silent: meshctl peers",
                                "the lease does not run, so bounded regions only miss");
        } else {
                tell(report, "ok", node, "", "it is live and its lease runs");
        }
}

static void check_refusing(struct report *report)
{
        const json_t *facts = report->patient->facts;

        if (is_recent(facts, "refused_ms", RECENT_MS)) {
                tell(report, "problem", "",
                                "on that node: docs/how-to/troubleshoot.md, Refused, has what to "
                                "do",
                                "this node refused another one, %s",
                                document_str(facts, "refused", ""));
        }
}

static void check_peers(struct report *report)
{
        const json_t *row;
        size_t i, n_others = 0;

        json_array_foreach(json_object_get(report->patient->peers, "peers"), i, row)
        {
                const char *name = document_str(row, "name", "?");
                const char *state = document_str(row, "state", "");

                if (is_true(row, "is_self")) {
                        continue;
                }
                n_others++;
                if (strcmp(state, "silent") == 0) {
                        tell(report, "problem", name,
                                        "is its host up, does its meshd run and not hang?",
                                        "nothing is heard of it for a lease; nobody serves bounded "
                                        "regions until it is heard or given up");
                } else if (strcmp(state, "gone") == 0) {
                        tell(report, "problem", name,
                                        "start it again; if it never returns, meshctl forget it on "
                                        "each node",
                                        "it is gone without a goodbye: changes are confirmed "
                                        "partially only");
                } else if (is_one_of(state, "joining", "seen")) {
                        tell(report, "note", name, "meshctl status there says why",
                                        "it is not live yet: %s", state);
                }
        }
        if (n_others == 0) {
                tell(report, "note", "", "if there should be others, see the other findings",
                                "no other node is known here");
        }
}

static bool hears(const json_t *nodes, size_t row, size_t column, char answer)
{
        const char *cells = document_str(json_array_get(nodes, row), "hears", "");

        return column < strlen(cells) && cells[column] == answer;
}

/* Cell (i, j): does node i hear node j? */
static void check_pair(struct report *report, const json_t *nodes, size_t i, size_t j)
{
        const char *a = document_str(json_array_get(nodes, i), "name", "?");
        const char *b = document_str(json_array_get(nodes, j), "name", "?");

        if (hears(nodes, i, j, '1') && hears(nodes, j, i, '0')) {
                tell(report, "problem", b,
                                "let it be reached: a firewall, a route, or a wrong --advertise "
                                "of the node that does not hear",
                                "%s hears %s, %s does not hear %s", a, b, b, a);
        } else if (i < j && hears(nodes, i, j, '0') && hears(nodes, j, i, '0')) {
                tell(report, "problem", b, "let them reach each other: a firewall, a route",
                                "%s and %s do not hear each other", a, b);
        }
}

/* Those that are gone, or not met yet, are the business of check_peers(). */
static bool is_there(const json_t *node)
{
        const char *state = document_str(node, "state", "");

        return !is_one_of(state, "gone", "seen") && strcmp(state, "left") != 0;
}

static void check_links(struct report *report)
{
        const json_t *nodes = json_object_get(report->patient->links, "nodes");
        size_t n = json_array_size(nodes);

        for (size_t i = 0; i < n; i++) {
                for (size_t j = 0; j < n; j++) {
                        if (i != j && is_there(json_array_get(nodes, i)) &&
                                        is_there(json_array_get(nodes, j))) {
                                check_pair(report, nodes, i, j);
                        }
                }
        }
}

static void check_interfaces(struct report *report, const json_t *facts)
{
        const json_t *row;
        size_t i, n_joined = 0, n_outside = 0;

        json_array_foreach(json_object_get(facts, "interfaces"), i, row)
        {
                const char *name = document_str(row, "name", "");
                const char *error = document_str(row, "error", "");

                if (is_true(row, "is_joined") && !error[0]) {
                        n_joined++;
                        n_outside += strcmp(name, "lo") != 0;
                } else {
                        tell(report, "note", name, "", "IPv%" JSON_INTEGER_FORMAT ": %s",
                                        document_int(row, "family", 0),
                                        document_str(row, "advice", error));
                }
        }
        if (n_joined == 0) {
                tell(report, "problem", "",
                                "do what it waits for, or name the others with --peer or --dns and "
                                "say --multicast off",
                                "multicast does not work: %s",
                                document_str(facts, "multicast", "?"));
        } else if (n_outside == 0) {
                tell(report, "note", "lo",
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
                tell(report, "problem", "",
                                "let UDP to the group's port pass: a firewall of this host drops "
                                "it",
                                "not even the own beacons come back");
        }
        if (others_ms > BEACON_FRESH_MS &&
                        document_int(report->patient->status, "peers_live", 0) > 0) {
                tell(report, "problem", "",
                                "if nobody turned multicast off: a switch that snoops IGMP needs a "
                                "querier; turn one on, or use --peer or --dns",
                                "beacons of others were heard, and stopped %" JSON_INTEGER_FORMAT
                                " s ago",
                                others_ms / 1000);
        }
}

static void check_multicast(struct report *report)
{
        const json_t *facts = report->patient->facts;

        if (is_true(facts, "is_multicast")) {
                check_interfaces(report, facts);
                check_beacons(report, facts);
        } else {
                tell(report, "ok", "", "", "it is off, as configured");
        }
}

static void check_name(struct report *report, const json_t *row)
{
        const char *name = document_str(row, "name", "?");
        const char *state = document_str(row, "state", "");
        json_int_t n = document_int(row, "addresses", 0);

        if (strcmp(state, "failing") == 0) {
                tell(report, "problem", name,
                                "ask for it with dig or host from here: are the servers of "
                                "/etc/resolv.conf (or --dns-server) right, up and reachable?",
                                "DNS does not answer: %s; %" JSON_INTEGER_FORMAT
                                " addresses are known, from before",
                                document_str(row, "why", ""), n);
        } else if (strcmp(state, "empty") == 0) {
                tell(report, "problem", name,
                                "correct --dns, or give the name its addresses: A, AAAA, or SRV "
                                "records",
                                "DNS says that there is no address of it");
        } else if (strcmp(state, "waiting") == 0) {
                tell(report, "note", name, "", "it is being looked up for the first time");
        } else if (document_int(row, "surplus", 0) > 0) {
                tell(report, "note", name,
                                "nothing, if a few of the first ones are up: nodes learn of each "
                                "other from one",
                                "it has more addresses than the %" JSON_INTEGER_FORMAT
                                " that are used",
                                n);
        }
}

static void check_names(struct report *report)
{
        const json_t *row;
        size_t i;

        json_array_foreach(json_object_get(report->patient->status, "dns"), i, row)
        {
                check_name(report, row);
        }
}

static void check_foreign(struct report *report)
{
        const json_t *facts = report->patient->facts;
        bool is_alone = json_array_size(json_object_get(report->patient->peers, "peers")) < 2;

        if (is_recent(facts, "beacons_foreign_ms", RECENT_MS)) {
                tell(report, is_alone ? "problem" : "note",
                                document_str(facts, "foreign_source", ""),
                                "if that node should be in this mesh, give both the same --mesh; "
                                "else all is well",
                                "a node of another mesh is heard on this group");
        }
}

/* Whoever has another key is no member, and cannot tell so: its beacons are all that is heard. */
static void check_key(struct report *report)
{
        const json_t *facts = report->patient->facts;
        const char *source = document_str(facts, "bad_seal_source", "");

        if (!is_recent(facts, "beacons_bad_seal_ms", RECENT_MS)) {
                return;
        }
        if (is_true(facts, "has_key")) {
                tell(report, "problem", source,
                                "if that is a node of this mesh, give it a key of meshctl key list "
                                "here: docs/how-to/keys.md; else it is a stranger, and ignored",
                                "a node there says that it is of this mesh, with no key of this "
                                "one");
        } else {
                tell(report, "problem", source,
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
        bool is_heard = is_recent(row, "beacon_ms", BEACON_FRESH_MS);

        if (probe[0] && is_true(row, "is_dns") && !is_heard && !is_true(row, "is_static")) {
                tell(report, "note", about, "start the meshd there, or take the address out of DNS",
                                "DNS names %s: %s", address,
                                strcmp(probe, "open") == 0
                                                ? "it takes connections, but is no other member"
                                                : probe);
                return;
        }
        if (!probe[0] || (!is_heard && !is_true(row, "is_static"))) {
                return;
        }
        if (strcmp(probe, "open") == 0) {
                tell(report, "problem", about,
                                "is that a meshd of this mesh, and of a version that this one "
                                "knows? its log says whom it drops",
                                "%s takes connections, but does not answer as a member", address);
        } else if (is_heard) {
                tell(report, "problem", about,
                                "a firewall, or its --listen and --advertise name what cannot be "
                                "reached from here",
                                "its beacons are heard, but TCP to %s: %s", address, probe);
        } else {
                tell(report, "problem", about,
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

        if (is_true(report->patient->facts, "is_multicast") ||
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

static void check_candidates(struct report *report)
{
        const json_t *row;
        size_t i;

        if (is_source_silent(report)) {
                tell(report, "note", "",
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

static bool has_no_state(const json_t *facts)
{
        return document_str(facts, "state_problem", "")[0] ||
               strcmp(document_str(facts, "state_dir", ""), "none") == 0;
}

static void check_storage(struct report *report)
{
        const json_t *facts = report->patient->facts;
        const char *directory = document_str(facts, "state_dir", "?");

        if (document_str(facts, "state_problem", "")[0]) {
                tell(report, "problem", directory,
                                "make it writable, or name another one with --state-dir; then "
                                "restart meshd",
                                "who this node is cannot be stored: %s",
                                document_str(facts, "state_problem", ""));
        } else if (has_no_state(facts)) {
                tell(report, "note", directory, "--state-dir names a directory that stays",
                                "no state directory: after a restart the peers are to be found "
                                "anew");
        } else if (report->patient->storage[0]) {
                tell(report, "problem", directory,
                                "free some space, or name another one with --state-dir",
                                "state directory: %s", report->patient->storage);
        }
        if (document_str(facts, "state_damage", "")[0]) {
                tell(report, "problem", directory,
                                "look at the disk, and at the clock; meshd has made the file anew, "
                                "and forgets this at its next start",
                                "at the start of this meshd its file incarnation was damaged: %s",
                                document_str(facts, "state_damage", ""));
        }
        if (document_str(facts, "log_problem", "")[0]) {
                tell(report, "problem", document_str(facts, "runtime_dir", "?"),
                                "make it writable, or name another one with --runtime-dir",
                                "the stream is in memory only, so a crash makes all others "
                                "forget: %s",
                                document_str(facts, "log_problem", ""));
        }
}

static void check_clocks(struct report *report)
{
        const json_t *row;
        size_t i;

        json_array_foreach(json_object_get(report->patient->peers, "peers"), i, row)
        {
                json_int_t ahead = document_int(row, "clock_ahead_ms", 0);
                json_int_t behind = document_int(row, "clock_behind_ms", 0);
                json_int_t apart = ahead > behind ? ahead : behind;

                if (apart > CLOCK_NOTE_MS) {
                        tell(report, apart > CLOCK_PROBLEM_MS ? "problem" : "note",
                                        document_str(row, "name", "?"),
                                        "let all hosts keep time (NTP); leases do not depend on "
                                        "it, logs and incarnations do",
                                        "its clock is %" JSON_INTEGER_FORMAT ".%03d s %s",
                                        apart / 1000, (int)(apart % 1000),
                                        ahead > behind ? "ahead" : "behind");
                }
        }
}

static void check_regions(struct report *report)
{
        const json_t *row;
        size_t i;

        json_array_foreach(json_object_get(report->patient->regions, "regions"), i, row)
        {
                const char *name = document_str(row, "name", "?");
                const char *elsewhere = document_str(row, "elsewhere", "");

                if (is_true(row, "is_conflicting")) {
                        tell(report, "problem", name, "let all apps open it with the same options",
                                        "two apps of this node want it with other options; the "
                                        "later one was refused");
                }
                if (elsewhere[0]) {
                        tell(report, "problem", name,
                                        "let all apps open it with the same options; while they "
                                        "are rolled out this is expected",
                                        "other nodes have it with other options: %s", elsewhere);
                }
        }
}

static void check_holds(struct report *report)
{
        const json_t *facts = report->patient->facts;

        if (is_recent(facts, "widened_ms", RECENT_MS)) {
                tell(report, "problem", document_str(facts, "widened", ""),
                                "a shorter hold_ms, or fewer changes: docs/how-to/herds.md; a "
                                "region of its own for what changes all the time",
                                "so many of its keys are held (hold_ms) that nothing of this "
                                "region is cached until that is over");
        }
}

static void check_limits(struct report *report)
{
        const json_t *facts = report->patient->facts;
        json_int_t limit = document_int(facts, "descriptors_limit", 0);
        json_int_t needed = document_int(facts, "descriptors_needed", 0);

        if (limit < needed) {
                tell(report, "problem", "",
                                "raise it (LimitNOFILE=, ulimit -Hn) or lower --max-peers, "
                                "--max-clients; then restart meshd",
                                "%" JSON_INTEGER_FORMAT
                                " open files are allowed, %" JSON_INTEGER_FORMAT
                                " are needed for --max-peers %" JSON_INTEGER_FORMAT
                                " at %d each, apps and files",
                                limit, needed, document_int(facts, "max_peers", 0),
                                DESCRIPTORS_A_PEER);
        }
}

/* Peers that were met are on the disk; without one, a start depends on that peer alone. */
static void check_single(struct report *report)
{
        const json_t *facts = report->patient->facts;

        if (!is_true(facts, "is_multicast") && document_int(facts, "static_peers", 0) == 1 &&
                        json_array_size(json_object_get(report->patient->status, "dns")) == 0) {
                tell(report, has_no_state(facts) ? "problem" : "note", "",
                                "name one more with --peer",
                                "the mesh is found by one configured peer only: while that is "
                                "away, %s",
                                has_no_state(facts) ? "this node starts alone"
                                                    : "a node that is new starts alone");
        }
}

json_t *doctor_examine(const struct doctor_case *patient)
{
        static const struct {
                const char *name;
                void (*run)(struct report *report);
                const char *fine;
        } checks[] = {
                        {"node", check_node, ""},
                        {"peers", check_peers, "none is silent or gone"},
                        {"links", check_links, "no link is known to be cut"},
                        {"dial", check_candidates, "all that are heard of or configured answer"},
                        {"refused", check_refusing, "nobody was refused here lately"},
                        {"multicast", check_multicast, "it works"},
                        {"dns", check_names,
                                        "every configured name has addresses, or there is none"},
                        {"foreign", check_foreign, "no other mesh is heard on this group"},
                        {"key", check_key, "nobody with another key is heard"},
                        {"single", check_single, "no single peer is needed to find the mesh"},
                        {"storage", check_storage, "identity and stream outlive the process"},
                        {"limits", check_limits, "enough open files are allowed"},
                        {"clocks", check_clocks, "the clocks of all that are heard agree"},
                        {"regions", check_regions, "all nodes have equal options"},
                        {"holds", check_holds, "no region is held as a whole for too many keys"},
        };
        struct report report = {.patient = patient, .checks = memory_got(json_array())};

        for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
                size_t n_before = json_array_size(report.checks);

                report.check = checks[i].name;
                checks[i].run(&report);
                if (json_array_size(report.checks) == n_before) {
                        tell(&report, "ok", "", "", "%s", checks[i].fine);
                }
        }
        return memory_got(json_pack("{s:s, s:s, s:i, s:i, s:o}", "schema", "cachemesh.doctor/1",
                        "node", document_str(patient->status, "node", "?"), "problems",
                        report.n_problems, "notes", report.n_notes, "checks", report.checks));
}
