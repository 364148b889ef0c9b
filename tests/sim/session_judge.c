/* SPDX-License-Identifier: MIT */
/*
 * What a plane may answer, and a process may serve:
 *
 * S1   A logout is told as done only by who can know: of a session that it has.
 * S3   What is dead at a node stays dead there, while its store lives.
 * S4   No key is made twice.
 * S6   Versions that are seen through one client never go back, and none is shown that is not the
 *      newest; what is acknowledged is what was sent (also S10).
 * S7   Of two saves over one version one succeeds, and a repeated one is done once.
 * S9   Who is not the holder changes nothing, and who does not serve says nothing.
 * S11  A session in use is not idle, nothing lives past its end, and a touch changes nothing else.
 * S18  What is refused for lack of room is refused only when there is none, and nothing that lives
 *      goes by itself.
 * S20  Each request is answered in its time.
 */
#include "tests/sim/session.h"

#include <errno.h>

struct judged {
        struct world *world;
        struct session_node *at;
        struct visit *visit;
        const struct cmi_session_answer *answer;
        struct sim_session *session;
        struct cmi_time now;
};

static bool is_stranger(const struct judged *judged)
{
        return judged->visit->request.space.bytes[2] != SESSION_SPACE;
}

static bool is_own(const struct judged *judged)
{
        return session_is_here(judged->at, judged->session) && !is_stranger(judged);
}

static void blame(const struct judged *judged, const char *code, const char *what)
{
        violation(judged->world, "%s %s: %s of session %u, told %lld: %s", code,
                        judged->at->node->name, session_verb(judged->visit->request.verb),
                        judged->visit->session, (long long)judged->answer->outcome, what);
}

static bool is_same(const struct cmi_session_version *a, const struct cmi_session_version *b)
{
        return cmi_session_version_compare(a, b) == 0;
}

/* Is it there to be read or changed? If not, whoever says so is to blame. */
static bool check_alive(const struct judged *judged, const struct sim_session *session)
{
        if (is_stranger(judged)) {
                blame(judged, "S3", "it belongs to another space");
        } else if (!session_is_here(judged->at, session)) {
                blame(judged, "S3", "nobody has made it here");
        } else if (session->state == SIM_SESSION_DEAD) {
                blame(judged, "S3", "it is dead");
        } else if (session_real_ms(judged->now) > session->max_end_ms) {
                blame(judged, "S11", "its end has passed");
        } else {
                return true;
        }
        return false;
}

static void check_gone(const struct judged *judged)
{
        struct sim_session *session = judged->session;

        if (!is_own(judged)) {
                return;
        }
        if (!session_may_be_gone(session, judged->now)) {
                blame(judged, session->idle_ttl_ms ? "S11" : "S18",
                                "nobody has ended it, and its time is not over");
        }
        /* Past its end by a clock that was set, it may come back. */
        if (session_real_ms(judged->now) + 1 < session->max_end_ms) {
                session->state = SIM_SESSION_DEAD;
        }
}

/* The content that request @asked has sent. */
static void check_content(const struct judged *judged, uint32_t asked)
{
        const struct cmi_session_answer *answer = judged->answer;
        const struct cmi_session_request *request = &judged->world->sessions->asked[asked].request;
        struct cmi_id tag = session_id(SESSION_SPACE, 'p', judged->session->principal);
        const uint8_t *bytes = answer->blob.data;
        uint64_t number = 0;

        if (answer->blob.len >= sizeof(number)) {
                memcpy(&number, bytes, sizeof(number));
        }
        if (number != (uint64_t)asked + 1 || answer->blob.len != request->blob_len ||
                        (answer->blob.len > 8 && bytes[answer->blob.len - 1] != (uint8_t)number)) {
                blame(judged, "S6", "another content than that of its newest version");
        }
        if (!cmi_id_equal(&answer->save_id, &request->save_id) ||
                        (request->verb == CMI_SESSION_SAVE
                                                        ? !is_same(&answer->sealed_base,
                                                                          &request->expected)
                                                        : !cmi_session_version_is_none(
                                                                          &answer->sealed_base))) {
                blame(judged, "S6", "sealed as another one");
        }
        if (!cmi_slice_equal(answer->tag, cmi_slice(&tag, sizeof(tag)))) {
                blame(judged, "S11", "another tag");
        }
}

