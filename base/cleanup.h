/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Scope-bound cleanup: CM_CLEANUP(f) on a pointer variable calls f(&variable) when its scope ends.
 * A function hands ownership on by clearing the variable (`*ret = x; x = NULL;`).
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#define CM_CLEANUP(function) __attribute__((cleanup(function)))

static inline void cmi_free_p(void *pointer)
{
        free(*(void **)pointer);
}

static inline void cmi_close_p(int *fd)
{
        if (*fd >= 0) {
                close(*fd);
        }
}

/*
 * A program may be started with its standard descriptors closed; what it opens next would get their
 * numbers, and what it prints would go there. Afterwards writing to those fails as before. Return:
 * false if that could not be prevented.
 */
static inline bool cmi_standard_fds_open(void)
{
        int fd;

        do {
                fd = open("/dev/null", O_RDONLY);
        } while (fd >= 0 && fd <= STDERR_FILENO);
        cmi_close_p(&fd);
        return fd >= 0;
}

/* Hands a descriptor on: returns it, and leaves nothing to close. */
static inline int cmi_take_fd(int *fd)
{
        int taken = *fd;

        *fd = -1;
        return taken;
}
