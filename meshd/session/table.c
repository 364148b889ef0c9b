/* SPDX-License-Identifier: MIT */
/*
 * Finding keys, and walking them in their order. A bucket is chosen by a key's first bits and its
 * chain is sorted, so the order of buckets and chains is that of keys, and a key alone is a place
 * to go on from.
 */
#include "meshd/session/state.h"

static uint32_t bucket_of(const struct cmi_hash *hash, uint32_t bits)
{
        uint32_t first = (uint32_t)hash->bytes[0] << 24 | (uint32_t)hash->bytes[1] << 16 |
                         (uint32_t)hash->bytes[2] << 8 | (uint32_t)hash->bytes[3];

        return first >> (32 - bits);
}

struct entry **table_slot(struct store *store, const struct cmi_hash *key)
{
        struct entry **slot = &store->entries[bucket_of(key, store->entry_bits)];

        while (*slot && cmi_hash_compare(&(*slot)->key, key) < 0) {
                slot = &(*slot)->next;
        }
        return slot;
}

struct entry *table_find(struct store *store, const struct cmi_hash *key)
{
        struct entry *entry = *table_slot(store, key);

        return entry && cmi_hash_equal(&entry->key, key) ? entry : NULL;
}

struct principal **table_principal_slot(struct store *store, const struct cmi_hash *hash)
{
        struct principal **slot = &store->principals[bucket_of(hash, store->principal_bits)];

        while (*slot && cmi_hash_compare(&(*slot)->hash, hash) < 0) {
                slot = &(*slot)->next;
        }
        return slot;
}

struct principal *table_find_principal(struct store *store, const struct cmi_hash *hash)
{
        struct principal *principal = *table_principal_slot(store, hash);

        return principal && cmi_hash_equal(&principal->hash, hash) ? principal : NULL;
}

int store_find(struct store *store, struct cmi_time now, const struct cmi_hash *key,
                struct store_view *ret_view)
{
        const struct entry *entry = table_find(store, key);

        if (!entry) {
                return STORE_ABSENT;
        }
        if (entry->body && entry_is_over(entry, now)) {
                return STORE_EXPIRED;
        }
        entry_view(entry, ret_view);
        return entry->body ? STORE_STORED : STORE_DEAD;
}

/* Walking */

/* The first one from @key on. */
static struct entry *entry_from(struct store *store, const struct cmi_hash *key)
{
        struct entry *entry = *table_slot(store, key);

        for (uint32_t i = bucket_of(key, store->entry_bits) + 1;
                        !entry && i < 1u << store->entry_bits; i++) {
                entry = store->entries[i];
        }
        return entry;
}

static struct principal *principal_from(struct store *store, const struct cmi_hash *hash)
{
        struct principal *principal = *table_principal_slot(store, hash);

        for (uint32_t i = bucket_of(hash, store->principal_bits) + 1;
                        !principal && i < 1u << store->principal_bits; i++) {
                principal = store->principals[i];
        }
        return principal;
}

/* To just behind @key. */
static void step(struct store_cursor *cursor, const struct cmi_hash *key)
{
        cursor->is_done = cmi_hash_compare(key, &cursor->last) >= 0;
        cursor->at = *key;
        for (size_t i = sizeof(cursor->at.bytes); i-- > 0 && ++cursor->at.bytes[i] == 0;) {
        }
}

static struct entry *next_entry(struct store *store, struct cmi_time now, enum store_kind kind,
                struct store_cursor *cursor)
{
        while (!cursor->is_done) {
                struct entry *entry = entry_from(store, &cursor->at);

                if (!entry || cmi_hash_compare(&entry->key, &cursor->last) > 0) {
                        cursor->is_done = true;
                        break;
                }
                step(cursor, &entry->key);
                if ((kind & (entry->body ? STORE_RECORDS : STORE_TOMBSTONES)) != 0 &&
                                !entry_is_over(entry, now)) {
                        return entry;
                }
        }
        return NULL;
}

bool store_next(struct store *store, struct cmi_time now, enum store_kind kind,
                struct store_cursor *cursor, struct store_view *ret_view)
{
        const struct entry *entry = next_entry(store, now, kind, cursor);

        if (entry) {
                entry_view(entry, ret_view);
        }
        return entry != NULL;
}

static void view_principal(const struct principal *principal, struct cmi_principal *ret_principal)
{
        *ret_principal = (struct cmi_principal){.principal = principal->hash};
        ret_principal->n_counts = principal->n_counts;
        for (uint32_t i = 0; i < principal->n_counts; i++) {
                ret_principal->counts[i] = principal->counts[i].count;
        }
}

bool store_next_principal(struct store *store, struct store_cursor *cursor,
                struct cmi_principal *ret_principal)
{
        while (!cursor->is_done) {
                const struct principal *principal = principal_from(store, &cursor->at);

                if (!principal || cmi_hash_compare(&principal->hash, &cursor->last) > 0) {
                        cursor->is_done = true;
                        break;
                }
                step(cursor, &principal->hash);
                if (principal->n_counts > 0) {
                        view_principal(principal, ret_principal);
                        return true;
                }
        }
        return false;
}

int store_principal(struct store *store, const struct cmi_hash *hash,
                struct cmi_principal *ret_principal)
{
        const struct principal *principal = table_find_principal(store, hash);

        if (!principal || principal->n_counts == 0) {
                return STORE_ABSENT;
        }
        view_principal(principal, ret_principal);
        return 0;
}

/* Of what two stores must have alike; the sum does not depend on the order. */
static uint64_t digest_of(const struct entry *entry)
{
        uint8_t bytes[256];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        struct store_view view;

        if (entry->body) {
                return entry->body->sum;
        }
        entry_view(entry, &view);
        cmi_tombstone_write(&writer, &view.tombstone);
        return cmi_session_sum(cmi_written(&writer));
}

struct store_digest store_digest(struct store *store, struct cmi_time now,
                const struct cmi_hash *first, const struct cmi_hash *last)
{
        struct store_cursor cursor = {.at = *first, .last = *last};
        struct store_digest digest = {0};
        const struct entry *entry;

        while ((entry = next_entry(store, now, STORE_BOTH, &cursor)) != NULL) {
                digest.n_records += entry->body != NULL;
                digest.n_tombstones += entry->body == NULL;
                digest.sum += digest_of(entry);
        }
        return digest;
}
