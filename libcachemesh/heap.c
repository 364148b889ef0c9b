/* SPDX-License-Identifier: MIT */
#include "libcachemesh/heap.h"

#include "libcachemesh/memory.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

#define CHUNK_MIN ((size_t)4 << 10)
#define CHUNK_MAX ((size_t)1 << 20)
#define CHUNK_SHARE 16
#define HUGE_BUDGET ((size_t)64 << 20)
#define HUGE_FROM ((size_t)8 << 20)

#define IS_FREE ((size_t)1)
#define IS_AFTER_FREE ((size_t)2) /* the word before the block is the size of the free one there */
#define IS_FIRST ((size_t)4)      /* in its chunk */
#define IS_LARGE ((size_t)8)      /* a block of its own from the allocator */
#define IS_MOVABLE ((size_t)1 << 31)
#define SIZE_MASK (IS_MOVABLE - 16)
#define OFFSET_SHIFT 32 /* above it: bytes from the start of the chunk */

/* head lies 8 bytes below a multiple of 16, so that the memory after it is aligned; sizes
 * are multiples of 16. */
struct cmi_heap_block {
        size_t head;                 /* size with head, flags, offset; size 0 ends a chunk */
        struct cmi_heap_block *next; /* while it is free; its last word is then its size */
        struct cmi_heap_block *prev;
};

#define BLOCK_MIN ((size_t)32)
#define HEAD_SIZE sizeof(size_t)

struct cmi_heap_chunk {
        struct cmi_heap_chunk *next;
        struct cmi_heap_chunk *prev;
        size_t size;
        size_t unused;   /* bytes in blocks that are listed as free */
        size_t is_tried; /* did not become empty; its size puts the first head where heads lie */
};

/* What a large block has before its head. */
struct large {
        size_t size;
};

static size_t size_of(const struct cmi_heap_block *block)
{
        return block->head & SIZE_MASK;
}

/* Not of a large block. */
static struct cmi_heap_chunk *chunk_of(struct cmi_heap_block *block)
{
        return (struct cmi_heap_chunk *)((char *)block - (block->head >> OFFSET_SHIFT));
}

static size_t offset_in(const struct cmi_heap_chunk *chunk, const struct cmi_heap_block *block)
{
        return (size_t)((const char *)block - (const char *)chunk) << OFFSET_SHIFT;
}

static struct cmi_heap_block *at(struct cmi_heap_block *block, size_t offset)
{
        return (struct cmi_heap_block *)((char *)block + offset);
}

static size_t *last_word(struct cmi_heap_block *block)
{
        return (size_t *)((char *)block + size_of(block)) - 1;
}

static size_t align_up(size_t size)
{
        return (size + 15) & ~(size_t)15;
}

/* Eight bins for each power of two from 32 on; the last one takes all that is larger. */
static unsigned bin_of(size_t size)
{
        unsigned log = 63 - (unsigned)__builtin_clzll(size);
        unsigned bin = (log - 5) * 8 + (unsigned)(size >> (log - 3) & 7);

        return bin < CMI_HEAP_BINS ? bin : CMI_HEAP_BINS - 1;
}

/* The first bin of which every block is large enough. */
static unsigned bin_for(size_t size)
{
        unsigned log = 63 - (unsigned)__builtin_clzll(size);

        return bin_of(size + ((size_t)1 << (log - 3)) - 1);
}

static void list(struct cmi_heap *heap, struct cmi_heap_block *block)
{
        unsigned bin = bin_of(size_of(block));

        block->prev = NULL;
        block->next = heap->bins[bin];
        if (block->next) {
                block->next->prev = block;
        }
        heap->bins[bin] = block;
        heap->filled[bin / 64] |= UINT64_C(1) << bin % 64;
        heap->unused += size_of(block);
        chunk_of(block)->unused += size_of(block);
}

static void unlist(struct cmi_heap *heap, struct cmi_heap_block *block)
{
        unsigned bin = bin_of(size_of(block));

        heap->unused -= size_of(block);
        chunk_of(block)->unused -= size_of(block);
        if (block->next) {
                block->next->prev = block->prev;
        }
        if (block->prev) {
                block->prev->next = block->next;
                return;
        }
        heap->bins[bin] = block->next;
        if (!block->next) {
                heap->filled[bin / 64] &= ~(UINT64_C(1) << bin % 64);
        }
}

static struct cmi_heap_block *find(struct cmi_heap *heap, size_t size)
{
        unsigned bin = bin_for(size);
        uint64_t filled;

        for (unsigned word = bin / 64; word < CMI_HEAP_BINS / 64; word++) {
                filled = heap->filled[word];
                if (word == bin / 64) {
                        filled &= UINT64_MAX << bin % 64;
                }
                if (filled) {
                        return heap->bins[word * 64 + (unsigned)__builtin_ctzll(filled)];
                }
        }
        return NULL;
}

