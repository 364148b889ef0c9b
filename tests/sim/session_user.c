/* SPDX-License-Identifier: MIT */
/*
 * Users and what processes do for them: look a session up, in what the process keeps or at meshd,
 * and then change it; whatever is not answered is asked again, with the same number. A user stays
 * with the node of his session mostly, as behind a load balancer with sticky routes.
 */
#include "tests/sim/session.h"

#include <errno.h>

#define SENT_MAX 5    /* times that one request is sent */
#define VISITS_EACH 3 /* of one user at the same time */

const char *session_verb(uint64_t verb)
{
        static const char *const words[] = {[CMI_SESSION_CREATE] = "CREATE",
                        [CMI_SESSION_GET] = "GET",
                        [CMI_SESSION_SAVE] = "SAVE",
                        [CMI_SESSION_TOUCH] = "TOUCH",
                        [CMI_SESSION_DESTROY] = "DESTROY",
                        [CMI_SESSION_DESTROY_PRINCIPAL] = "DESTROY_PRINCIPAL",
                        [CMI_SESSION_ROTATE] = "ROTATE"};

        return verb <= CMI_SESSION_ROTATE && words[verb] ? words[verb] : "?";
}

static struct sim_sessions *sessions_of(const struct visit *visit)
{
        return visit->app->node->world->sessions;
}

static struct user *user_of(const struct visit *visit)
{
        return visit->user == SESSION_NONE ? NULL : &sessions_of(visit)->users[visit->user];
}

static struct sim_session *session_of(const struct visit *visit)
{
        return &sessions_of(visit)->sessions[visit->session];
}

static void step_later(struct visit *visit, uint64_t delay_ns)
{
        struct sim_sessions *sessions = sessions_of(visit);

        session_add(sessions->world, delay_ns, SESSION_STEP, (uint32_t)(visit - sessions->visits),
                        visit->serial);
}

void session_told(struct visit *visit)
{
        uint64_t lease_ns = visit->app->node->world->options.lease_ns;
        uint64_t delay_ns = random_between(&visit->random, 20000, 200000);

        if (visit->step == VISIT_SENDS || random_chance(&visit->random, 50000)) {
                delay_ns = random_duration(&visit->random, 20000, lease_ns / 2);
        }
        step_later(visit, delay_ns);
}

static void finish(struct visit *visit)
{
        visit->is_used = false;
        visit->serial++;
}

/* New ones */

static uint32_t new_session(struct sim_sessions *sessions, uint8_t principal)
{
        uint32_t index = sessions->n_sessions;

        if (index == SESSIONS_MAX) {
                return SESSION_NONE;
        }
        sessions->n_sessions++;
        sessions->sessions[index] = (struct sim_session){
                        .key = session_id(SESSION_SPACE, 'k', index),
                        .principal = principal,
                        .node = SESSION_NONE,
                        .grace = SESSION_NONE,
        };
        return index;
}

static struct visit *new_visit(struct app *app, uint32_t user, uint32_t session)
{
        struct sim_sessions *sessions = app->node->world->sessions;
        uint32_t n = 0;
        struct visit *visit = NULL;

        for (uint32_t i = 0; i < VISITS_MAX; i++) {
                struct visit *other = &sessions->visits[i];

                visit = other->is_used ? visit : other;
                n += other->is_used && other->user == user;
        }
        if (!visit || (user != SESSION_NONE && n >= VISITS_EACH)) {
                return NULL;
        }
        *visit = (struct visit){
                        .is_used = true,
                        .serial = visit->serial,
                        .user = user,
                        .app = app,
                        .app_life = app->life,
                        .session = session,
                        .asked = SESSION_NONE,
                        .new_session = SESSION_NONE,
                        .told = SESSION_NONE,
                        .timeout_ns = 5 * CMI_NS_PER_S,
        };
        return visit;
}

/* Requests */

