/* SPDX-License-Identifier: MIT */
#include "meshd/io/page_file.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534

static const struct cmi_page_geometry small = {256, 256, 256};

static void open_page(struct page_file *file)
{
        struct fault fault;

        g_assert_cmpint(page_file_open(file, &small, CMI_PAGE_REGIONS, &fault), ==, 0);
}

static void the_page_is_good_and_serves_nobody_yet(void)
{
        struct page_file file;

        open_page(&file);
        g_assert_cmpint(cmi_page_check(file.page, file.size), ==, 0);
        g_assert_cmpuint(file.page->lease_end_mono_ns, ==, 0);
        page_file_close(&file);
}

static void two_pages_have_different_epochs_and_seeds(void)
{
        struct page_file a;
        struct page_file b;

        open_page(&a);
        open_page(&b);
        g_assert_cmpuint(a.page->epoch, !=, b.page->epoch);
        g_assert_cmpuint(a.page->seed, !=, b.page->seed);
        page_file_close(&a);
        page_file_close(&b);
}

/* What an app could try with the descriptor that it was sent. Returns a bit for each
 * attempt that succeeded. */
static int attack(int fd, size_t size)
{
        char path[40];
        void *memory;
        int got = 0;

        got |= ftruncate(fd, 0) == 0 ? 1 : 0;
        got |= pwrite(fd, "x", 1, 0) == 1 ? 2 : 0;
        got |= mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED ? 4 : 0;
        memory = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
        got |= memory == MAP_FAILED ? 8 : 0;
        got |= memory != MAP_FAILED && mprotect(memory, size, PROT_READ | PROT_WRITE) == 0 ? 16 : 0;
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        got |= open(path, O_RDWR | O_CLOEXEC) >= 0 ? 32 : 0;
        got |= fchmod(fd, 0666) == 0 ? 64 : 0;
        got |= fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0 ? 128 : 0;
        return got;
}

static int attack_as(uid_t uid, int fd, size_t size)
{
        int status;
        pid_t child = fork();

        if (child == 0) {
                if (setgid(uid) < 0 || setuid(uid) < 0) {
                        _exit(255);
                }
                _exit(attack(fd, size));
        }
        g_assert_cmpint(waitpid(child, &status, 0), ==, child);
        g_assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static void another_user_can_read_and_nothing_else(void)
{
        struct page_file file;

        if (geteuid() != 0) {
                g_test_skip("needs root, to become another user");
                return;
        }
        open_page(&file);
        g_assert_cmpint(attack_as(NOBODY, file.shown_fd, file.size), ==, 0);
        g_assert_cmpint(cmi_page_check(file.page, file.size), ==, 0);
        page_file_close(&file);
}

/* The same user owns the memory and may change its mode; size and content are
 * sealed all the same. */
static void the_same_user_cannot_change_size_or_content(void)
{
        struct page_file file;
        pid_t child;
        int status;

        open_page(&file);
        child = fork();
        if (child == 0) {
                int got = attack(file.shown_fd, file.size);
                int fd = dup(file.fd);

                got |= ftruncate(fd, 0) == 0 ? 1 : 0;
                got |= pwrite(fd, "x", 1, 0) == 1 ? 2 : 0;
                got |= mmap(NULL, file.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) !=
                                                       MAP_FAILED
                                       ? 4
                                       : 0;
                _exit(got & (1 | 2 | 4 | 8 | 16 | 128));
        }
        g_assert_cmpint(waitpid(child, &status, 0), ==, child);
        g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        page_file_close(&file);
}

static void what_meshd_writes_is_seen_through_the_shown_descriptor(void)
{
        struct page_file file;
        const struct cmi_page *seen;

        open_page(&file);
        seen = mmap(NULL, file.size, PROT_READ, MAP_SHARED, file.shown_fd, 0);
        g_assert_true(seen != MAP_FAILED);
        atomic_store(&file.page->apply_seq, 42);
        g_assert_cmpuint(seen->apply_seq, ==, 42);
        munmap((void *)seen, file.size);
        page_file_close(&file);
}

static void a_geometry_that_is_none_is_refused_with_a_text(void)
{
        const struct cmi_page_geometry odd = {300, 256, 256};
        struct page_file file;
        struct fault fault = {0};

        g_assert_cmpint(page_file_open(&file, &odd, 1, &fault), ==, -EINVAL);
        g_assert_cmpint(fault.status, ==, FAULT_FAILED);
        g_assert_true(fault.text[0] != '\0');
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/page_file/fresh", the_page_is_good_and_serves_nobody_yet);
        g_test_add_func("/page_file/random", two_pages_have_different_epochs_and_seeds);
        g_test_add_func("/page_file/other_user", another_user_can_read_and_nothing_else);
        g_test_add_func("/page_file/same_user", the_same_user_cannot_change_size_or_content);
        g_test_add_func("/page_file/shared",
                        what_meshd_writes_is_seen_through_the_shown_descriptor);
        g_test_add_func("/page_file/geometry", a_geometry_that_is_none_is_refused_with_a_text);
        return g_test_run();
}
