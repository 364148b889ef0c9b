/* SPDX-License-Identifier: MIT */
/*
 * What a process keeps of sessions, as libcachemesh-session does: under the token that came with
 * the answer, served while the node's lease runs and neither the session's slot nor that of all
 * sessions was stamped since, and not past its end.
 */
#include "tests/sim/session.h"

static struct sim_copy *copies_of(struct app *app)
{
        struct session_node *at = session_node(app->node);
        struct sim_copy *copies = at->copies[app->index];

        if (at->app_lives[app->index] != app->life) {
                memset(copies, 0, sizeof(at->copies[0]));
                at->app_lives[app->index] = app->life;
        }
        return copies;
}

static const struct cmi_id *key_of(const struct node *node, const struct sim_copy *copy)
{
        return &node->world->sessions->sessions[copy->session].key;
}

void session_keep(struct visit *visit)
{
        const struct cmi_session_answer *answer = &visit->answer;
        bool is_rotated = visit->request.verb == CMI_SESSION_ROTATE && answer->outcome == 0;
        uint32_t session = is_rotated ? visit->new_session : visit->session;
        struct app *app = visit->app;
        struct sim_copy *copy = &copies_of(app)[session % COPIES_MAX];
        uint32_t region;

        if (cmi_session_version_is_none(&answer->version) || answer->token == 0 ||
                        visit->told == SESSION_NONE || !app_is_connected(app) ||
                        app->page->life != visit->life ||
                        visit->request.space.bytes[2] != SESSION_SPACE ||
                        core_region_find(app->node->core, cmi_slice_str(CMI_SESSION_REGION),
                                        &region) != 0) {
                return;
        }
        *copy = (struct sim_copy){
                        .is_kept = true,
                        .session = session,
                        .version = answer->version,
                        .holder = answer->holder,
                        .asked = visit->told,
                        .max_end_ms = answer->max_end_ms,
                        .idle_ttl_ms = answer->idle_ttl_ms,
                        .page = app->page,
                        .token = answer->token,
                        .region = region,
                        .told_ns = node_clock(app->node).mono_ns,
        };
}

static uint64_t load(const _Atomic uint64_t *word)
{
        return atomic_load_explicit(word, memory_order_acquire);
}

static struct cmi_time coarse_clock(const struct node *node)
{
        struct cmi_time now = node_clock(node);

        now.mono_ns -= now.mono_ns % node->world->options.tick_ns;
        now.real_ns -= now.real_ns % node->world->options.tick_ns;
        return now;
}

bool session_copy_is_good(const struct node *node, const struct sim_copy *copy)
{
        const struct cmi_page_view *view = &copy->page->view;
        struct cmi_time now = coarse_clock(node);

        return copy->is_kept && now.mono_ns < load(&view->page->lease_end_mono_ns) &&
               now.real_ns < load(&view->page->lease_end_real_ns) &&
               load(&view->page->floor) <= copy->token &&
               load(&view->regions[copy->region]) <= copy->token &&
               load(&view->sessions[cmi_page_session_slot(view, key_of(node, copy)->bytes)]) <=
                               copy->token;
}

struct sim_copy *session_hit(struct app *app, uint32_t session)
{
        struct sim_copy *copy = &copies_of(app)[session % COPIES_MAX];

        if (!copy->is_kept || copy->session != session || copy->page != app->page ||
                        !session_copy_is_good(app->node, copy) ||
                        session_real_ms(coarse_clock(app->node)) >= copy->max_end_ms) {
                return NULL;
        }
        return copy;
}
