/* SPDX-License-Identifier: MIT */
/*
 * Messages between nodes. Nodes post some to others now and then, and go on as if nothing was when
 * they are refused.
 *
 * C15 What arrives was posted by that process of that node to this process of this one, arrives
 *     once, and after all that was posted before it and arrives at all.
 * C16 A message goes when operations and beats have gone, and no beat finds more than
 *     CORE_POST_WINDOW of them before it on its connection.
 */
#include "tests/sim/world.h"

#include <errno.h>

#define N_MOST 40
#define HEADER_TYPE_AT 5 /* byte of a frame's header, see docs/reference/mesh-protocol.md */

static_assert(POSTING_NODES == NODES_MAX, "each node posts to each");

struct message {
        uint64_t number;
        uint64_t from_life, from_incarnation;
        uint64_t to_incarnation;
        uint32_t from, to;
};

void post_set_up(struct world *world, struct random random)
{
        world->posting = (struct posting){.random = random};
}

/* Drawn */

void post_event(struct world *world)
{
        const struct options *options = &world->options;
        struct random *random = &world->posting.random;
        static const uint32_t sizes[] = {sizeof(struct message), 100, 9000, 30000, 64000};
        struct act act = {.at_ns = world->now_ns, .kind = ACT_POST};

        if (world->stage != STAGE_CHAOS) {
                return;
        }
        act.node = (uint32_t)random_below(random, options->n_nodes);
        act.post.to = (act.node + 1 + (uint32_t)random_below(random, options->n_nodes - 1)) %
                      options->n_nodes;
        act.post.size = sizes[random_below(random, sizeof(sizes) / sizeof(sizes[0]))];
        act.post.n = (int64_t)random_between(random, 1, random_chance(random, 200000) ? N_MOST : 3);
        act_do(world, &act);
        world_add(world, random_between(random, options->post_ns / 2, options->post_ns * 3 / 2),
                        EVENT_POST, 0, 0, NULL);
}

/* As the node's core knows it. Return: is it known? */
static bool find_member(const struct node *node, uint32_t index, struct core_member *ret_member)
{
        const struct cmi_id *id = &node->world->nodes[index].id;

        for (uint32_t i = 0; core_member(node->core, node->call.now, i, ret_member) == 0; i++) {
                if (cmi_id_equal(&ret_member->id, id)) {
                        return true;
                }
        }
        return false;
}

static uint64_t incarnation_of(const struct node *node)
{
        struct core_status status;

        core_status(node->core, &status);
        return status.incarnation;
}

static int post_one(struct node *node, uint32_t to, uint64_t to_incarnation, size_t size)
{
        static uint8_t bytes[CMI_POST_MAX];
        struct world *world = node->world;
        struct message message = {
                        .number = ++world->posting.n_posted,
                        .from_life = node->life,
                        .from_incarnation = incarnation_of(node),
                        .to_incarnation = to_incarnation,
                        .from = node->index,
                        .to = to,
        };

        memcpy(bytes, &message, sizeof(message));
        return core_post(node->core, node->call.now, &world->nodes[to].id, cmi_slice(bytes, size));
}

void post_many(struct node *node, const struct act *act)
{
        struct world *world = node->world;
        struct core_member member = {0};
        uint32_t to = (uint32_t)act->post.to;
        int64_t n = 0;
        int r = 0;

        if (act->post.size < (int64_t)sizeof(struct message) || act->post.size > CMI_POST_MAX) {
                return;
        }
        find_member(node, to, &member);
        while (n < act->post.n && r == 0) {
                r = post_one(node, to, member.incarnation, (size_t)act->post.size);
                n += r == 0;
        }
        world->tally.n_posts += (uint64_t)n;
        trace(world, "%s: %lld messages of %lld bytes to node%u, then %d", node->name, (long long)n,
                        (long long)act->post.size, to, r);
        if (r < 0 && r != -EAGAIN && r != -EHOSTUNREACH &&
                        (r != -ESHUTDOWN || node->stopping == STOP_NO)) {
                violation(world, "core_post() of %s says %d", node->name, r);
        }
}

void post_postable(void *context, const struct cmi_id *id)
{
        struct node *node = context;

        node_interruption(node);
        trace_story(node->world, id->bytes[0]);
}

/* C15 */

