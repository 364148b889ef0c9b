/* SPDX-License-Identifier: MIT */
#include "meshd/local/local.h"

#include "base/cleanup.h"
#include "meshd/io/clock.h"
#include "meshd/io/logger.h"
#include "meshd/local/client_limit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>

#define SCRATCH_SIZE (LOCAL_READ_MAX + CMI_LOCAL_REQUEST_MAX + CMI_LOCAL_PREFIX_SIZE)

static void free_dropped(struct local *local)
{
        while (local->dropped) {
                struct client *client = local->dropped;

                local->dropped = client->previous;
                client_free(client);
        }
}

static uint64_t read_ns(void)
{
        return clock_read_ns(CLOCK_MONOTONIC);
}

static void resume(struct local *local)
{
        if (local->is_held && !local->is_stopped &&
                        local->handler.is_writable(local->handler.context)) {
                local->is_held = false;
                for (struct client *client = local->clients; client; client = client->next) {
                        client_watch(client);
                }
        }
        if (local->n_held > 0 || local->n_ended > 0) {
                for (struct client *client = local->clients; client; client = client->next) {
                        client_resume(client);
                }
        }
}

void local_serve(struct local *local)
{
        struct rota_seat *seat;

        resume(local);
        local->n_in_line = local->rota.n;
        rota_begin(&local->rota);
        while ((seat = rota_next(&local->rota))) {
                client_serve(seat->owner);
        }
        if (local->rota.n > 0) {
                local->counters.cut_turns++;
                local->poller->is_changed = true;
        }
}

void local_flush(struct local *local)
{
        uint64_t now_ns = clock_read_ns(CLOCK_MONOTONIC);

        while (local->dirty) {
                struct client *client = local->dirty;

                local->dirty = client->next_dirty;
                client_flush(client, now_ns);
        }
        free_dropped(local);
}

/* Accepting */

static void turn_away(const struct local *local, int fd, const struct ucred *peer)
{
        char why[CLIENT_LIMIT_TEXT_MAX];

        client_limit_describe(local, peer->uid, why);
        logger(LOGGER_WARNING, "client.refused", L_INT("pid", peer->pid), L_UINT("uid", peer->uid),
                        L_TEXT("msg", why));
        client_limit_refuse(fd, why);
}

static void add_client(struct local *local, int fd, const struct ucred *peer, bool is_reserved)
{
        struct client *client = client_new(local, fd, peer, is_reserved);

        if (!client) {
                return;
        }
        local->counters.accepted++;
        if (local->handler.opened(local->handler.context, client) < 0) {
                client_tell_no_memory(peer->pid, peer->uid);
                client_drop(client);
                return;
        }
        client_watch(client);
}

static void on_connection(uv_poll_t *handle, int status, int events);

/* Those that wait in the kernel would wake the loop at once again. The timer ends it. */
static void pause_accepting(struct local *local, int error)
{
        local->is_paused = true;
        poller_watch(local->poller, &local->poll, 0, on_connection);
        logger(LOGGER_WARNING, "client.waits", L_UINT("clients", local->n_clients),
                        L_TEXT("error", strerror(error)),
                        L_TEXT("msg", "connections wait, since none can be accepted now"));
}

static void resume_accepting(struct local *local)
{
        if (local->spare_fd < 0) {
                local->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        }
        if (local->is_paused && local->is_listening) {
                local->is_paused = false;
                poller_watch(local->poller, &local->poll, UV_READABLE, on_connection);
        }
}

/*
 * Without a descriptor left, one is given up to say no with. Another thread may be faster to take
 * it, and then there is none until others are closed. Return: 0 if one connection less waits, or
 * none did; or why none could be accepted.
 */
static int shed(struct local *local)
{
        int error = 0;
        int fd;

        cmi_close_p(&local->spare_fd);
        fd = accept4(local->file.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
                local->counters.refused_full++;
                client_limit_refuse(fd, "meshd has no descriptor left (ulimit -n)");
                logger(LOGGER_WARNING, "client.no_descriptor", L_UINT("clients", local->n_clients),
                                L_TEXT("msg", "a connection was refused: raise the limit of open "
                                              "files"));
        } else if (errno != EAGAIN) {
                error = errno;
        }
        local->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        return error;
}

