/* SPDX-License-Identifier: MIT */
/* Memory, each byte of it counted: the two budgets, and the store itself. */
#include "meshd/session/state.h"

#include <assert.h>
#include <errno.h>

#define IDLE_AGAIN_MS 1000

static uint64_t *used(struct store *store, enum room room)
{
        return room == ROOM_RECORDS ? &store->status.record_bytes : &store->status.key_bytes;
}

bool room_has_keys(const struct store *store, size_t size, enum reserve reserve)
{
        uint64_t budget = store->options.key_bytes;

        return store->status.key_bytes + size <=
               budget - (reserve != RESERVE_NONE ? budget / reserve : 0);
}

int room_for_blind(const struct store *store, size_t size)
{
        uint64_t part = store->options.key_bytes / STORE_BLIND_PART;

        if (store->status.blind_bytes + size > part && !SESSION_MUTANT(BLIND_UNBOUNDED)) {
                return STORE_FULL_BLIND;
        }
        return room_has_keys(store, size, RESERVE_COPY) ? 0 : STORE_FULL_KEYS;
}

void *room_take(struct store *store, enum room room, size_t size, size_t credit, int *ret_full)
{
        const struct store_options *options = &store->options;
        uint64_t budget = room == ROOM_RECORDS ? options->record_bytes : options->key_bytes;
        void *memory;

        assert(credit <= *used(store, room));
        if (*used(store, room) - credit + size > budget) {
                *ret_full = room == ROOM_RECORDS ? STORE_FULL_RECORDS : STORE_FULL_KEYS;
                return NULL;
        }
        memory = options->memory.alloc(options->memory.context, size);
        if (!memory) {
                *ret_full = STORE_FULL_MEMORY;
                return NULL;
        }
        *used(store, room) += size;
        return memory;
}

void room_give(struct store *store, enum room room, void *memory, size_t size)
{
        assert(size <= *used(store, room));
        *used(store, room) -= size;
        store->options.memory.free(store->options.memory.context, memory, size);
}

static uint32_t bits_for(uint64_t n)
{
        uint32_t bits = 4;

        while (bits < 24 && (UINT64_C(1) << bits) < n) {
                bits++;
        }
        return bits;
}

static void *table_new(struct store *store, uint64_t size)
{
        void *table = store->options.memory.alloc(store->options.memory.context, size);

        store->status.fixed_bytes += table ? size : 0;
        return table;
}

/* Those of buckets, which are empty. */
static void *buckets_new(struct store *store, uint32_t bits)
{
        void *buckets = table_new(store, sizeof(void *) << bits);

        if (buckets) {
                memset(buckets, 0, sizeof(void *) << bits);
        }
        return buckets;
}

static void table_free(struct store *store, void *table, uint64_t size)
{
        if (table) {
                store->options.memory.free(store->options.memory.context, table, size);
        }
}

/*
 * The tables never grow: the budget says how many there can be, at most four a bucket when all of
 * it is used. The heap is touched only as far as it is filled.
 */
static bool has_tables(struct store *store)
{
        size_t smallest = sizeof(struct entry) < sizeof(struct principal)
                                          ? sizeof(struct entry)
                                          : sizeof(struct principal);
        uint64_t n_max = store->options.key_bytes / smallest;

        if (n_max >= DUE_NONE) {
                return false;
        }
        store->entry_bits = bits_for(n_max / 4);
        store->principal_bits = store->entry_bits > 6 ? store->entry_bits - 2 : 4;
        store->heap_size = (uint32_t)n_max;
        store->entries = buckets_new(store, store->entry_bits);
        store->principals = buckets_new(store, store->principal_bits);
        store->heap = table_new(store, sizeof(void *) * store->heap_size);
        return store->entries && store->principals && store->heap;
}

static void use_default(uint64_t *value, uint64_t usual)
{
        *value = *value != 0 ? *value : usual;
}

int store_new(const struct store_options *options, struct store **ret_store)
{
        struct store *store;

        if (options->record_bytes < STORE_MEMORY_MIN || options->key_bytes < STORE_MEMORY_MIN ||
                        options->life_max_ms > CMI_SESSION_LIFE_MAX_MS ||
                        options->margin_ms > CMI_SESSION_LIFE_MAX_MS) {
                return -EINVAL;
        }
        store = options->memory.alloc(options->memory.context, sizeof(*store));
        if (!store) {
                return -ENOMEM;
        }
        *store = (struct store){
                        .options = *options,
                        .status.fixed_bytes = sizeof(*store),
                        .random = options->seed,
        };
        use_default(&store->options.margin_ms, CMI_SESSION_MARGIN_MS);
        use_default(&store->options.life_max_ms, CMI_SESSION_LIFE_MAX_MS);
        use_default(&store->options.idle_again_ms, IDLE_AGAIN_MS);
        if (!has_tables(store)) {
                store_free(store);
                return -ENOMEM;
        }
        *ret_store = store;
        return 0;
}

static void drop_principals(struct store *store)
{
        for (uint32_t i = 0; i < 1u << store->principal_bits; i++) {
                while (store->principals[i]) {
                        principal_forget(store, (struct principal *)store->principals[i]);
                }
        }
}

struct store *store_free(struct store *store)
{
        if (!store) {
                return NULL;
        }
        if (store->entries && store->principals && store->heap) {
                for (uint32_t i = 0; i < 1u << store->entry_bits; i++) {
                        while (store->entries[i]) {
                                entry_drop(store, (struct entry *)store->entries[i]);
                        }
                }
                drop_principals(store);
                assert(store->status.record_bytes == 0 && store->status.key_bytes == 0);
                assert(!user_is_any(store));
        }
        table_free(store, store->entries, sizeof(void *) << store->entry_bits);
        table_free(store, store->principals, sizeof(void *) << store->principal_bits);
        table_free(store, store->heap, sizeof(void *) * store->heap_size);
        store->options.memory.free(store->options.memory.context, store, sizeof(*store));
        return NULL;
}

bool room_is_blocked(const struct store *store, struct cmi_time now)
{
        return store->blocked.until_ms != 0 && !life_is_over(store, &store->blocked, now);
}

struct store_status store_status(const struct store *store, struct cmi_time now)
{
        struct store_status status = store->status;

        status.is_blocked = room_is_blocked(store, now);
        return status;
}

void store_unblock(struct store *store)
{
        store->blocked = (struct life){0};
}
