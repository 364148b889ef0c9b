/* SPDX-License-Identifier: MIT */
/*
 * A client that has ended, or takes no more, over a socketpair: what it had sent before is handled.
 * With ENDED_UNREAD planted it is not, and that must be seen. A handler counts the messages; 'E' is
 * echoed, 'F' makes it answer with 64 KiB, and 'S' takes five milliseconds by the test's clock.
 */
#include "meshd/local/local.h"

#include "base/cleanup.h"
#include "meshd/core/mutant.h"

#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define SLOW_NS (5 * CMI_NS_PER_MS)
#define TURNS_MAX 1000

struct rig {
        struct poller poller;
        struct local local;
        int fd; /* the client's end */
        int n_requests, n_closed;
        bool is_writable;
};

static uint64_t slow_clock_ns;

static uint64_t read_slow_clock(void)
{
        return slow_clock_ns;
}

static int on_opened(void *context, struct client *client)
{
        return 0;
}

static int on_request(void *context, struct client *client, struct cmi_slice payload)
{
        static const char fill[64 << 10];
        struct rig *rig = context;
        char kind = *(const char *)payload.data;

        rig->n_requests++;
        if (kind == 'E') {
                client_send(client, payload);
        } else if (kind == 'F') {
                client_send(client, cmi_slice(fill, sizeof(fill)));
        } else if (kind == 'S') {
                slow_clock_ns += SLOW_NS;
        }
        return 0;
}

static void on_flush(void *context, struct client *client)
{
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
        const struct ucred peer = {.pid = getpid(), .uid = geteuid()};
        struct client *client;
        int fds[2];

        g_assert_cmpint(uv_loop_init(&rig->poller.uv), ==, 0);
        rig->is_writable = true;
        rig->local.poller = &rig->poller;
        rig->local.handler = (struct local_handler){
                        rig, on_opened, on_request, on_flush, on_closed, is_writable};
        rig->local.scratch = malloc(LOCAL_READ_MAX + CMI_LOCAL_REQUEST_MAX + CMI_LOCAL_PREFIX_SIZE);
        rig->local.rota.read_ns = read_slow_clock;
        g_assert_nonnull(rig->local.scratch);
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), ==,
                        0);
        rig->fd = fds[0];
        client = client_new(&rig->local, fds[1], &peer, false);
        g_assert_nonnull(client);
        client->is_known = true;
        client_watch(client);
}

static void turn(struct rig *rig)
{
        uv_run(&rig->poller.uv, UV_RUN_NOWAIT);
        local_serve(&rig->local);
        local_flush(&rig->local);
}

static void tear_down(struct rig *rig, gconstpointer unused)
{
        while (rig->local.clients) {
                client_drop(rig->local.clients);
        }
        uv_run(&rig->poller.uv, UV_RUN_DEFAULT);
        local_deinit(&rig->local);
        g_assert_cmpint(uv_loop_close(&rig->poller.uv), ==, 0);
        g_assert_cmpint(rig->n_closed, ==, 1);
        g_assert_cmpuint(rig->local.n_ended, ==, 0);
        g_assert_cmpuint(rig->local.n_held, ==, 0);
        g_assert_cmpuint(rig->local.rota.n, ==, 0);
        g_assert_cmpuint(rig->local.counters.garbage, ==, 0);
        g_assert_cmpuint(rig->local.counters.closed_overflow, ==, 0);
        cmi_close_p(&rig->fd);
}

/* All is there when a turn begins: nothing is to be waited for, but turns have their bounds. */
static void turn_until_closed(struct rig *rig)
{
        for (int i = 0; i < TURNS_MAX && rig->n_closed == 0; i++) {
                turn(rig);
        }
        g_assert_cmpint(rig->n_closed, ==, 1);
}

static void say(struct rig *rig, char kind, int n)
{
        const char message[5] = {1, 0, 0, 0, kind};

        for (int i = 0; i < n; i++) {
                g_assert_cmpint(send(rig->fd, message, 5, MSG_NOSIGNAL), ==, 5);
        }
}

static void hang_up(struct rig *rig)
{
        cmi_close_p(&rig->fd);
        rig->fd = -1;
}

/* Then the kernel calls it an error, and has what was sent all the same. */
static void what_it_had_sent_is_handled_though_an_answer_is_unread(
                struct rig *rig, gconstpointer unused)
{
        char byte;

        say(rig, 'E', 1);
        for (int i = 0; i < 10; i++) {
                turn(rig);
        }
        g_assert_cmpint(recv(rig->fd, &byte, 1, MSG_PEEK), ==, 1);
        say(rig, 'x', 10);
        hang_up(rig);
        turn_until_closed(rig);
        g_assert_cmpint(rig->n_requests, ==, 11);
}

