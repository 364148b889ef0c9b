/* SPDX-License-Identifier: MIT */
/*
 * ROTATE: a new id for an old one. The new one is made first; ending the old one over the version
 * that was expected is the commit, and who comes too late for that ends what it has made. Nothing
 * that is told under the old id leads to the new one.
 */
#include "meshd/session/plane_state.h"

#include <errno.h>

static bool is_request_of(const struct cmi_session *session, uint64_t request)
{
        for (uint32_t i = 0; i < session->n_requests; i++) {
                if (session->requests[i] == request) {
                        return true;
                }
        }
        return false;
}

/* The old one was ended by this very request, whose answer got lost. */
static bool is_repeated(
                struct plane *plane, const struct asked *asked, const struct store_view *old)
{
        struct store_view view;

        return old->tombstone.reason == CMI_TOMBSTONE_ROTATE &&
               plane_look(plane, asked, &asked->request->new_key, &view) == STORE_STORED &&
               is_request_of(&view.session, asked->request->request);
}

/* May it be replaced by who asks? If not, that is told. */
static bool is_ready(struct plane *plane, const struct asked *asked, struct store_view *ret_old)
{
        const struct cmi_session_request *request = asked->request;
        const struct cmi_session *session = &ret_old->session;
        int r = plane_look(plane, asked, &request->key, ret_old);

        if (r == STORE_BEHIND) {
                reply_refused(plane, asked, r);
        } else if (r == STORE_DEAD && is_repeated(plane, asked, ret_old)) {
                reply_made(plane, asked, &request->new_key, plane_token(plane));
        } else if (r != STORE_STORED) {
                reply_missing(plane, asked);
        } else if (!cmi_session_holder_equal(&session->holder, &request->holder)) {
                reply_stale(plane, asked);
        } else if (cmi_session_version_compare(&session->version, &request->expected) != 0) {
                reply_conflict(plane, asked, &request->key);
        } else {
                return true;
        }
        return false;
}

/* What the request does not say is as it was. */
static int make(struct plane *plane, const struct asked *asked, const struct cmi_session *old)
{
        const struct cmi_session_request *request = asked->request;
        struct store_create create = change_create_of(plane, asked, &request->new_key);
        uint8_t tag[CMI_SESSION_TAG_MAX];

        if (create.idle_ttl_ms == 0) {
                create.idle_ttl_ms = old->idle_ttl_ms;
        }
        if (create.max_end_ms == 0) {
                create.max_end_ms = old->max_end_ms;
        }
        if (cmi_id_is_zero(&create.principal)) {
                create.principal = old->principal;
        }
        if (request->tag.len == 0 && old->tag.len > 0) {
                memcpy(tag, old->tag.data, old->tag.len);
                create.content.tag = cmi_slice(tag, old->tag.len);
        }
        return change_make(plane, asked, &create);
}

/* What the old one has, to be readable for a while. */
static struct grace *grace_of_old(struct plane *plane, const struct asked *asked)
{
        struct store_view view;

        if (plane_look(plane, asked, &asked->request->key, &view) != STORE_STORED) {
                return NULL;
        }
        return grace_new(plane, asked, &view, asked->request->grace_ms);
}

static void lose(struct plane *plane, const struct asked *asked, int r)
{
        const struct cmi_session_request *request = asked->request;
        const struct store_change change = {
                        .way = STORE_END,
                        .end = {.key = request->new_key, .reason = CMI_TOMBSTONE_DESTROY},
        };

        if (!PLANE_MUTANT(LOSER_KEPT)) {
                store_merge(plane->store, asked->now, &change, NULL);
                plane_stamp(plane, &request->new_key);
        }
        if (r == STORE_FENCED || r == STORE_BEHIND) {
                reply_refused(plane, asked, r);
        } else {
                reply_conflict(plane, asked, &request->key);
        }
}

static void commit(struct plane *plane, const struct asked *asked,
                const struct cmi_session_epoch *epoch)
{
        const struct cmi_session_request *request = asked->request;
        struct grace *grace = grace_of_old(plane, asked);
        uint64_t token = plane_token(plane); /* before the change, as everywhere */
        struct store_view new;
        const struct store_change change = {
                        .way = STORE_END,
                        .end = {.key = request->key,
                                        .epoch = *epoch,
                                        .expected = request->expected,
                                        .reason = CMI_TOMBSTONE_ROTATE},
        };
        int r = store_merge(plane->store, asked->now, &change, NULL);

        if (r != STORE_STORED) {
                grace_free(plane, grace);
                lose(plane, asked, r);
                return;
        }
        if (plane_look(plane, asked, &request->new_key, &new) == STORE_STORED) {
                grace_keep(plane, grace, &request->key, &new.session);
        } else {
                grace_free(plane, grace);
        }
        plane_stamp(plane, &request->key);
        reply_made(plane, asked, &request->new_key, token);
}

void rotate(struct plane *plane, const struct asked *asked)
{
        struct store_view old;
        struct cmi_session_epoch epoch;
        int r;

        if (!is_ready(plane, asked, &old)) {
                return;
        }
        epoch = plane_epoch(plane, &old);
        r = make(plane, asked, &old.session);
        if (r == STORE_STORED || r == STORE_SAME) {
                commit(plane, asked, &epoch);
        } else if (r == STORE_EXISTS || r == STORE_DEAD || r == STORE_EXPIRED) {
                reply_outcome(plane, asked, -EEXIST, "the new key is in use, or was");
        } else {
                reply_refused(plane, asked, r);
        }
}
