/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The connection: the source of a handle that talks to meshd. What the files decide:
 *
 *   connection.c          when to connect, what is written next, what a lost socket means
 *   connection_receive.c  what an answer of meshd changes
 *   connection_wait.c     how threads wait for answers, and which of them reads the socket for all
 *   connection_publish.c  the way of an invalidation, and what its call returns
 *   connection_spool.c    what of it is kept beyond this process
 *   connection_load.c     who of the node's processes loads a key
 *   connection_call.c     requests of libcachemesh-session
 *   connection_vouch.c    whether the page is still the node's, though its lease is over
 *   connection_source.c   the functions that the cache half calls; events, loop integration, fork
 *
 * States:
 *   OFFLINE    no socket           -> ATTACHING  connect() succeeded; one try per back-off slot
 *   ATTACHING  ATTACH is sent      -> ATTACHED   meshd answered; page, or lack of one, is settled
 *   ATTACHED   anything may be sent
 *   any        -> OFFLINE          end of stream, error, nonsense from meshd: cmi_connection_lose()
 *
 * One lock guards everything; nobody sleeps under it. Of the cache half only functions that take no
 * lock of this side are called under it; log lines are noted and written after it.
 */
#include "libcachemesh/channel.h"
#include "libcachemesh/event_queue.h"
#include "libcachemesh/handle.h"
#include "libcachemesh/pending.h"
#include "libcachemesh/spool.h"
#include "libcachemesh/waiter.h"
#include "wire/local.h"
#include "wire/page.h"
#include "wire/text.h"

#include <stdatomic.h>
#include <time.h>

#define CMI_BACKOFF_MIN_NS (10 * CMI_NS_PER_MS)
#define CMI_BACKOFF_MAX_NS CMI_NS_PER_S
#define CMI_NOTES_MAX 4
#define CMI_UNSAID_MAX 256 /* as many loads as meshd lets one connection take part in */

enum cmi_connection_state {
        CMI_CONNECTION_OFFLINE = 0,
        CMI_CONNECTION_ATTACHING = 1,
        CMI_CONNECTION_ATTACHED = 2,
};

enum cmi_request_state {
        CMI_REQUEST_NONE = 0, /* to be written on this connection */
        CMI_REQUEST_WRITTEN = 1,
        CMI_REQUEST_ANSWERED = 2,
        CMI_REQUEST_REFUSED = 3,
};

/* The REGION request of one region on the present connection. */
struct cmi_request {
        uint64_t id;
        enum cmi_request_state state;
        int error;       /* REFUSED; after -ENOMEM it is written again */
        bool is_noticed; /* a refusal was told as an event */
};

/* A log line for after the unlock. */
struct cmi_note {
        enum cm_log_level level;
        char text[200];
};

struct cmi_connection {
        struct cm *cm;
        const char *path; /* of the handle's options */
        pthread_mutex_t lock;

        enum cmi_connection_state state;
        const char *reason; /* static: why it is not better than it is */
        struct cmi_channel channel;
        uint64_t next_id;
        uint64_t stream; /* of the meshd that is attached */

        uint64_t attach_id;
        struct cmi_time attach_clock;
        unsigned n_unsure; /* attaches in a row whose clocks were neither equal nor different */

        uint64_t next_try_ns; /* CLOCK_MONOTONIC; no connect() before */
        uint64_t backoff_ns;
        bool is_absent; /* the last connect() found nobody who listens */
        uint64_t random;
        _Atomic uint64_t next_poke_ns;  /* CLOCK_MONOTONIC_COARSE; read without the lock */
        _Atomic uint64_t next_vouch_ns; /* the same */
        uint64_t vouched_ns;            /* of the present page: cmi_mapping_vouch() */
        bool was_live;                  /* the node, as far as that page showed it */

        struct cmi_request requests[CM_REGIONS_MAX]; /* by the region's number in the handle */
        uint32_t n_requested; /* below it all are written on this connection */
        uint64_t next_ask_ns; /* for regions for which meshd had no memory; 0: there is none */

