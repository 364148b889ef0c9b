/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * meshd processes for tests: the program of $MESHD, on loopback, with a mesh name, a directory and
 * ports of its own. A test that dies takes them with it.
 */
#include "libcachemesh/cachemesh.h"

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/* Short for tests that wait for its end; a busy machine that does not run meshd for half of it ends
 * it. Long for those that expect hits. */
#define REAL_LEASE_SHORT_MS 300
#define REAL_LEASE_LONG_MS 3000

struct real_meshd {
        char *directory;
        char *socket;
        char *log;
        char *mesh;
        char *peer; /* ADDRESS:PORT of another node; NULL: none */
        char *name;
        unsigned lease_ms;
        unsigned port; /* its own; 0 before the first start */
        pid_t pid;     /* 0: not running */
};

/* A node that joins @other, or begins a mesh if that is NULL. It is started, but
 * perhaps not live yet. */
void real_meshd_start(struct real_meshd *node, const char *name, const struct real_meshd *other,
                unsigned lease_ms);

/* After real_meshd_kill(): the same node on the same port and directory. */
void real_meshd_restart(struct real_meshd *node);

void real_meshd_signal(struct real_meshd *node, int signal);

/* SIGKILL, and wait for its end. */
void real_meshd_kill(struct real_meshd *node);

/* SIGKILL, and remove everything. */
void real_meshd_end(struct real_meshd *node);

/* Drive the handle's loop until it is in this mode. False after 20 s. */
bool real_await_mode(struct cm *cm, enum cm_mode mode);

/* The same until nothing is queued. */
bool real_await_flushed(struct cm *cm);
