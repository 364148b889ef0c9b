/* SPDX-License-Identifier: MIT */
#include "libcachemesh/table.h"

#include "libcachemesh/cache.h"
#include "libcachemesh/memory.h"

#include <errno.h>

#define N_BUCKETS_MAX (UINT32_C(1) << 30)

/* A budget of about 64 MiB. The beginning stays in small pages: a table that is hardly used
 * takes hardly any memory. */
#define HUGE_TABLE ((size_t)12 << 20)

/* Where an entry is. */
struct place {
        struct cmi_bucket *bucket;
        unsigned i;
};

static struct cmi_entry *at(struct cmi_bucket *bucket, unsigned i)
{
        return atomic_load_explicit(&bucket->entries[i], memory_order_relaxed);
}

static struct cmi_bucket *overflow(const struct cmi_bucket *bucket)
{
        return atomic_load_explicit(&bucket->overflow, memory_order_relaxed);
}

static void set_mark(struct cmi_bucket *bucket, unsigned i, uint64_t mark)
{
        uint64_t marks = atomic_load_explicit(&bucket->marks, memory_order_relaxed);

        marks = (marks & ~(UINT64_C(0xff) << (8 * i))) | mark << (8 * i);
        atomic_store_explicit(&bucket->marks, marks, memory_order_release);
}

static void fill_place(struct place place, struct cmi_entry *entry)
{
        atomic_store_explicit(&place.bucket->entries[place.i], entry, CMI_PUBLISH);
        set_mark(place.bucket, place.i, cmi_table_mark(entry->hash));
}

static void clear_place(struct place place)
{
        set_mark(place.bucket, place.i, 0);
        atomic_store_explicit(&place.bucket->entries[place.i], NULL, CMI_PUBLISH);
}

static uint32_t n_buckets(const struct cmi_table *table)
{
        return (uint32_t)atomic_load_explicit(&table->shape, memory_order_relaxed);
}

static struct cmi_bucket *bucket_of(const struct cmi_table *table, uint64_t hash)
{
        uint64_t shape = atomic_load_explicit(&table->shape, memory_order_relaxed);

        return &table->buckets[cmi_table_index(hash, shape)];
}

static bool find_entry(
                const struct cmi_table *table, const struct cmi_entry *entry, struct place *ret)
{
        struct cmi_bucket *bucket = bucket_of(table, entry->hash);

        for (; bucket; bucket = overflow(bucket)) {
                for (unsigned i = 0; i < CMI_BUCKET_ENTRIES; i++) {
                        if (at(bucket, i) == entry) {
                                *ret = (struct place){bucket, i};
                                return true;
                        }
                }
        }
        return false;
}

/* A free place in a chain; a new bucket at its end if need be. 0 or -ENOMEM. */
static int find_free(struct cmi_table *table, struct cm *cm, struct cmi_bucket *bucket,
                struct place *ret)
{
        struct cmi_bucket *last = bucket;

        for (; bucket; last = bucket, bucket = overflow(bucket)) {
                for (unsigned i = 0; i < CMI_BUCKET_ENTRIES; i++) {
                        if (!at(bucket, i)) {
                                *ret = (struct place){bucket, i};
                                return 0;
                        }
                }
        }
        bucket = cmi_handle_allocate(cm, 64, sizeof(*bucket));
        if (!bucket) {
                return -ENOMEM;
        }
        memset((void *)bucket, 0, sizeof(*bucket));
        atomic_store_explicit(&last->overflow, bucket, memory_order_release);
        table->n_overflow++;
        *ret = (struct place){bucket, 0};
        return 0;
}

int cmi_table_init(struct cmi_table *table, struct cm *cm, size_t n_entries_max)
{
        size_t n = n_entries_max / CMI_TABLE_FILL;

        n = n < CMI_TABLE_FIRST ? CMI_TABLE_FIRST : n < N_BUCKETS_MAX ? n : N_BUCKETS_MAX;
        memset((void *)table, 0, sizeof(*table));
        table->buckets = cmi_handle_allocate(cm, 64, n * sizeof(*table->buckets));
        if (!table->buckets) {
                return -ENOMEM;
        }
        if (n * sizeof(*table->buckets) >= HUGE_TABLE) {
                cmi_memory_make_huge(&cm->options.allocator, (char *)table->buckets + CMI_HUGE_PAGE,
                                n * sizeof(*table->buckets) - CMI_HUGE_PAGE);
        }
        table->n_buckets_max = (uint32_t)n;
        memset((void *)table->buckets, 0, CMI_TABLE_FIRST * sizeof(*table->buckets));
        atomic_store_explicit(
                        &table->shape, cmi_table_shape(CMI_TABLE_FIRST), memory_order_release);
        return 0;
}

static void free_chain(struct cmi_table *table, struct cm *cm, struct cmi_bucket *bucket)
{
        while (bucket) {
                struct cmi_bucket *next = overflow(bucket);

                cmi_handle_deallocate(cm, bucket, sizeof(*bucket));
                table->n_overflow--;
                bucket = next;
        }
}

void cmi_table_deinit(struct cmi_table *table, struct cm *cm)
{
        uint32_t n = n_buckets(table);

        for (uint32_t i = 0; i < n; i++) {
                free_chain(table, cm, overflow(&table->buckets[i]));
        }
        cmi_handle_deallocate(cm, table->buckets, table->n_buckets_max * sizeof(*table->buckets));
        memset((void *)table, 0, sizeof(*table));
}

