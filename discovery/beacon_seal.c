/* SPDX-License-Identifier: MIT */
#include "discovery/beacon_seal.h"

#include <sodium.h>
#include <string.h>

_Static_assert(BEACON_MAC_SIZE == crypto_generichash_BYTES, "the MAC is one hash");
_Static_assert(BEACON_KEY_SIZE == crypto_generichash_KEYBYTES, "the key is one of the hash");

static void compute(const uint8_t *bytes, const uint8_t key[BEACON_KEY_SIZE],
                uint8_t ret_mac[BEACON_MAC_SIZE])
{
        crypto_generichash(ret_mac, BEACON_MAC_SIZE, bytes, beacon_body_size(bytes), key,
                        BEACON_KEY_SIZE);
}

int beacon_seal(const struct beacon *beacon, const uint8_t key[BEACON_KEY_SIZE],
                uint8_t ret_bytes[BEACON_SIZE_MAX], size_t *ret_size)
{
        struct beacon sealed = *beacon;
        int r;

        sealed.has_mac = true;
        memset(sealed.mac, 0, sizeof(sealed.mac));
        r = beacon_encode(&sealed, ret_bytes, ret_size);
        if (r == BEACON_OK) {
                compute(ret_bytes, key, ret_bytes + beacon_body_size(ret_bytes));
        }
        return r;
}

bool beacon_is_sealed(
                const void *bytes, const struct beacon *beacon, const uint8_t key[BEACON_KEY_SIZE])
{
        uint8_t mac[BEACON_MAC_SIZE];

        if (!beacon->has_mac) {
                return false;
        }
        compute(bytes, key, mac);
        return sodium_memcmp(mac, beacon->mac, sizeof(mac)) == 0;
}
