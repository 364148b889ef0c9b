/* SPDX-License-Identifier: MIT */
/*
 * Requests that came while this node did not serve, or after such a one: those of a client are done
 * in the order in which they came, or not at all, when their time is over; clients take turns. Of a
 * request that is here nothing has happened yet.
 *
 * Nobody may fill the room alone: a client has its share of it, and a user as well. A client that
 * takes no more answers holds up nobody but itself.
 */
#include "meshd/session/plane_state.h"

struct share {
        const char *whose;
        uint32_t n_max;
        uint64_t bytes_max;
};

static const struct share of_all = {"", PLANE_WAITS_MAX, PLANE_WAIT_BYTES_MAX};
static const struct share of_user = {
                " of this user", PLANE_USER_WAITS_MAX, PLANE_USER_WAIT_BYTES_MAX};
static const struct share of_client = {
                " of this connection", PLANE_CLIENT_WAITS_MAX, PLANE_CLIENT_WAIT_BYTES_MAX};

static size_t size_for(size_t tag_len, size_t blob_len)
{
        return sizeof(struct wait) + tag_len + blob_len;
}

/* Clients */

/* Requests come in runs of one client's. */
static struct waiter *find_waiter(const struct plane *plane, uint64_t client)
{
        const struct waits *waits = &plane->waits;
        struct waiter *waiter = waits->first;

        if (waits->recent && waits->recent->client == client) {
                return waits->recent;
        }
        while (waiter && waiter->client != client) {
                waiter = waiter->next;
        }
        return waiter;
}

static void unlink_waiter(struct waits *waits, struct waiter *waiter)
{
        *(waiter->prev ? &waiter->prev->next : &waits->first) = waiter->next;
        *(waiter->next ? &waiter->next->prev : &waits->last) = waiter->prev;
}

static void append_waiter(struct waits *waits, struct waiter *waiter)
{
        waiter->next = NULL;
        waiter->prev = waits->last;
        *(waits->last ? &waits->last->next : &waits->first) = waiter;
        waits->last = waiter;
}

static struct waiter *add_waiter(struct plane *plane, const struct plane_caller *caller)
{
        struct waiter *waiter = plane_alloc(plane, sizeof(*waiter));

        if (waiter) {
                *waiter = (struct waiter){.client = caller->client, .user = caller->user};
                append_waiter(&plane->waits, waiter);
                plane->waits.n_waiters++;
        }
        return waiter;
}

/* If nothing of it waits any more. */
static void settle_waiter(struct plane *plane, struct waiter *waiter)
{
        struct waits *waits = &plane->waits;

        if (waiter->n > 0) {
                return;
        }
        unlink_waiter(waits, waiter);
        waits->n_waiters--;
        if (waits->recent == waiter) {
                waits->recent = NULL;
        }
        if (!waits->first) {
                waits->due_ns = UINT64_MAX;
        }
        plane_release(plane, waiter, sizeof(*waiter));
}

/* Shares */

static bool fits(const struct share *share, uint32_t n, uint64_t bytes, size_t len)
{
        return n < share->n_max && bytes + len <= share->bytes_max;
}

static bool fits_user(const struct waits *waits, uint32_t user, size_t len)
{
        uint64_t bytes = 0;
        uint32_t n = 0;

        if (fits(&of_user, waits->n, waits->bytes, len)) {
                return true; /* whoever it is of */
        }
        for (const struct waiter *waiter = waits->first; waiter; waiter = waiter->next) {
                if (waiter->user == user) {
                        n += waiter->n;
                        bytes += waiter->bytes;
                }
        }
        return fits(&of_user, n, bytes, len);
}

/* Return: NULL: there is room for it. */
static const struct share *find_full(
                const struct waits *waits, const struct asked *asked, const struct waiter *waiter)
{
        size_t len = asked->blob.len;

        if (!fits(&of_all, waits->n, waits->bytes, len)) {
                return &of_all;
        }
        if (!fits(&of_client, waiter->n, waiter->bytes, len)) {
                return &of_client;
        }
        return fits_user(waits, asked->caller->user, len) ? NULL : &of_user;
}

/* Requests */

/* Who waits borrows nothing: its tag and blob are copied. */
static void fill(struct wait *wait, const struct asked *asked)
{
        const struct cmi_session_request *request = asked->request;
        size_t tag_len = request->tag.len;

        *wait = (struct wait){
                        .caller = *asked->caller,
                        .request = *request,
                        .since_ns = asked->now.mono_ns,
                        .deadline_ns = asked->now.mono_ns + cmi_ms(plane_patience_ms(request)),
                        .blob_len = asked->blob.len,
        };
        wait->request.blob = cmi_slice(NULL, 0);
        wait->request.tag = cmi_slice(wait->bytes, tag_len);
        if (tag_len > 0) {
                memcpy(wait->bytes, request->tag.data, tag_len);
        }
        if (asked->blob.len > 0) {
                memcpy(wait->bytes + tag_len, asked->blob.data, asked->blob.len);
        }
}

static void append(struct waits *waits, struct waiter *waiter, struct wait *wait)
{
        wait->waiter = waiter;
        wait->prev = waiter->last;
        *(waiter->last ? &waiter->last->next : &waiter->first) = wait;
        waiter->last = wait;
        waiter->n++;
        waiter->bytes += wait->blob_len;
        waits->n++;
        waits->bytes += wait->blob_len;
        waits->due_ns = wait->deadline_ns < waits->due_ns ? wait->deadline_ns : waits->due_ns;
}

