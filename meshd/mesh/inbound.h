/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The inbound side of the mesh's sockets: where the ROUTER is bound, what its monitor tells, and
 * how many connections are taken in. Part of link.h, for link.c only.
 */
#include "meshd/mesh/link.h"

#define INBOUND_PARTS 3           /* of a message: routing id, header, body */
#define INBOUND_CURVE_OVERHEAD 33 /* RFC 26: MESSAGE, nonce, MAC, flags around each part */
#define INBOUND_TEXT_SIZE (CMI_ENDPOINT_TEXT_SIZE + 8)

/* As libzmq wants it: "tcp://" and the endpoint. */
void inbound_format(const struct cmi_endpoint *endpoint, char ret_text[INBOUND_TEXT_SIZE]);

/* Have the monitor tell. Return: 0, a negative errno. */
int inbound_watch(struct links *links);

/* Listen where @options say, or at a random port where they allow it. Return: as links_open(). */
int inbound_bind(struct links *links, const struct links_options *options);

/* Listen no more, with libzmq: every connection ends. The port stays ours. */
void inbound_stop(struct links *links);

/* Listen again, with the key in use; if that fails, links->is_deaf is set. */
void inbound_rebind(struct links *links);

/**
 * inbound_parts() - receive one message
 * @parts:    the first three of its parts; to be closed, as many as there are
 * @overhead: bytes on the wire around each part, beyond those of ZMTP's frame
 * @ret_size: of all parts but the routing id, on the wire
 *
 * Return: how many parts it has, 0 if there is no message.
 */
int inbound_parts(
                void *socket, zmq_msg_t parts[INBOUND_PARTS], size_t overhead, uint64_t *ret_size);
