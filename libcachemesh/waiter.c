/* SPDX-License-Identifier: MIT */
#include "libcachemesh/waiter.h"

#include <stdio.h>
#include <time.h>

void cmi_waiters_enter(struct cmi_waiters *waiters, struct cmi_waiter *waiter,
                enum cmi_waiter_kind kind, struct cm_result *result)
{
        pthread_condattr_t attributes;

        *waiter = (struct cmi_waiter){.previous = waiters->tail, .kind = kind, .result = result};
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&waiter->wake, &attributes);
        pthread_condattr_destroy(&attributes);
        if (waiters->tail) {
                waiters->tail->next = waiter;
        } else {
                waiters->head = waiter;
        }
        waiters->tail = waiter;
}

void cmi_waiters_leave(struct cmi_waiters *waiters, struct cmi_waiter *waiter)
{
        if (waiter->previous) {
                waiter->previous->next = waiter->next;
        } else {
                waiters->head = waiter->next;
        }
        if (waiter->next) {
                waiter->next->previous = waiter->previous;
        } else {
                waiters->tail = waiter->previous;
        }
        pthread_cond_destroy(&waiter->wake);
}

void cmi_waiters_wake(struct cmi_waiters *waiters, unsigned kinds)
{
        for (struct cmi_waiter *waiter = waiters->head; waiter; waiter = waiter->next) {
                if (waiter->kind & kinds) {
                        pthread_cond_signal(&waiter->wake);
                }
        }
}

void cmi_waiters_refuse(struct cmi_waiters *waiters, uint32_t region, const char *text)
{
        for (struct cmi_waiter *waiter = waiters->head; waiter; waiter = waiter->next) {
                if (waiter->kind == CMI_WAITER_REGION && waiter->region == region) {
                        snprintf(waiter->refusal, sizeof(waiter->refusal), "%s", text);
                        pthread_cond_signal(&waiter->wake);
                }
        }
}

void cmi_waiters_wake_one(struct cmi_waiters *waiters)
{
        for (struct cmi_waiter *waiter = waiters->head; waiter; waiter = waiter->next) {
                if (!waiter->is_polling && !waiter->is_done) {
                        pthread_cond_signal(&waiter->wake);
                        return;
                }
        }
}

void cmi_waiter_finish(struct cmi_waiter *waiter, int outcome)
{
        if (waiter->is_done) {
                return;
        }
        waiter->is_done = true;
        waiter->outcome = outcome;
        pthread_cond_signal(&waiter->wake);
}
