/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Who listens on a TCP port, and who might after a restart? For messages at start; /proc shows
 * other users' processes to root only.
 */
#include "base/endpoint.h"

#include <stdint.h>

#define PORT_HOLDER_TEXT_SIZE 96

/**
 * port_holder_find() - describe the process that listens on a port of this host
 * @port:     host byte order
 * @ret_text: "process 123 (name)", or that it cannot be told
 */
void port_holder_find(uint16_t port, char ret_text[PORT_HOLDER_TEXT_SIZE]);

/* Warns in the log if the port lies among those that the kernel gives to outgoing connections. */
void port_holder_warn(const struct cmi_endpoint *endpoint);
