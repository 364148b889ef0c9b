/* SPDX-License-Identifier: MIT */
/*
 * Finding keys, and walking them in their order. A bucket is chosen by a key's first bits, and is a
 * tree: the order of buckets and trees is that of keys, and a key alone is a place to go on from.
 */
#include "meshd/session/state.h"
#include "wire/fields.h"

static uint32_t bucket_of(const struct cmi_id *hash, uint32_t bits)
{
        uint32_t first = (uint32_t)hash->bytes[0] << 24 | (uint32_t)hash->bytes[1] << 16 |
                         (uint32_t)hash->bytes[2] << 8 | (uint32_t)hash->bytes[3];

        return first >> (32 - bits);
}

static struct item **entry_root(const struct store *store, const struct cmi_id *key)
{
        return &store->entries[bucket_of(key, store->entry_bits)];
}

static struct item **principal_root(const struct store *store, const struct cmi_id *hash)
{
        return &store->principals[bucket_of(hash, store->principal_bits)];
}

static struct item **root_of(const struct store *store, const struct item *item)
{
        return item->is_principal ? principal_root(store, &item->key)
                                  : entry_root(store, &item->key);
}

/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). */
static uint32_t draw(struct store *store)
{
        uint64_t x = store->random += UINT64_C(0x9e3779b97f4a7c15);

        x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
        return (uint32_t)(x >> 33);
}

void table_add(struct store *store, struct item *item)
{
        item->priority = SESSION_MUTANT(KEYS_UNBALANCED) ? 0 : draw(store) & INT32_MAX;
        tree_add(root_of(store, item), item);
}

void table_remove(struct store *store, struct item *item)
{
        tree_remove(root_of(store, item), item);
}

static struct item *look_up_in(struct item *root, const struct cmi_id *key)
{
        struct item *item = tree_from(root, key);

        return item && cmi_id_equal(&item->key, key) ? item : NULL;
}

static struct entry *look_up(struct store *store, const struct cmi_id *key)
{
        return (struct entry *)look_up_in(*entry_root(store, key), key);
}

/* What is over, or ended by its principal's counts, becomes it when it is looked at. */
static struct entry *refresh(struct store *store, struct cmi_time now, struct entry *entry)
{
        if (due_is_ended(entry, now)) {
                struct cmi_id key = entry->item.key;

                due_end(store, now, entry);
                return look_up(store, &key);
        }
        principal_check(store, now, entry);
        return entry;
}

struct entry *table_find(struct store *store, struct cmi_time now, const struct cmi_id *key)
{
        struct entry *entry = look_up(store, key);

        return entry ? refresh(store, now, entry) : NULL;
}

struct principal *table_find_principal(struct store *store, const struct cmi_id *hash)
{
        return (struct principal *)look_up_in(*principal_root(store, hash), hash);
}

struct store_state table_state(const struct entry *entry, struct cmi_time now)
{
        struct store_state state = {.found = STORE_ABSENT};

        if (!entry) {
                return state;
        }
        state = (struct store_state){
                        .reason = entry->reason,
                        .version = entry->version,
                        .holder = {.no = entry->holder_no},
                        .fence = entry->fence,
        };
        if (!entry->body) {
                state.found = entry->reason == 0 ? STORE_ABSENT : STORE_DEAD;
                return state;
        }
        state.holder = entry->body->holder;
        state.found = entry_is_expired(entry, now)                          ? STORE_EXPIRED
                      : entry->is_behind && !SESSION_MUTANT(BEHIND_UNKNOWN) ? STORE_BEHIND
                                                                            : STORE_STORED;
        return state;
}

int store_find(struct store *store, struct cmi_time now, const struct cmi_id *key,
                struct store_view *ret_view)
{
        const struct entry *entry = table_find(store, now, key);
        int found = table_state(entry, now).found;

        if (entry && found != STORE_ABSENT) {
                entry_view(entry, ret_view);
        }
        return found;
}

int store_note(struct store *store, const struct cmi_id *key,
                const struct cmi_session_version *version, uint64_t note)
{
        struct entry *entry = look_up(store, key);

        if (entry_is_unknown(entry)) {
                return STORE_ABSENT;
        }
        if (cmi_session_version_compare(version, &entry->version) != 0) {
                return STORE_CHANGED;
        }
        entry->note = note;
        return 0;
}

/* Walking */

/* To just behind @key. */
static void pass(struct store_cursor *cursor, const struct cmi_id *key)
{
        cursor->is_done = cmi_id_compare(key, &cursor->last) >= 0;
        cursor->at = *key;
        for (size_t i = sizeof(cursor->at.bytes); i-- > 0 && ++cursor->at.bytes[i] == 0;) {
        }
}

/* To the beginning of the next bucket, for there is no more in this one. */
static void pass_bucket(struct store_cursor *cursor, uint32_t bits)
{
        uint64_t next = ((uint64_t)bucket_of(&cursor->at, bits) + 1) << (32 - bits);

        cursor->at = (struct cmi_id){{(uint8_t)(next >> 24), (uint8_t)(next >> 16),
                        (uint8_t)(next >> 8), (uint8_t)next}};
        cursor->is_done = next > UINT32_MAX || cmi_id_compare(&cursor->at, &cursor->last) > 0;
}

