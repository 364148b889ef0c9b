/* SPDX-License-Identifier: MIT */
#include "meshd/verbs/inquiry_state.h"

#include "meshd/io/arguments.h"
#include "meshd/io/clock.h"
#include "meshd/io/cookie.h"
#include "meshd/verbs/key_holders.h"
#include "meshd/verbs/trace.h"
#include "meshd/verbs/verbs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A question about keys that is not answered by then is put again: the link may be another one. */
#define REPEAT_NS (250 * CMI_NS_PER_MS)

int inquiries_new(struct inquiries **ret_inquiries, struct service *service)
{
        struct inquiries *inquiries = calloc(1, sizeof(*inquiries));

        if (!inquiries) {
                return -ENOMEM;
        }
        inquiries->service = service;
        *ret_inquiries = inquiries;
        return 0;
}

static void release(struct inquiries *inquiries, struct inquiry *inquiry)
{
        for (uint32_t i = 0; i < inquiry->n_targets; i++) {
                inquiries->n_open -= inquiry->targets[i].state == TARGET_ASKED;
        }
        if (inquiry->kind == INQUIRY_TRACE && inquiry->question.guest) {
                trace_cancel(inquiries, inquiry);
        }
        free(inquiry->targets);
        free(inquiry->cells);
        free(inquiry->by_id);
        if (inquiry->question.guest) {
                inquiry->question.guest->n_inquiries--;
                inquiries->n_active--;
        }
        *inquiry = (struct inquiry){.generation = inquiry->generation + 1};
}

struct inquiries *inquiries_free(struct inquiries *inquiries)
{
        for (int i = 0; inquiries && i < INQUIRIES_MAX; i++) {
                release(inquiries, &inquiries->slots[i]);
        }
        if (inquiries) {
                vigils_cancel(&inquiries->vigils, NULL);
        }
        free(inquiries);
        return NULL;
}

void inquiry_cancel(struct inquiries *inquiries, const struct guest *guest)
{
        for (int i = 0; i < INQUIRIES_MAX && guest->n_inquiries > 0; i++) {
                if (inquiries->slots[i].question.guest == guest) {
                        release(inquiries, &inquiries->slots[i]);
                }
        }
        vigils_cancel(&inquiries->vigils, guest);
}

/* Beginning */

int inquiry_add_target(struct inquiry *inquiry, const struct cmi_id *id, const char *name,
                const char *state_text)
{
        struct target *targets =
                        reallocarray(inquiry->targets, inquiry->n_targets + 1, sizeof(*targets));
        struct target *target;

        if (!targets) {
                return -ENOMEM;
        }
        inquiry->targets = targets;
        target = &targets[inquiry->n_targets++];
        *target = (struct target){.id = *id, .state_text = state_text, .error = ""};
        snprintf(target->name, sizeof(target->name), "%s", name);
        return 0;
}

static int compare_by_id(const void *a, const void *b, void *targets)
{
        const struct target *list = targets;

        return cmi_id_compare(&list[*(const uint32_t *)a].id, &list[*(const uint32_t *)b].id);
}

static int make_matrix(struct inquiry *inquiry)
{
        size_t n = inquiry->n_targets;

        inquiry->cells = malloc(n * n);
        inquiry->by_id = calloc(n, sizeof(*inquiry->by_id));
        if (!inquiry->cells || !inquiry->by_id) {
                return -ENOMEM;
        }
        memset(inquiry->cells, '?', n * n);
        for (uint32_t i = 0; i < n; i++) {
                inquiry->cells[i * n + i] = '.';
                inquiry->by_id[i] = i;
        }
        qsort_r(inquiry->by_id, n, sizeof(*inquiry->by_id), compare_by_id, inquiry->targets);
        return 0;
}