        struct cmi_pending pending;
        bool is_overflowed;   /* the queue was dropped; whole regions instead, at the next attach */
        bool is_told_pending; /* what the cache half was told last */
        struct cmi_spool spool;
        bool is_spool_due;       /* something was published that the overflow covers */
        int spool_error;         /* why the spool does not have it all; 0: it has */
        uint64_t next_spool_ns;  /* CLOCK_MONOTONIC; not tried again before */
        uint64_t regions_serial; /* of the file of the spool that has them */
        uint32_t n_spooled;      /* regions in that, whole, the first ones of the handle */
        bool is_spool_error_told;
        bool is_stalled;          /* meshd let a whole deadline pass without a byte */
        uint64_t n_received;      /* reads that brought something */
        uint32_t n_sent_unlooked; /* publications since the socket was last read */
        struct cmi_waiters waiters;

        struct cmi_asker *askers; /* LOADs without their last answer (connection_load.c) */
        struct cmi_call *calls;   /* of libcachemesh-session, in the order in which they came */
        struct cmi_call *last_call;
        struct cmi_call *unwritten_call; /* the first one that is not written to its end */
        uint32_t n_calls;
        bool is_call_next; /* calls and publications take turns */

        uint64_t n_connects;       /* names the present socket */
        uint64_t loads_stalled_at; /* no LOAD before n_received has grown beyond it; 0: none */
        bool has_no_loads;         /* this meshd does not know LOAD */
        uint32_t n_unsaid;         /* loads to be given up, once there is room to say so */
        uint64_t unsaid[CMI_UNSAID_MAX];

        const struct cmi_page *page; /* current mapping, owned by the cache half; NULL: none */
        uint32_t serial;             /* of it */

        struct cmi_event_queue events;
        enum cm_mode last_mode;
        const char *last_reason;
        int epoll_fd; /* what cm_fd() gave; -1: never asked */
        int event_fd; /* readable while events are queued */
        int watched_fd;
        uint32_t watched_events;

        struct cmi_note notes[CMI_NOTES_MAX];
        unsigned n_notes;
};

/* connection.c */

static inline struct cmi_connection *cmi_connection(struct cm *cm)
{
        return (struct cmi_connection *)cmi_handle_source(cm);
}

uint64_t cmi_connection_now_ns(void); /* CLOCK_MONOTONIC */
uint64_t cmi_connection_clock_ns(clockid_t clock);

/* Under the lock a connection may change in any way; unlocking tells the cache half, the loop
 * and the log about it. */
void cmi_connection_lock(struct cmi_connection *connection);
bool cmi_connection_trylock(struct cmi_connection *connection);
void cmi_connection_unlock(struct cmi_connection *connection);

/*
 * What unlocking does, for a thread that is about to sleep on its condition. Return: true if it had
 * to give up the lock (to write log lines), so that the caller must look again.
 */
bool cmi_connection_settle(struct cmi_connection *connection);

/* A log line, written by the unlock. */
void cmi_connection_note(struct cmi_connection *connection, enum cm_log_level level,
                const char *format, ...) __attribute__((format(printf, 3, 4)));

/**
 * cmi_connection_try() - have a connection, or try for one if the back-off allows
 *
 * Return: true if it is ATTACHING or ATTACHED.
 */
bool cmi_connection_try(struct cmi_connection *connection);

/**
 * cmi_connection_lose() - close the socket and queue everything unconfirmed again
 * @reason: static text for people
 */
void cmi_connection_lose(struct cmi_connection *connection, const char *reason);

/* A region that meshd refused on this connection: things may have changed since. */
void cmi_connection_ask_again(struct cmi_connection *connection, uint32_t number);

/* Write what may be written now (regions first, then publications in order) and send it. */
void cmi_connection_pump(struct cmi_connection *connection);

/* Read and handle what the socket holds, unless another thread is in charge of reading. */
void cmi_connection_read(struct cmi_connection *connection);

/* One step without waiting: connect, or read and go on writing. */
void cmi_connection_step(struct cmi_connection *connection);

/* The mode as an app sees it, now; tells a change as an event. */
enum cm_mode cmi_connection_mode(struct cmi_connection *connection, const char **ret_reason);

