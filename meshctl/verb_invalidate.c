/* SPDX-License-Identifier: MIT */
/*
 * invalidate: publish keys, tags or a whole region from the command line or standard
 * input. Each full batch is put into the stream before the next one is sent; the last one, and
 * what has come from standard input when that falls silent, waits as far as was asked for.
 */
#include "meshctl/batch.h"
#include "meshctl/deadline.h"
#include "meshctl/document.h"
#include "meshctl/lines.h"
#include "meshctl/memory.h"
#include "meshctl/target.h"
#include "meshctl/verbs.h"

#include "base/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

struct work {
        struct call *call;
        const char *region;
        bool is_tags;
        bool is_whole_region;
        enum cmi_wait wait;
        struct batch *batch;
        uint64_t n_targets;   /* accepted */
        uint64_t n_published; /* of them, in the stream */
        uint64_t n_operations;
        struct cmi_result result; /* of the last operation; its members are in the list */
        json_t *members;
};

static const struct view_column result_columns[] = {
                {"OUTCOME", "outcome", VIEW_STATE},
                {"POSITION", "position", VIEW_COUNT},
                {"TARGETS", "n_targets", VIEW_COUNT},
                {"APPLIED", "n_applied", VIEW_COUNT},
                {"LAPSED", "n_lapsed", VIEW_COUNT},
                {"UNCONFIRMED", "n_unconfirmed", VIEW_COUNT},
                {NULL},
};

static const struct view_column member_columns[] = {
                {"MEMBER", "name", VIEW_TEXT},
                {"STATE", "state", VIEW_STATE},
                {"ID", "id", VIEW_TEXT, true},
                {NULL},
};

static const struct view result_view = {"results", "outcome", result_columns};
static const struct view members_view = {"members", "name", member_columns};

static void take_members(struct work *work)
{
        static const char *const states[] = {"applied", "lapsed", "unconfirmed"};

        json_array_clear(work->members);
        for (uint32_t i = 0; i < work->result.n_members; i++) {
                struct cmi_result_member member = cmi_result_next_member(&work->result.members);
                char id[CMI_ID_TEXT_SIZE];

                cmi_id_format(&member.id, id);
                json_array_append_new(work->members,
                                memory_got(json_pack("{s:o, s:s, s:s}", "name",
                                                document_text(member.name), "id", id, "state",
                                                member.state < 3 ? states[member.state]
                                                                 : "unknown")));
        }
}

/* Send the batch, and take what is said about it. */
static int send_batch(struct work *work, enum cmi_wait wait)
{
        CM_CLEANUP(cmi_free_p) uint8_t *op = memory_got(malloc(CMI_OP_SIZE_MAX));
        struct call *call = work->call;
        struct cmi_writer writer = cmi_writer(op, CMI_OP_SIZE_MAX);
        struct cmi_publish request = {.wait = wait, .timeout_ms = call_left_ms(call)};
        uint64_t deadline_ns = deadline_in_ms(request.timeout_ms + CALL_GRACE_MS), id = 0;
        struct cmi_local_head head = {0};
        int status;

        batch_write(work->batch, &writer, cmi_slice_str(work->region), work->is_tags,
                        work->is_whole_region);
        request.op = cmi_written(&writer);
        cmi_publish_write(channel_begin(call->channel, CMI_LOCAL_PUBLISH), &request);
        status = channel_send(call->channel, deadline_ns, &id, &call->problem);
        if (status == 0) {
                status = channel_await(call->channel, deadline_ns, "invalidate", id,
                                CMI_LOCAL_RESULT, &head, &call->problem);
        }
        if (status == 0 && cmi_result_decode(head.fields, &work->result) < 0) {
                status = problem_set(&call->problem, STATUS_FAILED,
                                "use the meshctl that came with this meshd",
                                "meshd's result cannot be read");
        }
        return status;
}

/* What comes from standard input may come for days: each operation has the time of a call, and
 * finds a meshd that was restarted meanwhile. To publish it twice does no harm. */
