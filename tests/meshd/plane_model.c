/* SPDX-License-Identifier: MIT */
/* What each request has to be answered: the table of plane.h, in the plainest way. */
#include "tests/meshd/plane_play.h"

#include <errno.h>

static uint64_t now_ms(const struct plane_play *play)
{
        return plane_rig_now_ms(&play->rig);
}

/* What is expected: the outcome, and with which session's head and content. */
struct verdict {
        int64_t outcome;
        bool has_head;
        bool has_text;
        bool is_read_only;
        const struct play_session *session;
        const char *text;
};

static bool is_same_version(
                const struct cmi_session_version *a, const struct cmi_session_version *b)
{
        return cmi_session_version_compare(a, b) == 0;
}

bool plane_model_is_alive(struct plane_play *play, uint32_t key)
{
        struct play_session *session = &play->sessions[key];

        if (session->state == PLAY_ALIVE && session->max_end_ms <= now_ms(play)) {
                session->state = PLAY_DEAD;
        }
        return session->state == PLAY_ALIVE;
}

/* The plane hears again after an interval of what was idle while it did not serve. */
static uint64_t idle_bound_ms(const struct plane_play *play, const struct play_session *session)
{
        uint64_t end_ms = cmi_session_idle_end_ms(session->last_touch_ms, session->idle_ttl_ms);
        uint64_t again_ms = cmi_session_touch_interval_ms(session->idle_ttl_ms);

        if (session->idle_ttl_ms == 0 || !play->rig.is_live) {
                return UINT64_MAX;
        }
        return (end_ms > play->live_since_ms ? end_ms : play->live_since_ms) +
               (again_ms > 1000 ? again_ms : 1000);
}

void plane_model_see_idle(struct plane_play *play)
{
        for (uint32_t key = 0; key < PLAY_KEYS; key++) {
                struct play_session *session = &play->sessions[key];
                uint64_t end_ms = cmi_session_idle_end_ms(
                                session->last_touch_ms, session->idle_ttl_ms);
                struct cmi_id id = plane_rig_key(key);
                struct plane_entry entry;
                bool is_there;

                if (!plane_model_is_alive(play, key)) {
                        continue;
                }
                is_there = plane_find(play->rig.plane, play->rig.now, &id, &entry) == 0 &&
                           entry.reason == 0;
                plane_play_require(play, is_there || end_ms <= now_ms(play), "ended too early");
                plane_play_require(play, !is_there || idle_bound_ms(play, session) > now_ms(play),
                                "idle for ever");
                if (!is_there) {
                        session->state = PLAY_DEAD;
                }
        }
}

/* Grace */

static bool is_readable(struct plane_play *play, const struct play_request *asked)
{
        struct play_session *old = &play->sessions[asked->key];
        bool is_over = !old->grace.is_kept || old->grace.until_ms <= now_ms(play) ||
                       !plane_model_is_alive(play, old->grace.successor);

        return !is_over && cmi_id_equal(&old->space, &asked->request.space);
}

static void end(struct plane_play *play, uint32_t key)
{
        play->sessions[key].state = PLAY_DEAD;
        play->sessions[key].grace.is_kept = false;
        for (uint32_t i = 0; i < PLAY_KEYS; i++) {
                if (play->sessions[i].grace.successor == key) {
                        play->sessions[i].grace.is_kept = false;
                }
        }
}

/* Verdicts */

static bool is_own(struct plane_play *play, const struct play_request *asked)
{
        const struct play_session *session = &play->sessions[asked->key];

        return plane_model_is_alive(play, asked->key) &&
               cmi_id_equal(&session->space, &asked->request.space);
}

static bool is_request_of(const struct play_session *session, uint64_t request)
{
        for (uint32_t i = 0; i < session->n_requests; i++) {
                if (session->requests[i] == request) {
                        return true;
                }
        }
        return false;
}

static struct verdict missing(struct plane_play *play, const struct play_request *asked)
{
        return (struct verdict){.outcome = is_readable(play, asked) ? CMI_E_READ_ONLY : CMI_GONE};
}

