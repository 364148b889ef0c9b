/* SPDX-License-Identifier: MIT */
/*
 * Live nodes for which the member table has no place. No wait is for them and no grant of theirs is
 * asked for, so while one is known this node is not LIVE itself: it would answer 0 while that one
 * serves, and serve what that one changes. A node that is not live may be left out, and is refused:
 * the one that was live first goes on.
 */
#include "meshd/core/state.h"

#define STRANGER_NS (UINT64_C(24) * 3600 * CMI_NS_PER_S) /* as long as a member that is gone */

static struct stranger *find(struct core *core, const struct cmi_id *id)
{
        for (uint32_t i = 0; i < STRANGERS_MAX; i++) {
                if (core->strangers[i].live_ns != 0 && cmi_id_equal(&core->strangers[i].id, id)) {
                        return &core->strangers[i];
                }
        }
        return NULL;
}

/* One that finds no place here either is not told apart: a restart ends that, or a day. */
static void note(struct core *core, struct cmi_time now, const struct cmi_id *id)
{
        struct stranger *stranger = find(core, id);

        for (uint32_t i = 0; !stranger && i < STRANGERS_MAX; i++) {
                if (core->strangers[i].live_ns == 0) {
                        stranger = &core->strangers[i];
                }
        }
        if (stranger) {
                *stranger = (struct stranger){*id, now.mono_ns};
        } else {
                core->strangers_ns = now.mono_ns;
        }
}

void room_missed(struct core *core, struct cmi_time now, const struct cmi_id *id)
{
        note(core, now, id);
        if (core->state == CORE_LIVE) {
                core_text(core->reason, ROOM_REASON, "", "");
                core_step_down(core, now);
        }
}

void room_settled(struct core *core, const struct cmi_id *id)
{
        struct stranger *stranger = find(core, id);

        if (stranger) {
                stranger->live_ns = 0;
        }
}

bool room_is_short(const struct core *core, struct cmi_time now)
{
        for (uint32_t i = 0; i < STRANGERS_MAX; i++) {
                uint64_t live_ns = core->strangers[i].live_ns;

                if (live_ns != 0 && now.mono_ns - live_ns < STRANGER_NS) {
                        return true;
                }
        }
        return core->strangers_ns != 0 && now.mono_ns - core->strangers_ns < STRANGER_NS;
}

/* What is served by its TTL needs no lease, once the node was live. */
bool room_is_served(const struct core *core, struct cmi_time now)
{
        return core->state == CORE_LIVE || core->was_live ||
               (core->has_predecessor && now.mono_ns < core->pause_end_ns);
}

bool room_is_left(const struct core *core)
{
        return core->n_members < core->options.max_peers;
}
