/* SPDX-License-Identifier: MIT */
/* Write intents that are open on this node. */
#include "base/cleanup.h"
#include "meshctl/document.h"
#include "meshctl/memory.h"
#include "meshctl/verbs.h"
#include "meshctl/view.h"

static const struct view_column intent_columns[] = {
                {"REGION", "region", VIEW_TEXT},
                {"NODE", "node", VIEW_TEXT},
                {"CLIENT", "client", VIEW_TEXT},
                {"PID", "pid", VIEW_COUNT},
                {"KEYS", "n_keys", VIEW_COUNT},
                {"TAGS", "n_tags", VIEW_COUNT},
                {"FIRST", "first", VIEW_TEXT},
                {"AGE", "age_ms", VIEW_MS},
                {"LEFT", "left_ms", VIEW_MS},
                {"POSITION", "position", VIEW_COUNT, true},
                {"STREAM", "stream", VIEW_TEXT, true},
                {NULL},
};

static const struct view intents_view = {"intents", "position", intent_columns};

/* What no answer of meshd has room for; in JSON it is a member. */
static void tell_more(const struct call *call, json_int_t n_more)
{
        if (n_more > 0 && !call->output.is_quiet) {
                fflush(call->output.file);
                fprintf(stderr,
                                "meshctl intents: %" JSON_INTEGER_FORMAT
                                " more are open than one answer holds\n",
                                n_more);
        }
}

int verb_intents(struct call *call)
{
        CM_CLEANUP(json_decref_p) json_t *document = NULL;
        struct call_arguments arguments;
        int status;

        call_arguments_begin(&arguments, 1);
        call_arguments_bool(&arguments, "show_keys", arguments_has(call->arguments, "show-keys"));
        status = call_query(call, "intents", call_arguments_end(&arguments), &document);
        if (status == 0) {
                view_rows(&intents_view, document, &call->output);
                tell_more(call, document_int(document, "n_more", 0));
        }
        return status;
}
