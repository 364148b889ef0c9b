/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The key ring: the mesh keys that this node holds, up to three, and what is derived from each. A
 * node sends with one of them, and accepts all: so a key is exchanged in three steps on every node
 * (install, use, remove), and at any moment two nodes have one in common.
 *
 * From a key come, by libsodium's crypto_kdf: the CURVE key pairs of a listener and of a dialling
 * node, the key of a beacon's MAC, and a fingerprint, by which people and logs name the key. The
 * fingerprint tells nothing about it.
 *
 * This file opens nothing; the key file is read and written by key_store.h. The memory of a ring is
 * locked, is left out of core files, and is wiped. One thread.
 */
#include "wire/key_file.h"

#include <stdbool.h>

#define KEY_RING_CURVE_SIZE 32
#define KEY_RING_FINGERPRINT_SIZE 17 /* 16 hex digits and NUL */

struct key_ring_entry {
        uint8_t server_public[KEY_RING_CURVE_SIZE];
        uint8_t server_secret[KEY_RING_CURVE_SIZE];
        uint8_t client_public[KEY_RING_CURVE_SIZE];
        uint8_t client_secret[KEY_RING_CURVE_SIZE];
        uint8_t beacon[CMI_KEY_SIZE];
        char fingerprint[KEY_RING_FINGERPRINT_SIZE];
};

struct key_ring {
        struct cmi_key_file file; /* the keys themselves */
        struct key_ring_entry entries[CMI_KEYS_MAX];
};

/**
 * key_ring_new() - derive everything
 * @ret_ring: to be freed with key_ring_free()
 * @file:     keys, borrowed; the caller wipes them
 *
 * Return: 0, -ENOMEM.
 */
int key_ring_new(struct key_ring **ret_ring, const struct cmi_key_file *file);
struct key_ring *key_ring_free(struct key_ring *ring);

/* Hold these keys instead. */
void key_ring_set(struct key_ring *ring, const struct cmi_key_file *file);

/* What this node sends with. */
const struct key_ring_entry *key_ring_used(const struct key_ring *ring);

/**
 * key_ring_find() - a key by its fingerprint
 * @fingerprint: the whole, or as many of its first digits (4 at least) as only one key has
 *
 * Return: its index; -ENOKEY; -ENOTUNIQ.
 */
int key_ring_find(const struct key_ring *ring, struct cmi_slice fingerprint);

/* Does the ring hold the key with exactly this fingerprint? @fingerprint may be NULL: no. */
bool key_ring_has(const struct key_ring *ring, const char *fingerprint);

/* A fingerprint, as a number. */
uint64_t key_ring_number(const char *fingerprint);

/* Those of all keys. Return: how many; 0 without a ring (NULL). */
uint32_t key_ring_numbers(const struct key_ring *ring, uint64_t ret_numbers[CMI_KEYS_MAX]);

/**
 * key_ring_plan_install() - what the key file is with one key more
 * @ret_file: secret, the caller wipes it
 *
 * Return: 0; -EEXIST (it is there already); -ENOSPC (there are CMI_KEYS_MAX).
 */
int key_ring_plan_install(const struct key_ring *ring, const uint8_t key[CMI_KEY_SIZE],
                struct cmi_key_file *ret_file);

/* The same, with another key in use. */
void key_ring_plan_use(const struct key_ring *ring, uint32_t index, struct cmi_key_file *ret_file);

/* The same, without a key. Return: 0, -EBUSY (it is the one in use). */
int key_ring_plan_remove(
                const struct key_ring *ring, uint32_t index, struct cmi_key_file *ret_file);
