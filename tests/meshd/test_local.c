/* SPDX-License-Identifier: MIT */
/*
 * The local socket against clients that misbehave. A handler counts the messages; one that begins
 * with 'B' is malformed to it, 'E' is echoed, 'F' makes it answer with 64 KiB, and 'S' takes five
 * milliseconds, by a clock that the test may set.
 */
#include "meshd/local/local.h"

#include "base/cleanup.h"
#include "meshd/local/client_limit.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define DEADLINE_US (5 * G_USEC_PER_SEC)
#define MAX_CLIENTS 8
#define SLOW_NS (5 * CMI_NS_PER_MS)

struct rig {
        char *directory;
        char path[108];
        struct poller poller;
        struct local local;
        int n_opened, n_closed, n_requests, n_flushed;
        bool is_writable;
};

static uint64_t slow_clock_ns;

static uint64_t read_slow_clock(void)
{
        return slow_clock_ns;
}

static int on_opened(void *context, struct client *client)
{
        struct rig *rig = context;

        rig->n_opened++;
        client->is_known = true;
        return 0;
}

static int on_request(void *context, struct client *client, struct cmi_slice payload)
{
        struct rig *rig = context;
        static char fill[64 << 10];
        char kind = *(const char *)payload.data;

        rig->n_requests++;
        if (kind == 'E') {
                client_send(client, payload);
        } else if (kind == 'F') {
                client_send(client, cmi_slice(fill, sizeof(fill)));
        } else if (kind == 'S') {
                slow_clock_ns += SLOW_NS;
        }
        return kind == 'B' ? -EBADMSG : 0;
}

static void on_flush(void *context, struct client *client)
{
        ((struct rig *)context)->n_flushed++;
}

static void on_closed(void *context, struct client *client)
{
        ((struct rig *)context)->n_closed++;
}

static bool is_writable(void *context)
{
        return ((struct rig *)context)->is_writable;
}

static void set_up(struct rig *rig, gconstpointer unused)
{
        const struct local_handler handler = {
                        rig, on_opened, on_request, on_flush, on_closed, is_writable};
        struct fault fault;

        rig->is_writable = true;
        rig->directory = g_dir_make_tmp("local-XXXXXX", NULL);
        g_assert_nonnull(rig->directory);
        snprintf(rig->path, sizeof(rig->path), "%s/sock", rig->directory);
        uv_loop_init(&rig->poller.uv);
        g_assert_cmpint(socket_file_open(&rig->local.file, rig->path, &fault), ==, 0);
        g_assert_cmpint(local_open(&rig->local, &rig->poller, MAX_CLIENTS, &handler), ==, 0);
}

static void turn(struct rig *rig)
{
        uv_run(&rig->poller.uv, UV_RUN_NOWAIT);
        local_serve(&rig->local);
        local_flush(&rig->local);
}

static void tear_down(struct rig *rig, gconstpointer unused)
{
        char lock[128];

        snprintf(lock, sizeof(lock), "%s.lock", rig->path);
        local_close(&rig->local);
        uv_run(&rig->poller.uv, UV_RUN_DEFAULT);
        local_deinit(&rig->local);
        g_assert_cmpint(uv_loop_close(&rig->poller.uv), ==, 0);
        g_assert_cmpint(rig->n_closed, ==, rig->n_opened);
        g_assert_cmpint(access(rig->path, F_OK), ==, -1);
        g_assert_cmpint(access(lock, F_OK), ==, -1);
        g_assert_cmpint(rmdir(rig->directory), ==, 0);
        g_free(rig->directory);
}

/* Turns until the condition holds, or the deadline fails the test. */
#define TURN_UNTIL(rig, condition)                                                                 \
        do {                                                                                       \
                gint64 end = g_get_monotonic_time() + DEADLINE_US;                                 \
                while (!(condition) && g_get_monotonic_time() < end) {                             \
                        turn(rig);                                                                 \
                }                                                                                  \
                g_assert_true(condition);                                                          \
        } while (0)

static int dial(struct rig *rig)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        strcpy(address.sun_path, rig->path);
        g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
        return fd;
}

