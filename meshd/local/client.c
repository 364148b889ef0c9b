/* SPDX-License-Identifier: MIT */
#include "meshd/local/client.h"

#include "meshd/core/mutant.h"
#include "meshd/io/clock.h"
#include "meshd/io/logger.h"
#include "meshd/local/local.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define OUT_KEPT 16384 /* a larger buffer is given back once it is empty */

static void on_client_ready(uv_poll_t *handle, int status, int events);

/* It gets no more to read before it has read some of that. */
static bool is_full(const struct client *client)
{
        return client_n_waiting(client) > LOCAL_OUT_HOLD && !MUTANT(UNREAD_SERVED);
}

static bool is_held(const struct client *client)
{
        return client->local->is_held || client->local->is_stopped || client->is_doomed ||
               client->is_leaving || is_full(client);
}

void client_watch(struct client *client)
{
        int events = 0;

        if (client->is_dropped || client->is_ended) {
                return;
        }
        if (!is_held(client)) {
                events |= UV_READABLE;
        }
        if (client->n_out > client->n_sent) {
                events |= UV_WRITABLE;
        }
        if (events != client->events) {
                client->events = events;
                poller_watch(client->local->poller, &client->poll, events, on_client_ready);
        }
}

void client_touch(struct client *client)
{
        if (!client->is_dirty && !client->is_dropped) {
                client->is_dirty = true;
                client->next_dirty = client->local->dirty;
                client->local->dirty = client;
        }
}

size_t client_n_waiting(const struct client *client)
{
        return client->n_out - client->n_sent;
}

static void unlink_client(struct client *client)
{
        /* next stays: whoever walks the list stands on this one. */
        if (client->previous) {
                client->previous->next = client->next;
        } else {
                client->local->clients = client->next;
        }
        if (client->next) {
                client->next->previous = client->previous;
        }
        client->local->n_clients--;
}

/* Whole messages that wait in the client's buffer until requests are taken again. */
static void set_held_messages(struct client *client, bool has_held)
{
        client->local->n_held += (uint32_t)has_held - (uint32_t)client->has_held;
        client->has_held = has_held;
}

/* Freed by local_flush(): until then the list of dirty clients may name it. */
static void on_client_closed(uv_handle_t *handle)
{
        struct client *client = handle->data;

        client->previous = client->local->dropped;
        client->local->dropped = client;
}

void client_drop(struct client *client)
{
        struct local *local = client->local;

        if (client->is_dropped) {
                return;
        }
        local->handler.closed(local->handler.context, client);
        client->is_dropped = true;
        local->n_ended -= client->is_ended;
        set_held_messages(client, false);
        rota_remove(&local->rota, &client->seat);
        /* libuv lets go of the descriptor's number before somebody else can get it. */
        uv_close((uv_handle_t *)&client->poll, on_client_closed);
        close(client->fd);
        client->fd = -1;
        unlink_client(client);
        local->poller->is_changed = true;
}

/*
 * It takes no more, mostly since its process has ended: nobody is owed what waits for it. What it
 * had sent before counts all the same, since an app may have been told that it does
 * (CM_WAIT_NONE): it stands in line until that is handled. libuv would call again and again.
 */
static void end(struct client *client)
{
        if (client->is_dropped || client->is_ended) {
                return;
        }
        if (MUTANT(ENDED_UNREAD)) {
                client_drop(client);
                return;
        }
        client->is_ended = true;
        client->local->n_ended++;
        free(client->out);
        client->out = NULL;
        client->out_capacity = 0;
        client->n_out = 0;
        client->n_sent = 0;
        client->events = 0;
        poller_watch(client->local->poller, &client->poll, 0, on_client_ready);
        client_resume(client);
        client_touch(client); /* it may have been leaving */
}

void client_leave(struct client *client)
{
        client->is_leaving = true;
        client_touch(client);
}

struct client *client_free(struct client *client)
{
        free(client->in);
        free(client->out);
        free(client);
        return NULL;
}

static bool make_room(struct client *client, size_t n)
{
        size_t capacity = client->out_capacity > 0 ? client->out_capacity : 1024;
        uint8_t *out;

        if (client->n_sent > 0 && client->n_out + n > client->out_capacity) {
                memmove(client->out, client->out + client->n_sent, client_n_waiting(client));
                client->n_out -= client->n_sent;
                client->n_sent = 0;
        }
        if (client->n_out + n <= client->out_capacity) {
                return true;
        }
        while (capacity < client->n_out + n) {
                capacity *= 2;
        }
        out = realloc(client->out, capacity);
        if (!out) {
                return false;
        }
        client->out = out;
        client->out_capacity = capacity;
        return true;
}

