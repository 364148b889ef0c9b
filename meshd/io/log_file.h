/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The file under the stream's log: in the runtime directory, named after the socket, mapped,
 * and locked. It survives meshd and not the host. If there is no room for it, anonymous memory
 * does: then a meshd that dies leaves no stream behind, and the others forget what they cached
 * when the next one comes.
 */
#include "meshd/io/fault.h"

#include <stdbool.h>
#include <stddef.h>

#define LOG_FILE_PATH_MAX 4200

struct log_file {
        int fd; /* holds the lock; -1: anonymous */
        void *memory;
        size_t size;
        size_t dropped; /* length of what was there, if that was another one; 0: none */
        bool is_new;    /* no file was there, not even an empty one */
        char path[LOG_FILE_PATH_MAX];
        char why[256]; /* why it is anonymous */
};

enum log_file_outcome {
        LOG_FILE_OPENED = 0,
        LOG_FILE_VOLATILE = 1, /* see why */
};

/**
 * log_file_open() - map the log of the meshd with this socket
 * @ret_file:  filled; end with log_file_close()
 * @directory: of the runtime
 * @socket:    path of the socket, whose last part names the file
 * @size:      bytes; a file of another size begins empty, see dropped
 * @fault:     filled on failure
 *
 * Return: an enum log_file_outcome; -EBUSY (another meshd uses it), -EPERM (another user's, or no
 * plain file), -ENOMEM, with @fault.
 */
int log_file_open(struct log_file *ret_file, const char *directory, const char *socket, size_t size,
                struct fault *fault);

/* Unmap and unlock; the content stays for the next one. */
void log_file_close(struct log_file *file);
