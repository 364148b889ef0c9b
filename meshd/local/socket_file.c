/* SPDX-License-Identifier: MIT */
#include "meshd/local/socket_file.h"

#include "base/cleanup.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define BACKLOG 1024
#define LOCK_PATH_SIZE (SOCKET_FILE_MAX + 8)

/* The pid that the holder wrote, for the message; "unknown" if it cannot be read. */
static void read_holder(int fd, char ret_text[24])
{
        ssize_t n = pread(fd, ret_text, 23, 0);

        ret_text[n > 0 ? n : 0] = '\0';
        ret_text[strspn(ret_text, "0123456789")] = '\0';
        if (!ret_text[0]) {
                snprintf(ret_text, 24, "unknown");
        }
}

/* "/run/x/meshd.sock" gives "/run/x", a bare name ".". */
static void make_directory_path(const char *path, char ret_path[SOCKET_FILE_MAX + 1])
{
        const char *slash = strrchr(path, '/');
        int n = slash ? (int)(slash - path) : 1;

        snprintf(ret_path, SOCKET_FILE_MAX + 1, "%.*s", n > 0 ? n : 1, slash ? path : ".");
}

static int refuse_directory(const char *path, int error, struct fault *fault)
{
        char directory[SOCKET_FILE_MAX + 1];

        make_directory_path(path, directory);
        return fault_set(fault, FAULT_CONFIG, -error,
                        "Socket %s: cannot make a file in directory %s: %s. Make the directory, "
                        "writable by user %u, or choose another place with --socket.",
                        path, directory, strerror(error), geteuid());
}

/*
 * Nobody else may put a socket of their own in the place of ours: apps take the owner of the socket
 * for meshd. Root may do anything; in a sticky directory only the directory's owner can, and we.
 */
static int check_directory(const char *path, struct fault *fault)
{
        char directory[SOCKET_FILE_MAX + 1];
        struct stat status;

        make_directory_path(path, directory);
        if (stat(directory, &status) < 0) {
                return refuse_directory(path, errno, fault);
        }
        if (status.st_uid != 0 && status.st_uid != geteuid()) {
                return fault_set(fault, FAULT_CONFIG, -EPERM,
                                "Socket %s: directory %s belongs to user %u, who could put another "
                                "socket in its place. Choose one of root or of user %u with "
                                "--socket, or run meshd as that user.",
                                path, directory, status.st_uid, geteuid());
        }
        if ((status.st_mode & (S_IWGRP | S_IWOTH)) && !(status.st_mode & S_ISVTX)) {
                return fault_set(fault, FAULT_CONFIG, -EPERM,
                                "Socket %s: directory %s has mode %04o, so others could put "
                                "another socket in its place. Take that right away (chmod go-w "
                                "%s), or choose another place with --socket.",
                                path, directory, status.st_mode & 07777u, directory);
        }
        return 0;
}

static void make_lock_path(const struct socket_file *file, char ret_path[LOCK_PATH_SIZE])
{
        snprintf(ret_path, LOCK_PATH_SIZE, "%s.lock", file->path);
}

/* Is what was locked still what the name means? The one before may have removed it meanwhile. */
static bool is_current(int fd, const char *path)
{
        struct stat locked;
        struct stat named;

        return fstat(fd, &locked) == 0 && stat(path, &named) == 0 &&
               locked.st_ino == named.st_ino && locked.st_dev == named.st_dev;
}

static int lock(struct socket_file *file, struct fault *fault)
{
        char path[LOCK_PATH_SIZE];
        char text[24];
        CM_CLEANUP(cmi_close_p) int fd = -1;

        make_lock_path(file, path);
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
        if (fd < 0) {
                return refuse_directory(file->path, errno, fault);
        }
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
                read_holder(fd, text);
                return fault_set(fault, FAULT_RETRY, -EBUSY,
                                "Socket %s: in use by another meshd (process %s). Stop that one, "
                                "or choose another name with --socket.",
                                file->path, text);
        }
        if (!is_current(fd, path)) {
                return lock(file, fault);
        }
        snprintf(text, sizeof(text), "%d\n", (int)getpid());
        /* Only for people: without it the lock is as good. */
        if (ftruncate(fd, 0) == 0 && pwrite(fd, text, strlen(text), 0) < 0) {
                errno = 0;
        }
        file->lock = cmi_take_fd(&fd);
        return 0;
}

static int clear_away(const struct socket_file *file, struct fault *fault)
{
        struct stat status;

        if (lstat(file->path, &status) < 0) {
                return errno == ENOENT ? 0 : refuse_directory(file->path, errno, fault);
        }
        if (!S_ISSOCK(status.st_mode)) {
                return fault_set(fault, FAULT_CONFIG, -EEXIST,
                                "Socket %s: a file that is no socket has this name, and meshd does "
                                "not remove it. Remove it, or choose another name with --socket.",
                                file->path);
        }
        if (unlink(file->path) < 0) {
                return refuse_directory(file->path, errno, fault);
        }
        return 0;
}

static int listen_there(struct socket_file *file, struct fault *fault)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        mode_t mask;
        int r;

        memcpy(address.sun_path, file->path, strlen(file->path));
        file->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (file->fd < 0) {
                return fault_set(fault, FAULT_FAILED, -errno, "Socket %s: %s.", file->path,
                                strerror(errno));
        }
        mask = umask(0117);
        r = bind(file->fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
        umask(mask);
        if (r == 0 && listen(file->fd, BACKLOG) < 0) {
                r = -errno;
        }
        return r == 0 ? 0 : refuse_directory(file->path, -r, fault);
}

int socket_file_open(struct socket_file *ret_file, const char *path, struct fault *fault)
{
        struct socket_file file = {.lock = -1, .fd = -1};
        int r;

        assert(strlen(path) <= SOCKET_FILE_MAX);
        memcpy(file.path, path, strlen(path) + 1);
        r = check_directory(path, fault);
        if (r == 0) {
                r = lock(&file, fault);
        }
        if (r == 0) {
                r = clear_away(&file, fault);
        }
        if (r == 0) {
                r = listen_there(&file, fault);
        }
        if (r < 0) {
                /* Only a socket that is ours is removed. */
                cmi_close_p(&file.fd);
                file.fd = -1;
                socket_file_close(&file);
                return r;
        }
        *ret_file = file;
        return 0;
}

void socket_file_close(struct socket_file *file)
{
        if (file->fd >= 0) {
                unlink(file->path);
                close(file->fd);
        }
        if (file->lock >= 0) {
                char path[LOCK_PATH_SIZE];

                make_lock_path(file, path);
                unlink(path);
                close(file->lock);
        }
        file->fd = -1;
        file->lock = -1;
}
