/* SPDX-License-Identifier: MIT */
/*
 * What sessions had when they were rotated, for requests that were on their way with the old id:
 * read only, for a short while, and never longer than the session lives under its new id. It is a
 * courtesy: where there is no room for it, it is not kept.
 */
#include "meshd/session/plane_state.h"

static size_t size_for(size_t tag_len, uint64_t blob_len)
{
        return sizeof(struct grace) + tag_len + (size_t)blob_len;
}

static size_t size_of(const struct grace *grace)
{
        return size_for(grace->session.tag.len, grace->session.blob_len);
}

struct grace *grace_new(struct plane *plane, const struct asked *asked,
                const struct store_view *view, uint64_t grace_ms)
{
        size_t tag_len = view->session.tag.len;
        size_t size = size_for(tag_len, view->blob.len);
        struct grace *grace = grace_ms > 0 ? plane_alloc(plane, size) : NULL;

        if (!grace) {
                return NULL;
        }
        grace_ms = grace_ms < PLANE_GRACE_MS_MAX ? grace_ms : PLANE_GRACE_MS_MAX;
        *grace = (struct grace){
                        .until_ns = asked->now.mono_ns + cmi_ms(grace_ms),
                        .session = view->session,
        };
        grace->session.tag = cmi_slice(grace->bytes, tag_len);
        if (tag_len > 0) {
                memcpy(grace->bytes, view->session.tag.data, tag_len);
        }
        if (view->blob.len > 0) {
                memcpy(grace->bytes + tag_len, view->blob.data, view->blob.len);
        }
        return grace;
}

struct grace *grace_free(struct plane *plane, struct grace *grace)
{
        struct graces *graces = &plane->graces;

        if (!grace) {
                return NULL;
        }
        if (grace->prev || graces->first == grace) {
                *(grace->prev ? &grace->prev->next : &graces->first) = grace->next;
                *(grace->next ? &grace->next->prev : &graces->last) = grace->prev;
                graces->n--;
                graces->bytes -= size_of(grace);
        }
        plane_release(plane, grace, size_of(grace));
        return NULL;
}

void grace_keep(struct plane *plane, struct grace *grace, const struct cmi_id *key,
                const struct cmi_session *successor)
{
        struct graces *graces = &plane->graces;

        for (struct grace *g = graces->first; g; g = g->next) {
                if (cmi_id_equal(&g->successor, key)) {
                        g->successor = successor->key;
                        g->principal = successor->principal;
                }
        }
        if (!grace) {
                return;
        }
        grace->successor = successor->key;
        grace->principal = successor->principal;
        grace->prev = graces->last;
        *(graces->last ? &graces->last->next : &graces->first) = grace;
        graces->last = grace;
        graces->n++;
        graces->bytes += size_of(grace);
        while (graces->n > PLANE_GRACES_MAX || graces->bytes > PLANE_GRACE_BYTES_MAX) {
                grace_free(plane, graces->first);
        }
}

static bool is_over(const struct grace *grace, struct cmi_time now)
{
        return grace->until_ns <= now.mono_ns || grace->session.max_end_ms <= plane_utc_ms(now);
}

const struct grace *grace_find(
                struct plane *plane, const struct asked *asked, const struct cmi_id *key)
{
        uint64_t space = asked_space(asked);

        for (const struct grace *grace = plane->graces.first; grace; grace = grace->next) {
                if (cmi_id_equal(&grace->session.key, key) &&
                                (grace->session.space == space || PLANE_MUTANT(SPACE_UNCHECKED))) {
                        return is_over(grace, asked->now) ? NULL : grace;
                }
        }
        return NULL;
}

void grace_forget(struct plane *plane, const struct cmi_id *key)
{
        struct grace *grace = plane->graces.first;

        while (grace) {
                struct grace *next = grace->next;

                if (cmi_id_equal(&grace->session.key, key) ||
                                (cmi_id_equal(&grace->successor, key) &&
                                                !PLANE_MUTANT(GRACE_OUTLIVES))) {
                        grace_free(plane, grace);
                }
                grace = next;
        }
}

void grace_forget_principal(struct plane *plane, const struct cmi_id *principal)
{
        struct grace *grace = plane->graces.first;

        while (grace) {
                struct grace *next = grace->next;

                if (cmi_id_equal(&grace->session.principal, principal) ||
                                cmi_id_equal(&grace->principal, principal)) {
                        grace_free(plane, grace);
                }
                grace = next;
        }
}

void grace_expire(struct plane *plane, struct cmi_time now)
{
        struct grace *grace = plane->graces.first;

        while (grace) {
                struct grace *next = grace->next;

                if (is_over(grace, now)) {
                        grace_free(plane, grace);
                }
                grace = next;
        }
}

uint64_t grace_due_ns(const struct plane *plane)
{
        uint64_t due_ns = UINT64_MAX;

        for (const struct grace *grace = plane->graces.first; grace; grace = grace->next) {
                due_ns = grace->until_ns < due_ns ? grace->until_ns : due_ns;
        }
        return due_ns;
}