/* Copies what belongs to bucket n out of the chain; n is not published, so nobody sees it yet. */
static int copy_moving(struct cmi_table *table, struct cm *cm, struct cmi_bucket *from, uint32_t n)
{
        struct cmi_bucket *to = &table->buckets[n];
        uint64_t shape = cmi_table_shape(n + 1);
        struct place place;

        memset((void *)to, 0, sizeof(*to));
        for (; from; from = overflow(from)) {
                for (unsigned i = 0; i < CMI_BUCKET_ENTRIES; i++) {
                        struct cmi_entry *entry = at(from, i);

                        if (!entry || cmi_table_index(entry->hash, shape) != n) {
                                continue;
                        }
                        if (find_free(table, cm, to, &place) < 0) {
                                free_chain(table, cm, overflow(to));
                                return -ENOMEM;
                        }
                        fill_place(place, entry);
                }
        }
        return 0;
}

/*
 * Split the bucket whose turn it is: the one where a hash of n is now. Those of its entries that
 * belong to bucket n are copied there, n + 1 is published, and then they leave the old bucket.
 */
static int split(struct cmi_table *table, struct cm *cm)
{
        uint32_t n = n_buckets(table);
        uint64_t shape = cmi_table_shape(n + 1);
        struct cmi_bucket *from = bucket_of(table, n);

        if (n == table->n_buckets_max || copy_moving(table, cm, from, n) < 0) {
                return -ENOMEM;
        }
        atomic_store_explicit(&table->shape, shape, memory_order_release);
        for (; from; from = overflow(from)) {
                for (unsigned i = 0; i < CMI_BUCKET_ENTRIES; i++) {
                        struct cmi_entry *entry = at(from, i);

                        if (entry && cmi_table_index(entry->hash, shape) == n) {
                                clear_place((struct place){from, i});
                        }
                }
        }
        return 0;
}

/* Looks through one chain. *ret_changed: an entry was taken out under us, so the
 * answer means nothing. */
static struct cmi_entry *search_chain(const struct cmi_bucket *bucket, uint64_t hash,
                struct cmi_slice key, struct cmi_pin *pin, bool *ret_changed)
{
        for (; bucket; bucket = atomic_load_explicit(&bucket->overflow, memory_order_acquire)) {
                uint64_t match = cmi_table_match(
                                atomic_load_explicit(&bucket->marks, memory_order_acquire),
                                cmi_table_mark(hash));

                for (; match; match &= match - 1) {
                        const _Atomic(struct cmi_entry *) *place =
                                        &bucket->entries[__builtin_ctzll(match) / 8];
                        struct cmi_entry *entry = atomic_load_explicit(place, memory_order_acquire);

                        if (!entry) {
                                continue;
                        }
                        cmi_pin_store(pin, entry);
                        if (atomic_load_explicit(place, CMI_VALIDATE) != entry) {
                                *ret_changed = true;
                        } else if (cmi_entry_has_key(entry, hash, key)) {
                                return entry;
                        }
                }
        }
        return NULL;
}

struct cmi_entry *cmi_table_search(const struct cmi_table *table, uint64_t hash,
                struct cmi_slice key, struct cmi_pin *pin)
{
        struct cmi_entry *entry;
        bool has_changed;
        uint64_t shape;

        do {
                has_changed = false;
                shape = atomic_load_explicit(&table->shape, memory_order_acquire);
                entry = search_chain(&table->buckets[cmi_table_index(hash, shape)], hash, key, pin,
                                &has_changed);
        } while (!entry && (has_changed || atomic_load_explicit(&table->shape,
                                                           memory_order_acquire) != shape));
        if (!entry) {
                cmi_pin_drop(pin);
        }
        return entry;
}

struct cmi_entry *cmi_table_peek(const struct cmi_table *table, uint64_t hash, struct cmi_slice key)
{
        struct cmi_bucket *bucket = bucket_of(table, hash);

        for (; bucket; bucket = overflow(bucket)) {
                uint64_t match = cmi_table_match(
                                atomic_load_explicit(&bucket->marks, memory_order_relaxed),
                                cmi_table_mark(hash));

                for (; match; match &= match - 1) {
                        struct cmi_entry *entry = at(bucket, __builtin_ctzll(match) / 8);

                        if (entry && cmi_entry_has_key(entry, hash, key)) {
                                return entry;
                        }
                }
        }
        return NULL;
}

int cmi_table_add(struct cmi_table *table, struct cm *cm, struct cmi_entry *entry)
{
        struct place place;
        int r;

        if (table->n_entries >= n_buckets(table) * (uint64_t)CMI_TABLE_FILL) {
                (void)split(table, cm); /* without memory the chains get longer, that is all */
        }
        r = find_free(table, cm, bucket_of(table, entry->hash), &place);
        if (r < 0) {
                return r;
        }
        fill_place(place, entry);
        table->n_entries++;
        return 0;
}

void cmi_table_replace(struct cmi_table *table, struct cmi_entry *old, struct cmi_entry *entry)
{
        struct place place;

        if (find_entry(table, old, &place)) {
                fill_place(place, entry);
        }
}

void cmi_table_remove(struct cmi_table *table, struct cmi_entry *entry)
{
        struct place place;

        if (find_entry(table, entry, &place)) {
                clear_place(place);
                table->n_entries--;
        }
}
