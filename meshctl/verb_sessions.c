/* SPDX-License-Identifier: MIT */
/* Sessions that the node holds: a table, one of them, and the end of one. */
#include "base/cleanup.h"
#include "meshctl/document.h"
#include "meshctl/memory.h"
#include "meshctl/verbs.h"
#include "meshctl/view.h"

#include <stdio.h>
#include <string.h>

#define KEY_DIGITS 32
#define ROWS_AT_ONCE 1000 /* of one answer */
#define ROWS_DEFAULT 1000
#define ROWS_MAX 10000000

static const struct view_column session_columns[] = {
                {"KEY", "key", VIEW_TEXT},
                {"TAG", "tag", VIEW_TEXT},
                {"SIZE", "bytes", VIEW_BYTES},
                {"AGE", "age_ms", VIEW_MS},
                {"IDLE", "idle_ms", VIEW_MS},
                {"LEFT", "left_ms", VIEW_MS},
                {"EPOCH", "epoch", VIEW_COUNT, true},
                {"SEQ", "seq", VIEW_COUNT, true},
                {"UID", "uid", VIEW_COUNT, true},
                {"SPACE", "space", VIEW_TEXT, true},
                {"PRINCIPAL", "principal", VIEW_TEXT, true},
                {NULL},
};

static const struct view sessions_view = {"sessions", "key", session_columns};

static int ask_page(struct call *call, const char *from, uint64_t limit, json_t **ret_document)
{
        const char *space = arguments_value(call->arguments, "space");
        struct call_arguments arguments;

        call_arguments_begin(&arguments, space ? 3 : 2);
        call_arguments_uint(&arguments, "limit", limit);
        call_arguments_str(&arguments, "from", from);
        if (space) {
                call_arguments_str(&arguments, "space", space);
        }
        return call_query(call, "sessions", call_arguments_end(&arguments), ret_document);
}

/* Puts a page behind what is there; the first one is what the others are added to. */
static void add_page(json_t **all, json_t *page)
{
        if (!*all) {
                *all = json_incref(page);
                return;
        }
        json_array_extend(json_object_get(*all, "sessions"), json_object_get(page, "sessions"));
        json_object_set(*all, "has_more", json_object_get(page, "has_more"));
}

static int gather(struct call *call, uint64_t limit, json_t **ret_document)
{
        CM_CLEANUP(json_decref_p) json_t *all = NULL;
        char from[KEY_DIGITS + 1] = "";
        bool has_more = true;
        uint64_t n = 0;

        while (has_more && n < limit) {
                CM_CLEANUP(json_decref_p) json_t *page = NULL;
                uint64_t want = limit - n < ROWS_AT_ONCE ? limit - n : ROWS_AT_ONCE;
                int status = ask_page(call, from, want, &page);

                if (status != STATUS_OK) {
                        return status;
                }
                snprintf(from, sizeof(from), "%s", document_str(page, "next", ""));
                has_more = json_is_true(json_object_get(page, "has_more"));
                add_page(&all, page);
                n = json_array_size(json_object_get(all, "sessions"));
        }
        *ret_document = json_incref(all);
        return STATUS_OK;
}

/* What the table leaves out; in JSON it is a member. */
static void tell_more(const struct call *call, const json_t *document)
{
        const json_t *n = json_object_get(document, "n_sessions"); /* only an operator is told */

        if (!json_is_true(json_object_get(document, "has_more")) || call->output.is_quiet) {
                return;
        }
        fflush(call->output.file);
        if (n) {
                fprintf(stderr,
                                "meshctl sessions: %" JSON_INTEGER_FORMAT
                                " are held; --limit shows more\n",
                                json_integer_value(n));
        } else {
                fprintf(stderr, "meshctl sessions: there may be more; --limit shows them\n");
        }
}

static int do_list(struct call *call)
{
        CM_CLEANUP(json_decref_p) json_t *document = NULL;
        uint64_t limit = ROWS_DEFAULT;
        const char *text = arguments_value(call->arguments, "limit");
        int status = STATUS_OK;

        if (text && arguments_number(text, 1, ROWS_MAX, &limit) < 0) {
                return problem_set(&call->problem, STATUS_USAGE, NULL,
                                "--limit %.40s: want a number from 1 to %d", text, ROWS_MAX);
        }
        status = gather(call, limit, &document);
        if (status == STATUS_OK) {
                view_rows(&sessions_view, document, &call->output);
                tell_more(call, document);
        }
        return status;
}

static int do_one(struct call *call, const char *verb, const char *key)
{
        CM_CLEANUP(json_decref_p) json_t *document = NULL;
        struct call_arguments arguments;
        int status;

        if (strlen(key) != KEY_DIGITS || strspn(key, "0123456789abcdef") != KEY_DIGITS) {
                return problem_set(&call->problem, STATUS_USAGE, "meshctl sessions shows them",
                                "key \"%.40s\": want %d hex digits", key, KEY_DIGITS);
        }
        call_arguments_begin(&arguments, 1);
        call_arguments_str(&arguments, "key", key);
        status = call_query(call, verb, call_arguments_end(&arguments), &document);
        if (status == STATUS_OK) {
                view_fields(document, "key", &call->output);
        }
        return status;
}

int verb_sessions(struct call *call)
{
        const struct arguments *arguments = call->arguments;

        if (arguments->n_operands == 0) {
                return do_list(call);
        }
        if (arguments->n_operands == 2 && strcmp(arguments->operands[0], "show") == 0) {
                return do_one(call, "session", arguments->operands[1]);
        }
        if (arguments->n_operands == 2 && strcmp(arguments->operands[0], "destroy") == 0) {
                return do_one(call, "session_destroy", arguments->operands[1]);
        }
        return problem_set(&call->problem, STATUS_USAGE, "meshctl sessions --help",
                        "sessions: want nothing, show KEY or destroy KEY");
}
