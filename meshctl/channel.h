/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The connection to meshd: connect, attach, send requests, read messages, each with a
 * deadline. What the messages mean is up to the verbs; what is said when meshd cannot be
 * reached is decided here.
 */
#include "wire/local.h"

#include "meshctl/problem.h"
#include "meshctl/progress.h"

#include <jansson.h>

#define CHANNEL_SOCKET_DEFAULT "/run/cachemesh/meshd.sock"

struct channel;

/**
 * channel_open() - connect to meshd and attach
 * @ret_channel: to be closed with channel_close()
 * @path:        of the socket
 * @deadline_ns: for the whole of it
 * @progress:    borrowed for the channel's life
 * @problem:     set on failure
 *
 * Return: 0, or an exit status.
 */
int channel_open(struct channel **ret_channel, const char *path, uint64_t deadline_ns,
                struct progress *progress, struct problem *problem);
/**
 * channel_watch_reader() - end every wait for meshd when nobody reads our output any more
 * @fd: of the output; borrowed
 *
 * The wait then fails as if the time were over, and channel_has_reader() says false.
 */
void channel_watch_reader(struct channel *channel, int fd);
bool channel_has_reader(const struct channel *channel);

struct channel *channel_close(struct channel *channel);

/**
 * channel_begin() - begin a request: write its fields into the writer, then channel_send()
 *
 * One request at a time is being written.
 */
struct cmi_writer *channel_begin(struct channel *channel, enum cmi_local_type type);

/**
 * channel_send() - send the request that was begun
 * @ret_id: of the request; may be NULL
 *
 * Return: 0, or an exit status.
 */
int channel_send(struct channel *channel, uint64_t deadline_ns, uint64_t *ret_id,
                struct problem *problem);

/**
 * channel_await() - the answer to one request, past messages with other ids
 * @verb: for the problem's text
 *
 * Return: 0 with an answer of @type, else an exit status, also for an ERROR.
 */
int channel_await(struct channel *channel, uint64_t deadline_ns, const char *verb, uint64_t id,
                enum cmi_local_type type, struct cmi_local_head *ret_head, struct problem *problem);

/**
 * channel_query() - ask, and wait for the document
 * @arguments:    encoded map; empty if none
 * @ret_document: a JSON object; new reference
 *
 * Return: 0, or an exit status.
 */
int channel_query(struct channel *channel, uint64_t deadline_ns, const char *verb,
                struct cmi_slice arguments, json_t **ret_document, struct problem *problem);

/* The same in two steps, for several questions at once. */
int channel_ask(struct channel *channel, uint64_t deadline_ns, enum cmi_local_type type,
                const char *verb, struct cmi_slice arguments, uint64_t *ret_id,
                struct problem *problem);

/* The document of an ANSWER or EVENT. Return: 0, or an exit status. */
int channel_document(
                const struct cmi_local_head *head, json_t **ret_document, struct problem *problem);