static void begin_request(struct visit *visit, uint64_t verb)
{
        visit->request = (struct cmi_session_request){
                        .verb = verb,
                        .space = session_id(0, 's',
                                        visit->click == CLICK_STRANGER ? SESSION_STRANGERS
                                                                       : SESSION_SPACE),
                        .key = session_of(visit)->key,
                        .timeout_ms = visit->timeout_ns / CMI_NS_PER_MS + 1,
                        .level = random_below(&visit->random, 4),
        };
        visit->asked = SESSION_NONE;
        visit->n_sent = 0;
        visit->step = VISIT_SENDS;
}

/* It gets a number. */
static void number_request(struct visit *visit)
{
        struct sim_sessions *sessions = sessions_of(visit);
        const struct options *options = &sessions->world->options;

        if (sessions->n_asked == ASKED_MAX) {
                finish(visit);
                return;
        }
        visit->asked = sessions->n_asked++;
        visit->request.request = 1000 + visit->asked;
        if (cmi_session_has_blob(visit->request.verb)) {
                visit->blob_len = 8 + random_below(&visit->random, options->session_blob);
                visit->request.blob_len = visit->blob_len;
                visit->request.save_id = session_id(0, 'v', visit->asked);
        }
        sessions->asked[visit->asked] = (struct sim_asked){
                        .request = visit->request,
                        .session = visit->session,
                        .new_session = visit->new_session,
                        .node = visit->app->node->index,
        };
}

static void ask_create(struct visit *visit)
{
        const struct options *options = &visit->app->node->world->options;
        uint64_t now_ms = session_real_ms(node_clock(visit->app->node));
        uint64_t life_ms = options->session_life_ns / CMI_NS_PER_MS;

        begin_request(visit, CMI_SESSION_CREATE);
        visit->request.max_end_ms = now_ms + random_between(&visit->random, life_ms / 2, life_ms);
        visit->request.idle_ttl_ms = options->session_idle_ns / CMI_NS_PER_MS;
        visit->request.principal = session_id(SESSION_SPACE, 'p', session_of(visit)->principal);
        number_request(visit);
}

static void ask_get(struct visit *visit)
{
        begin_request(visit, CMI_SESSION_GET);
        visit->request.flags = random_chance(&visit->random, 200000) ? CMI_SESSION_PEEK : 0;
}

/* Somebody woke up who was the holder once, or is mistaken. */
static void spoil(struct visit *visit, struct cmi_session_request *request)
{
        if (random_chance(&visit->random, 40000)) {
                request->holder.no++;
        } else if (random_chance(&visit->random, 40000)) {
                request->holder.incarnation++;
        }
        if (random_chance(&visit->random, 80000) && request->expected.seq > 1) {
                request->expected.seq--;
        }
}

static void ask_rotate(struct visit *visit)
{
        uint64_t lease_ms = visit->app->node->world->options.lease_ns / CMI_NS_PER_MS;

        visit->new_session = new_session(sessions_of(visit), session_of(visit)->principal);
        if (visit->new_session == SESSION_NONE) {
                finish(visit);
                return;
        }
        visit->request.new_key = sessions_of(visit)->sessions[visit->new_session].key;
        visit->request.grace_ms = random_chance(&visit->random, 400000)
                                                  ? 0
                                                  : random_below(&visit->random, 8 * lease_ms) + 1;
}

/* On what was got. */
static void ask_change(struct visit *visit, const struct cmi_session_version *version,
                const struct cmi_session_holder *holder)
{
        static const uint64_t verbs[CLICK_KINDS] = {[CLICK_SAVE] = CMI_SESSION_SAVE,
                        [CLICK_TOUCH] = CMI_SESSION_TOUCH,
                        [CLICK_ROTATE] = CMI_SESSION_ROTATE,
                        [CLICK_LOGOUT] = CMI_SESSION_DESTROY,
                        [CLICK_LOGOUT_ALL] = CMI_SESSION_DESTROY_PRINCIPAL};

        begin_request(visit, verbs[visit->click]);
        visit->request.expected = *version;
        visit->request.holder = *holder;
        spoil(visit, &visit->request);
        switch (visit->request.verb) {
        case CMI_SESSION_TOUCH:
                visit->request.age_ms = random_below(&visit->random, 1 + visit->answer.idle_ttl_ms);
                return;
        case CMI_SESSION_ROTATE:
                ask_rotate(visit);
                break;
        case CMI_SESSION_DESTROY_PRINCIPAL:
                visit->request.principal =
                                session_id(SESSION_SPACE, 'p', session_of(visit)->principal);
                break;
        default:
                break;
        }
        if (visit->is_used) {
                number_request(visit);
        }
}

