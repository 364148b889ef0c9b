/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Goals: what the verb wait waits for, whether it is so now, and how far it is.
 * vigil.h does the waiting.
 */
#include "meshd/core/core.h"

#define GOAL_TEXT_MAX 256

enum goal_kind {
        GOAL_LIVE,
        GOAL_PEERS,
        GOAL_CAUGHT_UP,
};

struct goal {
        enum goal_kind kind;
        uint64_t n_wanted; /* PEERS */
        uint64_t position; /* CAUGHT_UP: of the own stream when it was asked */
};

/* Read the arguments for and count. Return: 0, -EINVAL. */
int goal_read(struct goal *ret_goal, struct cmi_slice arguments, const struct core *core);

/* The word that goal_read() takes. */
const char *goal_text(const struct goal *goal);

bool goal_is_reached(const struct goal *goal, const struct core *core, struct cmi_time now);

/* How far it is, for a person who waited in vain. */
void goal_describe(const struct goal *goal, const struct core *core, struct cmi_time now,
                char ret_text[GOAL_TEXT_MAX]);
