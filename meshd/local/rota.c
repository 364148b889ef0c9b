/* SPDX-License-Identifier: MIT */
#include "meshd/local/rota.h"

#include <stddef.h>

static uint64_t slice_of(const struct rota_seat *seat)
{
        return seat->had_ns >> ROTA_SLICE_BITS;
}

/* The walk is short: it passes those only that have had less, and of these a turn has few that are
 * not served at once. */
void rota_join(struct rota *rota, struct rota_seat *seat)
{
        struct rota_seat *next = rota->first;
        struct rota_seat *previous = NULL;

        if (seat->is_in_line) {
                return;
        }
        if (seat->had_ns < rota->had_ns) {
                seat->had_ns = rota->had_ns;
        }
        while (next && slice_of(next) < slice_of(seat)) {
                previous = next;
                next = next->next;
        }
        seat->is_in_line = true;
        seat->previous = previous;
        seat->next = next;
        if (previous) {
                previous->next = seat;
        } else {
                rota->first = seat;
        }
        if (next) {
                next->previous = seat;
        }
        rota->n++;
}

void rota_leave(struct rota *rota, struct rota_seat *seat)
{
        if (!seat->is_in_line) {
                return;
        }
        if (seat->previous) {
                seat->previous->next = seat->next;
        } else {
                rota->first = seat->next;
        }
        if (seat->next) {
                seat->next->previous = seat->previous;
        }
        seat->is_in_line = false;
        rota->n--;
}

void rota_begin(struct rota *rota)
{
        if (rota->first) {
                rota->now_ns = rota->read_ns();
                rota->over_ns = rota->now_ns + ROTA_TURN_NS;
        }
}

struct rota_seat *rota_next(struct rota *rota)
{
        struct rota_seat *seat = rota->first;

        if (!seat || rota->now_ns >= rota->over_ns) {
                return NULL;
        }
        rota_leave(rota, seat);
        rota->had_ns = seat->had_ns;
        return seat;
}

bool rota_charge(struct rota *rota, struct rota_seat *seat)
{
        uint64_t now_ns = rota->read_ns();

        seat->had_ns += now_ns - rota->now_ns;
        rota->now_ns = now_ns;
        return slice_of(seat) == rota->had_ns >> ROTA_SLICE_BITS && now_ns < rota->over_ns;
}
