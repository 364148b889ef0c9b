/* SPDX-License-Identifier: MIT */
/*
 * meshd --obituary: a process that goes on with the stream of one that died, meets the others, and
 * ends in order, so that they need not wait for the dead one any more. Apps find it as they find
 * any meshd. It plays what meshd/obituary.c decides.
 */
#include "tests/sim/world.h"

void obituary_begin(struct node *node)
{
        struct world *world = node->world;

        if (node->is_up || node->life == 0 || node->is_log_lost || node->is_closed) {
                return;
        }
        trace(world, "%s: somebody speaks for the dead meshd", node->name);
        world->tally.n_obituaries++;
        node_start_for_dead(node);
        node->obituary_ns = world->now_ns;
        world_add(world, world->options.lease_ns / 100, EVENT_STOPPING, node->index, node->life,
                        NULL);
}

static bool has_open_member(const struct node *node)
{
        struct core_member member;

        for (uint32_t i = 0; core_member(node->core, node_clock(node), i, &member) == 0; i++) {
                if (member.state != MEMBER_LIVE && member.state != MEMBER_GONE &&
                                member.state != MEMBER_LEFT) {
                        return true;
                }
        }
        return false;
}

bool obituary_is_over(const struct node *node)
{
        const struct options *options = &node->world->options;
        uint64_t most_ns = 3 * options->lease_ns + uneven_gone_ns(node);

        return node->world->now_ns - node->obituary_ns >= most_ns ||
               (audit_is_live(node) && !has_open_member(node));
}