static void check_head(const struct judged *judged, const struct sim_session *session)
{
        const struct cmi_session_answer *answer = judged->answer;

        if (!is_same(&answer->version, &session->version)) {
                blame(judged, "S6", "not the newest version");
        }
        if (!cmi_session_holder_equal(&answer->holder, &session->holder) ||
                        answer->max_end_ms != session->max_end_ms ||
                        answer->idle_ttl_ms != session->idle_ttl_ms) {
                blame(judged, "S11", "another end, idle time or holder");
        }
}

static void check_shown(const struct judged *judged)
{
        if (check_alive(judged, judged->session)) {
                check_head(judged, judged->session);
                check_content(judged, judged->session->asked[0]);
                judged->visit->told = judged->session->asked[0];
        }
}

/* What a rotated id still reads as. */
static bool has_grace(const struct judged *judged)
{
        const struct sim_session *session = judged->session;

        return is_own(judged) && session->is_rotated && session->grace != SESSION_NONE &&
               judged->now.mono_ns <= session->grace_ns + CMI_NS_PER_MS &&
               judged->world->sessions->sessions[session->successor].state == SIM_SESSION_ALIVE;
}

static void check_grace(const struct judged *judged)
{
        if (!has_grace(judged)) {
                blame(judged, "S3", "a rotated id is still readable");
                return;
        }
        check_content(judged, judged->session->grace);
        if (judged->answer->token != 0) {
                blame(judged, "S3", "what is read only may be kept");
        }
}

static uint32_t count_principal(const struct judged *judged)
{
        const struct sim_sessions *sessions = judged->world->sessions;
        uint32_t n = 0;

        for (uint32_t i = 0; i < sessions->n_sessions; i++) {
                n += session_is_here(judged->at, &sessions->sessions[i]) &&
                     sessions->sessions[i].principal == judged->session->principal;
        }
        return n;
}

/* Of ids that are ended and were never known a store keeps no more than a part of its keys. A
 * logout everywhere is written down only of who has sessions here. */
static bool has_room_for_unknown(const struct judged *judged, const struct store_status *status)
{
        return status->blind_bytes + 1024 <
                               judged->world->options.session_key_bytes / STORE_BLIND_PART ||
               judged->visit->request.verb != CMI_SESSION_DESTROY;
}

/* Well below the budgets nothing is refused. */
static void check_full(const struct judged *judged)
{
        const struct options *options = &judged->world->options;
        struct plane_status status;

        plane_status(judged->at->plane, judged->now, &status);
        if (status.store.record_bytes + 2 * judged->visit->blob_len + 4096 <
                                        options->session_bytes / 4 &&
                        status.store.key_bytes < options->session_key_bytes / 4 &&
                        has_room_for_unknown(judged, &status.store) &&
                        (options->session_limit == 0 ||
                                        count_principal(judged) < options->session_limit)) {
                blame(judged, "S18", "there is room");
        }
}

static bool is_holder(const struct judged *judged)
{
        return cmi_session_holder_equal(&judged->visit->request.holder, &judged->session->holder);
}

/* What was done before is told again: with its own version, or with none. */
static void check_repeated(const struct judged *judged, const struct sim_session *session)
{
        if (cmi_session_version_is_none(&judged->answer->version)) {
                if (session->asked[0] == judged->visit->asked) {
                        blame(judged, "S7", "its version is the newest one, and is not told");
                }
        } else if (session->asked[0] != judged->visit->asked ||
                        !is_same(&judged->answer->version, &session->version)) {
                blame(judged, "S7", "a repeated request is told of a later one as its own");
        } else {
                judged->visit->told = judged->visit->asked;
        }
}

