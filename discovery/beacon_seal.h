/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The MAC of a beacon: keyed BLAKE2b over its body (libsodium's crypto_generichash), with a key
 * that is derived from the mesh's. It proves that somebody with the key made these bytes once, not
 * that they are new: what is old is found by candidate_table_feed().
 */
#include "discovery/beacon.h"

#define BEACON_KEY_SIZE 32

/**
 * beacon_seal() - beacon_encode() with a MAC
 * @beacon:    has_mac and mac are ignored
 * @key:       of the mesh
 * @ret_bytes: BEACON_SIZE_MAX bytes of room
 * @ret_size:  how many were written
 *
 * Return: as beacon_encode().
 */
int beacon_seal(const struct beacon *beacon, const uint8_t key[BEACON_KEY_SIZE],
                uint8_t ret_bytes[BEACON_SIZE_MAX], size_t *ret_size);

/**
 * beacon_is_sealed() - does the MAC belong to body and key?
 * @bytes:  the datagram
 * @beacon: what beacon_decode() made of it
 * @key:    of the mesh
 *
 * In constant time. Return: also false if there is no MAC.
 */
bool beacon_is_sealed(
                const void *bytes, const struct beacon *beacon, const uint8_t key[BEACON_KEY_SIZE]);
