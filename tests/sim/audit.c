/* SPDX-License-Identifier: MIT */
/*
 * What cores and pages must look like, whatever readers do:
 *
 * C5   apply_seq, floor and stamps never decrease.
 * C7/9 Operations of a stream are applied one after the other; where one is passed over, everything
 * was forgotten.
 * C8   A node that did not run itself takes nobody for gone.
 * C10  A wait of a LIVE node that nothing disturbs is over within L(1+3 rho) + 20 ms, or at its own
 *      deadline.
 * C12  After the last fault the mesh becomes whole: all LIVE, each stream applied everywhere, no
 *      wait left.
 */
#include "tests/sim/session.h"

#include <stdio.h>

static uint32_t find_index(const struct world *world, const struct cmi_id *id)
{
        for (uint32_t i = 0; i < world->options.n_nodes; i++) {
                if (cmi_id_equal(id, &world->nodes[i].id)) {
                        return i;
                }
        }
        return UINT32_MAX;
}

/* Forgetting comes first, and the call may be interrupted after it. */
static uint64_t declared_ns(const struct node *node, uint32_t index)
{
        return node->forgot_ns[index] >= node->began_ns ? node->forgot_ns[index]
                                                        : node->world->now_ns;
}

/* When the incarnation of node @index that is known here said goodbye. */
static uint64_t left_ns(const struct node *node, uint32_t index)
{
        const struct world *world = node->world;
        struct core_member member;
        const struct sim_page *page;
        uint32_t i = 0;

        while (core_member(node->core, node_clock(node), i, &member) == 0 &&
                        !cmi_id_equal(&member.id, &world->nodes[index].id)) {
                i++;
        }
        for (page = world->pages; page; page = page->next) {
                if (page->node == index && page->incarnation == member.incarnation) {
                        return page->closed_ns;
                }
        }
        return world->now_ns;
}

static void note_forgot(struct node *node, const struct core_event *event)
{
        uint32_t index = find_index(node->world, &event->id);

        node->world->tally.n_forgot++;
        if (index != UINT32_MAX) {
                node->forgot_ns[index] = node->world->now_ns;
        }
}

static void note_member(struct node *node, const struct core_event *event)
{
        struct world *world = node->world;
        uint32_t index = find_index(world, &event->id);

        trace(world, "%s: node%u is %d, was %d", node->name, index, (int)event->to,
                        (int)event->from);
        if (index == UINT32_MAX) {
                return;
        }
        world->tally.n_changes[event->from][event->to]++;
        node->page->left &= ~(1u << index);
        if (event->to == MEMBER_GONE) {
                node->page->parted |= 1u << index;
        } else if (event->to == MEMBER_LIVE) {
                node->page->parted &= ~(1u << index);
        }
        switch (event->to) {
        case MEMBER_SEEN:
                if (node->page->memory->state == CMI_PAGE_JOINING) {
                        node->page->gone_ns[index] = NEVER;
                }
                break;
        case MEMBER_JOINING:
        case MEMBER_LIVE:
        case MEMBER_SILENT:
                node->has_met[index] = true;
                if (node->met_ns[index] == NEVER) {
                        node->met_ns[index] = world->now_ns;
                }
                node->page->gone_ns[index] = NEVER;
                node->page->met_ns[index] = world->now_ns;
                break;
        case MEMBER_LEFT:
                /* Its successor may have published before this node heard of the end. */
                node->page->left |= 1u << index;
                node->page->gone_ns[index] = left_ns(node, index);
                break;
        case MEMBER_GONE:
                /* Who has no place may say itself that it does not serve. */
                if (uneven_has_place(node, &world->nodes[index]) &&
                                world->now_ns - node->awake_ns < uneven_lease_ns(node) * 9 / 10) {
                        violation(world, "C8 %s: node%u is gone, but nobody listened", node->name,
                                        index);
                }
                if (node->page->gone_ns[index] == NEVER) {
                        node->page->gone_ns[index] = declared_ns(node, index);
                }
                break;
        }
}

