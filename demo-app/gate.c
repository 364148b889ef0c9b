/* SPDX-License-Identifier: MIT */
#include "demo-app/gate.h"

#include "demo-app/json.h"
#include "demo-app/page_login.h"

#include <inttypes.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

/* What is read for programs needs nobody to be somebody, and waits for no meshd. */
static bool is_about_session(const struct request *request)
{
        static const char *const names[] = {"login", "logout", "session", "steps"};

        if (!request->is_api || request->is_post) {
                return true;
        }
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && request->n_segments > 0; i++) {
                if (strcmp(request->segments[0], names[i]) == 0) {
                        return true;
                }
        }
        return false;
}

void gate_read(const struct app *app, struct request *request)
{
        if (app->logins && is_about_session(request)) {
                login_read(app->logins, request->cookie, &request->login);
        }
}

void gate_release(struct request *request)
{
        login_release(&request->login);
}

static bool has_session(const struct request *request)
{
        return request->login.state == LOGIN_VISITOR || request->login.state == LOGIN_PERSON;
}

bool gate_has_token(const struct app *app, const struct request *request)
{
        return !app->logins || has_session(request);
}

bool gate_is_person(const struct app *app, const struct request *request, const char *person)
{
        return !app->logins || (request->login.state == LOGIN_PERSON &&
                                               strcmp(request->login.visit.person, person) == 0);
}

void gate_fail(const struct app *app, const struct request *request, struct answer *answer,
                int outcome)
{
        unsigned int status = login_outcome_status(outcome);

        answer->is_for_later = status == MHD_HTTP_SERVICE_UNAVAILABLE;
        route_fail(app, request, answer, status, login_outcome_text(outcome));
}

/* For who has no session: why, and what to do. */
static void refuse(const struct app *app, const struct request *request, struct answer *answer)
{
        const char *text = "Log in first.";

        if (request->login.state == LOGIN_UNKNOWN) {
                gate_fail(app, request, answer, request->login.outcome);
                return;
        }
        if (request->login.state == LOGIN_ENDED) {
                text = "Your login is over, so nothing was done. Log in again.";
        } else if (request->login.state == LOGIN_ELSEWHERE) {
                text = "This node does not know your login: it is on another node.";
        }
        route_fail(app, request, answer, MHD_HTTP_UNAUTHORIZED, text);
}

bool gate_admit(const struct app *app, const struct request *request, struct answer *answer,
                const char *person)
{
        if (!app->logins) {
                return true;
        }
        if (!has_session(request)) {
                refuse(app, request, answer);
                return false;
        }
        if (!visit_has_token(&request->login.visit, request->fields.token)) {
                route_fail(app, request, answer, MHD_HTTP_FORBIDDEN,
                                "This form is not of your session, or from before your login. "
                                "Nothing was done; load the page again.");
                return false;
        }
        if (person && request->login.state != LOGIN_PERSON) {
                refuse(app, request, answer);
                return false;
        }
        if (person && !gate_is_person(app, request, person)) {
                route_fail(app, request, answer, MHD_HTTP_FORBIDDEN,
                                "You are logged in as somebody else.");
                return false;
        }
        return true;
}

static void no_logins(const struct app *app, const struct request *request, struct answer *answer)
{
        route_fail(app, request, answer, MHD_HTTP_NOT_FOUND,
                        "This app was started without logins.");
}

bool gate_admit_page(const struct app *app, const struct request *request, struct answer *answer)
{
        if (!app->logins) {
                no_logins(app, request, answer);
                return false;
        }
        if (request->login.state != LOGIN_PERSON) {
                refuse(app, request, answer);
                return false;
        }
        return true;
}

/* Without Max-Age: the browser forgets it at its end. It ends on the node in any case. */
static void put_cookie(const struct app *app, char ret_cookie[APP_COOKIE_MAX], const char *name,
                const char *value)
{
        snprintf(ret_cookie, APP_COOKIE_MAX, "%s=%s; Path=/; HttpOnly; SameSite=Lax%s%s", name,
                        value, app->is_cookie_secure ? "; Secure" : "",
                        value[0] ? "" : "; Max-Age=0");
}

void gate_finish(const struct app *app, const struct request *request, struct answer *answer)
{
        const struct login *login = &request->login;
        char end[24];

        if (login->state == LOGIN_ENDED) {
                put_cookie(app, answer->cookies[0], GATE_COOKIE, "");
                put_cookie(app, answer->cookies[1], GATE_END_COOKIE, "");
        } else if (has_session(request)) {
                snprintf(end, sizeof(end), "%" PRIu64, login_end_ms(login));
                put_cookie(app, answer->cookies[1], GATE_END_COOKIE, end);
                if (strcmp(login->id, request->cookie) != 0) {
                        put_cookie(app, answer->cookies[0], GATE_COOKIE, login->id);
                }
        }
}

