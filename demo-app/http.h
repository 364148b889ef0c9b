/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * HTTP on the loopback: connections, limits on what is read, headers of each answer. It decides
 * which requests are worth looking at; what they ask for is left to route.c.
 *
 * A change waits for the mesh, for a second if a node has just died, so each
 * connection has its thread.
 */
#include "demo-app/app.h"

#include <stdint.h>

struct http;

/**
 * http_start() - listen on 127.0.0.1
 * @app:      borrowed until http_stop(); its port is not looked at
 * @port:     0: any free one
 * @ret_port: the one that was taken
 *
 * Return: 0, -EADDRINUSE, another negative errno.
 */
int http_start(struct http **ret_http, const struct app *app, uint16_t port, uint16_t *ret_port);

/* Ends all connections; answers that are being made are finished first. */
struct http *http_stop(struct http *http);
