/* SPDX-License-Identifier: MIT */
/*
 * Requests of libcachemesh-session: a SESSION, the parts of its blob, and the wait for its answer.
 * What a request is about is that library's business. A call is on the stack of its thread; while
 * it waits it is in a list of the connection, in the order in which calls came, which is also that
 * in which they are written.
 *
 * When the socket is lost, a request that had left as a whole may be done: its call returns. Of any
 * other meshd has a part at most, which it never does: it is written anew on the next connection.
 */
#include "libcachemesh/connection.h"
#include "libcachemesh/extension.h"

#include <errno.h>
#include <stdio.h>

#define CALLS_MAX 1000
#define HEAD_ROOM 64 /* of a message beside what is in it */

struct cmi_call {
        struct cmi_call *previous;
        struct cmi_call *next;
        struct cmi_waiter waiter;
        const struct cmi_ext_call *call;
        struct cmi_ext_answer *answer;
        uint64_t id;                       /* of its SESSION on this connection; 0: not written */
        size_t n_rest;                     /* bytes of call->rest that are written */
        bool is_whole;                     /* all is written */
        uint64_t end_offset;               /* of that, in the connection's output */
        char text[CMI_LOCAL_TEXT_MAX + 1]; /* meshd's, of an ERROR */
};

static struct cmi_call *find_call(const struct cmi_connection *connection, uint64_t id)
{
        struct cmi_call *call = connection->calls;

        while (call && call->id != id) {
                call = call->next;
        }
        return id != 0 ? call : NULL;
}

static bool write_head(struct cmi_connection *connection, struct cmi_call *call)
{
        struct cmi_writer writer;
        size_t begin;

        if (!cmi_channel_has_room(&connection->channel, call->call->fields.len + HEAD_ROOM)) {
                return false;
        }
        writer = cmi_channel_begin(&connection->channel);
        call->id = connection->next_id++;
        begin = cmi_local_begin(&writer, CMI_LOCAL_SESSION, call->id);
        cmi_write_raw(&writer, call->call->fields);
        cmi_local_end(&writer, begin);
        cmi_channel_end(&connection->channel, &writer);
        return true;
}

static bool write_part(struct cmi_connection *connection, struct cmi_call *call)
{
        struct cmi_slice rest = call->call->rest;
        size_t n = rest.len - call->n_rest;
        struct cmi_session_part part = {
                        .id = call->id,
                        .offset = CMI_SESSION_PART_MAX + call->n_rest,
        };
        struct cmi_writer writer;
        size_t begin;

        if (n > CMI_SESSION_PART_MAX) {
                n = CMI_SESSION_PART_MAX;
        }
        if (!cmi_channel_has_room(&connection->channel, n + HEAD_ROOM)) {
                return false;
        }
        part.bytes = cmi_slice((const uint8_t *)rest.data + call->n_rest, n);
        writer = cmi_channel_begin(&connection->channel);
        begin = cmi_local_begin(&writer, CMI_LOCAL_SESSION_PART, connection->next_id++);
        cmi_session_part_write(&writer, &part);
        cmi_local_end(&writer, begin);
        cmi_channel_end(&connection->channel, &writer);
        call->n_rest += n;
        return true;
}

bool cmi_connection_write_call(struct cmi_connection *connection)
{
        struct cmi_call *call = connection->unwritten_call;

        while (call && call->waiter.is_done) { /* refused before it was whole */
                call = call->next;
        }
        connection->unwritten_call = call;
        if (!call) {
                return false;
        }
        if (call->id == 0 ? !write_head(connection, call) : !write_part(connection, call)) {
                return false;
        }
        if (call->n_rest == call->call->rest.len) {
                call->is_whole = true;
                call->end_offset = connection->channel.n_written;
                connection->unwritten_call = call->next;
        }
        return true;
}

void cmi_connection_lose_calls(struct cmi_connection *connection, uint64_t n_sent)
{
        for (struct cmi_call *call = connection->calls; call; call = call->next) {
                if (call->is_whole && call->end_offset <= n_sent) {
                        cmi_waiter_finish(&call->waiter, -ECONNRESET);
                } else {
                        call->is_whole = false;
                        call->n_rest = 0;
                        call->id = 0;
                }
        }
        connection->unwritten_call = connection->calls;
}

void cmi_connection_call_answer(
                struct cmi_connection *connection, const struct cmi_local_head *head)
{
        struct cmi_call *call = find_call(connection, head->id);
        void *copy;

        if (!call || call->waiter.is_done) {
                return; /* of one that has given up, or that nobody waits for */
        }
        copy = call->call->room;
        if (!copy || head->fields.len > call->call->room_size) {
                copy = cmi_handle_allocate(connection->cm, 16, head->fields.len);
                if (!copy) {
                        cmi_waiter_finish(&call->waiter, -ENOMEM);
                        return;
                }
                call->answer->memory = copy;
        }
        memcpy(copy, head->fields.data, head->fields.len);
        call->answer->fields = cmi_slice(copy, head->fields.len);
        call->answer->token.opaque[0] = connection->page ? connection->page->epoch : 0;
        cmi_waiter_finish(&call->waiter, 0);
}