static void say(int fd, const char *text, size_t n)
{
        uint8_t prefix[4] = {(uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16), (uint8_t)(n >> 24)};

        g_assert_cmpint(send(fd, prefix, 4, MSG_NOSIGNAL), ==, 4);
        g_assert_cmpint(send(fd, text, n, MSG_NOSIGNAL), ==, (ssize_t)n);
}

static bool is_closed(int fd)
{
        char byte;

        return recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0 || (errno != EAGAIN && errno != 0);
}

static void messages_arrive_however_the_bytes_are_cut(struct rig *rig, gconstpointer unused)
{
        CM_CLEANUP(cmi_close_p) int fd = dial(rig);
        static const char bytes[] = "\1\0\0\0x\3\0\0\0xyz\1\0\0\0x";

        for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
                g_assert_cmpint(send(fd, bytes + i, 1, MSG_NOSIGNAL), ==, 1);
                turn(rig);
        }
        TURN_UNTIL(rig, rig->n_requests == 3);
        g_assert_cmpint(send(fd, bytes, sizeof(bytes) - 1, MSG_NOSIGNAL), ==, sizeof(bytes) - 1);
        TURN_UNTIL(rig, rig->n_requests == 6);
}

static void a_length_of_zero_or_too_much_ends_the_connection(struct rig *rig, gconstpointer unused)
{
        static const char *const bad[] = {
                        "\0\0\0\0", "\xff\xff\xff\xff", "\x01\x00\x01\x00", "GET "};
        CM_CLEANUP(cmi_close_p) int neighbour = dial(rig);

        for (size_t i = 0; i < 4; i++) {
                CM_CLEANUP(cmi_close_p) int fd = dial(rig);

                g_assert_cmpint(send(fd, bad[i], 4, MSG_NOSIGNAL), ==, 4);
                errno = 0;
                TURN_UNTIL(rig, is_closed(fd));
                g_assert_cmpuint(rig->local.counters.garbage, ==, i + 1);
        }
        say(neighbour, "x", 1);
        TURN_UNTIL(rig, rig->n_requests == 1);
}

static void what_the_handler_calls_malformed_ends_the_connection(
                struct rig *rig, gconstpointer unused)
{
        CM_CLEANUP(cmi_close_p) int fd = dial(rig);

        say(fd, "x", 1);
        say(fd, "B", 1);
        say(fd, "x", 1);
        TURN_UNTIL(rig, rig->n_closed == 1);
        g_assert_cmpint(rig->n_requests, ==, 2);
        g_assert_cmpuint(rig->local.counters.garbage, ==, 1);
}

static void one_client_cannot_take_a_whole_turn(struct rig *rig, gconstpointer unused)
{
        static const char request[5] = {1, 0, 0, 0, 'x'};
        static char bytes[5 * 100000];
        CM_CLEANUP(cmi_close_p) int greedy = dial(rig);
        CM_CLEANUP(cmi_close_p) int modest = -1;
        int big = 1 << 20;

        for (size_t i = 0; i < sizeof(bytes); i += 5) {
                memcpy(bytes + i, request, sizeof(request));
        }
        setsockopt(greedy, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof(big));
        g_assert_cmpint(send(greedy, bytes, sizeof(bytes), MSG_NOSIGNAL), >, LOCAL_READ_MAX);
        modest = dial(rig);
        g_assert_cmpint(modest, >=, 0);
        TURN_UNTIL(rig, rig->n_opened == 2);
        rig->n_requests = 0;
        turn(rig);
        g_assert_cmpint(rig->n_requests, <=, LOCAL_READ_MAX / 5 + 1);
}

/* As many as fit into a turn's time, and the one that ends it. */
#define SLOW_A_TURN (ROTA_TURN_NS / SLOW_NS)

static void expensive_requests_wait_for_the_next_turn_and_none_is_lost(
                struct rig *rig, gconstpointer unused)
{
        const int n_each = 40, n_fds = 3;
        int fds[3], n_before, n_turns = 0;

