/* SPDX-License-Identifier: MIT */
#include "meshd/io/admin.h"

#include "meshd/io/arguments.h"
#include "meshd/io/clock.h"
#include "meshd/io/inquiry.h"
#include "meshd/io/key_admin.h"
#include "meshd/io/logger.h"
#include "meshd/io/question.h"
#include "meshd/io/why.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

const char *admin_member_state(enum member_state state)
{
        switch (state) {
        case MEMBER_SEEN:
                return "seen";
        case MEMBER_JOINING:
                return "joining";
        case MEMBER_LIVE:
                return "live";
        case MEMBER_SILENT:
                return "silent";
        case MEMBER_GONE:
                return "gone";
        case MEMBER_LEFT:
                return "left";
        }
        return "unknown";
}

const char *admin_core_state(enum core_state state)
{
        switch (state) {
        case CORE_JOINING:
                return "joining";
        case CORE_LIVE:
                return "live";
        case CORE_STOPPING:
                return "stopping";
        }
        return "unknown";
}

int admin_find_member(struct service *service, struct cmi_slice name, struct cmi_time now,
                struct core_member *ret_member)
{
        char id[CMI_ID_TEXT_SIZE];

        for (uint32_t i = 0; core_member(service->core, now, i, ret_member) == 0; i++) {
                cmi_id_format(&ret_member->id, id);
                if (cmi_slice_equal(name, cmi_slice_str(ret_member->name)) ||
                                cmi_slice_equal(name, cmi_slice_str(id))) {
                        return 0;
                }
        }
        return -ENOENT;
}

static bool is_self(const struct question *question, struct cmi_slice name)
{
        char id[CMI_ID_TEXT_SIZE];

        cmi_id_format(&question->service->state->id, id);
        return cmi_slice_equal(name, cmi_slice_str(question->service->config->name)) ||
               cmi_slice_equal(name, cmi_slice_str(id));
}

/* The "peer" argument. Return: 0, or the error was told: -EINVAL. */
static int get_peer(const struct question *question, struct cmi_slice *ret_name)
{
        struct cmi_slice name = {0};

        if (arguments_str(question->arguments, "peer", CMI_NAME_MAX, &name) < 0 || name.len == 0) {
                service_error(question->guest->client, question->id, -EINVAL,
                                "argument peer is missing: the name or the id of a node");
                return -EINVAL;
        }
        *ret_name = name;
        return 0;
}

static void refuse_peer(const struct question *question, struct cmi_slice name)
{
        service_error(question->guest->client, question->id, -ENOENT, "no peer \"%.*s\"",
                        (int)name.len, (const char *)name.data);
}

void answer_begin(struct answer *answer, const struct question *question, const char *schema)
{
        answer->writer = service_begin(
                        question->service, CMI_LOCAL_ANSWER, question->id, &answer->begin);
        cmi_document_write_head(&answer->writer);
        answer->document = document_begin(&answer->writer, schema);
}

void answer_send(struct answer *answer, const struct question *question)
{
        document_end(&answer->document);
        service_send(question->guest->client, &answer->writer, answer->begin, question->id);
}

static void do_version(const struct question *question)
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

static uint64_t lag_of(const struct core_member *member)
{
        return member->newest.number > member->applied ? member->newest.number - member->applied
                                                       : 0;
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
                if (member.state <= MEMBER_SILENT && lag_of(&member) > tally->worst_lag) {
                        tally->worst_lag = lag_of(&member);
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
        document_text(document, "state", admin_core_state(status->state));
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
        document_text(document, "multicast", service->discovery_text(service->context));
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
                                admin_member_state((enum member_state)state));
                document_uint(document, key, tally->by_state[state]);
                n += tally->by_state[state];
        }
        document_uint(document, "peers", n);
        document_uint(document, "worst_lag", tally->worst_lag);
        document_text(document, "worst_lag_peer", tally->worst_lag_peer);
}

static void do_status(const struct question *question)
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

