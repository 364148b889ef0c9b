/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The state directory: what a node must know again after a restart of its host. It holds "format"
 * (a version), "lock", "node_id", "incarnation", "lease", "gone" and "peers". This file decides who
 * the node is: it makes the node id and the incarnation. It leaves the content of "peers" to
 * discovery/peer_file.h.
 *
 * A directory that cannot be written (full, read-only, its parent missing) does not stop the
 * node: it takes an id made of machine-id, mesh and name, which is the same at the next
 * start as long as these are.
 */
#include "base/id.h"

#include "meshd/io/fault.h"

#include <stdbool.h>
#include <stdint.h>

#define STATE_DIR_FORMAT 1
#define STATE_DIR_NONE "none"

struct state_dir {
        int fd;   /* -1 without a directory */
        int lock; /* -1 likewise; held as long as it is open */
        const char *path;
        struct cmi_id id;
        uint64_t incarnation;
        uint64_t previous; /* incarnation: when the one before was started, as Unix ms; 0: none */
        bool is_temporary; /* the id is not stored */
        char why[256];     /* why it, or the incarnation, is not stored; "" if all is well */
        char damage[128];  /* why a file that was there is not gone on with; "" if all is well */
};

enum state_dir_outcome {
        STATE_DIR_OPENED = 0,
        STATE_DIR_UNSTORED = 1, /* something could not be stored: see why */
        STATE_DIR_UNWANTED = 2, /* the path was STATE_DIR_NONE */
};

struct state_dir_options {
        const char *path; /* borrowed until state_dir_close() */
        const char *mesh;
        const char *name;
        uint64_t unix_ms; /* now */
        bool is_new_identity;
};

/**
 * state_dir_open() - lock the directory, and find out who this node is
 * @ret_dir: filled
 * @options: borrowed for the call, but for the path
 * @fault:   filled on failure
 *
 * The directory itself is made if its parent exists. A damaged "incarnation" stops nobody: it is
 * made anew from the clock, and @ret_dir->damage says why. If others know a higher one, they say
 * so, and it is raised.
 *
 * Return: an enum state_dir_outcome; -EPERM (another user's), -EBUSY (a meshd uses it), -EPROTO
 * (written by a newer version), -EBADMSG (a file in it is damaged), -ENOTDIR, with @fault.
 */
int state_dir_open(struct state_dir *ret_dir, const struct state_dir_options *options,
                struct fault *fault);

/**
 * state_dir_store_incarnation() - it was raised by a peer that knows a higher one
 *
 * Return: 0 (also without a directory) or the negative errno of the write.
 */
int state_dir_store_incarnation(struct state_dir *dir, uint64_t incarnation);

/**
 * state_dir_lease() - the longest lease that apps of an earlier process may still hold
 *
 * For a process that finds no stream that would tell it.
 *
 * Return: milliseconds; 0 if none was stored, or what was cannot be read.
 */
uint64_t state_dir_lease(const struct state_dir *dir);

/**
 * state_dir_store_lease() - from now on it is this
 *
 * Return: 0 (also without a directory, or if it was so before) or the negative errno of the write.
 */
int state_dir_store_lease(struct state_dir *dir, uint64_t lease_ms);

/**
 * state_dir_gone() - the longest --gone-ms that others may rely on, as earlier processes told it
 *
 * For a process that finds no stream that would tell it.
 *
 * Return: milliseconds; 0 if none was stored, or what was cannot be read.
 */
uint64_t state_dir_gone(const struct state_dir *dir);

/**
 * state_dir_store_gone() - from now on it is this
 *
 * Return: 0 (also without a directory, or if it was so before) or the negative errno of the write.
 */
int state_dir_store_gone(struct state_dir *dir, uint64_t gone_ms);

/* Close and unlock. */
void state_dir_close(struct state_dir *dir);
