/* SPDX-License-Identifier: MIT */
/* ping: round trips to other nodes through the data path of both; each row sums up all
 * rounds to one of them. */
#include "meshctl/deadline.h"
#include "meshctl/document.h"
#include "meshctl/memory.h"
#include "meshctl/target.h"
#include "meshctl/verbs.h"

#include "base/cleanup.h"

#include <inttypes.h>
#include <string.h>

#define ANSWER_MS 1000
#define PAUSE_MS 100 /* between two rounds */
#define COUNT_MAX 100000

static const struct view_column ping_columns[] = {
                {"NAME", "name", VIEW_TEXT},
                {"SENT", "sent", VIEW_COUNT},
                {"ANSWERED", "answered", VIEW_COUNT},
                {"LAST", "rtt_us", VIEW_US},
                {"MIN", "min_us", VIEW_US},
                {"MEAN", "mean_us", VIEW_US},
                {"MAX", "max_us", VIEW_US},
                {"ERROR", "error", VIEW_TEXT},
                {NULL},
};

static const struct view ping_view = {"peers", "name", ping_columns};

static json_t *row_of(json_t *rows, const json_t *answer)
{
        const char *id = document_str(answer, "id", "");
        json_t *row;
        size_t i;

        json_array_foreach(rows, i, row)
        {
                if (strcmp(document_str(row, "id", ""), id) == 0) {
                        return row;
                }
        }
        row = memory_got(json_pack("{s:s, s:s, s:i, s:i}", "name",
                        document_str(answer, "name", "?"), "id", id, "sent", 0, "answered", 0));
        json_array_append_new(rows, row);
        return row;
}

static void set_int(json_t *row, const char *key, json_int_t value)
{
        json_object_set_new(row, key, memory_got(json_integer(value)));
}

/* Named for completeness: nobody expects an answer of one that is gone or was never met. */
static bool is_absent(const json_t *row)
{
        const char *state = document_str(row, "state", "");

        return strcmp(state, "gone") == 0 || strcmp(state, "seen") == 0;
}

static void add(json_t *row, const json_t *answer)
{
        json_int_t answered = document_int(row, "answered", 0);
        json_int_t rtt = document_int(answer, "rtt_us", -1);
        json_int_t min, max, sum = document_int(row, "mean_us", 0) * answered;

        set_int(row, "sent", document_int(row, "sent", 0) + 1);
        json_object_set_new(row, "error", json_string(document_str(answer, "error", "")));
        if (json_object_get(answer, "state")) {
                json_object_set(row, "state", json_object_get(answer, "state"));
        }
        if (rtt < 0) {
                json_object_set_new(row, "rtt_us", json_null());
                return;
        }
        min = document_int(row, "min_us", rtt);
        max = document_int(row, "max_us", rtt);
        set_int(row, "answered", answered + 1);
        set_int(row, "rtt_us", rtt);
        set_int(row, "min_us", rtt < min ? rtt : min);
        set_int(row, "mean_us", (sum + rtt) / (answered + 1));
        set_int(row, "max_us", rtt > max ? rtt : max);
}

/* One question: one peer, or all if @peer is NULL. */
static int ask(struct call *call, const char *peer, json_t *rows)
{
        CM_CLEANUP(json_decref_p) json_t *document = NULL;
        uint64_t left = call_left_ms(call);
        struct call_arguments arguments;
        const json_t *answer;
        int status;
        size_t i;

        left = left < ANSWER_MS ? left : ANSWER_MS;
        call_arguments_begin(&arguments, peer ? 2 : 1);
        call_arguments_uint(&arguments, "timeout_ms", left);
        if (peer) {
                call_arguments_str(&arguments, "peer", peer);
        }
        status = call_query_within(call, "ping", call_arguments_end(&arguments),
                        left + CALL_GRACE_MS, &document);
        if (status != 0) {
                return status;
        }
        json_array_foreach(json_object_get(document, "peers"), i, answer)
        {
                add(row_of(rows, answer), answer);
        }
        return 0;
}

static int round_of(struct call *call, json_t *rows)
{
        const struct arguments *arguments = call->arguments;
        int status = 0;

        if (arguments->n_operands == 0) {
                return ask(call, NULL, rows);
        }
        for (size_t i = 0; i < arguments->n_operands && status == 0; i++) {
                status = ask(call, arguments->operands[i], rows);
        }
        return status;
}

static int verdict(struct call *call, const json_t *rows, uint64_t n_rounds, uint64_t count)
{
        bool is_all = call->arguments->n_operands == 0;
        json_int_t sent = 0, answered = 0;
        const char *absent = NULL;
        const json_t *row;
        size_t i;

        json_array_foreach(rows, i, row)
        {
                if (is_all && is_absent(row) && document_int(row, "answered", 0) == 0) {
                        absent = document_str(row, "name", "?");
                        continue;
                }
                sent += document_int(row, "sent", 0);
                answered += document_int(row, "answered", 0);
        }
        if (answered < sent) {
                return problem_set(&call->problem, STATUS_INCOMPLETE,
                                "meshctl peers shows their states",
                                "%" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT
                                " pings were not answered",
                                sent - answered, sent);
        }
        if (n_rounds < count) {
                return problem_set(&call->problem, STATUS_INCOMPLETE, "--timeout waits longer",
                                "the time was over after %" PRIu64 " of %" PRIu64 " rounds",
                                n_rounds, count);
        }
        return absent ? problem_set(&call->problem, STATUS_DEGRADED,
                                        "meshctl peer NAME says since when; meshctl forget NAME if "
                                        "it does not come back",
                                        "not all members are there to be asked: %s", absent)
                      : STATUS_OK;
}

static int check(struct call *call, uint64_t *ret_count)
{
        const struct arguments *arguments = call->arguments;
        const char *count = arguments_value(arguments, "count");
        int status = 0;

        for (size_t i = 0; i < arguments->n_operands && status == 0; i++) {
                status = target_check_peer(&call->problem, arguments->operands[i]);
        }
        if (status == 0 && count && arguments_number(count, 1, COUNT_MAX, ret_count) < 0) {
                status = problem_set(&call->problem, STATUS_USAGE, NULL,
                                "--count=%s: a number from 1 to %d", count, COUNT_MAX);
        }
        return status;
}

int verb_ping(struct call *call)
{
        CM_CLEANUP(json_decref_p) json_t *document = NULL;
        uint64_t count = 1, n = 0;
        json_t *rows;
        int status = check(call, &count);

        if (status != 0) {
                return status;
        }
        document = memory_got(json_pack("{s:s, s:[]}", "schema", "cachemesh.ping/1", "peers"));
        rows = json_object_get(document, "peers");
        do {
                progress_start(&call->progress, "ping, round %" PRIu64 " of %" PRIu64, n + 1,
                                count);
                if (n > 0) {
                        call_pause(call, PAUSE_MS);
                }
                status = round_of(call, rows);
                n++;
        } while (status == 0 && n < count && deadline_left_ms(call->deadline_ns) != 0);
        progress_stop(&call->progress);
        if (status != 0) {
                return status;
        }
        view_rows(&ping_view, document, &call->output);
        return verdict(call, rows, n, count);
}
