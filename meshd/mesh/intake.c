/* SPDX-License-Identifier: MIT */
#include "meshd/mesh/intake.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static uint64_t read_cookie(int fd)
{
        uint64_t cookie = 0;
        socklen_t size = sizeof(cookie);

        return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) < 0 ? 0 : cookie;
}

/*
 * Bytes that libzmq has read from the connection, or more: what is unread is asked for first, so
 * what comes before the second question counts as read. That is over at the next look. The other
 * way round it would be missing now, and is_stuffed() would believe that for ever.
 */
static uint64_t read_received(int fd)
{
        struct tcp_info info = {0};
        socklen_t size = sizeof(info);
        int n_unread = 0;

        if (ioctl(fd, FIONREAD, &n_unread) < 0 ||
                        getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0) {
                return 0;
        }
        return info.tcpi_bytes_received > (uint64_t)n_unread
                               ? info.tcpi_bytes_received - (uint64_t)n_unread
                               : 0;
}

static bool open_places(struct intake *intake)
{
        int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
        int place = nothing >= 0 ? fcntl(nothing, F_DUPFD_CLOEXEC, 0) : -1;

        if (place < 0) {
                cmi_close_p(&nothing);
                return false;
        }
        intake->nothing = nothing;
        intake->place = place;
        return true;
}

static void close_places(struct intake *intake)
{
        close(intake->nothing);
        close(intake->place);
}

static bool make_room(struct intake *intake, int fd)
{
        struct intake_connection *connections;
        int n = intake->n > 0 ? intake->n : 64;

        if (fd < intake->n) {
                return true;
        }
        if (intake->n == 0 && !open_places(intake)) {
                return false;
        }
        while (n <= fd) {
                n *= 2;
        }
        connections = reallocarray(intake->connections, (size_t)n, sizeof(*connections));
        if (!connections) {
                if (intake->n == 0) {
                        close_places(intake);
                }
                return false;
        }
        for (int i = intake->n; i < n; i++) {
                connections[i] = (struct intake_connection){0};
        }
        intake->connections = connections;
        intake->n = n;
        return true;
}

/*
 * A port that is listened at is no outgoing connection's: the kernel passes it over. What has no
 * other end is over, or is a copy of the listener: to end that one would make this node deaf.
 */
static bool is_inbound(int fd, uint16_t port)
{
        struct sockaddr_storage own, other;
        socklen_t own_size = sizeof(own), other_size = sizeof(other);
        struct cmi_endpoint endpoint;

        return getsockname(fd, (struct sockaddr *)&own, &own_size) == 0 &&
               getpeername(fd, (struct sockaddr *)&other, &other_size) == 0 &&
               cmi_endpoint_from_sockaddr((const struct sockaddr *)&own, &endpoint) == 0 &&
               endpoint.port == port;
}

void intake_opened(struct intake *intake, int fd, uint16_t port, uint64_t now_ns)
{
        if (fd < 0 || fd >= INTAKE_FDS_MAX || !is_inbound(fd, port) || !make_room(intake, fd)) {
                return;
        }
        intake->connections[fd] = (struct intake_connection){.cookie = read_cookie(fd),
                        .handed_over = read_received(fd),
                        .opened_ns = now_ns};
}

void intake_handed_over(struct intake *intake, int fd, uint64_t n_bytes)
{
        if (fd >= 0 && fd < intake->n) {
                intake->connections[fd].handed_over += n_bytes;
        }
}

bool intake_is_stranger(const struct intake *intake, int fd)
{
        return fd >= 0 && fd < intake->n && intake->connections[fd].cookie != 0 &&
               !intake->connections[fd].is_known;
}

void intake_know(struct intake *intake, int fd)
{
        if (fd >= 0 && fd < intake->n) {
                intake->connections[fd].is_known = true;
        }
}

/*
 * The duplicate is the socket that was meant, or not; the number alone could change at any time. It
 * takes a number that is kept for it, since strangers may have taken all others. Disconnecting also
 * throws away what the kernel holds and libzmq would go on reading.
 */
static bool end_connection(const struct intake *intake, int fd, struct cmi_endpoint *ret_endpoint)
{
        const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
        struct sockaddr_storage address;
        socklen_t size = sizeof(address);
        bool is_ended = false;

        if (dup3(fd, intake->place, O_CLOEXEC) < 0) {
                return false;
        }
        if (read_cookie(intake->place) == intake->connections[fd].cookie) {
                if (getpeername(intake->place, (struct sockaddr *)&address, &size) == 0) {
                        cmi_endpoint_from_sockaddr((const struct sockaddr *)&address, ret_endpoint);
                }
                is_ended = connect(intake->place, &nowhere, sizeof(nowhere)) == 0;
        }
        dup3(intake->nothing, intake->place, O_CLOEXEC);
        return is_ended;
}

/* Return: whether it has kept more than @max back for two looks. */
static bool is_stuffed(struct intake *intake, struct intake_connection *connection,
                uint64_t received, uint64_t max)
{
        bool is_idle = connection->handed_over == connection->handed_over_before;
        bool was_over = connection->was_over;
        uint64_t n_pending;

        if (connection->handed_over > received) {
                connection->handed_over = received; /* what came before it was watched */
        }
        n_pending = received - connection->handed_over;
        intake->n_pending += is_idle ? n_pending : 0;
        connection->was_over = n_pending > max;
        connection->handed_over_before = connection->handed_over;
        return is_idle && was_over && connection->was_over;
}

int intake_check(struct intake *intake, struct cmi_endpoint *ret_endpoint)
{
        uint64_t max = intake->n_pending > INTAKE_TOTAL_MAX ? INTAKE_PENDING_LOW
                                                            : INTAKE_PENDING_MAX;
        int n_ended = 0;

        intake->n_pending = 0;
        intake->n_strangers = 0;
        for (int fd = 0; fd < intake->n; fd++) {
                struct intake_connection *connection = &intake->connections[fd];

                if (connection->cookie == 0) {
                        continue;
                }
                if (read_cookie(fd) != connection->cookie) {
                        connection->cookie = 0; /* closed */
                } else if (is_stuffed(intake, connection, read_received(fd), max) &&
                                end_connection(intake, fd, ret_endpoint)) {
                        connection->cookie = 0;
                        n_ended++;
                } else {
                        intake->n_strangers += !connection->is_known;
                }
        }
        return n_ended;
}

/* Return: the descriptor of the oldest stranger, or -1. */
static int find_oldest(const struct intake *intake)
{
        int oldest = -1;

        for (int fd = 0; fd < intake->n; fd++) {
                const struct intake_connection *connection = &intake->connections[fd];

                if (intake_is_stranger(intake, fd) &&
                                (oldest < 0 || connection->opened_ns <
                                                                intake->connections[oldest]
                                                                                .opened_ns)) {
                        oldest = fd;
                }
        }
        return oldest;
}

int intake_thin(struct intake *intake, int max, uint64_t before_ns,
                struct cmi_endpoint *ret_endpoint)
{
        int n_ended = 0;

        while (intake->n_strangers > max) {
                int fd = find_oldest(intake);
                struct intake_connection *connection;

                if (fd < 0 || intake->connections[fd].opened_ns >= before_ns) {
                        break;
                }
                connection = &intake->connections[fd];
                n_ended += end_connection(intake, fd, ret_endpoint);
                connection->cookie = 0;
                intake->n_strangers--;
        }
        return n_ended;
}

void intake_deinit(struct intake *intake)
{
        if (intake->n > 0) {
                close_places(intake);
        }
        free(intake->connections);
        *intake = (struct intake){0};
}
