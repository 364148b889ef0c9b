/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The current page of a handle. A reader enters the mapping (its thread record says so) before it
 * touches the page and leaves it afterwards, so a page that was replaced is unmapped once nobody is
 * inside. Entries carry the serial of the mapping under which they were stored: with a new mapping
 * all older ones are dead at once.
 */
#include "libcachemesh/pin.h"
#include "wire/page.h"

struct cm;

struct cmi_mapping {
        struct cmi_page_view view;
        uint32_t serial;
        uint64_t tick_mono_ns; /* how far a coarse clock may be behind */
        uint64_t tick_real_ns;
        uint64_t half_lease_ns; /* so long before the end of a proof the next look is due */
        /* CLOCK_MONOTONIC: before it nobody else than the page's meshd has answered for this node;
         * see cmi_mapping_vouch(). The lease's end says the same. */
        _Atomic uint64_t vouched_ns;
        void *memory;
        size_t size;
        struct cmi_mapping *next; /* in the list of replaced ones */
};

/* The current mapping, entered, or NULL. Not nested: one mapping per thread at a time. */
static inline struct cmi_mapping *cmi_mapping_enter(
                struct cmi_thread *thread, _Atomic(struct cmi_mapping *) *current)
{
        struct cmi_mapping *mapping = atomic_load_explicit(current, memory_order_acquire);
        struct cmi_mapping *again;

        while (mapping) {
                atomic_store_explicit(&thread->mapping, mapping, CMI_PUBLISH);
                cmi_order_store_load();
                again = atomic_load_explicit(current, CMI_VALIDATE);
                if (__builtin_expect(again == mapping, 1)) {
                        return mapping;
                }
                mapping = again;
        }
        atomic_store_explicit(&thread->mapping, NULL, memory_order_release);
        return NULL;
}

static inline void cmi_mapping_leave(struct cmi_thread *thread)
{
        atomic_store_explicit(&thread->mapping, NULL, memory_order_release);
}

/* Unmap everything; nobody is inside. At the end of the handle, and in a forked child. */
void cmi_mapping_free_all(struct cm *cm);
