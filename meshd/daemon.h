/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The daemon: all parts of the shell in the order in which they start and end, and the core's sink
 * between them. A failed start leaves nothing behind; a clean end tells everybody.
 */
#include "meshd/core/core.h"
#include "meshd/io/log_file.h"
#include "meshd/io/page_file.h"
#include "meshd/io/state_dir.h"
#include "meshd/local/collector.h"
#include "meshd/local/local.h"
#include "meshd/local/service.h"
#include "meshd/loop.h"
#include "meshd/mesh/discover.h"
#include "meshd/mesh/keys.h"
#include "meshd/mesh/link.h"
#include "meshd/mesh/peer_store.h"
#include "meshd/options/config.h"

#define DAEMON_SIGNALS 3
#define DAEMON_DRAIN_MS 1000 /* for what apps have sent to be read, at a clean end */
#define DAEMON_ENDED_MS 5000 /* likewise, while some of it is of apps that have ended */
#define DAEMON_FLUSH_MS 1000 /* for others to acknowledge, at a clean end */
#define DAEMON_LINGER_MS 200 /* for the goodbye to leave */

struct daemon {
        const struct config *config;
        struct poller poller;
        struct state_dir state;
        struct log_file log_file;
        struct log log;
        struct page_file page;
        struct keys keys;
        struct links links;
        struct local local;
        struct service service;
        struct collector collector;
        struct discover discover;
        struct peer_store peers;
        struct loop loop;
        struct core *core;
        void *core_memory;
        size_t core_size;
        struct cmi_endpoint advertised[CMI_ENDPOINTS_MAX];
        uint32_t n_advertised;
        uint32_t n_spare; /* descriptors for inbound connections beyond the mesh's own */
        uv_signal_t signals[DAEMON_SIGNALS];
        char refused[CORE_TEXT_MAX]; /* whom this node refused last, and why; "": nobody */
        uint64_t refused_ns;
        char widened[CMI_REGION_NAME_MAX + 1]; /* which region was held as a whole last */
        uint64_t widened_ns;
        bool is_ending;
};

/**
 * daemon_start() - take all that is needed, and listen
 * @daemon: zeroed; large, so static
 * @config: borrowed for the life of the daemon
 * @fault:  filled on failure
 *
 * Return: 0; OBITUARY_NEEDLESS; or a negative errno with @fault. If it is not 0 only main() remains
 * to be left.
 */
int daemon_start(struct daemon *daemon, const struct config *config, struct fault *fault);

/* Run until SIGTERM or SIGINT, and end in order; a second one ends the process at once. With
 * --obituary until it is said. Return: exit status. */
int daemon_run(struct daemon *daemon);
