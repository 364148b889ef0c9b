/* SPDX-License-Identifier: MIT */
/*
 * C11: what a core uses stays within what it was given and what is asked of it. Its memory, log,
 * intents and page end where they should; it opens only the links it may; what it sends has its
 * size, and in a lease no more frames than its peers and its apps give it reason for; it knows
 * nobody but its peers, keeps only the waits that somebody waits for, and the intents, regions and
 * questions that have a maximum. That it does not keep its loop busy is in node.c.
 */
#include "tests/sim/world.h"

#include <stdlib.h>

#define GUARD_SIZE 64
#define GUARD_BYTE 0xa5
/*
 * In a lease of the node's own, to each peer. Where a grant is missing there are 32 beats, else
 * four, and one for each acknowledgement that somebody waits for. HELLOs are 20 ms apart, so there
 * may be 50 in the longest lease that is drawn, but not while there are so many beats. What is left
 * is for operations, NACKs and answers: the busiest of 10,000 seeds comes to half of it.
 */
#define FRAMES_MAX 100

void *budget_allocate(size_t size)
{
        size_t whole = (size + GUARD_SIZE + 63) & ~(size_t)63;
        uint8_t *memory = aligned_alloc(64, whole);

        if (!memory) {
                abort();
        }
        memset(memory, 0, size);
        memset(memory + size, GUARD_BYTE, GUARD_SIZE);
        return memory;
}

static void check_guard(struct node *node, const char *what, const void *memory, size_t size)
{
        const uint8_t *guard = (const uint8_t *)memory + size;

        for (size_t i = 0; i < GUARD_SIZE; i++) {
                if (guard[i] != GUARD_BYTE) {
                        violation(node->world, "C11 %s: written behind its %s", node->name, what);
                        return;
                }
        }
}

static void check_most(struct node *node, const char *what, uint64_t n, uint64_t most)
{
        if (n > most) {
                violation(node->world, "C11 %s has %llu %s, which is over %llu", node->name,
                                (unsigned long long)n, what, (unsigned long long)most);
        }
}

static uint64_t n_awaited(const struct node *node)
{
        uint64_t n = 0;

        for (uint32_t i = 0; i < node->world->options.n_apps; i++) {
                const struct app *app = &node->world->apps[node->index][i];

                for (uint32_t j = 0; j < WRITES_MAX; j++) {
                        const struct sim_write *write = &app->writes[j];

                        n += write->stage == WRITE_WAITING && write->node_life == node->life &&
                             !write->is_dropped;
                }
        }
        return n;
}

void budget_check(struct node *node)
{
        const struct options *options = &node->world->options;
        struct core_status status;

        check_guard(node, "core", node->core_memory, node->core_size);
        check_guard(node, "log", node->log_memory, options->log_size);
        check_guard(node, "intents", node->intents, sizeof(*node->intents));
        check_guard(node, "page", node->page->memory, node->page->size);
        core_status(node->core, &status);
        check_most(node, "members", status.n_members, options->n_nodes - 1);
        check_most(node, "waits", status.n_waits, n_awaited(node));
        check_most(node, "open intents", status.n_intents, CORE_INTENTS_MAX);
        check_most(node, "regions", status.n_regions, CMI_PAGE_REGIONS);
        check_most(node, "questions", node->n_questions, CORE_QUERIES_MAX);
}

void budget_dialled(struct node *node, uint32_t link)
{
        check_most(node, "links", link + 1, PEERS_MAX + CORE_LINKS_SPARE);
}

void budget_sent(struct node *node, struct cmi_slice header, struct cmi_slice body)
{
        struct world *world = node->world;
        uint64_t n_peers = world->options.n_nodes - 1;

        check_most(node, "bytes in a header", header.len, CMI_FRAME_HEADER_MAX);
        check_most(node, "bytes in a frame", body.len, CMI_FRAME_BODY_MAX);
        if (world->now_ns - node->counted_ns >= uneven_lease_ns(node)) {
                node->counted_ns = world->now_ns;
                node->n_counted = 0;
        }
        node->n_counted++;
        if (node->n_counted > world->tally.n_frames_lease * n_peers) {
                world->tally.n_frames_lease = (node->n_counted + n_peers - 1) / n_peers;
        }
        check_most(node, "frames in a lease", node->n_counted, FRAMES_MAX * n_peers);
}