/* Done before: with its head if that is still what was made. */
static struct verdict again(const struct play_session *session, uint64_t request)
{
        return (struct verdict){.has_head = session->requests[0] == request, .session = session};
}

static void add_request(struct play_session *session, uint64_t request)
{
        memmove(&session->requests[1], &session->requests[0], 3 * sizeof(session->requests[0]));
        session->requests[0] = request;
        session->n_requests = session->n_requests < 4 ? session->n_requests + 1 : 4;
}

static void make(struct plane_play *play, const struct play_request *asked, uint32_t key)
{
        const struct cmi_session_request *request = &asked->request;
        struct play_session *session = &play->sessions[key];

        *session = (struct play_session){
                        .state = PLAY_ALIVE,
                        .space = request->space,
                        .version = {{1, play->rig.options.node_id, play->rig.options.incarnation},
                                        1, play->rig.options.node_id},
                        .holder = {play->rig.options.node_id, play->rig.options.incarnation, 1},
                        .max_end_ms = request->max_end_ms,
                        .idle_ttl_ms = request->idle_ttl_ms,
                        .last_touch_ms = now_ms(play),
                        .owner = request->principal.bytes[0],
        };
        memcpy(session->text, asked->text, sizeof(session->text));
        add_request(session, request->request);
}

static struct verdict create(struct plane_play *play, const struct play_request *asked)
{
        struct play_session *session = &play->sessions[asked->key];
        bool is_there = plane_model_is_alive(play, asked->key);

        if (asked->request.max_end_ms <= now_ms(play)) {
                return (struct verdict){.outcome = -EINVAL};
        }
        if (session->state == PLAY_NONE) {
                make(play, asked, asked->key);
                return (struct verdict){.has_head = true, .session = session};
        }
        if (!cmi_id_equal(&session->space, &asked->request.space)) {
                return (struct verdict){.outcome = -EEXIST};
        }
        if (!is_there) {
                return (struct verdict){.outcome = CMI_GONE};
        }
        return is_request_of(session, asked->request.request)
                               ? again(session, asked->request.request)
                               : (struct verdict){.outcome = -EEXIST};
}

static void use(struct plane_play *play, const struct play_request *asked, uint64_t age_ms)
{
        struct play_session *session = &play->sessions[asked->key];
        uint64_t at_ms = now_ms(play) - age_ms -
                         (play->rig.now.mono_ns - asked->sent_ns) / CMI_NS_PER_MS;

        session->last_touch_ms = at_ms > session->last_touch_ms ? at_ms : session->last_touch_ms;
}

static struct verdict get(struct plane_play *play, const struct play_request *asked)
{
        const struct play_session *session = &play->sessions[asked->key];

        if (is_own(play, asked)) {
                if ((asked->request.flags & CMI_SESSION_PEEK) == 0) {
                        use(play, asked, 0);
                }
                return (struct verdict){.has_head = true,
                                .has_text = true,
                                .session = session,
                                .text = session->text};
        }
        if (is_readable(play, asked)) {
                return (struct verdict){.has_text = true,
                                .is_read_only = true,
                                .text = session->grace.text};
        }
        return (struct verdict){.outcome = CMI_GONE};
}

/* SAVE and ROTATE: is it over what is there? Return: 0, or why not, with *ret_verdict. */
static bool is_over_it(struct plane_play *play, const struct play_request *asked,
                struct verdict *ret_verdict)
{
        const struct play_session *session = &play->sessions[asked->key];

        if (!cmi_session_holder_equal(&session->holder, &asked->request.holder)) {
                *ret_verdict = (struct verdict){.outcome = CMI_E_STALE};
                return false;
        }
        if (!is_same_version(&session->version, &asked->request.expected)) {
                *ret_verdict = (struct verdict){.outcome = CMI_CONFLICT,
                                .has_head = true,
                                .has_text = true,
                                .session = session,
                                .text = session->text};
                return false;
        }
        return true;
}