void audit_event(void *context, const struct core_event *event)
{
        struct node *node = context;
        struct world *world = node->world;

        trace_story(world, event->kind);
        sessions_event(node, event);
        if (event->kind == CORE_EVENT_MEMBER) {
                node_interruption(node);
                note_member(node, event);
                return;
        }
        if (event->kind == CORE_EVENT_FORGOT) {
                note_forgot(node, event);
        }
        if (event->kind == CORE_EVENT_STATE && !event->text[0]) {
                uneven_keep_lease(node, node->page->memory->lease_ns);
        }
        if (event->kind == CORE_EVENT_RELIED) {
                uneven_keep_gone(node);
        }
        node_interruption(node);
        trace(world, "%s: event %d about '%s' number %llu: %s", node->name, (int)event->kind,
                        event->name, (unsigned long long)event->number, event->text);
        world->tally.n_resets += event->kind == CORE_EVENT_RESET_SENT;
        if (event->kind == CORE_EVENT_INCARNATION && event->number > node->incarnation) {
                node->incarnation = node->page->incarnation = event->number;
        }
}

/* A new stream may begin at 1 without forgetting, when the one before it was applied to its end. */
void audit_applied(void *context, const char *source, uint64_t number, const struct cmi_op *op)
{
        struct node *node = context;
        struct world *world = node->world;
        uint64_t floor = node->page->memory->floor & ~CMI_PAGE_INTENT_FLAG;
        uint32_t index = (uint32_t)(source[strlen(source) - 1] - '0');

        node_interruption(node);
        trace(world, "%s applies %llu of %s", node->name, (unsigned long long)number, source);
        if (index >= world->options.n_nodes || index == node->index) {
                return;
        }
        if (number != node->seen_number[index] + 1 && number != 1 &&
                        floor <= node->seen_floor[index] &&
                        !cmi_page_is_closed(&node->page->view) && node->seen_number[index] > 0) {
                violation(world,
                                "C7 %s applies %llu of node%u after %llu, and has forgotten "
                                "nothing",
                                node->name, (unsigned long long)number, index,
                                (unsigned long long)node->seen_number[index]);
        }
        node->seen_number[index] = number;
        node->seen_floor[index] = floor;
}

void audit_started(struct node *node)
{
        for (uint32_t i = 0; i < NODES_MAX; i++) {
                node->seen_number[i] = 0;
                node->seen_floor[i] = 0;
        }
}

static void check_slots(struct node *node)
{
        struct sim_page *page = node->page;
        uint64_t *copy = page->slots;

        for (uint32_t i = 0; i < PAGE_SLOTS; i++) {
                uint64_t key = page->view.keys[i] & ~CMI_PAGE_INTENT_FLAG;
                uint64_t tag = page->view.tags[i] & ~CMI_PAGE_INTENT_FLAG;

                if (key < copy[2 * i] || tag < copy[2 * i + 1]) {
                        violation(node->world, "C5 %s: a stamp decreased", node->name);
                }
                copy[2 * i] = key;
                copy[2 * i + 1] = tag;
        }
}

void audit_page(struct node *node)
{
        struct sim_page *page = node->page;
        const struct cmi_page *memory = page->memory;
        uint64_t floor = memory->floor & ~CMI_PAGE_INTENT_FLAG;

        if (memory->apply_seq < page->apply_seq || floor < page->floor) {
                violation(node->world, "C5 %s: apply_seq or floor decreased", node->name);
        }
        if (floor > memory->apply_seq && floor != CMI_PAGE_FLOOR_CLOSED) {
                violation(node->world, "C5 %s: the floor is above apply_seq", node->name);
        }
        if (memory->apply_seq != page->apply_seq) {
                check_slots(node);
                page->apply_seq = memory->apply_seq;
                page->floor = floor;
        }
        if (!audit_is_live(node) || node->stopping != STOP_NO) {
                node->undisturbed_ns = NEVER;
        } else if (node->undisturbed_ns == NEVER) {
                node->undisturbed_ns = node->world->now_ns;
        }
}

bool audit_is_live(const struct node *node)
{
        return node->page->memory->state == CMI_PAGE_LIVE;
}

static uint64_t wait_bound(const struct world *world)
{
        const struct options *options = &world->options;
        double rho = (double)options->drift_ppm / 1e6;
        double own = (double)options->lease_ns * (1 + 3 * rho);

        return (uint64_t)(own * (1 + rho)) + cmi_ms(21) + options->turn_ns;
}