/* Makes a block free and tells the one after it. */
static void set_free(struct cmi_heap *heap, struct cmi_heap_chunk *chunk,
                struct cmi_heap_block *block, size_t size, size_t flags)
{
        block->head = size | IS_FREE | (flags & IS_FIRST) | offset_in(chunk, block);
        *last_word(block) = size;
        at(block, size)->head |= IS_AFTER_FREE;
        list(heap, block);
}

static struct cmi_heap_block *first_of(struct cmi_heap_chunk *chunk)
{
        return (struct cmi_heap_block *)((char *)chunk + sizeof(*chunk));
}

/* Huge once they will soon be full: before that a region would take memory that it may never
 * need. The last ones before the limit are small again. */
static size_t next_chunk_size(const struct cmi_heap *heap, size_t bytes_max)
{
        return heap->bytes >= heap->huge_from && heap->bytes + CMI_HUGE_PAGE <= bytes_max
                               ? CMI_HUGE_PAGE
                               : heap->chunk_size;
}

static int add_chunk(struct cmi_heap *heap, size_t bytes_max)
{
        size_t size = next_chunk_size(heap, bytes_max);
        struct cmi_heap_chunk *chunk;
        struct cmi_heap_block *block;

        if (heap->bytes + size > bytes_max) {
                return -ENOSPC;
        }
        chunk = heap->allocator.allocate(heap->allocator.userdata, 16, size);
        if (!chunk) {
                return -ENOMEM;
        }
        if (size == CMI_HUGE_PAGE) {
                cmi_memory_make_huge(&heap->allocator, chunk, size);
        }
        *chunk = (struct cmi_heap_chunk){.next = heap->chunks, .size = size};
        if (chunk->next) {
                chunk->next->prev = chunk;
        }
        heap->chunks = chunk;
        heap->bytes += size;
        block = first_of(chunk);
        size -= sizeof(*chunk) + HEAD_SIZE;
        at(block, size)->head = 0;
        set_free(heap, chunk, block, size, IS_FIRST);
        return 0;
}

static void remove_chunk(struct cmi_heap *heap, struct cmi_heap_chunk *chunk)
{
        if (chunk->next) {
                chunk->next->prev = chunk->prev;
        }
        if (chunk->prev) {
                chunk->prev->next = chunk->next;
        } else {
                heap->chunks = chunk->next;
        }
        heap->bytes -= chunk->size;
        ASAN_UNPOISON_MEMORY_REGION(chunk, chunk->size);
        heap->allocator.deallocate(heap->allocator.userdata, chunk, chunk->size);
}

struct cmi_heap *cmi_heap_new(const struct cm_allocator *allocator, size_t budget)
{
        struct cmi_heap *heap = allocator->allocate(allocator->userdata, 16, sizeof(*heap));
        size_t size = align_up(budget / CHUNK_SHARE);

        if (!heap) {
                return NULL;
        }
        memset((void *)heap, 0, sizeof(*heap));
        heap->allocator = *allocator;
        heap->chunk_size = size < CHUNK_MIN ? CHUNK_MIN : size > CHUNK_MAX ? CHUNK_MAX : size;
        heap->huge_from = budget < HUGE_BUDGET ? SIZE_MAX : HUGE_FROM;
        return heap;
}

struct cmi_heap *cmi_heap_free(struct cmi_heap *heap)
{
        struct cm_allocator allocator;

        if (!heap) {
                return NULL;
        }
        assert(heap->n_blocks == 0);
        while (heap->chunks) {
                remove_chunk(heap, heap->chunks);
        }
        allocator = heap->allocator;
        allocator.deallocate(allocator.userdata, heap, sizeof(*heap));
        return NULL;
}

static int take_large(struct cmi_heap *heap, size_t size, size_t bytes_max, void **ret_memory)
{
        size_t total = align_up(size) + sizeof(struct large) + HEAD_SIZE;
        struct large *large;
        struct cmi_heap_block *block;

        if (heap->bytes + total > bytes_max) {
                return -ENOSPC;
        }
        large = heap->allocator.allocate(heap->allocator.userdata, 16, total);
        if (!large) {
                return -ENOMEM;
        }
        large->size = total;
        block = (struct cmi_heap_block *)(large + 1);
        block->head = IS_LARGE;
        heap->bytes += total;
        heap->n_blocks++;
        *ret_memory = (char *)block + HEAD_SIZE;
        return 0;
}

int cmi_heap_take(struct cmi_heap *heap, size_t size, size_t bytes_max, void **ret_memory)
{
        struct cmi_heap_chunk *chunk;
        struct cmi_heap_block *block;
        size_t needed = align_up(size + HEAD_SIZE);
        size_t found;
        size_t flags;
        int r;

        needed = needed < BLOCK_MIN ? BLOCK_MIN : needed;
        if (needed > heap->chunk_size / 2) {
                return take_large(heap, size, bytes_max, ret_memory);
        }
        block = find(heap, needed);
        if (!block) {
                r = add_chunk(heap, bytes_max);
                if (r < 0) {
                        return r;
                }
                block = find(heap, needed);
        }
        unlist(heap, block);
        found = size_of(block);
        chunk = chunk_of(block);
        flags = (block->head & IS_FIRST) | offset_in(chunk, block);
        ASAN_UNPOISON_MEMORY_REGION(block, found);
        if (found - needed >= BLOCK_MIN) {
                block->head = needed | flags;
                set_free(heap, chunk, at(block, needed), found - needed, 0);
        } else {
                block->head = found | flags;
                at(block, found)->head &= ~IS_AFTER_FREE;
        }
        heap->n_blocks++;
        *ret_memory = (char *)block + HEAD_SIZE;
        return 0;
}

