/* SPDX-License-Identifier: MIT */
#include "meshd/loop.h"

#include "meshd/io/clock.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>

enum item {
        ITEM_ROUTER,
        ITEM_MONITOR,
        ITEM_LIBUV,
        ITEM_LINKS, /* and following: those that are blocked */
};

static int word_fd(void *socket)
{
        int fd = -1;
        size_t size = sizeof(fd);

        return zmq_getsockopt(socket, ZMQ_FD, &fd, &size) < 0 ? -1 : fd;
}

int loop_init(struct loop *loop)
{
        loop->router_fd = word_fd(loop->links->router);
        loop->monitor_fd = word_fd(loop->links->monitor);
        loop->links_ms = 0;
        loop->has_more = true;            /* nothing was received yet */
        links_drain_monitor(loop->links); /* likewise: no word is left for who has never looked */
        loop->items = calloc(ITEM_LINKS + loop->links->n_dealers, sizeof(*loop->items));
        if (!loop->items) {
                return -ENOMEM;
        }
        loop->items[ITEM_ROUTER] =
                        (zmq_pollitem_t){.socket = loop->links->router, .events = ZMQ_POLLIN};
        loop->items[ITEM_MONITOR] =
                        (zmq_pollitem_t){.socket = loop->links->monitor, .events = ZMQ_POLLIN};
        loop->items[ITEM_LIBUV] = (zmq_pollitem_t){
                        .fd = uv_backend_fd(&loop->poller->uv), .events = ZMQ_POLLIN};
        return 0;
}

void loop_deinit(struct loop *loop)
{
        free(loop->items);
        loop->items = NULL;
}

static int shorter(int a, int b)
{
        return a < 0 ? b : b < 0 ? a : a < b ? a : b;
}

static int find_timeout(struct loop *loop, int max_ms)
{
        uint64_t core_ns = core_timeout_ns(loop->core, clock_now());
        int core_ms = core_ns > cmi_ms(INT_MAX / 2)
                                      ? -1
                                      : (int)((core_ns + CMI_NS_PER_MS - 1) / CMI_NS_PER_MS);
        int ms = max_ms;
        int uv_ms;

        uv_update_time(&loop->poller->uv);
        uv_ms = uv_backend_timeout(&loop->poller->uv);
        loop->is_uv_due = loop->poller->is_changed || uv_ms == 0;
        if (loop->is_uv_due || loop->has_more || loop->links->is_touched) {
                return 0;
        }
        ms = shorter(ms, core_ms);
        ms = shorter(ms, loop->links_ms);
        ms = shorter(ms, inquiry_timeout_ms(loop->inquiries));
        ms = shorter(ms, loads_timeout_ms(loop->loads));
        ms = shorter(ms, sessions_timeout_ms(loop->sessions, clock_read_ns(CLOCK_MONOTONIC)));
        return shorter(ms, uv_ms);
}

/* Return: how many items there are; @ret_links says which link each of the last ones is. */
static int list_items(struct loop *loop)
{
        int n = ITEM_LINKS;

        for (uint32_t i = 0; i < loop->links->dealer_limit; i++) {
                if (loop->links->dealers[i] && core_link_is_blocked(loop->core, i)) {
                        loop->items[n++] = (zmq_pollitem_t){
                                        .socket = loop->links->dealers[i], .events = ZMQ_POLLOUT};
                }
        }
        return n;
}

static void receive(struct loop *loop)
{
        struct link_message message;

        for (int i = 0; i < LOOP_MESSAGES_PER_TURN; i++) {
                loop->has_more = links_receive(loop->links, &message);
                if (!loop->has_more) {
                        return;
                }
                /* Read now: a grant counts from after its receipt. */
                core_receive(loop->core, clock_now(), message.connection,
                                cmi_slice(zmq_msg_data(&message.header),
                                                zmq_msg_size(&message.header)),
                                cmi_slice(zmq_msg_data(&message.body),
                                                zmq_msg_size(&message.body)));
                link_message_close(&message);
        }
}

