/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Which keys an id has, for ids that were seen a moment ago: reading an id and hashing it takes
 * twenty times as long as finding its copy. A table that forgets: whatever is in a slot's way goes,
 * and who finds a slot being written does without. Any thread, without locks; a forked child may
 * have lost a slot.
 */
#include "libcachemesh/session/seal.h"
#include "wire/session_keys.h"

#include <stdatomic.h>

#define CMI_MEMO_SLOTS 512 /* a power of two */
#define CMI_MEMO_ID_WORDS (CMI_SESSION_ID_CHARS / 8)
#define CMI_MEMO_WORDS (CMI_MEMO_ID_WORDS + CMI_INDEX_KEYS_MAX * CMI_ID_SIZE / 8)

/* By the used index key, then by the other. */
struct cmi_lookup {
        struct cmi_id keys[CMI_INDEX_KEYS_MAX];
};

struct cmi_memo {
        struct {
                _Atomic uint64_t version; /* odd: being written; 0: empty */
                _Atomic uint64_t words[CMI_MEMO_WORDS];
        } slots[CMI_MEMO_SLOTS];
};

/* @id: CMI_SESSION_ID_CHARS characters. Return: whether @ret_keys was found. */
bool cmi_memo_find(const struct cmi_memo *memo, const char *id, struct cmi_lookup *ret_keys);
void cmi_memo_set(struct cmi_memo *memo, const char *id, const struct cmi_lookup *keys);
