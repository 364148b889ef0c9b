/* SPDX-License-Identifier: MIT */
/*
 * What there is to ask for, below / as pages and below /api as JSON:
 *
 *   GET  /                                        people
 *   GET  /people/NAME                             what a person sees
 *   POST /people                                  name=
 *   POST /people/NAME/folders                     name= parent=
 *   POST /people/NAME/folders/ID/rename           name=
 *   POST /people/NAME/folders/ID/remove
 *   POST /people/NAME/folders/ID/share            with=
 *   POST /people/NAME/folders/ID/unshare          with=
 *   GET  /login                                   a form, and a session for it
 *   POST /login                                   name=
 *   POST /logout                                  where=everywhere
 *   GET  /steps                                   a form in three steps, kept in the session
 *   POST /steps                                   step= revision= go= name= with=
 *   GET  /api/people, /api/nodes, /api/status, /api/session
 *
 * Each POST brings the session's cookie and token=. A change is committed first and told to the
 * mesh then, before the answer. Without logins (--no-login) there are neither: NAME acts.
 */
#include "demo-app/app.h"

#include "demo-app/gate.h"
#include "demo-app/json.h"
#include "demo-app/page.h"
#include "demo-app/report.h"
#include "demo-app/steps.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

int route_split(struct request *request, const char *path)
{
        char *rest = request->path;
        char *segment;
        size_t n = strlen(path);

        if (n > APP_PATH_MAX) {
                return -ENAMETOOLONG;
        }
        memcpy(request->path, path, n + 1);
        while ((segment = strsep(&rest, "/"))) {
                if (!segment[0]) {
                        continue;
                }
                if (request->n_segments == 0 && !request->is_api && strcmp(segment, "api") == 0) {
                        request->is_api = true;
                        continue;
                }
                if (request->n_segments == APP_SEGMENTS_MAX) {
                        return -ENAMETOOLONG;
                }
                request->segments[request->n_segments++] = segment;
        }
        return 0;
}

void route_fail(const struct app *app, const struct request *request, struct answer *answer,
                unsigned int status, const char *text)
{
        answer->status = status;
        answer->is_for_later = answer->is_for_later || status == MHD_HTTP_SERVICE_UNAVAILABLE;
        if (request->is_api) {
                json_error(app, answer, text);
        } else {
                page_error(app, request, answer, text);
        }
}

static bool has(const struct request *request, size_t i, const char *segment)
{
        return i < request->n_segments && strcmp(request->segments[i], segment) == 0;
}

unsigned int route_status(int r)
{
        switch (r) {
        case STORE_BAD_NAME:
        case STORE_OWN_FOLDER:
                return MHD_HTTP_BAD_REQUEST;
        case STORE_NO_PERSON:
        case STORE_NO_FOLDER:
        case STORE_NO_SHARE:
                return MHD_HTTP_NOT_FOUND;
        case STORE_NOT_OWNER:
                return MHD_HTTP_FORBIDDEN;
        case -EBUSY:
        case CM_E_TIMEOUT:
                return MHD_HTTP_SERVICE_UNAVAILABLE;
        default:
                return r < 0 ? MHD_HTTP_INTERNAL_SERVER_ERROR : MHD_HTTP_CONFLICT;
        }
}

const char *route_store_text(int r)
{
        return r > 0         ? store_outcome_text((enum store_outcome)r)
               : r == -EBUSY ? "The database is busy. Try again."
               : route_status(r) == MHD_HTTP_SERVICE_UNAVAILABLE
                               ? "Loading takes too long. Try again."
                               : "This went wrong inside; the app's log says more.";
}

void route_fail_store(
                const struct app *app, const struct request *request, struct answer *answer, int r)
{
        route_fail(app, request, answer, route_status(r), route_store_text(r));
}

static void note(struct answer *answer, const struct cache_answer *found)
{
        answer->cache = found->is_hit ? "hit" : "miss";
        answer->reason = found->reason;
}

static void show_people(const struct app *app, const struct request *request, struct answer *answer)
{
        struct cache_answer people;
        int r = cache_people(app->cache, &people);

        if (r != 0) {
                route_fail_store(app, request, answer, r);
                return;
        }
        note(answer, &people);
        if (request->is_api) {
                json_people(app, answer, &people);
        } else {
                page_home(app, request, answer, &people);
        }
        cache_release(&people);
}

static void show_nodes(const struct app *app, const struct request *request, struct answer *answer)
{
        struct cache_answer nodes;
        int r = cache_nodes(app->cache, &nodes);

        if (r != 0) {
                route_fail_store(app, request, answer, r);
                return;
        }
        note(answer, &nodes);
        json_nodes(app, answer, &nodes);
        cache_release(&nodes);
}

static void show_tree(const struct app *app, const struct request *request, struct answer *answer)
{
        const char *person = request->segments[1];
        struct cache_answer tree;
        int r = name_is_person(person) ? cache_tree(app->cache, person, &tree) : STORE_BAD_NAME;

        if (r == 0 || r == STORE_NO_PERSON) {
                note(answer, &tree);
        }
        if (r != 0) {
                route_fail_store(app, request, answer, r);
                return;
        }
        if (request->is_api) {
                json_tree(app, answer, person, &tree);
        } else {
                page_person(app, request, answer, person, &tree);
        }
        cache_release(&tree);
}

