/* SPDX-License-Identifier: MIT */
#include "base/file.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

static int write_all(int fd, struct cmi_slice content)
{
        const char *next = content.data;
        size_t n_left = content.len;

        while (n_left > 0) {
                ssize_t n = write(fd, next, n_left);

                if (n < 0 && errno == EINTR) {
                        continue;
                }
                if (n < 0) {
                        return -errno;
                }
                next += n;
                n_left -= (size_t)n;
        }
        return 0;
}

int cmi_file_create(int directory, const char *path, struct cmi_slice content)
{
        CM_CLEANUP(cmi_close_p)
        int fd = openat(directory, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                        0600);
        int r;

        if (fd < 0) {
                return -errno;
        }
        r = fchmod(fd, 0600) < 0 ? -errno : write_all(fd, content);
        if (r == 0 && fsync(fd) < 0) {
                r = -errno;
        }
        if (r < 0) {
                unlinkat(directory, path, 0);
        }
        return r;
}

/* A file system that cannot sync directories says EINVAL: there is nothing to wait for. */
static int sync_directory(int directory)
{
        return fsync(directory) < 0 && errno != EINVAL ? CMI_FILE_UNSYNCED : CMI_FILE_SYNCED;
}

int cmi_file_replace(int directory, const char *name, struct cmi_slice content)
{
        char new_name[CMI_FILE_NAME_MAX + 5];
        int r;

        if (strlen(name) > CMI_FILE_NAME_MAX) {
                return -ENAMETOOLONG;
        }
        snprintf(new_name, sizeof(new_name), "%s.new", name);
        /* Left by a crash; what is not ours is not followed. */
        unlinkat(directory, new_name, 0);
        r = cmi_file_create(directory, new_name, content);
        if (r < 0) {
                return r;
        }
        if (renameat(directory, new_name, directory, name) < 0) {
                r = -errno;
                unlinkat(directory, new_name, 0);
                return r;
        }
        return sync_directory(directory);
}

ssize_t cmi_file_read(int fd, void *ret_buffer, size_t size)
{
        size_t at = 0;

        while (at < size) {
                ssize_t n = read(fd, (char *)ret_buffer + at, size - at);

                if (n < 0 && errno == EINTR) {
                        continue;
                }
                if (n < 0) {
                        return -errno;
                }
                if (n == 0) {
                        break;
                }
                at += (size_t)n;
        }
        return (ssize_t)at;
}
