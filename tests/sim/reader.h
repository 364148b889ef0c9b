/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A cache as libcachemesh keeps it, cut into the steps between which a process may be paused: the
 * rules of token, put and get, and nothing else. Clocks are arguments. The last keys are those of a
 * region that is served by its TTL, also without a lease, while it is proven that nobody else than
 * the page's meshd has answered for the node.
 */
#include "base/time.h"
#include "wire/page.h"

#define READER_KEYS_MAX 8

/*
 * From before a load. The serial orders what happens inside the process: tokens and invalidations
 * each take the next one.
 */
struct reader_token {
        uint64_t epoch;
        uint64_t apply_seq;
        uint64_t serial;
};

/* Where the stamps of one key, with its only tag and its region, are in a page. */
struct reader_slots {
        uint32_t key;
        uint32_t tag;
        uint32_t region;
};

struct reader_entry {
        bool is_present;
        uint64_t version; /* the value */
        struct reader_token token;
        uint64_t expires_ns; /* CLOCK_MONOTONIC; of a TTL region */
};

struct reader_cache {
        struct cmi_page_view view;
        bool has_page;
        struct reader_slots slots[READER_KEYS_MAX];
        uint64_t owners[READER_KEYS_MAX]; /* of the regions' indexes, when the page was mapped */
        struct reader_entry entries[READER_KEYS_MAX];
        uint64_t killed[READER_KEYS_MAX]; /* serial of the newest invalidation by this process */
        uint64_t serial;
        uint64_t tick_ns; /* of the coarse clocks */
        uint32_t n_keys;
        uint32_t n_ttl;      /* of these, the last: of the TTL region */
        uint64_t ttl_ns;     /* of that one */
        uint64_t vouched_ns; /* until then the page is the node's, whatever its lease says */
};

/* A get under way; it keeps looking at the page with which it began, as a mapped page stays. */
struct reader_get {
        struct cmi_page_view view;
        struct reader_slots slots;
        struct reader_entry entry;
        struct cmi_time lease_end;
        uint64_t tick_ns;
        bool is_killed; /* by this process, after the token */
        bool is_ttl;    /* then lease_end.mono_ns is the end of the proof */
        bool is_good;
};

/* Map a page; @regions are the indexes there of the bounded region and the other one. Entries stay,
 * and die by their epoch. */
void reader_map(struct reader_cache *cache, const struct cmi_page_view *view,
                const uint32_t regions[2], uint32_t n_tags);

static inline bool reader_is_ttl(const struct reader_cache *cache, uint32_t key)
{
        return key >= cache->n_keys - cache->n_ttl;
}

/* Is it time to look whether the page is still the node's? */
bool reader_look_is_due(const struct reader_cache *cache, uint64_t coarse_mono_ns);

/* A key is its number as one byte, and so is its tag. */
uint8_t reader_tag(uint32_t key, uint32_t n_tags);

/* Pin the entry and load the lease ends. Return: is there an entry? */
bool reader_get_begin(const struct reader_cache *cache, uint32_t key, struct reader_get *ret_get);

/* The same for what a load under way has brought, by its token. */
void reader_get_result(const struct reader_cache *cache, uint32_t key, uint64_t version,
                struct reader_token token, struct reader_get *ret_get);

/* Load epoch, floor and slots. */
void reader_get_check(struct reader_get *get);

/* Compare the clocks, which are read last. Return: is it a hit? */
bool reader_get_end(struct reader_get *get, struct cmi_time coarse);

struct reader_token reader_token(struct reader_cache *cache);

/* Return: stored? */
bool reader_put(struct reader_cache *cache, uint32_t key, uint64_t version,
                struct reader_token token, uint64_t coarse_mono_ns);

/* An invalidation by this process. */
void reader_kill(struct reader_cache *cache, uint32_t key);
