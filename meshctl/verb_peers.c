/* SPDX-License-Identifier: MIT */
/* peers, peer, forget: the members as this node sees them. */
#include "meshctl/document.h"
#include "meshctl/target.h"
#include "meshctl/verbs.h"

#include "base/cleanup.h"

#include <string.h>

static const struct view_column peer_columns[] = {
                {"NAME", "name", VIEW_SELF},
                {"STATE", "state", VIEW_STATE},
                {"ADDRESS", "address", VIEW_TEXT},
                {"RTT", "rtt_us", VIEW_US},
                {"SEEN", "seen_ms", VIEW_MS},
                {"LAG", "lag", VIEW_COUNT},
                {"BEHIND", "behind", VIEW_COUNT, true},
                {"GAPS", "gaps", VIEW_COUNT},
                {"RESETS", "resets", VIEW_COUNT, true},
                {"LAPSES", "lapses", VIEW_COUNT, true},
                {"FOR", "state_ms", VIEW_MS, true},
                {"INCARNATION", "incarnation", VIEW_TEXT, true},
                {"ID", "id", VIEW_TEXT, true},
                {"VERSION", "software", VIEW_TEXT},
                {NULL},
};

static const struct view peers_view = {"peers", "name", peer_columns};

static bool is_missing(const json_t *row)
{
        const char *state = document_str(row, "state", "");

        return strcmp(state, "silent") == 0 || strcmp(state, "gone") == 0;
}

int verb_peers(struct call *call)
{
        CM_CLEANUP(json_decref_p) json_t *document = NULL;
        const json_t *row;
        int status = call_query(call, "peers", cmi_slice(NULL, 0), &document);
        size_t i;

        if (status != 0) {
                return status;
        }
        view_rows(&peers_view, document, &call->output);
        json_array_foreach(json_object_get(document, "peers"), i, row)
        {
                if (is_missing(row)) {
                        status = STATUS_DEGRADED;
                }
        }
        return status;
}

static const struct view_column transition_columns[] = {
                {"AGO", "ago_ms", VIEW_MS},
                {"FROM", "from", VIEW_TEXT},
                {"TO", "state", VIEW_STATE},
                {"WHY", "why", VIEW_TEXT},
                {NULL},
};

static const struct view transitions_view = {"transitions", "state", transition_columns};

/* A table of its own below the fields; in JSON they are in the document. */
static void show_transitions(const json_t *document, const struct output *output)
{
        bool is_table = output->format == FORMAT_TABLE || output->format == FORMAT_WIDE;

        if (is_table && !output->is_quiet &&
                        json_array_size(json_object_get(document, "transitions")) > 0) {
                fputc('\n', output->file);
                view_rows(&transitions_view, document, output);
        }
}

/* About the one that is named. Return: 0, or an exit status. */
static int ask(struct call *call, const char *verb, json_t **ret_document)
{
        const char *name = call->arguments->operands[0];
        struct call_arguments arguments;
        int status = target_check_peer(&call->problem, name);

        if (status != 0) {
                return status;
        }
        call_arguments_begin(&arguments, 1);
        call_arguments_str(&arguments, "peer", name);
        return call_query(call, verb, call_arguments_end(&arguments), ret_document);
}

int verb_peer(struct call *call)
{
        CM_CLEANUP(json_decref_p) json_t *document = NULL;
        int status = ask(call, "peer", &document);

        if (status != 0) {
                return status;
        }
        view_fields(document, "name", &call->output);
        show_transitions(document, &call->output);
        return is_missing(document) ? STATUS_DEGRADED : STATUS_OK;
}

int verb_forget(struct call *call)
{
        CM_CLEANUP(json_decref_p) json_t *document = NULL;
        int status = ask(call, "forget", &document);

        if (status != 0) {
                return status;
        }
        view_fields(document, "peer", &call->output);
        return STATUS_OK;
}
