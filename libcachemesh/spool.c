/* SPDX-License-Identifier: MIT */
#include "libcachemesh/spool.h"

#include "base/cleanup.h"
#include "base/random.h"
#include "libcachemesh/cachemesh.h"
#include "wire/spool.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define TRIES_MAX 4 /* meshd takes files a few times a second at most */

void cmi_spool_init(struct cmi_spool *spool, uint64_t random)
{
        *spool = (struct cmi_spool){.dir = -1, .fd = -1, .random = random};
}

/* The field first: a child forked in between closes what it finds there. */
static void close_field(int *field)
{
        int fd = cmi_take_fd(field);

        cmi_close_p(&fd);
}

void cmi_spool_close(struct cmi_spool *spool)
{
        close_field(&spool->fd);
        close_field(&spool->dir);
        spool->size = 0;
}

static uid_t owner_of_parent(const char *path)
{
        char parent[CM_SOCKET_PATH_MAX + sizeof(CMI_SPOOL_SUFFIX)];
        char *slash;
        struct stat status;

        snprintf(parent, sizeof(parent), "%s", path);
        slash = strrchr(parent, '/');
        if (slash) {
                slash[slash == parent] = '\0';
        }
        return stat(slash ? parent : ".", &status) < 0 ? 0 : status.st_uid;
}

/*
 * Who could make a directory of this name before meshd did would read what is invalidated, and keep
 * it from meshd. So it must belong to this user, to root, or to whom the directory around it
 * belongs to, and who does not share its group may not write to it.
 */
static int open_directory(const char *socket_path, int *ret_fd)
{
        char path[CM_SOCKET_PATH_MAX + sizeof(CMI_SPOOL_SUFFIX)];
        CM_CLEANUP(cmi_close_p) int fd = -1;
        struct stat status;

        snprintf(path, sizeof(path), "%s" CMI_SPOOL_SUFFIX, socket_path);
        fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0) {
                return -errno;
        }
        if (fstat(fd, &status) < 0) {
                return -errno;
        }
        if ((status.st_mode & S_IWOTH) || (status.st_uid != 0 && status.st_uid != geteuid() &&
                                                          status.st_uid != owner_of_parent(path))) {
                return -EPERM;
        }
        *ret_fd = cmi_take_fd(&fd);
        return 0;
}

/* A write beyond the limit on the size of files (RLIMIT_FSIZE) kills the process by SIGXFSZ. */
static bool has_room(uint64_t size)
{
        struct rlimit limit;

        return getrlimit(RLIMIT_FSIZE, &limit) < 0 || size <= limit.rlim_cur;
}

/* meshd may be of another user: it reads by the group, which the directory hands on. */
static int create(struct cmi_spool *spool, const char *socket_path)
{
        uint8_t header[CMI_SPOOL_HEADER_SIZE];
        int r = spool->dir < 0 ? open_directory(socket_path, &spool->dir) : 0;

        if (r < 0) {
                return r;
        }
        if (!has_room(sizeof(header))) {
                return -ENOSPC;
        }
        /* A name that is in use is refused by the kernel. */
        snprintf(spool->name, sizeof(spool->name), "%d-%016llx", (int)getpid(),
                        (unsigned long long)cmi_random_next(&spool->random));
        spool->fd = openat(spool->dir, spool->name,
                        O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
        if (spool->fd < 0) {
                r = -errno;
                /* Another meshd may have made another directory meanwhile. */
                close_field(&spool->dir);
                return r;
        }
        cmi_spool_header((uint32_t)getpid(), header);
        errno = 0;
        if (fchmod(spool->fd, 0640) < 0 ||
                        write(spool->fd, header, sizeof(header)) != (ssize_t)sizeof(header)) {
                r = errno ? -errno : -ENOSPC;
                cmi_spool_drop(spool);
                return r;
        }
        spool->size = sizeof(header);
        spool->serial++;
        return 0;
}

/* A part of a record would hide what comes after it. Without it the file is as good as before. */
static int take_back(struct cmi_spool *spool)
{
        int r = errno ? -errno : -ENOSPC;

        if (ftruncate(spool->fd, (off_t)spool->size) < 0) {
                close_field(&spool->fd); /* the file stays, with what it has */
        }
        return r;
}

static int write_record(struct cmi_spool *spool, struct cmi_slice op)
{
        uint8_t record[CMI_SPOOL_RECORD_SIZE];
        struct iovec parts[] = {{record, sizeof(record)}, {(void *)op.data, op.len}};

        if (!has_room(spool->size + sizeof(record) + op.len)) {
                return -ENOSPC;
        }
        cmi_spool_record(op, record);
        errno = 0;
        if (writev(spool->fd, parts, 2) != (ssize_t)(sizeof(record) + op.len)) {
                return take_back(spool);
        }
        spool->size += sizeof(record) + op.len;
        return 0;
}

bool cmi_spool_is_kept(struct cmi_spool *spool)
{
        struct stat ours;
        struct stat named;

        if (spool->fd < 0) {
                return false;
        }
        if (fstat(spool->fd, &ours) == 0 &&
                        fstatat(spool->dir, spool->name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
                        ours.st_ino == named.st_ino && ours.st_dev == named.st_dev) {
                return true;
        }
        /* The directory may be gone, too. */
        cmi_spool_close(spool);
        return false;
}

int cmi_spool_append(
                struct cmi_spool *spool, const char *socket_path, struct cmi_slice op, uint64_t max)
{
        for (int i = 0; i < TRIES_MAX; i++) {
                int r = spool->fd < 0 ? create(spool, socket_path) : 0;

                if (r == 0 && spool->size + CMI_SPOOL_RECORD_SIZE + op.len > max) {
                        return -EFBIG;
                }
                r = r < 0 ? r : write_record(spool, op);
                if (r < 0) {
                        return r;
                }
                if (cmi_spool_is_kept(spool)) {
                        return 0;
                }
        }
        return -EAGAIN;
}

void cmi_spool_drop(struct cmi_spool *spool)
{
        if (spool->fd >= 0) {
                /* Gone if meshd has taken it. */
                unlinkat(spool->dir, spool->name, 0);
        }
        cmi_spool_close(spool);
}
