/* SPDX-License-Identifier: MIT */
/*
 * redis and nats, spoken by hand: both push text in which the key stands as it was sent, so
 * one scanner reads both.
 */
#include "tests/bench/way.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define SCAN_SIZE 65536
#define LOOKED_EVERY 64 /* sends between looks at the answers */

struct text {
        int fd;
        unsigned n_unlooked;
};

void way_write(int fd, const void *data, size_t len)
{
        for (size_t at = 0; at < len;) {
                ssize_t n = send(fd, (const char *)data + at, len - at, MSG_NOSIGNAL);

                if (n < 0) {
                        bench_die("send: %m");
                }
                at += (size_t)n;
        }
}

int way_connect_tcp(const char *address)
{
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        const char *colon = strchr(address, ':');
        char host[INET_ADDRSTRLEN] = "";
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int on = 1;

        if (colon) {
                snprintf(host, sizeof(host), "%.*s", (int)(colon - address), address);
                inet_pton(AF_INET, host, &to.sin_addr);
        }
        to.sin_port = htons((uint16_t)atoi(colon ? colon + 1 : address));
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
                bench_die("no server at %s: %m", address);
        }
        return fd;
}

/* From the i-th host. */
static int connect_from(const struct way_options *options, unsigned i)
{
        int fd;

        host_enter(hosts_at(&options->hosts, i));
        fd = way_connect_tcp(options->address);
        host_leave();
        return fd;
}

/* Return: how much of the text is done with; the rest may be the begin of a key. */
static size_t scan(const char *text, size_t len, struct stamps *stamps)
{
        uint64_t now_ns = bench_now_ns();
        size_t at = 0;

        while (len - at >= WAY_KEY_LEN) {
                const char *key = memchr(text + at, 'b', len - at - (WAY_KEY_LEN - 1));
                char digits[9] = {0};

                if (!key) {
                        return len - (WAY_KEY_LEN - 1);
                }
                at = (size_t)(key - text) + 1;
                if (key[1] == ':') {
                        memcpy(digits, key + 2, 8);
                        stamps_record(stamps, strtoul(digits, NULL, 16), now_ns);
                        at += WAY_KEY_LEN - 1;
                }
        }
        return at;
}

void way_scan(int fd, struct stamps *stamps)
{
        static char text[SCAN_SIZE];
        size_t len = 0;

        for (;;) {
                ssize_t n = recv(fd, text + len, sizeof(text) - len, 0);
                size_t done;

                if (n <= 0) {
                        _exit(0);
                }
                len += (size_t)n;
                done = scan(text, len, stamps);
                len -= done;
                memmove(text, text + done, len);
        }
}

static void drain(int fd)
{
        char answers[4096];

        while (recv(fd, answers, sizeof(answers), MSG_DONTWAIT) > 0) {
        }
}

static void expect_text(int fd, const char *wanted)
{
        char text[4096] = "";
        size_t len = 0;

        while (!strstr(text, wanted)) {
                ssize_t n = recv(fd, text + len, sizeof(text) - 1 - len, 0);

                if (n <= 0 || strstr(text, "-ERR")) {
                        bench_die("the server does not say %s: %s", wanted, text);
                }
                len += (size_t)n;
                text[len] = '\0';
        }
}

static struct text *new_text(int fd)
{
        struct text *state = calloc(1, sizeof(*state));

        if (!state) {
                bench_die("no memory");
        }
        state->fd = fd;
        return state;
}

static void stop(struct way *way)
{
        struct text *state = way->state;

        close(state->fd);
        free(state);
        way->state = NULL;
}

static void send_text(struct text *state, const char *text, size_t len)
{
        way_write(state->fd, text, len);
        if (++state->n_unlooked == LOOKED_EVERY) {
                drain(state->fd);
                state->n_unlooked = 0;
        }
}

static size_t put_many(char *text, uint64_t first, unsigned n, size_t size, const char *before,
                const char *after)
{
        size_t len = 0;

        for (unsigned i = 0; i < n; i++) {
                len += (size_t)snprintf(text + len, size - len, "%sb:%08x%s", before,
                                (unsigned)((first + i) % STAMPS_SIZE), after);
        }
        return len;
}

/* redis */

#define REDIS_SET "*3\r\n$3\r\nSET\r\n$10\r\n", "\r\n$1\r\n1\r\n"

static void start_redis(struct way *way, const struct way_options *options)
{
        static const char hello[] = "HELLO 3\r\n";
        static const char track[] = "CLIENT TRACKING on BCAST PREFIX b:\r\n";

        for (unsigned i = 0; i < options->n_receivers; i++) {
                int fd = connect_from(options, i + 1);

                way_write(fd, hello, sizeof(hello) - 1);
                expect_text(fd, "modules");
                way_write(fd, track, sizeof(track) - 1);
                expect_text(fd, "OK");
                if (bench_fork() == 0) {
                        way_scan(fd, way->stamps[i]);
                }
                close(fd);
        }
        way->state = new_text(options->local ? bench_connect_unix(options->local)
                                             : connect_from(options, 0));
}

static void send_redis(struct way *way, uint64_t number)
{
        char text[64];
        size_t len = put_many(text, number, 1, sizeof(text), REDIS_SET);

        send_text(way->state, text, len);
}

static void send_redis_batch(struct way *way, uint64_t first, unsigned n)
{
        struct text *state = way->state;
        char text[64 * WAY_BATCH_MAX];
        size_t len = put_many(text, first, n, sizeof(text), REDIS_SET);

        way_write(state->fd, text, len);
        drain(state->fd);
}

/* nats */

#define NATS_PUB "PUB i 10\r\n", "\r\n"

static int connect_nats(const struct way_options *from, unsigned i, const char *more)
{
        static const char options[] = "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n";
        int fd = connect_from(from, i);

        expect_text(fd, "\r\n");
        way_write(fd, options, sizeof(options) - 1);
        way_write(fd, more, strlen(more));
        expect_text(fd, "PONG");
        return fd;
}

static void start_nats(struct way *way, const struct way_options *options)
{
        for (unsigned i = 0; i < options->n_receivers; i++) {
                int fd = connect_nats(options, i + 1, "SUB i 1\r\nPING\r\n");

                if (bench_fork() == 0) {
                        way_scan(fd, way->stamps[i]);
                }
                close(fd);
        }
        way->state = new_text(connect_nats(options, 0, "PING\r\n"));
}

static void send_nats(struct way *way, uint64_t number)
{
        char text[64];
        size_t len = put_many(text, number, 1, sizeof(text), NATS_PUB);

        send_text(way->state, text, len);
}

static void send_nats_batch(struct way *way, uint64_t first, unsigned n)
{
        struct text *state = way->state;
        char text[32 * WAY_BATCH_MAX];
        size_t len = put_many(text, first, n, sizeof(text), NATS_PUB);

        way_write(state->fd, text, len);
        drain(state->fd);
}

const struct way way_redis = {.name = "redis",
                .start = start_redis,
                .stop = stop,
                .send = send_redis,
                .send_batch = send_redis_batch};
const struct way way_nats = {.name = "nats",
                .start = start_nats,
                .stop = stop,
                .send = send_nats,
                .send_batch = send_nats_batch};