void route_changed(const struct app *app, const struct request *request, struct answer *answer,
                const char *person, const struct store_change *change,
                const struct cache_report *report)
{
        char packed[REPORT_PACKED_MAX];

        if (request->is_api) {
                json_change(app, answer, change, report);
                return;
        }
        report_pack(report, packed);
        snprintf(answer->location, sizeof(answer->location), "/people/%s?notice=%s", person,
                        packed);
        answer->status = MHD_HTTP_SEE_OTHER;
}

static void add_person(const struct app *app, const struct request *request, struct answer *answer)
{
        struct store_change change;
        struct cache_report report;
        int r;

        if (!gate_admit(app, request, answer, NULL)) {
                return;
        }
        r = store_add_person(app->store, request->fields.name, &change);
        if (r != 0) {
                route_fail_store(app, request, answer, r);
                return;
        }
        cache_publish_people(app->cache, &change, &report);
        route_changed(app, request, answer, request->fields.name, &change, &report);
}

/* A positive number, or 0 if the text is none. */
static int64_t read_id(const char *text)
{
        char *end;
        long long id;

        if (text[0] < '1' || text[0] > '9' || strlen(text) > 18) {
                return 0;
        }
        id = strtoll(text, &end, 10);
        return *end ? 0 : id;
}

static int add_folder(const struct app *app, const struct request *request, const char *person,
                struct store_change *ret_change)
{
        const char *parent = request->fields.parent;

        if (parent[0] && read_id(parent) == 0) {
                return STORE_NO_FOLDER;
        }
        return store_add_folder(
                        app->store, person, read_id(parent), request->fields.name, ret_change);
}

#define NO_ROUTE (-ENOSYS)

static int change_folder(const struct app *app, const struct request *request, const char *person,
                struct store_change *ret_change)
{
        const struct request_fields *fields = &request->fields;
        int64_t id = read_id(request->segments[3]);

        if (id == 0) {
                return STORE_NO_FOLDER;
        }
        if (has(request, 4, "rename")) {
                return store_rename_folder(app->store, person, id, fields->name, ret_change);
        }
        if (has(request, 4, "remove")) {
                return store_remove_folder(app->store, person, id, ret_change);
        }
        if (has(request, 4, "share")) {
                return store_share_folder(app->store, person, id, fields->with, ret_change);
        }
        if (has(request, 4, "unshare")) {
                return store_unshare_folder(app->store, person, id, fields->with, ret_change);
        }
        return NO_ROUTE;
}

static void not_found(const struct app *app, const struct request *request, struct answer *answer)
{
        route_fail(app, request, answer, MHD_HTTP_NOT_FOUND, "There is nothing at this address.");
}

static void change_folders(
                const struct app *app, const struct request *request, struct answer *answer)
{
        const char *person = request->segments[1];
        struct store_change change = {0};
        struct cache_report report;
        int r = NO_ROUTE;

        if (!gate_admit(app, request, answer, person)) {
                return;
        }
        if (!name_is_person(person)) {
                r = STORE_BAD_NAME;
        } else if (request->n_segments == 3) {
                r = add_folder(app, request, person, &change);
        } else if (request->n_segments == 5) {
                r = change_folder(app, request, person, &change);
        }
        if (r == NO_ROUTE) {
                not_found(app, request, answer);
                return;
        }
        if (r != 0) {
                route_fail_store(app, request, answer, r);
                return;
        }
        cache_publish(app->cache, &change, &report);
        route_changed(app, request, answer, person, &change, &report);
}

/* The list of people is the home page too. */
static bool is_list(const struct request *request)
{
        return request->n_segments == 0 ? !request->is_api
                                        : request->n_segments == 1 && has(request, 0, "people");
}

static bool is_single(const struct request *request, const char *segment)
{
        return request->n_segments == 1 && has(request, 0, segment);
}

static void answer_get(const struct app *app, struct request *request, struct answer *answer)
{
        if (is_list(request)) {
                show_people(app, request, answer);
        } else if (request->n_segments == 2 && has(request, 0, "people")) {
                show_tree(app, request, answer);
        } else if (is_single(request, "login")) {
                gate_show_login(app, request, answer);
        } else if (is_single(request, "steps")) {
                steps_show(app, request, answer);
        } else if (request->is_api && is_single(request, "session")) {
                gate_show_session(app, request, answer);
        } else if (request->is_api && is_single(request, "status")) {
                json_status(app, answer);
        } else if (request->is_api && is_single(request, "nodes")) {
                show_nodes(app, request, answer);
        } else {
                not_found(app, request, answer);
        }
}

static void answer_post(const struct app *app, struct request *request, struct answer *answer)
{
        if (is_single(request, "people")) {
                add_person(app, request, answer);
        } else if (has(request, 0, "people") && has(request, 2, "folders")) {
                change_folders(app, request, answer);
        } else if (is_single(request, "login")) {
                gate_enter(app, request, answer);
        } else if (is_single(request, "logout")) {
                gate_leave(app, request, answer);
        } else if (is_single(request, "steps")) {
                steps_do(app, request, answer);
        } else {
                not_found(app, request, answer);
        }
}

void route_answer(const struct app *app, struct request *request, struct answer *answer)
{
        gate_read(app, request);
        if (request->is_post) {
                answer_post(app, request, answer);
        } else {
                answer_get(app, request, answer);
        }
        gate_finish(app, request, answer);
        gate_release(request);
}