static int publish(struct work *work, enum cmi_wait wait)
{
        struct call *call = work->call;
        bool is_feed = arguments_has(call->arguments, "stdin");
        int status;

        if (is_feed) {
                call_renew(call);
        }
        status = send_batch(work, wait);
        if (status == STATUS_UNREACHABLE && is_feed) {
                call->channel = channel_close(call->channel);
                status = call_open_patiently(call);
                status = status ? status : send_batch(work, wait);
        }
        if (status != 0) {
                return status;
        }
        take_members(work);
        work->n_operations++;
        work->n_published += work->batch->n;
        work->batch->n = 0;
        work->batch->used = 0;
        return 0;
}

static int check_target(const struct work *work, uint64_t number, size_t len)
{
        size_t max = work->is_tags ? CMI_TAG_MAX : CMI_KEY_MAX;

        if (len > 0 && len <= max) {
                return 0;
        }
        return problem_set(&work->call->problem, STATUS_USAGE, "leave it out",
                        "%s number %" PRIu64 " has %zu bytes, 1 to %zu are possible; %" PRIu64
                        " before it were published",
                        work->is_tags ? "tag" : "key", number, len, max, work->n_published);
}

/* Publish what was taken. */
static int flush(struct work *work, enum cmi_wait wait)
{
        return work->batch->n > 0 ? publish(work, wait) : 0;
}

static int add(struct work *work, const char *data, size_t len)
{
        size_t max = work->is_tags ? CMI_TAG_MAX : CMI_KEY_MAX;
        int status = len == 0 || len > max ? flush(work, CMI_WAIT_NODE) : 0;

        status = status ? status : check_target(work, work->n_targets + 1, len);
        if (status != 0) {
                return status;
        }
        if (!batch_has_room(work->batch, len)) {
                status = publish(work, CMI_WAIT_NODE);
                if (status != 0) {
                        return status;
                }
        }
        batch_add(work->batch, data, len);
        work->n_targets++;
        return 0;
}

static int add_lines(struct work *work, struct lines *lines)
{
        struct cmi_slice line;
        int status = 0;

        while (status == 0) {
                int r = lines_next(lines, &line);

                if (r == LINES_END) {
                        return 0;
                }
                if (r < 0) {
                        status = flush(work, CMI_WAIT_NODE);
                        return status ? status
                                      : problem_set(&work->call->problem, STATUS_FAILED, NULL,
                                                        "standard input: %s; %" PRIu64
                                                        " before it were published",
                                                        strerror(-r), work->n_published);
                }
                status = r == LINES_LINE ? add(work, line.data, line.len) : flush(work, work->wait);
        }
        return status;
}

static int add_input(struct work *work)
{
        CM_CLEANUP(cmi_free_p) struct lines *lines = memory_got(calloc(1, sizeof(*lines)));

        lines->fd = STDIN_FILENO;
        return add_lines(work, lines);
}

static int add_all(struct work *work)
{
        const struct arguments *arguments = work->call->arguments;
        int status = 0;

        for (size_t i = 0; i < arguments->n_operands && status == 0; i++) {
                status = add(work, arguments->operands[i], strlen(arguments->operands[i]));
        }
        if (status == 0 && arguments_has(arguments, "stdin")) {
                status = add_input(work);
        }
        return status;
}

static int read_wait(struct work *work)
{
        static const char *const words[] = {"none", "node", "mesh"};
        const char *text = arguments_value(work->call->arguments, "wait");

        work->wait = CMI_WAIT_MESH;
        for (int i = 0; text && i < 3; i++) {
                if (strcmp(text, words[i]) == 0) {
                        work->wait = (enum cmi_wait)i;
                        return 0;
                }
        }
        return text ? problem_set(&work->call->problem, STATUS_USAGE, NULL,
                                      "--wait=%s: choose none, node or mesh", text)
                    : 0;
}

static int read_hold(struct work *work)
{
        const char *text = arguments_value(work->call->arguments, "hold");

        if (text && arguments_number(text, 1, CMI_HOLD_MS_MAX, &work->batch->hold_ms) < 0) {
                return problem_set(&work->call->problem, STATUS_USAGE, NULL,
                                "--hold=%s: choose 1 to %d milliseconds", text, CMI_HOLD_MS_MAX);
        }
        return 0;
}

