/* SPDX-License-Identifier: MIT */
/*
 * What is known of each id: whether it lives, which version is the newest and who made it, until
 * when it may live, and what each answer makes of that. A clock that is set ends nothing: what is
 * over, or idle, has to be so by both.
 */
#include "tests/sim/session.h"

#define GRACE_MS_MAX 60000
#define RAISES_KNOWN 64
#define MARGIN_MS_USUAL 900000

bool session_is_here(const struct session_node *at, const struct sim_session *session)
{
        return session->state != SIM_SESSION_NONE && session->node == at->node->index &&
               session->life == at->life;
}

bool session_may_be_gone(const struct sim_session *session, struct cmi_time now)
{
        return session->state != SIM_SESSION_ALIVE || session->may_be_over ||
               session->may_be_idle || session_real_ms(now) >= session->max_end_ms;
}

bool session_is_asked(const struct sim_session *session, uint32_t asked)
{
        for (uint32_t i = 0; i < session->n_asked; i++) {
                if (session->asked[i] == asked) {
                        return true;
                }
        }
        return false;
}

static void note_idle(struct sim_session *session, struct cmi_time now)
{
        uint64_t idle_ms =
                        session->idle_ttl_ms + cmi_session_touch_interval_ms(session->idle_ttl_ms);
        bool is_idle = session->idle_ttl_ms != 0 &&
                       session_real_ms(now) + 1 >= session->used_real_ms + idle_ms &&
                       now.mono_ns + CMI_NS_PER_MS >= session->used_mono_ns + cmi_ms(idle_ms);

        if (is_idle && !session->may_be_idle) {
                session->may_be_idle = true;
                session->idle_since_ns = now.mono_ns;
        }
}

static void note_end(const struct world *world, struct sim_session *session, struct cmi_time now)
{
        uint64_t margin_ms = world->options.session_margin_ns / CMI_NS_PER_MS;

        margin_ms = margin_ms == 0 ? MARGIN_MS_USUAL : margin_ms;
        if (session_real_ms(now) + 1 >= session->max_end_ms &&
                        now.mono_ns + CMI_NS_PER_MS >= session->end_mono_ns) {
                session->may_be_over = true;
        }
        if (session_real_ms(now) + 1 >= session->max_end_ms + margin_ms &&
                        now.mono_ns + CMI_NS_PER_MS >= session->end_mono_ns + cmi_ms(margin_ms)) {
                session->may_be_forgotten = true;
        }
}

void session_oracle_time(struct session_node *at, struct cmi_time now)
{
        struct sim_sessions *sessions = at->node->world->sessions;
        bool is_stepped = at->real_step_ns != at->node->real_step_ns;

        at->real_step_ns = at->node->real_step_ns;
        for (uint32_t i = 0; i < sessions->n_sessions; i++) {
                struct sim_session *session = &sessions->sessions[i];

                if (session_is_here(at, session)) {
                        session->is_stepped = session->is_stepped || is_stepped;
                        note_idle(session, now);
                        note_end(at->node->world, session, now);
                        session->may_lack_grace = session->may_lack_grace ||
                                                  session_real_ms(now) >= session->max_end_ms;
                }
        }
}

static uint64_t latest(uint64_t a, uint64_t b)
{
        return a > b ? a : b;
}

void session_used(struct sim_session *session, struct cmi_time now, uint64_t age_ns)
{
        uint64_t real_ms = session_real_ms(now) - age_ns / CMI_NS_PER_MS;
        bool is_later = real_ms > session->used_real_ms;

        session->used_real_ms = latest(session->used_real_ms, real_ms);
        session->used_mono_ns = latest(session->used_mono_ns, now.mono_ns - age_ns);
        /* It was not ended, or it would not have been found. */
        session->may_be_idle = false;
        if (!is_later) {
                note_idle(session, now);
        }
}

static void add_asked(struct sim_session *session, uint32_t asked)
{
        memmove(&session->asked[1], &session->asked[0],
                        (CMI_SESSION_REQUESTS_MAX - 1) * sizeof(session->asked[0]));
        session->asked[0] = asked;
        session->n_asked += session->n_asked < CMI_SESSION_REQUESTS_MAX;
}

static struct sim_asked *is_done(struct session_node *at, const struct visit *visit)
{
        struct sim_asked *asked = &at->node->world->sessions->asked[visit->asked];

        asked->is_done = true;
        asked->life = at->life;
        return asked;
}

static void begin(struct session_node *at, struct sim_session *session, uint64_t max_end_ms,
                struct cmi_time now)
{
        uint64_t left_ms = max_end_ms - session_real_ms(now);
        uint8_t principal = session->principal;
        struct cmi_id key = session->key;
        uint32_t taken_node = session->taken_node;
        uint64_t taken_life = session->taken_life;

