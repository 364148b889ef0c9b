/* SPDX-License-Identifier: MIT */
/* What this node knows of each member, and forgetting one. */
#include "meshd/io/arguments.h"
#include "meshd/io/logger.h"
#include "meshd/verbs/verbs.h"

#include <errno.h>
#include <unistd.h>

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
                question_refuse(question, -EINVAL,
                                "argument peer is missing: the name or the id of a node");
                return -EINVAL;
        }
        *ret_name = name;
        return 0;
}

static void refuse_peer(const struct question *question, struct cmi_slice name)
{
        question_refuse(question, -ENOENT, "no peer \"%.*s\"", (int)name.len,
                        (const char *)name.data);
}

static void write_self(struct document *document, const struct question *question)
{
        const struct service *service = question->service;
        struct core_status status;

        core_status(service->core, &status);
        document_text(document, "name", service->config->name);
        document_id(document, "id", &service->state->id);
        document_bool(document, "is_self", true);
        document_text(document, "state", core_state_text(status.state));
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
        document_uint(document, "gone_ms", service->config->gone_ms);
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
        document_text(document, "state", core_member_state_text(member->state));
        document_age_ms(document, "state_ms", member->state_since_ns, now_ns);
        document_endpoint(document, "address", &member->endpoint);
        document_text(document, "software", member->software);
        document_uint(document, "incarnation", member->incarnation);
        write_link(document, member, now_ns);
        document_uint(document, "lag", core_member_lag(member));
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
        if (member->gone_ms == 0) {
                document_nil(document, "gone_ms");
        } else {
                document_uint(document, "gone_ms", member->gone_ms);
        }
}

static void write_transitions(
                struct document *document, const struct core_member *member, uint64_t now_ns)
{
        document_open_array(document, "transitions");
        for (uint32_t i = 0; i < member->n_transitions; i++) {
                const struct core_transition *transition = &member->transitions[i];

                document_open_map(document, NULL);
                document_age_ms(document, "ago_ms", transition->at_ns, now_ns);
                document_text(document, "from", core_member_state_text(transition->from));
                document_text(document, "state", core_member_state_text(transition->to));
                document_text(document, "why", transition->why);
                document_close(document);
        }
        document_close(document);
}

void verb_peers(const struct question *question)
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

void verb_peer(const struct question *question)
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
        if (!is_own && question_find_member(question, name, &member) < 0) {
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

void verb_forget(const struct question *question)
{
        const struct client *client = question->guest->client;
        struct core_member member;
        struct cmi_slice name;
        struct answer answer;
        int r;

        if (client->uid != 0 && client->uid != geteuid()) {
                question_refuse(question, -EPERM,
                                "only root and the user of meshd may make it forget a node");
                return;
        }
        if (get_peer(question, &name) < 0) {
                return;
        }
        if (question_find_over(question, name, &member) < 0) {
                refuse_peer(question, name);
                return;
        }
        r = core_forget(question->service->core, question->now, &member.id);
        if (r < 0) {
                question_refuse(question, r,
                                "peer \"%s\" is %s; only seen, gone or left ones can be forgotten",
                                member.name, core_member_state_text(member.state));
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