static void write_self(struct document *document, const struct question *question)
{
        const struct service *service = question->service;
        struct core_status status;

        core_status(service->core, &status);
        document_text(document, "name", service->config->name);
        document_id(document, "id", &service->state->id);
        document_bool(document, "is_self", true);
        document_text(document, "state", admin_core_state(status.state));
        document_age_ms(document, "state_ms",
                        status.live_since_ns ? status.live_since_ns : status.started_ns,
                        question->now.mono_ns);
        document_endpoint(document, "address",
                        service->n_advertised > 0 ? &service->advertised[0]
                                                  : &service->links->bound);
        document_text(document, "software", SERVICE_SOFTWARE);
        document_uint(document, "incarnation", status.incarnation);
        document_uint(document, "rtt_us", 0);
        document_uint(document, "seen_ms", 0);
        document_uint(document, "lag", 0);
        document_uint(document, "gaps", 0);
        document_uint(document, "position", status.newest.number);
}

static void write_link(struct document *document, const struct core_member *member, uint64_t now_ns)
{
        document_bool(document, "has_link", member->has_link);
        document_bool(document, "is_heard", member->is_heard);
        document_bool(document, "counts_me", member->counts_me);
        document_bool(document, "is_lapsed", member->is_lapsed);
        if (member->rtt_ns == 0) {
                document_nil(document, "rtt_us");
        } else {
                document_uint(document, "rtt_us", member->rtt_ns / CMI_NS_PER_US);
        }
        document_age_ms(document, "seen_ms", member->heard_ns, now_ns);
        document_uint(document, "grant_left_ms",
                        member->grant_end_ns > now_ns
                                        ? (member->grant_end_ns - now_ns) / CMI_NS_PER_MS
                                        : 0);
        document_uint(document, "peer_lag_ms", member->peer_lag_ns / CMI_NS_PER_MS);
        document_uint(document, "clock_ahead_ms",
                        member->clock_ahead_ns > 0
                                        ? (uint64_t)member->clock_ahead_ns / CMI_NS_PER_MS
                                        : 0);
        document_uint(document, "clock_behind_ms",
                        member->clock_ahead_ns < 0
                                        ? (uint64_t)-member->clock_ahead_ns / CMI_NS_PER_MS
                                        : 0);
}

static void write_member(struct document *document, const struct core_member *member,
                const struct core_status *status, uint64_t now_ns)
{
        uint64_t newest = status->newest.number;

        document_text(document, "name", member->name);
        document_id(document, "id", &member->id);
        document_bool(document, "is_self", false);
        document_text(document, "state", admin_member_state(member->state));
        document_age_ms(document, "state_ms", member->state_since_ns, now_ns);
        document_endpoint(document, "address", &member->endpoint);
        document_text(document, "software", member->software);
        document_uint(document, "incarnation", member->incarnation);
        write_link(document, member, now_ns);
        document_uint(document, "lag", lag_of(member));
        document_uint(document, "behind",
                        newest > member->acknowledged ? newest - member->acknowledged : 0);
        document_uint(document, "position", member->newest.number);
        document_uint(document, "applied", member->applied);
        document_uint(document, "acknowledged", member->acknowledged);
        document_uint(document, "gaps", member->gaps);
        document_uint(document, "resets", member->resets);
        document_uint(document, "lapses", member->lapses);
        document_uint(document, "restarts", member->restarts);
        document_uint(document, "frames_received", member->frames_received);
        document_uint(document, "frames_sent", member->frames_sent);
}

static void write_transitions(
                struct document *document, const struct core_member *member, uint64_t now_ns)
{
        document_open_array(document, "transitions");
        for (uint32_t i = 0; i < member->n_transitions; i++) {
                const struct core_transition *transition = &member->transitions[i];

                document_open_map(document, NULL);
                document_age_ms(document, "ago_ms", transition->at_ns, now_ns);
                document_text(document, "from", admin_member_state(transition->from));
                document_text(document, "state", admin_member_state(transition->to));
                document_text(document, "why", transition->why);
                document_close(document);
        }
        document_close(document);
}

static void do_peers(const struct question *question)
{
        struct core_status status;
        struct core_member member;
        struct answer answer;

        core_status(question->service->core, &status);
        answer_begin(&answer, question, "peers");
        document_open_array(&answer.document, "peers");
        document_open_map(&answer.document, NULL);
        write_self(&answer.document, question);
        document_close(&answer.document);
        for (uint32_t i = 0; core_member(question->service->core, question->now, i, &member) == 0;
                        i++) {
                document_open_map(&answer.document, NULL);
                write_member(&answer.document, &member, &status, question->now.mono_ns);
                document_close(&answer.document);
        }
        document_close(&answer.document);
        answer_send(&answer, question);
}

