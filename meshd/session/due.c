/* SPDX-License-Identifier: MIT */
/*
 * What is due next: a binary heap by the monotonic clock. What is over is decided by both clocks,
 * see life.c; so is what is idle.
 */
#include "meshd/session/state.h"

#include <assert.h>

#define DUE_MAX_MS UINT64_C(31622400000) /* looked at again after a year: no sum overflows */

/* The heap */

static void put(struct store *store, uint32_t index, struct item *item)
{
        store->heap[index] = item;
        item->due_index = index;
}

static void up(struct store *store, uint32_t index)
{
        struct item *item = store->heap[index];

        while (index > 0 && store->heap[(index - 1) / 2]->due_ns > item->due_ns) {
                put(store, index, store->heap[(index - 1) / 2]);
                index = (index - 1) / 2;
        }
        put(store, index, item);
}

static void down(struct store *store, uint32_t index)
{
        struct item *item = store->heap[index];

        for (;;) {
                uint32_t child = 2 * index + 1;

                if (child + 1 < store->n_heap &&
                                store->heap[child + 1]->due_ns < store->heap[child]->due_ns) {
                        child++;
                }
                if (child >= store->n_heap || store->heap[child]->due_ns >= item->due_ns) {
                        break;
                }
                put(store, index, store->heap[child]);
                index = child;
        }
        put(store, index, item);
}

void due_set(struct store *store, struct item *item, uint64_t at_ns)
{
        item->due_ns = at_ns;
        if (item->due_index == DUE_NONE) {
                assert(store->n_heap < store->heap_size);
                put(store, store->n_heap++, item);
        }
        up(store, item->due_index);
        down(store, item->due_index);
}

void due_remove(struct store *store, struct item *item)
{
        uint32_t index = item->due_index;
        struct item *last;

        if (index == DUE_NONE) {
                return;
        }
        item->due_index = DUE_NONE;
        last = store->heap[--store->n_heap];
        if (last != item) {
                put(store, index, last);
                up(store, index);
                down(store, last->due_index);
        }
}

uint64_t store_next_due_ns(const struct store *store)
{
        return store->n_heap > 0 ? store->heap[0]->due_ns : UINT64_MAX;
}

/* When */

uint64_t due_at_ns(struct cmi_time now, uint64_t utc)
{
        uint64_t left_ms = utc > utc_ms(now) ? utc - utc_ms(now) : 0;

        return now.mono_ns + (left_ms < DUE_MAX_MS ? left_ms : DUE_MAX_MS) * CMI_NS_PER_MS;
}

/* When a record is over by both clocks. */
static uint64_t end_ns(struct cmi_time now, const struct entry *entry)
{
        return later(entry->life.until_ns, due_at_ns(now, entry->body->max_end_ms));
}

/* When it was last used too long ago, by both clocks. */
static uint64_t idle_ns(struct cmi_time now, const struct entry *entry)
{
        uint64_t ttl_ms = entry->body->idle_ttl_ms;

        if (ttl_ms == 0) {
                return UINT64_MAX;
        }
        return later(due_at_ns(now, cmi_session_idle_end_ms(entry->last_touch_ms, ttl_ms)),
                        SESSION_MUTANT(IDLE_BY_CLOCK) ? 0
                                                      : cmi_ms(cmi_session_idle_end_ms(0, ttl_ms)) +
                                                                        entry->touched_ns);
}

/*
 * When a tombstone is over, or a fence. For a blind one all that there is to wait for is in the
 * time that was given: there is no end of a session in it, for which clocks might differ.
 */
static uint64_t forget_ns(const struct store *store, struct cmi_time now, const struct entry *entry)
{
        if (entry->is_blind) {
                return later(due_at_ns(now, entry->life.until_ms), entry->life.until_ns);
        }
        return life_due_ns(store, &entry->life, now);
}

void due_entry(struct store *store, struct cmi_time now, struct entry *entry)
{
        uint64_t at_ns = entry->body ? end_ns(now, entry) : forget_ns(store, now, entry);

        if (entry->body && idle_ns(now, entry) < at_ns) {
                at_ns = idle_ns(now, entry);
        }
        due_set(store, &entry->item, at_ns);
}

/* Return: an enum store_due; STORE_CHECKED: it was too early, and is due again later. */
static int expire_entry(struct store *store, struct cmi_time now, struct entry *entry)
{
        uint64_t again_ms, again_ns;

        if (!entry->body) {
                if (now.mono_ns >= forget_ns(store, now, entry)) {
                        entry_drop(store, entry);
                        return STORE_FORGOTTEN;
                }
                due_entry(store, now, entry);
                return STORE_CHECKED;
        }
        if (due_is_ended(entry, now)) {
                due_end(store, now, entry);
                return STORE_ENDED;
        }
        if (!principal_check(store, now, entry) || idle_ns(now, entry) > now.mono_ns) {
                due_entry(store, now, entry);
                return STORE_CHECKED;
        }
        again_ms = later(cmi_session_touch_interval_ms(entry->body->idle_ttl_ms),
                        store->options.idle_again_ms);
        again_ns = now.mono_ns + cmi_ms(again_ms);
        due_set(store, &entry->item, again_ns < end_ns(now, entry) ? again_ns : end_ns(now, entry));
        return STORE_IDLE;
}

bool due_is_ended(const struct entry *entry, struct cmi_time now)
{
        return entry_is_expired(entry, now) &&
               (now.mono_ns >= entry->life.until_ns || SESSION_MUTANT(ENDED_BY_CLOCK));
}

void due_end(struct store *store, struct cmi_time now, struct entry *entry)
{
        entry_empty(store, now, entry, CMI_TOMBSTONE_IDLE, STORE_GONE_ENDED);
        if (SESSION_MUTANT(END_FORGETS)) {
                entry_drop(store, entry);
        }
}

int store_expire(struct store *store, struct cmi_time now, struct cmi_id *ret_key)
{
        struct item *item;

        *ret_key = (struct cmi_id){{0}};
        if (store_next_due_ns(store) > now.mono_ns) {
                return STORE_NOTHING;
        }
        item = store->heap[0];
        if (item->is_principal) {
                return principal_expire(store, now, (struct principal *)item);
        }
        *ret_key = item->key;
        return expire_entry(store, now, (struct entry *)item);
}
