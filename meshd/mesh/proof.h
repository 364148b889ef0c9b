/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The proof at start that strangers stay outside. libzmq lets everybody in if CURVE is on and
 * something about the handler is not as it expects, and an option that it does not honour fails
 * silently: so it is tried, with a socket that has the mesh's own options (curve.h), and meshd does
 * not start if the outcome is another one.
 */
#include "meshd/mesh/key_ring.h"

enum proof {
        PROOF_ACCEPTED = 0,
        PROOF_REFUSED,
};

/**
 * proof_try() - connect to a socket of this process, which is made and closed here
 * @context:     libzmq's
 * @ring:        the socket serves with the key in use
 * @is_stranger: connect with a random key, else with the one of the ring that is in use
 *
 * Takes milliseconds; at most five seconds.
 *
 * Return: an enum proof; -ETIMEDOUT if it is neither, another negative errno.
 */
int proof_try(void *context, const struct key_ring *ring, bool is_stranger);