static void accept_failed(struct local *local, int error)
{
        if (error == EMFILE || error == ENFILE) {
                error = shed(local);
        }
        if (error != 0 && error != EAGAIN && error != EINTR && error != ECONNABORTED) {
                pause_accepting(local, error);
        }
}

static void on_connection(uv_poll_t *handle, int status, int events)
{
        struct local *local = handle->data;

        for (int i = 0; i < LOCAL_ACCEPTS_PER_TURN; i++) {
                struct ucred peer = {0};
                socklen_t size = sizeof(peer);
                int fd = accept4(local->file.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
                int admitted;

                if (fd < 0) {
                        accept_failed(local, errno);
                        return;
                }
                if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ||
                                size != sizeof(peer)) {
                        local->counters.refused_credentials++;
                        close(fd);
                        continue;
                }
                admitted = client_limit_check(local, peer.uid);
                if (admitted < 0) {
                        turn_away(local, fd, &peer);
                } else {
                        add_client(local, fd, &peer, admitted == CLIENT_LIMIT_RESERVED);
                }
        }
}

/* Once a second: may somebody be accepted again, and who takes nothing, or never said a word? */
static void on_timer(uv_timer_t *timer)
{
        struct local *local = timer->data;
        uint64_t now_ns = clock_read_ns(CLOCK_MONOTONIC);
        struct client *next;

        resume_accepting(local);
        for (struct client *client = local->clients; client; client = next) {
                next = client->next;
                if (client_n_waiting(client) > 0 &&
                                now_ns - client->progress_ns > cmi_ms(LOCAL_STALL_MS)) {
                        local->counters.closed_stalled++;
                        client_drop(client);
                } else if (!client->is_known && !client->is_ended &&
                                now_ns - client->opened_ns > cmi_ms(LOCAL_ATTACH_MS)) {
                        local->counters.closed_silent++;
                        client_drop(client);
                }
        }
        /* A client that was dropped between two turns is freed by the next flush. */
        local->poller->is_changed = true;
}

/* Life */

int local_open(struct local *local, struct poller *poller, uint32_t max_clients,
                const struct local_handler *handler)
{
        local->scratch = malloc(SCRATCH_SIZE);
        local->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        local->poller = poller;
        local->max_clients = max_clients;
        local->handler = *handler;
        local->rota.read_ns = read_ns;
        if (!local->scratch || uv_timer_init(&poller->uv, &local->timer) < 0 ||
                        uv_poll_init(&poller->uv, &local->poll, local->file.fd) < 0) {
                return -ENOMEM;
        }
        local->poll.data = local;
        local->timer.data = local;
        local->is_listening = true;
        poller_watch(poller, &local->poll, UV_READABLE, on_connection);
        uv_timer_start(&local->timer, on_timer, 1000, 1000);
        return 0;
}

void local_stop(struct local *local)
{
        local->is_stopped = true;
        if (local->is_listening) {
                local->is_listening = false;
                poller_watch(local->poller, &local->poll, 0, on_connection);
        }
        for (struct client *client = local->clients; client; client = client->next) {
                client_watch(client);
        }
}

void local_close(struct local *local)
{
        if (!local->poller) {
                return; /* never opened */
        }
        local_stop(local);
        while (local->clients) {
                client_drop(local->clients);
        }
        uv_close((uv_handle_t *)&local->timer, NULL);
        uv_close((uv_handle_t *)&local->poll, NULL);
        socket_file_close(&local->file);
        cmi_close_p(&local->spare_fd);
        local->spare_fd = -1;
}

void local_deinit(struct local *local)
{
        local->dirty = NULL;
        free_dropped(local);
        free(local->scratch);
        local->scratch = NULL;
}