static void give_large(struct cmi_heap *heap, struct cmi_heap_block *block)
{
        struct large *large = (struct large *)block - 1;

        heap->bytes -= large->size;
        heap->allocator.deallocate(heap->allocator.userdata, large, large->size);
}

void cmi_heap_give(struct cmi_heap *heap, void *memory)
{
        struct cmi_heap_block *block = (struct cmi_heap_block *)((char *)memory - HEAD_SIZE);
        size_t size = size_of(block);
        struct cmi_heap_block *after = at(block, size);
        struct cmi_heap_chunk *chunk;
        size_t before;

        heap->n_blocks--;
        if (block->head & IS_LARGE) {
                give_large(heap, block);
                return;
        }
#ifdef CMI_POISON
        memset(memory, 0xdd, size - HEAD_SIZE);
#endif
        /* What lies between the links and the last word is read by nobody. */
        ASAN_POISON_MEMORY_REGION(block + 1, size - sizeof(*block) - sizeof(size_t));
        if (after->head & IS_FREE) {
                unlist(heap, after);
                size += size_of(after);
        }
        if (block->head & IS_AFTER_FREE) {
                before = ((size_t *)block)[-1];
                block = (struct cmi_heap_block *)((char *)block - before);
                unlist(heap, block);
                size += before;
        }
        chunk = chunk_of(block);
        set_free(heap, chunk, block, size, block->head);
        if ((block->head & IS_FIRST) && size_of(at(block, size)) == 0 &&
                        (chunk->next || chunk->prev)) {
                unlist(heap, block);
                remove_chunk(heap, chunk);
        }
}

void cmi_heap_set_movable(void *memory, bool is_movable)
{
        struct cmi_heap_block *block = (struct cmi_heap_block *)((char *)memory - HEAD_SIZE);

        block->head = is_movable ? block->head | IS_MOVABLE : block->head & ~IS_MOVABLE;
}

/* The chunk with the most unused bytes of those not tried; NULL if there is none. */
static struct cmi_heap_chunk *emptiest(struct cmi_heap *heap)
{
        struct cmi_heap_chunk *best = NULL;

        for (struct cmi_heap_chunk *chunk = heap->chunks; chunk; chunk = chunk->next) {
                if (!chunk->is_tried && (!best || chunk->unused > best->unused)) {
                        best = chunk;
                }
        }
        return best;
}

static void retry_all(struct cmi_heap *heap)
{
        for (struct cmi_heap_chunk *chunk = heap->chunks; chunk; chunk = chunk->next) {
                chunk->is_tried = 0;
        }
}

struct cmi_heap_chunk *cmi_heap_fence(struct cmi_heap *heap)
{
        struct cmi_heap_chunk *chunk = emptiest(heap);
        struct cmi_heap_block *block;

        if (!chunk) {
                retry_all(heap);
                return NULL;
        }
        if (chunk->size > heap->unused || (!chunk->next && !chunk->prev)) {
                return NULL;
        }
        chunk->is_tried = 1;
        for (block = first_of(chunk); size_of(block) > 0; block = at(block, size_of(block))) {
                if (block->head & IS_FREE) {
                        unlist(heap, block);
                }
        }
        return chunk;
}

void cmi_heap_unfence(struct cmi_heap *heap, struct cmi_heap_chunk *chunk)
{
        struct cmi_heap_block *block;

        for (block = first_of(chunk); size_of(block) > 0; block = at(block, size_of(block))) {
                if (block->head & IS_FREE) {
                        list(heap, block);
                }
        }
}

bool cmi_heap_is_fixed(struct cmi_heap_chunk *chunk)
{
        struct cmi_heap_block *block;

        for (block = first_of(chunk); size_of(block) > 0; block = at(block, size_of(block))) {
                if (!(block->head & (IS_FREE | IS_MOVABLE))) {
                        return true;
                }
        }
        return false;
}

void *cmi_heap_next_movable(struct cmi_heap_chunk *chunk, void *memory)
{
        struct cmi_heap_block *block = first_of(chunk);

        if (memory) {
                block = (struct cmi_heap_block *)((char *)memory - HEAD_SIZE);
                block = at(block, size_of(block));
        }
        while (size_of(block) > 0 && !(block->head & IS_MOVABLE)) {
                block = at(block, size_of(block));
        }
        return size_of(block) > 0 ? (char *)block + HEAD_SIZE : NULL;
}