void client_tell_no_memory(pid_t pid, uid_t uid)
{
        logger(LOGGER_WARNING, "client.no_memory", L_INT("pid", pid), L_UINT("uid", uid),
                        L_TEXT("msg", "disconnected: there is no memory for it"));
}

/* Not dropped here: this may be a call from inside the core. */
static void doom(struct client *client)
{
        client->is_doomed = true;
        client_touch(client);
}

void client_send(struct client *client, struct cmi_slice bytes)
{
        if (client->is_dropped || client->is_doomed || client->is_ended) {
                return;
        }
        if (client_n_waiting(client) + bytes.len > LOCAL_OUT_MAX && !MUTANT(UNREAD_UNBOUNDED)) {
                client->local->counters.closed_overflow++;
                logger(LOGGER_WARNING, "client.overflow", L_INT("pid", client->pid),
                                L_UINT("uid", client->uid),
                                L_UINT("unread_bytes", client_n_waiting(client)),
                                L_TEXT("msg", "disconnected: it does not read its answers"));
                doom(client);
                return;
        }
        if (!make_room(client, bytes.len)) {
                client_tell_no_memory(client->pid, client->uid);
                doom(client);
                return;
        }
        memcpy(client->out + client->n_out, bytes.data, bytes.len);
        client->n_out += bytes.len;
        client_touch(client);
}

int client_send_fd(struct client *client, struct cmi_slice bytes, int fd)
{
        union {
                struct cmsghdr head;
                char space[CMSG_SPACE(sizeof(int))];
        } control = {0};
        struct iovec vector = {(void *)bytes.data, bytes.len};
        struct msghdr message = {.msg_iov = &vector,
                        .msg_iovlen = 1,
                        .msg_control = &control,
                        .msg_controllen = sizeof(control)};
        ssize_t n;

        if (client->is_dropped || client_n_waiting(client) > 0) {
                return -EBUSY;
        }
        control.head.cmsg_level = SOL_SOCKET;
        control.head.cmsg_type = SCM_RIGHTS;
        control.head.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.head), &fd, sizeof(int));
        n = sendmsg(client->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) {
                end(client);
                return 0;
        }
        if (n < 0) {
                return -errno;
        }
        /* The rest of the bytes follows without the descriptor, which went with the first one. */
        if ((size_t)n < bytes.len) {
                client_send(client, cmi_slice((const char *)bytes.data + n, bytes.len - (size_t)n));
        }
        client->bytes_out += (uint64_t)n;
        client->local->counters.bytes_out += (uint64_t)n;
        return 0;
}

static void send_waiting(struct client *client, uint64_t now_ns)
{
        ssize_t n = 0;

        if (client_n_waiting(client) > 0) {
                n = send(client->fd, client->out + client->n_sent, client_n_waiting(client),
                                MSG_NOSIGNAL | MSG_DONTWAIT);
                if (n < 0 && errno != EAGAIN && errno != EINTR) {
                        end(client);
                        return;
                }
        }
        if (n > 0) {
                client->n_sent += (size_t)n;
                client->bytes_out += (uint64_t)n;
                client->local->counters.bytes_out += (uint64_t)n;
                client->progress_ns = now_ns;
        }
        if (client_n_waiting(client) == 0) {
                client->n_out = 0;
                client->n_sent = 0;
                client->progress_ns = now_ns;
                if (client->out_capacity > OUT_KEPT) {
                        free(client->out);
                        client->out = NULL;
                        client->out_capacity = 0;
                }
        }
        client_watch(client);
}

void client_flush(struct client *client, uint64_t now_ns)
{
        struct local *local = client->local;

        client->is_dirty = false;
        if (client->is_doomed) {
                client_drop(client);
        }
        if (!client->is_dropped) {
                local->handler.flush(local->handler.context, client);
        }
        if (!client->is_dropped) {
                send_waiting(client, now_ns);
        }
        if (client->is_leaving && !client->is_dropped && client_n_waiting(client) == 0) {
                client_drop(client);
        }
}

static void drop_garbage(struct client *client, int error)
{
        client->local->counters.garbage++;
        logger(LOGGER_WARNING, "client.garbage", L_INT("pid", client->pid),
                        L_UINT("uid", client->uid), L_TEXT("error", strerror(-error)),
                        L_TEXT("msg", "disconnected: not a message of the local protocol"));
        client_drop(client);
}

/* Keeps what is not handled yet, in a buffer of just that size: an idle client has none. Messages
 * that are handled turn by turn are not moved each time. */
