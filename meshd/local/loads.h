/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One load per node: of the processes that miss one key, one loads it and the others wait for what
 * it finds, or get what was found lately (kept.h). Here is what clients may say about it, and what
 * they are told; who loads and who waits is decided in flight.h.
 *
 * Only processes of one user share a load, and only for one region and one version of its values:
 * what comes from another user's process is nothing to build on. The page lives as long as this
 * process, and with it every load.
 *
 * Who comes beyond the bounds of flight.h loads alone, and so does who has not read what it was
 * sent. Memory is one key for each load that runs, and what is kept.
 *
 * One thread.
 */
#include "meshd/io/document.h"
#include "meshd/local/service.h"

struct loads;

/* Return: 0, -ENOMEM. */
int loads_new(struct loads **ret_loads, struct service *service);
/* After the last client is gone. Takes NULL, returns NULL. */
struct loads *loads_free(struct loads *loads);

/* LOAD and LOADED. Return: 0, or a negative errno if the message is malformed. */
int loads_ask(struct loads *loads, struct guest *guest, const struct cmi_local_head *head);
int loads_end(struct loads *loads, struct guest *guest, const struct cmi_local_head *head);

/* The client is gone: its loads are handed on. */
void loads_cancel(struct loads *loads, struct guest *guest);

/* Let the next one load where a load takes too long, and tell who waits; call it each turn. */
void loads_turn(struct loads *loads, uint64_t now_ns);

/* Milliseconds until loads_turn() may have work, -1 if there is none. */
int loads_timeout_ms(const struct loads *loads);

void loads_write_counters(const struct loads *loads, struct document *document);
