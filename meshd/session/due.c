/* SPDX-License-Identifier: MIT */
/*
 * What is due next: a binary heap by the monotonic clock. What is over is decided by UTC; so that
 * a clock that was set forward by mistake makes no tombstone go, one also waits as long as it had
 * to on the other clock.
 */
#include "meshd/session/state.h"

#include <assert.h>

#define DUE_MAX_MS UINT64_C(31622400000) /* looked at again after a year: no sum overflows */
#define IDLE_AGAIN_MS 1000               /* an idle record is told of so often at most */

/* The heap */

static void put(struct store *store, uint32_t index, struct due *due)
{
        store->heap[index] = due;
        due->index = index;
}

static void up(struct store *store, uint32_t index)
{
        struct due *due = store->heap[index];

        while (index > 0 && store->heap[(index - 1) / 2]->at_ns > due->at_ns) {
                put(store, index, store->heap[(index - 1) / 2]);
                index = (index - 1) / 2;
        }
        put(store, index, due);
}

static void down(struct store *store, uint32_t index)
{
        struct due *due = store->heap[index];

        for (;;) {
                uint32_t child = 2 * index + 1;

                if (child + 1 < store->n_heap &&
                                store->heap[child + 1]->at_ns < store->heap[child]->at_ns) {
                        child++;
                }
                if (child >= store->n_heap || store->heap[child]->at_ns >= due->at_ns) {
                        break;
                }
                put(store, index, store->heap[child]);
                index = child;
        }
        put(store, index, due);
}

void due_set(struct store *store, struct due *due, uint64_t at_ns)
{
        due->at_ns = at_ns;
        if (due->index == DUE_NONE) {
                assert(store->n_heap < store->heap_size);
                put(store, store->n_heap++, due);
        }
        up(store, due->index);
        down(store, due->index);
}

void due_remove(struct store *store, struct due *due)
{
        uint32_t index = due->index;
        struct due *last;

        if (index == DUE_NONE) {
                return;
        }
        due->index = DUE_NONE;
        last = store->heap[--store->n_heap];
        if (last != due) {
                put(store, index, last);
                up(store, index);
                down(store, last->index);
        }
}

uint64_t store_next_due_ns(const struct store *store)
{
        return store->n_heap > 0 ? store->heap[0]->at_ns : UINT64_MAX;
}

/* When */

uint64_t due_at_ns(struct cmi_time now, uint64_t utc)
{
        uint64_t left_ms = utc > utc_ms(now) ? utc - utc_ms(now) : 0;

        return now.mono_ns + (left_ms < DUE_MAX_MS ? left_ms : DUE_MAX_MS) * CMI_NS_PER_MS;
}

static uint64_t margin_ms(void)
{
        return SESSION_MUTANT(TOMBSTONE_WITHOUT_MARGIN) ? 0 : CMI_SESSION_MARGIN_MS;
}

bool entry_is_over(const struct entry *entry, struct cmi_time now)
{
        return entry->body ? utc_ms(now) >= entry->max_end_ms
                           : utc_ms(now) >= entry->keep_ms + margin_ms();
}

void due_entry(struct store *store, struct cmi_time now, struct entry *entry)
{
        uint64_t idle_end_ms;

        if (!entry->body) {
                uint64_t at_ns = due_at_ns(now, entry->keep_ms + margin_ms());

                if (at_ns > entry->forget_ns) {
                        entry->forget_ns = at_ns;
                }
                due_set(store, &entry->due, entry->forget_ns);
                return;
        }
        idle_end_ms = cmi_session_idle_end_ms(entry->last_touch_ms, entry->body->idle_ttl_ms);
        due_set(store, &entry->due,
                        due_at_ns(now, idle_end_ms < entry->max_end_ms ? idle_end_ms
                                                                       : entry->max_end_ms));
}

/* Return: an enum store_due; STORE_NOTHING: it was too early, and is due again later. */
static int expire_entry(struct store *store, struct cmi_time now, struct entry *entry)
{
        if (entry_is_over(entry, now)) {
                if (entry->body) {
                        entry_end(store, now, entry);
                        return STORE_ENDED;
                }
                entry_drop(store, entry);
                return STORE_FORGOTTEN;
        }
        due_entry(store, now, entry);
        if (entry->body && entry->due.at_ns <= now.mono_ns) {
                uint64_t again_ms = cmi_session_touch_interval_ms(entry->body->idle_ttl_ms);

                again_ms = again_ms > IDLE_AGAIN_MS ? again_ms : IDLE_AGAIN_MS;
                due_set(store, &entry->due, now.mono_ns + again_ms * CMI_NS_PER_MS);
                return STORE_IDLE;
        }
        return STORE_NOTHING;
}

int store_expire(struct store *store, struct cmi_time now, struct cmi_hash *ret_key)
{
        int r = STORE_NOTHING;

        while (r == STORE_NOTHING && store_next_due_ns(store) <= now.mono_ns) {
                struct due *due = store->heap[0];

                *ret_key = (struct cmi_hash){{0}};
                if (due->is_principal) {
                        r = principal_expire(store, now, (struct principal *)due) ? STORE_FORGOTTEN
                                                                                  : STORE_NOTHING;
                } else {
                        *ret_key = ((struct entry *)due)->key;
                        r = expire_entry(store, now, (struct entry *)due);
                }
        }
        return r;
}

void due_block(struct store *store, struct cmi_time now, uint64_t until_ms)
{
        if (SESSION_MUTANT(OVERFLOW_FORGOTTEN)) {
                return;
        }
        if (until_ms > store->blocked_until_ms) {
                store->blocked_until_ms = until_ms;
        }
        if (due_at_ns(now, until_ms) > store->blocked_until_ns) {
                store->blocked_until_ns = due_at_ns(now, until_ms);
        }
}

bool due_is_blocked(const struct store *store, struct cmi_time now)
{
        return utc_ms(now) < store->blocked_until_ms || now.mono_ns < store->blocked_until_ns;
}
