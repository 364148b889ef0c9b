/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The monitor: subscribers see what is applied here, sampled. A subscriber that is over
 * its rate, or does not read, misses events and is told how many; the operations
 * themselves are never held up.
 */
#include "meshd/local/service.h"

#define MONITOR_RATE_DEFAULT 100 /* events a second */
#define MONITOR_RATE_MAX 10000
#define MONITOR_SHOWN_MAX 16           /* keys and tags of one operation */
#define MONITOR_UNREAD_MAX (64u << 10) /* bytes that wait for a subscriber */

struct monitor;

int monitor_new(struct monitor **ret_monitor, struct service *service);
struct monitor *monitor_free(struct monitor *monitor);

/**
 * monitor_subscribe() - begin, or change, a guest's subscription
 *
 * Return: 0; what is wrong is told to the client.
 */
int monitor_subscribe(struct monitor *monitor, struct guest *guest, uint64_t id,
                const struct cmi_local_query *query);
void monitor_unsubscribe(struct monitor *monitor, struct guest *guest);

/* Name of an enum cmi_op_kind. */
const char *monitor_kind_text(uint64_t kind);

/* The first key of an operation that has one, else its first tag: itself, or 12 hex digits of its
 * hash. */
void monitor_write_first_target(
                struct document *document, const char *key, const struct cmi_op *op, bool is_shown);

/* core_sink.applied */
void monitor_applied(struct monitor *monitor, const char *source, uint64_t number,
                const struct cmi_op *op);
