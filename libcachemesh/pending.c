/* SPDX-License-Identifier: MIT */
#include "libcachemesh/pending.h"

#include <errno.h>
#include <string.h>

void cmi_pending_init(struct cmi_pending *pending, struct cm *cm, uint32_t n_max)
{
        *pending = (struct cmi_pending){.cm = cm, .n_max = n_max};
}

bool cmi_pending_is_full(const struct cmi_pending *pending)
{
        return pending->n >= pending->n_max || pending->n_bytes >= CMI_PENDING_BYTES_MAX;
}

static bool is_unspooled(const struct cmi_publication *publication)
{
        return publication->is_late && !publication->is_spooled;
}

static void append(struct cmi_pending *pending, struct cmi_publication *publication)
{
        publication->previous = pending->tail;
        publication->next = NULL;
        if (pending->tail) {
                pending->tail->next = publication;
        } else {
                pending->head = publication;
        }
        pending->tail = publication;
        if (!pending->unwritten) {
                pending->unwritten = publication;
        }
        pending->n++;
        pending->n_bytes += publication->op_len;
        pending->n_late += publication->is_late;
        pending->n_unspooled += is_unspooled(publication);
}

int cmi_pending_add(struct cmi_pending *pending, struct cmi_slice op, enum cm_wait wait,
                uint64_t deadline_ns, struct cmi_publication **ret_publication)
{
        struct cmi_publication *publication;

        publication = cmi_handle_allocate(pending->cm, 16, sizeof(*publication) + op.len);
        if (!publication) {
                return -ENOMEM;
        }
        *publication = (struct cmi_publication){
                        .deadline_ns = deadline_ns,
                        .wait = wait,
                        .op_len = (uint32_t)op.len,
        };
        memcpy(publication->op, op.data, op.len);
        append(pending, publication);
        *ret_publication = publication;
        return 0;
}

void cmi_pending_written(struct cmi_pending *pending, uint64_t id, uint64_t end_offset)
{
        struct cmi_publication *publication = pending->unwritten;

        publication->id = id;
        publication->end_offset = end_offset;
        pending->unwritten = publication->next;
}

struct cmi_publication *cmi_pending_find(const struct cmi_pending *pending, uint64_t id)
{
        for (struct cmi_publication *p = pending->head; p != pending->unwritten; p = p->next) {
                if (p->id == id) {
                        return p;
                }
        }
        return NULL;
}

void cmi_pending_set_late(struct cmi_pending *pending, struct cmi_publication *publication)
{
        if (!publication->is_late && !publication->is_intent) {
                publication->is_late = true;
                pending->n_late++;
                pending->n_unspooled += is_unspooled(publication);
        }
}

void cmi_pending_set_all_late(struct cmi_pending *pending)
{
        for (struct cmi_publication *p = pending->head; p; p = p->next) {
                cmi_pending_set_late(pending, p);
        }
}

/* They are the newest ones as a rule. */
struct cmi_publication *cmi_pending_first_unspooled(const struct cmi_pending *pending)
{
        struct cmi_publication *first = NULL;
        uint32_t left = pending->n_unspooled;

        for (struct cmi_publication *p = pending->tail; p && left > 0; p = p->previous) {
                if (is_unspooled(p)) {
                        first = p;
                        left--;
                }
        }
        return first;
}

void cmi_pending_set_spooled(struct cmi_pending *pending, struct cmi_publication *publication)
{
        pending->n_unspooled -= is_unspooled(publication);
        publication->is_spooled = true;
}

static void unlink_publication(struct cmi_pending *pending, struct cmi_publication *publication)
{
        if (publication->previous) {
                publication->previous->next = publication->next;
        } else {
                pending->head = publication->next;
        }
        if (publication->next) {
                publication->next->previous = publication->previous;
        } else {
                pending->tail = publication->previous;
        }
        if (pending->unwritten == publication) {
                pending->unwritten = publication->next;
        }
        pending->n--;
        pending->n_bytes -= publication->op_len;
        pending->n_late -= publication->is_late;
        pending->n_unspooled -= is_unspooled(publication);
}

void cmi_pending_finish(
                struct cmi_pending *pending, struct cmi_publication *publication, int outcome)
{
        unlink_publication(pending, publication);
        if (publication->waiter) {
                cmi_waiter_finish(publication->waiter, outcome);
        }
        cmi_handle_deallocate(pending->cm, publication, sizeof(*publication) + publication->op_len);
}

void cmi_pending_repeat(struct cmi_pending *pending, struct cmi_publication *publication)
{
        unlink_publication(pending, publication);
        if (publication->waiter) {
                cmi_waiter_finish(publication->waiter, CM_PENDING);
                publication->waiter = NULL;
        }
        publication->id = 0;
        publication->wait = CM_WAIT_NONE;
        publication->is_late = true;
        append(pending, publication);
}

void cmi_pending_confirm(struct cmi_pending *pending, uint64_t id)
{
        struct cmi_publication *next;

        for (struct cmi_publication *p = pending->head; p != pending->unwritten && p->id <= id;
                        p = next) {
                next = p->next;
                if (p->wait == CM_WAIT_NONE) {
                        cmi_pending_finish(pending, p, 0);
                }
        }
}

void cmi_pending_drop(struct cmi_pending *pending, struct cmi_publication *publication)
{
        publication->waiter = NULL;
        cmi_pending_finish(pending, publication, CM_PENDING);
}

void cmi_pending_requeue(struct cmi_pending *pending, uint64_t n_sent)
{
        struct cmi_publication *next;

        for (struct cmi_publication *p = pending->head; p; p = next) {
                next = p->next;
                if (p->is_intent) {
                        cmi_pending_finish(pending, p, CM_PENDING);
                        continue;
                }
                cmi_pending_set_late(pending, p);
                if (p->id == 0 || p->end_offset > n_sent) {
                        p->id = 0;
                        continue;
                }
                p->id = 0;
                p->wait = CM_WAIT_NONE;
                if (p->waiter) {
                        cmi_waiter_finish(p->waiter, CM_PENDING);
                        p->waiter = NULL;
                }
        }
        pending->unwritten = pending->head;
}

void cmi_pending_clear(struct cmi_pending *pending, int outcome)
{
        while (pending->head) {
                cmi_pending_finish(pending, pending->head, outcome);
        }
}
