/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A trace: one invalidation, followed through the mesh. It is published like any other one with
 * CMI_WAIT_MESH; meanwhile each turn notes when links have taken it and acknowledgements came, and
 * when the wait is over each node is asked how long ago it applied it. All times are of this node's
 * clock: that of another node is its "so long ago" taken off the middle of the question's round
 * trip, so it is good to half of that.
 *
 * Called by inquiry.c only.
 */
#include "meshd/verbs/inquiry_state.h"

/* Publish, and list whom to follow it to. Return: 0, -EINVAL, -ENOMEM, or that of publishing. */
int trace_begin(struct inquiries *inquiries, struct inquiry *inquiry, struct cmi_time now,
                struct cmi_slice arguments);

/* The wait is over. Called from inside the core, also during trace_begin(). */
void trace_done(struct inquiries *inquiries, struct inquiry *inquiry,
                const struct core_outcome *outcome);

/* Note which links have taken it and who has acknowledged it. */
void trace_note(struct inquiries *inquiries, struct inquiry *inquiry, struct cmi_time now);

/* Note what has happened since the last turn. Return: whether nodes may be asked now. */
bool trace_turn(struct inquiries *inquiries, struct inquiry *inquiry, struct cmi_time now);

void trace_answered(struct target *target, const struct cmi_answer *answer);
void trace_write(const struct inquiries *inquiries, const struct inquiry *inquiry,
                struct document *document, struct cmi_time now);

/* Nobody waits for it any more; it stays published. */
void trace_cancel(struct inquiries *inquiries, struct inquiry *inquiry);
