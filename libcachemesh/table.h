/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The table that finds entries: linear hashing over buckets of one cache line. It grows by one
 * bucket at a time, so no put ever pays for a rebuild, and buckets never move or go away while the
 * region lives, so readers need no protection for anything but the entries. Source: W. Litwin,
 * "Linear hashing" (1980).
 *
 * Readers take no lock. One writer at a time (the region's lock). While a bucket is split, a moved
 * entry is for a moment in both buckets, then the new number of buckets is published, then it
 * leaves the old one: a reader that finds nothing looks at the number again.
 */
#include "libcachemesh/pin.h"

#include <stddef.h>

struct cm;

#define CMI_BUCKET_ENTRIES 6
#define CMI_TABLE_FIRST 64u /* buckets of an empty table */
#define CMI_TABLE_FILL 3    /* entries per bucket, on average, above which it grows */

struct cmi_bucket {
        _Alignas(64) _Atomic uint64_t marks; /* byte i belongs to entries[i]; 0: nothing there */
        _Atomic(struct cmi_entry *) entries[CMI_BUCKET_ENTRIES];
        _Atomic(struct cmi_bucket *) overflow; /* once there, it stays */
};

struct cmi_table {
        _Atomic uint64_t
                        shape; /* number of buckets, and above it the mask; see cmi_table_index() */
        struct cmi_bucket
                        *buckets; /* room for n_buckets_max; memory is touched as the table grows */

        _Alignas(64) uint32_t n_entries; /* writer's, as what follows */
        uint32_t n_overflow;             /* buckets beside those */
        uint32_t n_buckets_max;
};

static inline uint64_t cmi_table_mark(uint64_t hash)
{
        uint64_t mark = hash >> 56;

        return mark + (mark == 0);
}

/* The shape of n buckets: n, and the mask that covers them all. Both in one word, so that
 * readers see a pair. */
static inline uint64_t cmi_table_shape(uint32_t n)
{
        uint64_t mask = (UINT64_C(2) << (31 - __builtin_clz(n))) - 1;

        return mask << 32 | n;
}

/* Bucket number of a hash: those that the upper half of the mask does not have yet are
 * still in the lower half. */
static inline uint32_t cmi_table_index(uint64_t hash, uint64_t shape)
{
        uint32_t mask = (uint32_t)(shape >> 32);
        uint32_t index = (uint32_t)hash & mask;

        return index < (uint32_t)shape ? index : index & (mask >> 1);
}

/* The bytes 0 to 5 of marks that equal mark, as 0x80 each; rarely one more, which the key's
 * comparison sorts out. */
static inline uint64_t cmi_table_match(uint64_t marks, uint64_t mark)
{
        uint64_t difference = marks ^ (mark * UINT64_C(0x010101010101));

        return (difference - UINT64_C(0x010101010101)) & ~difference & UINT64_C(0x808080808080);
}

/* The rest of cmi_table_find(): a second match, another bucket of the chain, a table
 * that changes meanwhile. */
struct cmi_entry *cmi_table_search(const struct cmi_table *table, uint64_t hash,
                struct cmi_slice key, struct cmi_pin *pin);

/**
 * cmi_table_find() - the entry of a key, pinned
 * @pin: a free pin of the calling thread
 *
 * Any thread. On NULL the pin is free again.
 */
static inline struct cmi_entry *cmi_table_find(const struct cmi_table *table, uint64_t hash,
                struct cmi_slice key, struct cmi_pin *pin)
{
        uint64_t shape = atomic_load_explicit(&table->shape, memory_order_acquire);
        struct cmi_bucket *bucket = &table->buckets[cmi_table_index(hash, shape)];
        uint64_t match = cmi_table_match(atomic_load_explicit(&bucket->marks, memory_order_acquire),
                        cmi_table_mark(hash));

        if (__builtin_expect(match != 0, 1)) {
                _Atomic(struct cmi_entry *) *place =
                                &bucket->entries[(unsigned)__builtin_ctzll(match) / 8];
                struct cmi_entry *entry = atomic_load_explicit(place, memory_order_acquire);

                if (__builtin_expect(entry != NULL, 1)) {
                        __builtin_prefetch((char *)entry + 64);
                        __builtin_prefetch((char *)entry + 128);
                        cmi_pin_store(pin, entry);
                        if (__builtin_expect(atomic_load_explicit(place, CMI_VALIDATE) == entry &&
                                                             cmi_entry_has_key(entry, hash, key),
                                            1)) {
                                return entry;
                        }
                }
        }
        return cmi_table_search(table, hash, key, pin);
}

/* The writer's side: under the region's lock. */

/**
 * cmi_table_init() - an empty table
 * @n_entries_max: more than these only make its chains longer
 *
 * Takes one block for the largest size and touches what it uses.
 *
 * Return: 0 or -ENOMEM.
 */
int cmi_table_init(struct cmi_table *table, struct cm *cm, size_t n_entries_max);
void cmi_table_deinit(struct cmi_table *table, struct cm *cm);

struct cmi_entry *cmi_table_peek(
                const struct cmi_table *table, uint64_t hash, struct cmi_slice key);

/* Adds an entry whose key is not there. 0 or -ENOMEM. */
int cmi_table_add(struct cmi_table *table, struct cm *cm, struct cmi_entry *entry);

/* Puts an entry in the place of one with the same key. */
void cmi_table_replace(struct cmi_table *table, struct cmi_entry *old, struct cmi_entry *entry);
void cmi_table_remove(struct cmi_table *table, struct cmi_entry *entry);

/* Bytes of buckets in use. */
static inline size_t cmi_table_size(const struct cmi_table *table)
{
        uint32_t n = (uint32_t)atomic_load_explicit(&table->shape, memory_order_relaxed);

        return ((size_t)n + table->n_overflow) * sizeof(struct cmi_bucket);
}
