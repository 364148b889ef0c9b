/* SPDX-License-Identifier: MIT */
/* status, stats, regions, clients, version: this node. */
#include "meshctl/deadline.h"
#include "meshctl/document.h"
#include "meshctl/memory.h"
#include "meshctl/spool.h"
#include "meshctl/units.h"
#include "meshctl/verbs.h"

#include "base/cleanup.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#define RATE_SAMPLE_MS 200 /* between the two looks of a status that is not watched */

static const struct view_column region_columns[] = {
                {"NAME", "name", VIEW_TEXT},
                {"FRESH", "fresh", VIEW_TEXT},
                {"TTL", "ttl_ms", VIEW_MS},
                {"HOLD", "hold_ms", VIEW_MS},
                {"VERSION", "version", VIEW_COUNT},
                {"BUDGET", "budget_bytes", VIEW_BYTES},
                {"CLIENTS", "clients", VIEW_COUNT},
                {"CONFLICT", "is_conflicting", VIEW_BOOL},
                {"ELSEWHERE", "elsewhere", VIEW_TEXT},
                {"INDEX", "index", VIEW_COUNT, true},
                {NULL},
};

static const struct view_column client_columns[] = {
                {"NAME", "name", VIEW_TEXT},
                {"PID", "pid", VIEW_COUNT},
                {"UID", "uid", VIEW_COUNT},
                {"SINCE", "connected_ms", VIEW_MS},
                {"PAGE", "has_page", VIEW_BOOL},
                {"REGIONS", "regions", VIEW_COUNT},
                {"PUBLISHED", "published", VIEW_COUNT},
                {"WAITING", "waiting", VIEW_COUNT},
                {"REQUESTS", "requests", VIEW_COUNT, true},
                {"IN", "bytes_in", VIEW_BYTES, true},
                {"OUT", "bytes_out", VIEW_BYTES, true},
                {NULL},
};

static const struct view regions_view = {"regions", "name", region_columns};
static const struct view clients_view = {"clients", "name", client_columns};

static int show_rows(struct call *call, const char *verb, const struct view *view)
{
        CM_CLEANUP(json_decref_p) json_t *document = NULL;
        int status = call_query(call, verb, cmi_slice(NULL, 0), &document);

        if (status == 0) {
                view_rows(view, document, &call->output);
        }
        return status;
}

int verb_regions(struct call *call)
{
        return show_rows(call, "regions", &regions_view);
}

int verb_clients(struct call *call)
{
        return show_rows(call, "clients", &clients_view);
}

/* Growth per second of one counter, -1 if it cannot be told (nothing to compare with, or
 * meshd was restarted). */
static double rate(
                const struct call *call, const json_t *document, const char *key, uint64_t now_ns)
{
        json_int_t before = document_int(call->before, key, -1);
        json_int_t after = document_int(document, key, -1);

        if (before < 0 || after < before || now_ns <= call->before_ns ||
                        document_int(document, "uptime_ms", 0) <
                                        document_int(call->before, "uptime_ms", 0)) {
                return -1;
        }
        return (double)(after - before) * 1e9 / (double)(now_ns - call->before_ns);
}

static void remember(struct call *call, json_t *document, uint64_t now_ns)
{
        json_decref(call->before);
        call->before = json_incref(document);
        call->before_ns = now_ns;
}

static void rate_text(double per_second, char ret_text[UNITS_TEXT_SIZE])
{
        if (per_second < 0) {
                strcpy(ret_text, "-");
        } else {
                snprintf(ret_text, UNITS_TEXT_SIZE, "%.*f/s", per_second < 100 ? 1 : 0, per_second);
        }
}

static void stats_table(struct call *call, const json_t *document, uint64_t now_ns)
{
        struct table *table = table_new(call->before ? 3 : 2);
        const json_t *value;
        const char *key;

        table_title(table, "COUNTER", false);
        table_title(table, "VALUE", true);
        if (call->before) {
                table_title(table, "RATE", true);
        }
        json_object_foreach((json_t *)document, key, value)
        {
                char *text, number[UNITS_TEXT_SIZE];

                if (!json_is_integer(value)) {
                        continue;
                }
                text = view_text(value, VIEW_COUNT);
                table_cell(table, key, TABLE_PLAIN);
                table_cell(table, text, TABLE_PLAIN);
                if (call->before) {
                        rate_text(rate(call, document, key, now_ns), number);
                        table_cell(table, number, TABLE_PLAIN);
                }
                free(text);
        }
        table_print(table, call->output.file, call->output.has_headers, call->output.is_color);
        table_free(table);
}

