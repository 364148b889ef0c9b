/* SPDX-License-Identifier: MIT */
/* The one way in, and fences. What becomes of what comes is in the file of its way. */
#include "meshd/session/state.h"

#include <errno.h>

/* Whoever asks has seen a later epoch begin. */
static int merge_fence(struct store *store, struct cmi_time now, const struct store_fence *fence)
{
        struct entry *entry = table_find(store, now, &fence->key);
        uint64_t end_ms = fence->max_end_ms;
        int r;

        if (cmi_id_is_zero(&fence->key) || fence->epoch.counter == 0 ||
                        end_ms > CMI_SESSION_TIME_MAX_MS) {
                return -EINVAL;
        }
        if (!entry) {
                if (end_ms > life_end_max_ms(store, now, 1)) {
                        end_ms = life_end_max_ms(store, now, 1);
                }
                entry = entry_new(store, &fence->key, RESERVE_COPY, &r);
                if (!entry) {
                        return r;
                }
                life_extend(&entry->life, now, end_ms);
                due_entry(store, now, entry);
        }
        r = cmi_session_epoch_compare(&fence->epoch, &entry->fence);
        entry_fence(entry, &fence->epoch);
        return r > 0 ? STORE_STORED : r == 0 ? STORE_SAME : STORE_FENCED;
}

static int merge(struct store *store, struct cmi_time now, const struct store_change *change)
{
        switch (change->way) {
        case STORE_CREATE:
        case STORE_SAVE:
        case STORE_HOLD:
        case STORE_END:
        case STORE_TOUCH:
                return decide(store, now, change);
        case STORE_ORDERED:
        case STORE_COPY:
                return copy_merge(store, now, change);
        case STORE_TOMBSTONE:
                return tombstone_merge(store, now, change->tombstone);
        case STORE_PRINCIPAL:
                if (!change->principal || cmi_principal_check(change->principal) != 0) {
                        return -EINVAL;
                }
                return principal_merge(store, now, change->principal);
        case STORE_FENCE:
                return merge_fence(store, now, &change->fence);
        }
        return -EINVAL;
}

/* NULL: it is about no key. */
static const struct cmi_id *key_of(const struct store_change *change)
{
        switch (change->way) {
        case STORE_CREATE:
                return &change->create.key;
        case STORE_SAVE:
                return &change->save.key;
        case STORE_HOLD:
                return &change->hold.key;
        case STORE_END:
                return &change->end.key;
        case STORE_ORDERED:
        case STORE_COPY:
                return change->record.session ? &change->record.session->key : NULL;
        case STORE_TOUCH:
                return &change->touch.key;
        case STORE_TOMBSTONE:
                return change->tombstone ? &change->tombstone->key : NULL;
        case STORE_PRINCIPAL:
                break;
        case STORE_FENCE:
                return &change->fence.key;
        }
        return NULL;
}

/* A touch is told of where it is made, and principals where they count. */
static bool is_change(const struct store_change *change, int r)
{
        switch (change->way) {
        case STORE_CREATE:
        case STORE_SAVE:
        case STORE_HOLD:
                return r == STORE_STORED;
        case STORE_TOUCH:
        case STORE_PRINCIPAL:
                return false;
        case STORE_END: /* a blind one is extended */
        case STORE_ORDERED:
        case STORE_COPY:
        case STORE_TOMBSTONE:
        case STORE_FENCE:
                return r >= 0;
        }
        return false;
}

int store_merge(struct store *store, struct cmi_time now, const struct store_change *change,
                struct store_result *ret_result)
{
        const struct cmi_id *about = key_of(change);
        const struct cmi_id *key = ret_result ? about : NULL;
        struct store_result result = {
                        .was = {.found = STORE_ABSENT}, .is = {.found = STORE_ABSENT}};
        int r;

        if (key) {
                result.was = table_state(table_find(store, now, key), now);
        }
        r = merge(store, now, change);
        if (store_is_full(r)) {
                store->status.n_refused++;
        }
        if (about && is_change(change, r)) {
                store_tell_changed(store, about, false);
        }
        if (key) {
                result.is = table_state(table_find(store, now, key), now);
        }
        if (ret_result) {
                *ret_result = result;
        }
        return r;
}
