/* SPDX-License-Identifier: MIT */
/*
 * The way of an invalidation. It is queued first and leaves the queue when meshd has confirmed it,
 * so whatever happens to the socket, it is either in meshd's stream or still here. The call's
 * outcome says which, as far as it is known.
 */
#include "libcachemesh/connection.h"

#include <errno.h>

#define UNLOOKED_MAX 256 /* publications between looks at what meshd confirmed */

/* The queue is full and meshd does not take it: one operation for each region
 * says the same and more. */
static void overflow(struct cmi_connection *connection)
{
        if (connection->is_overflowed) {
                return;
        }
        connection->is_overflowed = true;
        cmi_pending_clear(&connection->pending, CM_PENDING);
        cmi_connection_note(connection, CM_LOG_WARNING,
                        "too many invalidations wait for meshd: its return invalidates all regions "
                        "of this process");
        cmi_connection_event(connection, CM_EVENT_OVERFLOW,
                        "too many invalidations were queued; whole regions will be invalidated");
        if (connection->state != CMI_CONNECTION_OFFLINE) {
                /* What was written is no longer accounted for, so this connection cannot go on. */
                cmi_connection_lose(connection, "meshd does not take invalidations");
        }
}

struct cmi_slice cmi_connection_encode_region(
                struct cmi_writer *writer, const struct cm_region *region)
{
        uint32_t hold_ms = cmi_region_options(region)->hold_ms;

        cmi_op_write_head(writer, CMI_OP_INVALIDATE, cmi_slice_str(cmi_region_name(region)), 0,
                        hold_ms > 0);
        cmi_op_write_tags(writer, 0);
        cmi_op_write_end(writer, true);
        cmi_op_write_hold(writer, hold_ms);
        return cmi_written(writer);
}

static int add_region(struct cmi_connection *connection, const struct cm_region *region)
{
        uint8_t bytes[CMI_REGION_NAME_MAX + 32];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        struct cmi_slice op = cmi_connection_encode_region(&writer, region);
        struct cmi_publication *publication;
        int r;

        if (writer.error != 0) {
                return writer.error;
        }
        r = cmi_pending_add(&connection->pending, op, CM_WAIT_NONE, 0, &publication);
        if (r == 0) {
                cmi_pending_set_late(&connection->pending, publication);
        }
        return r;
}

int cmi_connection_requeue_regions(struct cmi_connection *connection)
{
        uint32_t n_regions = cmi_handle_n_regions(connection->cm);

        if (!connection->is_overflowed) {
                return 0;
        }
        for (uint32_t i = 0; i < n_regions; i++) {
                int r = add_region(connection, cmi_handle_region(connection->cm, i));

                if (r < 0) {
                        cmi_pending_clear(&connection->pending, CM_PENDING);
                        return r;
                }
        }
        connection->is_overflowed = false;
        return 0;
}

/* Return: false if the queue has overflowed (now or before), which covers what the
 * caller wants to add. */
static bool has_place(struct cmi_connection *connection, uint64_t deadline_ns)
{
        struct cmi_waiter waiter;

        if (!cmi_pending_is_full(&connection->pending)) {
                return !connection->is_overflowed;
        }
        cmi_connection_read(connection);
        cmi_connection_pump(connection);
        cmi_waiters_enter(&connection->waiters, &waiter, CMI_WAITER_ROOM, NULL);
        while (cmi_pending_is_full(&connection->pending) && !connection->is_overflowed) {
                if (connection->is_stalled || !cmi_connection_try(connection) ||
                                !cmi_connection_wait(connection, &waiter, deadline_ns)) {
                        overflow(connection);
                }
        }
        cmi_connection_leave(connection, &waiter);
        return !connection->is_overflowed;
}

/* Return: the publication, or NULL after an overflow; lack of memory for one is the
 * same as lack of room. */
static struct cmi_publication *add(struct cmi_connection *connection, struct cmi_slice op,
                enum cm_wait wait, uint64_t deadline_ns)
{
        struct cmi_publication *publication;

