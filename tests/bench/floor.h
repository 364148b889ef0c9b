/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The floor under a get: the least that a coherent cache can do for one hit, as one call into a
 * shared object. Hash the key, find the entry, compare the key, compare the key's and the tag's
 * stamp with the token, read two coarse clocks, copy the value out. No pin, no eviction, no threads
 * but readers, no other checks.
 *
 * Its memory is malloc's. The library asks the kernel for huge pages where a region is large, so
 * there is a second floor that has its entries and places in huge pages, too.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct floor;

struct floor *floor_new(size_t n_entries, uint32_t n_slots, bool is_huge);
struct floor *floor_free(struct floor *floor);
int floor_put(struct floor *floor, const void *key, size_t key_len, const void *tag, size_t tag_len,
                const void *value, size_t len);

/* Returns the length of the value, copied to ret_value, or -1. */
long floor_get(const struct floor *floor, const void *key, size_t key_len, void *ret_value);
