/* SPDX-License-Identifier: MIT */
#pragma once
/* What each test of the connection stands on: a path, a fake meshd on it, and a fake handle. */
#include "tests/libcachemesh/fake_handle.h"
#include "tests/libcachemesh/fake_meshd.h"

struct fixture {
        char *path;
        struct fake_meshd *meshd; /* NULL: not running */
        struct cm *cm;            /* NULL: not open */
};

/* For g_test_add(): only the path, and an end to whatever the test has started. */
void fixture_set_up(struct fixture *f, const void *unused);
void fixture_tear_down(struct fixture *f, const void *unused);

/* Starts meshd (NULL: well-behaved) and opens the handle. */
void fixture_start(struct fixture *f, const struct fake_meshd_script *script);

/* The same with an open region "r". */
void fixture_start_region(struct fixture *f, const struct fake_meshd_script *script);

/* A call for the mesh, in a thread of its own; meshd is killed when it has read the message. */
void fixture_kill_within(struct fixture *f, void *(*call)(void *data), void *data);