        rig->local.rota.read_ns = read_slow_clock;
        for (int i = 0; i < n_fds; i++) {
                fds[i] = dial(rig);
                for (int k = 0; k < n_each; k++) {
                        say(fds[i], "S", 1);
                }
        }
        TURN_UNTIL(rig, rig->n_opened == n_fds);
        do {
                n_before = rig->n_requests;
                turn(rig);
                g_assert_cmpint(rig->n_requests - n_before, <=, SLOW_A_TURN);
                for (const struct client *client = rig->local.clients; client;
                                client = client->next) {
                        /* Round after round: nobody is more than one ahead. */
                        g_assert_cmpuint(client->requests + 2, >=,
                                        (uint64_t)rig->n_requests / (uint64_t)n_fds);
                }
                /* The next turn does not wait for somebody to say more. */
                g_assert_true(rig->n_requests == n_fds * n_each || rig->poller.is_changed);
                rig->poller.is_changed = false;
        } while (rig->n_requests < n_fds * n_each && n_turns++ < 1000);
        g_assert_cmpint(rig->n_requests, ==, n_fds * n_each);
        g_assert_cmpuint(rig->local.counters.cut_turns, >, 0);
        say(fds[0], "E", 1);
        TURN_UNTIL(rig, rig->n_requests == n_fds * n_each + 1);
        for (int i = 0; i < n_fds; i++) {
                close(fds[i]);
        }
}

/* Whole messages, a begun one and what comes later, while each turn has time for a few only. */
static void what_is_held_goes_on_with_what_comes_later(struct rig *rig, gconstpointer unused)
{
        CM_CLEANUP(cmi_close_p) int fd = dial(rig);
        static const char begun[] = "\2\0\0\0E", rest[] = "x";
        char echoed[3] = "";

        rig->local.rota.read_ns = read_slow_clock;
        for (int i = 0; i < 10; i++) {
                say(fd, "S", 1);
        }
        g_assert_cmpint(send(fd, begun, sizeof(begun) - 1, MSG_NOSIGNAL), ==, sizeof(begun) - 1);
        TURN_UNTIL(rig, rig->n_requests == 10);
        g_assert_cmpint(send(fd, rest, sizeof(rest) - 1, MSG_NOSIGNAL), ==, sizeof(rest) - 1);
        say(fd, "S", 1);
        TURN_UNTIL(rig, rig->n_requests == 12);
        TURN_UNTIL(rig, recv(fd, echoed, sizeof(echoed) - 1, MSG_DONTWAIT | MSG_PEEK) == 2);
        g_assert_cmpstr(echoed, ==, "Ex");
        g_assert_cmpuint(rig->local.n_held, ==, 0);
        g_assert_cmpuint(rig->local.rota.n, ==, 0);
}

static void a_client_that_goes_while_it_is_in_line_is_forgotten(
                struct rig *rig, gconstpointer unused)
{
        CM_CLEANUP(cmi_close_p) int fd = dial(rig);

        rig->local.rota.read_ns = read_slow_clock;
        for (int i = 0; i < 20; i++) {
                say(fd, "S", 1);
        }
        TURN_UNTIL(rig, rig->n_requests > 0);
        g_assert_cmpuint(rig->local.rota.n, ==, 1);
        client_drop(rig->local.clients);
        g_assert_cmpuint(rig->local.rota.n, ==, 0);
        g_assert_cmpuint(rig->local.n_held, ==, 0);
        TURN_UNTIL(rig, rig->n_closed == 1 && is_closed(fd));
}

static void requests_wait_while_the_core_takes_none_and_none_is_lost(
                struct rig *rig, gconstpointer unused)
{
        CM_CLEANUP(cmi_close_p) int fd = dial(rig);

        rig->is_writable = false;
        for (int i = 0; i < 100; i++) {
                say(fd, "x", 1);
        }
        for (int i = 0; i < 50; i++) {
                turn(rig);
        }
        g_assert_cmpint(rig->n_requests, ==, 0);
        rig->is_writable = true;
        TURN_UNTIL(rig, rig->n_requests == 100);
}

static uint32_t count_reserved(const struct rig *rig)
{
        uint32_t n = 0;

        for (const struct client *client = rig->local.clients; client; client = client->next) {
                n += client->is_reserved;
        }
        return n;
}

static void one_user_gets_half_of_the_connections_and_a_small_reserve(
                struct rig *rig, gconstpointer unused)
{
        int fds[12];