static bool is_told(const struct store *store, const struct entry *entry, struct cmi_time now)
{
        return entry->body ? !entry_is_expired(entry, now)
                           : entry->reason != 0 && life_is_told(store, &entry->life, now);
}

/* Takes a step. Return: what it came by; NULL: nothing that is to be given. */
static struct entry *step_entry(struct store *store, struct cmi_time now, enum store_kind kind,
                struct store_cursor *cursor)
{
        struct entry *entry =
                        (struct entry *)tree_from(*entry_root(store, &cursor->at), &cursor->at);

        cursor->steps--;
        if (!entry) {
                pass_bucket(cursor, store->entry_bits);
                return NULL;
        }
        if (cmi_id_compare(&entry->item.key, &cursor->last) > 0) {
                cursor->is_done = true;
                return NULL;
        }
        pass(cursor, &entry->item.key);
        entry = refresh(store, now, entry);
        return entry && (kind & (entry->body ? STORE_RECORDS : STORE_TOMBSTONES)) != 0 &&
                                               is_told(store, entry, now)
                               ? entry
                               : NULL;
}

int store_next(struct store *store, struct cmi_time now, enum store_kind kind,
                struct store_cursor *cursor, struct store_view *ret_view)
{
        while (!cursor->is_done && cursor->steps > 0) {
                const struct entry *entry = step_entry(store, now, kind, cursor);

                if (entry) {
                        entry_view(entry, ret_view);
                        return STORE_GIVEN;
                }
        }
        return cursor->is_done ? STORE_WALKED : STORE_PAUSED;
}

static void view_principal(const struct store *store, struct cmi_time now,
                const struct principal *principal, struct cmi_principal *ret_principal)
{
        *ret_principal = (struct cmi_principal){.principal = principal->item.key};
        for (uint32_t i = 0; i < principal->n_counts; i++) {
                if (life_is_told(store, &principal->counts[i].life, now)) {
                        ret_principal->counts[ret_principal->n_counts++] =
                                        principal->counts[i].count;
                }
        }
}

int store_next_principal(struct store *store, struct cmi_time now, struct store_cursor *cursor,
                struct cmi_principal *ret_principal)
{
        while (!cursor->is_done && cursor->steps > 0) {
                const struct principal *principal = (struct principal *)tree_from(
                                *principal_root(store, &cursor->at), &cursor->at);

                cursor->steps--;
                if (!principal) {
                        pass_bucket(cursor, store->principal_bits);
                        continue;
                }
                if (cmi_id_compare(&principal->item.key, &cursor->last) > 0) {
                        cursor->is_done = true;
                        break;
                }
                pass(cursor, &principal->item.key);
                view_principal(store, now, principal, ret_principal);
                if (ret_principal->n_counts > 0) {
                        return STORE_GIVEN;
                }
        }
        return cursor->is_done ? STORE_WALKED : STORE_PAUSED;
}

int store_principal(struct store *store, struct cmi_time now, const struct cmi_id *hash,
                struct cmi_principal *ret_principal)
{
        const struct principal *principal = table_find_principal(store, hash);

        if (principal) {
                view_principal(store, now, principal, ret_principal);
        }
        return principal && ret_principal->n_counts > 0 ? 0 : STORE_ABSENT;
}

/* Of what two stores must have alike; the sum does not depend on the order. */
static uint64_t digest_of(const struct entry *entry)
{
        static const struct cmi_id none;
        uint8_t bytes[256];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        const struct body *body = entry->body;

        cmi_write_id(&writer, &entry->item.key);
        cmi_write_uint(&writer, entry->version.epoch.counter);
        cmi_write_id(&writer, &entry->version.epoch.opener);
        cmi_write_uint(&writer, entry->version.epoch.incarnation);
        cmi_write_uint(&writer, entry->version.seq);
        cmi_write_id(&writer, &entry->version.writer);
        cmi_write_uint(&writer, entry_is_final(entry) ? entry->reason : body == NULL);
        cmi_write_id(&writer, body ? &body->save_id : &none);
        cmi_write_uint(&writer, body ? body->blob_sum : 0);
        return cmi_session_sum(cmi_written(&writer));
}

int store_digest(struct store *store, struct cmi_time now, uint64_t at_ms,
                struct store_cursor *cursor, struct store_digest *digest)
{
        uint64_t cut_ms = at_ms + store->options.margin_ms / 2;

        while (!cursor->is_done && cursor->steps > 0) {
                const struct entry *entry = step_entry(store, now, STORE_BOTH, cursor);

                if (entry && entry->life.until_ms > cut_ms) {
                        digest->n_records += entry->body != NULL;
                        digest->n_tombstones += entry->body == NULL;
                        digest->sum += digest_of(entry);
                }
        }
        return cursor->is_done ? STORE_WALKED : STORE_PAUSED;
}
