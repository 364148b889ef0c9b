/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The core's sink: what the core wants sent goes to the links, and what it reports to those parts
 * of the shell that it concerns. Nothing is decided here.
 */
#include "meshd/daemon.h"

/* Borrows the daemon, whose links must be open; its other parts may come later and go earlier. */
struct core_sink sink_make(struct daemon *daemon);