        for (int i = 0; i < 12; i++) {
                fds[i] = dial(rig);
        }
        TURN_UNTIL(rig, rig->local.counters.refused_user == 4);
        g_assert_cmpint(rig->n_opened, ==, 4 + CLIENT_LIMIT_RESERVE_USER);
        g_assert_cmpuint(count_reserved(rig), ==, CLIENT_LIMIT_RESERVE_USER);
        for (int i = 0; i < 12; i++) {
                close(fds[i]);
        }
        TURN_UNTIL(rig, rig->n_closed == 8);
        fds[0] = dial(rig);
        TURN_UNTIL(rig, rig->n_opened == 9);
        g_assert_cmpuint(count_reserved(rig), ==, 0);
        close(fds[0]);
}

/* The kernel notes who connects, and one process can be several users one after the other. */
static int dial_as(struct rig *rig, uid_t uid)
{
        int fd;

        g_assert_cmpint(seteuid(uid), ==, 0);
        fd = dial(rig);
        g_assert_cmpint(seteuid(0), ==, 0);
        return fd;
}

static void more_connections_of_all_users_than_may_be_are_refused(
                struct rig *rig, gconstpointer unused)
{
        int fds[3 * 4 + 1];
        int n = 0;

        if (geteuid() != 0) {
                g_test_skip("needs root, to be several users");
                return;
        }
        g_assert_cmpint(chmod(rig->directory, 0755), ==, 0);
        g_assert_cmpint(chmod(rig->path, 0666), ==, 0);
        for (uid_t uid = 1000; uid < 1002; uid++) {
                for (int i = 0; i < 4; i++) {
                        fds[n++] = dial_as(rig, uid);
                }
        }
        TURN_UNTIL(rig, rig->n_opened == 8);
        g_assert_cmpuint(count_reserved(rig), ==, 0);
        /* All are taken; what is left to each is his part of the reserve. */
        for (int i = 0; i < CLIENT_LIMIT_RESERVE_USER + 1; i++) {
                fds[n++] = dial_as(rig, 1002);
        }
        TURN_UNTIL(rig, rig->local.counters.refused_full == 1);
        g_assert_cmpint(rig->n_opened, ==, 8 + CLIENT_LIMIT_RESERVE_USER);
        g_assert_cmpuint(rig->local.counters.refused_user, ==, 0);
        close(fds[0]);
        TURN_UNTIL(rig, rig->n_closed == 1);
        fds[0] = dial_as(rig, 1002);
        TURN_UNTIL(rig, rig->n_opened == 9 + CLIENT_LIMIT_RESERVE_USER);
        g_assert_cmpuint(count_reserved(rig), ==, CLIENT_LIMIT_RESERVE_USER);
        for (int i = 0; i < n; i++) {
                close(fds[i]);
        }
}

/* Only the counting: what is counted need not be connected. */
static void others_cannot_use_up_the_reserve_of_root_and_of_meshds_user(
                struct rig *rig, gconstpointer unused)
{
        struct local local = {.max_clients = 8};
        struct client clients[8 + 3 * CLIENT_LIMIT_RESERVE_USER] = {0};
        uint32_t n = 0;

        for (uid_t uid = 1000; uid < 1003; uid++) {
                int admitted;

                while ((admitted = client_limit_check(&local, uid)) >= 0) {
                        struct client *client = &clients[n++];

                        g_assert_cmpuint(n, <=, G_N_ELEMENTS(clients));
                        client->uid = uid;
                        client->is_reserved = admitted == CLIENT_LIMIT_RESERVED;
                        client->next = local.clients;
                        local.clients = client;
                }
                g_assert_cmpint(admitted, ==, -EMFILE);
        }
        g_assert_cmpuint(n, ==, 8 + CLIENT_LIMIT_RESERVE_OTHERS);
        g_assert_cmpint(client_limit_check(&local, 0), ==, CLIENT_LIMIT_RESERVED);
        g_assert_cmpint(client_limit_check(&local, geteuid()), ==, CLIENT_LIMIT_RESERVED);
}

static int count_descriptors(void)
{
        g_autoptr(GDir) entries = g_dir_open("/proc/self/fd", 0, NULL);
        int n = 0;

        while (g_dir_read_name(entries)) {
                n++;
        }
        return n;
}

