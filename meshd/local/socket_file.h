/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The name of the Unix socket in the file system: who may take it, and who may remove it. The
 * lock in PATH.lock says who owns the name; the socket is made and removed only under it, so a
 * second meshd can never steal or delete a name in use, and what a killed one left behind is
 * cleared away. The lock file is removed under its lock as well; whoever locked a removed one
 * notices, and tries again.
 */
#include "meshd/io/fault.h"

#define SOCKET_FILE_MAX 107

struct socket_file {
        char path[SOCKET_FILE_MAX + 1];
        int lock;
        int fd; /* listening, non-blocking */
};

/**
 * socket_file_open() - take the name, and listen
 * @ret_file: filled; end with socket_file_close()
 * @path:     at most SOCKET_FILE_MAX bytes, in a directory that exists
 * @fault:    filled on failure
 *
 * The socket has mode 0660, whatever the umask.
 *
 * Return: 0, -EBUSY (another meshd has it), -EEXIST (something else is there), -EPERM (another user
 * could put a socket of his own in its place), -ENOENT, -EACCES or another errno, with @fault.
 */
int socket_file_open(struct socket_file *ret_file, const char *path, struct fault *fault);

/* Close and remove the socket, then the lock. */
void socket_file_close(struct socket_file *file);