static int check(struct work *work)
{
        const struct arguments *arguments = work->call->arguments;
        struct problem *problem = &work->call->problem;
        bool has_source = arguments->n_operands > 0 || arguments_has(arguments, "stdin");
        int status = target_check_region(problem, work->region);

        if (status != 0) {
                return status;
        }
        if (work->is_whole_region && (has_source || work->is_tags)) {
                return problem_set(problem, STATUS_USAGE, NULL,
                                "--whole-region takes no keys and no tags");
        }
        if (!work->is_whole_region && !has_source) {
                return problem_set(problem, STATUS_USAGE,
                                "name keys, or use --stdin or --whole-region",
                                "there is nothing to invalidate");
        }
        for (size_t i = 0; i < arguments->n_operands && status == 0; i++) {
                status = check_target(work, i + 1, strlen(arguments->operands[i]));
        }
        status = status ? status : read_hold(work);
        return status ? status : read_wait(work);
}

static const char *outcome_name(int64_t outcome)
{
        switch (outcome) {
        case 0:
                return "applied";
        case CMI_PENDING:
                return "pending";
        case CMI_PARTIAL:
                return "partial";
        case CMI_E_TIMEOUT:
                return "timeout";
        default:
                return "unknown";
        }
}

static void print(const struct work *work, const struct output *output)
{
        const struct cmi_result *result = &work->result;
        CM_CLEANUP(json_decref_p) json_t *results = NULL;
        json_t *document = memory_got(json_pack(
                        "{s:s, s:s, s:s, s:b, s:I, s:I, s:I, s:i, s:i, s:i, s:O}", "schema",
                        "cachemesh.invalidate/1", "outcome", outcome_name(result->outcome),
                        "region", work->region, "whole_region", work->is_whole_region, "n_targets",
                        (json_int_t)work->n_targets, "n_operations", (json_int_t)work->n_operations,
                        "position", (json_int_t)result->position, "n_applied",
                        (int)result->n_applied, "n_lapsed", (int)result->n_lapsed, "n_unconfirmed",
                        (int)result->n_unconfirmed, "members", work->members));

        results = memory_got(json_pack("{s:[o]}", "results", document));
        if (output->is_quiet || view_is_json(document, NULL, output)) {
                return;
        }
        view_rows(&result_view, results, output);
        if (json_array_size(work->members) > 0 && output->format != FORMAT_NAME) {
                fputc('\n', output->file);
                view_rows(&members_view, document, output);
        }
}

/* That of the last operation is one of all: each member applies them in their order. */
static int verdict(const struct work *work)
{
        const struct cmi_result *result = &work->result;
        struct problem *problem = &work->call->problem;

        switch (result->outcome) {
        case 0:
                return STATUS_OK;
        case CMI_PARTIAL:
                return problem_set(problem, STATUS_INCOMPLETE,
                                "they forget when they are back; meshctl forget NAME if one never "
                                "will be",
                                "published, but %u members are not proven to have applied it",
                                result->n_unconfirmed);
        case CMI_PENDING:
                return problem_set(problem, STATUS_INCOMPLETE,
                                "meshctl status says why it is not live",
                                "published, but the mesh has not confirmed it yet");
        case CMI_E_TIMEOUT:
                return problem_set(problem, STATUS_INCOMPLETE,
                                "it goes on by itself; --timeout waits longer",
                                "published, but not confirmed by all members in time");
        default:
                return problem_from_error(problem, "invalidate", (long)result->outcome, "");
        }
}

static int run(struct work *work)
{
        int status = check(work);

        if (status == 0) {
                status = call_open(work->call);
        }
        if (status == 0) {
                progress_start(&work->call->progress, "publishing");
                status = add_all(work);
        }
        if (status == 0 && (work->batch->n > 0 || work->is_whole_region)) {
                progress_start(&work->call->progress, "waiting until it is applied");
                status = publish(work, work->wait);
        }
        progress_stop(&work->call->progress);
        if (status != 0) {
                return status;
        }
        print(work, &work->call->output);
        return verdict(work);
}

int verb_invalidate(struct call *call)
{
        struct work work = {.call = call,
                        .region = arguments_value(call->arguments, "region"),
                        .is_tags = arguments_has(call->arguments, "tag"),
                        .is_whole_region = arguments_has(call->arguments, "whole-region")};
        int status;

        work.batch = memory_got(calloc(1, sizeof(*work.batch)));
        work.members = memory_got(json_array());
        status = run(&work);
        json_decref(work.members);
        free(work.batch);
        return status;
}
