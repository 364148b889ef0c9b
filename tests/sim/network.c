/* SPDX-License-Identifier: MIT */
/*
 * Links as ZeroMQ over TCP gives them: in order while a connection lasts; what was queued when it
 * breaks is lost in part; after it comes another connection, of which only the receiver learns; a
 * full queue refuses. A frame may wait for long in a cut or stopped path, and may come from, or to,
 * a process that has died meanwhile.
 */
#include "tests/sim/world.h"

#include <errno.h>
#include <stdlib.h>

bool network_is_whole(const struct world *world, uint32_t from, uint32_t to)
{
        return world->cuts[from][to] == 0 && world->cuts[to][from] == 0;
}

static void try_later(struct node *node, uint32_t link, uint64_t delay_ns)
{
        world_add(node->world, delay_ns, EVENT_CONNECT, node->index << 16 | link,
                        node->dealers[link].serial, NULL);
}

int network_dial(void *context, uint32_t link, const struct cmi_endpoint *endpoint)
{
        struct node *node = context;
        struct world *world = node->world;
        struct dealer *dealer = &node->dealers[link];

        node_interruption(node);
        if (link >= LINKS_MAX || dealer->is_open) {
                violation(world, "link %u of %s is dialled twice or too high", link, node->name);
                return -EINVAL;
        }
        budget_dialled(node, link);
        *dealer = (struct dealer){.is_open = true, .serial = (uint32_t)++world->n_cookies};
        dealer->retry_ns = world->options.lease_ns / 20;
        if (!address_find(world, endpoint, &dealer->to, &dealer->address)) {
                return -EINVAL;
        }
        trace(world, "%s dials node%u as link %u", node->name, dealer->to, link);
        try_later(node, link, random_below(&world->random, world->options.latency_ns));
        return 0;
}

static void drop_frames_after(struct connection *connection, uint32_t n_kept)
{
        struct frame **end = &connection->first;

        while (*end && n_kept > 0) {
                end = &(*end)->next;
                n_kept--;
        }
        while (*end) {
                struct frame *frame = *end;

                *end = frame->next;
                free(frame);
                connection->n_frames--;
        }
        connection->last = connection->first;
        while (connection->last && connection->last->next) {
                connection->last = connection->last->next;
        }
}

/* What left the sender's process may still come, the rest is lost. */
static void detach(struct world *world, struct connection *connection)
{
        connection->is_attached = false;
        drop_frames_after(connection,
                        (uint32_t)random_below(&world->random, connection->n_frames + 1));
}

void network_hangup(void *context, uint32_t link)
{
        struct node *node = context;
        struct dealer *dealer = &node->dealers[link];

        node_interruption(node);
        trace(node->world, "%s hangs link %u up", node->name, link);
        if (dealer->connection) {
                detach(node->world, dealer->connection);
        }
        *dealer = (struct dealer){0};
}

static bool is_full(const struct world *world, const struct connection *connection)
{
        return connection->n_frames + connection->n_unconfirmed >= world->options.queue_max;
}

static struct frame *make_frame(struct cmi_slice header, struct cmi_slice body)
{
        struct frame *frame = malloc(sizeof(*frame) + header.len + body.len);

        if (!frame) {
                abort();
        }
        frame->next = NULL;
        frame->header_len = (uint32_t)header.len;
        frame->body_len = (uint32_t)body.len;
        memcpy(frame->bytes, header.data, header.len);
        if (body.len > 0) {
                memcpy(frame->bytes + header.len, body.data, body.len);
        }
        return frame;
}

static uint64_t draw_latency(struct world *world)
{
        struct options *options = &world->options;
        uint64_t latency = options->latency_ns + random_below(&world->random, options->jitter_ns);

        if (random_chance(&world->random, options->spike_ppm)) {
                latency += random_below(&world->random, options->spike_ns);
        }
        return latency;
}

static void schedule(struct world *world, struct connection *connection, uint64_t extra_ns)
{
        uint64_t delay = connection->first->arrives_ns > world->now_ns
                                         ? connection->first->arrives_ns - world->now_ns
                                         : 0;

        connection->is_scheduled = true;
        world_add(world, delay + extra_ns, EVENT_FRAME, connection->to, 0, connection);
}

