/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A cached entry: one block of memory that holds key, value, the token from before its load and the
 * numbers of the slots that can make it stale. Once it can be found nothing in it changes but the
 * visited mark and the links, which belong to the region's lock: a put makes a new entry. The tags'
 * bytes are not kept, their slot numbers decide.
 */
#include "base/bytes.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

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

        uint64_t hash;       /* low half: place and mark in the table */
        uint64_t token_seq;  /* apply_seq from before the load */
        uint64_t token_own;  /* the handle's own sequence from before the load */
        uint64_t expires_ns; /* CLOCK_MONOTONIC_COARSE; CMI_NEVER_NS */
        uint32_t serial;     /* of the mapping to which token and slots belong */
        uint32_t key_slot;   /* from the first key's slot on; see key_slot() in region.c */
        uint32_t value_len;
        uint32_t loaded_ds;    /* when its load began: tenths of a second of CLOCK_BOOTTIME */
        uint16_t value_offset; /* bytes from the start of the entry */
        uint16_t key_len;
        uint8_t n_tags;
        uint8_t flags;              /* enum cmi_entry_flag */
        _Atomic uint8_t is_visited; /* by a hit since the eviction hand passed */
        uint32_t tag_slots[];       /* n_tags; then the key; then the value, aligned to 16 */
};

#define CMI_VALUE_MAX UINT32_MAX

#define CMI_ENTRY_ALIGN 16
/* Sets key_len, value_len and value_offset; n_tags is set. */
void cmi_entry_set_lengths(struct cmi_entry *entry, size_t key_len, size_t value_len);

/* The bytes that an entry takes. */
static inline size_t cmi_entry_size(const struct cmi_entry *entry)
{
        return (size_t)entry->value_offset + entry->value_len;
}

/* An entry out of its head (all up to the tags' slots), key and value (in two pieces, of which the
 * first may be empty), in cmi_entry_size() bytes of memory. */
struct cmi_entry *cmi_entry_fill(void *memory, const struct cmi_entry *head, struct cmi_slice key,
                struct cmi_slice first, struct cmi_slice value);

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

/* memcmp() costs more than comparing a usual key: 16 to 32 bytes are four
 * words that may overlap. */
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
