/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Vigils: clients that wait for a goal, as the verb wait does. One costs a few bytes, and asks no
 * other node, so there are as many as connections have; a few are looked at in each turn, one after
 * the other, so that many cost a turn no more than a few.
 */
#include "meshd/verbs/goal.h"
#include "meshd/verbs/question.h"

#define VIGILS_OF_GUEST 4 /* at once, of one connection */
#define VIGILS_OF_TURN 64 /* looked at in one */

struct vigil;

/* In the order in which they are looked at; zeroed at first. */
struct vigils {
        struct vigil *first, *last;
        uint32_t n;
};

/**
 * vigil_begin() - wait for what the arguments name; errors are told to the client
 * @deadline_ns: then it is told that it was in vain
 */
void vigil_begin(struct vigils *vigils, const struct question *question, uint64_t deadline_ns);

/* Answer those that have reached their goal, or are over. */
void vigils_turn(struct vigils *vigils, struct cmi_time now);

/* The client is gone; NULL: all are. */
void vigils_cancel(struct vigils *vigils, const struct guest *guest);
