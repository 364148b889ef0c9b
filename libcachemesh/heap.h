/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The memory of one region's entries. The region asks the allocator for chunks and cuts them into
 * blocks itself, for two reasons. A budget is then about memory that the process really takes: with
 * a block per entry, glibc's heap was seen to hold 1.3 to 1.6 times the budget after four threads
 * had filled a region with values of changing sizes. And a put costs no lock but the region's.
 *
 * Blocks are found by good fit among segregated lists, and merge with free neighbours.
 * Source: M. Masmano and others, "TLSF: a new dynamic memory allocator for real-time
 * systems" (2004), with boundary tags (D. Knuth, TAOCP 1, 2.5). Blocks over half a chunk
 * come from the allocator one by one.
 *
 * One thread at a time: the region's lock.
 */
#include "libcachemesh/cachemesh.h"

#include <stdbool.h>
#include <stdint.h>

#define CMI_HEAP_BINS 128

struct cmi_heap_block;
struct cmi_heap_chunk;

struct cmi_heap {
        struct cm_allocator allocator;
        size_t chunk_size;
        size_t huge_from; /* with so many bytes taken, further chunks are huge pages */
        size_t bytes;     /* taken from the allocator */
        size_t unused;    /* of them, in free blocks */
        size_t n_blocks;  /* in use */
        struct cmi_heap_chunk *chunks;
        uint64_t filled[CMI_HEAP_BINS / 64]; /* bins that are not empty */
        struct cmi_heap_block *bins[CMI_HEAP_BINS];
};

/**
 * cmi_heap_new() - an empty heap
 * @allocator: copied; the heap itself comes from it
 * @budget:    decides the size of chunks: a sixteenth, between 4 KiB and 1 MiB; from 64 MiB on
 *             those after the first 8 MiB are huge pages (memory.h)
 *
 * Return: the heap, NULL if memory is short.
 */
struct cmi_heap *cmi_heap_new(const struct cm_allocator *allocator, size_t budget);

/* With nothing in use. Returns NULL; NULL is allowed. */
struct cmi_heap *cmi_heap_free(struct cmi_heap *heap);

/**
 * cmi_heap_take() - a block, aligned to 16
 * @bytes_max: what the heap may have taken from the allocator afterwards
 *
 * Return: 0, -ENOSPC (bytes_max forbids another chunk), -ENOMEM (the allocator refused one).
 */
int cmi_heap_take(struct cmi_heap *heap, size_t size, size_t bytes_max, void **ret_memory);

/* Give a block back; a chunk that is empty then goes back to the allocator,
 * but for the last one. */
void cmi_heap_give(struct cmi_heap *heap, void *memory);

/* Whether who holds a block could do with another one in its place; at first not. */
void cmi_heap_set_movable(void *memory, bool is_movable);

/**
 * cmi_heap_fence() - choose a chunk that is to become empty
 *
 * The one with the most unused bytes, if there is as much unused as the whole chunk has. Blocks are
 * not taken from it until cmi_heap_unfence(), and none is given back meanwhile. It is not chosen
 * again before all others were; they all were when the answer is NULL.
 *
 * Return: the chunk, NULL if there is none.
 */
struct cmi_heap_chunk *cmi_heap_fence(struct cmi_heap *heap);
void cmi_heap_unfence(struct cmi_heap *heap, struct cmi_heap_chunk *chunk);

/* Has a chunk a block in use that is not movable? */
bool cmi_heap_is_fixed(struct cmi_heap_chunk *chunk);

/* The movable block after this one, the first one for NULL; NULL after the last. */
void *cmi_heap_next_movable(struct cmi_heap_chunk *chunk, void *memory);