bool cmi_connection_call_error(
                struct cmi_connection *connection, uint64_t id, const struct cmi_error *error)
{
        struct cmi_call *call = find_call(connection, id);

        if (!call) {
                return false;
        }
        if (!call->waiter.is_done) {
                snprintf(call->text, sizeof(call->text), "%s", error->text);
                cmi_waiter_finish(&call->waiter, (int)error->code);
        }
        return true;
}

static void append(struct cmi_connection *connection, struct cmi_call *call)
{
        call->previous = connection->last_call;
        *(call->previous ? &call->previous->next : &connection->calls) = call;
        connection->last_call = call;
        if (!connection->unwritten_call) {
                connection->unwritten_call = call;
        }
        connection->n_calls++;
}

static void unlink_call(struct cmi_connection *connection, struct cmi_call *call)
{
        *(call->previous ? &call->previous->next : &connection->calls) = call->next;
        *(call->next ? &call->next->previous : &connection->last_call) = call->previous;
        if (connection->unwritten_call == call) {
                connection->unwritten_call = call->next;
        }
        connection->n_calls--;
}

/* Without a connection until the next attempt is due. Return: false if the deadline has passed. */
static bool await_answer(struct cmi_connection *connection, struct cmi_call *call)
{
        uint64_t deadline_ns = call->call->deadline_ns;
        uint64_t next_try_ns;

        if (cmi_connection_try(connection)) {
                return cmi_connection_wait(connection, &call->waiter, deadline_ns);
        }
        next_try_ns = connection->next_try_ns;
        (void)cmi_connection_wait(connection, &call->waiter,
                        next_try_ns < deadline_ns ? next_try_ns : deadline_ns);
        return cmi_connection_now_ns() < deadline_ns;
}

static int outcome(const struct cmi_connection *connection, const struct cmi_call *call)
{
        if (!call->waiter.is_done) {
                return call->id != 0 ? cmi_fail(CM_E_TIMEOUT, "meshd has not answered in time")
                                     : cmi_fail(-ENOTCONN, "not asked: %s",
                                                       connection->state == CMI_CONNECTION_ATTACHED
                                                                       ? "meshd reads nothing"
                                                                       : connection->reason);
        }
        switch (call->waiter.outcome) {
        case 0:
                return 0;
        case -ECONNRESET:
                return cmi_fail(-ECONNRESET, "the connection ended before meshd's answer");
        case -ENOMEM:
                return cmi_fail(-ENOMEM, "no memory for meshd's answer");
        default:
                return cmi_fail(call->waiter.outcome, "meshd: %s", call->text);
        }
}

int cmi_connection_call(
                struct cm *cm, const struct cmi_ext_call *call, struct cmi_ext_answer *ret_answer)
{
        struct cmi_connection *connection = cmi_connection(cm);
        struct cmi_call asked = {.call = call, .answer = ret_answer};
        int r;

        cmi_connection_lock(connection);
        if (connection->n_calls == CALLS_MAX) {
                cmi_connection_unlock(connection);
                return cmi_fail(CM_E_BUSY, "%d requests of this process wait already", CALLS_MAX);
        }
        cmi_connection_try(connection);
        cmi_connection_read(connection); /* a dead meshd is noticed here */
        cmi_waiters_enter(&connection->waiters, &asked.waiter, CMI_WAITER_CALL, NULL);
        append(connection, &asked);
        cmi_connection_pump(connection);
        while (!asked.waiter.is_done && await_answer(connection, &asked)) {
        }
        r = outcome(connection, &asked);
        unlink_call(connection, &asked);
        cmi_connection_leave(connection, &asked.waiter);
        cmi_connection_unlock(connection);
        return r;
}

int cmi_connection_tell(struct cm *cm, struct cmi_slice fields)
{
        struct cmi_connection *connection = cmi_connection(cm);
        struct cmi_writer writer;
        size_t begin;
        int r = -EAGAIN;

        cmi_connection_lock(connection);
        cmi_connection_try(connection);
        cmi_connection_read(connection); /* earlier answers, which nobody else may look for */
        if (connection->state == CMI_CONNECTION_ATTACHED &&
                        cmi_channel_has_room(&connection->channel, fields.len + HEAD_ROOM)) {
                writer = cmi_channel_begin(&connection->channel);
                begin = cmi_local_begin(&writer, CMI_LOCAL_SESSION, connection->next_id++);
                cmi_write_raw(&writer, fields);
                cmi_local_end(&writer, begin);
                cmi_channel_end(&connection->channel, &writer);
                cmi_connection_pump(connection);
                r = 0;
        }
        cmi_connection_unlock(connection);
        return r;
}
