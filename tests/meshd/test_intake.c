/* SPDX-License-Identifier: MIT */
/*
 * Whose connection is ended, and whose is not: real connections on loopback, with the test in
 * libzmq's place as their reader.
 */
#include "meshd/mesh/intake.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define N_LOOKS 50000
#define N_PAIRS 16
#define N_TAKEN 64

struct pair {
        int sender;
        int receiver;
        uint16_t port;
        atomic_bool is_over;
        pthread_t thread;
};

static void make_pair(struct pair *pair)
{
        struct sockaddr_in address = {
                        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof(address);
        int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        *pair = (struct pair){.sender = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        g_assert_cmpint(bind(listener, (struct sockaddr *)&address, size), ==, 0);
        g_assert_cmpint(listen(listener, 1), ==, 0);
        g_assert_cmpint(getsockname(listener, (struct sockaddr *)&address, &size), ==, 0);
        g_assert_cmpint(connect(pair->sender, (struct sockaddr *)&address, size), ==, 0);
        pair->receiver = accept(listener, NULL, NULL);
        pair->port = ntohs(address.sin_port);
        g_assert_cmpint(pair->receiver, >=, 0);
        close(listener);
}

static void close_pair(struct pair *pair)
{
        close(pair->sender);
        close(pair->receiver);
}

static void *send_on(void *argument)
{
        static const char bytes[1 << 10];
        struct pair *pair = argument;

        while (!atomic_load(&pair->is_over) &&
                        send(pair->sender, bytes, sizeof(bytes), MSG_NOSIGNAL) > 0) {
        }
        shutdown(pair->sender, SHUT_WR);
        return NULL;
}

/* Sends so much and takes it at the other end, but hands nothing over. */
static void stuff(struct pair *pair, size_t n)
{
        static char bytes[1 << 16];

        while (n > 0) {
                ssize_t sent = send(pair->sender, bytes, n < sizeof(bytes) ? n : sizeof(bytes),
                                MSG_NOSIGNAL);

                g_assert_cmpint(sent, >, 0);
                g_assert_cmpint(recv(pair->receiver, bytes, (size_t)sent, MSG_WAITALL), ==, sent);
                n -= (size_t)sent;
        }
}

static void two_looks_in_a_row_end_what_keeps_too_much_back(void)
{
        struct cmi_endpoint endpoint;
        struct intake intake = {0};
        struct pair pair;

        make_pair(&pair);
        intake_opened(&intake, pair.receiver, pair.port, 1);
        stuff(&pair, INTAKE_PENDING_MAX);
        g_assert_cmpint(intake_check(&intake, &endpoint), ==, 0);
        stuff(&pair, 2);
        g_assert_cmpint(intake_check(&intake, &endpoint), ==, 0);
        intake_handed_over(&intake, pair.receiver, 1);
        g_assert_cmpint(intake_check(&intake, &endpoint), ==, 0);
        g_assert_cmpint(intake_check(&intake, &endpoint), ==, 1);
        g_assert_cmpint(intake_check(&intake, &endpoint), ==, 0);
        intake_deinit(&intake);
        close_pair(&pair);
}

/* Each below its own bound, but together too much. */
static void many_that_keep_little_back_are_ended_together(void)
{
        struct cmi_endpoint endpoint;
        struct intake intake = {0};
        struct pair pairs[N_PAIRS];
        struct pair small;
        int n_ended = 0;

        make_pair(&small);
        intake_opened(&intake, small.receiver, small.port, 1);
        stuff(&small, 1000);
        for (int i = 0; i < N_PAIRS; i++) {
                make_pair(&pairs[i]);
                intake_opened(&intake, pairs[i].receiver, pairs[i].port, 1);
        }
        for (int i = 0; i < N_PAIRS - 1; i++) {
                stuff(&pairs[i], INTAKE_TOTAL_MAX / (N_PAIRS - 1) - 1000);
        }
        for (int i = 0; i < 4; i++) {
                g_assert_cmpint(intake_check(&intake, &endpoint), ==, 0);
        }
        stuff(&pairs[N_PAIRS - 1], INTAKE_PENDING_MAX - 1000);
        for (int i = 0; i < 4; i++) {
                n_ended += intake_check(&intake, &endpoint);
        }
        g_assert_cmpint(n_ended, ==, N_PAIRS);
        g_assert_cmpuint(intake.n_pending, ==, 1000);
        intake_deinit(&intake);
        close_pair(&small);
        for (int i = 0; i < N_PAIRS; i++) {
                close_pair(&pairs[i]);
        }
}

/* A long life under load: what arrives between two of a look's questions to the kernel must not add
 * up, or a legal peer is ended some day. */
static void what_comes_during_a_look_is_not_held_against_the_sender(void)
{
        static char bytes[1 << 16];
        struct cmi_endpoint endpoint;
        struct intake intake = {0};
        uint64_t n_received = 0;
        struct pair pair;
        ssize_t n;

        make_pair(&pair);
        intake_opened(&intake, pair.receiver, pair.port, 1);
        pthread_create(&pair.thread, NULL, send_on, &pair);
        for (int i = 0; i < N_LOOKS; i++) {
                n = recv(pair.receiver, bytes, sizeof(bytes), 0);
                g_assert_cmpint(n, >, 0);
                n_received += (uint64_t)n;
                intake_handed_over(&intake, pair.receiver, (uint64_t)n);
                g_assert_cmpint(intake_check(&intake, &endpoint), ==, 0);
        }
        atomic_store(&pair.is_over, true);
        while ((n = recv(pair.receiver, bytes, sizeof(bytes), 0)) > 0) {
                n_received += (uint64_t)n;
                intake_handed_over(&intake, pair.receiver, (uint64_t)n);
        }
        pthread_join(pair.thread, NULL);
        g_test_message("%" PRIu64 " bytes, %" PRIu64 " of them held against the sender", n_received,
                        n_received - intake.connections[pair.receiver].handed_over);
        g_assert_cmpuint(intake.connections[pair.receiver].handed_over, ==, n_received);
        intake_deinit(&intake);
        close_pair(&pair);
}

static void another_socket_with_the_same_number_is_left_alone(void)
{
        struct cmi_endpoint endpoint;
        struct intake intake = {0};
        struct pair pair;
        struct pair next;
        int number;

        make_pair(&pair);
        number = pair.receiver;
        intake_opened(&intake, number, pair.port, 1);
        stuff(&pair, INTAKE_PENDING_MAX + 1);
        g_assert_cmpint(intake_check(&intake, &endpoint), ==, 0);
        make_pair(&next);
        stuff(&next, INTAKE_PENDING_MAX + 1);
        g_assert_cmpint(dup2(next.receiver, number), ==, number);
        g_assert_cmpint(intake_check(&intake, &endpoint), ==, 0);
        g_assert_cmpint(intake_check(&intake, &endpoint), ==, 0);
        g_assert_cmpint(send(next.sender, "x", 1, MSG_NOSIGNAL), ==, 1);
        intake_deinit(&intake);
        close_pair(&pair);
        close_pair(&next);
}

/* What was accepted may have ended before it is told, and its number have a new owner. */
static void a_number_that_is_no_inbound_connection_is_not_watched(void)
{
        struct intake intake = {0};
        struct pair pair;
        struct sockaddr_in address = {0};
        socklen_t size = sizeof(address);
        int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int local[2];

        make_pair(&pair);
        g_assert_cmpint(listen(listener, 1), ==, 0);
        g_assert_cmpint(getsockname(listener, (struct sockaddr *)&address, &size), ==, 0);
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, local), ==, 0);
        intake_opened(&intake, pair.sender, pair.port, 1);
        intake_opened(&intake, local[0], pair.port, 1);
        intake_opened(&intake, listener, ntohs(address.sin_port), 1);
        g_assert_false(intake_is_stranger(&intake, pair.sender));
        g_assert_false(intake_is_stranger(&intake, local[0]));
        g_assert_false(intake_is_stranger(&intake, listener));
        intake_opened(&intake, pair.receiver, pair.port, 1);
        g_assert_true(intake_is_stranger(&intake, pair.receiver));
        intake_deinit(&intake);
        close(local[0]);
        close(local[1]);
        close(listener);
        close_pair(&pair);
}

