/* SPDX-License-Identifier: MIT */
#include "tests/sim/agenda.h"

#include <stdio.h>
#include <stdlib.h>

static bool is_before(const struct event *a, const struct event *b)
{
        return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void make_room(struct agenda *agenda)
{
        size_t capacity = agenda->capacity ? 2 * agenda->capacity : 1024;
        struct event *events = realloc(agenda->events, capacity * sizeof(*events));

        if (!events) {
                perror("meshsim");
                exit(1);
        }
        agenda->events = events;
        agenda->capacity = capacity;
}

void agenda_add(struct agenda *agenda, struct event event)
{
        size_t at;

        if (agenda->n_events == agenda->capacity) {
                make_room(agenda);
        }
        event.order = agenda->n_added++;
        at = agenda->n_events++;
        while (at > 0 && is_before(&event, &agenda->events[(at - 1) / 2])) {
                agenda->events[at] = agenda->events[(at - 1) / 2];
                at = (at - 1) / 2;
        }
        agenda->events[at] = event;
}

static void sift_down(struct agenda *agenda, struct event event)
{
        size_t at = 0;

        for (;;) {
                size_t child = 2 * at + 1;

                if (child >= agenda->n_events) {
                        break;
                }
                if (child + 1 < agenda->n_events &&
                                is_before(&agenda->events[child + 1], &agenda->events[child])) {
                        child++;
                }
                if (!is_before(&agenda->events[child], &event)) {
                        break;
                }
                agenda->events[at] = agenda->events[child];
                at = child;
        }
        agenda->events[at] = event;
}

bool agenda_next(struct agenda *agenda, struct event *ret_event)
{
        if (agenda->n_events == 0) {
                return false;
        }
        *ret_event = agenda->events[0];
        if (--agenda->n_events > 0) {
                sift_down(agenda, agenda->events[agenda->n_events]);
        }
        return true;
}

void agenda_clear(struct agenda *agenda)
{
        agenda->n_events = 0;
        agenda->n_added = 0;
}

void agenda_deinit(struct agenda *agenda)
{
        free(agenda->events);
        *agenda = (struct agenda){0};
}
