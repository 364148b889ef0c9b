/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The loop: one thread that sleeps over the mesh's ROUTER and libuv's backend descriptor, and
 * over those links only that hold something back. In each turn everybody gets a bounded share,
 * and what the turn has brought leaves at its end, together: the core's frames first, then the
 * answers to local clients.
 */
#include "meshd/core/core.h"
#include "meshd/local/loads.h"
#include "meshd/local/local.h"
#include "meshd/local/sessions.h"
#include "meshd/mesh/discover.h"
#include "meshd/mesh/link.h"
#include "meshd/verbs/inquiry.h"

#include <stdbool.h>

#define LOOP_MESSAGES_PER_TURN 256

struct loop_counters {
        uint64_t turns;
        uint64_t longest_ns; /* from waking to sleeping */
};

struct loop {
        struct poller *poller;
        struct core *core;
        struct links *links;
        struct local *local;
        struct inquiries *inquiries;
        struct loads *loads;
        struct sessions *sessions;
        struct discover *discover; /* NULL once it has stopped */
        zmq_pollitem_t *items;
        int router_fd; /* readable when the socket's thread has left word: to be drained then */
        int monitor_fd;
        int links_ms;   /* until links_turn() is due; -1: it is not */
        bool is_uv_due; /* a timer of libuv, or something of it that does not wait */
        bool has_more; /* the last turn's share was used up: there may be messages without a word */
        struct loop_counters counters;
};

/* Return: 0, -ENOMEM. The pointers are set by the caller. */
int loop_init(struct loop *loop);
void loop_deinit(struct loop *loop);

/**
 * loop_turn() - sleep until something happens, and do it
 * @max_ms: longest sleep; -1: as long as nothing is due
 */
void loop_turn(struct loop *loop, int max_ms);