void audit_outcome(struct node *node, const struct sim_write *write,
                const struct core_outcome *outcome)
{
        struct world *world = node->world;
        uint64_t took = world->now_ns - write->published_ns;
        bool is_undisturbed = node->undisturbed_ns <= write->published_ns;
        uint64_t bound = wait_bound(world);

        world->tally.n_partial += outcome->outcome == CMI_PARTIAL;
        world->tally.n_pending += outcome->outcome == CMI_PENDING;
        world->tally.n_timeouts += outcome->outcome == CMI_E_TIMEOUT;
        if (is_undisturbed && took > bound) {
                violation(world, "C10 %s: a wait took %.6f s, which is over %.6f s", node->name,
                                (double)took / 1e9, (double)bound / 1e9);
        }
        if (is_undisturbed && outcome->outcome == CMI_PENDING) {
                violation(world, "C10 %s: a wait on a LIVE node ends as PENDING", node->name);
        }
        if (is_undisturbed && outcome->outcome == CMI_E_TIMEOUT && write->timeout_ns == 0) {
                violation(world, "C10 %s: a wait without a deadline ends at one", node->name);
        }
        if (world->stage == STAGE_WHOLE && outcome->outcome != 0) {
                violation(world, "C12 %s: the mesh is whole, and a wait ends with %d", node->name,
                                outcome->outcome);
        }
}

static bool has_applied(
                const struct node *reader, const struct node *origin, char *ret_reason, size_t size)
{
        struct core_member member;

        if (!network_has_connection(reader->world, origin->index, reader->index)) {
                snprintf(ret_reason, size, "%s is not connected to %s", origin->name, reader->name);
                return false;
        }
        for (uint32_t i = 0; core_member(reader->core, node_clock(reader), i, &member) == 0; i++) {
                if (!cmi_id_equal(&member.id, &origin->id)) {
                        continue;
                }
                if (member.state != MEMBER_LIVE) {
                        snprintf(ret_reason, size, "for %s %s is in state %d", reader->name,
                                        origin->name, (int)member.state);
                        return false;
                }
                if (member.applied != log_newest(&origin->log) ||
                                member.newest.stream != log_stream(&origin->log)) {
                        snprintf(ret_reason, size, "%s has applied %llu of %s, not %llu",
                                        reader->name, (unsigned long long)member.applied,
                                        origin->name, (unsigned long long)log_newest(&origin->log));
                        return false;
                }
                return true;
        }
        snprintf(ret_reason, size, "%s does not know %s", reader->name, origin->name);
        return false;
}

static bool is_ready(struct world *world, struct node *node, char *ret_reason, size_t size)
{
        struct core_status status;

        if (!node_is_running(node) || node->is_obituary) {
                snprintf(ret_reason, size, "%s is not running", node->name);
                return false;
        }
        if (!audit_is_live(node)) {
                core_status(node->core, &status);
                snprintf(ret_reason, size, "%s is not LIVE: %s", node->name, status.reason);
                return false;
        }
        core_status(node->core, &status);
        if (status.n_intents > 0) {
                snprintf(ret_reason, size, "%s has %u open intents", node->name, status.n_intents);
                return false;
        }
        if (node->n_questions > 0) {
                snprintf(ret_reason, size, "%s waits for an answer", node->name);
                return false;
        }
        for (uint32_t i = 0; i < world->options.n_apps; i++) {
                if (!app_is_idle(&world->apps[node->index][i])) {
                        snprintf(ret_reason, size, "%s: app %u has an open write", node->name, i);
                        return false;
                }
        }
        return true;
}

bool audit_is_whole(struct world *world, char *ret_reason, size_t size)
{
        for (uint32_t i = 0; i < world->options.n_nodes; i++) {
                if (!is_ready(world, &world->nodes[i], ret_reason, size)) {
                        return false;
                }
        }
        for (uint32_t i = 0; i < world->options.n_nodes; i++) {
                for (uint32_t j = 0; j < world->options.n_nodes; j++) {
                        if (i != j && !has_applied(&world->nodes[i], &world->nodes[j], ret_reason,
                                                      size)) {
                                return false;
                        }
                }
        }
        return true;
}