/* All that are known, but for those that left in order. */
static int begin_links(struct inquiries *inquiries, struct inquiry *inquiry, struct cmi_time now)
{
        struct service *service = inquiries->service;
        struct core_status status;
        struct core_member member;
        size_t n;
        int r;

        core_status(service->core, &status);
        r = inquiry_add_target(inquiry, &service->state->id, service->config->name,
                        core_state_text(status.state));
        for (uint32_t i = 0; r == 0 && core_member(service->core, now, i, &member) == 0; i++) {
                if (member.state != MEMBER_LEFT) {
                        r = inquiry_add_target(inquiry, &member.id, member.name,
                                        core_member_state_text(member.state));
                        if (r == 0 && target_is_askable(member.state)) {
                                inquiry->targets[inquiry->n_targets - 1].state = TARGET_DUE;
                        }
                }
        }
        if (r < 0 || make_matrix(inquiry) < 0) {
                return -ENOMEM;
        }
        inquiry->targets[0].state = TARGET_ANSWERED;
        n = inquiry->n_targets;
        for (uint32_t i = 0, j = 1; core_member(service->core, now, i, &member) == 0; i++) {
                if (member.state == MEMBER_LEFT) {
                        continue;
                }
                inquiry->cells[j] = member.is_heard ? '1' : '0';
                /* What it told us stands until it answers, which it cannot if
                 * our frames are lost. */
                if (member.is_heard) {
                        inquiry->cells[j * n] = member.hears_me ? '1' : '0';
                }
                j++;
        }
        return 0;
}

static int add_ping(struct inquiry *inquiry, const struct core_member *member, bool is_asked)
{
        const char *state = core_member_state_text(member->state);
        int r = inquiry_add_target(inquiry, &member->id, member->name, state);

        if (r == 0) {
                struct target *target = &inquiry->targets[inquiry->n_targets - 1];

                target->state = is_asked ? TARGET_DUE : TARGET_FAILED;
                target->error = is_asked ? "" : state;
        }
        return r;
}

static int begin_ping(struct inquiry *inquiry, const struct question *question)
{
        struct core_member member;
        struct cmi_slice name = {0};
        int r = arguments_str(question->arguments, "peer", CMI_NAME_MAX, &name);

        if (r < 0) {
                return r;
        }
        if (name.len > 0) {
                r = question_find_member(question, name, &member);
                return r < 0 ? r : add_ping(inquiry, &member, true);
        }
        for (uint32_t i = 0; r == 0 &&
                             core_member(question->service->core, question->now, i, &member) == 0;
                        i++) {
                if (member.state != MEMBER_LEFT) {
                        r = add_ping(inquiry, &member, target_is_askable(member.state));
                }
        }
        return r;
}

static int read_deadline(
                const struct question *question, enum inquiry_kind kind, uint64_t *ret_deadline_ns)
{
        static const uint64_t timeouts_ms[] = {[INQUIRY_LINKS] = 1000,
                        [INQUIRY_PING] = 1000,
                        [INQUIRY_TRACE] = 10000,
                        [INQUIRY_WAIT] = 10000,
                        [INQUIRY_KEY] = 3000};
        uint64_t timeout_ms = timeouts_ms[kind];

        if (arguments_uint(question->arguments, "timeout_ms", INQUIRY_TIMEOUT_MAX_MS, &timeout_ms) <
                        0) {
                return -EINVAL;
        }
        *ret_deadline_ns = question->now.mono_ns + cmi_ms(timeout_ms);
        return 0;
}

static int begin(struct inquiries *inquiries, struct inquiry *inquiry,
                const struct question *question, enum inquiry_kind kind)
{
        uint64_t deadline_ns;
        int r = read_deadline(question, kind, &deadline_ns);

        if (r < 0) {
                return r;
        }
        inquiry->question = *question;
        inquiry->question.arguments = cmi_slice(NULL, 0);
        inquiry->kind = kind;
        inquiry->deadline_ns = deadline_ns;
        question->guest->n_inquiries++;
        inquiries->n_active++;
        switch (kind) {
        case INQUIRY_LINKS:
                return begin_links(inquiries, inquiry, question->now);
        case INQUIRY_PING:
                return begin_ping(inquiry, question);
        case INQUIRY_TRACE:
                return trace_begin(inquiries, inquiry, question->now, question->arguments);
        case INQUIRY_KEY:
                return key_holders_begin(inquiry, question);
        case INQUIRY_WAIT:
                break; /* a vigil */
        }
        return -EINVAL;
}

