/* SPDX-License-Identifier: MIT */
#include "meshd/bridge/bridge.h"

#include <string.h>

static bool is_live(void *context)
{
        const struct bridge *bridge = context;

        return core_is_live(bridge->core);
}

/* Also who is gone counts, until it is forgotten: it may come back with what it had. */
static bool is_alone(void *context)
{
        const struct bridge *bridge = context;

        return core_n_members(bridge->core) == 0;
}

/* Without a lease no copy is served, so a token is of no use; and what is stamped in the start
 * pause is none of what the predecessor's page said. */
static uint64_t token(void *context)
{
        const struct bridge *bridge = context;

        return is_live(context) ? atomic_load(&bridge->page.page->apply_seq) : 0;
}

struct plane_view bridge_view(struct bridge *bridge)
{
        return (struct plane_view){
                        .context = bridge,
                        .is_live = is_live,
                        .is_alone = is_alone,
                        .token = token,
        };
}

/* What processes of this node keep is stamped without an operation, since only they keep any. All
 * of them: by their region, if any app has it open. */
uint64_t bridge_stamp(void *context, const struct cmi_id *key)
{
        const struct bridge *bridge = context;
        struct cmi_slice all = cmi_slice(CMI_SESSION_REGION, strlen(CMI_SESSION_REGION));
        uint64_t seq = cmi_page_begin(&bridge->page);
        uint32_t region;

        if (key) {
                cmi_page_stamp_session(&bridge->page, key->bytes, seq);
        } else if (core_region_find(bridge->core, all, &region) == 0) {
                cmi_page_stamp_region(&bridge->page, region, seq);
        }
        cmi_page_publish(&bridge->page, seq);
        return seq;
}
