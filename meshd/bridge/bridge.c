/* SPDX-License-Identifier: MIT */
#include "meshd/bridge/bridge.h"

#include <string.h>

static bool is_live(void *context)
{
        const struct bridge *bridge = context;
        struct core_status status;

        core_status(bridge->core, &status);
        return status.state == CORE_LIVE;
}

/* Without a lease no copy is served, so a token is of no use; and what is stamped in the start
 * pause is none of what the predecessor's page said. */
static uint64_t token(void *context)
{
        const struct bridge *bridge = context;

        return is_live(context) ? core_apply_seq(bridge->core) : 0;
}

struct plane_view bridge_view(struct bridge *bridge)
{
        return (struct plane_view){.context = bridge, .is_live = is_live, .token = token};
}

uint64_t bridge_stamp(void *context, const struct cmi_id *key)
{
        const struct bridge *bridge = context;

        return key ? core_stamp_session(bridge->core, key)
                   : core_stamp_region(bridge->core,
                                     cmi_slice(CMI_SESSION_REGION, strlen(CMI_SESSION_REGION)));
}

void bridge_event(struct bridge *bridge, const struct core_event *event)
{
        if (event->kind == CORE_EVENT_STATE || event->kind == CORE_EVENT_AWAY) {
                bridge->is_changed = true;
        }
}

void bridge_tick(struct bridge *bridge, struct cmi_time now)
{
        if (bridge->is_changed) {
                bridge->is_changed = false;
                plane_changed(bridge->plane, now);
        }
        plane_tick(bridge->plane, now);
}