static void check_ends(const struct node *node, const struct message *message,
                const struct cmi_id *id, uint64_t incarnation)
{
        struct world *world = node->world;

        if (message->to != node->index || message->to_incarnation != incarnation_of(node)) {
                violation(world, "C15 %s, incarnation %llu, gets a message for node%u, %llu",
                                node->name, (unsigned long long)incarnation_of(node), message->to,
                                (unsigned long long)message->to_incarnation);
        }
        if (!cmi_id_equal(id, &world->nodes[message->from].id) ||
                        incarnation != message->from_incarnation) {
                violation(world, "C15 %s is told another sender than node%u, %llu", node->name,
                                message->from, (unsigned long long)message->from_incarnation);
        }
}

static void check_order(struct node *node, const struct message *message)
{
        struct world *world = node->world;
        struct posting *posting = &world->posting;
        uint64_t *number = &posting->heard[message->from][node->index].number;

        if (posting->heard[message->from][node->index].life != node->life) {
                posting->heard[message->from][node->index].life = node->life;
                posting->heard[message->from][node->index].from_life = 0;
        }
        if (message->from_life < posting->heard[message->from][node->index].from_life) {
                violation(world,
                                "C15 %s gets message %llu of a process of node%u that had a "
                                "successor",
                                node->name, (unsigned long long)message->number, message->from);
        }
        if (message->from_life != posting->heard[message->from][node->index].from_life) {
                posting->heard[message->from][node->index].from_life = message->from_life;
                *number = 0;
        }
        if (message->number <= *number) {
                violation(world, "C15 %s gets message %llu of node%u after %llu", node->name,
                                (unsigned long long)message->number, message->from,
                                (unsigned long long)*number);
        }
        *number = message->number;
}

void post_message(void *context, const struct cmi_id *id, uint64_t incarnation,
                struct cmi_slice bytes)
{
        struct node *node = context;
        struct message message;

        node_interruption(node);
        if (bytes.len < sizeof(message)) {
                violation(node->world, "C15 %s gets a message that nobody posted", node->name);
                return;
        }
        memcpy(&message, bytes.data, sizeof(message));
        trace_story(node->world, message.number);
        node->world->tally.n_messages++;
        check_ends(node, &message, id, incarnation);
        check_order(node, &message);
        node_interruption(node);
}

/* C16 */

static uint8_t type_of(struct cmi_slice header)
{
        return header.len > HEADER_TYPE_AT ? ((const uint8_t *)header.data)[HEADER_TYPE_AT] : 0;
}

/* To which process of its node it goes. */
static uint64_t destination_of(const struct frame *frame)
{
        struct cmi_frame_header header = {0};

        cmi_frame_header_decode(cmi_slice(frame->bytes, frame->header_len), &header);
        return header.destination_incarnation;
}

/* Each process has a window of its own; what was for the one before is dropped there unread. */
static void check_beat(struct node *node, const struct connection *connection)
{
        uint64_t incarnation = connection->last ? destination_of(connection->last) : 0;
        uint64_t before = 0;

        for (const struct frame *frame = connection->first; frame; frame = frame->next) {
                if (destination_of(frame) != incarnation) {
                        continue;
                }
                if (type_of(cmi_slice(frame->bytes, frame->header_len)) == CMI_FRAME_SESSION) {
                        before += frame->body_len < CORE_POST_COST ? CORE_POST_COST
                                                                   : frame->body_len;
                }
        }
        /* Bodies are a little larger than what they carry. */
        if (before > CORE_POST_WINDOW + CORE_POST_WINDOW / 64) {
                violation(node->world, "C16 a beat of %s finds %llu bytes of messages before it",
                                node->name, (unsigned long long)before);
        }
        node->world->posting.beats[node->index][connection->to].life = node->life;
        node->world->posting.beats[node->index][connection->to].beat_ns = node->call.now.mono_ns;
}

static void check_post(struct node *node, const struct connection *connection)
{
        struct world *world = node->world;
        struct core_member member;
        uint64_t beat_ns = world->posting.beats[node->index][connection->to].beat_ns;

        if (world->posting.beats[node->index][connection->to].life != node->life ||
                        node->call.now.mono_ns - beat_ns >= uneven_lease_ns(node) / 4) {
                violation(world, "C16 a message of %s to node%u goes before a beat", node->name,
                                connection->to);
        }
        if (find_member(node, connection->to, &member) && member.sent < log_newest(&node->log)) {
                violation(world, "C16 a message of %s to node%u goes before operation %llu",
                                node->name, connection->to,
                                (unsigned long long)log_newest(&node->log));
        }
        node->n_counted--; /* what may be sent of these has a limit of its own */
}

void post_frame(struct node *node, const struct connection *connection, struct cmi_slice header)
{
        if (type_of(header) == CMI_FRAME_BEAT) {
                check_beat(node, connection);
        } else if (type_of(header) == CMI_FRAME_SESSION) {
                check_post(node, connection);
        }
}