        if (!has_place(connection, deadline_ns)) {
                connection->is_spool_due = true;
                return NULL;
        }
        if (cmi_pending_add(&connection->pending, op, wait, deadline_ns, &publication) < 0) {
                overflow(connection);
                connection->is_spool_due = true;
                return NULL;
        }
        return publication;
}

static bool is_sent(
                const struct cmi_connection *connection, const struct cmi_publication *publication)
{
        return publication->id != 0 && publication->end_offset <= connection->channel.n_sent;
}

/* The call returns, but its publication stays until it is confirmed. */
static void abandon(struct cmi_connection *connection, struct cmi_publication *publication)
{
        publication->waiter = NULL;
        if (publication->id == 0) {
                publication->wait = CM_WAIT_NONE;
        }
        cmi_pending_set_late(&connection->pending, publication);
}

/* Return: whether waiting goes on; else @waiter has an outcome, or the
 * publication is on its own. */
static bool go_on(struct cmi_connection *connection, struct cmi_waiter *waiter,
                uint64_t deadline_ns, uint64_t n_received)
{
        if (waiter->kind == CMI_WAITER_SENT && connection->is_stalled) {
                return false;
        }
        if (!cmi_connection_try(connection)) {
                return false;
        }
        if (cmi_connection_wait(connection, waiter, deadline_ns)) {
                return true;
        }
        if (connection->n_received == n_received) {
                connection->is_stalled = true;
        }
        return false;
}

/* From here on @publication may vanish; then @waiter is done. */
static int settle(struct cmi_connection *connection, struct cmi_publication *publication,
                enum cm_wait wait, uint64_t deadline_ns, struct cm_result *ret_result)
{
        enum cmi_waiter_kind kind = wait == CM_WAIT_NONE ? CMI_WAITER_SENT : CMI_WAITER_ANSWER;
        uint64_t n_received = connection->n_received;
        struct cmi_waiter waiter;
        int r = CM_PENDING;

        cmi_waiters_enter(&connection->waiters, &waiter, kind, ret_result);
        publication->waiter = &waiter;
        cmi_connection_pump(connection);
        while (!waiter.is_done && !(wait == CM_WAIT_NONE && is_sent(connection, publication)) &&
                        go_on(connection, &waiter, deadline_ns, n_received)) {
        }
        if (waiter.is_done) {
                r = waiter.outcome;
        } else if (wait == CM_WAIT_NONE && is_sent(connection, publication)) {
                publication->waiter = NULL;
                r = 0;
        } else {
                abandon(connection, publication);
        }
        cmi_connection_leave(connection, &waiter);
        return r;
}

static int publish_last(struct cmi_connection *connection, struct cmi_publication *publication,
                enum cm_wait wait, uint64_t deadline_ns, struct cm_result *ret_result)
{
        uint32_t n_unlooked_max = connection->pending.n_max / 4;

        if (wait != CM_WAIT_NONE) {
                /* A dead meshd is noticed here, rather than by a lost operation. */
                cmi_connection_read(connection);
                return settle(connection, publication, wait, deadline_ns, ret_result);
        }
        cmi_connection_pump(connection);
        if (!is_sent(connection, publication)) {
                return settle(connection, publication, wait, deadline_ns, NULL);
        }
        if (n_unlooked_max > UNLOOKED_MAX) {
                n_unlooked_max = UNLOOKED_MAX;
        }
        if (++connection->n_sent_unlooked >= n_unlooked_max || connection->pending.n_late > 0) {
                cmi_connection_read(connection);
        }
        return 0;
}

static int publish_all(struct cmi_connection *connection, const struct cmi_slice *ops, size_t n_ops,
                enum cm_wait wait, uint32_t timeout_ms, struct cm_result *ret_result)
{
        uint64_t deadline_ns = cmi_connection_now_ns() + cmi_ms(timeout_ms);
        struct cmi_publication *publication = NULL;

