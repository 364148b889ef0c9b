/* SPDX-License-Identifier: MIT */
/*
 * What ends sessions: DESTROY, DESTROY_PRINCIPAL, and being idle. What is dead in the store is kept
 * by no process once it is stamped; only then is it told.
 */
#include "meshd/session/plane_state.h"

/* Destroy */

/*
 * Where nothing is known of it, the request that makes it may still be on its way, for no other
 * node can have it: that is what PLANE_BLIND_MS is for.
 */
void ending_destroy(struct plane *plane, const struct asked *asked)
{
        const struct cmi_id *key = &asked->request->key;
        const struct store_change change = {
                        .way = STORE_END,
                        .end = {.key = *key,
                                        .reason = CMI_TOMBSTONE_DESTROY,
                                        .blind_ms = PLANE_BLIND_MS,
                                        .space = plane_space(&asked->request->space)},
        };
        int r;

        if (plane_is_foreign(plane, asked, key)) {
                reply_done(plane, asked);
                return;
        }
        r = store_merge(plane->store, asked->now, &change, NULL);
        grace_forget(plane, key);
        plane_stamp(plane, key);
        if (r < 0 || store_is_full(r)) {
                reply_refused(plane, asked, r);
        } else {
                reply_done(plane, asked);
        }
}

/* All of a principal */

static bool is_repeated(const struct plane *plane, const struct cmi_session_request *request)
{
        for (uint32_t i = 0; i < PLANE_RAISES_MAX; i++) {
                const struct raise *raise = &plane->raises[i];

                if (raise->request == request->request &&
                                cmi_id_equal(&raise->principal, &request->principal) &&
                                cmi_id_equal(&raise->space, &request->space)) {
                        return !PLANE_MUTANT(RAISED_TWICE);
                }
        }
        return false;
}

static void remember(struct plane *plane, const struct cmi_session_request *request)
{
        plane->raises[plane->next_raise++ % PLANE_RAISES_MAX] = (struct raise){
                        request->request,
                        request->space,
                        request->principal,
        };
}

void ending_principal(struct plane *plane, const struct asked *asked)
{
        const struct cmi_session_request *request = asked->request;
        struct cmi_principal counts;
        int r;

        if (is_repeated(plane, request)) {
                reply_done(plane, asked);
                return;
        }
        r = store_principal_raise(plane->store, asked->now, &request->principal,
                        &plane->options.node_id, true, &counts);
        if (r < 0 || store_is_full(r)) {
                reply_refused(plane, asked, r);
                return;
        }
        remember(plane, request);
        if (r == STORE_STORED) { /* or it has no session, so there is no copy of one */
                grace_forget_principal(plane, &request->principal);
                plane_stamp(plane, NULL);
        }
        reply_done(plane, asked);
}

/* Idle */

/* Who waits may be using it; the store tells of it again. */
void ending_idle(struct plane *plane, struct cmi_time now, const struct cmi_id *key)
{
        struct store_view view;
        struct store_change change = {.way = STORE_END};

        if (plane->waits.first || !plane_is_live(plane) ||
                        store_find(plane->store, now, key, &view) != STORE_STORED) {
                return;
        }
        change.end = (struct store_end){
                        .key = *key,
                        .epoch = plane_epoch(plane, &view),
                        .expected = view.session.version,
                        .reason = CMI_TOMBSTONE_IDLE,
                        .last_touch_ms = view.session.last_touch_ms,
        };
        if (store_merge(plane->store, now, &change, NULL) != STORE_STORED) {
                return;
        }
        plane->counters.n_idle++;
        grace_forget(plane, key);
        if (!PLANE_MUTANT(END_UNSTAMPED)) {
                plane_stamp(plane, key);
        }
}
