/* SPDX-License-Identifier: MIT */
#include "meshd/mesh/key_ring.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

#define CONTEXT "cmeshkey"
#define FINGERPRINT_MIN 4

/* Numbers of what is derived; never used for anything else. */
enum subkey {
        SUBKEY_SERVER = 1,
        SUBKEY_CLIENT = 2,
        SUBKEY_BEACON = 3,
        SUBKEY_FINGERPRINT = 4,
};

_Static_assert(CMI_KEY_SIZE == crypto_kdf_KEYBYTES, "a mesh key is a key of crypto_kdf");
_Static_assert(KEY_RING_CURVE_SIZE == crypto_box_SECRETKEYBYTES, "as CURVE wants it");
_Static_assert(KEY_RING_CURVE_SIZE == crypto_box_SEEDBYTES, "a subkey is a seed");

static void derive_pair(const uint8_t key[CMI_KEY_SIZE], enum subkey number,
                uint8_t ret_public[KEY_RING_CURVE_SIZE], uint8_t ret_secret[KEY_RING_CURVE_SIZE])
{
        uint8_t seed[crypto_box_SEEDBYTES];

        crypto_kdf_derive_from_key(seed, sizeof(seed), number, CONTEXT, key);
        crypto_box_seed_keypair(ret_public, ret_secret, seed);
        sodium_memzero(seed, sizeof(seed));
}

static void derive(const uint8_t key[CMI_KEY_SIZE], struct key_ring_entry *ret_entry)
{
        uint8_t digest[crypto_kdf_BYTES_MIN];

        derive_pair(key, SUBKEY_SERVER, ret_entry->server_public, ret_entry->server_secret);
        derive_pair(key, SUBKEY_CLIENT, ret_entry->client_public, ret_entry->client_secret);
        crypto_kdf_derive_from_key(
                        ret_entry->beacon, sizeof(ret_entry->beacon), SUBKEY_BEACON, CONTEXT, key);
        crypto_kdf_derive_from_key(digest, sizeof(digest), SUBKEY_FINGERPRINT, CONTEXT, key);
        sodium_bin2hex(ret_entry->fingerprint, sizeof(ret_entry->fingerprint), digest,
                        KEY_RING_FINGERPRINT_SIZE / 2);
}

void key_ring_set(struct key_ring *ring, const struct cmi_key_file *file)
{
        assert(file->n_keys > 0 && file->n_keys <= CMI_KEYS_MAX && file->used < file->n_keys);
        sodium_memzero(ring, sizeof(*ring));
        ring->file = *file;
        for (uint32_t i = 0; i < file->n_keys; i++) {
                derive(file->keys[i], &ring->entries[i]);
        }
}

int key_ring_new(struct key_ring **ret_ring, const struct cmi_key_file *file)
{
        struct key_ring *ring = NULL;

        if (sodium_init() >= 0) {
                ring = sodium_malloc(sizeof(*ring));
        }
        if (!ring) {
                return -ENOMEM;
        }
        key_ring_set(ring, file);
        *ret_ring = ring;
        return 0;
}

struct key_ring *key_ring_free(struct key_ring *ring)
{
        sodium_free(ring); /* wipes it */
        return NULL;
}

const struct key_ring_entry *key_ring_used(const struct key_ring *ring)
{
        return &ring->entries[ring->file.used];
}

int key_ring_find(const struct key_ring *ring, struct cmi_slice fingerprint)
{
        int found = -ENOKEY;

        if (fingerprint.len < FINGERPRINT_MIN || fingerprint.len >= KEY_RING_FINGERPRINT_SIZE) {
                return -ENOKEY;
        }
        for (uint32_t i = 0; i < ring->file.n_keys; i++) {
                if (memcmp(ring->entries[i].fingerprint, fingerprint.data, fingerprint.len) != 0) {
                        continue;
                }
                if (found >= 0) {
                        return -ENOTUNIQ;
                }
                found = (int)i;
        }
        return found;
}

uint64_t key_ring_number(const char *fingerprint)
{
        return strtoull(fingerprint, NULL, 16);
}

uint32_t key_ring_numbers(const struct key_ring *ring, uint64_t ret_numbers[CMI_KEYS_MAX])
{
        uint32_t n = ring ? ring->file.n_keys : 0;

        for (uint32_t i = 0; i < n; i++) {
                ret_numbers[i] = key_ring_number(ring->entries[i].fingerprint);
        }
        return n;
}

bool key_ring_has(const struct key_ring *ring, const char *fingerprint)
{
        for (uint32_t i = 0; fingerprint && i < ring->file.n_keys; i++) {
                if (strcmp(ring->entries[i].fingerprint, fingerprint) == 0) {
                        return true;
                }
        }
        return false;
}

int key_ring_plan_install(const struct key_ring *ring, const uint8_t key[CMI_KEY_SIZE],
                struct cmi_key_file *ret_file)
{
        const struct cmi_key_file *file = &ring->file;

        for (uint32_t i = 0; i < file->n_keys; i++) {
                if (sodium_memcmp(file->keys[i], key, CMI_KEY_SIZE) == 0) {
                        return -EEXIST;
                }
        }
        if (file->n_keys == CMI_KEYS_MAX) {
                return -ENOSPC;
        }
        *ret_file = *file;
        memcpy(ret_file->keys[ret_file->n_keys++], key, CMI_KEY_SIZE);
        return 0;
}

void key_ring_plan_use(const struct key_ring *ring, uint32_t index, struct cmi_key_file *ret_file)
{
        *ret_file = ring->file;
        ret_file->used = index;
}

int key_ring_plan_remove(const struct key_ring *ring, uint32_t index, struct cmi_key_file *ret_file)
{
        if (index == ring->file.used) {
                return -EBUSY;
        }
        *ret_file = ring->file;
        for (uint32_t i = index; i + 1 < ret_file->n_keys; i++) {
                memcpy(ret_file->keys[i], ret_file->keys[i + 1], CMI_KEY_SIZE);
        }
        ret_file->n_keys--;
        sodium_memzero(ret_file->keys[ret_file->n_keys], CMI_KEY_SIZE);
        ret_file->used -= ret_file->used > index;
        return 0;
}
