/* SPDX-License-Identifier: MIT */
#include "libcachemesh/event_queue.h"

#include <stdio.h>
#include <string.h>

void cmi_event_queue_push(struct cmi_event_queue *queue, enum cm_event_kind kind, enum cm_mode mode,
                const char *detail)
{
        struct cm_event *event;

        if (queue->n == CMI_EVENTS_MAX) {
                queue->first = (queue->first + 1) % CMI_EVENTS_MAX;
                queue->n--;
                queue->n_dropped++;
        }
        event = &queue->events[(queue->first + queue->n) % CMI_EVENTS_MAX];
        *event = (struct cm_event){.kind = kind, .mode = mode};
        snprintf(event->detail, sizeof(event->detail), "%s", detail);
        queue->n++;
}

int cmi_event_queue_pop(struct cmi_event_queue *queue, struct cm_event *ret_event)
{
        const struct cm_event *event = &queue->events[queue->first];

        if (queue->n == 0) {
                return CM_NO_EVENT;
        }
        *ret_event = *event;
        if (queue->n_dropped > 0) {
                int len = snprintf(ret_event->detail, sizeof(ret_event->detail),
                                "(%u earlier events were dropped) ", queue->n_dropped);

                snprintf(ret_event->detail + len, sizeof(ret_event->detail) - (size_t)len, "%s",
                                event->detail);
                queue->n_dropped = 0;
        }
        queue->first = (queue->first + 1) % CMI_EVENTS_MAX;
        queue->n--;
        return 0;
}
