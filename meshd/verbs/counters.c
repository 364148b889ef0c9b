/* SPDX-License-Identifier: MIT */
#include "meshd/verbs/counters.h"

#include "meshd/daemon.h"
#include "meshd/io/clock.h"
#include "meshd/io/logger.h"
#include "meshd/local/loads.h"
#include "meshd/local/sessions.h"

#define WRITE(document, from, name) document_uint((document), #name, (from)->name)
#define WRITE_AS(document, prefix, from, name)                                                     \
        document_uint((document), prefix "_" #name, (from)->name)

static void write_core(const struct daemon *daemon, struct document *document)
{
        const struct core_counters *core;
        struct core_status status;

        core_status(daemon->core, &status);
        core = &status.counters;
        WRITE(document, core, published);
        WRITE(document, core, published_keys);
        WRITE(document, core, applied);
        WRITE(document, core, applied_keys);
        WRITE(document, core, gaps);
        WRITE(document, core, nacks_sent);
        WRITE(document, core, nacks_received);
        WRITE(document, core, resets_sent);
        WRITE(document, core, resets_received);
        WRITE(document, core, forgot);
        WRITE(document, core, lapses);
        WRITE(document, core, away);
        WRITE(document, core, frames_received);
        WRITE(document, core, frames_sent);
        WRITE(document, core, frames_blocked);
        WRITE(document, core, bytes_received);
        WRITE(document, core, bytes_sent);
        WRITE(document, core, dropped_malformed);
        WRITE(document, core, dropped_mesh);
        WRITE(document, core, dropped_version);
        WRITE(document, core, dropped_incarnation);
        WRITE(document, core, dropped_unknown_source);
        WRITE(document, core, dropped_unknown_type);
        WRITE(document, core, unknown_fields);
        WRITE(document, core, dropped_stream);
        WRITE(document, core, unknown_operations);
        WRITE(document, core, unknown_regions);
        WRITE(document, core, posts_sent);
        WRITE(document, core, posts_received);
        WRITE(document, core, posts_refused);
        WRITE(document, core, dropped_posts);
        WRITE(document, core, intents_begun);
        WRITE(document, core, intents_expired);
        WRITE(document, core, intents_refused);
        WRITE(document, core, holds);
        WRITE(document, core, holds_widened);
        document_uint(document, "intents_open", status.n_intents);
        document_uint(document, "slots_held", status.n_holds);
}

static void write_local(const struct local_counters *local, struct document *document)
{
        WRITE_AS(document, "local", local, accepted);
        WRITE_AS(document, "local", local, refused_full);
        WRITE_AS(document, "local", local, refused_user);
        WRITE_AS(document, "local", local, refused_credentials);
        WRITE_AS(document, "local", local, garbage);
        WRITE_AS(document, "local", local, closed_overflow);
        WRITE_AS(document, "local", local, closed_stalled);
        WRITE_AS(document, "local", local, closed_silent);
        WRITE_AS(document, "local", local, bytes_in);
        WRITE_AS(document, "local", local, bytes_out);
        WRITE_AS(document, "local", local, requests);
        WRITE_AS(document, "local", local, cut_turns);
}

static void write_discovery(const struct discover *discover, struct document *document)
{
        char key[64];

        WRITE_AS(document, "discovery", &discover->counters, beacons_sent);
        WRITE_AS(document, "discovery", &discover->counters, received);
        document_uint(document, "discovery_dials", discover->table.n_dials);
        for (int i = BEACON_OK + 1; i < BEACON_N_ERRORS; i++) {
                snprintf(key, sizeof(key), "discovery_beacon_%s", beacon_error_text(i));
                document_uint(document, key, discover->counters.errors[i]);
        }
        for (int i = 0; i < CANDIDATE_N_OUTCOMES; i++) {
                snprintf(key, sizeof(key), "discovery_candidate_%s", candidate_outcome_text(i));
                document_uint(document, key, discover->table.n_outcomes[i]);
        }
}

void counters_write(const struct daemon *daemon, struct document *document)
{
        const struct link_counters *links = &daemon->links.counters;
        const struct spool *spool = &daemon->collector.spool;

        write_core(daemon, document);
        write_local(&daemon->local.counters, document);
        loads_write_counters(daemon->service.loads, document);
        sessions_write_counters(daemon->service.sessions, clock_now(), document);
        WRITE_AS(document, "mesh", links, received);
        WRITE_AS(document, "mesh", links, malformed);
        WRITE_AS(document, "mesh", links, accepted);
        WRITE_AS(document, "mesh", links, handshaken);
        WRITE_AS(document, "mesh", links, rejected);
        WRITE_AS(document, "mesh", links, endless);
        WRITE_AS(document, "mesh", links, strangers);
        WRITE_AS(document, "mesh", links, unauthorized);
        WRITE_AS(document, "mesh", links, unadmitted);
        WRITE_AS(document, "mesh", links, full);
        WRITE_AS(document, "mesh", links, rekeyed);
        WRITE_AS(document, "mesh", links, dials);
        WRITE_AS(document, "mesh", links, hangups);
        write_discovery(&daemon->discover, document);
        document_uint(document, "spool_files", spool->n_files);
        document_uint(document, "spool_operations", spool->n_operations);
        document_uint(document, "spool_damaged", spool->n_damaged);
        document_uint(document, "spool_refused", spool->n_refused);
        document_uint(document, "loop_turns", daemon->loop.counters.turns);
        document_uint(document, "loop_longest_us",
                        daemon->loop.counters.longest_ns / CMI_NS_PER_US);
        document_uint(document, "log_suppressed", logger_n_suppressed());
}
