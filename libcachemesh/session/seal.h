/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Secrets of an app: the key ring in memory, what is made of an id, and sealed blobs. It decides
 * the cryptography (libsodium), and nothing of when it is used. Pure but for random bytes and
 * locked memory; any thread, a ring is read only once it is open.
 *
 * With H(key, parts...) = BLAKE2b of 16 bytes (crypto_generichash) under a 32-byte key:
 *
 *   space key   H("cachemesh session space" with zeros up to 32 bytes; name). Not secret, so that
 *               meshctl shows the names that it is told
 *   session key H(index key; "id", space key (16), the 24 bytes of the id)
 *   principal   H(index key; "principal", space key (16), the bytes of the principal)
 *
 * An id is 24 random bytes as 32 characters of base64url (RFC 4648, 5); what comes after a dot is a
 * route, and of no meaning here. A text that is not so is no id, also one that is not the only way
 * to write its bytes.
 *
 * A blob is [1 (version), 4 bytes that name the sealing key, nonce (24), sealed data with its tag
 * (16)]: XChaCha20-Poly1305 (IETF), random nonce. The name is the first bytes of H(sealing key;
 * "name"). Associated data is "cachemesh session 1", session key (16), base version (counter 8,
 * opener 16, incarnation 8, seq 8, writer 16; big endian; zeros at a CREATE and a ROTATE), save id
 * (16). Opening also asks that the base is below the version with which it came: a blob cannot be
 * passed off as one of another key, nor as the version that its writer saw or an older one. That it
 * is the newest one is what meshd says: any later version may come with it.
 */
#include "base/bytes.h"
#include "wire/session_local.h"

#define CMI_SEAL_OVERHEAD 45
#define CMI_SESSION_ID_BYTES 24
#define CMI_SESSION_ID_CHARS 32

struct cmi_ring; /* in locked memory (sodium_malloc), read only */

/**
 * cmi_ring_open() - read a key ring
 * @path: a file of this user, or root, that no group or other may read or write
 *
 * Return: 0, -EACCES (mode or owner), an errno of reading it, or as cmi_session_keys_parse(); with
 *         a detail that names file and line, and never a key.
 */
int cmi_ring_open(const char *path, struct cmi_ring **ret_ring);
/* Wipes it. Takes NULL, returns NULL. */
struct cmi_ring *cmi_ring_close(struct cmi_ring *ring);

/* How many index keys: 1 or 2. An id is looked up with each of them, the used one (0) first. */
uint32_t cmi_ring_n_index(const struct cmi_ring *ring);

/* For cmi_memo_mark(). */
const void *cmi_ring_memo_secret(const struct cmi_ring *ring);

void cmi_space_key(struct cmi_slice name, struct cmi_id *ret_space);

/* A new id: CMI_SESSION_ID_CHARS characters, no NUL. */
void cmi_session_id_make(char ret_id[CMI_SESSION_ID_CHARS]);

/* Is it as long as an id, with or without a route? Any text that ends. */
static inline bool cmi_session_id_has_form(const char *id)
{
        return strnlen(id, CMI_SESSION_ID_CHARS) == CMI_SESSION_ID_CHARS &&
               (id[CMI_SESSION_ID_CHARS] == '\0' || id[CMI_SESSION_ID_CHARS] == '.');
}

/* Return: 0, -EINVAL (no id). */
int cmi_session_id_parse(const char *id, uint8_t ret_bytes[CMI_SESSION_ID_BYTES]);

void cmi_session_key(const struct cmi_ring *ring, uint32_t index, const struct cmi_id *space,
                const uint8_t id[CMI_SESSION_ID_BYTES], struct cmi_id *ret_key);
void cmi_principal_key(const struct cmi_ring *ring, uint32_t index, const struct cmi_id *space,
                struct cmi_slice principal, struct cmi_id *ret_key);

/* What a blob is bound to. */
struct cmi_seal {
        struct cmi_id key;
        struct cmi_session_version base;
        struct cmi_id save_id; /* cmi_seal() makes it */
};

/* Seal with the used key. @ret_blob: data.len + CMI_SEAL_OVERHEAD bytes. */
void cmi_seal(const struct cmi_ring *ring, struct cmi_seal *seal, struct cmi_slice data,
                uint8_t *ret_blob);

/**
 * cmi_unseal() - open a blob
 * @version:  with which it came
 * @ret_data: blob.len - CMI_SEAL_OVERHEAD bytes; wiped on failure
 *
 * Return: 0, CM_E_SEALED.
 */
int cmi_unseal(const struct cmi_ring *ring, const struct cmi_seal *seal,
                const struct cmi_session_version *version, struct cmi_slice blob,
                uint8_t *ret_data);
