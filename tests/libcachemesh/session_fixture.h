/* SPDX-License-Identifier: MIT */
#pragma once
/* Two handles of one node, as two processes have them, and a namespace on each. */
#include "tests/libcachemesh/fake_sessions.h"

#include "libcachemesh/cachemesh-session.h"

struct fixture {
        char *path;
        char *keys;
        struct fake_sessions *sessions;
        struct fake_meshd *meshd; /* NULL: none */
        struct cm *cm;
        struct cm *other_cm;
        struct cm_session_space *space;
        struct cm_session_space *other;
};

/* Waits until both have their page and the index of their region. */
void fixture_set_up(struct fixture *f, const void *unused);
void fixture_tear_down(struct fixture *f, const void *unused);

/* A space of the same name and keys on a handle. */
struct cm_session_space *fixture_space(struct fixture *f, struct cm *cm);

void fixture_create(struct fixture *f, const char *text, char ret_id[CM_SESSION_ID_SIZE]);
void fixture_expect(const struct cm_session *session, const char *text);
