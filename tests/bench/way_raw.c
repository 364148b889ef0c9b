/* SPDX-License-Identifier: MIT */
/*
 * The floors: the least that a message costs on the two kinds of socket that an invalidation
 * crosses. Messages are as long as cachemesh's for one short key. Every receiver blocks in the
 * kernel until there is something.
 */
#include "tests/bench/way.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <zmq.h>

#define LOCAL_LEN 40 /* PUBLISH; and one operation in OPS */
#define HEAD_LEN 64  /* a frame's header */
#define FORWARD_MAX (1024 * LOCAL_LEN)

struct raw {
        int fd; /* of the Unix socket's writer; -1: there is none */
        void *context;
        void *dealers[WAY_RECEIVERS_MAX];
        unsigned n_dealers;
};

static void read_exactly(int fd, void *data, size_t len)
{
        for (size_t at = 0; at < len;) {
                ssize_t n = recv(fd, (char *)data + at, len - at, 0);

                if (n <= 0) {
                        _exit(0);
                }
                at += (size_t)n;
        }
}

static void receive_local(int fd, struct stamps *stamps)
{
        char message[LOCAL_LEN];
        uint64_t number;

        for (;;) {
                read_exactly(fd, message, sizeof(message));
                memcpy(&number, message, sizeof(number));
                stamps_record(stamps, number, bench_now_ns());
        }
}

static void record_all(const char *records, size_t len, struct stamps *stamps)
{
        for (size_t at = 0; at + LOCAL_LEN <= len; at += LOCAL_LEN) {
                uint64_t number;

                memcpy(&number, records + at, sizeof(number));
                stamps_record(stamps, number, bench_now_ns());
        }
}

static void receive_mesh(void *router, struct stamps *stamps)
{
        zmq_msg_t part;

        zmq_msg_init(&part);
        for (;;) {
                if (zmq_msg_recv(&part, router, 0) < 0) {
                        _exit(1);
                }
                if (!zmq_msg_more(&part)) {
                        record_all(zmq_msg_data(&part), zmq_msg_size(&part), stamps);
                }
        }
}

static void set(void *socket, int option, int value)
{
        if (zmq_setsockopt(socket, option, &value, sizeof(value)) < 0) {
                bench_die("zmq_setsockopt: %s", zmq_strerror(errno));
        }
}

/* The receiver's process: bind, tell where, receive for ever. */
static void run_router(int tell_fd, struct stamps *stamps)
{
        void *router = zmq_socket(zmq_ctx_new(), ZMQ_ROUTER);
        char endpoint[64];
        size_t size = sizeof(endpoint);

        if (zmq_bind(router, "tcp://127.0.0.1:*") < 0 ||
                        zmq_getsockopt(router, ZMQ_LAST_ENDPOINT, endpoint, &size) < 0) {
                _exit(1);
        }
        way_write(tell_fd, endpoint, sizeof(endpoint));
        receive_mesh(router, stamps);
}

static void start_routers(struct way *way, unsigned n, char endpoints[][64])
{
        for (unsigned i = 0; i < n; i++) {
                int pipe_fds[2];

                if (socketpair(AF_UNIX, SOCK_STREAM, 0, pipe_fds) < 0) {
                        bench_die("socketpair: %m");
                }
                if (bench_fork() == 0) {
                        run_router(pipe_fds[1], way->stamps[i]);
                }
                close(pipe_fds[1]);
                read_exactly(pipe_fds[0], endpoints[i], 64);
                close(pipe_fds[0]);
        }
}

static void connect_dealers(struct raw *raw, unsigned n, char endpoints[][64])
{
        raw->context = zmq_ctx_new();
        for (unsigned i = 0; i < n; i++) {
                raw->dealers[i] = zmq_socket(raw->context, ZMQ_DEALER);
                set(raw->dealers[i], ZMQ_IMMEDIATE, 1);
                set(raw->dealers[i], ZMQ_SNDHWM, 64);
                set(raw->dealers[i], ZMQ_LINGER, 0);
                if (zmq_connect(raw->dealers[i], endpoints[i]) < 0) {
                        bench_die("%s: %s", endpoints[i], zmq_strerror(errno));
                }
        }
        raw->n_dealers = n;
}

