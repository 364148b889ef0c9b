/* SPDX-License-Identifier: MIT */
/*
 * Clients over socketpairs of which one does not read: what piles up for it is bounded, it loses
 * nothing but by being dropped, and the other is answered. With UNREAD_SERVED or UNREAD_UNBOUNDED
 * planted more piles up, which must be seen. The handler answers each message with 64 KiB.
 */
#include "meshd/local/local.h"

#include "base/cleanup.h"
#include "meshd/core/mutant.h"

#include <glib.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER (64u << 10)
#define REQUESTS 40
#define TURNS_MAX 1000

enum { SILENT, READER, CLIENTS };

struct rig {
        struct poller poller;
        struct local local;
        struct client *clients[CLIENTS];
        int fds[CLIENTS]; /* the clients' ends */
        int n_requests[CLIENTS], n_closed;
};

static uint64_t read_no_clock(void)
{
        return 0;
}

static int on_opened(void *context, struct client *client)
{
        return 0;
}

static int on_request(void *context, struct client *client, struct cmi_slice payload)
{
        static const char answer[ANSWER];
        struct rig *rig = context;

        rig->n_requests[client == rig->clients[READER]]++;
        client_send(client, cmi_slice(answer, sizeof(answer)));
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
        return true;
}

static void set_up(struct rig *rig, gconstpointer unused)
{
        const struct ucred peer = {.pid = getpid(), .uid = geteuid()};

        g_assert_cmpint(uv_loop_init(&rig->poller.uv), ==, 0);
        rig->local.poller = &rig->poller;
        rig->local.handler = (struct local_handler){
                        rig, on_opened, on_request, on_flush, on_closed, is_writable};
        rig->local.scratch = malloc(LOCAL_READ_MAX + CMI_LOCAL_REQUEST_MAX + CMI_LOCAL_PREFIX_SIZE);
        rig->local.rota.read_ns = read_no_clock;
        g_assert_nonnull(rig->local.scratch);
        for (int i = 0; i < CLIENTS; i++) {
                int fds[2];

                g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                                                fds),
                                ==, 0);
                rig->fds[i] = fds[0];
                rig->clients[i] = client_new(&rig->local, fds[1], &peer, false);
                g_assert_nonnull(rig->clients[i]);
                rig->clients[i]->is_known = true;
                client_watch(rig->clients[i]);
        }
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
        g_assert_cmpint(rig->n_closed, ==, CLIENTS);
        for (int i = 0; i < CLIENTS; i++) {
                close(rig->fds[i]);
        }
}

static void ask(const struct rig *rig, int client, int n)
{
        static const char message[5] = {1, 0, 0, 0, 'x'};

        for (int i = 0; i < n; i++) {
                g_assert_cmpint(send(rig->fds[client], message, 5, MSG_NOSIGNAL), ==, 5);
        }
}

/* Return: bytes that came within so many turns, as many as are wanted or less. */
static size_t read_answers(struct rig *rig, int client, size_t wanted)
{
        static char sink[ANSWER];
        size_t n_read = 0;

        for (int i = 0; i < TURNS_MAX && n_read < wanted; i++) {
                ssize_t n = recv(rig->fds[client], sink, sizeof(sink), MSG_DONTWAIT);

                n_read += n > 0 ? (size_t)n : 0;
                turn(rig);
        }
        return n_read;
}

/* All is there when a turn begins: nothing is to be waited for, but turns have their bounds. */
static void ask_and_do_not_read(struct rig *rig)
{
        ask(rig, SILENT, REQUESTS);
        for (int i = 0; i < 100; i++) {
                turn(rig);
        }
}

/* It is not read from while it reads nothing, so what it can pile up is bounded; what
 * it is owed arrives. */
static void a_client_that_does_not_read_is_held_and_loses_nothing(
                struct rig *rig, gconstpointer unused)
{
        ask_and_do_not_read(rig);
        g_assert_cmpint(rig->n_requests[SILENT], <, REQUESTS);
        g_assert_cmpuint(client_n_waiting(rig->clients[SILENT]), <=, LOCAL_OUT_HOLD + ANSWER);
        g_assert_cmpuint(read_answers(rig, SILENT, REQUESTS * ANSWER), ==, REQUESTS * ANSWER);
        g_assert_cmpint(rig->n_closed, ==, 0);
}

static void without_the_rule_all_its_answers_pile_up(struct rig *rig, gconstpointer unused)
{
        ask_and_do_not_read(rig);
        g_assert_cmpint(rig->n_requests[SILENT], ==, REQUESTS);
        g_assert_cmpuint(client_n_waiting(rig->clients[SILENT]), >, LOCAL_OUT_HOLD + ANSWER);
}

static void another_is_answered_meanwhile(struct rig *rig, gconstpointer unused)
{
        ask_and_do_not_read(rig);
        ask(rig, READER, REQUESTS);
        g_assert_cmpuint(read_answers(rig, READER, REQUESTS * ANSWER), ==, REQUESTS * ANSWER);
        g_assert_cmpint(rig->n_requests[SILENT], <, REQUESTS);
}

/* What it did not ask for, as news of the mesh. */
static void pile_up(struct rig *rig)
{
        static char news[1 << 20];

        for (int i = 0; i < 6; i++) {
                client_send(rig->clients[SILENT], cmi_slice(news, sizeof(news)));
        }
}

static void a_client_that_lets_too_much_pile_up_is_dropped(struct rig *rig, gconstpointer unused)
{
        pile_up(rig);
        g_assert_cmpuint(client_n_waiting(rig->clients[SILENT]), <=, LOCAL_OUT_MAX);
        /* Not from inside the call, which may come from the core. */
        g_assert_cmpint(rig->n_closed, ==, 0);
        turn(rig);
        g_assert_cmpint(rig->n_closed, ==, 1);
        g_assert_cmpuint(rig->local.counters.closed_overflow, ==, 1);
}

static void without_the_bound_more_piles_up(struct rig *rig, gconstpointer unused)
{
        pile_up(rig);
        g_assert_cmpuint(client_n_waiting(rig->clients[SILENT]), >, LOCAL_OUT_MAX);
        turn(rig);
        g_assert_cmpint(rig->n_closed, ==, 0);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add("/unread/" #name, struct rig, NULL, set_up, name, tear_down)
        if (MUTANT(UNREAD_SERVED)) {
                CASE(without_the_rule_all_its_answers_pile_up);
                return g_test_run();
        }
        if (MUTANT(UNREAD_UNBOUNDED)) {
                CASE(without_the_bound_more_piles_up);
                return g_test_run();
        }
        CASE(a_client_that_does_not_read_is_held_and_loses_nothing);
        CASE(another_is_answered_meanwhile);
        CASE(a_client_that_lets_too_much_pile_up_is_dropped);
        return g_test_run();
}
