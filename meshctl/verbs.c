/* SPDX-License-Identifier: MIT */
/* What meshctl can do: from this table come parsing, help and the manual's synopsis. */
#include "meshctl/verbs.h"

#define ANSWER_MS 5000
#define WAIT_MS 30000
#define MANY 10000

const struct verb verbs[] = {
                {
                                .name = "status",
                                .operands = "",
                                .timeout_ms = ANSWER_MS,
                                .is_watchable = true,
                                .summary = "this node on one screen: state, peers, rates, last "
                                           "problem",
                                .help = "Exit status 2: this node is not live, or a peer is silent "
                                        "or gone.\n",
                                .run = verb_status,
                },
                {
                                .name = "peers",
                                .operands = "",
                                .timeout_ms = ANSWER_MS,
                                .is_watchable = true,
                                .summary = "table of the members, * marks this node",
                                .help = "RTT: round trip of the newest beat. SEEN: age of the "
                                        "newest frame. LAG: operations of its stream that\n"
                                        "are not yet applied here; with -o wide BEHIND: operations "
                                        "of ours that it has not confirmed.\n"
                                        "Exit status 2: a peer is silent or gone.\n",
                                .run = verb_peers,
                },
                {
                                .name = "peer",
                                .operands = "NAME",
                                .operands_min = 1,
                                .operands_max = 1,
                                .timeout_ms = ANSWER_MS,
                                .is_watchable = true,
                                .summary = "everything about one member",
                                .help = "NAME is a node's name or its id. Exit status 1: there is "
                                        "no such member; 2: it is silent or gone.\n",
                                .run = verb_peer,
                },
                {
                                .name = "links",
                                .operands = "",
                                .timeout_ms = WAIT_MS,
                                .is_watchable = true,
                                .summary = "who is connected to whom, in which direction",
                                .help = "Asks every node. Rows are senders, columns receivers: "
                                        "yes, NO, or ? where nobody could tell.\n"
                                        "JSON has each link as {from, to, state}: connected, cut "
                                        "or unknown.\n",
                                .flags = {{"check", 0, FLAG_ALONE, NULL,
                                                          "print only the links that are not "
                                                          "connected; exit status 2 if there are "
                                                          "any"},
                                                {"wait", 0, FLAG_ALONE, NULL,
                                                                "until all are connected, also for "
                                                                "meshd to come up; exit status 75 "
                                                                "if not in time (30 s)"}},
                                .run = verb_links,
                },
                {
                                .name = "doctor",
                                .operands = "",
                                .timeout_ms = ANSWER_MS,
                                .summary = "look for what is wrong, and say what to do",
                                .help = "Asks this meshd and, for the links, every node; tries the "
                                        "addresses that nobody answers at. STATE: ok;\n"
                                        "note: worth knowing; problem: there is something to do, "
                                        "which the line below says.\n"
                                        "Exit status 2: there is a problem.\n",
                                .run = verb_doctor,
                },
                {
                                .name = "ping",
                                .operands = "[PEER...]",
                                .operands_max = MANY,
                                .is_watchable = true,
                                .summary = "round trips through the data path",
                                .help = "To the peers named, or to all that are live, joining or "
                                        "silent.\n"
                                        "Exit status 75: one did not answer within a second.\n",
                                .flags = {{"count", 'c', FLAG_NEEDS_VALUE, "N",
                                                "rounds (default 1)"}},
                                .run = verb_ping,
                },
                {
                                .name = "invalidate",
                                .operands = "[KEY...]",
                                .operands_max = MANY,
                                .timeout_ms = ANSWER_MS,
                                .summary = "publish an invalidation",
                                .help = "Exit status 75: it is published, but not all members are "
                                        "proven to have applied it.\n"
                                        "A key that begins with a dash comes after \"--\".\n",
                                .flags = {{"region", 'r', FLAG_NEEDS_VALUE, "R",
                                                          "of which region (needed)"},
                                                {"tag", 't', FLAG_ALONE, NULL,
                                                                "the operands are tags"},
                                                {"whole-region", 0, FLAG_ALONE, NULL,
                                                                "everything in it"},
                                                {"stdin", 0, FLAG_ALONE, NULL,
                                                                "also those on standard input, one "
                                                                "a line"},
                                                {"wait", 'w', FLAG_NEEDS_VALUE, "LEVEL",
                                                                "none: handed to meshd; node: "
                                                                "applied on this node; mesh "
                                                                "(default): on all"},
                                                {"hold", 0, FLAG_NEEDS_VALUE, "MS",
                                                                "nobody caches them for so many "
                                                                "milliseconds: for a region with "
                                                                "hold_ms"}},
                                .run = verb_invalidate,
                },
                {
                                .name = "trace",
                                .operands = "KEY",
                                .operands_min = 1,
                                .operands_max = 1,
                                .timeout_ms = ANSWER_MS,
                                .summary = "follow one invalidation of a key through the mesh",
                                .help = "The key is really invalidated, which costs one miss on "
                                        "each node. All times are of this node's clock, from\n"
                                        "when its meshd took the request. Clocks of nodes are not "
                                        "compared: a node says how long ago it applied the\n"
                                        "operation, which is taken off the middle of that "
                                        "question's round trip; +- is half of the round trip.\n"
                                        "Exit status 75: not all members are proven to have "
                                        "applied it.\n",
                                .flags = {{"region", 'r', FLAG_NEEDS_VALUE, "R",
                                                "of which region (needed)"}},
                                .run = verb_trace,
                },
                {
                                .name = "why",
                                .operands = "KEY",
                                .operands_min = 1,
                                .operands_max = 1,
                                .timeout_ms = ANSWER_MS,
                                .is_watchable = true,
                                .summary = "why a key is, or is not, served on this node",
                                .help = "Looks at the node, its lease and the stamps that an entry "
                                        "of the key is checked against, and says which\n"
                                        "operation left each of them. What is in the apps' caches "
                                        "meshd does not know; tags only if named.\n"
                                        "Exit status 2: nothing of this key is served here now.\n",
                                .flags = {{"region", 'r', FLAG_NEEDS_VALUE, "R",
                                                          "of which region (needed)"},
                                                {"tag", 't', FLAG_NEEDS_VALUE, "T",
                                                                "a tag that the entry has"}},
                                .run = verb_why,
                },
                {
                                .name = "monitor",
                                .operands = "",
                                .summary = "show invalidations as they are applied here",
                                .help = "Sampled: what is over the rate, or not read in time, is "
                                        "left out and counted. Keys and tags are shown\n"
                                        "as 12 hex digits of a hash. With --timeout it ends by "
                                        "itself.\n",
                                .flags = {{"region", 'r', FLAG_NEEDS_VALUE, "R",
                                                          "only of this region"},
                                                {"rate", 0, FLAG_NEEDS_VALUE, "N",
                                                                "events a second at most (default "
                                                                "100)"},
                                                {"count", 'c', FLAG_NEEDS_VALUE, "N",
                                                                "end after N events; exit status "
                                                                "75 if --timeout comes first"},
                                                {"show-keys", 0, FLAG_ALONE, NULL,
                                                                "keys and tags themselves: they "
                                                                "may be personal data"}},
                                .run = verb_monitor,
                },
                {
                                .name = "wait",
                                .operands = "",
                                .timeout_ms = WAIT_MS,
                                .summary = "block until the node or the mesh is ready",
                                .help = "Also waits for meshd to come up. Exit status 75: not in "
                                        "time (30 s); 69: meshd did not come up.\n",
                                .flags = {{"for", 0, FLAG_NEEDS_VALUE, "WHAT",
                                                "live: this node is; peers=N: so are N others; "
                                                "caught-up: nobody lags behind anybody"}},
                                .run = verb_wait,
                },
                {
                                .name = "stats",
                                .operands = "",
                                .timeout_ms = ANSWER_MS,
                                .is_watchable = true,
                                .summary = "counters of this node, with rates when watched",
                                .help = "They count from meshd's start.\n",
                                .run = verb_stats,
                },
                {
                                .name = "regions",
                                .operands = "",
                                .timeout_ms = ANSWER_MS,
                                .is_watchable = true,
                                .summary = "regions and their options",
                                .help = "HOLD: its hold_ms: so long what is invalidated in it is "
                                        "not cached. CONFLICT: two apps of this node\n"
                                        "opened it with different options. ELSEWHERE: other nodes "
                                        "whose apps have it open with other ones.\n",
                                .run = verb_regions,
                },
                {
                                .name = "clients",
                                .operands = "",
                                .timeout_ms = ANSWER_MS,
                                .is_watchable = true,
                                .summary = "apps connected to this meshd",
                                .help = "Also this meshctl itself.\n",
                                .run = verb_clients,
                },
                {
                                .name = "intents",
                                .operands = "",
                                .timeout_ms = ANSWER_MS,
                                .is_watchable = true,
                                .summary = "writes that have begun and not ended: nobody serves "
                                           "what they name",
                                .help = "LEFT: until their deadline, when they end by themselves. "
                                        "CLIENT: empty for those of other nodes, and of\n"
                                        "apps that have ended. FIRST, its first key or tag, is 12 "
                                        "hex "
                                        "digits of a hash.\n",
                                .flags = {{"show-keys", 0, FLAG_ALONE, NULL,
                                                "keys and tags themselves: they may be personal "
                                                "data"}},
                                .run = verb_intents,
                },
                {
                                .name = "sessions",
                                .operands = "[show KEY | destroy KEY]",
                                .operands_max = 2,
                                .timeout_ms = ANSWER_MS,
                                .is_watchable = true,
                                .summary = "sessions that this node holds",
                                .help = "KEY is the 32 hex digits of the first column: a hash of "
                                        "the id, which meshd does not know. No content is\n"
                                        "shown, since only the apps can open it. LEFT: until it "
                                        "ends whatever happens. destroy ends one for good.\n"
                                        "Who is neither root nor the user of meshd is shown the "
                                        "sessions of their own apps.\n"
                                        "Exit status 1: this node knows no such session, or holds "
                                        "none at all.\n",
                                .flags = {{"limit", 0, FLAG_NEEDS_VALUE, "N",
                                                          "rows at most (default 1000)"},
                                                {"space", 0, FLAG_NEEDS_VALUE, "NAME",
                                                                "only those of the namespace "
                                                                "that apps open by this name"}},
                                .run = verb_sessions,
                },
                {
                                .name = "spool",
                                .operands = "",
                                .timeout_ms = ANSWER_MS,
                                .is_watchable = true,
                                .summary = "invalidations that wait for meshd in files",
                                .help = "What apps left beside the socket while meshd was away; it "
                                        "publishes them at its start. Needs no meshd.\n"
                                        "Exit status 2: something waits.\n",
                                .run = verb_spool,
                },
                {
                                .name = "forget",
                                .operands = "PEER",
                                .operands_min = 1,
                                .operands_max = 1,
                                .timeout_ms = ANSWER_MS,
                                .summary = "drop a member that is gone for good",
                                .help = "Only one that is seen, gone or left, or a node that "
                                        "found no room (--max-peers of meshd)\n"
                                        "and is not heard any more. If it comes back it joins as "
                                        "a new one.\n"
                                        "Exit status 1: there is no such member, or it is not in "
                                        "one of these states.\n",
                                .run = verb_forget,
                },
                {
                                .name = "key",
                                .operands = "new FILE | list | install FILE | use KEY | remove KEY",
                                .operands_min = 1,
                                .operands_max = 2,
                                .timeout_ms = ANSWER_MS,
                                .summary = "make a mesh key, and exchange those of this node",
                                .help = "new makes FILE, and needs no meshd. The others change "
                                        "meshd and its key file: a key is exchanged by install\n"
                                        "on every node, then use on every node, then remove of the "
                                        "old one on every node. KEY is a fingerprint as list\n"
                                        "shows it, or its first digits. use asks the others first: "
                                        "exit status 1 if one does not hold KEY, 75 if a live\n"
                                        "one does not answer; nothing has changed then. Exit "
                                        "status 78: FILE is no key file.\n",
                                .flags = {{"force", 0, FLAG_ALONE, NULL,
                                                "use a key that others do not hold, or do not "
                                                "answer for: they lose this node"}},
                                .run = verb_key,
                },
                {
                                .name = "version",
                                .operands = "",
                                .timeout_ms = ANSWER_MS,
                                .summary = "versions of meshctl, meshd and their protocols",
                                .help = "Without meshd only that of meshctl; exit status 69 "
                                        "then.\n",
                                .run = verb_version,
                },
                {NULL},
};
