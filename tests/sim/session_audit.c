/* SPDX-License-Identifier: MIT */
/*
 * What has to be so after each call of a plane, and from time to time: nothing that is kept by a
 * process is older than what was told; what is dead is dead in the store; what lives is there; all
 * who wait are woken in their time; budgets hold.
 */
#include "tests/sim/session.h"

static struct sim_sessions *sessions_of(const struct session_node *at)
{
        return at->node->world->sessions;
}

static int find(const struct session_node *at, const struct sim_session *session,
                struct cmi_time now, struct store_view *ret_view)
{
        return store_find(plane_store(at->plane), now, &session->key, ret_view);
}

/* Copies */

static void check_copy(struct session_node *at, const struct sim_copy *copy)
{
        const struct sim_session *session = &sessions_of(at)->sessions[copy->session];

        if (session->state != SIM_SESSION_ALIVE) {
                violation(at->node->world, "S3 %s: session %u has ended, and may still be served",
                                at->node->name, copy->session);
        } else if (cmi_session_version_compare(&copy->version, &session->version) != 0) {
                violation(at->node->world,
                                "S6 %s: session %u was saved over, and may still be served",
                                at->node->name, copy->session);
        }
}

/* Also by itself. Who looks at what is over ends it, which is a stamp, too. */
static void check_copy_in_store(
                struct session_node *at, const struct sim_copy *copy, struct cmi_time now)
{
        const struct sim_session *session = &sessions_of(at)->sessions[copy->session];
        struct store_view view;
        int found = find(at, session, now, &view);

        if ((found == STORE_DEAD || found == STORE_ABSENT) &&
                        session_copy_is_good(at->node, copy)) {
                violation(at->node->world,
                                "S3 %s: session %u has ended by itself, and may still be served",
                                at->node->name, copy->session);
        }
}

static void check_copies(struct session_node *at, struct cmi_time now, bool is_in_store)
{
        for (uint32_t i = 0; i < at->node->world->options.n_apps; i++) {
                const struct sim_copy *copies = at->copies[i];

                if (at->app_lives[i] != at->node->world->apps[at->node->index][i].life) {
                        continue;
                }
                for (uint32_t j = 0; j < COPIES_MAX; j++) {
                        if (!copies[j].is_kept || copies[j].page != at->node->page ||
                                        !session_copy_is_good(at->node, &copies[j])) {
                                continue;
                        }
                        if (is_in_store) {
                                check_copy_in_store(at, &copies[j], now);
                        } else {
                                check_copy(at, &copies[j]);
                        }
                }
        }
}

void session_audit_copies(struct session_node *at, struct cmi_time now)
{
        check_copies(at, now, false);
}

/* Who waits */

static uint64_t first_deadline_ns(const struct session_node *at)
{
        const struct sim_sessions *sessions = sessions_of(at);
        uint64_t first_ns = UINT64_MAX;

        for (uint32_t i = 0; i < VISITS_MAX && at->n_waiting > 0; i++) {
                const struct visit *visit = &sessions->visits[i];
                uint64_t deadline_ns = visit->sent_mono_ns + cmi_ms(visit->request.timeout_ms);

                if (visit->is_used && visit->step == VISIT_WAITS && visit->app->node == at->node &&
                                deadline_ns < first_ns) {
                        first_ns = deadline_ns;
                }
        }
        return first_ns;
}

void session_audit_call(struct session_node *at, struct cmi_time now, bool is_tick)
{
        uint64_t first_ns = first_deadline_ns(at);
        struct plane_status status;

        plane_status(at->plane, now, &status);
        if (status.n_waiting != at->n_waiting) {
                violation(at->node->world, "S20 %s: %u requests wait, and the plane knows of %u",
                                at->node->name, at->n_waiting, status.n_waiting);
        }
        if (is_tick && first_ns <= now.mono_ns) {
                violation(at->node->world, "S20 %s: a request waits beyond its time",
                                at->node->name);
        }
        if (first_ns != UINT64_MAX && plane_timeout_ns(at->plane) > first_ns) {
                violation(at->node->world, "S20 %s: nobody wakes it for who waits", at->node->name);
        }
        check_copies(at, now, true);
}

/* Stores */

/* It should have ended for being idle long ago. */
static bool is_overdue(const struct session_node *at, const struct sim_session *session,
                struct cmi_time now)
{
        const struct node *node = at->node;
        uint64_t again_ms = cmi_session_touch_interval_ms(session->idle_ttl_ms);
        uint64_t bound_ns =
                        2 * cmi_ms(again_ms > 20 ? again_ms : 20) + node->world->options.lease_ns;

        return session->may_be_idle && !session->is_stepped && at->n_waiting == 0 &&
               now.mono_ns - session->idle_since_ns > bound_ns && node->undisturbed_ns != NEVER &&
               node->world->now_ns - node->undisturbed_ns > bound_ns + bound_ns / 8;
}

static void check_session(struct session_node *at, uint32_t index, struct cmi_time now)
{
        struct world *world = at->node->world;
        struct sim_session *session = &sessions_of(at)->sessions[index];
        struct store_view view;
        int found = find(at, session, now, &view);

        if (session->state == SIM_SESSION_DEAD) {
                if (found == STORE_STORED) {
                        violation(world, "S3 %s: session %u is dead, and lives in the store",
                                        at->node->name, index);
                }
                return;
        }
        if (found == STORE_STORED) {
                if (cmi_session_version_compare(&view.session.version, &session->version) != 0) {
                        violation(world, "S6 %s: session %u has another version in the store",
                                        at->node->name, index);
                }
                if (session_real_ms(now) > session->max_end_ms) {
                        violation(world, "S11 %s: session %u lives past its end", at->node->name,
                                        index);
                }
                if (is_overdue(at, session, now)) {
                        violation(world, "S11 %s: session %u is idle, and has not ended",
                                        at->node->name, index);
                }
        } else if (!session_may_be_gone(session, now)) {
                violation(world, "%s %s: session %u has gone by itself before its time",
                                session->idle_ttl_ms ? "S11" : "S18", at->node->name, index);
        }
}

void session_audit_sweep(struct session_node *at, struct cmi_time now)
{
        const struct options *options = &at->node->world->options;
        struct sim_sessions *sessions = sessions_of(at);
        struct plane_status status;

        plane_status(at->plane, now, &status);
        if (status.store.record_bytes > options->session_bytes ||
                        status.store.key_bytes > options->session_key_bytes) {
                violation(at->node->world, "S18 %s: the store is beyond its budget",
                                at->node->name);
        }
        for (uint32_t i = 0; i < sessions->n_sessions; i++) {
                if (session_is_here(at, &sessions->sessions[i])) {
                        check_session(at, i, now);
                }
        }
}
