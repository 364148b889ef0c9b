/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What came in over each connection of the ROUTER and was never handed over. libzmq 4.3.4 hands a
 * message over once its last part is there, and bounds the size of a part (ZMQ_MAXMSGSIZE) and the
 * number of messages (ZMQ_RCVHWM), but not the number of parts: of a message without an end it
 * keeps every part, 64 bytes for two on the wire. So the kernel's count of received bytes is
 * compared with the bytes of the messages that were handed over, and a connection that is far ahead
 * of these, and has handed over nothing for a while, is ended. libzmq then frees what it kept. Many
 * connections that stay below the bound are one stranger as a rule: when they keep too much back
 * together, each one has a lower bound.
 *
 * A connection that never brought a frame is a stranger's until it does. Whatever they are for,
 * there are never many of them for long: else they could take all descriptors, and members who come
 * back would not get in. The oldest ones are ended, since a member has something to say at once.
 *
 * It decides only when; who connects and what is received is link.h's. Descriptors are libzmq's,
 * and may have become another socket's meanwhile: each one is known by the kernel's cookie.
 * One thread.
 */
#include "base/endpoint.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INTAKE_PENDING_MAX (1u << 20) /* a frame has two parts of at most 64 KiB */
#define INTAKE_TOTAL_MAX (8u << 20)   /* of all connections; beyond it they have */
#define INTAKE_PENDING_LOW (1u << 14)
#define INTAKE_FDS_MAX 65536

struct intake_connection {
        uint64_t cookie; /* 0: not watched */
        uint64_t handed_over;
        uint64_t handed_over_before; /* at the last look */
        uint64_t opened_ns;
        bool was_over; /* the bound, at the last look */
        bool is_known; /* it has brought a frame */
};

struct intake {
        struct intake_connection *connections; /* by descriptor */
        int n;
        int place;          /* for the duplicate of what is ended; while n is not 0 */
        int nothing;        /* to put there afterwards */
        uint64_t n_pending; /* at the last look, of those that had handed over nothing since */
        int n_strangers;    /* at the last look */
};

/* A connection was accepted at @port. Without memory, or descriptors, it is not watched; nor if it
 * has ended already, and its number is the listener's or an outgoing connection's. */
void intake_opened(struct intake *intake, int fd, uint16_t port, uint64_t now_ns);

/* A message of so many bytes on the wire came over it. */
void intake_handed_over(struct intake *intake, int fd, uint64_t n_bytes);

/* Is what comes over it still to be looked at, since nothing that did was a frame? */
bool intake_is_stranger(const struct intake *intake, int fd);

/* It was one. */
void intake_know(struct intake *intake, int fd);

/**
 * intake_check() - look at all connections, and end those that keep too much back
 * @ret_endpoint: of the last one that was ended
 *
 * Call it a few times a second. A connection is ended when two looks in a row find it over the
 * bound, with nothing handed over between them.
 *
 * Return: how many were ended.
 */
int intake_check(struct intake *intake, struct cmi_endpoint *ret_endpoint);

/**
 * intake_thin() - end strangers, the oldest first
 * @max:          so many may stay; call it after intake_check(), which counts them
 * @before_ns:    those that were opened later stay as well
 * @ret_endpoint: of the last one that was ended
 *
 * Return: how many were ended.
 */
int intake_thin(struct intake *intake, int max, uint64_t before_ns,
                struct cmi_endpoint *ret_endpoint);

void intake_deinit(struct intake *intake);
