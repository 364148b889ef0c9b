/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Beacon: the datagram that says "this node is here, dial it there". This file decides the
 * bytes. It leaves to others what a beacon is good for (candidate.h), when one is sent
 * (schedule.h), how it travels (multicast.h), and the MAC, which is computed in beacon_seal.h and
 * only carried here.
 *
 * Layout, all numbers in network byte order:
 *
 *     0  magic          4  "cmb!"
 *     4  major          1  another one is another layout, and refused
 *     5  minor          1  a newer one may use the reserved bytes and add fields before the MAC
 *     6  body size      2  all before the MAC, 132 or more; the MAC covers these bytes
 *     8  mesh           8  beacon_mesh_hash() of the mesh's name
 *    16  node id       16
 *    32  incarnation    8
 *    40  counter        8  grows by at least one with each beacon of an incarnation
 *    48  n endpoints    1  1 to 4
 *    49  MAC size       1  0 or 32
 *    50  reserved       2  zero
 *    52  endpoints   4x20  {family 4 or 6, zero, port 2, address 16}; unused ones are zero
 *   132  MAC            0 or 32
 */
#include "base/endpoint.h"
#include "base/id.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BEACON_SIZE_MAX 256 /* with whatever newer versions add */
#define BEACON_ENDPOINTS_MAX 4
#define BEACON_MAC_SIZE 32

struct beacon {
        uint64_t mesh;
        struct cmi_id id;
        uint64_t incarnation;
        uint64_t counter;
        uint8_t n_endpoints;
        struct cmi_endpoint endpoints[BEACON_ENDPOINTS_MAX]; /* TCP; in order of preference */
        bool has_mac;
        uint8_t mac[BEACON_MAC_SIZE];
};

enum beacon_error {
        BEACON_OK = 0,
        BEACON_TOO_SHORT,    /* not even an empty beacon, or cut before the end that it names */
        BEACON_TOO_LONG,     /* over BEACON_SIZE_MAX, or bytes behind the end that it names */
        BEACON_BAD_MAGIC,    /* some other program's datagram */
        BEACON_VERSION,      /* a major version that this one does not read */
        BEACON_FOREIGN,      /* another mesh in the same group */
        BEACON_BAD_LAYOUT,   /* contradicting sizes, or a reserved byte that is not zero */
        BEACON_BAD_IDENTITY, /* a node id, incarnation or counter of zero */
        BEACON_BAD_ENDPOINT, /* none, too many, or one that nobody can dial */
        BEACON_BAD_SEAL,     /* no MAC by a key of this mesh; one, where there is no key */
        BEACON_N_ERRORS,
};

/**
 * beacon_mesh_hash() - the eight bytes that tell meshes apart
 * @name: name of the mesh, NUL-terminated
 *
 * Not a secret and not a proof. XXH3 with 64 bits, which is stable over versions and machines.
 */
uint64_t beacon_mesh_hash(const char *name);

/**
 * beacon_encode() - write a beacon
 * @beacon:    to write; the scopes of its endpoints are not sent, since they mean
 *             nothing on another host
 * @ret_bytes: BEACON_SIZE_MAX bytes of room
 * @ret_size:  how many were written
 *
 * With a MAC: beacon_seal().
 *
 * Return: BEACON_OK, BEACON_BAD_IDENTITY or BEACON_BAD_ENDPOINT.
 */
int beacon_encode(
                const struct beacon *beacon, uint8_t ret_bytes[BEACON_SIZE_MAX], size_t *ret_size);

/**
 * beacon_decode() - read a datagram from anybody
 * @bytes:      the datagram
 * @size:       its true size, also where only a part of it was stored (then it
 *              is over BEACON_SIZE_MAX)
 * @mesh:       beacon_mesh_hash() of the own mesh
 * @ret_beacon: stored on BEACON_OK only; link-local endpoints have scope 0, which
 *              candidate_table_feed() fills in
 *
 * Checks sizes, magic, version, mesh and then the rest. A newer minor version may carry what this
 * one does not know; it is not looked at. Bounded, allocates nothing, any thread.
 *
 * Return: an enum beacon_error, but not BEACON_BAD_SEAL.
 */
int beacon_decode(const void *bytes, size_t size, uint64_t mesh, struct beacon *ret_beacon);

/**
 * beacon_body_size() - how many bytes the MAC covers; it follows them
 * @bytes: a datagram that beacon_encode() wrote or beacon_decode() took
 */
size_t beacon_body_size(const void *bytes);

/**
 * beacon_error_text() - what is wrong with a datagram, for counters and logs
 * @error: an enum beacon_error
 *
 * Return: a static word or two with underscores, as in a log field.
 */
const char *beacon_error_text(int error);