static bool is_open(const struct pair *pair)
{
        return send(pair->sender, "", 0, MSG_NOSIGNAL | MSG_DONTWAIT) == 0;
}

static void of_too_many_strangers_the_oldest_are_ended(void)
{
        struct cmi_endpoint endpoint;
        struct intake intake = {0};
        struct pair pairs[N_PAIRS];

        for (int i = 0; i < N_PAIRS; i++) {
                make_pair(&pairs[i]);
                /* The oldest one has the highest number. */
                intake_opened(&intake, pairs[i].receiver, pairs[i].port,
                                (uint64_t)(100 + N_PAIRS - i));
                stuff(&pairs[i], 1);
        }
        g_assert_true(intake_is_stranger(&intake, pairs[N_PAIRS - 1].receiver));
        g_assert_false(intake_is_stranger(&intake, pairs[0].sender));
        g_assert_false(intake_is_stranger(&intake, -1));
        intake_know(&intake, pairs[N_PAIRS - 1].receiver);
        g_assert_false(intake_is_stranger(&intake, pairs[N_PAIRS - 1].receiver));
        g_assert_cmpint(intake_check(&intake, &endpoint), ==, 0);
        g_assert_cmpint(intake.n_strangers, ==, N_PAIRS - 1);
        g_assert_cmpint(intake_thin(&intake, N_PAIRS - 1, UINT64_MAX, &endpoint), ==, 0);
        g_assert_cmpint(intake_thin(&intake, 4, 101, &endpoint), ==, 0);
        g_assert_cmpint(intake_thin(&intake, 4, 104, &endpoint), ==, 2);
        g_assert_cmpint(intake_thin(&intake, 4, UINT64_MAX, &endpoint), ==, N_PAIRS - 7);
        for (int i = 0; i < N_PAIRS; i++) {
                g_assert_cmpint(is_open(&pairs[i]), ==, i < 4 || i == N_PAIRS - 1);
        }
        g_assert_cmpint(intake_check(&intake, &endpoint), ==, 0);
        g_assert_cmpint(intake.n_strangers, ==, 4);
        intake_deinit(&intake);
        for (int i = 0; i < N_PAIRS; i++) {
                close_pair(&pairs[i]);
        }
}

