/* SPDX-License-Identifier: MIT */
#include "meshd/io/page_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL)

static int fill(struct page_file *file, const struct cmi_page_geometry *geometry, uint64_t lease_ns)
{
        uint64_t random[2];

        if (getrandom(random, sizeof(random), 0) != sizeof(random)) {
                return -EIO;
        }
        cmi_page_init(file->page, geometry, random[0] | 1, random[1], lease_ns);
        return 0;
}

/* The order matters: the mode before anybody could open it, the writable mapping before the
 * seal that forbids one. */
static int make(struct page_file *file, const char **ret_step)
{
        char path[40];

        *ret_step = "memfd_create";
        file->fd = memfd_create("cachemesh-page", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (file->fd < 0) {
                return -errno;
        }
        *ret_step = "setting its size";
        if (fchmod(file->fd, 0400) < 0 || ftruncate(file->fd, (off_t)file->size) < 0) {
                return -errno;
        }
        *ret_step = "mapping it";
        file->page = mmap(NULL, file->size, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, 0);
        if (file->page == MAP_FAILED) {
                file->page = NULL;
                return -errno;
        }
        *ret_step = "sealing it";
        if (fcntl(file->fd, F_ADD_SEALS, SEALS) < 0) {
                return -errno;
        }
        *ret_step = "opening it again through /proc";
        snprintf(path, sizeof(path), "/proc/self/fd/%d", file->fd);
        file->shown_fd = open(path, O_RDONLY | O_CLOEXEC);
        return file->shown_fd < 0 ? -errno : 0;
}

int page_file_open(struct page_file *ret_file, const struct cmi_page_geometry *geometry,
                uint64_t lease_ns, struct fault *fault)
{
        struct page_file file = {.fd = -1, .shown_fd = -1, .size = cmi_page_size(geometry)};
        const char *step = "its size";
        int r = file.size == 0 ? -EINVAL : make(&file, &step);

        if (r == 0) {
                step = "random numbers";
                r = fill(&file, geometry, lease_ns);
        }
        if (r < 0) {
                page_file_close(&file);
                return fault_set(fault, FAULT_FAILED, r,
                                "Shared page of %zu bytes: %s failed: %s. It needs free memory and "
                                "a mounted /proc; --key-slots, --tag-slots and --session-slots "
                                "make it smaller.",
                                file.size, step, strerror(-r));
        }
        *ret_file = file;
        return 0;
}

void page_file_close(struct page_file *file)
{
        if (file->page) {
                munmap(file->page, file->size);
                file->page = NULL;
        }
        if (file->shown_fd >= 0) {
                close(file->shown_fd);
        }
        if (file->fd >= 0) {
                close(file->fd);
        }
        file->fd = -1;
        file->shown_fd = -1;
}
