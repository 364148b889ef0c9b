/* SPDX-License-Identifier: MIT */
#include "meshd/io/log_file.h"

#include "base/cleanup.h"
#include "meshd/core/mutant.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* "/run/x/meshd.sock" gives "meshd.stream". */
static void make_path(char *ret_path, size_t capacity, const char *directory, const char *socket)
{
        const char *base = strrchr(socket, '/');
        const char *dot;

        base = base ? base + 1 : socket;
        dot = strrchr(base, '.');
        snprintf(ret_path, capacity, "%s/%.*s.stream", directory,
                        dot && dot != base ? (int)(dot - base) : (int)strlen(base), base);
}

static int check(int fd, const char *path, struct fault *fault)
{
        struct stat status;

        if (fstat(fd, &status) < 0) {
                return -errno;
        }
        if (!S_ISREG(status.st_mode) || status.st_uid != geteuid()) {
                return fault_set(fault, FAULT_CONFIG, -EPERM,
                                "Stream file %.300s: is not a plain file of user %u. Remove it, or "
                                "name another directory with --runtime-dir.",
                                path, geteuid());
        }
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
                return fault_set(fault, FAULT_RETRY, -EBUSY,
                                "Stream file %.300s: in use by another meshd. Stop that one, or "
                                "choose another --socket or --runtime-dir.",
                                path);
        }
        return 0;
}

/* All blocks are taken now: a full tmpfs must not kill meshd by SIGBUS later. */
static int fit(struct log_file *file, int fd)
{
        struct stat status;

        if (fstat(fd, &status) < 0) {
                return -errno;
        }
        if (status.st_size != (off_t)file->size) {
                file->dropped = (size_t)status.st_size;
                if (ftruncate(fd, 0) < 0) {
                        return -errno;
                }
        }
        if (MUTANT(LOG_SPARSE)) {
                return ftruncate(fd, (off_t)file->size) < 0 ? -errno : 0;
        }
        return -posix_fallocate(fd, 0, (off_t)file->size);
}

static int map(struct log_file *file, int fd)
{
        int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;

        file->memory = mmap(NULL, file->size, PROT_READ | PROT_WRITE, flags, fd, 0);
        if (file->memory == MAP_FAILED) {
                file->memory = NULL;
                return -errno;
        }
        return 0;
}

/*
 * The mapping has an open file of its own. With the locked one it would hold the lock until the
 * last user of the memory is gone, and whoever reads /proc/PID/maps of a killed meshd is one for a
 * moment, after its death was reported.
 */
static int map_again(struct log_file *file, int locked_fd)
{
        char path[40];
        CM_CLEANUP(cmi_close_p) int fd = -1;

        snprintf(path, sizeof(path), "/proc/self/fd/%d", locked_fd);
        fd = open(path, O_RDWR | O_CLOEXEC);
        return fd < 0 ? -errno : map(file, fd);
}

static int open_or_make(struct log_file *file)
{
        int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
        int fd = open(file->path, flags);

        file->is_new = fd < 0 && errno == ENOENT;
        return file->is_new ? open(file->path, flags | O_CREAT, 0600) : fd;
}

static int open_file(struct log_file *file, struct fault *fault)
{
        const char *path = file->path;
        CM_CLEANUP(cmi_close_p) int fd = open_or_make(file);
        int r;

        if (fd < 0) {
                return -errno;
        }
        r = check(fd, path, fault);
        if (r < 0) {
                return r;
        }
        r = fit(file, fd);
        if (r < 0) {
                /* What could be had of it would be missing to others. */
                if (ftruncate(fd, 0) < 0) {
                        return -errno;
                }
                return r;
        }
        r = map_again(file, fd);
        if (r == 0) {
                file->fd = cmi_take_fd(&fd);
        }
        return r;
}

int log_file_open(struct log_file *ret_file, const char *directory, const char *socket, size_t size,
                struct fault *fault)
{
        struct log_file file = {.fd = -1, .size = size};
        int r;

        make_path(file.path, sizeof(file.path), directory, socket);
        fault->status = 0;
        r = open_file(&file, fault);
        if (r < 0 && fault->status != 0) {
                return r;
        }
        if (r < 0) {
                snprintf(file.why, sizeof(file.why), "%.200s: %s", file.path, strerror(-r));
                r = map(&file, -1);
        }
        if (r < 0) {
                return fault_set(fault, FAULT_FAILED, r,
                                "Stream log of %zu bytes: no memory for it: %s. --log-bytes makes "
                                "it smaller.",
                                size, strerror(-r));
        }
        *ret_file = file;
        return file.fd < 0 ? LOG_FILE_VOLATILE : LOG_FILE_OPENED;
}

void log_file_close(struct log_file *file)
{
        if (file->memory) {
                munmap(file->memory, file->size);
                file->memory = NULL;
        }
        cmi_close_p(&file->fd);
        file->fd = -1;
}