static void send_mesh(struct raw *raw, const char *records, size_t len)
{
        for (unsigned i = 0; i < raw->n_dealers; i++) {
                char head[HEAD_LEN] = {0};

                if (zmq_send(raw->dealers[i], head, sizeof(head), ZMQ_SNDMORE) < 0 ||
                                zmq_send(raw->dealers[i], records, len, 0) < 0) {
                        bench_die("zmq_send: %s", zmq_strerror(errno));
                }
        }
}

static void send_local(struct way *way, uint64_t number)
{
        struct raw *raw = way->state;
        char message[LOCAL_LEN] = {0};

        memcpy(message, &number, sizeof(number));
        way_write(raw->fd, message, sizeof(message));
}

static struct raw *new_raw(void)
{
        struct raw *raw = calloc(1, sizeof(*raw));

        if (!raw) {
                bench_die("no memory");
        }
        raw->fd = -1;
        return raw;
}

static void stop(struct way *way)
{
        struct raw *raw = way->state;

        for (unsigned i = 0; i < raw->n_dealers; i++) {
                zmq_close(raw->dealers[i]);
        }
        if (raw->context) {
                zmq_ctx_term(raw->context);
        }
        if (raw->fd >= 0) {
                close(raw->fd);
        }
        free(raw);
        way->state = NULL;
}

static int open_local(struct raw *raw)
{
        int fds[2];

        if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0) {
                bench_die("socketpair: %m");
        }
        raw->fd = fds[0];
        return fds[1];
}

static void start_unix(struct way *way, const struct way_options *options)
{
        struct raw *raw = new_raw();
        int fd = open_local(raw);

        if (bench_fork() == 0) {
                close(raw->fd);
                receive_local(fd, way->stamps[0]);
        }
        close(fd);
        way->state = raw;
}

static void start_zmq(struct way *way, const struct way_options *options)
{
        struct raw *raw = new_raw();
        char endpoints[WAY_RECEIVERS_MAX][64];

        start_routers(way, options->n_receivers, endpoints);
        connect_dealers(raw, options->n_receivers, endpoints);
        way->state = raw;
}

static void send_zmq(struct way *way, uint64_t number)
{
        char record[LOCAL_LEN] = {0};

        memcpy(record, &number, sizeof(number));
        send_mesh(way->state, record, sizeof(record));
}

/* All that has come leaves together, as in meshd. */
static void forward(int fd, struct raw *raw)
{
        static char records[FORWARD_MAX];
        size_t len = 0;

        for (;;) {
                ssize_t n = recv(fd, records + len, sizeof(records) - len, 0);
                size_t whole;

                if (n <= 0) {
                        _exit(0);
                }
                len += (size_t)n;
                whole = len - len % LOCAL_LEN;
                if (whole > 0) {
                        send_mesh(raw, records, whole);
                        memmove(records, records + whole, len - whole);
                        len -= whole;
                }
        }
}

static void start_chain(struct way *way, const struct way_options *options)
{
        struct raw *raw = new_raw();
        char endpoints[WAY_RECEIVERS_MAX][64];
        int fd = open_local(raw);

        start_routers(way, options->n_receivers, endpoints);
        if (bench_fork() == 0) {
                close(raw->fd);
                connect_dealers(raw, options->n_receivers, endpoints);
                forward(fd, raw);
        }
        close(fd);
        way->state = raw;
}

const struct way way_unix = {.name = "unix", .start = start_unix, .stop = stop, .send = send_local};
const struct way way_zmq = {.name = "zmq", .start = start_zmq, .stop = stop, .send = send_zmq};
const struct way way_chain = {
                .name = "chain", .start = start_chain, .stop = stop, .send = send_local};