int network_send(void *context, uint32_t link, struct cmi_slice header, struct cmi_slice body,
                uint64_t body_id)
{
        struct node *node = context;
        struct world *world = node->world;
        struct dealer *dealer = &node->dealers[link];
        struct connection *connection;
        struct frame *frame;

        node_interruption(node);
        connection = dealer->connection;
        if (link >= LINKS_MAX || !dealer->is_open) {
                violation(world, "%s sends on link %u, which is not open", node->name, link);
                return -EINVAL;
        }
        if (!connection || is_full(world, connection)) {
                dealer->is_refused = true;
                return -EAGAIN;
        }
        budget_sent(node, header, body);
        post_frame(node, connection, header);
        frame = make_frame(header, body);
        frame->arrives_ns = world->now_ns + draw_latency(world);
        if (frame->arrives_ns < connection->last_arrival_ns) {
                frame->arrives_ns = connection->last_arrival_ns;
        }
        connection->last_arrival_ns = frame->arrives_ns;
        if (connection->last) {
                connection->last->next = frame;
        } else {
                connection->first = frame;
        }
        connection->last = frame;
        connection->n_frames++;
        if (!connection->is_scheduled) {
                schedule(world, connection, 0);
        }
        world->tally.n_frames++;
        nemesis_sent(world, connection);
        if (trace_is_on(world)) {
                trace_frame(world, "sends to", node->index, dealer->to, header, body);
        }
        node_interruption(node);
        return 0;
}

/* The writer learns that there is room again. */
static void announce_room(struct world *world, uint32_t from, uint32_t link)
{
        struct dealer *dealer = &world->nodes[from].dealers[link];

        if (dealer->is_open && dealer->is_refused && !dealer->is_announced && dealer->connection &&
                        !is_full(world, dealer->connection)) {
                dealer->is_announced = true;
                world_add(world, random_below(&world->random, 20000), EVENT_WRITABLE,
                                from << 16 | link, dealer->serial, NULL);
        }
}

bool network_has_connection(const struct world *world, uint32_t from, uint32_t to)
{
        for (uint32_t link = 0; link < LINKS_MAX; link++) {
                const struct dealer *dealer = &world->nodes[from].dealers[link];

                if (dealer->is_open && dealer->to == to && dealer->connection &&
                                dealer->connection->to_life == world->nodes[to].life) {
                        return true;
                }
        }
        return false;
}

static void connect_now(struct node *node, uint32_t link)
{
        struct world *world = node->world;
        struct dealer *dealer = &node->dealers[link];
        struct connection *connection = sim_allocate(sizeof(*connection));

        *connection = (struct connection){
                        .next = world->connections,
                        .id = random_next(&world->random),
                        .from = node->index,
                        .to = dealer->to,
                        .address = dealer->address,
                        .from_life = node->life,
                        .to_life = world->nodes[dealer->to].life,
                        .link = link,
                        .is_attached = true,
        };
        world->connections = connection;
        dealer->connection = connection;
        dealer->retry_ns = world->options.lease_ns / 20;
        trace(world, "%s connected to node%u, link %u", node->name, dealer->to, link);
        announce_room(world, node->index, link);
}

void network_connect_event(struct world *world, const struct event *event)
{
        struct node *node = &world->nodes[event->a >> 16];
        uint32_t link = event->a & 0xffff;
        struct dealer *dealer = &node->dealers[link];
        struct node *target = &world->nodes[dealer->to];

        if (!dealer->is_open || dealer->serial != event->b || dealer->connection) {
                return;
        }
        /* ZeroMQ's own threads connect, so a stopped process does not. */
        if (network_is_whole(world, node->index, target->index) && target->is_up &&
                        world->dead[target->index][dealer->address] == 0 &&
                        target->n_freezes + target->n_stops == 0 &&
                        node->n_freezes + node->n_stops == 0) {
                connect_now(node, link);
                return;
        }
        try_later(node, link, dealer->retry_ns + random_below(&world->random, dealer->retry_ns));
        if (dealer->retry_ns < world->options.retry_ns) {
                dealer->retry_ns *= 2;
        }
}

void network_writable_event(struct world *world, const struct event *event)
{
        struct node *node = &world->nodes[event->a >> 16];
        uint32_t link = event->a & 0xffff;
        struct dealer *dealer = &node->dealers[link];

        if (!dealer->is_open || dealer->serial != event->b) {
                return;
        }
        dealer->is_announced = false;
        if (node_is_running(node) && dealer->is_refused && dealer->connection &&
                        !is_full(world, dealer->connection)) {
                dealer->is_refused = false;
                node_call(node, &(struct call){.kind = CALL_WRITABLE, .link = link});
        }
}