static void keep(struct client *client, const uint8_t *bytes, size_t n)
{
        uint8_t *in = NULL;

        if (client->has_held && client->n_in > 0 && bytes + n == client->in + client->n_in) {
                client->in_at = client->n_in - n;
                return;
        }
        if (n > 0) {
                in = malloc(n);
                if (!in) {
                        client_tell_no_memory(client->pid, client->uid);
                        client_drop(client);
                        return;
                }
                memcpy(in, bytes, n);
        }
        free(client->in);
        client->in = in;
        client->in_at = 0;
        client->n_in = n;
}

/* Takes one message off these bytes. Return: its bytes, 0 if it is not complete,
 * -errno for garbage. */
static int64_t handle_one(struct client *client, const uint8_t *at, size_t n)
{
        struct local *local = client->local;
        struct cmi_slice payload;
        int64_t used = cmi_local_split(cmi_slice(at, n), CMI_LOCAL_REQUEST_MAX, &payload);
        int r;

        if (used <= 0) {
                return used;
        }
        client->requests++;
        local->counters.requests++;
        r = local->handler.request(local->handler.context, client, payload);
        return r < 0 ? r : used;
}

/* Handles all whole messages in these bytes, or those until it must stop. */
static void handle(struct client *client, const uint8_t *bytes, size_t n)
{
        struct local *local = client->local;
        size_t at = 0;
        int64_t used = 1;
        bool has_time = true;

        set_held_messages(client, false);
        while (!client->is_dropped && at < n && used > 0) {
                if (!local->handler.is_writable(local->handler.context)) {
                        local->is_held = true;
                }
                if (is_held(client) || !has_time) {
                        set_held_messages(client, true);
                        break;
                }
                used = handle_one(client, bytes + at, n - at);
                if (used < 0) {
                        drop_garbage(client, (int)used);
                } else {
                        at += (size_t)used;
                        has_time = rota_charge(&local->rota, &client->seat);
                }
        }
        if (!client->is_dropped) {
                keep(client, bytes + at, n - at);
                client_resume(client); /* only now: whoever is dropped stands in no line */
                client_watch(client);
        }
}

/* Many clients that send at once share a turn evenly, so that it stays short. */
static size_t read_limit(const struct local *local)
{
        size_t share = LOCAL_TURN_MAX / local->n_in_line;

        if (share > LOCAL_READ_MAX) {
                return LOCAL_READ_MAX;
        }
        return share < LOCAL_READ_MIN ? LOCAL_READ_MIN : share;
}

static void read_client(struct client *client)
{
        struct local *local = client->local;
        size_t n_before = client->n_in - client->in_at;
        ssize_t n;

        if (n_before > 0) {
                memcpy(local->scratch, client->in + client->in_at, n_before);
        }
        n = recv(client->fd, local->scratch + n_before, read_limit(local), MSG_DONTWAIT);
        if (n < 0 && (errno == EINTR || (errno == EAGAIN && !client->is_ended))) {
                client_resume(client);
                return;
        }
        if (n <= 0) {
                client_drop(client);
                return;
        }
        client->bytes_in += (uint64_t)n;
        local->counters.bytes_in += (uint64_t)n;
        handle(client, local->scratch, n_before + (size_t)n);
}

static void on_client_ready(uv_poll_t *handle, int status, int events)
{
        struct client *client = handle->data;

        if (status < 0) { /* it closed with answers unread: libuv does not look any more */
                end(client);
                return;
        }
        if (events & UV_WRITABLE) {
                client_touch(client);
        }
        if (events & UV_READABLE) {
                rota_join(&client->local->rota, &client->seat);
        }
}

void client_resume(struct client *client)
{
        if ((client->has_held || client->is_ended) && !client->is_dropped && !is_held(client)) {
                rota_join(&client->local->rota, &client->seat);
        }
}

void client_serve(struct client *client)
{
        if (is_held(client)) {
                client_watch(client);
        } else if (client->has_held) {
                handle(client, client->in + client->in_at, client->n_in - client->in_at);
        } else {
                read_client(client);
        }
}

struct client *client_new(struct local *local, int fd, const struct ucred *peer, bool is_reserved)
{
        struct client *client = calloc(1, sizeof(*client));

        if (!client || uv_poll_init(&local->poller->uv, &client->poll, fd) < 0) {
                client_tell_no_memory(peer->pid, peer->uid);
                free(client);
                close(fd);
                return NULL;
        }
        client->local = local;
        client->seat.owner = client;
        rota_add(&local->rota, &client->seat, peer->uid);
        client->fd = fd;
        client->pid = peer->pid;
        client->uid = peer->uid;
        client->is_reserved = is_reserved;
        client->opened_ns = clock_read_ns(CLOCK_MONOTONIC);
        client->progress_ns = client->opened_ns;
        client->poll.data = client;
        client->next = local->clients;
        if (client->next) {
                client->next->previous = client;
        }
        local->clients = client;
        local->n_clients++;
        return client;
}
