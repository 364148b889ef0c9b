/* SPDX-License-Identifier: MIT */
/*
 * The spool of a host: what apps could not hand to a meshd, kept beyond their own life, and
 * published by the next meshd before it serves any app. A living app hands the same over itself, so
 * much of it is published twice. It is lost with the host.
 */
#include "meshd/core/mutant.h"
#include "tests/sim/world.h"

#include <stdlib.h>

struct spooled {
        struct spooled *next;
        const struct sim_write *original;
        uint64_t app_life;
        struct sim_write write; /* a copy */
};

static void keep(struct node *node, const struct sim_write *write)
{
        for (uint32_t i = 0; i < node->world->options.n_keys; i++) {
                if ((write->keys & 1u << i) && node->kept[i] < write->announced[i]) {
                        node->kept[i] = write->announced[i];
                }
        }
}

void spool_append(struct sim_write *write)
{
        struct node *node = write->app->node;
        struct spooled **end = &node->spool;
        struct spooled *spooled;

        if (!node->world->options.has_spool || write->is_spooled) {
                return;
        }
        spooled = sim_allocate(sizeof(*spooled));
        *spooled = (struct spooled){
                        .original = write, .app_life = write->app->life, .write = *write};
        while (*end) {
                end = &(*end)->next;
        }
        *end = spooled;
        write->is_spooled = true;
        keep(node, write);
        trace(node->world, "%s: app %u spools keys %x", node->name, write->app->index, write->keys);
}

void spool_drop(const struct sim_write *write)
{
        struct spooled **at = &write->app->node->spool;

        while (*at) {
                struct spooled *spooled = *at;

                if (spooled->original == write && spooled->app_life == write->app->life) {
                        *at = spooled->next;
                        free(spooled);
                } else {
                        at = &spooled->next;
                }
        }
}

static void publish(struct node *node, struct sim_write *write, struct cmi_time now)
{
        struct world *world = node->world;
        uint64_t number = 0;
        int r;

        for (uint32_t i = 0; i < world->options.n_keys; i++) {
                write->versions[i] = world->keys[i].newest;
        }
        if (write->intent == INTENT_ENDS) {
                judge_intent_ended(world, write);
        }
        r = core_publish(node->core, now, cmi_slice(write->op, write->op_len), CMI_WAIT_NONE, 0, 0,
                        &number);
        trace(world, "%s: keys %x of the spool are published as %llu: %d", node->name, write->keys,
                        (unsigned long long)number, r);
        if (r < 0) {
                violation(world, "core_publish() of %s says %d to the spool", node->name, r);
                return;
        }
        world->tally.n_spooled++;
        judge_published(world, write, node->index);
}

/* Removed when it is in the log: a meshd that is killed before publishes it again. */
void spool_take(struct node *node, struct cmi_time now)
{
        while (node->spool && !MUTANT(SPOOL_UNREAD)) {
                struct spooled *first = node->spool;

                publish(node, &first->write, now);
                node->spool = first->next;
                free(first);
        }
        node->is_taking = false;
}

/* A meshd takes what is old by then: its owner is dead. */
void spool_orphaned(struct node *node)
{
        if (node->spool && node->is_up) {
                world_add(node->world, node->world->options.lease_ns, EVENT_SPOOL, node->index,
                                node->life, NULL);
        }
}

/* What was there when this meshd began has to be published before any app is served. */
void spool_begin(struct node *node)
{
        memcpy(node->owed, node->kept, sizeof(node->owed));
        node->is_taking = node->spool != NULL;
        if (node->is_taking) {
                world_add(node->world, 0, EVENT_SPOOL, node->index, node->life, NULL);
        }
}

void spool_event(struct node *node, uint64_t life)
{
        if (!node->is_up || node->life != life) {
                return;
        }
        if (!node_is_running(node)) {
                world_add(node->world, node->world->options.lease_ns / 50, EVENT_SPOOL, node->index,
                                life, NULL);
        } else if (node->stopping == STOP_NO) {
                node_call(node, &(struct call){.kind = CALL_SPOOL});
        }
}

void spool_lose(struct node *node)
{
        while (node->spool) {
                struct spooled *first = node->spool;

                node->spool = first->next;
                free(first);
        }
        memset(node->kept, 0, sizeof(node->kept));
        memset(node->owed, 0, sizeof(node->owed));
}

void spool_check(struct node *node)
{
        struct world *world = node->world;

        for (uint32_t i = 0; i < world->options.n_keys; i++) {
                if (node->owed[i] >= world->keys[i].n_published) {
                        violation(world, "C4 %s: version %llu of key %u was spooled, and is lost",
                                        node->name, (unsigned long long)node->owed[i], i);
                }
        }
}