/* Return: was there room? If not, that was told. */
static bool keep(struct plane *plane, const struct asked *asked, struct waiter *waiter)
{
        const struct share *full = find_full(&plane->waits, asked, waiter);
        struct wait *wait = NULL;

        if (full) {
                reply_busy(plane, asked, full->whose, full->n_max, full->bytes_max);
                return false;
        }
        wait = plane_alloc(plane, size_for(asked->request->tag.len, asked->blob.len));
        if (!wait) {
                reply_outcome(plane, asked, CMI_E_BUSY, "there is no memory to let it wait");
                return false;
        }
        fill(wait, asked);
        append(&plane->waits, waiter, wait);
        return true;
}

void waiting_add(struct plane *plane, const struct asked *asked)
{
        struct waiter *waiter = find_waiter(plane, asked->caller->client);

        waiter = waiter ? waiter : add_waiter(plane, asked->caller);
        if (!waiter) {
                reply_outcome(plane, asked, CMI_E_BUSY, "there is no memory to let it wait");
        } else if (keep(plane, asked, waiter)) {
                plane->waits.recent = waiter;
        } else {
                settle_waiter(plane, waiter);
        }
}

/* Its client stays, also when that was all of it. */
static void take_out(struct plane *plane, struct wait *wait)
{
        struct waiter *waiter = wait->waiter;

        *(wait->prev ? &wait->prev->next : &waiter->first) = wait->next;
        *(wait->next ? &wait->next->prev : &waiter->last) = wait->prev;
        waiter->n--;
        waiter->bytes -= wait->blob_len;
        plane->waits.n--;
        plane->waits.bytes -= wait->blob_len;
        plane_release(plane, wait, size_for(wait->request.tag.len, wait->blob_len));
}

void waiting_cancel(struct plane *plane, uint64_t client)
{
        struct waiter *waiter = find_waiter(plane, client);

        if (waiter) {
                while (waiter->first) {
                        take_out(plane, waiter->first);
                }
                settle_waiter(plane, waiter);
        }
}

static struct asked asked_of(const struct wait *wait, struct cmi_time now)
{
        return (struct asked){
                        .now = now,
                        .caller = &wait->caller,
                        .request = &wait->request,
                        .blob = cmi_slice(wait->bytes + wait->request.tag.len, wait->blob_len),
                        .waited_ms = (now.mono_ns - wait->since_ns) / CMI_NS_PER_MS,
        };
}

/* Time */

static void tell_late(struct plane *plane, struct cmi_time now, struct wait *wait)
{
        const struct asked asked = asked_of(wait, now);

        reply_outcome(plane, &asked, CMI_E_UNCONFIRMED,
                        plane_is_live(plane) ? "its client takes no more answers"
                                             : "this node does not serve at the moment");
        take_out(plane, wait);
}

/* Up to *n of one client. Return: when the next one of it is due. */
static uint64_t expire(struct plane *plane, struct cmi_time now, struct waiter *waiter, uint32_t *n)
{
        uint64_t due_ns = UINT64_MAX;
        struct wait *wait = waiter->first;

        while (wait) {
                struct wait *next = wait->next;

                if (wait->deadline_ns > now.mono_ns || *n == 0) {
                        due_ns = wait->deadline_ns < due_ns ? wait->deadline_ns : due_ns;
                } else {
                        --*n;
                        tell_late(plane, now, wait);
                }
                wait = next;
        }
        return due_ns;
}

void waiting_expire(struct plane *plane, struct cmi_time now)
{
        struct waiter *waiter = plane->waits.first;
        uint64_t due_ns = UINT64_MAX;
        uint32_t n = PLANE_STEPS;

        if (plane->waits.due_ns > now.mono_ns) {
                return;
        }
        while (waiter) {
                struct waiter *next = waiter->next;
                uint64_t own_ns = expire(plane, now, waiter, &n);

                due_ns = own_ns < due_ns ? own_ns : due_ns;
                settle_waiter(plane, waiter);
                waiter = next;
        }
        plane->waits.due_ns = due_ns;
}

/* Doing */

static bool takes(const struct plane *plane, const struct waiter *waiter)
{
        const struct plane_sink *sink = &plane->sink;

        return !sink->takes || sink->takes(sink->context, waiter->client);
}

bool waiting_is_due(const struct plane *plane)
{
        const struct waiter *waiter = plane->waits.first;

        while (waiter && !takes(plane, waiter)) {
                waiter = waiter->next;
        }
        return waiter && plane_is_live(plane);
}

bool waiting_has(const struct plane *plane, uint64_t client)
{
        return plane->waits.first && find_waiter(plane, client);
}

static void do_first(struct plane *plane, struct cmi_time now, struct waiter *waiter)
{
        const struct asked asked = asked_of(waiter->first, now);

        plane_do(plane, &asked);
        take_out(plane, waiter->first);
        settle_waiter(plane, waiter);
}

void waiting_run(struct plane *plane, struct cmi_time now)
{
        struct waits *waits = &plane->waits;
        uint32_t n_passed = 0; /* in a row */

        for (uint32_t n = 0; n < PLANE_STEPS && n_passed < waits->n_waiters; n++) {
                struct waiter *waiter = waits->first;

                if (!plane_is_live(plane)) {
                        return;
                }
                unlink_waiter(waits, waiter);
                append_waiter(waits, waiter);
                if (takes(plane, waiter)) {
                        do_first(plane, now, waiter);
                        n_passed = 0;
                } else {
                        n_passed++;
                }
        }
}
