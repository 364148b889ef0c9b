/* SPDX-License-Identifier: MIT */
#include "meshd/verbs/monitor.h"

#include "meshd/io/arguments.h"
#include "meshd/io/clock.h"
#include "meshd/io/document.h"
#include "meshd/io/logger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct subscription {
        struct subscription *next;
        struct guest *guest;
        uint64_t id;
        uint64_t rate;
        uint64_t n_tokens;
        uint64_t filled_ns;
        uint64_t n_skipped;
        bool shows_keys;
};

struct monitor {
        struct service *service;
        struct subscription *subscriptions;
};

int monitor_new(struct monitor **ret_monitor, struct service *service)
{
        struct monitor *monitor = calloc(1, sizeof(*monitor));

        if (!monitor) {
                return -ENOMEM;
        }
        monitor->service = service;
        *ret_monitor = monitor;
        return 0;
}

struct monitor *monitor_free(struct monitor *monitor)
{
        while (monitor && monitor->subscriptions) {
                monitor_unsubscribe(monitor, monitor->subscriptions->guest);
        }
        free(monitor);
        return NULL;
}

void monitor_unsubscribe(struct monitor *monitor, struct guest *guest)
{
        struct subscription **at = &monitor->subscriptions;

        while (*at && (*at)->guest != guest) {
                at = &(*at)->next;
        }
        if (*at) {
                struct subscription *gone = *at;

                *at = gone->next;
                guest->subscription = NULL;
                free(gone);
        }
}

int monitor_subscribe(struct monitor *monitor, struct guest *guest, uint64_t id,
                const struct cmi_local_query *query)
{
        struct subscription *subscription = guest->subscription;
        uint64_t rate = MONITOR_RATE_DEFAULT;
        bool shows_keys = false;

        if (!cmi_slice_equal(query->verb, cmi_slice_str("monitor"))) {
                service_error(guest->client, id, -EOPNOTSUPP, "meshd has no such subscription");
                return 0;
        }
        if (arguments_uint(query->arguments, "rate", MONITOR_RATE_MAX, &rate) < 0 || rate == 0 ||
                        arguments_bool(query->arguments, "show_keys", &shows_keys) < 0) {
                service_error(guest->client, id, -EINVAL,
                                "want rate from 1 to %d, show_keys a bool", MONITOR_RATE_MAX);
                return 0;
        }
        if (!subscription) {
                subscription = calloc(1, sizeof(*subscription));
                if (!subscription) {
                        service_error(guest->client, id, -ENOMEM, "meshd has no memory for it");
                        return 0;
                }
                subscription->guest = guest;
                subscription->next = monitor->subscriptions;
                monitor->subscriptions = subscription;
                guest->subscription = subscription;
        }
        subscription->id = id;
        subscription->rate = rate;
        subscription->n_tokens = rate;
        subscription->filled_ns = clock_read_ns(CLOCK_MONOTONIC);
        subscription->shows_keys = shows_keys;
        return 0;
}

/* A second's worth may come at once. */
static bool take_token(struct subscription *subscription, uint64_t now_ns)
{
        uint64_t step_ns = CMI_NS_PER_S / subscription->rate;
        uint64_t n = (now_ns - subscription->filled_ns) / step_ns;

        if (n > 0) {
                subscription->n_tokens += n;
                subscription->filled_ns += n * step_ns;
                if (subscription->n_tokens > subscription->rate) {
                        subscription->n_tokens = subscription->rate;
                }
        }
        if (subscription->n_tokens == 0 ||
                        client_n_waiting(subscription->guest->client) > MONITOR_UNREAD_MAX) {
                subscription->n_skipped++;
                return false;
        }
        subscription->n_tokens--;
        return true;
}

const char *monitor_kind_text(uint64_t kind)
{
        switch (kind) {
        case CMI_OP_INVALIDATE:
                return "invalidate";
        case CMI_OP_ALL:
                return "all";
        case CMI_OP_INTENT_BEGIN:
                return "intent-begin";
        case CMI_OP_INTENT_END:
                return "intent-end";
        case CMI_OP_SESSION:
                return "session";
        case CMI_OP_SESSION_TAKEN:
                return "session-taken";
        default:
                return "unknown";
        }
}

static void format_target(struct cmi_slice target, bool is_shown, char *ret_text, size_t size)
{
        if (is_shown) {
                logger_format_value(target, ret_text, size);
        } else {
                snprintf(ret_text, size, "%012llx",
                                (unsigned long long)XXH3_64bits(target.data, target.len) >> 16);
        }
}

static void write_targets(struct document *document, const char *key, struct cmi_reader list,
                uint32_t n, bool is_shown)
{
        document_open_array(document, key);
        for (uint32_t i = 0; i < n && i < MONITOR_SHOWN_MAX; i++) {
                char text[4 * LOGGER_VALUE_MAX + 8];

                format_target(cmi_op_next(&list), is_shown, text, sizeof(text));
                document_text(document, NULL, text);
        }
        document_close(document);
}

void monitor_write_first_target(
                struct document *document, const char *key, const struct cmi_op *op, bool is_shown)
{
        struct cmi_reader list = op->n_keys > 0 ? op->keys : op->tags;
        char text[4 * LOGGER_VALUE_MAX + 8];

        format_target(cmi_op_next(&list), is_shown, text, sizeof(text));
        document_text(document, key, text);
}

static void send_event(struct monitor *monitor, struct subscription *subscription,
                const char *source, uint64_t number, const struct cmi_op *op)
{
        struct document document;
        size_t begin;
        struct cmi_writer writer =
                        service_begin(monitor->service, CMI_LOCAL_EVENT, subscription->id, &begin);

        cmi_document_write_head(&writer);
        document = document_begin(&writer, "event");
        document_uint(&document, "time_ms", clock_read_ns(CLOCK_REALTIME) / CMI_NS_PER_MS);
        document_text(&document, "source", source);
        document_uint(&document, "position", number);
        document_text(&document, "kind", monitor_kind_text(op->kind));
        document_str(&document, "region", op->region);
        document_bool(&document, "whole_region", op->is_whole_region);
        document_uint(&document, "n_keys", op->n_keys);
        document_uint(&document, "n_tags", op->n_tags);
        write_targets(&document, "keys", op->keys, op->n_keys, subscription->shows_keys);
        write_targets(&document, "tags", op->tags, op->n_tags, subscription->shows_keys);
        document_uint(&document, "skipped", subscription->n_skipped);
        document_end(&document);
        subscription->n_skipped = 0;
        service_send(subscription->guest->client, &writer, begin, subscription->id);
}

void monitor_applied(struct monitor *monitor, const char *source, uint64_t number,
                const struct cmi_op *op)
{
        uint64_t now_ns;

        if (!monitor->subscriptions) {
                return;
        }
        now_ns = clock_read_ns(CLOCK_MONOTONIC);
        for (struct subscription *at = monitor->subscriptions; at; at = at->next) {
                if (take_token(at, now_ns)) {
                        send_event(monitor, at, source, number, op);
                }
        }
}
