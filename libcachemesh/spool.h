/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The spool of one handle: a file in which its late publications outlive the process. The directory
 * is meshd's, beside its socket (wire/spool.h has the bytes); without it, or without the right to
 * write there, there is no spool. This file decides whom to trust with the directory, and sees to
 * it that what was appended is found: meshd takes a file by giving it another name and reads it
 * then, so what is still under its own name after it was written will be read, and what is
 * not is written once more into a new file. Which publications are kept, and when they need not be
 * any more, is connection_spool.c's business.
 *
 * Under the connection's lock. Nothing here waits: no lock, no fsync(), since a spool outlives the
 * process and not the host.
 */
#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

struct cmi_spool {
        int dir; /* -1: not open */
        int fd;  /* -1: there is no file */
        uint64_t size;
        uint64_t random; /* names files; only spreads them */
        uint64_t serial; /* of the file; grows with each new one */
        char name[40];
};

void cmi_spool_init(struct cmi_spool *spool, uint64_t random);

/**
 * cmi_spool_append() - keep one operation
 * @socket_path: of meshd's socket
 * @op:          encoded
 * @max:         bytes that the file may then have
 *
 * Return: 0, -EFBIG (@max; nothing is written), or why there is no spool: -ENOENT (meshd has made
 * none), -EPERM (its directory belongs to somebody else), -EACCES, -ENOSPC (also for RLIMIT_FSIZE,
 * beyond which nothing is written) or another errno.
 */
int cmi_spool_append(struct cmi_spool *spool, const char *socket_path, struct cmi_slice op,
                uint64_t max);

/* Is the file still there for a later meshd, so that more may be appended? False also without one;
 * then the next append makes a new file. */
bool cmi_spool_is_kept(struct cmi_spool *spool);

/* Everything in it is confirmed: remove the file, if there is one. */
void cmi_spool_drop(struct cmi_spool *spool);

/* Close it, and leave the file to meshd; also for a forked child, whose parent has the file. */
void cmi_spool_close(struct cmi_spool *spool);
