/* SPDX-License-Identifier: MIT */
#include "meshd/local/collector.h"

#include "meshd/io/clock.h"
#include "meshd/io/logger.h"

#define LOOK_MS 1000

static int on_publish(void *context, struct cmi_slice op)
{
        struct collector *collector = context;

        return core_publish(collector->core, clock_now(), op, CMI_WAIT_NONE, 0, 0, NULL);
}

static void on_forget(void *context)
{
        struct collector *collector = context;
        uint8_t bytes[16];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));

        cmi_op_write_all(&writer);
        (void)on_publish(collector, cmi_written(&writer));
}

static void collect(struct collector *collector, bool is_old_only)
{
        const struct spool_sink sink = {collector, on_publish, on_forget};
        uint64_t before = collector->spool.n_operations;
        uint32_t n_files = spool_take(&collector->spool, is_old_only, &sink);

        if (n_files > 0) {
                logger(LOGGER_INFO, "spool.published", L_UINT("files", n_files),
                                L_UINT("operations", collector->spool.n_operations - before),
                                L_TEXT("msg", is_old_only ? "invalidations of apps that have ended"
                                                          : "invalidations from while meshd was "
                                                            "away"));
        }
}

/* A node that lags holds apps up, and this as well. */
static void on_timer(uv_timer_t *timer)
{
        struct collector *collector = timer->data;

        if (core_is_writable(collector->core)) {
                collect(collector, true);
        }
}

void collector_start(struct collector *collector, struct poller *poller, struct core *core,
                const char *socket)
{
        collector->core = core;
        if (spool_open(&collector->spool, socket) < 0) {
                logger(LOGGER_WARNING, "spool.unavailable", L_TEXT("error", collector->spool.why),
                                L_TEXT("msg", "what apps invalidate while meshd is away is lost "
                                              "with them"));
                return;
        }
        collect(collector, false);
        collector->is_started = true;
        uv_timer_init(&poller->uv, &collector->timer);
        collector->timer.data = collector;
        uv_timer_start(&collector->timer, on_timer, LOOK_MS, LOOK_MS);
        poller->is_changed = true;
}

void collector_stop(struct collector *collector)
{
        if (collector->is_started) {
                collector->is_started = false;
                uv_close((uv_handle_t *)&collector->timer, NULL);
        }
        spool_close(&collector->spool);
}
