/* SPDX-License-Identifier: MIT */
#include "tests/libcachemesh/fake_page.h"

#include "base/time.h"
#include "wire/op.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW)

static uint64_t in_an_hour_ns(clockid_t clock)
{
        struct timespec now;

        clock_gettime(clock, &now);
        return ((uint64_t)now.tv_sec + 3600) * CMI_NS_PER_S + (uint64_t)now.tv_nsec;
}

void fake_page_open(struct fake_page *page, bool is_sealed)
{
        static const struct cmi_page_geometry small = {256, 256, 256};
        static uint64_t epoch = 1000;

        page->regions = g_ptr_array_new_with_free_func(g_free);
        page->size = cmi_page_size(&small);
        page->fd = memfd_create("page", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        g_assert_cmpint(ftruncate(page->fd, (off_t)page->size), ==, 0);
        page->words = mmap(NULL, page->size, PROT_READ | PROT_WRITE, MAP_SHARED, page->fd, 0);
        epoch += 10;
        cmi_page_init(page->words, &small, epoch, 5, CMI_NS_PER_S);
        page->words->state = CMI_PAGE_LIVE;
        page->words->lease_end_mono_ns = in_an_hour_ns(CLOCK_MONOTONIC);
        page->words->lease_end_real_ns = in_an_hour_ns(CLOCK_REALTIME);
        if (is_sealed) {
                g_assert_cmpint(fcntl(page->fd, F_ADD_SEALS, SEALS), ==, 0);
        }
}

void fake_page_close(struct fake_page *page)
{
        close(page->fd);
        munmap(page->words, page->size);
        g_ptr_array_unref(page->regions);
}

uint32_t fake_page_index(struct fake_page *page, struct cmi_slice name)
{
        guint i = 0;

        while (i < page->regions->len &&
                        !cmi_slice_equal(
                                        cmi_slice_str(g_ptr_array_index(page->regions, i)), name)) {
                i++;
        }
        if (i == page->regions->len) {
                g_ptr_array_add(page->regions, g_strndup(name.data, name.len));
        }
        return FAKE_INDEX_BASE + i;
}

void fake_page_apply(struct fake_page *page, struct cmi_slice bytes)
{
        struct cmi_page_view view = cmi_page_view(page->words);
        uint64_t seq = cmi_page_begin(&view);
        struct cmi_slice target;
        struct cmi_op op;
        uint32_t index;

        g_assert_cmpint(cmi_op_decode(bytes, &op), ==, 0);
        index = fake_page_index(page, op.region);
        for (uint32_t i = 0; i < op.n_keys; i++) {
                target = cmi_op_next(&op.keys);
                cmi_page_stamp_key(&view, index, target.data, target.len, seq);
        }
        for (uint32_t i = 0; i < op.n_tags; i++) {
                target = cmi_op_next(&op.tags);
                cmi_page_stamp_tag(&view, index, target.data, target.len, seq);
        }
        if (op.is_whole_region) {
                cmi_page_stamp_region(&view, index, seq);
        }
        cmi_page_publish(&view, seq);
}
