/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Memory from the system, for a handle whose app brings no allocator of its own: what comes from
 * malloc, what from the kernel, and what may lie in huge pages.
 *
 * A hit in a large region waits for memory three or four times, and without huge pages about as
 * often for the tables that translate its addresses. Debian's kernel gives them to those who ask
 * (/sys/kernel/mm/transparent_hugepage/enabled is "madvise"), and only for what is aligned. Since a
 * huge page is resident as a whole once it is touched, the region asks for it only where it will
 * soon use the whole of it: see heap.c and table.c. Where the kernel has none to give, or is told
 * "never", nothing changes.
 */
#include "libcachemesh/cachemesh.h"

#include <stddef.h>

#define CMI_HUGE_PAGE ((size_t)2 << 20) /* of x86-64, and of arm64 with pages of 4 KiB */

/* Blocks of CMI_HUGE_PAGE and more are aligned to it. */
extern const struct cm_allocator cmi_memory_allocator;

/**
 * cmi_memory_make_huge() - prefer huge pages
 * @allocator: that the memory came from; an app's own decides for itself, and nothing is done
 * @memory:    part of a block of at least CMI_HUGE_PAGE
 *
 * A wish: there is no failure.
 */
void cmi_memory_make_huge(const struct cm_allocator *allocator, void *memory, size_t size);
