/* SPDX-License-Identifier: MIT */
/*
 * How many loaders of a handle run at the same time: cm_options.loads_max. After a lapse of all
 * leases every key is missed at once, and whatever the values come from must not meet all callers
 * at once. Turns are given in the order of arrival.
 *
 * A loader that loads something itself goes on under its own turn. If another thread has begun that
 * already, and has no turn, it goes on under the turn of the loader that waits for it: without that
 * they could wait for each other.
 */
#include "libcachemesh/load.h"

/* Does this thread run a loader of this handle already? */
static bool is_inside(const struct cm *cm, const struct cmi_thread *thread)
{
        const struct cm_load *load = thread->leading;

        while (load && load->region->cm != cm) {
                load = load->outer;
        }
        return load != NULL;
}

bool cmi_turn_is_free(const struct cm *cm, const struct cmi_thread *thread)
{
        return cm->turns.n_taken < cm->options.loads_max || is_inside(cm, thread);
}

static void enqueue(struct cmi_turns *turns, struct cm_load *load)
{
        load->is_queued = true;
        if (turns->last) {
                turns->last->next_queued = load;
        } else {
                turns->first = load;
        }
        turns->last = load;
}

static void dequeue(struct cmi_turns *turns, struct cm_load *load)
{
        struct cm_load **link = &turns->first;
        struct cm_load *previous = NULL;

        while (*link != load) {
                previous = *link;
                link = &previous->next_queued;
        }
        *link = load->next_queued;
        if (turns->last == load) {
                turns->last = previous;
        }
        load->next_queued = NULL;
        load->is_queued = false;
}

bool cmi_turn_try(struct cm_load *load, const struct cmi_thread *thread)
{
        struct cm *cm = load->region->cm;

        if (is_inside(cm, thread) || load->n_lenders > 0) {
                return true;
        }
        if (cm->turns.n_taken >= cm->options.loads_max) {
                return false;
        }
        cm->turns.n_taken++;
        load->has_turn = true;
        return true;
}

int cmi_turn_take(struct cm_load *load, const struct cmi_thread *thread,
                const struct timespec *deadline)
{
        struct cm *cm = load->region->cm;
        int r = 0;

        if (cmi_turn_try(load, thread)) {
                return 0;
        }
        enqueue(&cm->turns, load);
        while (load->is_queued && r == 0) {
                r = pthread_cond_timedwait(&load->turn, &cm->loads_lock, deadline);
        }
        if (!load->is_queued) {
                return 0;
        }
        dequeue(&cm->turns, load);
        return CM_E_BUSY;
}

int cmi_turn_fail(const struct cm *cm)
{
        return cmi_fail(CM_E_BUSY, "%u loaders run already", cm->options.loads_max);
}

void cmi_turn_pass(struct cm_load *load)
{
        struct cmi_turns *turns = &load->region->cm->turns;
        struct cm_load *next = turns->first;

        if (!load->has_turn) {
                return;
        }
        load->has_turn = false;
        if (!next) {
                turns->n_taken--;
                return;
        }
        dequeue(turns, next);
        next->has_turn = true;
        pthread_cond_signal(&next->turn);
}

bool cmi_turn_lend(struct cm_load *load, const struct cmi_thread *thread)
{
        struct cm *cm = load->region->cm;

        if (!is_inside(cm, thread)) {
                return false;
        }
        load->n_lenders++;
        if (load->is_queued) {
                dequeue(&cm->turns, load);
                pthread_cond_signal(&load->turn);
        }
        return true;
}
