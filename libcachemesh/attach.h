/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * May the page that meshd offers be trusted by this process? Whether both see the same clocks, and
 * whether the descriptor is a sealed page of the announced size.
 */
#include "base/time.h"

#include <stddef.h>
#include <stdint.h>

#define CMI_CLOCK_TOLERANCE_NS (5 * CMI_NS_PER_MS)

enum cmi_clocks {
        CMI_CLOCKS_SAME = 0,
        CMI_CLOCKS_DIFFER = 1, /* a time namespace: meshd's lease ends mean something else here */
        CMI_CLOCKS_UNSURE = 2, /* within a bracket too wide to tell; ask again */
};

/* CLOCK_MONOTONIC and CLOCK_REALTIME, precise. */
struct cmi_time cmi_clocks_read(void);

/**
 * cmi_clocks_compare() - do meshd and this process read the same clocks?
 * @before: read here before ATTACH was sent
 * @meshd:  read by meshd in between
 * @after:  read here after the answer was received
 *
 * Each of meshd's clocks has to lie in the bracket, give or take the tolerance. A bracket may be
 * wide (meshd was busy, or this process read its socket late), so the two clocks are also compared
 * with each other: from @before to @meshd both must have advanced equally. That holds however long
 * it took, and a time namespace shifts only one of them.
 */
enum cmi_clocks cmi_clocks_compare(
                struct cmi_time before, struct cmi_time meshd, struct cmi_time after);

/**
 * cmi_page_map() - check a descriptor from meshd and map it read-only
 * @fd:       borrowed; the mapping outlives it
 * @size:     as announced
 * @epoch:    as announced
 * @ret_page: unmap with munmap(@size)
 *
 * Return: 0, -EBADMSG (no sealed memfd of that size, or its content contradicts the announcement),
 * -EPROTO (a page of another version), or mmap()'s error.
 */
int cmi_page_map(int fd, uint64_t size, uint64_t epoch, void **ret_page);
