/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Publications that meshd has not confirmed yet, in the order in which they were made: first those
 * written to the socket, then those that are not. When the socket is lost all of them are unwritten
 * again. It decides what is kept and what is late; writing, reading and the reaction to a full
 * queue are connection.c's.
 *
 * Late: the call that made it has returned, or will, without meshd having taken it over in
 * the usual way. While there are late ones the handle's gets miss, and each of them belongs into
 * the spool. Everything here runs under the connection's lock.
 */
#include "base/bytes.h"
#include "libcachemesh/handle.h"
#include "libcachemesh/waiter.h"

#include <stdbool.h>
#include <stdint.h>

#define CMI_PENDING_BYTES_MAX (16u << 20) /* of operations, however few */

struct cmi_publication {
        struct cmi_publication *previous;
        struct cmi_publication *next;
        struct cmi_waiter *waiter; /* told when this is confirmed or requeued; NULL: nobody */
        uint64_t id;               /* of its PUBLISH on this connection; 0: not written */
        uint64_t end_offset;       /* in the connection's output: sent when that much has left */
        uint64_t deadline_ns;      /* CLOCK_MONOTONIC, of a wait */
        enum cm_wait wait;
        bool is_late;
        bool is_spooled;
        bool is_intent; /* an INTENT_BEGIN: not worth anything on another connection */
        uint32_t op_len;
        uint8_t op[];
};

struct cmi_pending {
        struct cm *cm; /* for its allocator */
        struct cmi_publication *head;
        struct cmi_publication *tail;
        struct cmi_publication *unwritten; /* first one not written; NULL: none */
        uint32_t n;
        uint32_t n_max;
        uint32_t n_late;
        uint32_t n_unspooled; /* of the late ones */
        uint64_t n_bytes;
};

void cmi_pending_init(struct cmi_pending *pending, struct cm *cm, uint32_t n_max);

/* No further one should be added: n_max publications or CMI_PENDING_BYTES_MAX. */
bool cmi_pending_is_full(const struct cmi_pending *pending);

/**
 * cmi_pending_add() - append a publication; also to a full queue
 * @op:              copied
 * @ret_publication: borrowed; valid until its waiter is finished
 *
 * Return: 0 or -ENOMEM.
 */
int cmi_pending_add(struct cmi_pending *pending, struct cmi_slice op, enum cm_wait wait,
                uint64_t deadline_ns, struct cmi_publication **ret_publication);

/* The first unwritten one has been written under this id. */
void cmi_pending_written(struct cmi_pending *pending, uint64_t id, uint64_t end_offset);

/* The written one with this id, or NULL. */
struct cmi_publication *cmi_pending_find(const struct cmi_pending *pending, uint64_t id);

void cmi_pending_set_late(struct cmi_pending *pending, struct cmi_publication *publication);
void cmi_pending_set_all_late(struct cmi_pending *pending);

/* The oldest one that is late and not in the spool, or NULL. */
struct cmi_publication *cmi_pending_first_unspooled(const struct cmi_pending *pending);
void cmi_pending_set_spooled(struct cmi_pending *pending, struct cmi_publication *publication);

/* Confirmed, or refused: finish its waiter with @outcome and drop it. */
void cmi_pending_finish(
                struct cmi_pending *pending, struct cmi_publication *publication, int outcome);

/* meshd could not take this wait: once more, at the end and without one. Its
 * waiter gets CM_PENDING. */
void cmi_pending_repeat(struct cmi_pending *pending, struct cmi_publication *publication);

/* Every written CM_WAIT_NONE one up to this id is confirmed. */
void cmi_pending_confirm(struct cmi_pending *pending, uint64_t id);

/**
 * cmi_pending_requeue() - the socket is lost: all are unwritten and late
 * @n_sent: bytes that had left by then
 *
 * Those that had left may or may not have arrived: their waiters get CM_PENDING, and
 * they ask for no wait any more. The others certainly have not, so their calls may go on
 * with the next connection.
 */
void cmi_pending_requeue(struct cmi_pending *pending, uint64_t n_sent);

/* Its call returns, and it is not written: nobody shall see it. */
void cmi_pending_drop(struct cmi_pending *pending, struct cmi_publication *publication);

/* Drop all; their waiters get @outcome. */
void cmi_pending_clear(struct cmi_pending *pending, int outcome);
