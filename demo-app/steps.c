/* SPDX-License-Identifier: MIT */
#include "demo-app/steps.h"

#include "demo-app/gate.h"
#include "demo-app/json.h"
#include "demo-app/page_steps.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

/* What became of a step that was sent. */
enum step_result {
        STEP_SAVED = 0,
        STEP_OVERTAKEN, /* another tab has saved since the page was made */
        STEP_NONE,      /* there is no such step, or not yet */
        STEP_REFUSED,   /* by the store's rules: an enum store_outcome or its error */
        STEP_FAILED,    /* the session could not be saved: what login_save() returned */
};

static uint32_t read_number(const char *text)
{
        char *end;
        unsigned long number;

        if (text[0] < '1' || text[0] > '9' || strlen(text) > 10) {
                return 0;
        }
        number = strtoul(text, &end, 10);
        return *end || number > UINT32_MAX ? 0 : (uint32_t)number;
}

uint32_t steps_sent(const struct request *request)
{
        uint32_t step = read_number(request->fields.step);

        return step <= VISIT_STEPS ? step : 0;
}

static void show(const struct app *app, const struct request *request, struct answer *answer,
                const char *problem)
{
        if (request->is_api && problem) {
                json_error(app, answer, problem);
        } else if (request->is_api) {
                json_steps(app, request, answer, NULL);
        } else {
                page_steps(app, request, answer, problem);
        }
}

void steps_show(const struct app *app, const struct request *request, struct answer *answer)
{
        if (gate_admit_page(app, request, answer)) {
                show(app, request, answer, NULL);
        }
}

static void show_conflict(
                const struct app *app, const struct request *request, struct answer *answer)
{
        answer->status = MHD_HTTP_CONFLICT;
        if (request->is_api) {
                json_steps(app, request, answer, "Another tab has changed this form.");
        } else {
                page_conflict(app, request, answer);
        }
}

static int check_name(const char *name)
{
        return name_is_folder(name) ? 0 : STORE_BAD_NAME;
}

static int check_with(const struct app *app, const char *person, const char *with)
{
        struct cache_answer tree;
        int r;

        if (!with[0]) {
                return 0;
        }
        if (strcmp(with, person) == 0) {
                return STORE_OWN_FOLDER;
        }
        r = name_is_person(with) ? cache_tree(app->cache, with, &tree) : STORE_BAD_NAME;
        if (r == 0) {
                cache_release(&tree);
        }
        return r;
}

/* What a step fills in. Returns 0, or why not: an enum store_outcome or an error of a load. */
static int fill(const struct app *app, const struct request *request, struct visit *visit)
{
        const struct request_fields *fields = &request->fields;
        struct visit_form *form = &visit->form;
        uint32_t step = steps_sent(request);
        int r = 0;

        if (strcmp(fields->go, "again") == 0) {
                *form = (struct visit_form){.revision = form->revision, .step = 1};
        } else if (strcmp(fields->go, "back") == 0) {
                form->step = step > 1 ? step - 1 : 1;
        } else if (step == 1) {
                r = check_name(fields->name);
                snprintf(form->name, sizeof(form->name), "%.*s", NAME_FOLDER_MAX, fields->name);
                form->step = 2;
        } else if (step == 2) {
                r = check_with(app, visit->person, fields->with);
                snprintf(form->with, sizeof(form->with), "%.*s", NAME_PERSON_MAX, fields->with);
                form->step = 3;
        }
        form->revision++;
        return r;
}

/* Sent twice, or after an answer that was lost: what it wanted is what there is. */
static bool is_done_already(const struct request *request)
{
        const struct visit_form *form = &request->login.visit.form;
        const struct request_fields *fields = &request->fields;
        uint32_t step = steps_sent(request);

        if (fields->go[0] && strcmp(fields->go, "next") != 0) {
                return false;
        }
        return form->step == step + 1 &&
               ((step == 1 && strcmp(form->name, fields->name) == 0) ||
                               (step == 2 && strcmp(form->with, fields->with) == 0));
}

