/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the app keeps in memory through libcachemesh: each person's tree of folders, the list of
 * people and the list of nodes. It decides keys, tags, and what a change of the store makes
 * invalid; what a change is, is left to store.c.
 *
 * A tree is cached under the person's name, with the tag person:NAME and for each
 * folder that somebody else shared into it the tag folder:ID. So whoever changes a
 * folder needs not know who sees it.
 *
 * Any thread may call any function.
 */
#include "demo-app/store.h"

#include "libcachemesh/cachemesh.h"

#include <stdbool.h>

struct cache;

struct cache_options {
        const char *socket; /* of meshd; NULL: the library's default */
        const char *name;   /* of this node */
        bool is_standalone; /* without meshd, for tests: nothing reaches other processes */
        bool is_publishing; /* false: changes are told to nobody, so others serve old trees */
};

/* An answer, pinned until cache_release(). */
struct cache_answer {
        struct cm_value value;
        const void *rows; /* struct store_folder, store_person or store_node */
        size_t n;
        bool is_hit;
        const char *reason; /* of a miss; static */
};

/* How a change was told to the others. */
struct cache_report {
        int outcome; /* of cm_batch_publish(); -ECANCELED if this app does not publish */
        uint32_t n_applied;
        uint32_t n_lapsed;
        uint32_t n_unconfirmed;
        uint32_t took_us;
};

struct cache_counts {
        uint64_t n_hits;
        uint64_t n_misses;
        uint64_t n_entries;
        uint64_t bytes;
};

/* @store is borrowed until cache_close(). Returns 0 or what cm_open() and
 * cm_region_open() return. */
int cache_open(struct cache **ret_cache, struct store *store, const struct cache_options *options);
struct cache *cache_close(struct cache *cache);

/* For the main loop: events and prompt reconnection. */
struct cm *cache_handle(struct cache *cache);

/**
 * cache_tree() - what a person sees
 * @person:     a valid name
 * @ret_answer: rows of struct store_folder; to be released
 *
 * Return: 0, STORE_NO_PERSON (an answer too: is_hit and reason are set, there is nothing to
 *         release), or a negative error of store_tree() or cm_get_or_load().
 */
int cache_tree(struct cache *cache, const char *person, struct cache_answer *ret_answer);

/* The same for the list of people and the list of nodes. */
int cache_people(struct cache *cache, struct cache_answer *ret_answer);
int cache_nodes(struct cache *cache, struct cache_answer *ret_answer);

void cache_release(struct cache_answer *answer);

/**
 * cache_publish() - tell the mesh what a committed change made invalid, and wait until all have it
 */
void cache_publish(struct cache *cache, const struct store_change *change,
                struct cache_report *ret_report);

/* The same after a change of the list of people or of the list of nodes. */
void cache_publish_people(struct cache *cache, const struct store_change *change,
                struct cache_report *ret_report);
void cache_publish_nodes(struct cache *cache, struct cache_report *ret_report);

/* "live", "bypass" and so on, and why. Both static. */
const char *cache_mode(struct cache *cache, const char **ret_reason);

/* Of trees and lists together. */
void cache_count(struct cache *cache, struct cache_counts *ret_counts);
