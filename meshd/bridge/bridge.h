/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The bridge between core and plane: neither includes the other, and this is all that knows both.
 * Pure as they are, so that the simulator can run it too. The plane asks it what the core is at the
 * moment; it is told nothing, so plane_tick() has to come after core_tick() in each turn.
 *
 * One thread, that of the core.
 */
#include "meshd/core/core.h"
#include "meshd/session/plane.h"
#include "wire/page.h"

struct bridge {
        struct core *core; /* borrowed */
        /* The core's own: sessions are stamped in it, in the same thread. */
        struct cmi_page_view page;
};

/* plane_view and plane_sink.stamp of a plane whose core this is; context is the bridge. */
struct plane_view bridge_view(struct bridge *bridge);
uint64_t bridge_stamp(void *context, const struct cmi_id *key);