int verb_stats(struct call *call)
{
        CM_CLEANUP(json_decref_p) json_t *document = NULL;
        int status = call_query(call, "stats", cmi_slice(NULL, 0), &document);
        uint64_t now_ns = deadline_now_ns();

        if (status != 0) {
                return status;
        }
        if (call->output.is_quiet || view_is_json(document, NULL, &call->output)) {
                return STATUS_OK;
        }
        if (call->output.format == FORMAT_NAME) {
                view_fields(document, "schema", &call->output);
        } else {
                stats_table(call, document, now_ns);
        }
        remember(call, document, now_ns);
        return STATUS_OK;
}

/* One line of the status screen: a caption, then text made of the document. */
__attribute__((format(printf, 4, 5))) static void line(struct table *table, const char *caption,
                enum table_color color, const char *format, ...)
{
        char *text = NULL;
        va_list list;

        va_start(list, format);
        if (vasprintf(&text, format, list) < 0) {
                memory_got(NULL);
        }
        va_end(list);
        table_cell(table, caption, TABLE_PLAIN);
        table_cell(table, text, color);
        free(text);
}

static void status_state(struct table *table, const json_t *document)
{
        const char *state = document_str(document, "state", "?");
        const char *reason = document_str(document, "reason", "");
        char live[UNITS_TEXT_SIZE], up[UNITS_TEXT_SIZE], lease[UNITS_TEXT_SIZE],
                        left[UNITS_TEXT_SIZE];

        units_ms((uint64_t)document_int(document, "live_ms", 0), live);
        units_ms((uint64_t)document_int(document, "uptime_ms", 0), up);
        units_ms((uint64_t)document_int(document, "lease_ms", 0), lease);
        units_ms((uint64_t)document_int(document, "lease_left_ms", 0), left);
        if (strcmp(state, "live") == 0) {
                line(table, "state", view_state_color(state), "live for %s", live);
        } else {
                line(table, "state", view_state_color(state), "%s%s%s", state,
                                reason[0] ? ": " : "", reason);
        }
        line(table, "up", TABLE_PLAIN, "%s, lease %s of %s left", up, left, lease);
}

static void status_peers(struct table *table, const json_t *document)
{
        static const char *const states[] = {"joining", "silent", "gone", "seen", "left"};
        json_int_t live = document_int(document, "peers_live", 0);
        enum table_color color = TABLE_PLAIN;
        char text[200];
        int n = snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT " live", live);

        for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++) {
                char key[32];
                json_int_t count;

                snprintf(key, sizeof(key), "peers_%s", states[i]);
                count = document_int(document, key, 0);
                if (count > 0) {
                        n += snprintf(text + n, sizeof(text) - (size_t)n,
                                        ", %" JSON_INTEGER_FORMAT " %s", count, states[i]);
                        color = i <= 2 ? view_state_color(states[i]) : color;
                }
        }
        line(table, "peers", color, "%s", text);
        line(table, "worst lag", TABLE_PLAIN, "%" JSON_INTEGER_FORMAT " operations%s%s",
                        document_int(document, "worst_lag", 0),
                        document_str(document, "worst_lag_peer", "")[0] ? " of " : "",
                        document_str(document, "worst_lag_peer", ""));
}

static void status_traffic(
                struct call *call, struct table *table, const json_t *document, uint64_t now_ns)
{
        char published[UNITS_TEXT_SIZE], applied[UNITS_TEXT_SIZE];

        rate_text(rate(call, document, "published", now_ns), published);
        rate_text(rate(call, document, "applied", now_ns), applied);
        line(table, "published", TABLE_PLAIN, "%" JSON_INTEGER_FORMAT ", now %s",
                        document_int(document, "published", 0), published);
        line(table, "applied", TABLE_PLAIN, "%" JSON_INTEGER_FORMAT ", now %s",
                        document_int(document, "applied", 0), applied);
        line(table, "local", TABLE_PLAIN,
                        "%" JSON_INTEGER_FORMAT " clients, %" JSON_INTEGER_FORMAT
                        " regions, %" JSON_INTEGER_FORMAT " waits",
                        document_int(document, "clients", 0), document_int(document, "regions", 0),
                        document_int(document, "waits", 0));
}

static void status_problem(struct table *table, const json_t *document)
{
        const char *problem = document_str(document, "last_problem", "");
        char ago[UNITS_TEXT_SIZE];

        if (!problem[0]) {
                line(table, "problems", TABLE_PLAIN, "none");
                return;
        }
        units_ms((uint64_t)document_int(document, "last_problem_ms", 0), ago);
        line(table, "problem", TABLE_WARN, "%s ago: %s", ago, problem);
}

static bool is_good(const json_t *name)
{
        return strcmp(document_str(name, "state", ""), "good") == 0;
}

