/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * libuv's loop for a loop that sleeps elsewhere (in zmq_poll). libuv tells the kernel of a new or
 * changed descriptor only when it runs, and its backend descriptor knows nothing of it before:
 * after a change the next sleep must be none.
 */
#include <stdbool.h>
#include <uv.h>

struct poller {
        uv_loop_t uv;
        bool is_changed; /* run libuv before sleeping */
};

/* As uv_poll_start(), or uv_poll_stop() for no events. */
static inline void poller_watch(
                struct poller *poller, uv_poll_t *handle, int events, uv_poll_cb callback)
{
        if (events == 0) {
                uv_poll_stop(handle);
        } else {
                uv_poll_start(handle, events, callback);
        }
        poller->is_changed = true;
}