static void without_the_rule_what_it_had_sent_is_lost(struct rig *rig, gconstpointer unused)
{
        say(rig, 'E', 1);
        turn(rig);
        turn(rig);
        say(rig, 'x', 10);
        hang_up(rig);
        turn_until_closed(rig);
        g_assert_cmpint(rig->n_requests, ==, 1);
}

/* The first answer is sent when most of it is still held, for lack of time. */
static void what_is_held_is_handled_though_nobody_takes_the_answers(
                struct rig *rig, gconstpointer unused)
{
        say(rig, 'E', 1);
        say(rig, 'S', 40);
        hang_up(rig);
        turn(rig);
        g_assert_cmpint(rig->n_requests, <, 41);
        turn_until_closed(rig);
        g_assert_cmpint(rig->n_requests, ==, 41);
}

static void what_the_socket_holds_is_handled_though_nobody_takes_the_answers(
                struct rig *rig, gconstpointer unused)
{
        const int n = LOCAL_READ_MAX / 5 + 1000;
        static char bytes[LOCAL_READ_MAX + 5000 + 5];
        int big = 1 << 20;

        for (size_t i = 0; i + 5 <= sizeof(bytes); i += 5) {
                bytes[i] = 1;
                bytes[i + 4] = i == 0 ? 'E' : 'x';
        }
        setsockopt(rig->fd, SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
        g_assert_cmpint(send(rig->fd, bytes, (size_t)n * 5, MSG_NOSIGNAL), ==, n * 5);
        hang_up(rig);
        turn_until_closed(rig);
        g_assert_cmpint(rig->n_requests, ==, n);
}

static void answers_to_it_are_thrown_away(struct rig *rig, gconstpointer unused)
{
        const int n = 2 * LOCAL_OUT_MAX / (64 << 10);

        say(rig, 'E', 1);
        say(rig, 'S', 4);
        say(rig, 'F', n);
        hang_up(rig);
        turn(rig);
        g_assert_cmpuint(rig->local.n_ended, ==, 1);
        g_assert_cmpuint(client_n_waiting(rig->local.clients), ==, 0);
        turn_until_closed(rig);
        g_assert_cmpint(rig->n_requests, ==, 5 + n);
}

static void while_no_requests_are_taken_it_waits_like_all(struct rig *rig, gconstpointer unused)
{
        say(rig, 'E', 1);
        say(rig, 'S', 20);
        hang_up(rig);
        turn(rig);
        rig->is_writable = false;
        for (int i = 0; i < 10; i++) {
                turn(rig);
        }
        g_assert_cmpint(rig->n_requests, <, 21);
        g_assert_cmpint(rig->n_closed, ==, 0);
        rig->is_writable = true;
        turn_until_closed(rig);
        g_assert_cmpint(rig->n_requests, ==, 21);
}

/* It could say more, but nobody is to wait for that. */
static void one_that_lives_but_takes_no_more_is_dropped_after_what_it_said(
                struct rig *rig, gconstpointer unused)
{
        g_assert_cmpint(shutdown(rig->fd, SHUT_RD), ==, 0);
        say(rig, 'E', 1);
        say(rig, 'S', 20);
        turn_until_closed(rig);
        g_assert_cmpint(rig->n_requests, ==, 21);
}

static void a_begun_message_ends_with_it(struct rig *rig, gconstpointer unused)
{
        say(rig, 'E', 1);
        say(rig, 'S', 20);
        g_assert_cmpint(send(rig->fd, "\5\0\0\0x", 5, MSG_NOSIGNAL), ==, 5);
        hang_up(rig);
        turn_until_closed(rig);
        g_assert_cmpint(rig->n_requests, ==, 21);
}

static void one_that_leaves_is_dropped_at_once(struct rig *rig, gconstpointer unused)
{
        say(rig, 'E', 1);
        say(rig, 'S', 20);
        hang_up(rig);
        turn(rig);
        client_leave(rig->local.clients);
        turn(rig);
        g_assert_cmpint(rig->n_closed, ==, 1);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add("/ended/" #name, struct rig, NULL, set_up, name, tear_down)
        if (MUTANT(ENDED_UNREAD)) {
                CASE(without_the_rule_what_it_had_sent_is_lost);
                return g_test_run();
        }
        CASE(what_it_had_sent_is_handled_though_an_answer_is_unread);
        CASE(what_is_held_is_handled_though_nobody_takes_the_answers);
        CASE(what_the_socket_holds_is_handled_though_nobody_takes_the_answers);
        CASE(answers_to_it_are_thrown_away);
        CASE(while_no_requests_are_taken_it_waits_like_all);
        CASE(one_that_lives_but_takes_no_more_is_dropped_after_what_it_said);
        CASE(a_begun_message_ends_with_it);
        CASE(one_that_leaves_is_dropped_at_once);
        return g_test_run();
}