void network_frame_event(struct world *world, struct connection *connection)
{
        struct node *node = &world->nodes[connection->to];
        struct frame *frame = connection->first;

        connection->is_scheduled = false;
        if (frame && (!node->is_up || node->life != connection->to_life)) {
                if (node->life >= connection->to_life) {
                        drop_frames_after(connection, 0);
                }
                return;
        }
        if (!frame || world->cuts[connection->from][connection->to] > 0 ||
                        world->dead[connection->to][connection->address] > 0 ||
                        !node_is_running(node)) {
                return;
        }
        connection->first = frame->next;
        if (!connection->first) {
                connection->last = NULL;
        }
        connection->n_frames--;
        if (world->cuts[connection->to][connection->from] > 0) {
                connection->n_unconfirmed++;
        }
        if (connection->is_attached) {
                announce_room(world, connection->from, connection->link);
        }
        if (connection->first) {
                schedule(world, connection, 1000);
        }
        if (trace_is_on(world)) {
                trace_frame(world, "reaches", connection->from, connection->to,
                                cmi_slice(frame->bytes, frame->header_len),
                                cmi_slice(frame->bytes + frame->header_len, frame->body_len));
        }
        node_call(node, &(struct call){.kind = CALL_RECEIVE,
                                        .connection = connection->id,
                                        .frame = frame});
}

void network_break(struct world *world, struct connection *connection)
{
        struct node *node = &world->nodes[connection->from];
        struct dealer *dealer = &node->dealers[connection->link];

        if (!connection->is_attached) {
                return;
        }
        trace(world, "connection from node%u to node%u breaks, link %u, %u frames under way",
                        connection->from, connection->to, connection->link, connection->n_frames);
        detach(world, connection);
        dealer->connection = NULL;
        try_later(node, connection->link, dealer->retry_ns);
}

void network_break_event(struct world *world, const struct event *event)
{
        struct connection *connection = event->object;
        const struct node *node = &world->nodes[connection->to];

        if (event->a == NETWORK_BREAK_ANYWAY) {
                nemesis_break_event(world, connection);
        } else if (!network_is_whole(world, connection->from, connection->to) ||
                        world->dead[connection->to][connection->address] > 0 ||
                        node->life != connection->to_life || !node->is_up) {
                network_break(world, connection);
        }
}

void network_kick(struct world *world, uint32_t to)
{
        struct connection *connection;

        for (connection = world->connections; connection; connection = connection->next) {
                if (connection->first && !connection->is_scheduled && connection->to == to &&
                                world->cuts[connection->from][to] == 0) {
                        schedule(world, connection, random_below(&world->random, 100000));
                }
        }
        for (uint32_t link = 0; link < LINKS_MAX; link++) {
                announce_room(world, to, link);
        }
}

void network_cut(struct world *world, uint32_t from, uint32_t to, uint64_t duration_ns)
{
        struct connection *connection;

        trace(world, "node%u to node%u: cut for %.3f s", from, to, (double)duration_ns / 1e9);
        world->cuts[from][to]++;
        world_add(world, duration_ns, EVENT_HEAL, from, to, NULL);
        for (connection = world->connections; connection; connection = connection->next) {
                bool is_crossed = (connection->from == from && connection->to == to) ||
                                  (connection->from == to && connection->to == from);

                if (connection->is_attached && is_crossed) {
                        world_add(world,
                                        random_duration(&world->random, world->options.lease_ns / 8,
                                                        world->options.lease_ns * 16),
                                        EVENT_BREAK, 0, 0, connection);
                }
        }
}

void network_heal(struct world *world, uint32_t from, uint32_t to)
{
        struct connection *connection;

        if (world->cuts[from][to] == 0) {
                return;
        }
        trace(world, "node%u to node%u: a cut ends", from, to);
        world->cuts[from][to]--;
        for (connection = world->connections; connection; connection = connection->next) {
                if (connection->from == to && connection->to == from) {
                        connection->n_unconfirmed = 0;
                        if (connection->is_attached) {
                                announce_room(world, connection->from, connection->link);
                        }
                }
        }
        network_kick(world, to);
}

/* A dead process's frames in its kernel still go; of those to it, a few reach its successor. */
void network_process_ended(struct node *node, bool is_host)
{
        struct world *world = node->world;
        struct connection *connection;

        for (connection = world->connections; connection; connection = connection->next) {
                if (!connection->is_attached) {
                        continue;
                }
                if (connection->from == node->index && connection->from_life == node->life) {
                        detach(world, connection);
                } else if (connection->to == node->index) {
                        uint64_t most = is_host ? 3 * world->options.lease_ns
                                                : 2 * world->options.latency_ns;

                        if (connection->from != connection->to &&
                                        random_chance(&world->random, 100000)) {
                                connection->to_life = node->life + 1;
                                network_break(world, connection);
                        }
                        world_add(world, random_between(&world->random, most / 2, most),
                                        EVENT_BREAK, 0, 0, connection);
                }
        }
        for (uint32_t link = 0; link < LINKS_MAX; link++) {
                node->dealers[link] = (struct dealer){0};
        }
}

void network_free(struct world *world)
{
        while (world->connections) {
                struct connection *connection = world->connections;

                world->connections = connection->next;
                drop_frames_after(connection, 0);
                free(connection);
        }
}