static void begin_vigil(struct inquiries *inquiries, const struct question *question)
{
        uint64_t deadline_ns;

        if (read_deadline(question, INQUIRY_WAIT, &deadline_ns) < 0) {
                question_refuse(question, -EINVAL, "an argument is missing or out of range");
                return;
        }
        vigil_begin(&inquiries->vigils, question, deadline_ns);
}

void inquiry_begin(struct inquiries *inquiries, const struct question *question,
                enum inquiry_kind kind)
{
        int i = 0;
        int r;

        if (kind == INQUIRY_WAIT) {
                begin_vigil(inquiries, question);
                return;
        }
        while (i < INQUIRIES_MAX && inquiries->slots[i].question.guest) {
                i++;
        }
        if (i == INQUIRIES_MAX) {
                question_refuse(question, CMI_E_BUSY, "%d queries of this kind run already",
                                INQUIRIES_MAX);
                return;
        }
        r = begin(inquiries, &inquiries->slots[i], question, kind);
        if (r < 0) {
                release(inquiries, &inquiries->slots[i]);
                question_refuse(question, r,
                                r == -ENOENT ? "no peer of this name or id is known"
                                             : "an argument is missing or out of range");
        }
}

/* Asking */

static void ask(struct inquiries *inquiries, struct inquiry *inquiry, uint32_t index)
{
        static const enum cmi_query_kind kinds[] = {[INQUIRY_LINKS] = CMI_QUERY_LINKS,
                        [INQUIRY_PING] = CMI_QUERY_PING,
                        [INQUIRY_TRACE] = CMI_QUERY_TRACE,
                        [INQUIRY_KEY] = CMI_QUERY_KEYS};
        struct target *target = &inquiry->targets[index];
        const struct cookie cookie = {
                        .kind = COOKIE_ASK,
                        .slot = (uint32_t)(inquiry - inquiries->slots),
                        .part = index,
                        .generation = inquiry->generation,
        };
        struct cmi_time now = clock_now();
        uint64_t left_ns =
                        inquiry->deadline_ns > now.mono_ns ? inquiry->deadline_ns - now.mono_ns : 1;
        int r;

        if (inquiry->kind == INQUIRY_KEY && left_ns > REPEAT_NS) {
                left_ns = REPEAT_NS;
        }
        target->state = TARGET_ASKED;
        target->asked_ns = now.mono_ns;
        inquiries->n_open++;
        r = core_query(inquiries->service->core, now, &target->id, kinds[inquiry->kind],
                        inquiry->trace.number, left_ns, cookie_pack(cookie));
        if (r < 0) {
                inquiries->n_open--;
                target->state = r == -EBUSY ? TARGET_DUE : TARGET_FAILED;
                target->error = "no link to it";
        }
}

static void ask_on(struct inquiries *inquiries, struct inquiry *inquiry)
{
        for (uint32_t i = 0; i < inquiry->n_targets && inquiries->n_open < INQUIRY_QUERIES_MAX;
                        i++) {
                if (inquiry->targets[i].state == TARGET_DUE) {
                        ask(inquiries, inquiry, i);
                }
        }
}

static int find_target(const struct inquiry *inquiry, const struct cmi_id *id)
{
        uint32_t low = 0;
        uint32_t high = inquiry->n_targets;

        while (low < high) {
                uint32_t middle = low + (high - low) / 2;
                int order = cmi_id_compare(&inquiry->targets[inquiry->by_id[middle]].id, id);

                if (order == 0) {
                        return (int)inquiry->by_id[middle];
                }
                if (order < 0) {
                        low = middle + 1;
                } else {
                        high = middle;
                }
        }
        return -ENOENT;
}

