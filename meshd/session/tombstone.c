/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a tombstone that comes. A final one is above everything and is taken whatever
 * this node's clock says: the clock may be wrong, and then the session would live again. One that
 * yields has a place among the records, see copy.c.
 */
#include "meshd/session/state.h"

#include <errno.h>

static int compare_place(const struct entry *entry, const struct cmi_tombstone *tombstone)
{
        int r = cmi_session_version_compare(&tombstone->version, &entry->version);

        return r != 0 ? r
                      : (tombstone->holder_no > entry->holder_no) -
                                               (tombstone->holder_no < entry->holder_no);
}

/* What a final tombstone learns of anything that comes. */
static void keep_version(struct entry *entry, const struct cmi_session_version *version)
{
        if (cmi_session_version_compare(&entry->version, version) < 0) {
                entry->version = *version;
        }
}

void tombstone_set(struct store *store, struct cmi_time now, struct entry *entry,
                const struct cmi_tombstone *tombstone)
{
        bool is_joined = !entry->body && entry->reason != 0 && compare_place(entry, tombstone) == 0;
        bool is_final = cmi_tombstone_is_final(tombstone->reason);
        uint64_t reason = is_joined ? later(entry->reason, tombstone->reason) : tombstone->reason;

        if (!SESSION_MUTANT(END_NOT_KEPT)) {
                life_extend(&entry->life, now, tombstone->max_end_ms);
        }
        entry_empty(store, now, entry, reason,
                        tombstone->reason == CMI_TOMBSTONE_PRINCIPAL ? STORE_GONE_PRINCIPAL
                                                                     : STORE_GONE_TOMBSTONE);
        entry_set_space(store, entry, tombstone->space);
        entry->holder_no = tombstone->holder_no;
        entry->dead_touch_ms = is_joined ? later(entry->dead_touch_ms, tombstone->last_touch_ms)
                                         : tombstone->last_touch_ms;
        if (is_final) {
                keep_version(entry, &tombstone->version);
        } else {
                entry->version = tombstone->version;
        }
        due_entry(store, now, entry);
}

static int bury(struct store *store, struct cmi_time now, const struct cmi_tombstone *tombstone)
{
        int full;
        struct entry *entry = entry_new(store, &tombstone->key, RESERVE_NONE, &full);

        if (!entry) {
                if (!SESSION_MUTANT(OVERFLOW_FORGOTTEN)) {
                        life_extend(&store->blocked, now, tombstone->max_end_ms);
                }
                return full;
        }
        life_extend(&entry->life, now, tombstone->max_end_ms);
        tombstone_set(store, now, entry, tombstone);
        return STORE_STORED;
}

static int merge_final(struct store *store, struct cmi_time now, struct entry *entry,
                const struct cmi_tombstone *tombstone)
{
        if (!entry_is_final(entry)) {
                tombstone_set(store, now, entry, tombstone);
                return STORE_STORED;
        }
        if (cmi_session_version_compare(&entry->version, &tombstone->version) >= 0 &&
                        entry->reason >= tombstone->reason) {
                return STORE_SAME;
        }
        keep_version(entry, &tombstone->version);
        entry->reason = later(entry->reason, tombstone->reason);
        return STORE_STORED;
}

static int merge_yielding(struct store *store, struct cmi_time now, struct entry *entry,
                const struct cmi_tombstone *tombstone)
{
        int r = compare_place(entry, tombstone);

        if (entry_is_final(entry)) {
                keep_version(entry, &tombstone->version);
                return STORE_OLDER;
        }
        if (r < 0 || (r == 0 && entry->body && entry->last_touch_ms > tombstone->last_touch_ms)) {
                return STORE_OLDER;
        }
        if (r == 0 && !entry->body && entry->dead_touch_ms >= tombstone->last_touch_ms &&
                        entry->reason >= tombstone->reason) {
                return STORE_SAME;
        }
        tombstone_set(store, now, entry, tombstone);
        return STORE_STORED;
}

static int merge(struct store *store, struct cmi_time now, const struct cmi_tombstone *tombstone,
                bool is_late)
{
        struct entry *entry = table_find(store, now, &tombstone->key);

        if (!entry && is_late && !cmi_tombstone_is_final(tombstone->reason)) {
                return STORE_EXPIRED;
        }
        if (!entry) {
                return bury(store, now, tombstone);
        }
        entry_unblind(store, entry);
        if (!SESSION_MUTANT(END_NOT_KEPT)) {
                life_extend(&entry->life, now, tombstone->max_end_ms);
                due_entry(store, now, entry);
        }
        return cmi_tombstone_is_final(tombstone->reason)
                               ? merge_final(store, now, entry, tombstone)
                               : merge_yielding(store, now, entry, tombstone);
}

int tombstone_merge(struct store *store, struct cmi_time now, const struct cmi_tombstone *tombstone)
{
        struct cmi_tombstone bounded;
        bool is_late;
        int r;

        if (!tombstone || cmi_tombstone_check(tombstone) != 0) {
                return -EINVAL;
        }
        bounded = *tombstone;
        if (bounded.max_end_ms > life_end_max_ms(store, now, 1)) {
                bounded.max_end_ms = life_end_max_ms(store, now, 1);
        }
        if (bounded.last_touch_ms > bounded.max_end_ms) {
                bounded.last_touch_ms = bounded.max_end_ms;
        }
        is_late = utc_ms(now) >= bounded.max_end_ms + store->options.margin_ms;
        if (is_late && SESSION_MUTANT(EXPIRED_DROPPED)) {
                return STORE_EXPIRED;
        }
        r = merge(store, now, &bounded, is_late);
        return is_late && !store_is_full(r) ? STORE_EXPIRED : r;
}
