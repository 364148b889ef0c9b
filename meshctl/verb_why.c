/* SPDX-License-Identifier: MIT */
/* why: whether a key is served on this node, and what stands in the way. */
#include "meshctl/document.h"
#include "meshctl/target.h"
#include "meshctl/verbs.h"

#include "base/cleanup.h"

static const struct view_column stamp_columns[] = {
                {"WHAT", "what", VIEW_TEXT},
                {"STAMP", "stamp", VIEW_COUNT},
                {"AGO", "ago_ms", VIEW_MS},
                {"BY", "source", VIEW_TEXT},
                {"POSITION", "position", VIEW_COUNT},
                {"KIND", "kind", VIEW_TEXT},
                {"CAUSE", "cause", VIEW_TEXT},
                {NULL},
};

static const struct view stamps_view = {"stamps", "what", stamp_columns};

static void show(const json_t *document, const struct output *output)
{
        bool is_table = output->format == FORMAT_TABLE || output->format == FORMAT_WIDE;

        view_fields(document, "key", output);
        if (is_table && !output->is_quiet) {
                fputc('\n', output->file);
                view_rows(&stamps_view, document, output);
        }
}

int verb_why(struct call *call)
{
        CM_CLEANUP(json_decref_p) json_t *document = NULL;
        const char *key = call->arguments->operands[0];
        const char *region = arguments_value(call->arguments, "region");
        const char *tag = arguments_value(call->arguments, "tag");
        struct call_arguments arguments;
        int status = target_check(&call->problem, region, key, tag);

        if (status != 0) {
                return status;
        }
        call_arguments_begin(&arguments, tag ? 3 : 2);
        call_arguments_str(&arguments, "region", region);
        call_arguments_str(&arguments, "key", key);
        if (tag) {
                call_arguments_str(&arguments, "tag", tag);
        }
        status = call_query(call, "why", call_arguments_end(&arguments), &document);
        if (status != 0) {
                return status;
        }
        show(document, &call->output);
        return json_is_true(json_object_get(document, "is_served")) ? STATUS_OK : STATUS_DEGRADED;
}