static void take_links(struct inquiry *inquiry, uint32_t row, const struct cmi_answer *answer)
{
        for (uint32_t i = 0; i < answer->n_links; i++) {
                int column = find_target(inquiry, &answer->links[i].id);
                size_t n = inquiry->n_targets;
                char *back;

                if (column < 0 || (uint32_t)column == row) {
                        continue;
                }
                inquiry->cells[row * n + (size_t)column] = answer->links[i].is_heard ? '1' : '0';
                /* What the other one told it stands in for an answer that may not come. */
                back = &inquiry->cells[(size_t)column * n + row];
                if (*back == '?' && answer->links[i].is_heard) {
                        *back = answer->links[i].hears_me ? '1' : '0';
                }
        }
}

bool inquiry_done(struct inquiries *inquiries, uint64_t packed, const struct core_outcome *outcome)
{
        struct cookie cookie = cookie_unpack(packed);
        struct inquiry *inquiry = &inquiries->slots[cookie.slot % INQUIRIES_MAX];

        if (cookie.kind != COOKIE_TRACE) {
                return false;
        }
        if (inquiry->question.guest && inquiry->generation == cookie.generation) {
                trace_done(inquiries, inquiry, outcome);
        }
        return true;
}

void inquiry_answered(struct inquiries *inquiries, uint64_t packed, const struct cmi_answer *answer)
{
        struct cookie cookie = cookie_unpack(packed);
        uint32_t index = cookie.part;
        struct inquiry *inquiry = &inquiries->slots[cookie.slot % INQUIRIES_MAX];
        struct target *target;

        if (inquiry->generation != cookie.generation || index >= inquiry->n_targets ||
                        inquiry->targets[index].state != TARGET_ASKED) {
                return;
        }
        target = &inquiry->targets[index];
        target->answered_ns = clock_read_ns(CLOCK_MONOTONIC);
        target->rtt_ns = target->answered_ns - target->asked_ns;
        target->state = answer ? TARGET_ANSWERED : TARGET_FAILED;
        target->error = answer ? "" : "no answer";
        inquiries->n_open--;
        if (answer && inquiry->kind == INQUIRY_LINKS) {
                take_links(inquiry, index, answer);
        } else if (answer && inquiry->kind == INQUIRY_TRACE) {
                trace_answered(target, answer);
        } else if (answer && inquiry->kind == INQUIRY_KEY) {
                key_holders_answered(inquiry, target, answer);
        }
}

/* Answering */

static void write_links(struct inquiries *inquiries, const struct inquiry *inquiry,
                struct document *document)
{
        size_t n = inquiry->n_targets;
        uint64_t n_cells[3] = {0};

        document_text(document, "self", inquiries->service->config->name);
        document_open_array(document, "nodes");
        for (uint32_t i = 0; i < n; i++) {
                const struct target *target = &inquiry->targets[i];
                const char *row = inquiry->cells + i * n;

                document_open_map(document, NULL);
                document_text(document, "name", target->name);
                document_id(document, "id", &target->id);
                document_text(document, "state", target->state_text);
                document_bool(document, "answered", target->state == TARGET_ANSWERED);
                document_str(document, "hears", cmi_slice(row, n));
                document_close(document);
                for (uint32_t j = 0; j < n; j++) {
                        n_cells[0] += row[j] == '1';
                        n_cells[1] += row[j] == '0';
                        n_cells[2] += row[j] == '?';
                }
        }
        document_close(document);
        document_uint(document, "heard", n_cells[0]);
        document_uint(document, "not_heard", n_cells[1]);
        document_uint(document, "unknown", n_cells[2]);
}

