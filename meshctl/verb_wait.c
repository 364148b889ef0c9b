/* SPDX-License-Identifier: MIT */
/*
 * wait: block until this node, or the mesh as it sees it, is as wanted. meshd decides when that is
 * so; a meshd that is not there yet is waited for here.
 */
#include "meshctl/document.h"
#include "meshctl/verbs.h"

#include "base/cleanup.h"

#include <string.h>

#define PEERS_MAX 512

struct goal {
        const char *word;
        uint64_t count;
};

static int read_goal(struct call *call, struct goal *ret_goal)
{
        const char *text = arguments_value(call->arguments, "for");

        *ret_goal = (struct goal){.word = text};
        if (!text) {
                return problem_set(&call->problem, STATUS_USAGE, "meshctl wait --for=live",
                                "wait needs --for=live, --for=peers=N or --for=caught-up");
        }
        if (strcmp(text, "live") == 0 || strcmp(text, "caught-up") == 0) {
                return 0;
        }
        ret_goal->word = "peers";
        if (strncmp(text, "peers=", 6) != 0 ||
                        arguments_number(text + 6, 0, PEERS_MAX, &ret_goal->count) < 0) {
                return problem_set(&call->problem, STATUS_USAGE, "meshctl wait --for=peers=2",
                                "--for=%s: wait for live, peers=N (N from 0 to %d) or caught-up",
                                text, PEERS_MAX);
        }
        return 0;
}

int verb_wait(struct call *call)
{
        CM_CLEANUP(json_decref_p) json_t *document = NULL;
        struct call_arguments arguments;
        struct goal goal;
        uint64_t left;
        int status = read_goal(call, &goal);

        if (status != 0) {
                return status;
        }
        progress_start(&call->progress, "waiting for %s", arguments_value(call->arguments, "for"));
        status = call_open_patiently(call);
        if (status != 0) {
                return status;
        }
        call_arguments_begin(&arguments, 3);
        call_arguments_str(&arguments, "for", goal.word);
        call_arguments_uint(&arguments, "count", goal.count);
        left = call_left_ms(call);
        call_arguments_uint(&arguments, "timeout_ms", left);
        status = call_query_within(call, "wait", call_arguments_end(&arguments),
                        left + CALL_GRACE_MS, &document);
        if (status == 0) {
                progress_stop(&call->progress);
                view_fields(document, "for", &call->output);
        }
        return status;
}
