/* SPDX-License-Identifier: MIT */
#include "meshd/sink.h"

#include "meshd/events.h"
#include "meshd/io/clock.h"
#include "meshd/io/logger.h"
#include "meshd/verbs/history.h"
#include "meshd/verbs/monitor.h"

#include <stdio.h>
#include <string.h>

static int on_dial(void *context, uint32_t link, const struct cmi_endpoint *endpoint)
{
        struct daemon *daemon = context;

        return links_dial(&daemon->links, link, endpoint);
}

static void on_hangup(void *context, uint32_t link)
{
        struct daemon *daemon = context;

        links_hangup(&daemon->links, link);
}

static int on_send(void *context, uint32_t link, struct cmi_slice header, struct cmi_slice body,
                uint64_t body_id)
{
        struct daemon *daemon = context;

        return links_send(&daemon->links, link, header, body, body_id);
}

static void on_done(void *context, uint64_t cookie, const struct core_outcome *outcome)
{
        struct daemon *daemon = context;

        if (!inquiry_done(daemon->service.inquiries, cookie, outcome)) {
                service_done(&daemon->service, cookie, outcome);
        }
}

void sink_store_lease(struct daemon *daemon, uint64_t lease_ms)
{
        int r = daemon->config->is_obituary ? 0 : state_dir_store_lease(&daemon->state, lease_ms);

        if (r < 0) {
                logger(LOGGER_WARNING, "state.unstored", L_TEXT("error", strerror(-r)));
        }
}

void sink_store_gone(struct daemon *daemon, uint64_t gone_ms)
{
        int r = state_dir_store_gone(&daemon->state, gone_ms);

        if (r < 0) {
                logger(LOGGER_WARNING, "state.unstored", L_TEXT("error", strerror(-r)));
        }
}

static void on_event(void *context, const struct core_event *event)
{
        struct daemon *daemon = context;
        int r;

        events_log(event);
        if (event->kind == CORE_EVENT_INCARNATION) {
                r = state_dir_store_incarnation(&daemon->state, event->number);
                if (r < 0) {
                        logger(LOGGER_WARNING, "state.unstored", L_TEXT("error", strerror(-r)));
                }
        }
        if (event->kind == CORE_EVENT_STATE && !event->text[0]) {
                sink_store_lease(daemon, daemon->config->lease_ms); /* live: older pages are over */
        }
        if (event->kind == CORE_EVENT_RELIED) {
                sink_store_gone(daemon, daemon->config->gone_ms);
        }
        if (daemon->service.history) {
                history_event(daemon->service.history, event);
        }
        if (event->kind == CORE_EVENT_REFUSING) {
                snprintf(daemon->refused, sizeof(daemon->refused), "%s", event->text);
                daemon->refused_ns = clock_read_ns(CLOCK_MONOTONIC);
        }
        if (event->kind == CORE_EVENT_WIDENED) {
                snprintf(daemon->widened, sizeof(daemon->widened), "%.*s", (int)event->region.len,
                                (const char *)event->region.data);
                daemon->widened_ns = clock_read_ns(CLOCK_MONOTONIC);
        }
        if (event->kind == CORE_EVENT_REGION) {
                service_region_differs(&daemon->service, event);
        }
        if (event->kind == CORE_EVENT_MEMBER || event->kind == CORE_EVENT_MET) {
                peer_store_note(&daemon->peers);
        }
        /* The core lives a little longer and a little earlier than discovery does. */
        if (daemon->loop.discover) {
                discover_event(daemon->loop.discover, event);
        }
}

static void on_applied(void *context, const char *source, uint64_t number, const struct cmi_op *op)
{
        struct daemon *daemon = context;

        if (daemon->service.history) {
                history_applied(daemon->service.history, source, number, op);
        }
        if (daemon->service.monitor) {
                monitor_applied(daemon->service.monitor, source, number, op);
        }
}

static uint64_t on_applied_ns(void *context, const char *source, uint64_t number)
{
        struct daemon *daemon = context;
        const struct history_entry *entry =
                        history_find_number(daemon->service.history, source, number);

        return entry ? entry->at_ns : 0;
}

static uint32_t on_keys(void *context, uint64_t ret_fingerprints[CMI_ANSWER_KEYS_MAX])
{
        const struct daemon *daemon = context;

        return key_ring_numbers(daemon->keys.ring, ret_fingerprints);
}

static void on_answered(void *context, uint64_t cookie, const struct cmi_answer *answer)
{
        struct daemon *daemon = context;

        inquiry_answered(daemon->service.inquiries, cookie, answer);
}

struct core_sink sink_make(struct daemon *daemon)
{
        return (struct core_sink){
                        .context = daemon,
                        .dial = on_dial,
                        .hangup = on_hangup,
                        .send = on_send,
                        .done = on_done,
                        .event = on_event,
                        .applied = on_applied,
                        .applied_ns = on_applied_ns,
                        .answered = on_answered,
                        .keys = on_keys,
                        /* The sessions of a node are its own: it tells the others that it takes no
                         * messages, and the core counts one that comes all the same. */
                        .message = NULL,
                        .postable = NULL,
        };
}
