/* SPDX-License-Identifier: MIT */
#include "libcachemesh/connection.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* How late a loop may see what nothing wakes it for: that the lease runs again, or what the
 * socket holds when there was no memory to watch it. */
#define LOOK_MS 100

/* Regions for which meshd had no memory: else they would miss until the next connection. */
static void ask_again_for_regions(struct cmi_connection *connection)
{
        if (connection->next_ask_ns == 0 || cmi_connection_now_ns() < connection->next_ask_ns) {
                return;
        }
        connection->next_ask_ns = 0;
        for (uint32_t i = 0; i < connection->n_requested; i++) {
                if (connection->requests[i].error == -ENOMEM) {
                        cmi_connection_ask_again(connection, i);
                }
        }
        cmi_connection_pump(connection);
}

void cmi_connection_step(struct cmi_connection *connection)
{
        const char *ignored;

        if (connection->state == CMI_CONNECTION_OFFLINE) {
                cmi_connection_try(connection);
        } else {
                cmi_connection_read(connection);
                ask_again_for_regions(connection);
        }
        cmi_connection_mode(connection, &ignored);
}

static void source_poke(struct cm *cm)
{
        struct cmi_connection *connection = cmi_connection(cm);
        uint64_t now_ns = cmi_connection_clock_ns(CLOCK_MONOTONIC_COARSE);
        uint64_t next_ns = now_ns + CMI_NS_PER_MS;

        if (now_ns < atomic_load_explicit(&connection->next_poke_ns, memory_order_relaxed) ||
                        !cmi_connection_trylock(connection)) {
                return;
        }
        cmi_connection_step(connection);
        if (connection->state == CMI_CONNECTION_OFFLINE && connection->next_try_ns > next_ns) {
                next_ns = connection->next_try_ns;
        }
        atomic_store_explicit(&connection->next_poke_ns, next_ns, memory_order_relaxed);
        cmi_connection_unlock(connection);
}

static uint32_t region_number(struct cm *cm, const struct cm_region *region)
{
        uint32_t n_regions = cmi_handle_n_regions(cm);
        uint32_t number = 0;

        while (number < n_regions && cmi_handle_region(cm, number) != region) {
                number++;
        }
        assert(number < n_regions);
        return number;
}

static int region_outcome(const struct cmi_request *request)
{
        bool is_final = request->error == CM_E_CONFIG || request->error == -ENOSPC;

        return request->state == CMI_REQUEST_REFUSED && is_final ? request->error : 0;
}

/* A stopped meshd costs the first region its deadline, and not each of many. */
static int await_region(struct cmi_connection *connection, uint32_t number, uint64_t deadline_ns)
{
        const struct cmi_request *request = &connection->requests[number];
        uint64_t n_received = connection->n_received;
        struct cmi_waiter waiter;
        int r;

        cmi_waiters_enter(&connection->waiters, &waiter, CMI_WAITER_REGION, NULL);
        waiter.region = number;
        strcpy(waiter.refusal, "meshd refused it before");
        while (request->state < CMI_REQUEST_ANSWERED && !connection->is_stalled &&
                        cmi_connection_try(connection)) {
                if (!cmi_connection_wait(connection, &waiter, deadline_ns)) {
                        connection->is_stalled = connection->n_received == n_received;
                        break;
                }
        }
        cmi_connection_leave(connection, &waiter);
        r = region_outcome(request);
        return r < 0 ? cmi_fail(r, "region %s: %s",
                                       cmi_region_name(cmi_handle_region(connection->cm, number)),
                                       waiter.refusal)
                     : 0;
}

static int source_open_region(struct cm *cm, struct cm_region *region, uint32_t timeout_ms)
{
        struct cmi_connection *connection = cmi_connection(cm);
        uint32_t number = region_number(cm, region);
        int r = 0;

        cmi_connection_lock(connection);
        cmi_connection_step(connection);
        if (region_outcome(&connection->requests[number]) < 0) {
                cmi_connection_ask_again(connection, number);
                timeout_ms = cmi_handle_options(cm)->timeout_ms;
        }
        cmi_connection_pump(connection);
        if (timeout_ms > 0) {
                r = await_region(connection, number, cmi_connection_now_ns() + cmi_ms(timeout_ms));
        }
        cmi_connection_unlock(connection);
        return r;
}

static void source_status(struct cm *cm, struct cmi_source_status *ret_status)
{
        struct cmi_connection *connection = cmi_connection(cm);
        enum cm_mode mode;

        cmi_connection_lock(connection);
        cmi_connection_step(connection);
        mode = cmi_connection_mode(connection, &ret_status->reason);
        ret_status->mode = mode == CM_LIVE ? CM_BYPASS : mode;
        ret_status->n_pending = connection->pending.n_late + connection->is_overflowed;
        cmi_connection_unlock(connection);
}

