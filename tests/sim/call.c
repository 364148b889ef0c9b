/* SPDX-License-Identifier: MIT */
/*
 * Calls of a core. One may be interrupted at any call of its sink, to go on later (SIGSTOP) or
 * never (SIGKILL), so the order of what a core does within one event is tested too; for that the
 * call runs on a stack of its own. Inside of the log, which calls no sink, a publication can be cut
 * off between any two stores.
 */
#include "meshd/core/mutant.h"
#include "tests/sim/world.h"

#include <stdlib.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#define STACK_SIZE (512u << 10)
#define LOG_HEADER_SIZE 4096 /* of the log's file */

static void perform(struct node *node)
{
        struct call *call = &node->call;
        struct cmi_endpoint endpoint;

        switch (call->kind) {
        case CALL_NONE:
                break;
        case CALL_RECEIVE:
                core_receive(node->core, call->now, call->connection,
                                cmi_slice(call->frame->bytes, call->frame->header_len),
                                cmi_slice(call->frame->bytes + call->frame->header_len,
                                                call->frame->body_len));
                break;
        case CALL_TICK:
                core_tick(node->core, call->now);
                break;
        case CALL_WRITABLE:
                core_link_writable(node->core, call->now, call->link);
                break;
        case CALL_CONNECT:
                endpoint = address_endpoint(call->peer, call->address);
                core_connect(node->core, call->now, &endpoint);
                break;
        case CALL_PUBLISH:
                app_publish(node, call->write, call->now);
                break;
        case CALL_SPOOL:
                spool_take(node, call->now);
                break;
        case CALL_STOP:
                core_stop(node->core, call->now);
                break;
        case CALL_OPERATE:
                operator_call(node, &node->wish);
                break;
        case CALL_GOODBYE:
                node->is_goodbye = core_goodbye(node->core, call->now);
                break;
        }
        node->is_call_over = true;
}

#ifdef __SANITIZE_THREAD__
#define MAY_SWITCH_STACKS false /* one thread, in which there is nothing to find */
#else
#define MAY_SWITCH_STACKS true
#endif

static struct node *entered; /* makecontext() passes ints only */

/*
 * ASan has to be told which stack is used. What it keeps of a stack for its own use is @saved;
 * a call that never returns leaves that behind, and the node's next call takes it over.
 */
#ifdef __SANITIZE_ADDRESS__
static const void *main_stack;
static size_t main_stack_size;

static void begin_switch(void **ret_saved, const void *stack, size_t size)
{
        __sanitizer_start_switch_fiber(ret_saved, stack, size);
}

static void end_switch(void *saved)
{
        __sanitizer_finish_switch_fiber(saved, NULL, NULL);
}

/* The first thing on a new stack. */
static void end_first_switch(void *saved)
{
        __sanitizer_finish_switch_fiber(saved, &main_stack, &main_stack_size);
        __asan_handle_no_return(); /* no frame of an earlier call counts */
}

static void begin_switch_back(void **ret_saved)
{
        __sanitizer_start_switch_fiber(ret_saved, main_stack, main_stack_size);
}

static void clear_stack(void *stack)
{
        __asan_unpoison_memory_region(stack, STACK_SIZE);
}
#else
static void begin_switch(void **ret_saved, const void *stack, size_t size)
{
        (void)ret_saved, (void)stack, (void)size;
}

static void end_switch(void *saved)
{
        (void)saved;
}

static void end_first_switch(void *saved)
{
        (void)saved;
}

static void begin_switch_back(void **ret_saved)
{
        (void)ret_saved;
}

static void clear_stack(void *stack)
{
        (void)stack;
}
#endif

static void perform_on_stack(void)
{
        struct node *node = entered;

        end_first_switch(node->saved_stack);
        perform(node);
        node->saved_stack = NULL;
        begin_switch_back(NULL);
}

/* Goes on in the call's stack until the call is over or interrupted. */
static void enter(struct node *node)
{
        void *saved = NULL;

        begin_switch(&saved, node->stack, STACK_SIZE);
        swapcontext(&node->return_context, &node->context);
        end_switch(saved);
}

static void run_on_stack(struct node *node)
{
        if (!node->stack) {
                node->stack = malloc(STACK_SIZE);
                if (!node->stack) {
                        abort();
                }
        }
        getcontext(&node->context);
        node->context.uc_stack.ss_sp = node->stack;
        node->context.uc_stack.ss_size = STACK_SIZE;
        node->context.uc_link = &node->return_context;
        makecontext(&node->context, perform_on_stack, 0);
        entered = node;
        clear_stack(node->stack);
        enter(node);
}

void node_interruption(struct node *node)
{
        if (node->is_in_call && node->interrupt_at > 0 && --node->interrupt_at == 0) {
                begin_switch_back(&node->saved_stack);
                swapcontext(&node->context, &node->return_context);
                end_switch(node->saved_stack);
        }
}

static void finish_call(struct node *node)
{
        struct world *world = node->world;
        enum call_kind kind = node->call.kind;

        free(node->call.frame);
        node->call = (struct call){0};
        node->is_in_call = false;
        audit_page(node);
        if (kind == CALL_TICK) {
                budget_check(node);
                node_timer(node);
        } else {
                node_turn_ends(node, random_below(&world->random, world->options.turn_ns));
        }
}

