/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Who may connect: libzmq asks this handler (RFC 27/ZAP) once for each connection, on a thread of
 * its own that only looks into memory. Let in is who proves the client key that is derived from one
 * of the mesh's keys; its frames then carry the key's fingerprint as User-Id.
 *
 * A connection that was let in is not asked for again: what follows from a key's removal is done in
 * link.h.
 */
#include "meshd/mesh/key_ring.h"

struct zap;

/**
 * zap_start() - begin to answer
 * @ret_zap: to be ended with zap_join()
 * @context: libzmq's; nothing is bound in it yet
 * @ring:    copied: of it only what is public
 *
 * Return: 0, a negative errno.
 */
int zap_start(struct zap **ret_zap, void *context, const struct key_ring *ring);

/* Let these in from now on. */
void zap_set(struct zap *zap, const struct key_ring *ring);

/* Why the handler has ended before its time, a negative errno: nobody new gets in any more. 0: it
 * works. */
int zap_error(const struct zap *zap);

/* The thread ends with zmq_ctx_term(); wait for it after that. Takes NULL, returns NULL. */
struct zap *zap_join(struct zap *zap);
