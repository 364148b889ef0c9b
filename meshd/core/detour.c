/* SPDX-License-Identifier: MIT */
/*
 * Another way to a member. A link that is not answered for a lease may lead to an address that is
 * dead while another one of the member's addresses is not: they are tried one after the other, on a
 * link beside the member's own. The HELLO on it echoes the member's token, as on its own link, and
 * the first link whose token comes back is the member's from then on (link.c). Nothing is given up
 * before that, so a member that is only slow keeps its link.
 *
 * Both sides find out by themselves. Whoever is greeted on a new link tries again at once, if its
 * own link is not answered either: the other one's next HELLO has to come back by that.
 */
#include "meshd/core/state.h"

#define DETOUR_NS (2 * CMI_NS_PER_S) /* time that one address gets */
#define PAUSE_MAX_NS (30 * CMI_NS_PER_S)
#define DETOURS_MAX (CORE_LINKS_SPARE / 2) /* at once; candidates need links, too */

/* Has the member's link brought something there, lately? A link that is new gets a lease, too, as
 * does everybody after this node itself was away. */
static bool is_answered(const struct core *core, struct cmi_time now, const struct member *member)
{
        uint64_t since = core->links[member->link].opened_ns;

        since = since > core->since_ns ? since : core->since_ns;
        since = since > member->echoed_ns ? since : member->echoed_ns;
        return now.mono_ns - since < core->options.lease_ns;
}

static uint32_t count(const struct core *core)
{
        uint32_t n = 0;

        for (uint32_t i = 0; i < core->link_limit; i++) {
                n += core->links[i].is_used && core->links[i].detour_of != NONE;
        }
        return n;
}

/* The first round goes through all addresses without a pause, then pauses grow. */
static uint64_t pause_ns(const struct member *member)
{
        uint32_t n_rounds = member->n_detours / member->n_endpoints;

        if (n_rounds == 0) {
                return 0;
        }
        return n_rounds > 4 ? PAUSE_MAX_NS : (UINT64_C(1) << n_rounds) * CMI_NS_PER_S;
}

static void begin(struct core *core, struct cmi_time now, struct member *member)
{
        const struct cmi_endpoint *endpoint =
                        &member->endpoints[member->n_detours % member->n_endpoints];
        struct link *link;

        if (count(core) >= DETOURS_MAX) {
                return;
        }
        member->n_detours++;
        if (link_is_open(core, endpoint) || link_open(core, now, endpoint, NULL, &link) < 0) {
                return;
        }
        link->detour_of = member_index(core, member);
        member->detour = (uint32_t)(link - core->links);
        member->detour_ns = now.mono_ns + DETOUR_NS + pause_ns(member);
}

void detour_end(struct core *core, struct member *member)
{
        if (member->detour != NONE) {
                link_close(core, &core->links[member->detour]);
        }
        detour_hasten(member);
}

void detour_hasten(struct member *member)
{
        member->n_detours = 0;
        member->detour_ns = 0;
}

void detour_tick(struct core *core, struct cmi_time now, struct member *member)
{
        if (member->n_endpoints < 2 || member->link == NONE || member->state == MEMBER_LEFT ||
                        is_answered(core, now, member)) {
                detour_end(core, member);
        } else if (member->detour != NONE) {
                const struct link *link = &core->links[member->detour];

                if (now.mono_ns - link->opened_ns >= DETOUR_NS) {
                        link_close(core, &core->links[member->detour]);
                }
        } else if (now.mono_ns >= member->detour_ns) {
                begin(core, now, member);
        }
}
