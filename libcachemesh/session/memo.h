/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Which keys an id has, for ids that were seen a moment ago: reading an id and hashing it takes
 * twenty times as long as finding its copy. A table that forgets: in a full set one of its slots is
 * given away, and who finds a slot being written does without. Any thread, without locks; a forked
 * child may have lost a slot.
 *
 * An id is as good as a password, and this table may come into a core dump. So it holds no id but a
 * mark of it: XXH3 of 128 bits under a random secret, which is kept where keys are. Without the
 * secret nobody can find an id for a mark, and two ids with one mark are as likely as a guess.
 */
#include "libcachemesh/session/seal.h"
#include "wire/session_keys.h"

#include <stdatomic.h>

#define CMI_MEMO_SETS 512 /* a power of two */
#define CMI_MEMO_WAYS 4
#define CMI_MEMO_SECRET_SIZE 192 /* XXH3's own has as many */
#define CMI_MEMO_KEY_WORDS (CMI_INDEX_KEYS_MAX * CMI_ID_SIZE / 8)

/* By the used index key, then by the other. */
struct cmi_lookup {
        struct cmi_id keys[CMI_INDEX_KEYS_MAX];
};

struct cmi_memo_mark {
        uint64_t low;
        uint64_t high;
};

/* A line of the processor's cache. */
struct cmi_memo_slot {
        _Alignas(64) _Atomic uint64_t version; /* odd: being written; 0: empty */
        _Atomic uint64_t low;
        _Atomic uint64_t high;
        _Atomic uint64_t keys[CMI_MEMO_KEY_WORDS];
};

struct cmi_memo {
        struct cmi_memo_slot slots[CMI_MEMO_SETS][CMI_MEMO_WAYS];
        _Atomic uint32_t n_set; /* says which slot goes: none is in another one's way for long */
};

/* @id: CMI_SESSION_ID_CHARS characters. @secret: CMI_MEMO_SECRET_SIZE random bytes. */
struct cmi_memo_mark cmi_memo_mark(const void *secret, const char *id);

/* Return: whether @ret_keys was found. */
bool cmi_memo_find(const struct cmi_memo *memo, const struct cmi_memo_mark *mark,
                struct cmi_lookup *ret_keys);
void cmi_memo_set(struct cmi_memo *memo, const struct cmi_memo_mark *mark,
                const struct cmi_lookup *keys);
