/* SPDX-License-Identifier: MIT */
#include "meshd/verbs/facts.h"

#include "meshd/descriptors.h"
#include "meshd/io/clock.h"

#include <string.h>
#include <sys/resource.h>

static void write_host(const struct daemon *daemon, struct document *document, uint64_t now_ns)
{
        struct rlimit limit = {0};

        (void)getrlimit(RLIMIT_NOFILE, &limit);
        document_uint(document, "descriptors_limit", limit.rlim_cur);
        document_uint(document, "descriptors_needed", descriptors_needed(daemon->config));
        document_uint(document, "max_peers", daemon->config->max_peers);
        document_text(document, "state_dir", daemon->config->state_dir);
        document_text(document, "state_problem", daemon->state.why);
        document_text(document, "state_damage", daemon->state.damage);
        document_text(document, "runtime_dir", daemon->config->runtime_dir);
        document_text(document, "log_problem", daemon->log_file.why);
        document_text(document, "refused", daemon->refused);
        document_age_ms(document, "refused_ms", daemon->refused_ns, now_ns);
        document_text(document, "widened", daemon->widened);
        document_age_ms(document, "widened_ms", daemon->widened_ns, now_ns);
}

static void write_source(struct document *document, const char *key, uint64_t heard_ns,
                const struct cmi_endpoint *source)
{
        if (heard_ns == 0) {
                document_text(document, key, "");
        } else {
                document_endpoint(document, key, source);
        }
}

static void write_beacons(
                const struct discover *discover, struct document *document, uint64_t now_ns)
{
        const struct discover_counters *counters = &discover->counters;
        const uint64_t *outcomes = discover->table.n_outcomes;

        document_bool(document, "is_multicast", discover->config->is_multicast);
        document_text(document, "multicast", discover->text);
        document_uint(document, "static_peers", discover->config->n_peers);
        document_uint(document, "beacons_sent", counters->beacons_sent);
        document_uint(document, "beacons_own",
                        outcomes[CANDIDATE_OWN] + outcomes[CANDIDATE_DUPLICATE]);
        document_age_ms(document, "beacons_others_ms", counters->others_ns, now_ns);
        document_age_ms(document, "beacons_foreign_ms", counters->foreign_ns, now_ns);
        write_source(document, "foreign_source", counters->foreign_ns, &counters->foreign_source);
        document_bool(document, "has_key", discover->ring != NULL);
        document_uint(document, "beacons_bad_seal", counters->errors[BEACON_BAD_SEAL]);
        document_age_ms(document, "beacons_bad_seal_ms", counters->bad_seal_ns, now_ns);
        write_source(document, "bad_seal_source", counters->bad_seal_ns,
                        &counters->bad_seal_source);
}

static void write_interfaces(const struct discover *discover, struct document *document)
{
        struct multicast_status status = {0};

        if (discover->multicast) {
                multicast_get_status(discover->multicast, &status);
        }
        document_open_array(document, "interfaces");
        for (size_t i = 0; i < status.n_links; i++) {
                const struct multicast_link *link = &status.links[i];
                char advice[MULTICAST_ADVICE_SIZE] = "";

                multicast_advise(link, advice);
                document_open_map(document, NULL);
                document_text(document, "name", link->interface);
                document_uint(document, "family", link->family);
                document_bool(document, "is_joined", link->is_joined);
                document_text(document, "error", link->error ? strerror(link->error) : "");
                document_text(document, "advice", advice);
                document_close(document);
        }
        document_close(document);
}

static void write_candidate(
                const struct candidate *candidate, struct document *document, uint64_t now_ns)
{
        document_open_map(document, NULL);
        document_id(document, "id", &candidate->id);
        document_endpoint(document, "address", &candidate->endpoints[0]);
        document_bool(document, "is_static", (candidate->origins & CANDIDATE_STATIC) != 0);
        document_bool(document, "is_dns", (candidate->origins & CANDIDATE_DNS) != 0);
        document_age_ms(document, "beacon_ms", candidate->incarnation ? candidate->heard_ns : 0,
                        now_ns);
        document_age_ms(document, "dialled_ms", candidate->dialled_ns, now_ns);
        document_close(document);
}

/* Those that have a link are in "peers". */
static void write_candidates(
                const struct discover *discover, struct document *document, uint64_t now_ns)
{
        uint32_t n = 0;

        document_open_array(document, "candidates");
        for (uint32_t i = 0; i < discover->table.n_slots && n < FACTS_CANDIDATES_MAX; i++) {
                const struct candidate *candidate = &discover->slots[i];

                if (candidate->is_used && candidate->state != CANDIDATE_CONNECTED &&
                                candidate->n_endpoints > 0) {
                        write_candidate(candidate, document, now_ns);
                        n++;
                }
        }
        document_close(document);
}

void facts_write(const struct daemon *daemon, struct document *document)
{
        uint64_t now_ns = clock_read_ns(CLOCK_MONOTONIC);

        write_host(daemon, document, now_ns);
        write_beacons(&daemon->discover, document, now_ns);
        write_interfaces(&daemon->discover, document);
        write_candidates(&daemon->discover, document, now_ns);
}
