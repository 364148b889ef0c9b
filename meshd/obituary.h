/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * meshd --obituary: speak for a meshd of this node that died without a goodbye, so that the others
 * need neither wait for it nor forget everything. It is a meshd that ends by itself: it has the
 * locks of the dead one, so that one has really ended; goes on with its stream; listens for apps,
 * so that they find out; waits out the start pause, after which no app can be served by the dead
 * one's page any more, with a lease or by a TTL; lets the others have all that is in the log and in
 * the spool; and ends in order. So the proof is one that the others know already: a later process
 * of the node that continues the stream, and its goodbye.
 *
 * This file decides whether there is something to say, and when it is said.
 */
#include "meshd/io/fault.h"

#include "meshd/core/log.h"

struct daemon;

enum obituary_need {
        OBITUARY_NEEDED = 0,
        OBITUARY_NEEDLESS = 1, /* the last meshd ended in order */
};

/**
 * obituary_check() - is there a stream to speak for?
 * @log:     just opened
 * @outcome: of log_open()
 * @fault:   filled on failure
 *
 * Return: an enum obituary_need, or -ENODATA with @fault (no stream of this node was found).
 */
int obituary_check(struct log *log, int outcome, struct fault *fault);

/**
 * obituary_wait() - run until the others may be told, or a signal came
 *
 * Then daemon_run() ends in order.
 *
 * Return: exit status: 0 if every node that is known can be told, else FAULT_RETRY.
 */
int obituary_wait(struct daemon *daemon);