void plane_model_save(struct plane_play *play, uint32_t key, const char *text, uint64_t request)
{
        struct play_session *session = &play->sessions[key];

        session->version.seq++;
        strncpy(session->text, text, sizeof(session->text) - 1);
        add_request(session, request);
        session->last_touch_ms = now_ms(play);
}

static struct verdict save(struct plane_play *play, const struct play_request *asked)
{
        struct play_session *session = &play->sessions[asked->key];
        struct verdict verdict;
        uint64_t touched_ms = session->last_touch_ms;

        if (!is_own(play, asked)) {
                return missing(play, asked);
        }
        if (is_request_of(session, asked->request.request)) {
                return again(session, asked->request.request);
        }
        if (!is_over_it(play, asked, &verdict)) {
                return verdict;
        }
        plane_model_save(play, asked->key, asked->text, asked->request.request);
        session->last_touch_ms = touched_ms;
        use(play, asked, 0);
        return (struct verdict){.has_head = true, .session = session};
}

static struct verdict touch(struct plane_play *play, const struct play_request *asked)
{
        const struct play_session *session = &play->sessions[asked->key];

        if (!is_own(play, asked)) {
                return (struct verdict){.outcome = CMI_GONE};
        }
        if (!cmi_session_holder_equal(&session->holder, &asked->request.holder)) {
                return (struct verdict){.outcome = CMI_E_STALE};
        }
        use(play, asked, asked->request.age_ms);
        return (struct verdict){0};
}

/* It is done, but who else is in the mesh was not asked. */
static struct verdict of_this_node(const struct plane_play *play)
{
        return (struct verdict){.outcome = play->rig.has_others ? CMI_E_UNCONFIRMED : 0};
}

static struct verdict destroy(struct plane_play *play, const struct play_request *asked)
{
        struct play_session *session = &play->sessions[asked->key];
        bool is_known = session->state != PLAY_NONE && !session->was_never &&
                        cmi_id_equal(&session->space, &asked->request.space);

        if (is_readable(play, asked)) {
                end(play, session->grace.successor);
        }
        if (session->state == PLAY_NONE) {
                session->space = asked->request.space;
                session->was_never = true;
        }
        if (cmi_id_equal(&session->space, &asked->request.space)) {
                end(play, asked->key);
        }
        return is_known ? (struct verdict){0} : of_this_node(play);
}

static struct verdict end_all(struct plane_play *play, const struct play_request *asked)
{
        uint8_t owner = asked->request.principal.bytes[0];

        for (uint32_t i = 0; i < play->n_raised; i++) {
                if (play->raised[i] == asked->request.request) {
                        return of_this_node(play);
                }
        }
        if (play->n_raised < PLAY_REQUESTS) {
                play->raised[play->n_raised++] = asked->request.request;
        }
        for (uint32_t key = 0; key < PLAY_KEYS; key++) {
                if (play->sessions[key].grace.owner == owner) {
                        play->sessions[key].grace.is_kept = false;
                }
                if (plane_model_is_alive(play, key) && play->sessions[key].owner == owner) {
                        end(play, key);
                }
        }
        return of_this_node(play);
}

/* Rotate */

static void replace(struct plane_play *play, const struct play_request *asked)
{
        struct play_session *old = &play->sessions[asked->key];
        struct play_request made = *asked;

        if (made.request.max_end_ms == 0) {
                made.request.max_end_ms = old->max_end_ms;
        }
        if (made.request.idle_ttl_ms == 0) {
                made.request.idle_ttl_ms = old->idle_ttl_ms;
        }
        if (made.request.principal.bytes[0] == 0) {
                made.request.principal.bytes[0] = old->owner;
        }
        make(play, &made, asked->new_key);
        for (uint32_t i = 0; i < PLAY_KEYS; i++) {
                if (play->sessions[i].grace.successor == asked->key) {
                        play->sessions[i].grace.successor = asked->new_key;
                }
        }
        old->state = PLAY_DEAD;
        old->is_rotated = true;
        old->grace = (struct play_grace){
                        .is_kept = asked->request.grace_ms > 0,
                        .until_ms = now_ms(play) + asked->request.grace_ms,
                        .successor = asked->new_key,
                        .owner = old->owner,
        };
        if (old->max_end_ms < old->grace.until_ms) {
                old->grace.until_ms = old->max_end_ms;
        }
        memcpy(old->grace.text, old->text, sizeof(old->text));
}

