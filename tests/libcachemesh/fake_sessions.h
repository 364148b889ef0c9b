/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Sessions of a fake meshd that is alone: enough of them to answer a library that behaves, and ways
 * to answer one wrongly, late, or not at all. fake_sessions_hook() is its script's `other`, and
 * `sessions` its context. One of them may serve several meshds, one after the other.
 */
#include "tests/libcachemesh/fake_meshd.h"

#include "wire/session_local.h"

struct fake_sessions;

struct fake_sessions *fake_sessions_new(void);
struct fake_sessions *fake_sessions_free(struct fake_sessions *sessions);

/* A meshd with these sessions. */
struct fake_meshd *fake_sessions_start(struct fake_sessions *sessions, const char *path);

enum fake_sessions_fault {
        FAKE_SESSIONS_OK = 0,
        FAKE_SESSIONS_SILENT,    /* nothing is done or answered */
        FAKE_SESSIONS_UNDONE,    /* hang up when a request has come, and do nothing */
        FAKE_SESSIONS_UNTOLD,    /* do it, and hang up before the answer */
        FAKE_SESSIONS_DEAF,      /* hang up at a request, and take no new connection */
        FAKE_SESSIONS_UNKNOWN,   /* ERROR, as a meshd that knows none of this */
        FAKE_SESSIONS_TAMPERED,  /* a bit of each blob that is answered is another one */
        FAKE_SESSIONS_REPLAYED,  /* the answer to a GET has the blob of the version before */
        FAKE_SESSIONS_TOKENLESS, /* nothing may be kept */
        FAKE_SESSIONS_NONSENSE,  /* an answer without a version */
        FAKE_SESSIONS_CURT, /* what is done is told without a record: it was saved over since */
};

/* From now on; those that hang up are over after one request. */
void fake_sessions_fail(struct fake_sessions *sessions, enum fake_sessions_fault fault);

/* The outcome of the next request, which is not done; said twice, of the two next ones. */
void fake_sessions_answer_next(struct fake_sessions *sessions, int64_t outcome, const char *text);

/* Requests of this verb that have come whole. */
unsigned fake_sessions_n_asked(struct fake_sessions *sessions, enum cmi_session_verb verb);

/* Wait for so many. False after 10 s. */
bool fake_sessions_await(struct fake_sessions *sessions, enum cmi_session_verb verb, unsigned n);

/* The newest request, without its slices. */
struct cmi_session_request fake_sessions_last(struct fake_sessions *sessions);

/* How many are alive. */
unsigned fake_sessions_n_alive(struct fake_sessions *sessions);

/* Do all that is known of these bytes (requests, blobs) lack @text? */
bool fake_sessions_lacks(struct fake_sessions *sessions, const char *text);

/* Somebody on another node saves over each session; their copies here are dead. */
void fake_sessions_touch_all(struct fake_sessions *sessions);
