/* SPDX-License-Identifier: MIT */
#include "meshd/verbs/trace.h"

#include "meshd/io/arguments.h"
#include "meshd/io/clock.h"
#include "meshd/io/cookie.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ASK_MS 1000 /* for the answers, after the wait */

static uint64_t make_cookie(const struct inquiries *inquiries, const struct inquiry *inquiry)
{
        return cookie_pack((struct cookie){.kind = COOKIE_TRACE,
                        .slot = (uint32_t)(inquiry - inquiries->slots),
                        .generation = inquiry->generation});
}

static int add_targets(struct inquiries *inquiries, struct inquiry *inquiry, struct cmi_time now)
{
        struct core_member member;
        int r = 0;

        for (uint32_t i = 0; r == 0 && core_member(inquiries->service->core, now, i, &member) == 0;
                        i++) {
                if (member.state == MEMBER_LEFT || member.state == MEMBER_SEEN) {
                        continue;
                }
                r = inquiry_add_target(inquiry, &member.id, member.name,
                                core_member_state_text(member.state));
                if (r == 0) {
                        struct target *target = &inquiry->targets[inquiry->n_targets - 1];

                        target->state = target_is_askable(member.state) ? TARGET_NONE
                                                                        : TARGET_FAILED;
                        target->error = target_is_askable(member.state) ? "" : "not asked";
                        target->trace.outcome = "unconfirmed";
                }
        }
        return r;
}

static int read_arguments(
                struct inquiry *inquiry, struct cmi_slice arguments, struct cmi_slice *ret_key)
{
        struct cmi_slice region = {0};
        int r = arguments_str(arguments, "region", CMI_REGION_NAME_MAX, &region);

        r = r < 0 ? r : arguments_str(arguments, "key", CMI_KEY_MAX, ret_key);
        if (r < 0 || region.len == 0 || ret_key->len == 0) {
                return -EINVAL;
        }
        memcpy(inquiry->trace.region, region.data, region.len);
        inquiry->trace.key = XXH3_64bits(ret_key->data, ret_key->len);
        return 0;
}

int trace_begin(struct inquiries *inquiries, struct inquiry *inquiry, struct cmi_time now,
                struct cmi_slice arguments)
{
        struct inquiry_trace *trace = &inquiry->trace;
        uint8_t bytes[CMI_KEY_MAX + CMI_REGION_NAME_MAX + 64];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        struct cmi_slice key = {0};
        int r = read_arguments(inquiry, arguments, &key);

        r = r < 0 ? r : add_targets(inquiries, inquiry, now);
        if (r < 0) {
                return r;
        }
        cmi_op_write_begin(&writer, cmi_slice_str(trace->region), 1);
        cmi_write_bin(&writer, key);
        cmi_op_write_tags(&writer, 0);
        cmi_op_write_end(&writer, false);
        r = core_publish(inquiries->service->core, now, cmi_written(&writer), CMI_WAIT_MESH,
                        inquiry->deadline_ns - now.mono_ns, make_cookie(inquiries, inquiry),
                        &trace->number);
        trace->numbered_ns = clock_read_ns(CLOCK_MONOTONIC);
        return r;
}

void trace_cancel(struct inquiries *inquiries, struct inquiry *inquiry)
{
        if (inquiry->trace.number != 0 && inquiry->trace.done_ns == 0) {
                core_cancel(inquiries->service->core, make_cookie(inquiries, inquiry));
        }
}

static struct target *find_target(const struct inquiry *inquiry, const struct cmi_id *id)
{
        for (uint32_t i = 0; i < inquiry->n_targets; i++) {
                if (cmi_id_compare(&inquiry->targets[i].id, id) == 0) {
                        return &inquiry->targets[i];
                }
        }
        return NULL;
}

void trace_done(struct inquiries *inquiries, struct inquiry *inquiry,
                const struct core_outcome *outcome)
{
        static const char *const states[] = {"applied", "lapsed", "unconfirmed"};

        inquiry->trace.done_ns = clock_read_ns(CLOCK_MONOTONIC);
        inquiry->trace.outcome = outcome->outcome;
        for (uint32_t i = 0; outcome->outcome != CMI_PENDING && i < inquiry->n_targets; i++) {
                if (inquiry->targets[i].state == TARGET_NONE) {
                        inquiry->targets[i].trace.outcome = states[0];
                }
        }
        for (uint32_t i = 0; i < outcome->n_members; i++) {
                struct target *target = find_target(inquiry, &outcome->members[i].id);

                if (target && outcome->members[i].state < 3) {
                        target->trace.outcome = states[outcome->members[i].state];
                }
        }
}

/* Both lists are in the order of names, so that the search is one step but for those that came or
 * went. */
void trace_note(struct inquiries *inquiries, struct inquiry *inquiry, struct cmi_time now)
{
        struct core_member member;
        uint32_t next = 0;

        for (uint32_t i = 0; core_member(inquiries->service->core, now, i, &member) == 0; i++) {
                bool is_next = next < inquiry->n_targets &&
                               cmi_id_compare(&inquiry->targets[next].id, &member.id) == 0;
                struct target *target = is_next ? &inquiry->targets[next]
                                                : find_target(inquiry, &member.id);

                if (!target) {
                        continue;
                }
                next = (uint32_t)(target - inquiry->targets) + 1;
                if (target->trace.sent_ns == 0 && member.sent >= inquiry->trace.number) {
                        target->trace.sent_ns = clock_read_ns(CLOCK_MONOTONIC);
                }
                if (target->trace.acknowledged_ns == 0 &&
                                member.acknowledged >= inquiry->trace.number) {
                        target->trace.acknowledged_ns = clock_read_ns(CLOCK_MONOTONIC);
                }
        }
}

