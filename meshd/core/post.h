/* SPDX-License-Identifier: MIT */
#pragma once
/* What the core's other files need for messages between nodes; core.h has what is for others. */
#include "wire/frame.h"

struct core;
struct member;

/* Messages to and from a member. */
struct posts {
        bool is_awaited;    /* one was refused, and postable() is owed */
        uint64_t sent;      /* bytes of all that went to it, as they count */
        uint64_t marked;    /* of these, what went before the beat of marked_ns */
        uint64_t marked_ns; /* own clock in that beat; 0: none is under way */
        uint64_t echoed;    /* of these, what came before a beat that it has echoed */
        uint64_t newest;    /* number of the newest that came of it */
        uint64_t taken;     /* bytes of what came since our last beat to it, as they count */
};

void post_receive(struct core *core, struct member *member, const struct cmi_post *post);
/* A beat went to it, or one of ours came back in one of its. */
void post_beat_sent(struct member *member, struct cmi_time now);
void post_beat_received(struct member *member, const struct cmi_beat *beat);
/* Does more than a share of the window wait for an echo? */
bool post_wants_echo(const struct member *member);
/* Before the beats of a turn: which are due for the sake of posts? */
void post_ask_beats(struct core *core, struct cmi_time now);
/* After them: who may be posted to? */
void post_tell(struct core *core, struct cmi_time now);
