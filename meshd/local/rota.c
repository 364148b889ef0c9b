/* SPDX-License-Identifier: MIT */
#include "meshd/local/rota.h"

#include <stddef.h>

static uint64_t slice_of(uint64_t had_ns)
{
        return had_ns >> ROTA_SLICE_BITS;
}

/* A line */

/* Return: does it go behind its equals? */
static bool begin(const struct rota_line *line, struct rota_seat *seat)
{
        uint64_t begin_ns = line->had_ns;
        bool is_new = !seat->is_known;

        if (is_new) {
                begin_ns = (slice_of(begin_ns) + 1) << ROTA_SLICE_BITS;
        }
        if (seat->had_ns < begin_ns) {
                seat->had_ns = begin_ns;
        }
        seat->is_known = true;
        return is_new;
}

/* The walk is short: it passes those only that have had less, and of these a turn has few that are
 * not served at once; but for who is new. */
static void line_join(struct rota_line *line, struct rota_seat *seat)
{
        struct rota_seat *next = line->first;
        struct rota_seat *previous = NULL;
        uint64_t end;

        if (seat->is_in_line) {
                return;
        }
        end = (uint64_t)begin(line, seat);
        end += slice_of(seat->had_ns);
        while (next && slice_of(next->had_ns) < end) {
                previous = next;
                next = next->next;
        }
        seat->is_in_line = true;
        seat->previous = previous;
        seat->next = next;
        if (previous) {
                previous->next = seat;
        } else {
                line->first = seat;
        }
        if (next) {
                next->previous = seat;
        }
}

static void line_leave(struct rota_line *line, struct rota_seat *seat)
{
        if (!seat->is_in_line) {
                return;
        }
        if (seat->previous) {
                seat->previous->next = seat->next;
        } else {
                line->first = seat->next;
        }
        if (seat->next) {
                seat->next->previous = seat->previous;
        }
        seat->is_in_line = false;
}

static struct rota_seat *line_take(struct rota_line *line)
{
        struct rota_seat *seat = line->first;

        line_leave(line, seat);
        line->had_ns = seat->had_ns;
        return seat;
}

static bool is_in_slice(const struct rota_line *line, const struct rota_seat *seat)
{
        return slice_of(seat->had_ns) == slice_of(line->had_ns);
}

/* Users */

/* Return: who has no client and has had least, or was never there; NULL: all have some. */
static struct rota_user *find_room(struct rota *rota)
{
        struct rota_user *room = NULL;

        for (struct rota_user *user = rota->users; user < rota->users + ROTA_USERS_MAX; user++) {
                if (user->n_clients == 0 && user != rota->served &&
                                (!room || user->seat.had_ns < room->seat.had_ns)) {
                        room = user;
                }
        }
        return room;
}

static struct rota_user *find_user(struct rota *rota, uint32_t uid)
{
        struct rota_user *user = rota->users;

        while (user < rota->users + ROTA_USERS_MAX && (!user->seat.owner || user->uid != uid)) {
                user++;
        }
        if (user < rota->users + ROTA_USERS_MAX) {
                return user;
        }
        user = find_room(rota);
        if (!user) {
                return &rota->users[uid % ROTA_USERS_MAX];
        }
        *user = (struct rota_user){.seat = {.owner = user}, .uid = uid};
        return user;
}

void rota_add(struct rota *rota, struct rota_seat *seat, uint32_t uid)
{
        seat->user = find_user(rota, uid);
        seat->user->n_clients++;
}

void rota_remove(struct rota *rota, struct rota_seat *seat)
{
        rota_leave(rota, seat);
        seat->user->n_clients--;
}

/* Clients */

/* Who is served stands in line again only then: what he has had still grows. */
static void join_users(struct rota *rota, struct rota_user *user)
{
        if (user != rota->served && user->line.first) {
                line_join(&rota->line, &user->seat);
        }
}

void rota_join(struct rota *rota, struct rota_seat *seat)
{
        if (!seat->is_in_line) {
                line_join(&seat->user->line, seat);
                rota->n++;
                join_users(rota, seat->user);
        }
}

void rota_leave(struct rota *rota, struct rota_seat *seat)
{
        if (!seat->is_in_line) {
                return;
        }
        line_leave(&seat->user->line, seat);
        rota->n--;
        if (!seat->user->line.first) {
                line_leave(&rota->line, &seat->user->seat);
        }
}

void rota_begin(struct rota *rota)
{
        if (rota->n > 0) {
                rota->now_ns = rota->read_ns();
                rota->over_ns = rota->now_ns + ROTA_TURN_NS;
        }
}

struct rota_seat *rota_next(struct rota *rota)
{
        struct rota_user *user = rota->served;

        if (user) {
                rota->served = NULL;
                join_users(rota, user);
        }
        if (!rota->line.first || rota->now_ns >= rota->over_ns) {
                return NULL;
        }
        user = line_take(&rota->line)->owner;
        rota->served = user;
        rota->n--;
        return line_take(&user->line);
}

/* Nobody is to make room for users that want nothing. */
bool rota_charge(struct rota *rota, struct rota_seat *seat)
{
        struct rota_user *user = seat->user;
        uint64_t now_ns = rota->read_ns();

        seat->had_ns += now_ns - rota->now_ns;
        user->seat.had_ns += now_ns - rota->now_ns;
        rota->now_ns = now_ns;
        return is_in_slice(&user->line, seat) &&
               (!rota->line.first || is_in_slice(&rota->line, &user->seat)) &&
               now_ns < rota->over_ns;
}
