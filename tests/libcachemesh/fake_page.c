/* SPDX-License-Identifier: MIT */
#include "tests/libcachemesh/fake_page.h"

#include "base/time.h"

#include <fcntl.h>
#include <glib.h>
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
}