static void descriptors_that_a_client_sends_do_not_arrive(struct rig *rig, gconstpointer unused)
{
        CM_CLEANUP(cmi_close_p) int fd = dial(rig);
        struct iovec vector = {(void *)"\1\0\0\0x", 5};
        union {
                struct cmsghdr head;
                char space[CMSG_SPACE(64 * sizeof(int))];
        } control = {0};
        struct msghdr message = {.msg_iov = &vector,
                        .msg_iovlen = 1,
                        .msg_control = &control,
                        .msg_controllen = sizeof(control)};
        int n;

        TURN_UNTIL(rig, rig->n_opened == 1);
        control.head.cmsg_level = SOL_SOCKET;
        control.head.cmsg_type = SCM_RIGHTS;
        control.head.cmsg_len = CMSG_LEN(64 * sizeof(int));
        for (int i = 0; i < 64; i++) {
                memcpy(CMSG_DATA(&control.head) + (size_t)i * sizeof(int), &fd, sizeof(int));
        }
        n = count_descriptors();
        g_assert_cmpint(sendmsg(fd, &message, MSG_NOSIGNAL), ==, 5);
        TURN_UNTIL(rig, rig->n_requests == 1);
        g_assert_cmpint(count_descriptors(), ==, n);
}

#define N_DESCRIPTORS 128

/* Return: how many there are in @ret_fds now. */
static int take_all_descriptors(int ret_fds[N_DESCRIPTORS], int n, int what)
{
        while (n < N_DESCRIPTORS && (ret_fds[n] = dup(what)) >= 0) {
                n++;
        }
        g_assert_cmpint(errno, ==, EMFILE);
        return n;
}

/* Another thread may take the number that was given up to refuse a connection with. */
static void without_any_descriptor_the_loop_rests_and_connections_wait(
                struct rig *rig, gconstpointer unused)
{
        struct rlimit before, few = {.rlim_cur = N_DESCRIPTORS};
        int taken[N_DESCRIPTORS], fds[3], n, n_turns = 0;
        gint64 rest;

        for (int i = 0; i < 3; i++) {
                fds[i] = dial(rig);
        }
        g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &before), ==, 0);
        few.rlim_max = before.rlim_max;
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &few), ==, 0);
        n = take_all_descriptors(taken, 0, fds[0]);
        cmi_close_p(&rig->local.spare_fd);
        rig->local.spare_fd = -1;
        n = take_all_descriptors(taken, n, fds[0]);
        for (rest = g_get_monotonic_time() + G_USEC_PER_SEC / 2; g_get_monotonic_time() < rest;) {
                uv_run(&rig->poller.uv, UV_RUN_ONCE);
                local_flush(&rig->local);
                n_turns++;
        }
        g_assert_cmpint(n_turns, <, 10);
        g_assert_cmpint(rig->n_opened, ==, 0);
        while (n > 0) {
                close(taken[--n]);
        }
        TURN_UNTIL(rig, rig->n_opened == 3 && rig->local.spare_fd >= 0);
        g_assert_cmpuint(rig->local.counters.refused_full, ==, 0);
        setrlimit(RLIMIT_NOFILE, &before);
        for (int i = 0; i < 3; i++) {
                close(fds[i]);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add("/local/" #name, struct rig, NULL, set_up, name, tear_down)
        CASE(messages_arrive_however_the_bytes_are_cut);
        CASE(a_length_of_zero_or_too_much_ends_the_connection);
        CASE(what_the_handler_calls_malformed_ends_the_connection);
        CASE(one_client_cannot_take_a_whole_turn);
        CASE(expensive_requests_wait_for_the_next_turn_and_none_is_lost);
        CASE(what_is_held_goes_on_with_what_comes_later);
        CASE(a_client_that_goes_while_it_is_in_line_is_forgotten);
        CASE(requests_wait_while_the_core_takes_none_and_none_is_lost);
        CASE(one_user_gets_half_of_the_connections_and_a_small_reserve);
        CASE(more_connections_of_all_users_than_may_be_are_refused);
        CASE(others_cannot_use_up_the_reserve_of_root_and_of_meshds_user);
        CASE(descriptors_that_a_client_sends_do_not_arrive);
        CASE(without_any_descriptor_the_loop_rests_and_connections_wait);
        return g_test_run();
}
