/* SPDX-License-Identifier: MIT */
#include "meshctl/document.h"
#include "meshctl/memory.h"
#include "meshctl/report.h"

#include <string.h>

#define CLOCK_NOTE_MS 1000
#define CLOCK_PROBLEM_MS 60000
#define DESCRIPTORS_A_PEER 3

static bool is_one_of(const char *text, const char *a, const char *b)
{
        return strcmp(text, a) == 0 || strcmp(text, b) == 0;
}

static void check_node(struct report *report)
{
        const json_t *status = report->patient->status;
        const char *node = document_str(status, "node", "?");
        const char *reason = document_str(status, "reason", "");

        if (strncmp(reason, "refused", strlen("refused")) == 0) {
                report_tell(report, "problem", node,
                                "docs/how-to/troubleshoot.md, Refused, has what to do for each "
                                "reason",
                                "another node does not take this one: %s", reason);
        } else if (strcmp(document_str(status, "state", ""), "live") != 0) {
                report_tell(report, "problem", node,
                                "wait some seconds; if it stays so, see the other findings",
                                "this node is not live, so bounded regions only miss: %s", reason);
        } else if (document_int(status, "lease_left_ms", 0) == 0) {
                report_tell(report, "problem", node, "see who is silent: meshctl peers",
                                "the lease does not run, so bounded regions only miss");
        } else {
                report_tell(report, "ok", node, "", "it is live and its lease runs");
        }
}

static void check_refusing(struct report *report)
{
        const json_t *facts = report->patient->facts;

        if (report_is_recent(facts, "refused_ms", RECENT_MS)) {
                report_tell(report, "problem", "",
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

                if (report_is_true(row, "is_self")) {
                        continue;
                }
                n_others++;
                if (strcmp(state, "silent") == 0) {
                        report_tell(report, "problem", name,
                                        "is its host up, does its meshd run and not hang?",
                                        "nothing is heard of it for a lease; nobody serves bounded "
                                        "regions until it is heard or given up");
                } else if (strcmp(state, "gone") == 0) {
                        report_tell(report, "problem", name,
                                        "start it again; if it never returns, meshctl forget it on "
                                        "each node",
                                        "it is gone without a goodbye: changes are confirmed "
                                        "partially only");
                } else if (is_one_of(state, "joining", "seen")) {
                        report_tell(report, "note", name, "meshctl status there says why",
                                        "it is not live yet: %s", state);
                }
        }
        if (n_others == 0) {
                report_tell(report, "note", "", "if there should be others, see the other findings",
                                "no other node is known here");
        }
}

/* Those that are gone, or not met yet, are the business of check_peers(). */
static bool is_there(const json_t *node)
{
        const char *state = document_str(node, "state", "");

        return !is_one_of(state, "gone", "seen") && strcmp(state, "left") != 0;
}

/* Nothing is confirmed too early by it, so it is a note; a node that tells none (0) is older. */
static void check_patience(struct report *report)
{
        const json_t *rows = json_object_get(report->patient->peers, "peers");
        const json_t *row;
        json_int_t own = 0;
        size_t i;

        json_array_foreach(rows, i, row)
        {
                if (report_is_true(row, "is_self")) {
                        own = document_int(row, "gone_ms", 0);
                }
        }
        json_array_foreach(rows, i, row)
        {
                json_int_t its = document_int(row, "gone_ms", 0);

                if (own != 0 && its != 0 && its != own && is_there(row)) {
                        report_tell(report, "note", document_str(row, "name", "?"),
                                        "set --gone-ms equal on all nodes; until then waits count "
                                        "with the smaller one",
                                        "it gives up a silent node after %" JSON_INTEGER_FORMAT
                                        " ms (--gone-ms), this one after %" JSON_INTEGER_FORMAT
                                        " ms",
                                        its, own);
                }
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
                report_tell(report, "problem", b,
                                "let it be reached: a firewall, a route, or a wrong --advertise "
                                "of the node that does not hear",
                                "%s hears %s, %s does not hear %s", a, b, b, a);
        } else if (i < j && hears(nodes, i, j, '0') && hears(nodes, j, i, '0')) {
                report_tell(report, "problem", b, "let them reach each other: a firewall, a route",
                                "%s and %s do not hear each other", a, b);
        }
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
                report_tell(report, "problem", directory,
                                "make it writable, or name another one with --state-dir; then "
                                "restart meshd",
                                "who this node is cannot be stored: %s",
                                document_str(facts, "state_problem", ""));
        } else if (has_no_state(facts)) {
                report_tell(report, "note", directory, "--state-dir names a directory that stays",
                                "no state directory: after a restart the peers are to be found "
                                "anew");
        } else if (report->patient->storage[0]) {
                report_tell(report, "problem", directory,
                                "free some space, or name another one with --state-dir",
                                "state directory: %s", report->patient->storage);
        }
        if (document_str(facts, "state_damage", "")[0]) {
                report_tell(report, "problem", directory,
                                "look at the disk, and at the clock; meshd has made the file anew, "
                                "and forgets this at its next start",
                                "at the start of this meshd its file incarnation was damaged: %s",
                                document_str(facts, "state_damage", ""));
        }
        if (document_str(facts, "log_problem", "")[0]) {
                report_tell(report, "problem", document_str(facts, "runtime_dir", "?"),
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
                        report_tell(report, apart > CLOCK_PROBLEM_MS ? "problem" : "note",
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

                if (report_is_true(row, "is_conflicting")) {
                        report_tell(report, "problem", name,
                                        "let all apps open it with the same options",
                                        "two apps of this node want it with other options; the "
                                        "later one was refused");
                }
                if (elsewhere[0]) {
                        report_tell(report, "problem", name,
                                        "let all apps open it with the same options; while they "
                                        "are rolled out this is expected",
                                        "other nodes have it with other options: %s", elsewhere);
                }
        }
}

static void check_holds(struct report *report)
{
        const json_t *facts = report->patient->facts;

        if (report_is_recent(facts, "widened_ms", RECENT_MS)) {
                report_tell(report, "problem", document_str(facts, "widened", ""),
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
                report_tell(report, "problem", "",
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

        if (!report_is_true(facts, "is_multicast") && document_int(facts, "static_peers", 0) == 1 &&
                        json_array_size(json_object_get(report->patient->status, "dns")) == 0) {
                report_tell(report, has_no_state(facts) ? "problem" : "note", "",
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
                        {"gone-ms", check_patience, "all nodes have the same, as far as they tell"},
                        {"links", check_links, "no link is known to be cut"},
                        {"dial", report_candidates, "all that are heard of or configured answer"},
                        {"refused", check_refusing, "nobody was refused here lately"},
                        {"multicast", report_multicast, "it works"},
                        {"dns", report_names,
                                        "every configured name has addresses, or there is none"},
                        {"foreign", report_foreign, "no other mesh is heard on this group"},
                        {"key", report_key, "nobody with another key is heard"},
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
                        report_tell(&report, "ok", "", "", "%s", checks[i].fine);
                }
        }
        return memory_got(json_pack("{s:s, s:s, s:i, s:i, s:o}", "schema", "cachemesh.doctor/1",
                        "node", document_str(patient->status, "node", "?"), "problems",
                        report.n_problems, "notes", report.n_notes, "checks", report.checks));
}
