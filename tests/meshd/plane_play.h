/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Random plays of apps against a plane, beside a plain model that says what each answer has to be.
 * The apps' processes keep copies as libcachemesh-session does; none may be good that is not what
 * the session is.
 */
#include "tests/meshd/plane_rig.h"

/**
 * plane_play() - one play
 * @seed: the same seed is the same play
 *
 * Return: NULL, or what was broken first (static text).
 */
const char *plane_play(uint64_t seed);

/* For the play itself. */

#define PLAY_KEYS 24
#define PLAY_PROCESSES 3
#define PLAY_REQUESTS 64 /* that are remembered, to be repeated */

struct play_request {
        struct cmi_session_request request;
        uint32_t key, new_key;
        uint32_t process;
        char text[16]; /* its blob */
        uint64_t sent_ns;
        bool is_waiting;
};

/* What an old key still reads as. */
struct play_grace {
        bool is_kept;
        uint64_t until_ms;
        uint32_t successor;
        uint8_t owner;
        char text[16];
};

struct play_session {
        enum { PLAY_NONE = 0, PLAY_ALIVE, PLAY_DEAD } state;
        bool is_rotated; /* DEAD */
        bool was_never;  /* DEAD: it was ended without ever being here */
        struct cmi_id space;
        struct cmi_session_version version;
        struct cmi_session_holder holder;
        uint64_t max_end_ms, idle_ttl_ms, last_touch_ms;
        uint8_t owner; /* principal */
        char text[16];
        uint32_t n_requests;
        uint64_t requests[CMI_SESSION_REQUESTS_MAX];
        struct play_grace grace;
};

/* What a process has of a session. */
struct play_copy {
        bool is_seen;
        uint64_t token; /* 0: it may not be kept */
        struct cmi_session_version version;
        struct cmi_session_holder holder;
        char text[16];
};

struct plane_play {
        uint64_t random;
        const char *broken;
        struct plane_rig rig;
        struct play_session sessions[PLAY_KEYS];
        struct play_copy copies[PLAY_PROCESSES][PLAY_KEYS];
        uint64_t stamps[PLAY_KEYS];
        uint64_t stamp_of_all;
        uint64_t live_since_ms;
        struct play_request requests[PLAY_REQUESTS];
        uint32_t n_requests;
        uint64_t raised[PLAY_REQUESTS]; /* DESTROY_PRINCIPALs that were done */
        uint32_t n_raised;
        const struct play_request *rotating; /* somebody else saves meanwhile */
};

void plane_play_require(struct plane_play *play, bool condition, const char *what);

/* plane_model.c: what is there now. */
bool plane_model_is_alive(struct plane_play *play, uint32_t key);
/* Was it ended for being idle? It may be from then on, and has to be soon. */
void plane_model_see_idle(struct plane_play *play);
/* The answer came: was it right? Then the model changes as it says. */
void plane_model_answer(struct plane_play *play, const struct play_request *asked,
                const struct cmi_session_answer *answer);
/* Somebody saved, without asking the plane. */
void plane_model_save(struct plane_play *play, uint32_t key, const char *text, uint64_t request);
