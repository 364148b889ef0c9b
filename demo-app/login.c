/* SPDX-License-Identifier: MIT */
#include "demo-app/login.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SPACE_NAME "demo-logins"
#define CALL_MS 1000
#define VISITOR_MS (15 * 60 * 1000) /* what a login form that was looked at may last */
#define ID_LEN 32                   /* of an id, before its route */

struct login_space {
        struct cm_session_space *sessions;
        char node[VISIT_NODE_MAX + 1];
        char route[CM_SESSION_ROUTE_MAX + 1]; /* "": the node's name can be none */
        uint64_t idle_ms;
        uint64_t life_ms;
};

uint64_t login_now_ms(void)
{
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool is_id_text(const char *text)
{
        static const char allowed[] =
                        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

        return text[strspn(text, allowed)] == '\0';
}

int login_open(struct login_space **ret_space, struct cm *cm, const struct login_options *options)
{
        struct cm_session_space_options space_options = {.size = sizeof(space_options),
                        .key_file = options->key_file,
                        .life_ms = options->life_ms,
                        .idle_ms = options->idle_ms};
        struct login_space *space = calloc(1, sizeof(*space));
        int r;

        if (!space) {
                return -ENOMEM;
        }
        snprintf(space->node, sizeof(space->node), "%s", options->node);
        if (strlen(options->node) <= CM_SESSION_ROUTE_MAX && is_id_text(options->node)) {
                snprintf(space->route, sizeof(space->route), "%s", options->node);
                space_options.route = space->route;
        }
        space->idle_ms = options->idle_ms;
        space->life_ms = options->life_ms ? options->life_ms : CM_SESSION_LIFE_MS_DEFAULT;
        r = cm_session_space_open(&space->sessions, cm, SPACE_NAME, &space_options);
        if (r < 0) {
                free(space);
                return r;
        }
        *ret_space = space;
        return 0;
}

struct login_space *login_close(struct login_space *space)
{
        if (space) {
                cm_session_space_close(space->sessions);
                free(space);
        }
        return NULL;
}

void login_release(struct login *login)
{
        cm_session_release(&login->session);
}

/* What somebody has to look at who runs this; everything else is told to who asked. */
static void alarm_of(const char *what, int r)
{
        if (r == CM_E_SEALED || r == CM_E_FULL || r == CM_E_TOO_BIG || r == -EOPNOTSUPP) {
                fprintf(stderr, "event=session call=%s error=\"%s\" detail=\"%s\"\n", what,
                                cm_strerror(r), cm_error_detail(NULL));
        }
}

static void set_state(struct login *login, enum login_state state, int outcome)
{
        login->state = state;
        login->outcome = outcome;
}

/* The session is there: what is in it. */
static void read_visit(struct login *login)
{
        if (!visit_unpack(login->session.data, login->session.len, &login->visit)) {
                fputs("event=session call=get error=\"not written by this program\"\n", stderr);
                set_state(login, LOGIN_UNKNOWN, CM_E_SEALED);
                return;
        }
        set_state(login, login->visit.person[0] ? LOGIN_PERSON : LOGIN_VISITOR, 0);
}

/* The id is none that this node gave: its route is another one's. */
static bool is_elsewhere(const struct login_space *space, const char *cookie, struct login *login)
{
        char head[ID_LEN + 1];
        const char *route = cookie + ID_LEN + 1;

        if (strlen(cookie) < ID_LEN + 2 || cookie[ID_LEN] != '.' ||
                        strlen(route) > CM_SESSION_ROUTE_MAX || strcmp(route, space->route) == 0) {
                return false;
        }
        snprintf(head, sizeof(head), "%.*s", ID_LEN, cookie);
        if (!is_id_text(head) || !is_id_text(route)) {
                return false;
        }
        snprintf(login->home, sizeof(login->home), "%s", route);
        return true;
}

static int get(struct login_space *space, struct login *login, const char *id)
{
        struct cm_session_call_options options = {.size = sizeof(options), .timeout_ms = CALL_MS};
        int r = cm_session_get(space->sessions, id, &options, &login->session);

        alarm_of("get", r);
        return r;
}

void login_read(struct login_space *space, const char *cookie, struct login *ret_login)
{
        struct login *login = ret_login;
        int r;

        *login = (struct login){.session = {.size = sizeof(struct cm_session)}};
        if (!cookie || !cookie[0]) {
                set_state(login, LOGIN_NONE, 0);
                return;
        }
        r = get(space, login, cookie);
        if (r == 0) {
                snprintf(login->id, sizeof(login->id), "%s", cookie);
                read_visit(login);
        } else if (r == CM_GONE) {
                set_state(login, is_elsewhere(space, cookie, login) ? LOGIN_ELSEWHERE : LOGIN_ENDED,
                                r);
        } else {
                set_state(login, LOGIN_UNKNOWN, r);
        }
}

static int create(struct login_space *space, struct login *login, const struct visit *visit,
                const struct cm_session_create_options *options)
{
        char packed[VISIT_PACKED_MAX];
        size_t len = visit_pack(visit, packed);
        int r = cm_session_create(
                        space->sessions, packed, len, options, login->id, &login->session);

        alarm_of("create", r);
        return r;
}

int login_begin(struct login_space *space, struct login *login)
{
        struct cm_session_create_options options = {.size = sizeof(options),
                        .timeout_ms = CALL_MS,
                        .life_ms = VISITOR_MS < space->life_ms ? VISITOR_MS : space->life_ms};
        struct visit visit;
        int r = visit_begin(&visit, "", space->node, login_now_ms());

        if (r == 0) {
                r = create(space, login, &visit, &options);
        }
        if (r == 0) {
                login->visit = visit;
                set_state(login, LOGIN_VISITOR, 0);
        }
        return r;
}

/* After a timeout nobody knows; whether it may be tried again, the old id tells. */
static int enter_again(struct login_space *space, struct login *login, int r)
{
        if (r != CM_E_TIMEOUT) {
                return r;
        }
        r = get(space, login, login->id);
        return r == 0 ? CM_CONFLICT : r;
}

static int rotate(struct login_space *space, struct login *login, const struct visit *visit,
                const struct cm_session_create_options *options)
{
        char packed[VISIT_PACKED_MAX];
        char id[CM_SESSION_ID_SIZE];
        size_t len = visit_pack(visit, packed);
        int r = cm_session_rotate(&login->session, packed, len, options, id);

        alarm_of("rotate", r);
        if (r == CM_GONE) {
                return create(space, login, visit, options);
        }
        if (r == 0) {
                memcpy(login->id, id, sizeof(id));
        }
        return enter_again(space, login, r);
}

int login_enter(struct login_space *space, struct login *login, const char *person)
{
        struct cm_session_create_options options = {.size = sizeof(options),
                        .timeout_ms = CALL_MS,
                        .life_ms = space->life_ms,
                        .idle_ms = space->idle_ms ? space->idle_ms : CM_SESSION_LIFE_MS_MAX,
                        .principal = person,
                        .principal_len = strlen(person)};
        struct visit visit;
        int r = visit_begin(&visit, person, space->node, login_now_ms());

        for (int i = 0; r == 0 && i < LOGIN_TRIES; i++) {
                r = rotate(space, login, &visit, &options);
                if (r == 0) {
                        login->visit = visit;
                        set_state(login, LOGIN_PERSON, 0);
                        return 0;
                }
                if (r == CM_CONFLICT && i + 1 < LOGIN_TRIES) {
                        r = 0; /* what others wrote into the old session ends with it */
                }
        }
        return r;
}

/* Another node has taken the session over: as it is there now, like after a lost race. */
static int read_anew(struct login_space *space, struct login *login, int r)
{
        if (r == CM_E_STALE) {
                r = get(space, login, login->id);
                r = r == 0 ? CM_CONFLICT : r;
        }
        return r;
}

int login_save(struct login_space *space, struct login *login, const struct visit *visit)
{
        struct cm_session_call_options options = {.size = sizeof(options), .timeout_ms = CALL_MS};
        char packed[VISIT_PACKED_MAX];
        size_t len = visit_pack(visit, packed);
        int r = cm_session_save(&login->session, packed, len, &options);

        alarm_of("save", r);
        r = read_anew(space, login, r);
        if (r == 0 || r == CM_CONFLICT) {
                read_visit(login);
                return login->state == LOGIN_UNKNOWN ? login->outcome : r;
        }
        set_state(login, r == CM_GONE ? LOGIN_ENDED : login->state, r);
        return r;
}

/* Whether this node, which could speak for itself only, says that the session is over. */
static bool is_over_here(struct login_space *space, const char *id)
{
        struct login login = {.session = {.size = sizeof(struct cm_session)}};
        int r = get(space, &login, id);

        login_release(&login);
        return r == CM_GONE;
}

int login_leave(struct login_space *space, const struct login *login)
{
        struct cm_session_call_options options = {.size = sizeof(options), .timeout_ms = CALL_MS};
        int r = cm_session_destroy(space->sessions, login->id, &options);

        if (r == CM_E_TIMEOUT || r == CM_E_BUSY) {
                r = cm_session_destroy(space->sessions, login->id, &options);
        }
        alarm_of("destroy", r);
        return r == CM_E_UNCONFIRMED && is_over_here(space, login->id) ? 0 : r;
}

int login_leave_everywhere(
                struct login_space *space, const struct login *login, bool *ret_is_here_only)
{
        struct cm_session_call_options options = {.size = sizeof(options), .timeout_ms = CALL_MS};
        const char *person = login->visit.person;
        int r = cm_session_destroy_principal(space->sessions, person, strlen(person), &options);

        if (r == CM_E_TIMEOUT || r == CM_E_BUSY) {
                r = cm_session_destroy_principal(space->sessions, person, strlen(person), &options);
        }
        alarm_of("destroy_principal", r);
        *ret_is_here_only = r == CM_E_UNCONFIRMED && is_over_here(space, login->id);
        return *ret_is_here_only ? 0 : r;
}

uint64_t login_end_ms(const struct login *login)
{
        uint64_t idle_end_ms = login_now_ms() + login->session.idle_ms;

        return login->session.idle_ms && idle_end_ms < login->session.end_ms
                               ? idle_end_ms
                               : login->session.end_ms;
}

const char *login_outcome_text(int outcome)
{
        switch (outcome) {
        case CM_GONE:
                return "Your login is over. Log in again.";
        case CM_CONFLICT:
                return "Others change this login all the time. Try again.";
        case -ENOTCONN:
                return "meshd of this node is away, so nobody can tell who you are. You are not "
                       "logged out; try again in a moment.";
        case CM_E_TIMEOUT:
                return "meshd of this node does not answer in time. It may or may not be done: "
                       "look, and try again.";
        case CM_E_BUSY:
                return "This node has too much to do just now. Nothing has happened; try again.";
        case CM_E_UNCONFIRMED:
                return "No node that can be reached is able to say. Try again.";
        case CM_E_FULL:
                return "This node has no room for more logins. Who is logged in stays so.";
        case CM_E_STALE:
                return "Another node has taken this login over. Try again.";
        case CM_E_READ_ONLY:
                return "This login has a new cookie already. Load the page again.";
        case CM_E_SEALED:
                return "This login cannot be read here: another key ring made it, or somebody "
                       "changed it. Whoever runs this app was told.";
        case -EOPNOTSUPP:
                return "This node holds no sessions: its meshd needs a --state-dir. Reading goes "
                       "on.";
        case -ENOMEM:
                return "There is no memory just now. Nothing has happened; try again.";
        default:
                return "This went wrong inside; the app's log says more.";
        }
}

unsigned int login_outcome_status(int outcome)
{
        switch (outcome) {
        case CM_GONE:
                return MHD_HTTP_UNAUTHORIZED;
        case CM_CONFLICT:
        case -ENOTCONN:
        case CM_E_TIMEOUT:
        case CM_E_BUSY:
        case CM_E_UNCONFIRMED:
        case CM_E_FULL:
        case CM_E_STALE:
        case CM_E_READ_ONLY:
        case -ENOMEM:
                return MHD_HTTP_SERVICE_UNAVAILABLE;
        default:
                return MHD_HTTP_INTERNAL_SERVER_ERROR;
        }
}