/* Verbs */

static void judge_get(const struct judged *judged)
{
        if (judged->answer->outcome == CMI_GONE) {
                check_gone(judged);
        } else if (judged->answer->outcome != 0) {
                blame(judged, "S20", "no answer to a GET");
        } else if (judged->answer->flags & CMI_SESSION_READ_ONLY) {
                check_grace(judged);
        } else {
                check_shown(judged);
                if ((judged->visit->request.flags & CMI_SESSION_PEEK) == 0) {
                        session_used(judged->session, judged->now,
                                        judged->now.mono_ns - judged->visit->sent_mono_ns);
                }
        }
}

static void judge_created(const struct judged *judged)
{
        const struct sim_session *session = judged->session;
        bool is_here = session_is_here(judged->at, session);
        bool is_asked = session_is_asked(session, judged->visit->asked);

        if (is_here && session->state == SIM_SESSION_ALIVE &&
                        (is_asked || !session->may_be_forgotten)) {
                if (!is_asked) {
                        blame(judged, "S4", "it is made twice");
                } else if (check_alive(judged, session)) {
                        check_repeated(judged, session);
                }
                return;
        }
        if (is_here && !session->may_be_forgotten) {
                blame(judged, "S3", "it is dead, and made again");
        }
        if (cmi_session_version_is_none(&judged->answer->version) ||
                        judged->answer->max_end_ms != judged->visit->request.max_end_ms) {
                blame(judged, "S6", "made, and not told as what");
        }
        judged->visit->told = judged->visit->asked;
        session_made(judged->at, judged->visit, judged->visit->session, judged->answer);
}

static void judge_create(const struct judged *judged)
{
        const struct sim_session *session = judged->session;
        bool is_here = session_is_here(judged->at, session);

        switch (judged->answer->outcome) {
        case 0:
                judge_created(judged);
                return;
        case CMI_GONE:
                if (!is_here) {
                        blame(judged, "S18", "nobody has made it here");
                }
                check_gone(judged);
                return;
        case -EEXIST:
                if (session->taken_node == judged->at->node->index &&
                                session->taken_life == judged->at->life) {
                        return;
                }
                if (!is_here || session->state == SIM_SESSION_DEAD ||
                                session_is_asked(session, judged->visit->asked)) {
                        blame(judged, "S4", "nobody else has made it");
                }
                return;
        case -EINVAL:
                if (session_real_ms(judged->now) < judged->visit->request.max_end_ms) {
                        blame(judged, "S20", "its end is still to come");
                }
                return;
        case CMI_E_FULL:
                check_full(judged);
                return;
        default:
                blame(judged, "S20", "no answer to a CREATE");
        }
}

/* It is done for the first time: is it over the newest version, by the holder? */
static bool check_over(const struct judged *judged)
{
        if (!check_alive(judged, judged->session)) {
                return false;
        }
        if (!is_same(&judged->visit->request.expected, &judged->session->version)) {
                blame(judged, "S7", "another one was made over that version");
        } else if (!is_holder(judged)) {
                blame(judged, "S9", "by who does not hold it");
        } else if (cmi_session_version_is_none(&judged->answer->version)) {
                blame(judged, "S7", "done, and not told as what");
        } else {
                return true;
        }
        return false;
}

static void judge_saved(const struct judged *judged)
{
        if (is_own(judged) && session_is_asked(judged->session, judged->visit->asked)) {
                if (check_alive(judged, judged->session)) {
                        check_repeated(judged, judged->session);
                }
                return;
        }
        if (!check_over(judged)) {
                return;
        }
        if (cmi_session_version_compare(&judged->answer->version, &judged->session->version) <= 0) {
                blame(judged, "S6", "its version is not above the one that it replaces");
        }
        judged->visit->told = judged->visit->asked;
        session_saved(judged->at, judged->visit, judged->answer);
}