static void interrupted(struct node *node)
{
        struct world *world = node->world;
        uint64_t delay = node->interrupt_ns;

        world->tally.n_interrupts++;
        node->undisturbed_ns = NEVER;
        if (delay == 0) {
                trace(world, "%s is killed inside a call", node->name);
                node_kill(node, false);
                node_start_later(node);
                return;
        }
        trace(world, "%s is stopped inside a call for %.6f s", node->name, (double)delay / 1e9);
        world_add(world, delay, EVENT_RETURN, node->index, node->life, NULL);
}

/* A node that was stopped or suspended for so long has heard nobody. */
static void note_gap(struct node *node)
{
        struct cmi_time now = node_clock(node);
        uint64_t awake = now.mono_ns - node->called.mono_ns;
        uint64_t limit = uneven_lease_ns(node) * 55 / 100;

        if (awake > limit || now.real_ns > node->called.real_ns + awake + limit) {
                node->awake_ns = node->world->now_ns;
        }
        node->called = now;
}

/* The word of the header that counts records is written last of all. */
static void uncount(uint8_t *memory, const uint8_t *before, uint64_t number)
{
        for (size_t at = LOG_HEADER_SIZE; at > 0; at -= sizeof(uint64_t)) {
                uint64_t *word = (uint64_t *)(void *)(memory + at) - 1;
                uint64_t old;

                memcpy(&old, before + at - sizeof(old), sizeof(old));
                if (*word == number && old == number - 1) {
                        *word = old;
                        return;
                }
        }
        abort();
}

/* Only a first part of what changed in the ring was written. */
static void cut_off(struct random *random, uint8_t *memory, const uint8_t *before, size_t size)
{
        size_t first = LOG_HEADER_SIZE;
        size_t cut;

        while (first < size && memory[first] == before[first]) {
                first++;
        }
        while (size > first && memory[size - 1] == before[size - 1]) {
                size--;
        }
        cut = random_between(random, first, size);
        memcpy(memory + cut, before + cut, size - cut);
}

/*
 * What a process that dies in log_append() leaves: the record is counted, and nobody has learnt of
 * it; or it is not, and some or all of its bytes are there, over those of the oldest ones.
 */
static void tear_append(struct node *node, const struct sim_write *write)
{
        struct random *random = &node->world->random;
        size_t size = node->world->options.log_size;
        uint8_t *memory = node->log_memory;
        uint8_t *before = sim_allocate(size);
        uint64_t number;

        memcpy(before, memory, size);
        number = log_append(&node->log, cmi_slice(write->op, write->op_len));
        if (random_chance(random, 600000)) {
                uncount(memory, before, number);
                if (random_chance(random, 500000)) {
                        cut_off(random, memory, before, size);
                }
        } else if (write->intent == INTENT_ENDS) {
                judge_intent_ended(node->world, write);
        }
        trace(node->world, "%s is killed when it logs %llu, which is %s", node->name,
                        (unsigned long long)number,
                        log_newest(&node->log) == number ? "counted" : "not counted");
        free(before);
}

static bool is_torn(struct node *node, const struct call *call)
{
        return node->is_tearing && call->kind == CALL_PUBLISH &&
               call->write->stage == WRITE_HANDED && call->write->intent != INTENT_BEGINS &&
               node->stopping == STOP_NO;
}

void node_call(struct node *node, const struct call *call)
{
        struct world *world = node->world;

        nemesis_calls(node, call);
        if (is_torn(node, call)) {
                tear_append(node, call->write);
                world->tally.n_torn++;
                node_kill(node, false);
                node_start_later(node);
                return;
        }
        world->tally.n_calls++;
        if (call->kind != CALL_CONNECT && call->kind != CALL_WRITABLE) {
                note_gap(node); /* of these the core does not look at the time */
        }
        node->began_ns = world->now_ns;
        node->call = *call;
        if (!MUTANT(GRANT_FROM_TURN) || !node->is_turn_open) {
                node->turn_clock = node_clock(node);
        }
        node->call.now = node->turn_clock;
        node->is_in_call = true;
        node->is_call_over = false;
        if (!MAY_SWITCH_STACKS || world->stage > STAGE_CHAOS) {
                node->interrupt_at = 0;
        }
        if (node->interrupt_at > 0) {
                run_on_stack(node);
        } else {
                perform(node);
        }
        if (node->is_call_over) {
                finish_call(node);
        } else {
                interrupted(node);
        }
}

void node_return_event(struct node *node, uint64_t life)
{
        if (!node->is_up || node->life != life || !node->is_in_call) {
                return;
        }
        if (node->n_stops > 0 || node->n_freezes > 0) {
                world_add(node->world, node->world->options.lease_ns / 50, EVENT_RETURN,
                                node->index, life, NULL);
                return;
        }
        trace(node->world, "%s returns into its call", node->name);
        enter(node);
        finish_call(node);
        node_wake(node);
}