/* The items of blocked links are in the order of their numbers; a link may have
 * been closed meanwhile. */
static void tell_writable(struct loop *loop, int n_items)
{
        uint32_t link = 0;

        for (int i = ITEM_LINKS; i < n_items; i++) {
                while (link < loop->links->n_dealers &&
                                loop->links->dealers[link] != loop->items[i].socket) {
                        link++;
                }
                if (link == loop->links->n_dealers) {
                        return;
                }
                if (loop->items[i].revents & ZMQ_POLLOUT) {
                        core_link_writable(loop->core, clock_now(), link);
                }
        }
}

/*
 * zmq_poll() costs ten system calls a turn, and a node that wakes for one frame pays them all.
 * Without it: a receive that finds nothing has taken all that the socket's thread left word of, and
 * from then on every new word makes the descriptor readable. So it is safe to sleep on the
 * descriptor after such a receive, and only then (has_more).
 */
static int sleep_on_words(struct loop *loop, int timeout)
{
        struct pollfd fds[ITEM_LINKS] = {
                        [ITEM_ROUTER] = {.fd = loop->router_fd, .events = POLLIN},
                        [ITEM_MONITOR] = {.fd = loop->monitor_fd, .events = POLLIN},
                        [ITEM_LIBUV] = {.fd = loop->items[ITEM_LIBUV].fd, .events = POLLIN},
        };
        int n = poll(fds, ITEM_LINKS, timeout);

        for (int i = 0; i < ITEM_LINKS; i++) {
                loop->items[i].revents = n > 0 && fds[i].revents != 0 ? ZMQ_POLLIN : 0;
        }
        return n;
}

/* Room in a link's queue is news that only zmq_poll() can tell. */
static int sleep_on_sockets(struct loop *loop, int n_items, int timeout)
{
        int n = zmq_poll(loop->items, n_items, timeout);

        for (int i = 0; n < 0 && i < n_items; i++) {
                loop->items[i].revents = 0;
        }
        return n;
}

void loop_turn(struct loop *loop, int max_ms)
{
        int timeout = find_timeout(loop, max_ms);
        int n_items = list_items(loop);
        int n_events;
        uint64_t woken_ns;
        uint64_t turn_ns;

        if (n_items == ITEM_LINKS && loop->router_fd >= 0 && loop->monitor_fd >= 0) {
                n_events = sleep_on_words(loop, timeout);
        } else {
                n_events = sleep_on_sockets(loop, n_items, timeout);
        }
        woken_ns = clock_read_ns(CLOCK_MONOTONIC);
        tell_writable(loop, n_items);
        if (loop->has_more || loop->links->is_touched ||
                        (loop->items[ITEM_ROUTER].revents & ZMQ_POLLIN)) {
                receive(loop);
        }
        if (loop->items[ITEM_MONITOR].revents & ZMQ_POLLIN) {
                links_drain_monitor(loop->links);
        }
        /* Without an event the sleep was as long as the next timer allows, or a signal ended it. */
        if (n_events <= 0 || loop->is_uv_due || loop->items[ITEM_LIBUV].revents) {
                loop->poller->is_changed = false;
                uv_run(&loop->poller->uv, UV_RUN_NOWAIT);
        }
        links_check(loop->links, woken_ns);
        local_serve(loop->local);
        if (loop->discover) {
                discover_turn(loop->discover);
        }
        loop->links_ms = links_turn(loop->links, clock_read_ns(CLOCK_MONOTONIC));
        inquiry_turn(loop->inquiries, clock_now());
        loads_turn(loop->loads, clock_read_ns(CLOCK_MONOTONIC));
        core_tick(loop->core, clock_now());
        sessions_turn(loop->sessions, clock_now());
        inquiry_note(loop->inquiries);
        local_flush(loop->local);
        turn_ns = clock_read_ns(CLOCK_MONOTONIC) - woken_ns;
        loop->counters.turns++;
        if (turn_ns > loop->counters.longest_ns) {
                loop->counters.longest_ns = turn_ns;
        }
}