        if (connection->state != CMI_CONNECTION_ATTACHED || connection->is_stalled) {
                cmi_connection_try(connection);
                cmi_connection_read(connection);
        }
        for (size_t i = 0; i < n_ops; i++) {
                bool is_last = i + 1 == n_ops;

                publication = add(connection, ops[i], is_last ? wait : CM_WAIT_NONE, deadline_ns);
                if (!publication) {
                        return CM_PENDING;
                }
        }
        return publication ? publish_last(connection, publication, wait, deadline_ns, ret_result)
                           : 0;
}

static int begin(struct cmi_connection *connection, struct cmi_slice op, uint32_t timeout_ms,
                struct cm_result *ret_result, struct cmi_place *ret_place)
{
        uint64_t deadline_ns = cmi_connection_now_ns() + cmi_ms(timeout_ms);
        struct cmi_publication *publication;
        uint64_t n_received = connection->n_received;
        struct cmi_waiter waiter;
        int r = CM_PENDING;

        cmi_connection_try(connection);
        cmi_connection_read(connection);
        if (connection->state == CMI_CONNECTION_OFFLINE || connection->is_stalled ||
                        cmi_pending_is_full(&connection->pending) ||
                        cmi_pending_add(&connection->pending, op, CM_WAIT_MESH, deadline_ns,
                                        &publication) < 0) {
                return CM_PENDING;
        }
        publication->is_intent = true;
        cmi_waiters_enter(&connection->waiters, &waiter, CMI_WAITER_ANSWER, ret_result);
        publication->waiter = &waiter;
        cmi_connection_pump(connection);
        while (!waiter.is_done && go_on(connection, &waiter, deadline_ns, n_received)) {
        }
        if (waiter.is_done) {
                r = waiter.outcome;
                *ret_place = waiter.place;
        } else if (publication->id == 0) {
                cmi_pending_drop(&connection->pending, publication);
        } else {
                publication->waiter = NULL; /* its answer ends it, or the end of the socket */
        }
        cmi_connection_leave(connection, &waiter);
        return r;
}

/* Without memory its deadline ends it. */
void cmi_connection_end_late(struct cmi_connection *connection, const struct cmi_publication *begin,
                uint64_t number)
{
        uint8_t bytes[CMI_INTENT_SIZE_MAX + 32];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        struct cmi_publication *end;
        struct cmi_op op;

        if (cmi_op_decode(cmi_slice(begin->op, begin->op_len), &op) < 0) {
                return;
        }
        cmi_op_write_targets(&writer, CMI_OP_INTENT_END, &op);
        cmi_op_write_place(&writer, connection->stream, number);
        cmi_op_write_hold(&writer, op.hold_ms);
        (void)cmi_pending_add(&connection->pending, cmi_written(&writer), CM_WAIT_NONE, 0, &end);
}

int cmi_connection_begin(struct cm *cm, struct cmi_slice op, uint32_t timeout_ms,
                struct cm_result *ret_result, struct cmi_place *ret_place)
{
        struct cmi_connection *connection = cmi_connection(cm);
        int r;

        cmi_connection_lock(connection);
        r = begin(connection, op, timeout_ms, ret_result, ret_place);
        cmi_connection_unlock(connection);
        return r;
}

static int told(int r)
{
        if (r == CM_E_TIMEOUT) {
                return cmi_fail(r, "in the stream, but not every member has answered in time");
        }
        if (r == CM_E_EXPIRED) {
                return cmi_fail(r, "the write's deadline was over; its keys are invalidated");
        }
        return r < 0 ? cmi_fail(r, "meshd refused the invalidation") : r;
}

int cmi_connection_publish(struct cm *cm, const struct cmi_slice *ops, size_t n_ops,
                enum cm_wait wait, uint32_t timeout_ms, struct cm_result *ret_result)
{
        struct cmi_connection *connection = cmi_connection(cm);
        int r;

        cmi_connection_lock(connection);
        r = publish_all(connection, ops, n_ops, wait, timeout_ms, ret_result);
        cmi_connection_unlock(connection);
        if (r == 0 && wait == CM_WAIT_NONE) {
                cmi_result_set(ret_result, (struct cm_result){0}); /* nobody was asked */
        }
        return told(r);
}
