/* SPDX-License-Identifier: MIT */
/*
 * Requests that came while this node did not serve, or after such a one: they are done in the order
 * in which they came, or not at all, when their time is over. Of a request that is here nothing has
 * happened yet.
 */
#include "meshd/session/plane_state.h"

static size_t size_for(size_t tag_len, size_t blob_len)
{
        return sizeof(struct wait) + tag_len + blob_len;
}

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

static void append(struct plane *plane, struct wait *wait)
{
        struct waits *waits = &plane->waits;

        wait->prev = waits->last;
        *(waits->last ? &waits->last->next : &waits->first) = wait;
        waits->last = wait;
        waits->n++;
        waits->bytes += wait->blob_len;
        waits->due_ns = wait->deadline_ns < waits->due_ns ? wait->deadline_ns : waits->due_ns;
}

void waiting_add(struct plane *plane, const struct asked *asked)
{
        const struct waits *waits = &plane->waits;
        struct wait *wait = NULL;

        if (waits->n < PLANE_WAITS_MAX && waits->bytes + asked->blob.len <= PLANE_WAIT_BYTES_MAX) {
                wait = plane_alloc(plane, size_for(asked->request->tag.len, asked->blob.len));
        }
        if (!wait) {
                reply_outcome(plane, asked, CMI_E_BUSY, "too many requests of sessions wait");
                return;
        }
        fill(wait, asked);
        append(plane, wait);
}

static void take_out(struct plane *plane, struct wait *wait)
{
        struct waits *waits = &plane->waits;

        *(wait->prev ? &wait->prev->next : &waits->first) = wait->next;
        *(wait->next ? &wait->next->prev : &waits->last) = wait->prev;
        waits->n--;
        waits->bytes -= wait->blob_len;
        if (!waits->first) {
                waits->due_ns = UINT64_MAX;
        }
}

void waiting_drop(struct plane *plane, struct wait *wait)
{
        take_out(plane, wait);
        plane_release(plane, wait, size_for(wait->request.tag.len, wait->blob_len));
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

void waiting_expire(struct plane *plane, struct cmi_time now)
{
        struct waits *waits = &plane->waits;
        struct wait *wait = waits->first;
        uint64_t due_ns = UINT64_MAX;
        uint32_t n = 0;

        if (waits->due_ns > now.mono_ns) {
                return;
        }
        while (wait) {
                struct wait *next = wait->next;

                if (wait->deadline_ns > now.mono_ns || n == PLANE_STEPS) {
                        due_ns = wait->deadline_ns < due_ns ? wait->deadline_ns : due_ns;
                } else {
                        const struct asked asked = asked_of(wait, now);

                        n++;
                        reply_outcome(plane, &asked, CMI_E_UNCONFIRMED,
                                        "this node does not serve at the moment");
                        waiting_drop(plane, wait);
                }
                wait = next;
        }
        waits->due_ns = due_ns;
}

bool waiting_is_due(const struct plane *plane)
{
        return plane->waits.first && plane_is_live(plane);
}

void waiting_run(struct plane *plane, struct cmi_time now)
{
        for (uint32_t n = 0; n < PLANE_STEPS && waiting_is_due(plane); n++) {
                struct wait *wait = plane->waits.first;
                const struct asked asked = asked_of(wait, now);

                plane_do(plane, &asked);
                waiting_drop(plane, wait);
        }
}
