/* SPDX-License-Identifier: MIT */
#include "wire/page.h"

#include <errno.h>

#define PAGE_ALIGN 4096

static bool slots_are_valid(uint32_t n_slots)
{
        return n_slots >= CMI_PAGE_SLOTS_MIN && n_slots <= CMI_PAGE_SLOTS_MAX &&
               (n_slots & (n_slots - 1)) == 0;
}

static size_t align_up(size_t size)
{
        return (size + PAGE_ALIGN - 1) & ~(size_t)(PAGE_ALIGN - 1);
}

/* The one place that knows the order of the tables: regions, owners, keys, tags, sessions, each on
 * its own memory page. */
static struct cmi_page layout(const struct cmi_page_geometry *geometry)
{
        struct cmi_page page = {0};

        page.key_slots = geometry->key_slots;
        page.tag_slots = geometry->tag_slots;
        page.session_slots = geometry->session_slots;
        page.region_slots = CMI_PAGE_REGIONS;
        page.regions_offset = align_up(sizeof(struct cmi_page));
        page.owners_offset = page.regions_offset + align_up(CMI_PAGE_REGIONS * sizeof(uint64_t));
        page.keys_offset = page.owners_offset + align_up(CMI_PAGE_REGIONS * sizeof(uint64_t));
        page.tags_offset = page.keys_offset + align_up(geometry->key_slots * sizeof(uint64_t));
        page.sessions_offset = page.tags_offset + align_up(geometry->tag_slots * sizeof(uint64_t));
        page.size = page.sessions_offset + align_up(geometry->session_slots * sizeof(uint64_t));
        return page;
}

size_t cmi_page_size(const struct cmi_page_geometry *geometry)
{
        if (!slots_are_valid(geometry->key_slots) || !slots_are_valid(geometry->tag_slots) ||
                        !slots_are_valid(geometry->session_slots)) {
                return 0;
        }
        return layout(geometry).size;
}

void cmi_page_init(struct cmi_page *page, const struct cmi_page_geometry *geometry, uint64_t epoch,
                uint64_t seed, uint64_t lease_ns)
{
        struct cmi_page shape = layout(geometry);

        assert(epoch != 0);
        page->version = CMI_PAGE_VERSION;
        page->header_size = sizeof(*page);
        page->size = shape.size;
        page->epoch = epoch;
        page->seed = seed;
        page->key_slots = shape.key_slots;
        page->tag_slots = shape.tag_slots;
        page->session_slots = shape.session_slots;
        page->region_slots = shape.region_slots;
        page->keys_offset = shape.keys_offset;
        page->tags_offset = shape.tags_offset;
        page->sessions_offset = shape.sessions_offset;
        page->regions_offset = shape.regions_offset;
        page->owners_offset = shape.owners_offset;
        page->lease_ns = lease_ns;
        page->magic = CMI_PAGE_MAGIC;
}

int cmi_page_check(const struct cmi_page *page, size_t size)
{
        struct cmi_page_geometry geometry;
        struct cmi_page shape;

        if (size < sizeof(*page)) {
                return -EBADMSG;
        }
        if (page->magic != CMI_PAGE_MAGIC || page->version != CMI_PAGE_VERSION) {
                return -EPROTO;
        }
        geometry = (struct cmi_page_geometry){
                        page->key_slots, page->tag_slots, page->session_slots};
        if (cmi_page_size(&geometry) == 0) {
                return -EBADMSG;
        }
        shape = layout(&geometry);
        if (shape.size != size || page->size != size || page->header_size != sizeof(*page) ||
                        page->region_slots != shape.region_slots ||
                        page->keys_offset != shape.keys_offset ||
                        page->tags_offset != shape.tags_offset ||
                        page->sessions_offset != shape.sessions_offset ||
                        page->regions_offset != shape.regions_offset ||
                        page->owners_offset != shape.owners_offset || page->epoch == 0) {
                return -EBADMSG;
        }
        return 0;
}

struct cmi_page_view cmi_page_view(struct cmi_page *page)
{
        char *base = (char *)page;

        return (struct cmi_page_view){
                        .page = page,
                        .keys = (_Atomic uint64_t *)(base + page->keys_offset),
                        .tags = (_Atomic uint64_t *)(base + page->tags_offset),
                        .sessions = (_Atomic uint64_t *)(base + page->sessions_offset),
                        .regions = (_Atomic uint64_t *)(base + page->regions_offset),
                        .owners = (_Atomic uint64_t *)(base + page->owners_offset),
                        .epoch = page->epoch,
                        .seed = page->seed,
                        .key_mask = page->key_slots - 1,
                        .tag_mask = page->tag_slots - 1,
                        .session_mask = page->session_slots - 1,
                        .n_regions = page->region_slots,
        };
}
