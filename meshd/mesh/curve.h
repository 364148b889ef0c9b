/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * CURVE on the mesh's sockets: which keys a listening and a dialling one get, in one place, so that
 * the proof at start (proof.h) is about the very options that the mesh uses.
 */
#include "meshd/mesh/key_ring.h"

#define CURVE_DOMAIN "cachemesh" /* of ZAP */

/**
 * curve_serve() - take in only who proves one of the mesh's keys to the handler of zap.h
 * @socket: counts for its later binds; nobody is taken in while there is no handler
 * @entry:  whose server key is shown
 *
 * Return: 0, a negative errno.
 */
int curve_serve(void *socket, const struct key_ring_entry *entry);

/**
 * curve_dial() - keys of the other side and of this one
 * @socket: counts for its later connects
 *
 * Return: 0, a negative errno.
 */
int curve_dial(void *socket, const uint8_t server_public[KEY_RING_CURVE_SIZE],
                const uint8_t client_public[KEY_RING_CURVE_SIZE],
                const uint8_t client_secret[KEY_RING_CURVE_SIZE]);
