/* SPDX-License-Identifier: MIT */
#include "libcachemesh/connection.h"

#include <poll.h>
#include <time.h>

static struct timespec timespec_of(uint64_t ns)
{
        return (struct timespec){(time_t)(ns / CMI_NS_PER_S), (long)(ns % CMI_NS_PER_S)};
}

/* What nobody watches yet: one thread reads for all, and one, perhaps the same, waits for
 * room in the socket. */
static short free_roles(const struct cmi_connection *connection)
{
        const struct cmi_socket *socket = connection->channel.socket;
        short events = 0;

        if (!socket) {
                return 0;
        }
        if (!socket->has_reader) {
                events |= POLLIN;
        }
        if (!socket->has_writer && !cmi_channel_is_flushed(&connection->channel)) {
                events |= POLLOUT;
        }
        return events;
}

static void poll_socket(struct cmi_connection *connection, struct cmi_waiter *waiter, short events,
                uint64_t wait_ns)
{
        struct cmi_socket *socket = cmi_channel_hold(&connection->channel);
        struct pollfd watched = {.fd = socket->fd, .events = events};
        struct timespec timeout = timespec_of(wait_ns);
        bool is_current;

        socket->has_reader |= (events & POLLIN) != 0;
        socket->has_writer |= (events & POLLOUT) != 0;
        waiter->is_polling = true;
        cmi_connection_unlock(connection);
        if (ppoll(&watched, 1, &timeout, NULL) < 0) {
                watched.revents = 0;
        }
        cmi_connection_lock(connection);
        waiter->is_polling = false;
        if (events & POLLIN) {
                socket->has_reader = false;
        }
        if (events & POLLOUT) {
                socket->has_writer = false;
        }
        is_current = connection->channel.socket == socket;
        cmi_channel_unhold(&connection->channel, socket);
        if (!is_current) {
                return; /* lost meanwhile: shutdown() woke us */
        }
        if (watched.revents & ~POLLOUT) {
                cmi_connection_read(connection);
        } else if (watched.revents) {
                cmi_connection_pump(connection);
        }
}

bool cmi_connection_wait(
                struct cmi_connection *connection, struct cmi_waiter *waiter, uint64_t deadline_ns)
{
        uint64_t now_ns = cmi_connection_now_ns();
        struct timespec deadline = timespec_of(deadline_ns);
        short events = free_roles(connection);

        if (now_ns >= deadline_ns) {
                return false;
        }
        if (events != 0) {
                poll_socket(connection, waiter, events, deadline_ns - now_ns);
        } else if (!cmi_connection_settle(connection)) {
                pthread_cond_timedwait(&waiter->wake, &connection->lock, &deadline);
        }
        return true;
}

void cmi_connection_leave(struct cmi_connection *connection, struct cmi_waiter *waiter)
{
        cmi_waiters_leave(&connection->waiters, waiter);
        if (connection->waiters.head && free_roles(connection) != 0) {
                cmi_waiters_wake_one(&connection->waiters);
        }
}
