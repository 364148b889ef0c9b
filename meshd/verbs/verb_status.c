/* SPDX-License-Identifier: MIT */
/* What this node says of itself as a whole. */
#include "meshd/daemon.h"
#include "meshd/io/logger.h"
#include "meshd/verbs/counters.h"
#include "meshd/verbs/facts.h"
#include "meshd/verbs/verbs.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void verb_version(const struct question *question)
{
        struct answer answer;
        char zmq[32];
        int major;
        int minor;
        int patch;

        zmq_version(&major, &minor, &patch);
        snprintf(zmq, sizeof(zmq), "%d.%d.%d", major, minor, patch);
        answer_begin(&answer, question, "version");
        document_text(&answer.document, "software", SERVICE_SOFTWARE);
        document_uint(&answer.document, "protocol_min", CMI_PROTOCOL_MIN);
        document_uint(&answer.document, "protocol_max", CMI_PROTOCOL_MAX);
        document_uint(&answer.document, "local_version_min", CMI_LOCAL_VERSION_MIN);
        document_uint(&answer.document, "local_version_max", CMI_LOCAL_VERSION_MAX);
        document_uint(&answer.document, "page_version", CMI_PAGE_VERSION);
        document_text(&answer.document, "libzmq", zmq);
        document_text(&answer.document, "libuv", uv_version_string());
        answer_send(&answer, question);
}

struct tally {
        uint32_t by_state[MEMBER_LEFT + 1];
        uint64_t worst_lag;
        char worst_lag_peer[CMI_NAME_MAX + 1];
};

static void count_members(const struct question *question, struct tally *tally)
{
        struct core_member member;

        memset(tally, 0, sizeof(*tally));
        for (uint32_t i = 0; core_member(question->service->core, question->now, i, &member) == 0;
                        i++) {
                tally->by_state[member.state]++;
                if (member.state <= MEMBER_SILENT && core_member_lag(&member) > tally->worst_lag) {
                        tally->worst_lag = core_member_lag(&member);
                        memcpy(tally->worst_lag_peer, member.name, sizeof(member.name));
                }
        }
}

static void write_identity(struct document *document, const struct service *service,
                const struct core_status *status)
{
        document_text(document, "node", service->config->name);
        document_id(document, "id", &service->state->id);
        document_text(document, "mesh", service->config->mesh);
        document_text(document, "software", SERVICE_SOFTWARE);
        document_uint(document, "pid", (uint64_t)getpid());
        document_text(document, "state", core_state_text(status->state));
        document_text(document, "reason", status->reason);
        document_uint(document, "incarnation", status->incarnation);
        document_bool(document, "is_temporary", service->state->is_temporary);
        document_endpoint(document, "listen", &service->links->bound);
        document_open_array(document, "advertise");
        for (uint32_t i = 0; i < service->n_advertised; i++) {
                document_endpoint(document, NULL, &service->advertised[i]);
        }
        document_close(document);
        document_text(document, "socket", service->config->socket);
        document_text(document, "multicast", service->daemon->discover.text);
        lookup_write(&service->daemon->discover.lookup, document, "dns");
}

static void write_progress(
                struct document *document, const struct core_status *status, struct cmi_time now)
{
        char stream[24];

        snprintf(stream, sizeof(stream), "%016llx", (unsigned long long)status->newest.stream);
        document_age_ms(document, "uptime_ms", status->started_ns, now.mono_ns);
        document_age_ms(document, "live_ms", status->live_since_ns, now.mono_ns);
        document_uint(document, "lease_left_ms",
                        status->lease_end_ns > now.mono_ns
                                        ? (status->lease_end_ns - now.mono_ns) / CMI_NS_PER_MS
                                        : 0);
        document_text(document, "stream", stream);
        document_uint(document, "position", status->newest.number);
        document_uint(document, "oldest", status->oldest);
        document_uint(document, "apply_seq", status->apply_seq);
        document_uint(document, "published", status->counters.published);
        document_uint(document, "applied", status->counters.applied);
        document_uint(document, "regions", status->n_regions);
        document_uint(document, "waits", status->n_waits);
}

static void write_tally(struct document *document, const struct tally *tally)
{
        uint32_t n = 0;

        for (int state = MEMBER_SEEN; state <= MEMBER_LEFT; state++) {
                char key[32];

                snprintf(key, sizeof(key), "peers_%s",
                                core_member_state_text((enum member_state)state));
                document_uint(document, key, tally->by_state[state]);
                n += tally->by_state[state];
        }
        document_uint(document, "peers", n);
        document_uint(document, "worst_lag", tally->worst_lag);
        document_text(document, "worst_lag_peer", tally->worst_lag_peer);
}

void verb_status(const struct question *question)
{
        const struct service *service = question->service;
        const struct logger_problem *problem = logger_last_problem();
        struct core_status status;
        struct answer answer;
        struct tally tally;

        core_status(service->core, &status);
        count_members(question, &tally);
        answer_begin(&answer, question, "status");
        write_identity(&answer.document, service, &status);
        write_progress(&answer.document, &status, question->now);
        write_tally(&answer.document, &tally);
        document_uint(&answer.document, "lease_ms", service->config->lease_ms);
        document_uint(&answer.document, "clients", service->local->n_clients);
        document_text(&answer.document, "last_problem", problem->text);
        document_age_ms(&answer.document, "last_problem_ms", problem->mono_ns,
                        question->now.mono_ns);
        answer_send(&answer, question);
}

void verb_stats(const struct question *question)
{
        struct answer answer;

        answer_begin(&answer, question, "stats");
        counters_write(question->service->daemon, &answer.document);
        answer_send(&answer, question);
}

void verb_facts(const struct question *question)
{
        struct answer answer;

        answer_begin(&answer, question, "facts");
        facts_write(question->service->daemon, &answer.document);
        answer_send(&answer, question);
}
