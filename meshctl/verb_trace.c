/* SPDX-License-Identifier: MIT */
/* trace: when one invalidation was where in the mesh. */
#include "meshctl/document.h"
#include "meshctl/target.h"
#include "meshctl/verbs.h"

#include "base/cleanup.h"

#include <string.h>

#define NODES_MS 1500 /* meshd asks the nodes for a second after the wait */

static const struct view_column hop_columns[] = {
                {"NODE", "name", VIEW_SELF},
                {"STATE", "state", VIEW_STATE},
                {"SENT", "sent_us", VIEW_US},
                {"APPLIED", "applied_us", VIEW_US},
                {"+-", "accuracy_us", VIEW_US},
                {"ACKNOWLEDGED", "acknowledged_us", VIEW_US},
                {"RTT", "rtt_us", VIEW_US},
                {"OUTCOME", "outcome", VIEW_STATE},
                {"ERROR", "error", VIEW_TEXT},
                {"ID", "id", VIEW_TEXT, true},
                {NULL},
};

static const struct view hops_view = {"hops", "name", hop_columns};

static int ask(struct call *call, const char *region, const char *key, json_t **ret_document)
{
        uint64_t left = call_left_ms(call);
        struct call_arguments arguments;

        call_arguments_begin(&arguments, 3);
        call_arguments_str(&arguments, "region", region);
        call_arguments_str(&arguments, "key", key);
        call_arguments_uint(&arguments, "timeout_ms", left < 600000 ? left : 600000);
        return call_query_within(call, "trace", call_arguments_end(&arguments),
                        left + NODES_MS + CALL_GRACE_MS, ret_document);
}

static int verdict(struct call *call, const json_t *document)
{
        const char *outcome = document_str(document, "outcome", "");

        if (strcmp(outcome, "applied") == 0) {
                return STATUS_OK;
        }
        return problem_set(&call->problem, STATUS_INCOMPLETE,
                        "it is in the stream; meshctl peers, meshctl status",
                        "not proven to be applied everywhere: %s", outcome);
}

int verb_trace(struct call *call)
{
        CM_CLEANUP(json_decref_p) json_t *document = NULL;
        const struct output *output = &call->output;
        bool is_table = output->format == FORMAT_TABLE || output->format == FORMAT_WIDE;
        const char *key = call->arguments->operands[0];
        const char *region = arguments_value(call->arguments, "region");
        int status = target_check(&call->problem, region, key, NULL);

        status = status ? status : ask(call, region, key, &document);
        if (status != 0) {
                return status;
        }
        if (is_table) {
                view_fields(document, "key", output);
        }
        if (is_table && !output->is_quiet) {
                fputc('\n', output->file);
        }
        view_rows(&hops_view, document, output);
        return verdict(call, document);
}