        *session = (struct sim_session){
                        .key = key,
                        .principal = principal,
                        .node = at->node->index,
                        .life = at->life,
                        .taken_node = taken_node,
                        .taken_life = taken_life,
                        .max_end_ms = max_end_ms,
                        .end_mono_ns = now.mono_ns + cmi_ms(left_ms),
                        .used_real_ms = session_real_ms(now),
                        .used_mono_ns = now.mono_ns,
                        .grace = SESSION_NONE,
        };
}

void session_made(struct session_node *at, struct visit *visit, uint32_t index,
                const struct cmi_session_answer *answer)
{
        struct sim_session *session = &at->node->world->sessions->sessions[index];
        struct cmi_time now = node_clock(at->node);

        begin(at, session, answer->max_end_ms, now);
        session->state = SIM_SESSION_ALIVE;
        session->version = answer->version;
        session->holder = answer->holder;
        session->idle_ttl_ms = answer->idle_ttl_ms;
        add_asked(session, visit->asked);
        is_done(at, visit)->made = answer->version;
}

void session_saved(struct session_node *at, struct visit *visit,
                const struct cmi_session_answer *answer)
{
        struct sim_session *session = &at->node->world->sessions->sessions[visit->session];
        struct cmi_time now = node_clock(at->node);

        session->version = answer->version;
        add_asked(session, visit->asked);
        is_done(at, visit)->made = answer->version;
        session_used(session, now, now.mono_ns - visit->sent_mono_ns);
}

void session_rotated(struct session_node *at, struct visit *visit,
                const struct cmi_session_answer *answer)
{
        struct sim_sessions *sessions = at->node->world->sessions;
        struct sim_session *old = &sessions->sessions[visit->session];
        uint64_t grace_ms = visit->request.grace_ms;

        session_made(at, visit, visit->new_session, answer);
        old->state = SIM_SESSION_DEAD;
        old->is_rotated = true;
        old->rotated_by = visit->asked;
        old->grace = grace_ms > 0 ? old->asked[0] : SESSION_NONE;
        grace_ms = grace_ms < GRACE_MS_MAX ? grace_ms : GRACE_MS_MAX;
        old->grace_ns = node_clock(at->node).mono_ns + cmi_ms(grace_ms);
        old->successor = visit->new_session;
        for (uint32_t i = 0; i < sessions->n_sessions; i++) {
                struct sim_session *session = &sessions->sessions[i];

                if (session->is_rotated && session->successor == visit->session) {
                        session->successor = visit->new_session;
                }
        }
}

/* Who logs out with an old id that is still readable means the session. */
static void end_successor(
                struct session_node *at, const struct sim_session *old, struct cmi_time now)
{
        struct sim_session *new = &at->node->world->sessions->sessions[old->successor];

        if (!session_is_here(at, old) || !old->is_rotated || old->grace == SESSION_NONE ||
                        now.mono_ns >= old->grace_ns) {
                return;
        }
        if (old->may_lack_grace || session_real_ms(now) >= old->max_end_ms) {
                new->may_be_over = true;
        } else {
                new->state = SIM_SESSION_DEAD;
        }
}

void session_destroyed(struct session_node *at, struct visit *visit)
{
        struct sim_session *session = &at->node->world->sessions->sessions[visit->session];
        struct cmi_time now = node_clock(at->node);

        if (session->state != SIM_SESSION_NONE && session->node != at->node->index) {
                is_done(at, visit); /* ended where it never was */
                return;
        }
        end_successor(at, session, now);
        if (!session_is_here(at, session)) {
                begin(at, session, session_real_ms(now) + 1000 * 3600, now);
                session->may_be_forgotten = true; /* nothing has come of it */
        }
        session->state = SIM_SESSION_DEAD;
        session->grace = SESSION_NONE;
        is_done(at, visit);
}

void session_all_ended(struct session_node *at, struct visit *visit)
{
        struct sim_sessions *sessions = at->node->world->sessions;
        struct sim_asked *asked = &sessions->asked[visit->asked];
        uint8_t principal = sessions->sessions[visit->session].principal;

        if (asked->is_done && asked->life == at->life &&
                        at->n_raises - asked->raise <= RAISES_KNOWN) {
                return;
        }
        is_done(at, visit)->raise = at->n_raises++;
        for (uint32_t i = 0; i < sessions->n_sessions; i++) {
                struct sim_session *session = &sessions->sessions[i];

                if (session_is_here(at, session) && session->principal == principal) {
                        session->state = SIM_SESSION_DEAD;
                        session->grace = SESSION_NONE;
                }
        }
}
