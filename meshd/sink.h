/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The core's sink: what the core wants sent goes to the links, and what it reports to those parts
 * of the shell that it concerns. Nothing is decided here.
 */
#include "meshd/daemon.h"

/* Borrows the daemon, whose links must be open; its other parts may come later and go earlier. */
struct core_sink sink_make(struct daemon *daemon);

/* The longest lease that apps may have, for a successor that does not find the stream's file, which
 * tells it, too. An obituary serves none, and leaves it. */
void sink_store_lease(struct daemon *daemon, uint64_t lease_ms);

/* The longest --gone-ms that others may rely on, for the same. An obituary tells it, too. */
void sink_store_gone(struct daemon *daemon, uint64_t gone_ms);
