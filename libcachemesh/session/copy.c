/* SPDX-License-Identifier: MIT */
/*
 * Sessions in this process: what an app holds, what is kept for its next get, and when meshd is
 * told that one is used.
 */
#include "libcachemesh/session/space.h"

#include <errno.h>

int cmi_session_check_empty(const struct cm_session *session)
{
        return session && session->size >= sizeof(*session)
                               ? 0
                               : cmi_ext_fail(-EINVAL, "a session begins with its size");
}

int cmi_session_check_held(const struct cm_session *session)
{
        int r = cmi_session_check_empty(session);

        return r == 0 && !session->opaque[0]
                               ? cmi_ext_fail(-EINVAL, "the session holds nothing: get it first")
                               : r;
}

void cmi_session_show(struct cm_session *session, struct cm_session_space *space,
                struct cm_value *value, uint64_t n_copies)
{
        const struct cmi_copy_head *head = value->data;

        if (session->opaque[0]) {
                cm_session_release(session);
        }
        session->data = head + 1;
        session->len = value->len - sizeof(*head);
        session->created_ms = head->created_ms;
        session->end_ms = head->max_end_ms;
        session->idle_ms = head->idle_ttl_ms;
        memcpy(session->tag, head->tag, sizeof(session->tag));
        session->tag_len = (size_t)head->tag_len;
        session->n_copies = (uint32_t)n_copies;
        session->is_read_only = (head->flags & CMI_SESSION_READ_ONLY) != 0;
        session->opaque[0] = (uint64_t)(uintptr_t)space;
        session->opaque[1] = value->opaque[0];
        session->opaque[2] = value->opaque[1];
        session->opaque[3] = (uint64_t)(uintptr_t)head;
}

/* One by one: what the compiler makes of all at once takes as long as finding a session. */
static void empty(struct cm_session *session)
{
        session->data = NULL;
        session->len = 0;
        session->created_ms = 0;
        session->end_ms = 0;
        session->idle_ms = 0;
        memset(session->tag, 0, sizeof(session->tag));
        session->tag_len = 0;
        session->n_copies = 0;
        session->is_read_only = 0;
        session->opaque[0] = 0;
        session->opaque[1] = 0;
        session->opaque[2] = 0;
        session->opaque[3] = 0;
}

void cm_session_release(struct cm_session *session)
{
        struct cm_value value;

        if (!session || !session->opaque[0]) {
                return;
        }
        value.data = cmi_session_head(session);
        value.opaque[0] = session->opaque[1];
        value.opaque[1] = session->opaque[2];
        cm_release(&value);
        empty(session);
}

int cmi_session_reserve(struct cm_session_space *space, size_t len, struct cmi_ext_room *ret_room)
{
        int r = cmi_ext_copies_reserve(space->copies, sizeof(struct cmi_copy_head) + len, ret_room);

        return r == -ENOMEM ? cmi_ext_fail(r, "no memory for a session") : r;
}

/* What cannot be saved on is not kept alive by being used. */
static uint64_t touch_interval_ms(const struct cmi_copy_head *head)
{
        return head->idle_ttl_ms == 0 || (head->flags & CMI_SESSION_READ_ONLY) ||
                                               cmi_session_version_is_none(&head->version)
                               ? UINT64_MAX
                               : cmi_session_touch_interval_ms(head->idle_ttl_ms);
}

int cmi_session_keep(struct cm_session_space *space, const struct cmi_copy_head *head,
                struct cm_token token, struct cmi_slice data, uint64_t n_copies,
                struct cmi_ext_room *room, struct cm_session *ret_session)
{
        struct cmi_copy_head copy = *head;
        struct cm_value value = {0};
        int r;

        copy.touch_ms = touch_interval_ms(head);
        r = cmi_ext_copies_put(space->copies, &head->key, token, cmi_slice(&copy, sizeof(copy)),
                        data, room, &value);

        if (r < 0) {
                return ret_session ? cmi_ext_fail(r, "no memory for a session") : 0;
        }
        if (ret_session) {
                cmi_session_show(ret_session, space, &value, n_copies);
        } else {
                cm_release(&value);
        }
        return 0;
}

void cmi_session_set_told(struct cmi_copy_head *head)
{
        atomic_store_explicit(&head->told_ms, cmi_session_clock_ms(CLOCK_REALTIME_COARSE),
                        memory_order_relaxed);
}

/* One that meshd cannot be told now is told by a use an eighth of the interval later. */
void cmi_session_tell_used(
                struct cm_session_space *space, struct cmi_copy_head *head, uint64_t now_ms)
{
        uint64_t told_ms = atomic_load_explicit(&head->told_ms, memory_order_relaxed);

        if (now_ms - told_ms < head->touch_ms || head->touch_ms == UINT64_MAX) {
                return;
        }
        if (!atomic_compare_exchange_strong(&head->told_ms, &told_ms, now_ms)) {
                return; /* another thread does it */
        }
        if (cmi_session_tell(space, head) < 0) {
                atomic_store_explicit(&head->told_ms, now_ms - head->touch_ms + head->touch_ms / 8,
                                memory_order_relaxed);
        }
}

int cm_session_touch(struct cm_session *session)
{
        int r = cmi_session_check_held(session);

        if (r == 0) {
                r = cmi_ext_enter(cmi_session_space(session)->cm);
        }
        if (r == 0) {
                cmi_session_tell_used(cmi_session_space(session), cmi_session_head(session),
                                cmi_session_clock_ms(CLOCK_REALTIME_COARSE));
        }
        return r;
}