static int open_loop(struct cmi_connection *connection)
{
        struct epoll_event event = {.events = EPOLLIN};
        int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        int event_fd = eventfd(connection->events.n > 0, EFD_CLOEXEC | EFD_NONBLOCK);
        int r = 0;

        if (epoll_fd < 0 || event_fd < 0 ||
                        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, event_fd, &event) < 0) {
                r = -errno;
                close(epoll_fd);
                close(event_fd);
                return r;
        }
        connection->event_fd = event_fd;
        connection->epoll_fd = epoll_fd;
        return 0;
}

static int source_fd(struct cm *cm)
{
        struct cmi_connection *connection = cmi_connection(cm);
        int r = 0;

        cmi_connection_lock(connection);
        if (connection->epoll_fd < 0) {
                r = open_loop(connection);
        }
        if (r == 0) {
                r = connection->epoll_fd;
        }
        cmi_connection_unlock(connection);
        return r < 0 ? cmi_fail(r, "no descriptor for the event loop") : r;
}

static int source_events(struct cm *cm)
{
        /* The descriptor is an epoll instance, readable when anything in it is ready. */
        return POLLIN;
}

static int ms_until(uint64_t then_ns)
{
        uint64_t now_ns = cmi_connection_now_ns();

        return then_ns <= now_ns ? 0 : (int)((then_ns - now_ns) / CMI_NS_PER_MS) + 1;
}

static int present_timeout_ms(struct cmi_connection *connection)
{
        bool is_unwatched = connection->epoll_fd >= 0 && connection->watched_fd < 0;
        const char *ignored;

        switch (connection->state) {
        case CMI_CONNECTION_OFFLINE:
                return ms_until(connection->next_try_ns);
        case CMI_CONNECTION_ATTACHING:
                return is_unwatched ? LOOK_MS : -1;
        case CMI_CONNECTION_ATTACHED:
                break;
        }
        if (is_unwatched) {
                return LOOK_MS;
        }
        if (!connection->page) {
                return -1;
        }
        if (cmi_connection_mode(connection, &ignored) == CM_LIVE) {
                /* Usually renewed long before; if not, the loop shall see the change of mode. */
                return ms_until(connection->page->lease_end_mono_ns) + 10;
        }
        return LOOK_MS;
}

static int source_timeout_ms(struct cm *cm)
{
        struct cmi_connection *connection = cmi_connection(cm);
        int timeout_ms;

        cmi_connection_lock(connection);
        timeout_ms = present_timeout_ms(connection);
        cmi_connection_unlock(connection);
        return timeout_ms;
}

static int source_dispatch(struct cm *cm)
{
        struct cmi_connection *connection = cmi_connection(cm);

        cmi_connection_lock(connection);
        cmi_connection_step(connection);
        cmi_connection_unlock(connection);
        return 0;
}

static int source_next_event(struct cm *cm, struct cm_event *ret_event)
{
        struct cmi_connection *connection = cmi_connection(cm);
        uint64_t ignored;
        int r;

        cmi_connection_lock(connection);
        r = cmi_event_queue_pop(&connection->events, ret_event);
        if (connection->events.n == 0 && connection->event_fd >= 0) {
                (void)!read(connection->event_fd, &ignored, sizeof(ignored));
        }
        cmi_connection_unlock(connection);
        return r;
}

static uint64_t random_seed(const struct cmi_connection *connection)
{
        uint64_t seed = cmi_connection_now_ns() ^ (uint64_t)getpid() << 32 ^
                        (uint64_t)(uintptr_t)connection;

        return seed ? seed : 1;
}

/* Everything but what outlives a fork: the handle, the path, the channel. */
static int reset(struct cmi_connection *connection)
{
        const struct cm_options *options = cmi_handle_options(connection->cm);
        int r = pthread_mutex_init(&connection->lock, NULL);

        if (r != 0) {
                return -r;
        }
        connection->state = CMI_CONNECTION_OFFLINE;
        connection->reason = "not connected yet";
        connection->next_id = 1;
        connection->n_unsure = 0;
        connection->next_try_ns = 0;
        connection->backoff_ns = CMI_BACKOFF_MIN_NS;
        connection->random = random_seed(connection);
        connection->is_absent = false;
        atomic_store_explicit(&connection->next_poke_ns, 0, memory_order_relaxed);
        atomic_store_explicit(&connection->next_vouch_ns, 0, memory_order_relaxed);
        connection->vouched_ns = 0;
        memset(connection->requests, 0, sizeof(connection->requests));
        connection->n_requested = 0;
        connection->next_ask_ns = 0;
        cmi_pending_init(&connection->pending, connection->cm, options->pending_max);
        connection->is_overflowed = connection->is_told_pending = connection->is_stalled = false;
        cmi_spool_init(&connection->spool, connection->random);
        connection->is_spool_due = connection->is_spool_error_told = false;
        connection->spool_error = 0;
        connection->next_spool_ns = connection->regions_serial = 0;
        connection->n_spooled = 0;
        connection->n_sent_unlooked = 0;
        connection->askers = NULL;
        connection->calls = connection->last_call = connection->unwritten_call = NULL;
        connection->n_calls = 0;
        connection->is_call_next = false;
        connection->loads_stalled_at = 0;
        connection->n_unsaid = 0;
        connection->waiters = (struct cmi_waiters){NULL, NULL};
        connection->page = NULL;
        connection->serial = 0;
        connection->events.first = connection->events.n = connection->events.n_dropped = 0;
        connection->last_mode = CM_OFFLINE;
        connection->epoll_fd = connection->event_fd = connection->watched_fd = -1;
        connection->n_notes = 0;
        return 0;
}

