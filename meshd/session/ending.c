/* SPDX-License-Identifier: MIT */
/*
 * What ends sessions: DESTROY, DESTROY_PRINCIPAL, and being idle. What is dead in the store is kept
 * by no process once it is stamped; only then is it told.
 */
#include "meshd/session/plane_state.h"

/* Destroy */

/*
 * Where nothing is known of it, the request that makes it may still be on its way to this node:
 * that is what PLANE_BLIND_MS is for. What others have it does not touch; the answer says so.
 */
int ending_end(struct plane *plane, struct cmi_time now, const struct cmi_id *key, uint64_t space)
{
        const struct store_change change = {
                        .way = STORE_END,
                        .end = {.key = *key,
                                        .reason = CMI_TOMBSTONE_DESTROY,
                                        .blind_ms = PLANE_BLIND_MS,
                                        .space = space},
        };
        int r = store_merge(plane->store, now, &change, NULL);

        grace_forget(plane, key);
        plane_stamp(plane, key);
        return r;
}

/* Was it ever a session here? Who ended it when it was not has left a tombstone without a version,
 * which says nothing of other nodes. */
static bool is_known(struct plane *plane, const struct asked *asked)
{
        struct store_view view;
        int found = plane_look(plane, asked, &asked->request->key, &view);

        return found != STORE_ABSENT &&
               (found != STORE_DEAD || !cmi_session_version_is_none(&view.tombstone.version));
}

/* Done here; is it done? */
static void reply_ended(struct plane *plane, const struct asked *asked, bool is_everywhere)
{
        if (is_everywhere || plane->view.is_alone(plane->view.context) ||
                        PLANE_MUTANT(OTHERS_FORGOTTEN)) {
                reply_done(plane, asked);
        } else {
                reply_ended_here(plane, asked);
        }
}

bool ending_is_done(int r)
{
        return r >= 0 && !store_is_full(r) && r != STORE_BEHIND && r != STORE_FENCED;
}

/* The id was rotated while this was on its way: what it goes on as is what is to end. Return: as
 * ending_end(); STORE_ABSENT: it goes on as nothing. */
static int end_successor(struct plane *plane, const struct asked *asked)
{
        const struct grace *grace = grace_find(plane, asked, &asked->request->key);
        struct cmi_id successor;

        if (!grace || PLANE_MUTANT(SUCCESSOR_SPARED)) {
                return STORE_ABSENT;
        }
        successor = grace->successor; /* the grace goes with it */
        return ending_end(plane, asked->now, &successor, asked_space(asked));
}

/* Return: what it came to; the worse of the two, where there is a successor. */
static int end_both(struct plane *plane, const struct asked *asked)
{
        const struct cmi_id *key = &asked->request->key;
        int successor, r;

        if (plane_is_foreign(plane, asked, key)) {
                return STORE_ABSENT;
        }
        successor = end_successor(plane, asked);
        r = ending_end(plane, asked->now, key, asked_space(asked));
        return ending_is_done(successor) ? r : successor;
}

void ending_destroy(struct plane *plane, const struct asked *asked)
{
        bool is_everywhere = is_known(plane, asked);
        int r = end_both(plane, asked);

        if (ending_is_done(r)) {
                reply_ended(plane, asked, is_everywhere);
        } else {
                reply_refused(plane, asked, r);
        }
}

/* All of a principal */

static bool is_repeated(const struct plane *plane, const struct asked *asked)
{
        const struct cmi_session_request *request = asked->request;

        for (uint32_t i = 0; i < PLANE_RAISES_MAX; i++) {
                const struct raise *raise = &plane->raises[i];

                if (raise->request == request->request &&
                                cmi_id_equal(&raise->principal, &request->principal) &&
                                raise->space == asked_space(asked)) {
                        return !PLANE_MUTANT(RAISED_TWICE);
                }
        }
        return false;
}

static void remember(struct plane *plane, const struct asked *asked)
{
        plane->raises[plane->next_raise++ % PLANE_RAISES_MAX] = (struct raise){
                        asked->request->request,
                        asked_space(asked),
                        asked->request->principal,
        };
}

void ending_principal(struct plane *plane, const struct asked *asked)
{
        const struct cmi_session_request *request = asked->request;
        /* Who has none here is kept by no process: nothing has to be asked for anew for that.
         * Once others keep copies, processes here may have some of those. */
        bool has_any = store_principal_sessions(plane->store, &request->principal) > 0;
        struct cmi_principal counts;
        int r;

        if (is_repeated(plane, asked)) {
                reply_ended(plane, asked, false);
                return;
        }
        /* As if alone: a count of somebody without sessions here ends something only at others, who
         * are not told of it, and would take room of logouts for days. Once others keep copies
         * it has to be counted. So it is where the disk has sessions that found no room here. */
        r = store_principal_raise(plane->store, asked->now, &request->principal,
                        &plane->options.node_id, plane_disk_status(plane).n_unloaded == 0, &counts);
        if (r < 0 || store_is_full(r)) {
                reply_refused(plane, asked, r);
                return;
        }
        remember(plane, asked);
        grace_forget_principal(plane, &request->principal);
        if (has_any) {
                plane_stamp(plane, NULL);
        }
        reply_ended(plane, asked, false);
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
