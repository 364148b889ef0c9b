/* SPDX-License-Identifier: MIT */
/* spool: what apps could not hand to meshd. Needs no meshd. */
#include "meshctl/document.h"
#include "meshctl/spool.h"
#include "meshctl/verbs.h"

#include "base/cleanup.h"

static const struct view_column columns[] = {
                {"PID", "pid", VIEW_COUNT},
                {"UID", "uid", VIEW_COUNT},
                {"OPERATIONS", "operations", VIEW_COUNT},
                {"BYTES", "bytes", VIEW_BYTES},
                {"AGE", "age_ms", VIEW_MS},
                {"STATE", "state", VIEW_TEXT},
                {"FILE", "name", VIEW_TEXT, true},
                {NULL},
};

static const struct view view = {"files", "name", columns};

int verb_spool(struct call *call)
{
        CM_CLEANUP(json_decref_p) json_t *document = NULL;
        int status = spool_read(call->socket, &document, &call->problem);

        if (status != STATUS_OK) {
                return status;
        }
        view_rows(&view, document, &call->output);
        return document_int(document, "operations", 0) > 0 ? STATUS_DEGRADED : STATUS_OK;
}
