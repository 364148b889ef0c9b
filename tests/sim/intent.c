/* SPDX-License-Identifier: MIT */
/*
 * Writers that announce a write before they commit it. An app begins an intent and waits; once that
 * has returned 0 it sends its COMMIT, which takes effect within the intent's deadline whatever
 * becomes of the app; then it ends the intent, in time, late, or never, since it died.
 */
#include "tests/sim/world.h"

void intent_draw(struct sim_write *write, uint32_t key)
{
        struct world *world = write->app->node->world;
        uint64_t lease_ns = world->options.lease_ns;

        /* Of its own, so that it does not matter to others what becomes of it. */
        write->random = world->random;
        write->intent = INTENT_BEGINS;
        write->key = key;
        write->is_by_tag = random_chance(&write->random, 200000);
        write->wait = CMI_WAIT_MESH;
        write->timeout_ns = 0;
        /* Most are open for longer than it takes to be declared gone. */
        write->deadline_ns =
                        (random_chance(&write->random, 600000) ? random_between(&write->random,
                                                                                 3 * lease_ns,
                                                                                 6 * lease_ns)
                                                               : random_duration(&write->random,
                                                                                 lease_ns / 2,
                                                                                 6 * lease_ns)) /
                        CMI_NS_PER_MS * CMI_NS_PER_MS;
        write->begun_ns = world->now_ns;
        operation_intent(write);
}

/* The END is to come, or the owner dies and it never does. */
static void end_later(struct sim_write *write, uint64_t commit_ns, bool is_dying)
{
        struct world *world = write->app->node->world;
        uint64_t delay = commit_ns - world->now_ns;

        write->intent = INTENT_ENDS;
        if (is_dying) {
                write->stage = WRITE_FREE;
                return;
        }
        write->stage = WRITE_COMMITTED;
        write->wait = random_chance(&write->random, 300000) ? CMI_WAIT_MESH : CMI_WAIT_NODE;
        operation_intent(write);
        delay += random_chance(&write->random, 300000)
                                 ? random_below(&write->random, 2 * write->deadline_ns)
                                 : random_duration(&write->random, 1000,
                                                   world->options.announce_ns);
        world_add(world, delay, EVENT_WRITE, (uint32_t)(write - write->app->writes),
                        write->app->life, write->app);
}

void intent_begun(struct sim_write *write, const struct core_outcome *outcome)
{
        struct world *world = write->app->node->world;
        uint64_t last_ns = write->begun_ns + write->deadline_ns;
        uint64_t commit_ns = world->now_ns;

        write->place = (struct cmi_position){log_stream(&write->app->node->log), outcome->position};
        if (outcome->outcome == CMI_PENDING) {
                write->stage = WRITE_FREE;
                return;
        }
        if (outcome->outcome == 0 && world->now_ns + 1000 < last_ns) {
                judge_intent(world, write);
                world->tally.n_intents++;
                if (!random_chance(&write->random, 100000)) {
                        commit_ns = random_between(&write->random, world->now_ns, last_ns - 1);
                        world_add(world, commit_ns - world->now_ns, EVENT_COMMIT,
                                        write->app->node->index,
                                        write->key | (uint64_t)write->left << 8, NULL);
                }
        }
        end_later(write, commit_ns,
                        outcome->outcome == 0 &&
                                        random_chance(&write->random, world->options.dying_ppm));
}
