/* SPDX-License-Identifier: MIT */
/*
 * What makes, reads and changes sessions: CREATE, GET, SAVE, TOUCH. Each asks for the space before
 * anything is merged, and stamps before it answers.
 */
#include "meshd/session/plane_state.h"

#include <errno.h>

/* Create */

static bool is_life(const struct plane *plane, struct cmi_time now, uint64_t max_end_ms)
{
        return max_end_ms > plane_utc_ms(now) &&
               max_end_ms - plane_utc_ms(now) <= plane_life_max_ms(plane);
}

int change_make(struct plane *plane, const struct asked *asked, const struct store_create *create)
{
        const struct store_change change = {.way = STORE_CREATE, .create = *create};
        int r;

        if (!is_life(plane, asked->now, create->max_end_ms)) {
                return -EINVAL;
        }
        if (plane_is_foreign(plane, asked, &create->key)) {
                return STORE_EXISTS;
        }
        r = store_merge(plane->store, asked->now, &change, NULL);
        if (r == STORE_STORED) {
                reply_found_room(plane, asked);
        }
        return r;
}

struct store_create change_create_of(
                const struct plane *plane, const struct asked *asked, const struct cmi_id *key)
{
        const struct cmi_session_request *request = asked->request;
        const struct plane_options *options = &plane->options;

        return (struct store_create){
                        .key = *key,
                        .space = asked_space(asked),
                        .epoch = {1, options->node_id, options->incarnation},
                        .holder = {options->node_id, options->incarnation, 1},
                        .idle_ttl_ms = request->idle_ttl_ms,
                        .max_end_ms = request->max_end_ms,
                        .principal = request->principal,
                        .content = {asked->blob, request->tag, {{0}}, request->save_id,
                                        request->request},
        };
}

void change_create(struct plane *plane, const struct asked *asked)
{
        const struct cmi_id *key = &asked->request->key;
        const struct store_create create = change_create_of(plane, asked, key);
        uint64_t token = plane_token(plane);
        int r = change_make(plane, asked, &create);

        if (r == STORE_STORED || r == STORE_SAME) {
                reply_made(plane, asked, key, token);
        } else if (r == STORE_EXISTS) {
                reply_outcome(plane, asked, -EEXIST, "the key is in use");
        } else if (r == STORE_DEAD || r == STORE_EXPIRED) {
                reply_outcome(plane, asked, CMI_GONE, "it was there, and has ended");
        } else {
                reply_refused(plane, asked, r);
        }
}

/* Get */

/* By who looks at it here, as long ago as it asked. */
static int use(struct plane *plane, const struct asked *asked,
                const struct cmi_session_holder *holder, uint64_t age_ms)
{
        const struct store_change change = {
                        .way = STORE_TOUCH,
                        .touch = {asked->request->key, *holder, age_ms + asked->waited_ms},
        };

        return store_merge(plane->store, asked->now, &change, NULL);
}

void change_get(struct plane *plane, const struct asked *asked)
{
        const struct cmi_session_request *request = asked->request;
        const struct grace *bug = PLANE_MUTANT(ROTATE_LEADS_ON)
                                                  ? grace_find(plane, asked, &request->key)
                                                  : NULL;
        const struct cmi_id *key = bug ? &bug->successor : &request->key;
        uint64_t token = plane_token(plane); /* before anything is looked at */
        struct store_view view;
        int r = plane_look(plane, asked, key, &view);

        if (r == STORE_BEHIND) {
                reply_refused(plane, asked, r);
                return;
        }
        if (r != STORE_STORED) {
                reply_grace(plane, asked, grace_find(plane, asked, &request->key));
                return;
        }
        if (cmi_session_version_compare(&view.session.version, &request->expected) < 0) {
                reply_outcome(plane, asked, CMI_E_UNCONFIRMED, "a newer one was seen before");
                return;
        }
        if ((request->flags & CMI_SESSION_PEEK) == 0) {
                use(plane, asked, &view.session.holder, 0);
                plane_look(plane, asked, key, &view);
        }
        reply_record(plane, asked, 0, &view, token);
}

/* Touch */

void change_touch(struct plane *plane, const struct asked *asked)
{
        const struct cmi_session_request *request = asked->request;
        struct store_view view;
        int r = plane_look(plane, asked, &request->key, &view);

        if (r == STORE_STORED || r == STORE_BEHIND) {
                r = use(plane, asked, &request->holder, request->age_ms);
        }
        if (r == STORE_STORED || r == STORE_SAME) {
                reply_done(plane, asked);
        } else if (r == STORE_STALE) {
                reply_stale(plane, asked);
        } else {
                reply_outcome(plane, asked, CMI_GONE, "");
        }
}

/* Save */

static int save(struct plane *plane, const struct asked *asked, const struct store_view *view)
{
        const struct cmi_session_request *request = asked->request;
        uint8_t tag[CMI_SESSION_TAG_MAX];
        struct store_change change = {
                        .way = STORE_SAVE,
                        .save = {request->key, request->expected, plane_epoch(plane, view),
                                        request->holder, asked->waited_ms,
                                        {asked->blob, request->tag, request->expected,
                                                        request->save_id, request->request}},
        };

        if (request->tag.len == 0 && view->session.tag.len > 0) {
                memcpy(tag, view->session.tag.data, view->session.tag.len);
                change.save.content.tag = cmi_slice(tag, view->session.tag.len);
        }
        return store_merge(plane->store, asked->now, &change, NULL);
}

static void reply_saved(struct plane *plane, const struct asked *asked)
{
        const struct cmi_id *key = &asked->request->key;

        reply_found_room(plane, asked);
        if (PLANE_MUTANT(STAMP_FORGOTTEN)) {
                reply_made(plane, asked, key, plane_token(plane));
        } else if (PLANE_MUTANT(ANSWERED_UNSTAMPED)) {
                reply_made(plane, asked, key, plane_token(plane));
                plane_stamp(plane, key);
        } else {
                reply_made(plane, asked, key, plane_stamp(plane, key));
        }
}

void change_save(struct plane *plane, const struct asked *asked)
{
        const struct cmi_id *key = &asked->request->key;
        struct store_view view;
        int r = plane_look(plane, asked, key, &view);

        if (r != STORE_STORED && r != STORE_BEHIND) {
                reply_missing(plane, asked);
                return;
        }
        r = save(plane, asked, &view);
        if (r == STORE_STORED) {
                reply_saved(plane, asked);
        } else if (r == STORE_SAME) {
                reply_made(plane, asked, key, plane_token(plane));
        } else if (r == STORE_CHANGED) {
                reply_conflict(plane, asked, key);
        } else if (r == STORE_STALE) {
                reply_stale(plane, asked);
        } else {
                reply_refused(plane, asked, r);
        }
}
