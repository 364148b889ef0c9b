/* SPDX-License-Identifier: MIT */
#include "libcachemesh/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define LARGE_SIZE ((size_t)128 << 10)

static void *map(size_t size)
{
        void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        return memory == MAP_FAILED ? NULL : memory;
}

/* What is mapped one after the other lies side by side as a rule, so the first try is mostly
 * aligned already. */
static void *map_aligned(size_t size)
{
        char *memory = map(size);
        size_t before;

        if (!memory || (uintptr_t)memory % CMI_HUGE_PAGE == 0) {
                return memory;
        }
        munmap(memory, size);
        memory = map(size + CMI_HUGE_PAGE);
        if (!memory) {
                return NULL;
        }
        before = CMI_HUGE_PAGE - (uintptr_t)memory % CMI_HUGE_PAGE;
        munmap(memory, before);
        if (before < CMI_HUGE_PAGE) {
                munmap(memory + before + size, CMI_HUGE_PAGE - before);
        }
        return memory + before;
}

/*
 * Large blocks come from the kernel and go back to it: glibc would begin to keep those
 * of each thread in a heap of its own. malloc's blocks suit up to 16; aligned_alloc
 * wastes some for each block.
 */
static void *allocate(void *userdata, size_t alignment, size_t size)
{
        if (size >= LARGE_SIZE) {
                return size >= CMI_HUGE_PAGE ? map_aligned(size) : map(size);
        }
        return alignment <= 16 ? malloc(size)
                               : aligned_alloc(alignment,
                                                 (size + alignment - 1) & ~(alignment - 1));
}

static void deallocate(void *userdata, void *memory, size_t size)
{
        if (size >= LARGE_SIZE) {
                munmap(memory, size);
        } else {
                free(memory);
        }
}

const struct cm_allocator cmi_memory_allocator = {allocate, deallocate, NULL};

void cmi_memory_make_huge(const struct cm_allocator *allocator, void *memory, size_t size)
{
        if (allocator->allocate == allocate) {
                (void)madvise(memory, size, MADV_HUGEPAGE);
        }
}