/* Which is when it matters. */
static void strangers_are_ended_when_they_have_taken_all_descriptors(void)
{
        struct rlimit before, few;
        struct cmi_endpoint endpoint;
        struct intake intake = {0};
        int taken[N_TAKEN], n = 0;
        struct pair pair;

        make_pair(&pair);
        intake_opened(&intake, pair.receiver, pair.port, 1);
        getrlimit(RLIMIT_NOFILE, &before);
        few = (struct rlimit){.rlim_cur = N_TAKEN, .rlim_max = before.rlim_max};
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &few), ==, 0);
        while (n < N_TAKEN && (taken[n] = dup(pair.sender)) >= 0) {
                n++;
        }
        g_assert_cmpint(errno, ==, EMFILE);
        g_assert_cmpint(intake_check(&intake, &endpoint), ==, 0);
        g_assert_cmpint(intake_thin(&intake, 0, UINT64_MAX, &endpoint), ==, 1);
        g_assert_false(is_open(&pair));
        g_assert_cmpint(dup(pair.sender), <, 0);
        while (n > 0) {
                close(taken[--n]);
        }
        setrlimit(RLIMIT_NOFILE, &before);
        intake_deinit(&intake);
        close_pair(&pair);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/intake/two looks in a row end what keeps too much back",
                        two_looks_in_a_row_end_what_keeps_too_much_back);
        g_test_add_func("/intake/many that keep little back are ended together",
                        many_that_keep_little_back_are_ended_together);
        g_test_add_func("/intake/what comes during a look is not held against the sender",
                        what_comes_during_a_look_is_not_held_against_the_sender);
        g_test_add_func("/intake/another socket with the same number is left alone",
                        another_socket_with_the_same_number_is_left_alone);
        g_test_add_func("/intake/a number that is no inbound connection is not watched",
                        a_number_that_is_no_inbound_connection_is_not_watched);
        g_test_add_func("/intake/of too many strangers the oldest are ended",
                        of_too_many_strangers_the_oldest_are_ended);
        g_test_add_func("/intake/strangers are ended when they have taken all descriptors",
                        strangers_are_ended_when_they_have_taken_all_descriptors);
        return g_test_run();
}
