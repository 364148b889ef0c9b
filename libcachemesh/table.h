/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The table that finds entries: linear hashing over buckets of one cache line. It grows by one bucket at a time, so no
 * put ever pays for a rebuild, and buckets never move or go away while the region lives, so readers need no protection
 * for anything but the entries. Source: W. Litwin, "Linear hashing" (1980).
 *
 * Readers take no lock. One writer at a time (the region's lock). While a bucket is split, a moved entry is for a
 * moment in both buckets, then the new number of buckets is published, then it leaves the old one: a reader that finds
 * nothing looks at the number again.
 */
#include "libcachemesh/pin.h"

#include <stddef.h>

struct cm;

#define CMI_BUCKET_ENTRIES 6
#define CMI_TABLE_FIRST 64u /* buckets in the first segment; each later one doubles the table */
#define CMI_TABLE_SEGMENTS 26
#define CMI_TABLE_FILL 3 /* entries per bucket, on average, above which it grows */

struct cmi_bucket {
        _Alignas(64) _Atomic uint64_t marks; /* byte i belongs to entries[i]; 0: nothing there */
        _Atomic(struct cmi_entry *) entries[CMI_BUCKET_ENTRIES];
        _Atomic(struct cmi_bucket *) overflow; /* once there, it stays */
};

struct cmi_table {
        _Atomic uint32_t n_buckets;
        uint32_t n_entries;  /* writer's */
        uint32_t n_overflow; /* writer's: buckets beyond n_buckets */
        _Atomic(struct cmi_bucket *) segments[CMI_TABLE_SEGMENTS];
};

static inline uint64_t cmi_table_mark(uint64_t hash)
{
        uint64_t mark = hash >> 56;

        return mark + (mark == 0);
}

/* Bucket number of a hash among n buckets. */
static inline uint32_t cmi_table_index(uint64_t hash, uint32_t n)
{
        uint32_t level = UINT32_C(1) << (31 - __builtin_clz(n));
        uint32_t index = (uint32_t)hash & (2 * level - 1);

        return index < n ? index : index - level;
}

/* Segment 0 holds buckets 0 to 63, segment 1 the next 64, segment 2 the next 128 and so on. */
static inline uint32_t cmi_table_segment(uint32_t index)
{
        return index < CMI_TABLE_FIRST ? 0 : 32 - (uint32_t)__builtin_clz(index / CMI_TABLE_FIRST);
}

static inline struct cmi_bucket *cmi_table_bucket(const struct cmi_table *table, uint32_t index)
{
        uint32_t segment = cmi_table_segment(index);
        uint32_t first = segment == 0 ? 0 : CMI_TABLE_FIRST << (segment - 1);

        return atomic_load_explicit(&table->segments[segment], memory_order_acquire) +
               (index - first);
}

/* The bytes 0 to 5 of marks that equal mark, as 0x80 each; rarely one more, which the key's comparison sorts out. */
static inline uint64_t cmi_table_match(uint64_t marks, uint64_t mark)
{
        uint64_t difference = marks ^ (mark * UINT64_C(0x010101010101));

        return (difference - UINT64_C(0x010101010101)) & ~difference & UINT64_C(0x808080808080);
}

/**
 * cmi_table_find() - the entry of a key, pinned
 * @slot: a free slot of the calling thread
 *
 * Any thread. On NULL the slot is free again.
 */
static inline struct cmi_entry *cmi_table_find(const struct cmi_table *table, uint64_t hash,
                struct cmi_slice key, _Atomic(struct cmi_entry *) *slot)
{
        uint64_t mark = cmi_table_mark(hash);
        uint32_t n = atomic_load_explicit(&table->n_buckets, memory_order_acquire);
        uint32_t n_before;

        do {
                struct cmi_bucket *bucket = cmi_table_bucket(table, cmi_table_index(hash, n));

                n_before = n;
                for (; bucket; bucket = atomic_load_explicit(
                                               &bucket->overflow, memory_order_acquire)) {
                        uint64_t match = cmi_table_match(
                                        atomic_load_explicit(&bucket->marks, memory_order_acquire),
                                        mark);

                        for (; match; match &= match - 1) {
                                _Atomic(struct cmi_entry *) *place =
                                                &bucket->entries[__builtin_ctzll(match) / 8];
                                struct cmi_entry *entry =
                                                atomic_load_explicit(place, memory_order_acquire);

                                if (!entry) {
                                        continue;
                                }
                                __builtin_prefetch(entry);
                                __builtin_prefetch((char *)entry + 64);
                                __builtin_prefetch((char *)entry + 128);
                                cmi_pin_store(slot, entry);
                                if (atomic_load_explicit(place, CMI_VALIDATE) != entry) {
                                        n_before = 0; /* changed under us: look again */
                                        continue;
                                }
                                if (cmi_entry_has_key(entry, hash, key)) {
                                        return entry;
                                }
                        }
                }
                n = atomic_load_explicit(&table->n_buckets, memory_order_acquire);
        } while (n != n_before);
        cmi_pin_drop(slot);
        return NULL;
}

/* The writer's side: under the region's lock. */

/* 0 or -ENOMEM. */
int cmi_table_init(struct cmi_table *table, struct cm *cm);
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
        return ((size_t)atomic_load_explicit(&table->n_buckets, memory_order_relaxed) +
                               table->n_overflow) *
               sizeof(struct cmi_bucket);
}
