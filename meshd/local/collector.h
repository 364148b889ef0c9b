/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Publishes what apps left in the spool: all of it before the first app is served, and from then
 * on, once a second, what apps left that have died. It decides when to look; spool.h decides what
 * is believed.
 */
#include "meshd/core/core.h"
#include "meshd/io/poller.h"
#include "meshd/local/spool.h"

struct collector {
        struct spool spool;
        struct core *core;
        uv_timer_t timer;
        bool is_started;
};

/**
 * collector_start() - publish what is there, and go on looking
 * @poller: borrowed until collector_stop()
 * @core:   likewise; nothing is served yet
 * @socket: path of the socket
 *
 * Without a spool it tells so in the log: apps then keep in memory what they cannot publish.
 */
void collector_start(struct collector *collector, struct poller *poller, struct core *core,
                const char *socket);

/* Before core_stop(). What comes later is for the next start. The timer's memory is needed until
 * the loop has run once more. */
void collector_stop(struct collector *collector);
