/* SPDX-License-Identifier: MIT */
#include "tests/bench/floor.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define EXPORT __attribute__((visibility("default")))
#define SEED UINT64_C(0x5bd1e9955bd1e995)

struct entry {
        uint64_t token;
        uint32_t key_slot;
        uint32_t tag_slot;
        uint32_t key_len;
        uint32_t len;
        char bytes[]; /* key, value */
};

/* Open addressing with linear probing, at most half full. */
struct place {
        uint64_t hash;
        struct entry *entry;
};

struct floor {
        struct place *places;
        uint64_t mask;
        uint64_t *stamps;
        uint64_t *tag_stamps;
        uint32_t slot_mask;
        volatile uint64_t lease_end_mono_ns;
        volatile uint64_t lease_end_real_ns;

        /* For the one in huge pages: one block for the places and all entries. */
        char *block;
        size_t block_size;
        size_t n_taken;
};

#define HUGE_PAGE ((size_t)2 << 20)
#define ENTRY_SIZE_MAX ((size_t)512)

static bool map_block(struct floor *floor, size_t size)
{
        char *memory = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (memory == MAP_FAILED) {
                return false;
        }
        floor->block = memory;
        floor->block_size = size + HUGE_PAGE;
        floor->n_taken = HUGE_PAGE - (uintptr_t)memory % HUGE_PAGE;
        (void)madvise(memory + floor->n_taken, size, MADV_HUGEPAGE);
        return true;
}

static void *take(struct floor *floor, size_t size)
{
        char *memory;

        if (!floor->block) {
                return malloc(size);
        }
        size = (size + 15) & ~(size_t)15;
        if (size > floor->block_size - floor->n_taken) {
                return NULL;
        }
        memory = floor->block + floor->n_taken;
        floor->n_taken += size;
        return memory;
}

EXPORT struct floor *floor_new(size_t n_entries, uint32_t n_slots, bool is_huge)
{
        struct floor *floor = calloc(1, sizeof(*floor));
        uint64_t n = 64;

        while (n < 2 * n_entries) {
                n *= 2;
        }
        floor->mask = n - 1;
        if (is_huge && map_block(floor, n * sizeof(*floor->places) + n_entries * ENTRY_SIZE_MAX)) {
                floor->places = take(floor, n * sizeof(*floor->places));
        } else {
                floor->places = calloc(n, sizeof(*floor->places));
        }
        floor->slot_mask = n_slots - 1;
        floor->stamps = malloc(n_slots * sizeof(uint64_t));
        floor->tag_stamps = malloc(n_slots * sizeof(uint64_t));
        memset(floor->stamps, 0, n_slots * sizeof(uint64_t));
        memset(floor->tag_stamps, 0, n_slots * sizeof(uint64_t));
        for (uint32_t i = 0; i < n_slots; i++) {
                floor->stamps[i] = floor->tag_stamps[i] = 1;
        }
        floor->lease_end_mono_ns = floor->lease_end_real_ns = UINT64_MAX / 2;
        return floor;
}

EXPORT struct floor *floor_free(struct floor *floor)
{
        if (floor->block) {
                munmap(floor->block, floor->block_size);
        } else {
                for (uint64_t i = 0; i <= floor->mask; i++) {
                        free(floor->places[i].entry);
                }
                free(floor->places);
        }
        free(floor->stamps);
        free(floor->tag_stamps);
        free(floor);
        return NULL;
}

EXPORT int floor_put(struct floor *floor, const void *key, size_t key_len, const void *tag,
                size_t tag_len, const void *value, size_t len)
{
        XXH128_hash_t hash = XXH3_128bits_withSeed(key, key_len, SEED);
        XXH128_hash_t tag_hash = XXH3_128bits_withSeed(tag, tag_len, SEED);
        struct entry *entry = take(floor, sizeof(*entry) + key_len + len);
        uint64_t i = hash.low64 & floor->mask;

        if (!entry) {
                return -1;
        }
        *entry = (struct entry){2, (uint32_t)hash.high64 & floor->slot_mask,
                        (uint32_t)tag_hash.high64 & floor->slot_mask, (uint32_t)key_len,
                        (uint32_t)len};
        memcpy(entry->bytes, key, key_len);
        memcpy(entry->bytes + key_len, value, len);
        while (floor->places[i].entry) {
                i = (i + 1) & floor->mask;
        }
        floor->places[i] = (struct place){hash.low64, entry};
        return 0;
}

static uint64_t clock_ns(clockid_t clock)
{
        struct timespec ts;

        clock_gettime(clock, &ts);
        return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

EXPORT long floor_get(const struct floor *floor, const void *key, size_t key_len, void *ret_value)
{
        XXH128_hash_t hash = XXH3_128bits_withSeed(key, key_len, SEED);
        uint64_t i = hash.low64 & floor->mask;
        uint64_t end_mono_ns = floor->lease_end_mono_ns;
        uint64_t end_real_ns = floor->lease_end_real_ns;
        const struct entry *entry;

        __builtin_prefetch(&floor->stamps[(uint32_t)hash.high64 & floor->slot_mask]);
        while (floor->places[i].entry && floor->places[i].hash != hash.low64) {
                i = (i + 1) & floor->mask;
        }
        entry = floor->places[i].entry;
        if (!entry || entry->key_len != key_len || memcmp(entry->bytes, key, key_len) != 0) {
                return -1;
        }
        if (floor->stamps[entry->key_slot] > entry->token ||
                        floor->tag_stamps[entry->tag_slot] > entry->token) {
                return -1;
        }
        if (clock_ns(CLOCK_MONOTONIC_COARSE) >= end_mono_ns ||
                        clock_ns(CLOCK_REALTIME_COARSE) >= end_real_ns) {
                return -1;
        }
        memcpy(ret_value, entry->bytes + key_len, entry->len);
        return entry->len;
}
