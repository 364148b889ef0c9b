/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Peer file: the peers seen before, in the state directory, so that a node finds them again without
 * multicast. A hint, as all of discovery: it may be old, damaged or missing, and none of this keeps
 * a node from starting. Who belongs in it is meshd's part.
 *
 * Text, one peer a line, after a line with the version:
 *
 *     cachemesh-peers 1
 *     6b0cbd45-6a3b-4d6c-9c2f-0f8f1f7c1a55 10.0.0.1:6781 node-1
 *
 * All functions block on the disk.
 */
#include "base/endpoint.h"
#include "base/id.h"
#include "wire/frame.h"

#include <stddef.h>

#define PEER_FILE_NAME "peers"
#define PEER_FILE_SIZE_MAX (256 * 1024) /* 1,024 peers with the longest names fit */

struct peer_file_entry {
        struct cmi_id id;
        struct cmi_endpoint endpoint;
        char name[CMI_NAME_MAX + 1]; /* may be empty; else clean UTF-8 */
};

struct peer_file_contents {
        size_t n_entries;
        size_t n_bad;     /* lines that make no sense, are cut off, or name a missing interface */
        size_t n_surplus; /* good lines that were too many */
};

/**
 * peer_file_read() - what is known from an earlier life
 * @directory:    descriptor of the state directory
 * @ret_entries:  room for @max
 * @max:          twice max_peers
 * @ret_contents: counts; n_entries of @ret_entries are filled
 *
 * Return: 0; -ENOENT if there is no file; -EPROTONOSUPPORT if it is of another version; -EFBIG if
 *         it is over PEER_FILE_SIZE_MAX; -EINVAL if it is no regular file; or the negative errno of
 *         what failed. Without 0 nothing is stored, and the node starts without these peers.
 */
int peer_file_read(int directory, struct peer_file_entry *ret_entries, size_t max,
                struct peer_file_contents *ret_contents);

/**
 * peer_file_write() - replace the file
 * @directory: descriptor of the state directory
 * @entries:   to write; one whose name is not clean is written without it
 * @n:         how many
 *
 * The old file stays until the new one is complete on the disk.
 *
 * Return: 0; -EFBIG if they are too many; or the negative errno of what failed, as -ENOSPC, in
 *         which case the old file is still there.
 */
int peer_file_write(int directory, const struct peer_file_entry *entries, size_t n);
