/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Threads that wait inside a call. A waiter lives on its thread's stack and in one list of the
 * connection, under the connection's lock, and has its own condition: an answer wakes the thread
 * that it is for and no other. Who reads the socket for all is connection_wait.c's business.
 */
#include "libcachemesh/handle.h"
#include "wire/local.h"

#include <pthread.h>
#include <stdbool.h>

enum cmi_waiter_kind {
        CMI_WAITER_ANSWER = 1, /* its publication's own RESULT */
        CMI_WAITER_SENT = 2,   /* its publication has left for the socket */
        CMI_WAITER_ROOM = 4,   /* a place in the queue */
        CMI_WAITER_REGION = 8, /* a region's index */
        CMI_WAITER_EMPTY = 16, /* nothing unconfirmed is left */
        CMI_WAITER_LOAD = 32,  /* who loads, or what was loaded */
        CMI_WAITER_CALL = 64,  /* the answer to a request of libcachemesh-session */
};

struct cmi_waiter {
        struct cmi_waiter *previous;
        struct cmi_waiter *next;
        pthread_cond_t wake;
        enum cmi_waiter_kind kind;
        bool is_polling; /* asleep in poll(), not on the condition */
        bool is_done;
        int outcome;                          /* once is_done */
        struct cm_result *result;             /* of the caller; NULL: not wanted */
        uint32_t region;                      /* REGION: its number in the handle */
        char refusal[CMI_LOCAL_TEXT_MAX + 1]; /* REGION: meshd's words, if it refused */
        struct cmi_place place;               /* of what was published, as its RESULT says */
};

struct cmi_waiters {
        struct cmi_waiter *head;
        struct cmi_waiter *tail;
};

/* Enter the list; then exactly one cmi_waiters_leave(). */
void cmi_waiters_enter(struct cmi_waiters *waiters, struct cmi_waiter *waiter,
                enum cmi_waiter_kind kind, struct cm_result *result);
void cmi_waiters_leave(struct cmi_waiters *waiters, struct cmi_waiter *waiter);

/* Let those of these kinds (a set) look again. */
void cmi_waiters_wake(struct cmi_waiters *waiters, unsigned kinds);

/* meshd refused this region: keeps its words for those who wait for it, and lets them look. */
void cmi_waiters_refuse(struct cmi_waiters *waiters, uint32_t region, const char *text);

/* Let one that does not poll look again, so that somebody reads the socket. */
void cmi_waiters_wake_one(struct cmi_waiters *waiters);

/* What it waited for has come; the first outcome counts. */
void cmi_waiter_finish(struct cmi_waiter *waiter, int outcome);
