/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Who listens on a TCP port? For one message at start; /proc shows other users'
 * processes to root only.
 */
#include <stdint.h>

#define PORT_HOLDER_TEXT_SIZE 96

/**
 * port_holder_find() - describe the process that listens on a port of this host
 * @port:     host byte order
 * @ret_text: "process 123 (name)", or that it cannot be told
 */
void port_holder_find(uint16_t port, char ret_text[PORT_HOLDER_TEXT_SIZE]);
