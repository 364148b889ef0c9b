/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A cached entry: one block of memory that holds key, value, the token from before its load and the numbers of the
 * slots that can make it stale. Once it can be found nothing in it changes but the visited mark and the links, which
 * belong to the region's lock: a put makes a new entry. The tags' bytes are not kept, their slot numbers decide.
 */
#include "base/bytes.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct cm;

enum cmi_entry_flag {
        CMI_ENTRY_NEGATIVE = 1,
        CMI_ENTRY_DETACHED =
                        2, /* was never in the table: a load's result, not counted in the budget */
};

#define CMI_NEVER_NS UINT64_MAX

/* Gets read from hash on; the links come first so that what they read lies together. */
struct cmi_entry {
        struct cmi_entry *newer; /* SIEVE's queue */
        struct cmi_entry *older; /* and, once unlinked, the list of what waits to be freed */

        uint64_t hash;        /* low half: place and mark in the table */
        uint64_t token_seq;   /* apply_seq from before the load */
        uint64_t token_local; /* the handle's own sequence from before the load */
        uint64_t expires_ns;  /* CLOCK_MONOTONIC_COARSE; CMI_NEVER_NS */
        uint32_t serial;      /* of the mapping to which token and slots belong */
        uint32_t key_slot;
        uint32_t value_len;
        uint16_t value_offset; /* bytes from the start of the entry */
        uint16_t key_len;
        uint8_t n_tags;
        uint8_t flags;              /* enum cmi_entry_flag */
        _Atomic uint8_t is_visited; /* by a hit since the eviction hand passed */
        uint32_t tag_slots[];       /* n_tags; then the key; then the value, aligned to 16 */
};

#define CMI_VALUE_MAX UINT32_MAX

#define CMI_ENTRY_ALIGN 16
/* What an allocator adds to a block, as far as we can know: counted, so that a budget is about memory. */
#define CMI_ENTRY_OVERHEAD 16

/* What an entry is made of; borrowed. */
struct cmi_content {
        struct cmi_slice key;
        struct cmi_slice value;
        uint32_t n_tags;
        const uint32_t *tag_slots;
        bool is_negative;
};

/* New entry with content and sizes set and everything else zero; NULL if memory is short. */
struct cmi_entry *cmi_entry_new(struct cm *cm, const struct cmi_content *content);

/* The bytes of its block. */
size_t cmi_entry_size(const struct cmi_entry *entry);

/* The bytes that it counts in its region's budget. */
static inline size_t cmi_entry_cost(const struct cmi_entry *entry)
{
        return cmi_entry_size(entry) + CMI_ENTRY_OVERHEAD;
}

static inline const char *cmi_entry_key(const struct cmi_entry *entry)
{
        return (const char *)(entry->tag_slots + entry->n_tags);
}

static inline void *cmi_entry_value(const struct cmi_entry *entry)
{
        return (char *)entry + entry->value_offset;
}

static inline uint64_t cmi_word_at(const char *bytes, size_t offset)
{
        uint64_t word;

        memcpy(&word, bytes + offset, sizeof(word));
        return word;
}

/* memcmp() costs more than comparing a usual key: 16 to 32 bytes are four words that may overlap. */
static inline bool cmi_bytes_equal(const char *a, const char *b, size_t len)
{
        if (len >= 16 && len <= 32) {
                return ((cmi_word_at(a, 0) ^ cmi_word_at(b, 0)) |
                                       (cmi_word_at(a, 8) ^ cmi_word_at(b, 8)) |
                                       (cmi_word_at(a, len - 16) ^ cmi_word_at(b, len - 16)) |
                                       (cmi_word_at(a, len - 8) ^ cmi_word_at(b, len - 8))) == 0;
        }
        return memcmp(a, b, len) == 0;
}

static inline bool cmi_entry_has_key(
                const struct cmi_entry *entry, uint64_t hash, struct cmi_slice key)
{
        return entry->hash == hash && entry->key_len == key.len &&
               cmi_bytes_equal(cmi_entry_key(entry), key.data, key.len);
}
