/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What apps published while no meshd took it: the directory PATH.spool beside the socket, and the
 * files in it (wire/spool.h). This file makes the directory, decides which files are believed, and
 * hands their operations on; where these go is the caller's business.
 *
 * The directory belongs to meshd, has the group of the socket, and mode 3770: who may use the
 * socket may add files, and nobody but their owners and meshd may remove them. A file is taken by
 * renaming it to a name that nobody can foresee, read, handed on and removed, in this order. So a
 * meshd that is killed half-way leaves a file behind that the next one hands on once more, which is
 * harmless.
 *
 * What cannot be an app's file (a symbolic link, a directory, text) is removed and told, and is
 * without effect. A file that is damaged, of a newer version or larger than any app makes it may
 * lack invalidations: then everything is to be forgotten.
 */
#include "base/bytes.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>

#define SPOOL_PATH_MAX 127
#define SPOOL_FILES_MAX 4096        /* of one take; beyond it everything is to be forgotten, and */
#define SPOOL_BYTES_MAX (16u << 20) /* the next take goes on; the last file may exceed it */
#define SPOOL_ENTRIES_MAX 65536     /* likewise, with what is not read */
#define SPOOL_BYTES_TURN (1u << 20) /* while apps are served; the next take goes on */
#define SPOOL_ENTRIES_TURN 4096     /* likewise */
#define SPOOL_STUCK_MS 60000        /* until the next take, when a file could not be removed */
#define SPOOL_AGE_MS 1000 /* a living app publishes by itself; older than this it may be dead */

struct spool {
        int fd;                  /* of directory; -1: there is none, see why */
        DIR *directory;          /* stands where the last take has stopped */
        bool is_at_end;          /* of it */
        uint64_t stuck_until_ns; /* mono */
        char path[SPOOL_PATH_MAX + 1];
        char why[256];
        uint64_t n_files; /* handed on */
        uint64_t n_operations;
        uint64_t n_damaged;
        uint64_t n_refused;
};

struct spool_sink {
        void *context;
        /* One operation, not checked; borrowed for the call. Return: 0, or a negative errno if it
         * is none. */
        int (*publish)(void *context, struct cmi_slice op);
        /* Something may be missing: everything is to be forgotten, on every node. Called for each
         * file of which this is true, before it is removed. */
        void (*forget)(void *context);
};

/**
 * spool_open() - make the directory beside the socket, or find it
 * @ret_spool: filled; end with spool_close()
 * @socket:    path of the socket
 *
 * Return: 0; or a negative errno, and @ret_spool says why there is none: meshd does without it.
 */
int spool_open(struct spool *ret_spool, const char *socket);

/**
 * spool_take() - hand on what is in it
 * @spool:       nothing happens without a directory
 * @is_old_only: only files that were not written to for SPOOL_AGE_MS: living apps keep theirs. Goes
 *               on where the last take has stopped; else from the beginning
 * @sink:        borrowed for the call
 *
 * Return: how many files were handed on; what was in them is in the counters.
 */
uint32_t spool_take(struct spool *spool, bool is_old_only, const struct spool_sink *sink);

void spool_close(struct spool *spool);
