/* SPDX-License-Identifier: MIT */
#include "libcachemesh/session/seal.h"

#include "libcachemesh/cachemesh-session.h"
#include "libcachemesh/session/ring.h"

#include <assert.h>
#include <sodium.h>

#define VERSION 1
#define NAME_AT 1
#define NONCE_AT (NAME_AT + CMI_SEAL_NAME_SIZE)
#define DATA_AT (NONCE_AT + crypto_aead_xchacha20poly1305_ietf_NPUBBYTES)
#define LABEL "cachemesh session 1"
#define VERSION_SIZE 56 /* of a session's version, as associated data */

_Static_assert(CMI_SEAL_OVERHEAD == DATA_AT + crypto_aead_xchacha20poly1305_ietf_ABYTES,
                "what sealing adds");
_Static_assert(CMI_KEY_SIZE == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "a sealing key");
_Static_assert(CM_SESSION_DATA_MAX + CMI_SEAL_OVERHEAD <= CMI_SESSION_BLOB_MAX,
                "a sealed session is a blob");

/* What a blob is bound to, as bytes. */
struct associated {
        uint8_t bytes[sizeof(LABEL) - 1 + 2 * CMI_ID_SIZE + VERSION_SIZE];
};

static uint8_t *put(uint8_t *at, const void *bytes, size_t len)
{
        memcpy(at, bytes, len);
        return at + len;
}

static uint8_t *put_number(uint8_t *at, uint64_t number)
{
        for (int i = 0; i < 8; i++) {
                at[i] = (uint8_t)(number >> (56 - 8 * i));
        }
        return at + 8;
}

static struct associated associate(const struct cmi_seal *seal)
{
        struct associated associated;
        uint8_t *at = put(associated.bytes, LABEL, sizeof(LABEL) - 1);

        at = put(at, seal->key.bytes, CMI_ID_SIZE);
        at = put_number(at, seal->base.epoch.counter);
        at = put(at, seal->base.epoch.opener.bytes, CMI_ID_SIZE);
        at = put_number(at, seal->base.epoch.incarnation);
        at = put_number(at, seal->base.seq);
        at = put(at, seal->base.writer.bytes, CMI_ID_SIZE);
        at = put(at, seal->save_id.bytes, CMI_ID_SIZE);
        assert(at == associated.bytes + sizeof(associated.bytes));
        return associated;
}

void cmi_seal(const struct cmi_ring *ring, struct cmi_seal *seal, struct cmi_slice data,
                uint8_t *ret_blob)
{
        struct associated associated;

        do {
                randombytes_buf(seal->save_id.bytes, sizeof(seal->save_id.bytes));
        } while (cmi_id_is_zero(&seal->save_id));
        associated = associate(seal);
        ret_blob[0] = VERSION;
        memcpy(ret_blob + NAME_AT, ring->names[0], CMI_SEAL_NAME_SIZE);
        randombytes_buf(ret_blob + NONCE_AT, crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
        (void)crypto_aead_xchacha20poly1305_ietf_encrypt(ret_blob + DATA_AT, NULL, data.data,
                        data.len, associated.bytes, sizeof(associated.bytes), NULL,
                        ret_blob + NONCE_AT, ring->keys.seal[0]);
}

/* Two keys may have one name, once in 2^32 pairs. Return: has one of that name opened it? */
static bool open_with(const struct cmi_ring *ring, const struct associated *associated,
                struct cmi_slice blob, uint8_t *ret_data)
{
        const uint8_t *bytes = blob.data;

        for (uint32_t i = 0; i < ring->keys.n_seal; i++) {
                if (memcmp(ring->names[i], bytes + NAME_AT, CMI_SEAL_NAME_SIZE) == 0 &&
                                crypto_aead_xchacha20poly1305_ietf_decrypt(ret_data, NULL, NULL,
                                                bytes + DATA_AT, blob.len - DATA_AT,
                                                associated->bytes, sizeof(associated->bytes),
                                                bytes + NONCE_AT, ring->keys.seal[i]) == 0) {
                        return true;
                }
        }
        return false;
}

int cmi_unseal(const struct cmi_ring *ring, const struct cmi_seal *seal,
                const struct cmi_session_version *version, struct cmi_slice blob, uint8_t *ret_data)
{
        struct associated associated = associate(seal);

        if (blob.len < CMI_SEAL_OVERHEAD) {
                return CM_E_SEALED;
        }
        if (*(const uint8_t *)blob.data != VERSION ||
                        cmi_session_version_compare(&seal->base, version) >= 0 ||
                        !open_with(ring, &associated, blob, ret_data)) {
                sodium_memzero(ret_data, blob.len - CMI_SEAL_OVERHEAD);
                return CM_E_SEALED;
        }
        return 0;
}
