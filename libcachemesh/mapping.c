/* SPDX-License-Identifier: MIT */
#include "libcachemesh/region.h"

#include <errno.h>
#include <sys/mman.h>

/* Process-wide, so that no entry and no region of any handle can mistake one
 * mapping for another. */
static _Atomic uint32_t last_serial;

static uint32_t new_serial(void)
{
        uint32_t serial;

        do {
                serial = atomic_fetch_add(&last_serial, 1) + 1;
        } while (serial == 0);
        return serial;
}

static uint64_t tick_ns(clockid_t clock)
{
        struct timespec ts = {0, 0};

        clock_getres(clock, &ts);
        return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

static void free_mapping(struct cm *cm, struct cmi_mapping *mapping)
{
        munmap(mapping->memory, mapping->size);
        cmi_handle_deallocate(cm, mapping, sizeof(*mapping));
}

/* Unmaps those of the replaced mappings that no thread is inside of. */
static void free_replaced(struct cm *cm)
{
        struct cmi_mapping **link = &cm->replaced;

        if (!*link || !cmi_barrier()) {
                return;
        }
        while (*link) {
                struct cmi_mapping *mapping = *link;

                if (cmi_mapping_is_entered(mapping)) {
                        link = &mapping->next;
                        continue;
                }
                *link = mapping->next;
                free_mapping(cm, mapping);
        }
}

static void replace(struct cm *cm, struct cmi_mapping *mapping)
{
        struct cmi_mapping *old = atomic_exchange(&cm->mapping, mapping);

        if (old) {
                old->next = cm->replaced;
                cm->replaced = old;
        }
        free_replaced(cm);
}

int cmi_mapping_install(struct cm *cm, void *page, size_t size, uint32_t *ret_serial)
{
        struct cmi_mapping *mapping = cmi_handle_allocate(cm, 64, sizeof(*mapping));

        if (!mapping) {
                munmap(page, size);
                return -ENOMEM;
        }
        *mapping = (struct cmi_mapping){
                        .view = cmi_page_view(page),
                        .serial = new_serial(),
                        .tick_mono_ns = tick_ns(CLOCK_MONOTONIC_COARSE),
                        .tick_real_ns = tick_ns(CLOCK_REALTIME_COARSE),
                        .half_lease_ns = ((const struct cmi_page *)page)->lease_ns / 2,
                        .memory = page,
                        .size = size,
        };
        *ret_serial = mapping->serial;
        replace(cm, mapping);
        return 0;
}

void cmi_mapping_drop(struct cm *cm)
{
        replace(cm, NULL);
}

void cmi_mapping_vouch(struct cm *cm, uint64_t until_ns)
{
        struct cmi_mapping *mapping = atomic_load(&cm->mapping);

        if (mapping) {
                atomic_store_explicit(&mapping->vouched_ns, until_ns, memory_order_release);
        }
}

void cmi_mapping_free_all(struct cm *cm)
{
        struct cmi_mapping *mapping = atomic_exchange(&cm->mapping, NULL);

        if (mapping) {
                free_mapping(cm, mapping);
        }
        while ((mapping = cm->replaced)) {
                cm->replaced = mapping->next;
                free_mapping(cm, mapping);
        }
}