/* What --dns names: the first that gives no answer, or the first. */
static void status_names(struct table *table, const json_t *document)
{
        const json_t *names = json_object_get(document, "dns");
        const json_t *shown = json_array_get(names, 0);
        size_t n = json_array_size(names);
        const char *why;

        for (size_t i = n; i-- > 0;) {
                shown = is_good(json_array_get(names, i)) ? shown : json_array_get(names, i);
        }
        if (n == 0) {
                return;
        }
        why = document_str(shown, "why", "");
        line(table, "dns", is_good(shown) ? TABLE_PLAIN : TABLE_WARN,
                        "%s: %s, %" JSON_INTEGER_FORMAT " addresses%s%s%s",
                        document_str(shown, "name", "?"), document_str(shown, "state", "?"),
                        document_int(shown, "addresses", 0), why[0] ? ": " : "", why,
                        n > 1 ? "; see -o json for the other names" : "");
}

static void status_screen(struct call *call, const json_t *document, uint64_t now_ns)
{
        struct table *table = table_new(2);
        char *advertised = view_text(json_object_get(document, "advertise"), VIEW_TEXT);

        table_title(table, "STATUS", false);
        table_title(table, "", false);
        line(table, "node", TABLE_PLAIN, "%s in mesh %s, pid %" JSON_INTEGER_FORMAT ", %s",
                        document_str(document, "node", "?"), document_str(document, "mesh", "?"),
                        document_int(document, "pid", 0), document_str(document, "software", "?"));
        status_state(table, document);
        status_peers(table, document);
        status_traffic(call, table, document, now_ns);
        line(table, "address", TABLE_PLAIN, "%s, advertised %s, multicast %s",
                        document_str(document, "listen", "?"), advertised,
                        document_str(document, "multicast", "?"));
        status_names(table, document);
        if (call->output.format == FORMAT_WIDE) {
                line(table, "id", TABLE_PLAIN, "%s, incarnation %" JSON_INTEGER_FORMAT,
                                document_str(document, "id", "?"),
                                document_int(document, "incarnation", 0));
                line(table, "stream", TABLE_PLAIN,
                                "%s, position %" JSON_INTEGER_FORMAT
                                ", in the log from %" JSON_INTEGER_FORMAT,
                                document_str(document, "stream", "?"),
                                document_int(document, "position", 0),
                                document_int(document, "oldest", 0));
        }
        status_problem(table, document);
        table_print(table, call->output.file, false, call->output.is_color);
        table_free(table);
        free(advertised);
}

static bool is_healthy(const json_t *document)
{
        return strcmp(document_str(document, "state", ""), "live") == 0 &&
               document_int(document, "peers_silent", 0) == 0 &&
               document_int(document, "peers_gone", 0) == 0;
}

/* A screen shows rates, so the first one is preceded by another look. */
static int status_sample(struct call *call)
{
        const struct timespec pause = {.tv_nsec = RATE_SAMPLE_MS * 1000 * 1000};
        json_t *document = NULL;
        int status;

        if (call->before || call->output.is_quiet ||
                        (call->output.format != FORMAT_TABLE &&
                                        call->output.format != FORMAT_WIDE)) {
                return STATUS_OK;
        }
        status = call_query(call, "status", cmi_slice(NULL, 0), &document);
        if (status == 0) {
                remember(call, document, deadline_now_ns());
                json_decref(document);
                nanosleep(&pause, NULL);
        }
        return status;
}

int verb_status(struct call *call)
{
        CM_CLEANUP(json_decref_p) json_t *document = NULL;
        int status = status_sample(call);
        uint64_t now_ns;

        if (status == 0) {
                status = call_query(call, "status", cmi_slice(NULL, 0), &document);
        }
        if (status != 0) {
                if (status == STATUS_UNREACHABLE) {
                        spool_mention(call->socket, &call->problem);
                }
                return status;
        }
        now_ns = deadline_now_ns();
        if (call->output.format == FORMAT_NAME) {
                view_fields(document, "node", &call->output);
        } else if (!call->output.is_quiet && !view_is_json(document, NULL, &call->output)) {
                status_screen(call, document, now_ns);
        }
        remember(call, document, now_ns);
        return is_healthy(document) ? STATUS_OK : STATUS_DEGRADED;
}

/* Without meshd the own version is still an answer; the exit status says that it
 * is not the whole one. */
int verb_version(struct call *call)
{
        CM_CLEANUP(json_decref_p) json_t *document = NULL;
        CM_CLEANUP(json_decref_p) json_t *whole = memory_got(json_object());
        int status = call_query(call, "version", cmi_slice(NULL, 0), &document);

        json_object_set_new(whole, "schema", json_string("cachemesh.version/1"));
        json_object_set_new(whole, "meshctl", json_string(CACHEMESH_VERSION));
        if (status == 0) {
                json_object_update_missing(whole, document);
        }
        view_fields(whole, "meshctl", &call->output);
        return status;
}
