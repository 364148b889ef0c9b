/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Events for cm_next_event(): a bounded queue that drops its oldest entry when nobody fetches, and
 * says in the next one how many are missing. Under the connection's lock.
 */
#include "libcachemesh/cachemesh.h"

#include <stdbool.h>

#define CMI_EVENTS_MAX 32

struct cmi_event_queue {
        struct cm_event events[CMI_EVENTS_MAX];
        unsigned first;
        unsigned n;
        unsigned n_dropped; /* since the last fetch */
};

void cmi_event_queue_push(struct cmi_event_queue *queue, enum cm_event_kind kind, enum cm_mode mode,
                const char *detail);

/* Return: 0, or CM_NO_EVENT. */
int cmi_event_queue_pop(struct cmi_event_queue *queue, struct cm_event *ret_event);