static void judge_rotated(const struct judged *judged)
{
        const struct sim_session *new =
                        &judged->world->sessions->sessions[judged->visit->new_session];

        if (is_own(judged) && judged->session->is_rotated &&
                        judged->session->rotated_by == judged->visit->asked) {
                if (check_alive(judged, new)) {
                        check_repeated(judged, new);
                }
        } else if (check_over(judged)) {
                if (session_is_here(judged->at, new)) {
                        blame(judged, "S4", "its new id was there");
                }
                judged->visit->told = judged->visit->asked;
                session_rotated(judged->at, judged->visit, judged->answer);
        }
}

static void judge_conflict(const struct judged *judged)
{
        check_shown(judged);
        if (session_is_asked(judged->session, judged->visit->asked) ||
                        (is_same(&judged->visit->request.expected, &judged->session->version) &&
                                        is_holder(judged))) {
                blame(judged, "S7", "nobody was faster");
        }
}

/* SAVE, ROTATE */
static void judge_change(const struct judged *judged)
{
        switch (judged->answer->outcome) {
        case 0:
                if (judged->visit->request.verb == CMI_SESSION_SAVE) {
                        judge_saved(judged);
                } else {
                        judge_rotated(judged);
                }
                return;
        case CMI_CONFLICT:
                judge_conflict(judged);
                return;
        case CMI_GONE:
                check_gone(judged);
                return;
        case CMI_E_READ_ONLY:
                if (!has_grace(judged)) {
                        blame(judged, "S3", "a rotated id is still known");
                }
                return;
        case CMI_E_STALE:
                if (!is_own(judged) || is_holder(judged)) {
                        blame(judged, "S9", "nobody has taken it over");
                }
                return;
        case CMI_E_FULL:
                check_full(judged);
                return;
        default:
                blame(judged, "S20", "no answer to a change");
        }
}

static void judge_touch(const struct judged *judged)
{
        const struct cmi_session_request *request = &judged->visit->request;

        if (judged->answer->outcome == CMI_GONE) {
                check_gone(judged);
        } else if (judged->answer->outcome == CMI_E_STALE) {
                if (!is_own(judged) || is_holder(judged)) {
                        blame(judged, "S9", "nobody has taken it over");
                }
        } else if (judged->answer->outcome != 0) {
                blame(judged, "S20", "no answer to a TOUCH");
        } else if (check_alive(judged, judged->session)) {
                if (!is_holder(judged)) {
                        blame(judged, "S9", "by who does not hold it");
                }
                session_used(judged->session, judged->now,
                                judged->now.mono_ns - judged->visit->sent_mono_ns +
                                                cmi_ms(request->age_ms));
        }
}

/* What is not known here may live at another node. */
static void check_known(const struct judged *judged)
{
        struct core_status status;

        core_status(judged->at->node->core, &status);
        if (judged->answer->outcome == 0 && status.n_members > 0 &&
                        (is_stranger(judged) || !session_is_here(judged->at, judged->session))) {
                blame(judged, "S1", "other nodes are not asked, and may have it");
        }
        if (judged->answer->outcome != 0 && is_own(judged) &&
                        !session_may_be_gone(judged->session, judged->now)) {
                blame(judged, "S1", "it is known here");
        }
}

static void judge_destroy(const struct judged *judged)
{
        bool is_told = judged->answer->outcome == 0 || judged->answer->outcome == CMI_E_UNCONFIRMED;

        if (judged->answer->outcome == CMI_E_FULL && !is_own(judged)) {
                check_full(judged);
        } else if (!is_told) {
                blame(judged, "S3", "a logout is refused");
        } else {
                check_known(judged);
                if (!is_stranger(judged)) {
                        session_destroyed(judged->at, judged->visit);
                } else if (!session_is_here(judged->at, judged->session)) {
                        judged->session->taken_node = judged->at->node->index;
                        judged->session->taken_life = judged->at->life;
                }
        }
}

