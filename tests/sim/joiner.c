/* SPDX-License-Identifier: MIT */
/*
 * A node that comes when the others serve already. It has nothing on its disk, and is cut off from
 * one of them at first: no beacon of that one comes, and it has to hear of it from the rest. All
 * are well otherwise, so each of them knows whom it has to name.
 */
#include "tests/sim/joiner.h"

#include "tests/sim/world.h"

static bool is_there(const struct world *world)
{
        return world->options.late_joiner > 0 && world->options.n_nodes > 2;
}

/* The same whenever it is asked for. */
static struct random chance(const struct world *world)
{
        struct random random = {
                        world->seed * UINT64_C(0x9e3779b97f4a7c15) + 1 + (UINT64_C(66) << 56)};

        random_next(&random);
        return random;
}

/* Others are up after three leases, and serve after two more. */
static uint64_t draw_late_ns(const struct world *world, struct random *random)
{
        return random_between(random, 4 * world->options.lease_ns, 6 * world->options.lease_ns);
}

void joiner_begin(struct world *world)
{
        struct random random = chance(world);
        uint32_t joiner = world->options.n_nodes - 1;
        uint32_t other = joiner - 1;
        uint64_t lease_ns = world->options.lease_ns;
        uint64_t for_ns;

        if (!is_there(world)) {
                return;
        }
        for_ns = draw_late_ns(world, &random) +
                 random_between(&random, 6 * lease_ns, 12 * lease_ns);
        network_cut(world, joiner, other, for_ns);
        network_cut(world, other, joiner, for_ns);
}

uint64_t joiner_late_ns(const struct world *world, uint32_t node)
{
        struct random random = chance(world);

        return is_there(world) && node == world->options.n_nodes - 1 ? draw_late_ns(world, &random)
                                                                     : 0;
}