/* Somebody who has found a key, but is of another space. */
static void ask_as_stranger(struct visit *visit, const struct user *user)
{
        static const uint64_t verbs[] = {
                        CMI_SESSION_GET, CMI_SESSION_SAVE, CMI_SESSION_TOUCH, CMI_SESSION_DESTROY};

        bool is_known = !cmi_session_version_is_none(&user->seen) &&
                        session_of(visit)->holder.no != 0;

        begin_request(visit, verbs[is_known ? random_below(&visit->random, 4) : 0]);
        visit->request.expected = user->seen;
        visit->request.holder = session_of(visit)->holder;
        if (visit->request.verb != CMI_SESSION_GET && visit->request.verb != CMI_SESSION_TOUCH) {
                number_request(visit);
        }
}

/* The login of a session that is over, though by the clock, which was set back, it need not be. */
static uint32_t find_early(struct visit *visit)
{
        struct sim_sessions *sessions = sessions_of(visit);
        struct node *node = visit->app->node;
        uint64_t now_ms = session_real_ms(node_clock(node));

        for (uint32_t i = sessions->n_asked; i-- > 0;) {
                const struct cmi_session_request *request = &sessions->asked[i].request;
                const struct sim_session *session = &sessions->sessions[sessions->asked[i].session];

                if (request->verb == CMI_SESSION_CREATE && request->max_end_ms > now_ms &&
                                session->may_be_over &&
                                session_is_here(session_node(node), session)) {
                        return i;
                }
        }
        return SESSION_NONE;
}

static bool ask_again(struct visit *visit)
{
        struct sim_sessions *sessions = sessions_of(visit);
        uint32_t n = sessions->n_asked < 40 ? sessions->n_asked : 40;
        const struct sim_asked *asked;

        if (n == 0) {
                return false;
        }
        visit->asked = random_chance(&visit->random, 500000) ? find_early(visit) : SESSION_NONE;
        if (visit->asked == SESSION_NONE) {
                visit->asked = sessions->n_asked - 1 - (uint32_t)random_below(&visit->random, n);
        }
        asked = &sessions->asked[visit->asked];
        if (asked->node != visit->app->node->index) {
                return false;
        }
        visit->request = asked->request;
        visit->session = asked->session;
        visit->new_session = asked->new_session;
        visit->blob_len = asked->request.blob_len;
        visit->step = VISIT_SENDS;
        return true;
}

/* Clicks */

static bool begin(struct visit *visit, struct user *user)
{
        struct sim_sessions *sessions = sessions_of(visit);

        visit->is_last = visit->click >= CLICK_AGAIN;
        if (visit->click == CLICK_AGAIN) {
                return ask_again(visit);
        }
        if (user->session == SESSION_NONE && visit->click == CLICK_STRANGER) {
                return false;
        }
        if (user->session == SESSION_NONE || visit->click == CLICK_UNKNOWN) {
                visit->session = new_session(sessions, user->principal);
                if (visit->session == SESSION_NONE) {
                        return false;
                }
                if (visit->click != CLICK_UNKNOWN) {
                        visit->is_last = true;
                        ask_create(visit);
                        return true;
                }
                begin_request(visit, CMI_SESSION_DESTROY);
                number_request(visit);
                return true;
        }
        visit->session = user->session;
        if (visit->click == CLICK_STRANGER) {
                visit->user = SESSION_NONE;
                ask_as_stranger(visit, user);
        }
        return true;
}

