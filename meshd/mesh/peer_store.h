/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Peers on disk: after a restart this node knows whom it has to meet. It decides who belongs in the
 * file (members, but for those that left in order) and when it is written: soon after a change, and
 * not often. discovery/peer_file.h decides its form.
 *
 * A disk may take seconds for a write, and the loop has none of these, so a child process writes.
 */
#include "meshd/core/core.h"
#include "meshd/io/poller.h"
#include "meshd/io/state_dir.h"

#include <sys/types.h>

#define PEER_STORE_END_MS 1000   /* for the last write, at a clean end */
#define PEER_STORE_DELAY_MS 1000 /* from a change to the write: changes come in bursts */

struct peer_store {
        struct core *core;
        const struct state_dir *state;
        uint32_t max;
        struct peer_file_entry *entries;
        pid_t child; /* 0: none is writing */
        bool is_due;
        uint64_t written; /* hash of what the file holds */
        uv_timer_t timer;
        uv_signal_t signal;
};

/**
 * peer_store_start() - read the file, and get ready to write it
 * @store:  zeroed
 * @poller: borrowed
 * @core:   borrowed
 * @state:  borrowed; without a directory nothing is read or written
 * @max:    entries, twice max_peers
 *
 * Return: how many peers there are, or -ENOMEM.
 */
int peer_store_start(struct peer_store *store, struct poller *poller, struct core *core,
                const struct state_dir *state, uint32_t max);

/* Peer @index of those that were read; borrowed, until the first peer_store_note(). */
const struct peer_file_entry *peer_store_get(const struct peer_store *store, uint32_t index);

/* Members may have changed. Called from inside the core. */
void peer_store_note(struct peer_store *store);

/* Write what is due, and wait a while for it: at a clean end. */
void peer_store_stop(struct peer_store *store);
void peer_store_deinit(struct peer_store *store);