static void judge_verb(const struct judged *judged)
{
        switch ((enum cmi_session_verb)judged->visit->request.verb) {
        case CMI_SESSION_GET:
                judge_get(judged);
                return;
        case CMI_SESSION_CREATE:
                judge_create(judged);
                return;
        case CMI_SESSION_SAVE:
        case CMI_SESSION_ROTATE:
                judge_change(judged);
                return;
        case CMI_SESSION_TOUCH:
                judge_touch(judged);
                return;
        case CMI_SESSION_DESTROY:
                judge_destroy(judged);
                return;
        case CMI_SESSION_DESTROY_PRINCIPAL:
                if (judged->answer->outcome == 0 || judged->answer->outcome == CMI_E_UNCONFIRMED) {
                        session_all_ended(judged->at, judged->visit);
                } else if (judged->answer->outcome == CMI_E_FULL) {
                        check_full(judged);
                } else {
                        blame(judged, "S3", "a logout everywhere is refused");
                }
                return;
        }
}

void session_judge_answer(struct session_node *at, struct visit *visit,
                const struct cmi_session_answer *answer)
{
        struct world *world = at->node->world;
        const struct judged judged = {world, at, visit, answer,
                        &world->sessions->sessions[visit->session], node_clock(at->node)};
        uint64_t deadline_ns = visit->sent_mono_ns + cmi_ms(visit->request.timeout_ms);
        bool is_late = judged.now.mono_ns > deadline_ns + CMI_NS_PER_MS;
        struct core_status status;

        core_status(at->node->core, &status);
        world->tally.n_told++;
        visit->told = SESSION_NONE;
        if (answer->outcome == CMI_E_UNCONFIRMED && judged.now.mono_ns >= deadline_ns) {
                return; /* nothing has happened */
        }
        if (answer->outcome == CMI_E_UNCONFIRMED && visit->request.verb != CMI_SESSION_DESTROY &&
                        visit->request.verb != CMI_SESSION_DESTROY_PRINCIPAL) {
                blame(&judged, "S20", "its time is not over");
                return;
        }
        if (status.state != CORE_LIVE) {
                blame(&judged, "S9", "by a node that does not serve");
        }
        if (is_late) {
                blame(&judged, "S20", "done after its time");
        }
        judge_verb(&judged);
}

/* Clients */

void session_judge_told(struct visit *visit)
{
        const struct cmi_session_answer *answer = &visit->answer;

        if (visit->request.verb == CMI_SESSION_GET && answer->outcome == 0 &&
                        (answer->flags & CMI_SESSION_READ_ONLY) == 0 &&
                        visit->seen_life == visit->life &&
                        cmi_session_version_compare(&answer->version, &visit->seen) < 0) {
                violation(visit->app->node->world, "S6 %s: user %d has seen a newer session %u",
                                visit->app->node->name, (int)visit->user, visit->session);
        }
}

void session_judge_hit(struct visit *visit, const struct sim_copy *copy)
{
        struct node *node = visit->app->node;
        struct world *world = node->world;
        const struct sim_session *session = &world->sessions->sessions[copy->session];
        const char *code = NULL;

        trace(world, "%s: user %d, app %u: hits session %u", node->name, (int)visit->user,
                        visit->app->index, copy->session);
        trace_story(world, copy->version.seq);
        world->tally.n_session_hits++;
        if (session->state != SIM_SESSION_ALIVE) {
                code = "S3";
        } else if (!is_same(&copy->version, &session->version)) {
                code = "S6";
        }
        if (code) {
                violation(world, "%s %s: app %u serves session %u, which has %s", code, node->name,
                                visit->app->index, copy->session,
                                *(code + 1) == '3' ? "ended" : "been saved over");
        }
}