static int source_after_fork(struct cm *cm)
{
        struct cmi_connection *connection = cmi_connection(cm);
        int epoll_fd = connection->epoll_fd;
        int event_fd = connection->event_fd;

        cmi_channel_after_fork(&connection->channel);
        cmi_spool_close(&connection->spool);
        if (epoll_fd >= 0) {
                close(epoll_fd);
                close(event_fd);
        }
        /* The parent sends what it has queued; its copy here is left alone, since a list
         * may be half changed. */
        return reset(connection);
}

static void flush_at_close(struct cmi_connection *connection)
{
        const struct cm_options *options = cmi_handle_options(connection->cm);
        uint64_t deadline_ns = cmi_connection_now_ns() + cmi_ms(options->timeout_ms);
        struct cmi_waiter waiter;

        cmi_connection_read(connection);
        cmi_waiters_enter(&connection->waiters, &waiter, CMI_WAITER_EMPTY, NULL);
        while ((connection->pending.n > 0 || connection->is_overflowed) &&
                        cmi_connection_try(connection) &&
                        cmi_connection_wait(connection, &waiter, deadline_ns)) {
        }
        cmi_connection_leave(connection, &waiter);
}

static void source_free(struct cm *cm)
{
        struct cmi_connection *connection = cmi_connection(cm);

        cmi_connection_lock(connection);
        flush_at_close(connection);
        /* Also what went into the socket of a meshd that does not read. */
        cmi_pending_set_all_late(&connection->pending);
        cmi_connection_unlock(connection);
        cmi_spool_close(&connection->spool);
        cmi_pending_clear(&connection->pending, CM_PENDING);
        cmi_channel_deinit(&connection->channel);
        if (connection->epoll_fd >= 0) {
                close(connection->epoll_fd);
                close(connection->event_fd);
        }
        pthread_mutex_destroy(&connection->lock);
        cmi_handle_deallocate(cm, connection, sizeof(*connection));
}

static const struct cmi_source_ops ops = {
                .publish = cmi_connection_publish,
                .begin = cmi_connection_begin,
                .open_region = source_open_region,
                .poke = source_poke,
                .vouch = cmi_connection_vouch,
                .share_begin = cmi_connection_share_begin,
                .share_end = cmi_connection_share_end,
                .share_give_up = cmi_connection_share_give_up,
                .call = cmi_connection_call,
                .tell = cmi_connection_tell,
                .status = source_status,
                .fd = source_fd,
                .events = source_events,
                .timeout_ms = source_timeout_ms,
                .dispatch = source_dispatch,
                .next_event = source_next_event,
                .after_fork = source_after_fork,
                .free = source_free,
};

int cmi_connection_new(struct cm *cm, const struct cmi_source_ops **ret_ops,
                struct cmi_source **ret_source)
{
        const struct cm_options *options = cmi_handle_options(cm);
        struct cmi_connection *connection;
        int r;

        if (strlen(options->socket_path) > CM_SOCKET_PATH_MAX) {
                return cmi_fail(-ENAMETOOLONG, "socket path longer than %d bytes",
                                CM_SOCKET_PATH_MAX);
        }
        connection = cmi_handle_allocate(cm, 64, sizeof(*connection));
        if (!connection) {
                return -ENOMEM;
        }
        memset(connection, 0, sizeof(*connection));
        connection->cm = cm;
        connection->path = options->socket_path;
        r = cmi_channel_init(&connection->channel, cm);
        if (r == 0) {
                r = reset(connection);
        }
        if (r < 0) {
                cmi_channel_deinit(&connection->channel);
                cmi_handle_deallocate(cm, connection, sizeof(*connection));
                return r;
        }
        /* ATTACH is on its way while the app goes on starting; the first call that
         * looks finds the answer. */
        cmi_connection_lock(connection);
        cmi_connection_try(connection);
        cmi_connection_unlock(connection);
        *ret_ops = &ops;
        *ret_source = (struct cmi_source *)connection;
        return 0;
}