static void do_peer(const struct question *question)
{
        struct core_status status;
        struct core_member member;
        struct cmi_slice name;
        struct answer answer;
        bool is_own;

        if (get_peer(question, &name) < 0) {
                return;
        }
        is_own = is_self(question, name);
        if (!is_own && admin_find_member(question->service, name, question->now, &member) < 0) {
                refuse_peer(question, name);
                return;
        }
        core_status(question->service->core, &status);
        answer_begin(&answer, question, "peer");
        if (is_own) {
                write_self(&answer.document, question);
        } else {
                write_member(&answer.document, &member, &status, question->now.mono_ns);
                write_transitions(&answer.document, &member, question->now.mono_ns);
        }
        answer_send(&answer, question);
}

static void do_stats(const struct question *question)
{
        struct answer answer;

        answer_begin(&answer, question, "stats");
        question->service->write_counters(question->service->context, &answer.document);
        answer_send(&answer, question);
}

static void do_forget(const struct question *question)
{
        const struct client *client = question->guest->client;
        struct core_member member;
        struct cmi_slice name;
        struct answer answer;
        int r;

        if (client->uid != 0 && client->uid != geteuid()) {
                service_error(question->guest->client, question->id, -EPERM,
                                "only root and the user of meshd may make it forget a node");
                return;
        }
        if (get_peer(question, &name) < 0) {
                return;
        }
        if (admin_find_member(question->service, name, question->now, &member) < 0) {
                refuse_peer(question, name);
                return;
        }
        r = core_forget(question->service->core, question->now, &member.id);
        if (r < 0) {
                service_error(question->guest->client, question->id, r,
                                "peer \"%s\" is %s; only seen, gone or left ones can be forgotten",
                                member.name, admin_member_state(member.state));
                return;
        }
        question->service->forgotten(question->service->context, &member.id);
        logger(LOGGER_INFO, "peer.forgotten", L_TEXT("peer", member.name), L_ID("id", &member.id),
                        L_UINT("uid", client->uid));
        answer_begin(&answer, question, "forget");
        document_text(&answer.document, "peer", member.name);
        document_id(&answer.document, "id", &member.id);
        answer_send(&answer, question);
}

static void do_inquiry(const struct question *question, enum inquiry_kind kind)
{
        const struct inquiry_request request = {
                        question->guest, question->id, kind, question->arguments};

        inquiry_begin(question->service->inquiries, question->now, &request);
}

static void do_links(const struct question *question)
{
        do_inquiry(question, INQUIRY_LINKS);
}

static void do_ping(const struct question *question)
{
        do_inquiry(question, INQUIRY_PING);
}

static void do_wait(const struct question *question)
{
        do_inquiry(question, INQUIRY_WAIT);
}

static void do_facts(const struct question *question)
{
        struct answer answer;

        answer_begin(&answer, question, "facts");
        question->service->write_facts(question->service->context, &answer.document);
        answer_send(&answer, question);
}

static void do_trace(const struct question *question)
{
        do_inquiry(question, INQUIRY_TRACE);
}

static void do_why(const struct question *question)
{
        why_answer(question->service, question->guest, question->id, question->arguments,
                        question->now);
}

static const struct verb {
        const char *name;
        void (*answer)(const struct question *question);
} verbs[] = {
                {"clients", question_clients},
                {"facts", do_facts},
                {"forget", do_forget},
                {"intents", question_intents},
                {"links", do_links},
                {"peer", do_peer},
                {"peers", do_peers},
                {"ping", do_ping},
                {"regions", question_regions},
                {"stats", do_stats},
                {"status", do_status},
                {"trace", do_trace},
                {"version", do_version},
                {"wait", do_wait},
                {"why", do_why},
};

int admin_answer(struct service *service, struct guest *guest, uint64_t id,
                const struct cmi_local_query *query)
{
        const struct question question = {service, guest, id, query->arguments, clock_now()};

        for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
                if (cmi_slice_equal(query->verb, cmi_slice_str(verbs[i].name))) {
                        verbs[i].answer(&question);
                        return 0;
                }
        }
        if (key_admin_answer(service, guest, id, query)) {
                return 0;
        }
        service_error(guest->client, id, -EOPNOTSUPP, "meshd does not know this verb: %.*s",
                        (int)(query->verb.len < 64 ? query->verb.len : 64),
                        (const char *)query->verb.data);
        return 0;
}