void session_click(struct world *world, const struct act *act)
{
        struct sim_sessions *sessions = world->sessions;
        struct app *app = &world->apps[act->node][act->click.app];
        struct visit *visit;

        if (!sessions || act->click.user < 0 || act->click.user >= USERS_MAX ||
                        act->click.what < 0 || act->click.what >= CLICK_KINDS ||
                        app_is_halted(app)) {
                return;
        }
        visit = new_visit(app, (uint32_t)act->click.user, SESSION_NONE);
        if (!visit) {
                return;
        }
        world->tally.n_clicks++;
        visit->click = (enum click)act->click.what;
        visit->random = (struct random){world->seed * 31 + (uint64_t)act->click.chance};
        random_next(&visit->random);
        visit->timeout_ns = (uint64_t)act->click.timeout_ns;
        visit->pause_ns = (uint64_t)act->click.pause_ns;
        if (!begin(visit, &sessions->users[act->click.user]) || !visit->is_used) {
                finish(visit);
                return;
        }
        step_later(visit, random_between(&visit->random, 10000, 100000));
}

/* What he is told */

static void see(struct visit *visit, uint32_t session)
{
        struct user *user = user_of(visit);

        if (user && user->session == session &&
                        !cmi_session_version_is_none(&visit->answer.version) &&
                        (user->seen_life != visit->life ||
                                        cmi_session_version_compare(
                                                        &user->seen, &visit->answer.version) < 0)) {
                user->seen = visit->answer.version;
                user->seen_life = visit->life;
        }
}

static void use_cookie(struct visit *visit, uint32_t session)
{
        struct user *user = user_of(visit);

        if (user) {
                user->session = session;
                user->home = visit->app->node->index;
                user->seen = visit->answer.version;
                user->seen_life = visit->life;
        }
}

/* At another node he may still be known. */
static void is_gone(struct visit *visit)
{
        struct user *user = user_of(visit);
        bool is_home = user && user->home == visit->app->node->index;

        if (user && user->session == visit->session &&
                        random_chance(&visit->random, is_home ? 800000 : 300000)) {
                user->session = SESSION_NONE;
        }
}

/* Another tab, which comes later with the cookie of before, to look or to log out. */
static void look_later(struct visit *of)
{
        uint64_t lease_ns = of->app->node->world->options.lease_ns;
        struct visit *visit = random_chance(&of->random, 500000)
                                              ? new_visit(of->app, SESSION_NONE, of->session)
                                              : NULL;

        if (visit) {
                visit->random = (struct random){random_next(&of->random)};
                visit->is_last = true;
                if (random_chance(&visit->random, 200000)) {
                        begin_request(visit, CMI_SESSION_DESTROY);
                        number_request(visit);
                }
                if (visit->is_used) {
                        step_later(visit, random_duration(&visit->random, 20000, 4 * lease_ns));
                }
        }
}

static bool is_cookie(const struct visit *visit)
{
        const struct user *user = user_of(visit);

        return user && (user->session == visit->session || user->session == SESSION_NONE);
}

static void succeeded(struct visit *visit)
{
        switch (visit->request.verb) {
        case CMI_SESSION_CREATE:
                if (user_of(visit) && user_of(visit)->session == SESSION_NONE) {
                        use_cookie(visit, visit->session);
                }
                break;
        case CMI_SESSION_ROTATE:
                if (is_cookie(visit)) {
                        use_cookie(visit, visit->new_session);
                }
                look_later(visit);
                break;
        case CMI_SESSION_DESTROY:
        case CMI_SESSION_DESTROY_PRINCIPAL:
                is_gone(visit);
                look_later(visit);
                break;
        default:
                see(visit, visit->session);
                break;
        }
        session_keep(visit);
}

