/* SPDX-License-Identifier: MIT */
/*
 * Ids, and the keyed hashes that stand for them and for principals outside of this process.
 */
#include "libcachemesh/session/ring.h"

#include <errno.h>
#include <sodium.h>

#define VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING

_Static_assert(sodium_base64_ENCODED_LEN(CMI_SESSION_ID_BYTES, VARIANT) == CMI_SESSION_ID_CHARS + 1,
                "an id has no padding");

/* BLAKE2b of 16 bytes under a key of 32, of a label, the space's key and some bytes. */
static void hash(const uint8_t key[CMI_KEY_SIZE], const char *label, const struct cmi_id *space,
                struct cmi_slice bytes, struct cmi_id *ret_hash)
{
        crypto_generichash_state state;

        (void)crypto_generichash_init(&state, key, CMI_KEY_SIZE, sizeof(ret_hash->bytes));
        (void)crypto_generichash_update(&state, (const unsigned char *)label, strlen(label));
        if (space) {
                (void)crypto_generichash_update(&state, space->bytes, sizeof(space->bytes));
        }
        (void)crypto_generichash_update(&state, bytes.data, bytes.len);
        (void)crypto_generichash_final(&state, ret_hash->bytes, sizeof(ret_hash->bytes));
        sodium_memzero(&state, sizeof(state));
}

void cmi_space_key(struct cmi_slice name, struct cmi_id *ret_space)
{
        static const uint8_t key[CMI_KEY_SIZE] = CMI_SESSION_SPACE_KEY;

        hash(key, "", NULL, name, ret_space);
}

void cmi_session_id_make(char ret_id[CMI_SESSION_ID_CHARS])
{
        uint8_t bytes[CMI_SESSION_ID_BYTES];
        char text[CMI_SESSION_ID_CHARS + 1];

        randombytes_buf(bytes, sizeof(bytes));
        (void)sodium_bin2base64(text, sizeof(text), bytes, sizeof(bytes), VARIANT);
        memcpy(ret_id, text, CMI_SESSION_ID_CHARS);
        sodium_memzero(bytes, sizeof(bytes));
        sodium_memzero(text, sizeof(text));
}

int cmi_session_id_parse(const char *id, uint8_t ret_bytes[CMI_SESSION_ID_BYTES])
{
        const char *end = NULL;
        size_t n = 0;

        if (!cmi_session_id_has_form(id)) {
                return -EINVAL;
        }
        /* 32 characters are 24 bytes without a bit to spare, so there is one way to write them. */
        if (sodium_base642bin(ret_bytes, CMI_SESSION_ID_BYTES, id, CMI_SESSION_ID_CHARS, NULL, &n,
                            &end, VARIANT) != 0 ||
                        n != CMI_SESSION_ID_BYTES || end != id + CMI_SESSION_ID_CHARS) {
                return -EINVAL;
        }
        return 0;
}

void cmi_session_key(const struct cmi_ring *ring, uint32_t index, const struct cmi_id *space,
                const uint8_t id[CMI_SESSION_ID_BYTES], struct cmi_id *ret_key)
{
        hash(ring->keys.index[index], "id", space, cmi_slice(id, CMI_SESSION_ID_BYTES), ret_key);
}

void cmi_principal_key(const struct cmi_ring *ring, uint32_t index, const struct cmi_id *space,
                struct cmi_slice principal, struct cmi_id *ret_key)
{
        hash(ring->keys.index[index], "principal", space, principal, ret_key);
}
