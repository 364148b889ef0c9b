/* SPDX-License-Identifier: MIT */
#include "libcachemesh/connection.h"

#include "base/random.h"
#include "libcachemesh/attach.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define READS_MAX 64 /* of one turn, so that a babbling meshd cannot hold a call */

uint64_t cmi_connection_clock_ns(clockid_t clock)
{
        struct timespec now;

        clock_gettime(clock, &now);
        return (uint64_t)now.tv_sec * CMI_NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t cmi_connection_now_ns(void)
{
        return cmi_connection_clock_ns(CLOCK_MONOTONIC);
}

void cmi_connection_lock(struct cmi_connection *connection)
{
        pthread_mutex_lock(&connection->lock);
}

bool cmi_connection_trylock(struct cmi_connection *connection)
{
        return pthread_mutex_trylock(&connection->lock) == 0;
}

void cmi_connection_note(
                struct cmi_connection *connection, enum cm_log_level level, const char *format, ...)
{
        struct cmi_note *note = &connection->notes[connection->n_notes];
        va_list arguments;

        if (connection->n_notes == CMI_NOTES_MAX) {
                return; /* events tell the same, and count what they drop */
        }
        note->level = level;
        va_start(arguments, format);
        vsnprintf(note->text, sizeof(note->text), format, arguments);
        va_end(arguments);
        connection->n_notes++;
}

void cmi_connection_event(
                struct cmi_connection *connection, enum cm_event_kind kind, const char *detail)
{
        uint64_t one = 1;

        cmi_event_queue_push(&connection->events, kind, connection->last_mode, detail);
        if (connection->event_fd >= 0 && connection->events.n == 1) {
                (void)!write(connection->event_fd, &one, sizeof(one));
        }
}

static bool lease_runs(const struct cmi_page *page)
{
        return cmi_connection_clock_ns(CLOCK_MONOTONIC_COARSE) <
                               atomic_load_explicit(
                                               &page->lease_end_mono_ns, memory_order_acquire) &&
               cmi_connection_clock_ns(CLOCK_REALTIME_COARSE) <
                               atomic_load_explicit(&page->lease_end_real_ns, memory_order_acquire);
}

static const char *bypass_reason(const struct cmi_page *page)
{
        switch ((enum cmi_page_state)atomic_load_explicit(&page->state, memory_order_acquire)) {
        case CMI_PAGE_JOINING:
                return "meshd is joining its mesh";
        case CMI_PAGE_CLOSED:
                return "meshd is ending";
        case CMI_PAGE_LIVE:
                break;
        }
        return "the lease has ended: meshd is stopped, or has not heard from every member";
}

static enum cm_mode present_mode(const struct cmi_connection *connection, const char **ret_reason)
{
        *ret_reason = connection->reason;
        if (connection->state != CMI_CONNECTION_ATTACHED) {
                if (connection->is_told_pending && connection->spool_error < 0) {
                        *ret_reason = "meshd is away, and invalidations are kept in memory only";
                }
                return CM_OFFLINE;
        }
        if (!connection->page) {
                return CM_BYPASS;
        }
        if (connection->is_told_pending) {
                *ret_reason = "invalidations wait for meshd";
                return CM_BYPASS;
        }
        if (lease_runs(connection->page)) {
                *ret_reason = "the lease runs";
                return CM_LIVE;
        }
        *ret_reason = bypass_reason(connection->page);
        return CM_BYPASS;
}

enum cm_mode cmi_connection_mode(struct cmi_connection *connection, const char **ret_reason)
{
        enum cm_mode mode = present_mode(connection, ret_reason);

        if (mode != connection->last_mode) {
                connection->last_mode = mode;
                connection->last_reason = *ret_reason;
                cmi_connection_event(connection, CM_EVENT_STATE, *ret_reason);
                cmi_connection_note(connection, CM_LOG_INFO, "now %s: %s",
                                mode == CM_LIVE     ? "live"
                                : mode == CM_BYPASS ? "bypassing the cache"
                                                    : "offline",
                                *ret_reason);
        }
        return mode;
}

/* The epoll descriptor holds the present socket, and asks for writing only while there is
 * something to write. */
static void watch(struct cmi_connection *connection)
{
        struct cmi_channel *channel = &connection->channel;
        struct epoll_event event = {.events = EPOLLIN};
        int fd = channel->socket ? channel->socket->fd : -1;

        if (connection->epoll_fd < 0 || fd < 0) {
                return;
        }
        if (!cmi_channel_is_flushed(channel)) {
                event.events |= EPOLLOUT;
        }
        if (connection->watched_fd == fd && connection->watched_events == event.events) {
                return;
        }
        if (epoll_ctl(connection->epoll_fd,
                            connection->watched_fd == fd ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd,
                            &event) == 0) {
                connection->watched_fd = fd;
                connection->watched_events = event.events;
        }
}

static void unwatch(struct cmi_connection *connection)
{
        if (connection->watched_fd >= 0) {
                /* By hand: a forked child may hold a copy, and then closing does not remove it. */
                epoll_ctl(connection->epoll_fd, EPOLL_CTL_DEL, connection->watched_fd, NULL);
                connection->watched_fd = -1;
        }
}

static void tell_pending(struct cmi_connection *connection)
{
        bool is_pending = connection->pending.n_late > 0 || connection->is_overflowed;

        if (is_pending) {
                cmi_connection_spool(connection);
        }
        if (is_pending == connection->is_told_pending) {
                return;
        }
        connection->is_told_pending = is_pending;
        cmi_handle_set_pending(connection->cm, is_pending);
        if (!is_pending) {
                cmi_connection_unspool(connection);
                cmi_connection_event(connection, CM_EVENT_FLUSHED, "nothing is queued any more");
        }
}

void cmi_connection_unlock(struct cmi_connection *connection)
{
        struct cmi_note notes[CMI_NOTES_MAX];
        unsigned n_notes;

        tell_pending(connection);
        watch(connection);
        n_notes = connection->n_notes;
        if (n_notes == 0) {
                pthread_mutex_unlock(&connection->lock);
                return;
        }
        memcpy(notes, connection->notes, n_notes * sizeof(notes[0]));
        connection->n_notes = 0;
        pthread_mutex_unlock(&connection->lock);
        for (unsigned i = 0; i < n_notes; i++) {
                cmi_handle_log(connection->cm, notes[i].level, "%s", notes[i].text);
        }
}

bool cmi_connection_settle(struct cmi_connection *connection)
{
        if (connection->n_notes > 0) {
                cmi_connection_unlock(connection);
                cmi_connection_lock(connection);
                return true;
        }
        tell_pending(connection);
        watch(connection);
        return false;
}

/* What the process or the host lacks; else @otherwise. */
static const char *shortage_reason(int error, const char *otherwise)
{
        switch (-error) {
        case EMFILE:
        case ENFILE:
                return "too many open files";
        case ENOMEM:
        case ENOBUFS:
                return "no memory for the connection";
        default:
                return otherwise;
        }
}

static const char *connect_reason(int error)
{
        switch (-error) {
        case ENOENT:
        case ECONNREFUSED:
                return "no meshd listens on the socket";
        case EACCES:
                return "this user may not use meshd's socket";
        case EAGAIN:
                return "meshd does not accept connections";
        case EPERM:
                return "the socket belongs to another user's process";
        default:
                return shortage_reason(error, "meshd cannot be reached");
        }
}

/* The slot lasts between half and all of the present pause. */
static void take_slot(struct cmi_connection *connection, uint64_t now_ns)
{
        uint64_t half_ns = connection->backoff_ns / 2;

        connection->next_try_ns = now_ns + half_ns + cmi_random_up_to(&connection->random, half_ns);
        connection->backoff_ns *= 2;
        if (connection->backoff_ns > CMI_BACKOFF_MAX_NS) {
                connection->backoff_ns = CMI_BACKOFF_MAX_NS;
        }
}

static void write_attach(struct cmi_connection *connection)
{
        const struct cm_options *options = cmi_handle_options(connection->cm);
        struct cmi_writer writer = cmi_channel_begin(&connection->channel);
        struct cmi_attach attach = {
                        .version_min = CMI_LOCAL_VERSION_MIN,
                        .version_max = CMI_LOCAL_VERSION_MAX,
                        .wants_page = true,
        };
        size_t begin;

        snprintf(attach.name, sizeof(attach.name), "%s", options->name ? options->name : "");
        if (!cmi_text_is_clean(cmi_slice_str(attach.name))) {
                attach.name[0] = '\0';
        }
        connection->attach_id = connection->next_id++;
        connection->attach_clock = attach.clock = cmi_clocks_read();
        begin = cmi_local_begin(&writer, CMI_LOCAL_ATTACH, connection->attach_id);
        cmi_attach_write(&writer, &attach);
        cmi_local_end(&writer, begin);
        cmi_channel_end(&connection->channel, &writer);
}

bool cmi_connection_try(struct cmi_connection *connection)
{
        uint64_t now_ns;
        int r;

        if (connection->state != CMI_CONNECTION_OFFLINE) {
                return true;
        }
        now_ns = cmi_connection_now_ns();
        if (now_ns < connection->next_try_ns) {
                return false;
        }
        take_slot(connection, now_ns);
        r = cmi_channel_connect(&connection->channel, connection->path);
        connection->is_absent = r == -ENOENT || r == -ECONNREFUSED;
        if (r < 0) {
                connection->reason = connect_reason(r);
                return false;
        }
        connection->state = CMI_CONNECTION_ATTACHING;
        connection->reason = "waiting for meshd's answer";
        connection->next_id = 1;
        connection->n_connects++;
        connection->has_no_loads = false;
        write_attach(connection);
        cmi_connection_pump(connection);
        return connection->state != CMI_CONNECTION_OFFLINE;
}

void cmi_connection_lose(struct cmi_connection *connection, const char *reason)
{
        uint64_t n_sent = connection->channel.n_sent;
        const char *ignored;

        unwatch(connection);
        cmi_channel_close(&connection->channel);
        connection->state = CMI_CONNECTION_OFFLINE;
        connection->reason = reason;
        connection->n_requested = 0;
        connection->n_unsaid = 0;
        for (uint32_t i = 0; i < CM_REGIONS_MAX; i++) {
                connection->requests[i].state = CMI_REQUEST_NONE;
        }
        cmi_pending_requeue(&connection->pending, n_sent);
        cmi_connection_lose_calls(connection, n_sent);
        cmi_waiters_wake(&connection->waiters, ~0u);
        cmi_connection_mode(connection, &ignored);
}

static bool write_request(struct cmi_connection *connection, uint32_t number)
{
        struct cm_region *region = cmi_handle_region(connection->cm, number);
        const struct cm_region_options *options = cmi_region_options(region);
        struct cmi_request *state = &connection->requests[number];
        struct cmi_region_request request = {
                        .fresh = options->fresh,
                        .ttl_ms = options->ttl_ms,
                        .hold_ms = options->hold_ms,
                        .version = options->version,
                        .budget_bytes = options->budget_bytes,
        };
        struct cmi_writer writer;
        size_t begin;

        if (!cmi_channel_has_room(&connection->channel, sizeof(request) + 64)) {
                return false;
        }
        snprintf(request.name, sizeof(request.name), "%s", cmi_region_name(region));
        writer = cmi_channel_begin(&connection->channel);
        state->id = connection->next_id++;
        state->state = CMI_REQUEST_WRITTEN;
        begin = cmi_local_begin(&writer, CMI_LOCAL_REGION, state->id);
        cmi_region_request_write(&writer, &request);
        cmi_local_end(&writer, begin);
        cmi_channel_end(&connection->channel, &writer);
        return true;
}

void cmi_connection_ask_again(struct cmi_connection *connection, uint32_t number)
{
        if (connection->state == CMI_CONNECTION_ATTACHED &&
                        connection->requests[number].state == CMI_REQUEST_REFUSED) {
                write_request(connection, number);
        }
}

/* meshd's answer shall arrive before the caller's own deadline, so it gets a little less time. */
static uint64_t wait_timeout_ms(const struct cmi_publication *publication)
{
        uint64_t now_ns;
        uint64_t left_ms;

        if (publication->wait != CM_WAIT_MESH) {
                return 0;
        }
        now_ns = cmi_connection_now_ns();
        if (publication->deadline_ns <= now_ns) {
                return 1;
        }
        left_ms = (publication->deadline_ns - now_ns) / CMI_NS_PER_MS;
        left_ms -= left_ms / 8 < 50 ? left_ms / 8 : 50;
        return left_ms > 0 ? left_ms : 1;
}

static bool write_publication(struct cmi_connection *connection)
{
        const struct cmi_publication *publication = connection->pending.unwritten;
        struct cmi_publish publish = {
                        .op = {publication->op, publication->op_len},
                        .wait = (uint64_t)publication->wait,
                        .timeout_ms = wait_timeout_ms(publication),
        };
        struct cmi_writer writer;
        uint64_t id;
        size_t begin;

        if (!cmi_channel_has_room(&connection->channel, publication->op_len + 64u)) {
                return false;
        }
        writer = cmi_channel_begin(&connection->channel);
        id = connection->next_id++;
        begin = cmi_local_begin(&writer, CMI_LOCAL_PUBLISH, id);
        cmi_publish_write(&writer, &publish);
        cmi_local_end(&writer, begin);
        cmi_channel_end(&connection->channel, &writer);
        cmi_pending_written(&connection->pending, id, connection->channel.n_written);
        return true;
}

/* Neither large sessions nor many publications keep the others waiting. */
static bool write_by_turns(struct cmi_connection *connection)
{
        bool is_call_next = connection->is_call_next;

        connection->is_call_next = !is_call_next;
        if (is_call_next && cmi_connection_write_call(connection)) {
                return true;
        }
        if (connection->pending.unwritten && write_publication(connection)) {
                return true;
        }
        return !is_call_next && cmi_connection_write_call(connection);
}

/* Return: false when there is nothing (more) to write, or no room for it. */
static bool write_next(struct cmi_connection *connection)
{
        if (connection->state != CMI_CONNECTION_ATTACHED) {
                return false;
        }
        if (connection->n_requested < cmi_handle_n_regions(connection->cm)) {
                if (!write_request(connection, connection->n_requested)) {
                        return false;
                }
                connection->n_requested++;
                return true;
        }
        if (connection->n_unsaid > 0) {
                return cmi_connection_write_unsaid(connection);
        }
        return write_by_turns(connection);
}

void cmi_connection_pump(struct cmi_connection *connection)
{
        uint64_t n_sent = connection->channel.n_sent;
        int r = 0;

        if (connection->state == CMI_CONNECTION_OFFLINE) {
                return;
        }
        do {
                while (write_next(connection)) {
                }
                r = cmi_channel_flush(&connection->channel);
        } while (r == 0 && write_next(connection));
        if (connection->channel.n_sent != n_sent && connection->waiters.head) {
                cmi_waiters_wake(&connection->waiters, CMI_WAITER_SENT | CMI_WAITER_ROOM);
        }
        if (r < 0 && r != -EAGAIN) {
                cmi_connection_lose(connection, shortage_reason(r, "meshd closed the connection"));
        }
}

static int receive(struct cmi_connection *connection, const char **ret_reason)
{
        struct cmi_slice payload;
        int r = 1;

        for (int i = 0; i < READS_MAX && r > 0; i++) {
                r = cmi_channel_receive(&connection->channel);
                if (r <= 0) {
                        *ret_reason = r == -EPROTO ? "meshd sent nonsense"
                                                   : shortage_reason(r,
                                                                     "meshd closed the connection");
                        return r;
                }
                connection->n_received++;
                connection->is_stalled = false;
                while ((r = cmi_channel_next(&connection->channel, &payload)) > 0) {
                        r = cmi_connection_handle(connection, payload, ret_reason);
                        if (r < 0) {
                                return r;
                        }
                }
                if (r < 0) {
                        *ret_reason = "meshd sent nonsense";
                        return r;
                }
                r = 1;
        }
        return 0;
}

void cmi_connection_read(struct cmi_connection *connection)
{
        const char *reason = "";

        if (connection->state == CMI_CONNECTION_OFFLINE || connection->channel.socket->has_reader) {
                return;
        }
        connection->n_sent_unlooked = 0;
        if (receive(connection, &reason) < 0) {
                cmi_connection_lose(connection, reason);
                return;
        }
        if (!cmi_pending_is_full(&connection->pending)) {
                cmi_waiters_wake(&connection->waiters, CMI_WAITER_ROOM);
        }
        if (connection->pending.n == 0) {
                cmi_waiters_wake(&connection->waiters, CMI_WAITER_EMPTY);
        }
        cmi_connection_pump(connection);
}
