/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The bridge between core and plane: neither includes the other, and this is all that knows both.
 * Pure as they are, so that the simulator can run it too. It decides when the plane is told of what
 * happened in the core: never from inside of the core, whose sink may not call back, but in
 * bridge_tick().
 *
 * One thread, that of the core.
 */
#include "meshd/core/core.h"
#include "meshd/session/plane.h"
#include "wire/page.h"

struct bridge {
        struct core *core; /* borrowed */
        struct cmi_page_view
                        page; /* the core's own: sessions are stamped in it, in the same thread */
        struct plane *plane;  /* borrowed; NULL until it was made, with bridge_view() */
        bool is_changed;      /* the plane is to be told */
};

/* For core_sink.event: notes what the plane has to know. */
void bridge_event(struct bridge *bridge, const struct core_event *event);

/* Tell the plane what was noted, then plane_tick(). After core_tick() of the same turn. */
void bridge_tick(struct bridge *bridge, struct cmi_time now);

/* plane_view and plane_sink.stamp of a plane whose core this is; context is the bridge, of which
 * only core and page need to be set then. */
struct plane_view bridge_view(struct bridge *bridge);
uint64_t bridge_stamp(void *context, const struct cmi_id *key);