static struct verdict rotate(struct plane_play *play, const struct play_request *asked)
{
        const struct play_session *old = &play->sessions[asked->key];
        struct play_session *new = &play->sessions[asked->new_key];
        bool is_new_there = plane_model_is_alive(play, asked->new_key);
        struct verdict verdict;

        if (!is_own(play, asked)) {
                return old->is_rotated && cmi_id_equal(&old->space, &asked->request.space) &&
                                                       is_new_there &&
                                                       cmi_id_equal(&new->space,
                                                                       &asked->request.space) &&
                                                       is_request_of(new, asked->request.request)
                                       ? again(new, asked->request.request)
                                       : missing(play, asked);
        }
        if (!is_over_it(play, asked, &verdict)) {
                return verdict;
        }
        if (asked->request.max_end_ms != 0 && asked->request.max_end_ms <= now_ms(play)) {
                return (struct verdict){.outcome = -EINVAL};
        }
        if (new->state != PLAY_NONE) {
                return (struct verdict){.outcome = -EEXIST};
        }
        replace(play, asked);
        return (struct verdict){.has_head = true, .session = new};
}

/* Somebody saved after the new one was made, and before the commit. */
static struct verdict lose(struct plane_play *play, const struct play_request *asked)
{
        play->sessions[asked->new_key].state = PLAY_DEAD;
        play->sessions[asked->new_key].space = asked->request.space;
        return (struct verdict){.outcome = CMI_CONFLICT,
                        .has_head = true,
                        .has_text = true,
                        .session = &play->sessions[asked->key],
                        .text = play->sessions[asked->key].text};
}

static struct verdict judge(struct plane_play *play, const struct play_request *asked)
{
        switch ((enum cmi_session_verb)asked->request.verb) {
        case CMI_SESSION_CREATE:
                return create(play, asked);
        case CMI_SESSION_GET:
                return get(play, asked);
        case CMI_SESSION_SAVE:
                return save(play, asked);
        case CMI_SESSION_TOUCH:
                return touch(play, asked);
        case CMI_SESSION_DESTROY:
                return destroy(play, asked);
        case CMI_SESSION_DESTROY_PRINCIPAL:
                return end_all(play, asked);
        case CMI_SESSION_ROTATE:
                return play->rotating ? lose(play, asked) : rotate(play, asked);
        }
        return (struct verdict){.outcome = -EINVAL};
}

void plane_model_answer(struct plane_play *play, const struct play_request *asked,
                const struct cmi_session_answer *answer)
{
        const struct verdict verdict = judge(play, asked);
        bool has_head = !cmi_session_version_is_none(&answer->version);

        plane_play_require(play, answer->outcome == verdict.outcome, "another outcome");
        plane_play_require(play,
                        (answer->flags & CMI_SESSION_READ_ONLY) ==
                                        (verdict.is_read_only ? CMI_SESSION_READ_ONLY : 0),
                        "read only or not");
        if (verdict.is_read_only) {
                plane_play_require(play, answer->token == 0, "what is read only may be kept");
        } else {
                plane_play_require(play, has_head == verdict.has_head, "a version or none");
        }
        if (has_head && verdict.has_head) {
                plane_play_require(play,
                                is_same_version(&answer->version, &verdict.session->version),
                                "another version");
                plane_play_require(play,
                                cmi_session_holder_equal(&answer->holder, &verdict.session->holder),
                                "another holder");
        }
        plane_play_require(play,
                        cmi_slice_equal(answer->blob,
                                        cmi_slice_str(verdict.has_text ? verdict.text : "")),
                        "another content");
}
