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

        cm_session_release(session);
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

void cm_session_release(struct cm_session *session)
{
        struct cm_value value = {0};
        size_t size;

        if (!session || !session->opaque[0]) {
                return;
        }
        value.data = cmi_session_head(session);
        value.opaque[0] = session->opaque[1];
        value.opaque[1] = session->opaque[2];
        cm_release(&value);
        size = session->size;
        memset(session, 0, sizeof(*session));
        session->size = size;
}

int cmi_session_reserve(struct cm_session_space *space, size_t len, struct cmi_ext_room *ret_room)
{
        int r = cmi_ext_copies_reserve(space->copies, sizeof(struct cmi_copy_head) + len, ret_room);

        return r == -ENOMEM ? cmi_ext_fail(r, "no memory for a session") : r;
}

int cmi_session_keep(struct cm_session_space *space, const struct cmi_copy_head *head,
                struct cm_token token, struct cmi_slice data, uint64_t n_copies,
                struct cmi_ext_room *room, struct cm_session *ret_session)
{
        struct cm_value value = {0};
        int r = cmi_ext_copies_put(space->copies, &head->key, token, cmi_slice(head, sizeof(*head)),
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

static _Atomic uint64_t *told_slot(struct cm_session_space *space, const struct cmi_id *key)
{
        uint32_t number;

        memcpy(&number, key->bytes, sizeof(number));
        return &space->told[number % CMI_SESSION_TOLD_SLOTS];
}

/* Milliseconds in 32 bits: they come round after 49 days, when no session of the key is alive. */
static uint64_t told_word(const struct cmi_id *key, uint64_t ms)
{
        uint32_t mark;

        memcpy(&mark, key->bytes + sizeof(mark), sizeof(mark));
        return (uint64_t)mark << 32 | (uint32_t)ms;
}

void cmi_session_set_told(struct cm_session_space *space, const struct cmi_id *key)
{
        uint64_t now_ms = cmi_session_clock_ms(CLOCK_MONOTONIC_COARSE);

        atomic_store_explicit(told_slot(space, key), told_word(key, now_ms), memory_order_relaxed);
}

/* One that meshd cannot be told now is told by a use an eighth of the interval later. */
void cmi_session_tell_used(struct cm_session_space *space, const struct cmi_copy_head *head)
{
        uint64_t interval_ms = cmi_session_touch_interval_ms(head->idle_ttl_ms);
        uint64_t now_ms = cmi_session_clock_ms(CLOCK_MONOTONIC_COARSE);
        _Atomic uint64_t *slot = told_slot(space, &head->key);
        uint64_t seen = atomic_load_explicit(slot, memory_order_relaxed);
        uint64_t word = told_word(&head->key, now_ms);

        if (head->idle_ttl_ms == 0 || (head->flags & CMI_SESSION_READ_ONLY) ||
                        cmi_session_version_is_none(&head->version)) {
                return;
        }
        if (seen >> 32 == word >> 32 && (uint32_t)(word - seen) < interval_ms) {
                return;
        }
        if (!atomic_compare_exchange_strong(slot, &seen, word)) {
                return; /* another thread does it */
        }
        if (cmi_session_tell(space, head) < 0) {
                atomic_store_explicit(slot,
                                told_word(&head->key, now_ms - interval_ms + interval_ms / 8),
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
                cmi_session_tell_used(cmi_session_space(session), cmi_session_head(session));
        }
        return r;
}