static void write_ping(const struct inquiry *inquiry, struct document *document)
{
        document_open_array(document, "peers");
        for (uint32_t i = 0; i < inquiry->n_targets; i++) {
                const struct target *target = &inquiry->targets[i];
                bool is_answered = target->state == TARGET_ANSWERED;

                document_open_map(document, NULL);
                document_text(document, "name", target->name);
                document_id(document, "id", &target->id);
                document_text(document, "state", target->state_text);
                if (is_answered) {
                        document_uint(document, "rtt_us", target->rtt_ns / CMI_NS_PER_US);
                } else {
                        document_nil(document, "rtt_us");
                }
                document_text(document, "error",
                                is_answered || target->error[0] ? target->error : "no answer");
                document_close(document);
        }
        document_close(document);
}

static void finish(struct inquiries *inquiries, struct inquiry *inquiry, struct cmi_time now)
{
        static const char *const schemas[] = {[INQUIRY_LINKS] = "links",
                        [INQUIRY_PING] = "ping",
                        [INQUIRY_TRACE] = "trace"};
        const struct question question = inquiry->question;
        struct answer answer;
        struct document *document = &answer.document;

        answer_begin(&answer, &question, schemas[inquiry->kind]);
        if (inquiry->kind == INQUIRY_LINKS) {
                write_links(inquiries, inquiry, document);
        } else if (inquiry->kind == INQUIRY_PING) {
                write_ping(inquiry, document);
        } else {
                trace_write(inquiries, inquiry, document, now);
        }
        release(inquiries, inquiry);
        answer_send(&answer, &question);
}

static void finish_key(struct inquiries *inquiries, struct inquiry *inquiry)
{
        const struct question question = inquiry->question;
        char key[KEY_RING_FINGERPRINT_SIZE];
        char text[KEY_HOLDERS_TEXT_MAX];
        int r = key_holders_judge(inquiry, text);

        memcpy(key, inquiry->key, sizeof(key));
        release(inquiries, inquiry);
        if (r < 0) {
                question_refuse(&question, r, "%s", text);
        } else {
                verb_key_use_now(&question, cmi_slice_str(key));
        }
}

static bool has_open_targets(const struct inquiry *inquiry)
{
        for (uint32_t i = 0; i < inquiry->n_targets; i++) {
                if (inquiry->targets[i].state == TARGET_DUE ||
                                inquiry->targets[i].state == TARGET_ASKED) {
                        return true;
                }
        }
        return false;
}

static void turn_one(struct inquiries *inquiries, struct inquiry *inquiry, struct cmi_time now)
{
        bool is_over = now.mono_ns >= inquiry->deadline_ns;

        if (inquiry->kind == INQUIRY_TRACE && !trace_turn(inquiries, inquiry, now)) {
                return;
        }
        ask_on(inquiries, inquiry);
        if (inquiry->kind == INQUIRY_KEY) {
                key_holders_repeat(inquiry); /* in the next turn */
        }
        if (!is_over && has_open_targets(inquiry)) {
                return;
        }
        if (inquiry->kind == INQUIRY_KEY) {
                finish_key(inquiries, inquiry);
        } else {
                finish(inquiries, inquiry, now);
        }
}

void inquiry_turn(struct inquiries *inquiries, struct cmi_time now)
{
        for (int i = 0; i < INQUIRIES_MAX && inquiries->n_active > 0; i++) {
                if (inquiries->slots[i].question.guest) {
                        turn_one(inquiries, &inquiries->slots[i], now);
                }
        }
        vigils_turn(&inquiries->vigils, now);
}

void inquiry_note(struct inquiries *inquiries)
{
        for (int i = 0; i < INQUIRIES_MAX && inquiries->n_active > 0; i++) {
                struct inquiry *inquiry = &inquiries->slots[i];

                if (inquiry->question.guest && inquiry->kind == INQUIRY_TRACE &&
                                !inquiry->trace.is_asking) {
                        trace_note(inquiries, inquiry, clock_now());
                }
        }
}

int inquiry_timeout_ms(const struct inquiries *inquiries)
{
        return inquiries->n_active > 0 || inquiries->vigils.n > 0 ? INQUIRY_TICK_MS : -1;
}