static enum step_result save(const struct app *app, struct request *request, int *ret_r)
{
        uint32_t step = steps_sent(request);

        *ret_r = CM_CONFLICT;
        for (int i = 0; *ret_r == CM_CONFLICT && i < LOGIN_TRIES; i++) {
                struct visit visit = request->login.visit;

                if (read_number(request->fields.revision) != visit.form.revision) {
                        return is_done_already(request) ? STEP_SAVED : STEP_OVERTAKEN;
                }
                if (step == 0 || step > visit.form.step) {
                        return STEP_NONE;
                }
                *ret_r = fill(app, request, &visit);
                if (*ret_r != 0) {
                        return STEP_REFUSED;
                }
                *ret_r = login_save(app->logins, &request->login, &visit);
        }
        return *ret_r == 0 ? STEP_SAVED : STEP_FAILED;
}

/* The folder is there: the form begins anew. If that fails it is still in step 3, and doing it
 * again says that the name is taken. */
static void clear(const struct app *app, struct request *request)
{
        struct visit visit = request->login.visit;

        visit.form = (struct visit_form){.revision = visit.form.revision + 1, .step = 1};
        login_save(app->logins, &request->login, &visit);
}

/* Returns what the store does. */
static int make_folder(const struct app *app, const struct visit *visit,
                struct store_change *ret_change, struct cache_report *ret_report)
{
        struct store_change shared;
        int r = store_add_folder(app->store, visit->person, 0, visit->form.name, ret_change);

        if (r != 0) {
                return r;
        }
        cache_publish(app->cache, ret_change, ret_report);
        if (!visit->form.with[0]) {
                return 0;
        }
        r = store_share_folder(
                        app->store, visit->person, ret_change->folder, visit->form.with, &shared);
        if (r == 0) {
                cache_publish(app->cache, &shared, ret_report);
        }
        return r;
}

/* The save before this one was the commit: of two tabs only one gets here. */
static void finish(const struct app *app, struct request *request, struct answer *answer)
{
        struct visit visit = request->login.visit;
        struct store_change change = {0};
        struct cache_report report;
        int r = make_folder(app, &visit, &change, &report);

        if (r != 0) {
                answer->status = route_status(r);
                show(app, request, answer, route_store_text(r));
                return;
        }
        clear(app, request);
        route_changed(app, request, answer, visit.person, &change, &report);
}

static bool is_last(const struct request *request)
{
        const char *go = request->fields.go;

        return steps_sent(request) == VISIT_STEPS && (!go[0] || strcmp(go, "next") == 0);
}

static void show_saved(const struct app *app, struct request *request, struct answer *answer)
{
        if (is_last(request)) {
                finish(app, request, answer);
        } else if (request->is_api) {
                json_steps(app, request, answer, NULL);
        } else {
                snprintf(answer->location, sizeof(answer->location), "/steps");
                answer->status = MHD_HTTP_SEE_OTHER;
        }
}

void steps_do(const struct app *app, struct request *request, struct answer *answer)
{
        int r;

        if (!gate_admit_page(app, request, answer) ||
                        !gate_admit(app, request, answer, request->login.visit.person)) {
                return;
        }
        switch (save(app, request, &r)) {
        case STEP_SAVED:
                show_saved(app, request, answer);
                return;
        case STEP_OVERTAKEN:
                show_conflict(app, request, answer);
                return;
        case STEP_NONE:
                route_fail(app, request, answer, MHD_HTTP_BAD_REQUEST,
                                "The form is not at this step.");
                return;
        case STEP_REFUSED:
                answer->status = route_status(r);
                show(app, request, answer, route_store_text(r));
                return;
        case STEP_FAILED:
                gate_fail(app, request, answer, r);
                return;
        }
}