bool trace_turn(struct inquiries *inquiries, struct inquiry *inquiry, struct cmi_time now)
{
        if (inquiry->trace.is_asking) {
                return true;
        }
        trace_note(inquiries, inquiry, now);
        if (inquiry->trace.done_ns == 0 && now.mono_ns < inquiry->deadline_ns) {
                return false;
        }
        for (uint32_t i = 0; i < inquiry->n_targets; i++) {
                if (inquiry->targets[i].state == TARGET_NONE) {
                        inquiry->targets[i].state = TARGET_DUE;
                }
        }
        inquiry->trace.is_asking = true;
        inquiry->deadline_ns = now.mono_ns + cmi_ms(ASK_MS);
        return true;
}

void trace_answered(struct target *target, const struct cmi_answer *answer)
{
        target->trace.is_applied = answer->is_applied;
        target->trace.ago_ns = answer->applied_ago_ns;
        target->error = answer->is_applied ? "" : "not applied there, or its meshd cannot tell";
}

/* Writing */

/* Since the request came, in microseconds; nil if it has not happened. */
static void write_step(struct document *document, const struct inquiry *inquiry, const char *key,
                uint64_t at_ns)
{
        if (at_ns == 0) {
                document_nil(document, key);
        } else {
                document_uint(document, key,
                                at_ns > inquiry->question.now.mono_ns
                                                ? (at_ns - inquiry->question.now.mono_ns) /
                                                                  CMI_NS_PER_US
                                                : 0);
        }
}

static void write_self(struct document *document, const struct inquiries *inquiries,
                const struct inquiry *inquiry)
{
        const struct service *service = inquiries->service;
        struct core_status status;

        core_status(service->core, &status);
        document_open_map(document, NULL);
        document_text(document, "name", service->config->name);
        document_id(document, "id", &service->state->id);
        document_bool(document, "is_self", true);
        document_text(document, "state", core_state_text(status.state));
        document_nil(document, "sent_us");
        write_step(document, inquiry, "applied_us", inquiry->trace.numbered_ns);
        document_uint(document, "accuracy_us", 0);
        document_nil(document, "acknowledged_us");
        document_nil(document, "rtt_us");
        document_text(document, "outcome", "applied");
        document_text(document, "error", "");
        document_close(document);
}

static void write_target(struct document *document, const struct inquiry *inquiry,
                const struct target *target)
{
        bool is_answered = target->state == TARGET_ANSWERED;
        bool is_known = is_answered && target->trace.is_applied && target->trace.ago_ns != 0;
        uint64_t middle_ns = target->answered_ns - target->rtt_ns / 2;

        document_open_map(document, NULL);
        document_text(document, "name", target->name);
        document_id(document, "id", &target->id);
        document_bool(document, "is_self", false);
        document_text(document, "state", target->state_text);
        write_step(document, inquiry, "sent_us", target->trace.sent_ns);
        write_step(document, inquiry, "applied_us",
                        is_known ? middle_ns - target->trace.ago_ns : 0);
        if (is_known) {
                document_uint(document, "accuracy_us", target->rtt_ns / 2 / CMI_NS_PER_US);
        } else {
                document_nil(document, "accuracy_us");
        }
        write_step(document, inquiry, "acknowledged_us", target->trace.acknowledged_ns);
        if (is_answered) {
                document_uint(document, "rtt_us", target->rtt_ns / CMI_NS_PER_US);
        } else {
                document_nil(document, "rtt_us");
        }
        document_text(document, "outcome", target->trace.outcome);
        document_text(document, "error",
                        is_answered || target->error[0] ? target->error : "no answer");
        document_close(document);
}

static const char *outcome_text(const struct inquiry_trace *trace)
{
        if (trace->done_ns == 0) {
                return "timeout";
        }
        switch (trace->outcome) {
        case 0:
                return "applied";
        case CMI_PENDING:
                return "pending";
        case CMI_PARTIAL:
                return "partial";
        default:
                return "timeout";
        }
}

void trace_write(const struct inquiries *inquiries, const struct inquiry *inquiry,
                struct document *document, struct cmi_time now)
{
        const struct inquiry_trace *trace = &inquiry->trace;
        char key[16];

        snprintf(key, sizeof(key), "%012llx", (unsigned long long)trace->key >> 16);
        document_text(document, "region", trace->region);
        document_text(document, "key", key);
        document_uint(document, "position", trace->number);
        document_text(document, "outcome", outcome_text(trace));
        write_step(document, inquiry, "numbered_us", trace->numbered_ns);
        write_step(document, inquiry, "confirmed_us", trace->done_ns);
        write_step(document, inquiry, "finished_us", now.mono_ns);
        document_text(document, "clock",
                        "of this node, from when it took the request; another node's APPLIED is "
                        "good to +-, half a round trip");
        document_open_array(document, "hops");
        write_self(document, inquiries, inquiry);
        for (uint32_t i = 0; i < inquiry->n_targets; i++) {
                write_target(document, inquiry, &inquiry->targets[i]);
        }
        document_close(document);
}
