/* SPDX-License-Identifier: MIT */
#include "libcachemesh/attach.h"

#include "wire/page.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <sys/mman.h>
#include <unistd.h>

#define S CMI_NS_PER_S
#define MS CMI_NS_PER_MS

static const struct cmi_time before = {100 * S, 5000 * S};
static const struct cmi_page_geometry small = {256, 256, 256};

static enum cmi_clocks compare(int64_t mono_ns, int64_t real_ns, uint64_t bracket_ns)
{
        struct cmi_time meshd = {
                        before.mono_ns + (uint64_t)mono_ns, before.real_ns + (uint64_t)real_ns};
        struct cmi_time after = {before.mono_ns + bracket_ns, before.real_ns + bracket_ns};

        return cmi_clocks_compare(before, meshd, after);
}

static void clocks_within_the_bracket_are_the_same(void)
{
        g_assert_cmpint(compare(1000, 1000, 2000), ==, CMI_CLOCKS_SAME);
        g_assert_cmpint(compare(0, 0, 0), ==, CMI_CLOCKS_SAME);
}

static void five_milliseconds_outside_are_tolerated_and_six_are_not(void)
{
        int64_t ms = MS;

        g_assert_cmpint(compare(-5 * ms, -5 * ms, ms), ==, CMI_CLOCKS_SAME);
        g_assert_cmpint(compare(6 * ms, 6 * ms, MS), ==, CMI_CLOCKS_SAME);
        g_assert_cmpint(compare(-6 * ms, 0, MS), ==, CMI_CLOCKS_DIFFER);
        g_assert_cmpint(compare(0, -6 * ms, MS), ==, CMI_CLOCKS_DIFFER);
        g_assert_cmpint(compare(7 * ms, 0, MS), ==, CMI_CLOCKS_DIFFER);
        g_assert_cmpint(compare(0, 7 * ms, MS), ==, CMI_CLOCKS_DIFFER);
}

static void a_late_look_at_the_answer_proves_as_much_as_an_early_one(void)
{
        g_assert_cmpint(compare(1000, 1000, 3600 * S), ==, CMI_CLOCKS_SAME);
        g_assert_cmpint(compare(2 * S, 2 * S, 3600 * S), ==, CMI_CLOCKS_SAME);
}

static void a_shift_that_a_wide_bracket_would_hide_is_unsure(void)
{
        g_assert_cmpint(compare(2 * S, 1000, 3600 * S), ==, CMI_CLOCKS_UNSURE);
        g_assert_cmpint(compare(1000, 2 * S, 3600 * S), ==, CMI_CLOCKS_UNSURE);
}

static int page_file(size_t size, bool is_sealed)
{
        int fd = memfd_create("page", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        struct cmi_page *page;

        g_assert_cmpint(ftruncate(fd, (off_t)size), ==, 0);
        page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        cmi_page_init(page, &small, 77, 1, S);
        munmap(page, size);
        if (is_sealed) {
                g_assert_cmpint(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), ==, 0);
        }
        return fd;
}

static void expect_map(int fd, uint64_t size, uint64_t epoch, int expected)
{
        void *page = NULL;

        g_assert_cmpint(cmi_page_map(fd, size, epoch, &page), ==, expected);
        g_assert_true((page != NULL) == (expected == 0));
        if (page) {
                munmap(page, size);
        }
}

static void a_sealed_page_of_the_announced_size_is_mapped(void)
{
        size_t size = cmi_page_size(&small);
        int fd = page_file(size, true);

        expect_map(fd, size, 77, 0);
        close(fd);
}

static void a_page_is_mapped_read_only(void)
{
        size_t size = cmi_page_size(&small);
        int fd = page_file(size, true);
        void *page;

        g_assert_cmpint(cmi_page_map(fd, size, 77, &page), ==, 0);
        /* The kernel writes through the mapping only if the process itself may. */
        g_assert_cmpint(pread(fd, page, 8, 0), ==, -1);
        g_assert_cmpint(errno, ==, EFAULT);
        munmap(page, size);
        close(fd);
}

static void an_announcement_that_does_not_fit_is_refused(void)
{
        size_t size = cmi_page_size(&small);
        int fd = page_file(size, true);

        expect_map(fd, size - 4096, 77, -EBADMSG);
        expect_map(fd, size + 4096, 77, -EBADMSG);
        expect_map(fd, size, 78, -EBADMSG);
        close(fd);
}

static void a_page_that_others_could_shrink_is_refused(void)
{
        size_t size = cmi_page_size(&small);
        int fd = page_file(size, false);

        expect_map(fd, size, 77, -EBADMSG);
        close(fd);
}

static void a_descriptor_that_is_no_memfd_is_refused(void)
{
        int fds[2];

        g_assert_cmpint(pipe(fds), ==, 0);
        expect_map(fds[0], 4096, 77, -EBADMSG);
        close(fds[0]);
        close(fds[1]);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/attach/same", clocks_within_the_bracket_are_the_same);
        g_test_add_func("/attach/tolerance",
                        five_milliseconds_outside_are_tolerated_and_six_are_not);
        g_test_add_func("/attach/late", a_late_look_at_the_answer_proves_as_much_as_an_early_one);
        g_test_add_func("/attach/unsure", a_shift_that_a_wide_bracket_would_hide_is_unsure);
        g_test_add_func("/attach/map", a_sealed_page_of_the_announced_size_is_mapped);
        g_test_add_func("/attach/read_only", a_page_is_mapped_read_only);
        g_test_add_func("/attach/size", an_announcement_that_does_not_fit_is_refused);
        g_test_add_func("/attach/unsealed", a_page_that_others_could_shrink_is_refused);
        g_test_add_func("/attach/no_memfd", a_descriptor_that_is_no_memfd_is_refused);
        return g_test_run();
}
