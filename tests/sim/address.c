/* SPDX-License-Identifier: MIT */
/*
 * Addresses of nodes. With two, one may die while the other does not: what was sent to it waits, or
 * is lost with its connection, and nobody connects to it.
 */
#include "tests/sim/world.h"

#define PORT 6781

uint32_t address_count(const struct options *options)
{
        return options->n_addresses > 1 ? options->n_addresses : 1;
}

struct cmi_endpoint address_endpoint(uint32_t node, uint32_t address)
{
        return (struct cmi_endpoint){.family = 4,
                        .port = PORT,
                        .address = {10, 0, (uint8_t)address, (uint8_t)(node + 1)}};
}

bool address_find(const struct world *world, const struct cmi_endpoint *endpoint,
                uint32_t *ret_node, uint32_t *ret_address)
{
        for (uint32_t i = 0; i < world->options.n_nodes * address_count(&world->options); i++) {
                uint32_t node = i % world->options.n_nodes;
                uint32_t address = i / world->options.n_nodes;
                struct cmi_endpoint known = address_endpoint(node, address);

                if (cmi_endpoint_equal(endpoint, &known)) {
                        *ret_node = node;
                        *ret_address = address;
                        return true;
                }
        }
        return false;
}

void address_die(struct world *world, const struct act *act)
{
        uint64_t most = 16 * world->options.lease_ns;
        struct connection *connection;
        uint32_t address = (uint32_t)act->address.which;

        if (act->address.which < 0 || address >= address_count(&world->options)) {
                return;
        }
        trace(world, "node%u: address %u is dead for %.3f s", act->node, address,
                        (double)act->address.for_ns / 1e9);
        world->dead[act->node][address]++;
        world_add(world, (uint64_t)act->address.for_ns, EVENT_ADDRESS, act->node, address + 1,
                        NULL);
        for (connection = world->connections; connection; connection = connection->next) {
                if (connection->is_attached && connection->to == act->node &&
                                connection->address == address) {
                        world_add(world,
                                        random_duration(&world->random, world->options.lease_ns / 8,
                                                        most),
                                        EVENT_BREAK, 0, 0, connection);
                }
        }
}

void address_revive(struct world *world, uint32_t node, uint32_t address)
{
        if (world->dead[node][address] > 0) {
                trace(world, "node%u: address %u lives again", node, address);
                world->dead[node][address]--;
                network_kick(world, node);
        }
}

static void kill_any(struct world *world)
{
        const struct options *options = &world->options;
        struct act act = {.at_ns = world->now_ns, .kind = ACT_ADDRESS};

        act.node = (uint32_t)random_below(&world->more, options->n_nodes);
        act.address.which = (int64_t)random_below(&world->more, address_count(options));
        act.address.for_ns = (int64_t)random_duration(
                        &world->more, options->lease_ns / 10, 2 * options->fault_max_ns);
        act_do(world, &act);
}

void address_event(struct world *world, const struct event *event)
{
        uint64_t mean = world->options.fault_ns;

        if (event->b > 0) {
                address_revive(world, event->a, (uint32_t)event->b - 1);
        } else if (world->stage == STAGE_CHAOS) {
                kill_any(world);
                world_add(world, random_between(&world->more, mean, 4 * mean), EVENT_ADDRESS, 0, 0,
                                NULL);
        }
}
