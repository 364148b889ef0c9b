/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One run of one verb: its arguments, its way to meshd, its output, its time. With --watch there
 * are several runs that share the connection.
 */
#include "meshctl/arguments.h"
#include "meshctl/channel.h"
#include "meshctl/view.h"

struct call {
        const struct arguments *arguments;
        const char *socket;
        struct output output;
        struct channel *channel; /* opened by the first question */
        struct progress progress;
        struct problem problem; /* text "" if there is nothing to say */
        uint64_t deadline_ns;   /* of this run; a little after that of a wait that meshd times */
        json_t *before;         /* what the run before showed, for rates; NULL at first */
        uint64_t before_ns;
};

/* Connect if that has not been done. Return: 0, or an exit status. */
int call_open(struct call *call);

/* The same, but wait for a meshd that is not there yet until the deadline. */
int call_open_patiently(struct call *call);

/* The run's time begins anew. */
void call_renew(struct call *call);

/* Wait a little, with progress, but not past the deadline. */
void call_pause(struct call *call, unsigned ms);

/**
 * call_query() - ask meshd
 * @arguments:    encoded map; empty if none
 * @ret_document: new reference
 *
 * Return: 0, or an exit status; then the problem is set.
 */
int call_query(struct call *call, const char *verb, struct cmi_slice arguments,
                json_t **ret_document);

#define CALL_GRACE_MS 1000 /* for meshd's own "not in time", which says more than ours, to arrive */

/* The same, but with so much time, whatever is left of the call's own: for what meshd ends by
 * itself at a timeout_ms among the arguments. */
int call_query_within(struct call *call, const char *verb, struct cmi_slice arguments,
                uint64_t max_ms, json_t **ret_document);

/* Milliseconds left until the deadline, as an argument for meshd: at least 1;
 * without a deadline a day. */
uint64_t call_left_ms(const struct call *call);

/* Encoded arguments, for call_query(): {key: text}, {key: number}. The buffer is the caller's. */
struct call_arguments {
        uint8_t buffer[2048];
        struct cmi_writer writer;
};
void call_arguments_begin(struct call_arguments *arguments, uint32_t n);
void call_arguments_str(struct call_arguments *arguments, const char *key, const char *value);
void call_arguments_uint(struct call_arguments *arguments, const char *key, uint64_t value);
void call_arguments_bool(struct call_arguments *arguments, const char *key, bool value);
struct cmi_slice call_arguments_end(const struct call_arguments *arguments);