static void take_answer(struct visit *visit)
{
        bool is_read_only = (visit->answer.flags & CMI_SESSION_READ_ONLY) != 0;
        bool is_got = visit->request.verb == CMI_SESSION_GET && visit->answer.outcome == 0 &&
                      !is_read_only;
        bool is_beaten = visit->answer.outcome == CMI_CONFLICT;

        if (visit->answer.outcome == 0 && !is_read_only) {
                succeeded(visit);
        } else if (is_beaten) {
                see(visit, visit->session);
                session_keep(visit);
        } else if (visit->answer.outcome == CMI_GONE) {
                is_gone(visit);
        }
        if ((is_got || (is_beaten && random_chance(&visit->random, 500000))) && !visit->is_last &&
                        visit->click != CLICK_LOOK) {
                visit->step = VISIT_CHANGES;
                step_later(visit, visit->pause_ns);
        } else {
                finish(visit);
        }
}

/* The process's own meshd is told, sooner or later, that what it keeps is in use. */
static void tell_used(struct visit *of, struct sim_copy *copy)
{
        uint64_t now_ns = node_clock(of->app->node).mono_ns;
        uint64_t interval_ms = cmi_session_touch_interval_ms(copy->idle_ttl_ms);
        struct visit *visit;

        if (copy->idle_ttl_ms == 0 || now_ns - copy->told_ns < cmi_ms(interval_ms)) {
                return;
        }
        visit = new_visit(of->app, SESSION_NONE, copy->session);
        if (!visit) {
                return;
        }
        copy->told_ns = now_ns;
        visit->random = (struct random){random_next(&of->random)};
        visit->is_last = true;
        begin_request(visit, CMI_SESSION_TOUCH);
        visit->request.holder = copy->holder;
        step_later(visit, 10000);
}

static void look(struct visit *visit)
{
        struct sim_copy *copy = session_hit(visit->app, visit->session);
        const struct user *user = user_of(visit);

        if (user && user->session == visit->session) {
                visit->seen = user->seen;
                visit->seen_life = user->seen_life;
        }
        if (!copy) {
                ask_get(visit);
                step_later(visit, 10000);
                return;
        }
        session_judge_hit(visit, copy);
        tell_used(visit, copy);
        visit->answer = (struct cmi_session_answer){
                        .version = copy->version,
                        .holder = copy->holder,
                        .idle_ttl_ms = copy->idle_ttl_ms,
        };
        visit->life = copy->page->life;
        see(visit, visit->session);
        if (visit->click == CLICK_LOOK) {
                finish(visit);
        } else {
                visit->step = VISIT_CHANGES;
                step_later(visit, visit->pause_ns);
        }
}

/* Now and then an answer gets lost with its connection. */
static bool is_lost(struct visit *visit)
{
        return visit->n_sent < 3 && random_chance(&visit->random, 80000);
}

static void take_step(struct visit *visit)
{
        uint64_t lease_ns = visit->app->node->world->options.lease_ns;

        switch (visit->step) {
        case VISIT_BEGINS:
                look(visit);
                return;
        case VISIT_SENDS:
                if (visit->n_sent >= SENT_MAX) {
                        finish(visit);
                } else if (!session_send(visit)) {
                        visit->n_sent += random_chance(&visit->random, 100000);
                        step_later(visit, lease_ns / 20);
                }
                return;
        case VISIT_WAITS:
                return;
        case VISIT_TOLD:
                if (is_lost(visit)) {
                        visit->step = VISIT_SENDS;
                        step_later(visit, random_duration(&visit->random, 10000, lease_ns / 4));
                        return;
                }
                session_judge_told(visit);
                take_answer(visit);
                return;
        case VISIT_CHANGES: {
                struct cmi_session_version version = visit->answer.version;
                struct cmi_session_holder holder = visit->answer.holder;

                ask_change(visit, &version, &holder);
                if (visit->is_used) {
                        step_later(visit, 10000);
                }
                return;
        }
        }
}

void session_step_event(struct visit *visit)
{
        struct app *app = visit->app;

        if (app->life != visit->app_life) {
                finish(visit);
        } else if (app_is_halted(app)) {
                step_later(visit, app->node->world->options.lease_ns / 50);
        } else {
                take_step(visit);
        }
}
