/* SPDX-License-Identifier: MIT */
#pragma once
/* An allocator that counts, and fails where the test wants it to. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct counted {
        uint64_t n_allocs; /* asked for */
        uint64_t fail_at;  /* the number of one that gets nothing; 0: none */
        bool fail_on;      /* and all after it */
        uint64_t n_blocks; /* that are out */
        uint64_t n_bytes;
};

/* Callbacks of a store_memory; context is a struct counted. Giving back more than was taken
 * aborts. */
void *counted_alloc(void *context, size_t size);
void counted_free(void *context, void *memory, size_t size);