void gate_show_session(const struct app *app, const struct request *request, struct answer *answer)
{
        if (!app->logins) {
                no_logins(app, request, answer);
        } else if (request->login.state == LOGIN_UNKNOWN) {
                gate_fail(app, request, answer, request->login.outcome);
        } else {
                json_session(app, request, answer);
        }
}

/* To look at the login form of this node is not to give up the login on another one: only who
 * insists gets another cookie. */
static bool is_kept(const struct request *request)
{
        return request->login.state == LOGIN_ELSEWHERE && strcmp(request->notice, "here") != 0;
}

void gate_show_login(const struct app *app, struct request *request, struct answer *answer)
{
        int r = 0;

        if (!app->logins) {
                no_logins(app, request, answer);
                return;
        }
        if (request->login.state == LOGIN_UNKNOWN) {
                gate_fail(app, request, answer, request->login.outcome);
                return;
        }
        if (!has_session(request) && !is_kept(request)) {
                r = login_begin(app->logins, &request->login);
        }
        if (r != 0) {
                gate_fail(app, request, answer, r);
        } else if (request->is_api) {
                json_session(app, request, answer);
        } else {
                page_login(app, request, answer);
        }
}

static void lead_to(struct answer *answer, const char *path, const char *notice)
{
        snprintf(answer->location, sizeof(answer->location), "%s?notice=%s", path, notice);
        answer->status = MHD_HTTP_SEE_OTHER;
}

static int check_person(const struct app *app, const char *person)
{
        struct cache_answer tree;
        int r = name_is_person(person) ? cache_tree(app->cache, person, &tree) : STORE_BAD_NAME;

        if (r == 0) {
                cache_release(&tree);
        }
        return r;
}

void gate_enter(const struct app *app, struct request *request, struct answer *answer)
{
        const char *person = request->fields.name;
        char path[sizeof("/people/") + NAME_PERSON_MAX];
        int r;

        if (!app->logins) {
                no_logins(app, request, answer);
                return;
        }
        if (!gate_admit(app, request, answer, NULL)) {
                return;
        }
        r = check_person(app, person);
        if (r != 0) {
                route_fail_store(app, request, answer, r);
                return;
        }
        r = login_enter(app->logins, &request->login, person);
        if (r != 0) {
                gate_fail(app, request, answer, r);
        } else if (request->is_api) {
                json_session(app, request, answer);
        } else {
                snprintf(path, sizeof(path), "/people/%s", request->login.visit.person);
                lead_to(answer, path, "logged-in");
        }
}

/* The button again, with what it brought: whoever has the cookie may still be logged in. */
static void answer_still_in(const struct app *app, const struct request *request,
                struct answer *answer, int outcome)
{
        answer->status = login_outcome_status(outcome);
        answer->is_for_later = answer->status == MHD_HTTP_SERVICE_UNAVAILABLE;
        if (request->is_api) {
                json_error(app, answer, login_outcome_text(outcome));
        } else {
                page_still_in(app, request, answer, login_outcome_text(outcome));
        }
}

void gate_leave(const struct app *app, struct request *request, struct answer *answer)
{
        bool is_everywhere = strcmp(request->fields.where, "everywhere") == 0;
        bool is_here_only = false;
        const char *word;
        int r;

        if (!app->logins) {
                no_logins(app, request, answer);
                return;
        }
        if (request->login.state == LOGIN_UNKNOWN) {
                answer_still_in(app, request, answer, request->login.outcome);
                return;
        }
        if (!gate_admit(app, request, answer, is_everywhere ? request->login.visit.person : NULL)) {
                return;
        }
        r = is_everywhere ? login_leave_everywhere(app->logins, &request->login, &is_here_only)
                          : login_leave(app->logins, &request->login);
        if (r != 0 && r != CM_PENDING) {
                answer_still_in(app, request, answer, r);
                return;
        }
        word = r == CM_PENDING ? "logged-out-pending"
               : is_here_only  ? "logged-out-here"
               : is_everywhere ? "logged-out-everywhere"
                               : "logged-out";
        request->login.state = LOGIN_ENDED;
        if (request->is_api) {
                json_left(app, answer, word);
        } else {
                lead_to(answer, "/", word);
        }
}