void cmi_connection_event(
                struct cmi_connection *connection, enum cm_event_kind kind, const char *detail);

/* connection_receive.c */

/* One message. Return: 0, or negative if the connection must be given up; then
 * @ret_reason says why. */
int cmi_connection_handle(struct cmi_connection *connection, struct cmi_slice payload,
                const char **ret_reason);

/* connection_wait.c */

/**
 * cmi_connection_wait() - give up the lock for a while, so that the next thing can happen
 * @waiter:      entered into connection->waiters
 * @deadline_ns: CLOCK_MONOTONIC
 *
 * The caller looks at its condition after each return, and calls again.
 *
 * Return: false if the deadline has passed.
 */
bool cmi_connection_wait(
                struct cmi_connection *connection, struct cmi_waiter *waiter, uint64_t deadline_ns);

/* End of waiting: leaves the list, and lets another thread read if this one did. */
void cmi_connection_leave(struct cmi_connection *connection, struct cmi_waiter *waiter);

/* connection_spool.c */

/*
 * Every unlocking calls one of them: what is late is in the spool before its call returns, and
 * the spool is empty once nothing is late any more.
 */
void cmi_connection_spool(struct cmi_connection *connection);
void cmi_connection_unspool(struct cmi_connection *connection);

/* connection_load.c */

int cmi_connection_share_begin(struct cm *cm, struct cmi_share *share);
void cmi_connection_share_end(
                struct cm *cm, const struct cmi_share *share, int error, struct cmi_slice record);
void cmi_connection_share_give_up(struct cm *cm, const struct cmi_share *share);

/* Give up a load for which there was no room. Return: false: there is none, or still no room. */
bool cmi_connection_write_unsaid(struct cmi_connection *connection);

/* LOAD_STATE. Return: 0, or -EBADMSG. */
int cmi_connection_load_state(struct cmi_connection *connection, const struct cmi_local_head *head);

/* An ERROR with this id. Return: whether it was about a LOAD. */
bool cmi_connection_load_error(
                struct cmi_connection *connection, uint64_t id, const struct cmi_error *error);

/* connection_call.c */

int cmi_connection_call(
                struct cm *cm, const struct cmi_ext_call *call, struct cmi_ext_answer *ret_answer);
int cmi_connection_tell(struct cm *cm, struct cmi_slice fields);

/* Write a SESSION or a SESSION_PART. Return: false: there is none, or no room. */
bool cmi_connection_write_call(struct cmi_connection *connection);

/* SESSION_ANSWER. */
void cmi_connection_call_answer(
                struct cmi_connection *connection, const struct cmi_local_head *head);

/* An ERROR with this id. Return: whether it was about a SESSION. */
bool cmi_connection_call_error(
                struct cmi_connection *connection, uint64_t id, const struct cmi_error *error);

/* The socket is lost, and so many bytes had left by then: what had left as a whole may be done, the
 * rest is not, and will be written again. */
void cmi_connection_lose_calls(struct cmi_connection *connection, uint64_t n_sent);

/* connection_vouch.c */

void cmi_connection_vouch(struct cm *cm);

/* connection_publish.c */

int cmi_connection_publish(struct cm *cm, const struct cmi_slice *ops, size_t n_ops,
                enum cm_wait wait, uint32_t timeout_ms, struct cm_result *ret_result);

int cmi_connection_begin(struct cm *cm, struct cmi_slice op, uint32_t timeout_ms,
                struct cm_result *ret_result, struct cmi_place *ret_place);

/* An INTENT_BEGIN that was abandoned has this number: nobody will end it but us. */
void cmi_connection_end_late(struct cmi_connection *connection, const struct cmi_publication *begin,
                uint64_t number);

/* An operation that invalidates the whole region. Return: its bytes, in @writer. */
struct cmi_slice cmi_connection_encode_region(
                struct cmi_writer *writer, const struct cm_region *region);

/* After an attach: if the queue had overflowed, queue an invalidation of each whole
 * region. 0 or -ENOMEM. */
int cmi_connection_requeue_regions(struct cmi_connection *connection);
