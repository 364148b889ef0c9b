/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Queries that take time: links, ping and key_use ask other nodes; wait watches this one, which
 * vigil.h does. Each ends by itself at its deadline, with what is known by then. Other nodes are
 * asked a few at a time, since the core has a bound on open queries; nothing is asked from inside
 * the core's callbacks, but in inquiry_turn().
 */
#include "meshd/verbs/question.h"

#define INQUIRIES_MAX 16       /* at once, that ask other nodes */
#define INQUIRY_QUERIES_MAX 48 /* open between nodes, of all of them */
#define INQUIRY_TIMEOUT_MAX_MS 600000
#define INQUIRY_TICK_MS 10

enum inquiry_kind {
        INQUIRY_LINKS,
        INQUIRY_PING,
        INQUIRY_TRACE,
        INQUIRY_WAIT,
        INQUIRY_KEY, /* then the key is used */
};

struct inquiries;

/**
 * inquiries_new() - room for INQUIRIES_MAX, and for what waits
 * @service: for answers and the core; borrowed
 *
 * Return: 0, -ENOMEM.
 */
int inquiries_new(struct inquiries **ret_inquiries, struct service *service);
struct inquiries *inquiries_free(struct inquiries *inquiries);

/* Begin one; errors are told to the client. */
void inquiry_begin(struct inquiries *inquiries, const struct question *question,
                enum inquiry_kind kind);

/* core_sink.answered */
void inquiry_answered(
                struct inquiries *inquiries, uint64_t packed, const struct cmi_answer *answer);

/* core_sink.done. Return: whether the cookie (cookie.h) was one of these. */
bool inquiry_done(struct inquiries *inquiries, uint64_t packed, const struct core_outcome *outcome);

/* Ask on, and answer what is complete or over; call it each turn. */
void inquiry_turn(struct inquiries *inquiries, struct cmi_time now);

/* Note what core_tick() has sent; call it after that. */
void inquiry_note(struct inquiries *inquiries);

/* Milliseconds until inquiry_turn() has work, -1 if there is none. */
int inquiry_timeout_ms(const struct inquiries *inquiries);

/* The client is gone. */
void inquiry_cancel(struct inquiries *inquiries, const struct guest *guest);
