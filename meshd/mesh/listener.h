/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The listening TCP socket of the mesh. It belongs to us and libzmq gets copies of it: so the port
 * is never free while libzmq listens anew (with another key), connections wait in the kernel
 * meanwhile, and no more are taken in than there are descriptors for.
 *
 * The gate is a packet filter on the listening socket: while it is shut the kernel drops what would
 * open a connection, and those that are open go on. Who was dropped tries again after a second.
 */
#include "base/endpoint.h"

#include <stdbool.h>

#define LISTENER_BACKLOG 1024

struct listener {
        int fd; /* -1: none */
        bool is_shut;
        struct cmi_endpoint bound;
};

/**
 * listener_open() - bind and listen
 * @listener: its fd is -1, or the last try failed
 * @endpoint: port 0: any free one
 *
 * Return: 0, -EADDRINUSE, another errno.
 */
int listener_open(struct listener *listener, const struct cmi_endpoint *endpoint);
void listener_close(struct listener *listener);

/* A copy of the descriptor, for libzmq to keep. Return: it, or a negative errno. */
int listener_copy(const struct listener *listener);

/* Let no more connections in, or let them in again. Return: 0, a negative errno. */
int listener_shut(struct listener *listener, bool is_shut);
