/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * libcachemesh-session without a meshd, linked in its place: sessions of one process, each outcome
 * when a test wants it, and somebody who is faster. Any thread.
 */
#include <stddef.h>

enum fake_call {
        FAKE_CREATE,
        FAKE_GET,
        FAKE_SAVE,
        FAKE_ROTATE,
        FAKE_DESTROY,
        FAKE_DESTROY_PRINCIPAL,
        FAKE_CALLS,
};

/* Forgets all sessions and all outcomes. */
void fake_reset(void);

/* The next @n calls return @outcome; so much of them is done as that outcome promises. */
void fake_fail(enum fake_call call, int outcome, int n);

/* The same, but after it was done: an answer that got lost. */
void fake_lose_answer(enum fake_call call, int outcome);

/* Once before the next such call does anything. */
void fake_before(enum fake_call call, void (*function)(void *userdata), void *userdata);

/* The session of an id is written by somebody else: with other data, or NULL: with what it has. */
void fake_write(const char *id, const char *data);

/* It is over. */
void fake_end(const char *id);

size_t fake_n_alive(void);
