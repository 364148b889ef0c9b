/* SPDX-License-Identifier: MIT */
/* links: who is connected to whom, in which direction; with --check as a test, with
 * --wait until all are. */
#include "meshctl/deadline.h"
#include "meshctl/document.h"
#include "meshctl/links.h"
#include "meshctl/memory.h"
#include "meshctl/verbs.h"

#include "base/cleanup.h"

#define ANSWER_MS 1000 /* that meshd waits for the other nodes */
#define AGAIN_MS 200

static const struct view_column bad_columns[] = {
                {"FROM", "from", VIEW_TEXT},
                {"TO", "to", VIEW_TEXT},
                {"STATE", "state", VIEW_STATE},
                {NULL},
};

static const struct view bad_view = {"links", "from", bad_columns};

static int ask(struct call *call, json_t **ret_document, struct links *ret_links)
{
        struct call_arguments arguments;
        uint64_t left = call_left_ms(call);
        int status;

        left = left < ANSWER_MS ? left : ANSWER_MS;
        call_arguments_begin(&arguments, 1);
        call_arguments_uint(&arguments, "timeout_ms", left);
        status = call_query_within(call, "links", call_arguments_end(&arguments),
                        left + CALL_GRACE_MS, ret_document);
        if (status != 0) {
                return status;
        }
        if (links_read(*ret_document, ret_links) < 0) {
                return problem_set(&call->problem, STATUS_FAILED,
                                "use the meshctl that came with this meshd",
                                "meshd's answer is not of the form that this meshctl knows");
        }
        return 0;
}

static void print_matrix(const struct links *links, const struct output *output)
{
        static const char *const words[] = {[LINK_SELF] = ".",
                        [LINK_CONNECTED] = "yes",
                        [LINK_CUT] = "NO",
                        [LINK_UNKNOWN] = "?"};
        struct table *table = table_new(links->n_nodes + 1);

        table_title(table, "FROM\\TO", false);
        for (size_t to = 0; to < links->n_nodes; to++) {
                table_title(table, links_name(links, to), false);
        }
        for (size_t from = 0; from < links->n_nodes; from++) {
                table_cell(table, links_name(links, from), TABLE_PLAIN);
                for (size_t to = 0; to < links->n_nodes; to++) {
                        const char *word = words[links_state(links, from, to)];

                        table_cell(table, word, view_state_color(word));
                }
        }
        table_print(table, output->file, output->has_headers, output->is_color);
        table_free(table);
}

/* JSON has each link by name, so that nobody needs to count characters. */
static void print(struct call *call, json_t *document, const struct links *links)
{
        bool is_check = arguments_has(call->arguments, "check");
        const struct output *output = &call->output;

        if (output->is_quiet) {
                return;
        }
        json_object_set_new(document, "links", links_list(links, is_check));
        if (is_check || (output->format != FORMAT_TABLE && output->format != FORMAT_WIDE)) {
                if (links->n_bad > 0 || output->format == FORMAT_JSON ||
                                output->format == FORMAT_JSONL) {
                        view_rows(&bad_view, document, output);
                }
                return;
        }
        print_matrix(links, output);
}

static int verdict(struct call *call, const struct links *links)
{
        bool is_waited_for = arguments_has(call->arguments, "wait");

        if (links->n_bad == 0 || (!is_waited_for && !arguments_has(call->arguments, "check"))) {
                return STATUS_OK;
        }
        return problem_set(&call->problem, is_waited_for ? STATUS_INCOMPLETE : STATUS_DEGRADED,
                        "meshctl peers shows their states; meshctl forget NAME drops a node that "
                        "is gone for good",
                        "%zu of %zu links are not connected", links->n_bad,
                        links->n_bad + links->n_connected);
}

int verb_links(struct call *call)
{
        bool is_patient = arguments_has(call->arguments, "wait");
        CM_CLEANUP(json_decref_p) json_t *document = NULL;
        struct links links;
        int status;

        progress_start(&call->progress, "%s",
                        is_patient ? "waiting for all links" : "asking all nodes");
        status = is_patient ? call_open_patiently(call) : call_open(call);
        if (status == 0) {
                status = ask(call, &document, &links);
        }
        while (is_patient && status == 0 && links.n_bad > 0 &&
                        deadline_left_ms(call->deadline_ns) > 0) {
                snprintf(call->progress.what, sizeof(call->progress.what),
                                "waiting for all links, %zu of %zu connected", links.n_connected,
                                links.n_connected + links.n_bad);
                call_pause(call, AGAIN_MS);
                json_decref(document);
                document = NULL;
                status = ask(call, &document, &links);
        }
        progress_stop(&call->progress);
        if (status != 0) {
                return status;
        }
        print(call, document, &links);
        return verdict(call, &links);
}
