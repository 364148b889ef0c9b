/* SPDX-License-Identifier: MIT */
#pragma once
/* What will happen, in the order of the simulator's true time; events of one instant keep the
 * order of their making. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum event_kind {
        EVENT_FRAME,    /* the first frame of a connection reaches its node */
        EVENT_CONNECT,  /* a dialled link tries to connect */
        EVENT_BREAK,    /* a connection breaks */
        EVENT_WRITABLE, /* a link takes frames again */
        EVENT_TICK,     /* a node's turn ends, or its timer is over */
        EVENT_DISCOVER, /* a node hears of another one */
        EVENT_REQUEST,  /* an app's request reaches its node */
        EVENT_RETURN,   /* an interrupted call of the core goes on */
        EVENT_START,    /* a meshd is started */
        EVENT_STOPPING, /* a clean stop looks whether it is flushed */
        EVENT_CONTINUE, /* a stopped meshd or host runs again */
        EVENT_ATTACH,   /* an app looks for its meshd */
        EVENT_READ,     /* a reader's next step */
        EVENT_WRITE,    /* a writer's next step */
        EVENT_COMMIT,   /* a COMMIT that was sent takes effect */
        EVENT_OPERATOR, /* somebody wants something of a meshd */
        EVENT_FAULT,    /* the nemesis */
        EVENT_KILL,     /* a meshd dies */
        EVENT_LEAVE,    /* a meshd stops in order */
        EVENT_SPOOL,    /* a meshd takes what is in the spool */
        EVENT_OBITUARY, /* somebody speaks for a dead meshd */
        EVENT_UNEVEN,   /* nodes restart with other options */
        EVENT_APP,      /* an app is killed or stopped */
        EVENT_POST,     /* a node has messages for another one */
        EVENT_HEAL,     /* a cut ends */
        EVENT_SESSION,  /* of users of sessions, see session.h */
        EVENT_ADDRESS,  /* an address dies, or lives again */
        EVENT_STAGE,    /* the run's next stage */
        EVENT_AUDIT,    /* is the mesh whole again? */
        EVENT_KINDS,
};

struct event {
        uint64_t at_ns;
        uint64_t order;
        enum event_kind kind;
        uint32_t a;
        uint64_t b;
        void *object;
};

struct agenda {
        struct event *events; /* a binary heap */
        size_t n_events;
        size_t capacity;
        uint64_t n_added;
};

void agenda_add(struct agenda *agenda, struct event event);

/* Take the next event. Return: is there one? */
bool agenda_next(struct agenda *agenda, struct event *ret_event);

/* When that is; UINT64_MAX: never. */
static inline uint64_t agenda_next_ns(const struct agenda *agenda)
{
        return agenda->n_events > 0 ? agenda->events[0].at_ns : UINT64_MAX;
}

/* Forget all events and keep the memory. */
void agenda_clear(struct agenda *agenda);
void agenda_deinit(struct agenda *agenda);
