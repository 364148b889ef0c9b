/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Before another key is used: do the others hold it? A node that does not would lose this one. All
 * that are live must say that they do; of those that are joining or silent it only counts that they
 * do not. A question is lost when its link is renewed, as it is while keys are exchanged, so it is
 * repeated.
 *
 * Called by inquiry.c only.
 */
#include "meshd/verbs/inquiry_state.h"

#define KEY_HOLDERS_TEXT_MAX (CMI_LOCAL_TEXT_MAX + 1)

/* List whom to ask. Return: 0, -EINVAL, -ENOMEM, or that of key_ring_find(). */
int key_holders_begin(struct inquiry *inquiry, const struct question *question);

void key_holders_answered(const struct inquiry *inquiry, struct target *target,
                const struct cmi_answer *answer);

/* Those whose answer is needed, and did not come, are to be asked again. */
void key_holders_repeat(struct inquiry *inquiry);

/**
 * key_holders_judge() - may the key be used?
 * @ret_text: if not: who stands in the way, and what to do
 *
 * Return: 0; -ENOKEY, somebody does not hold it; -ETIMEDOUT, of a live one it is not known.
 */
int key_holders_judge(const struct inquiry *inquiry, char ret_text[KEY_HOLDERS_TEXT_MAX]);
