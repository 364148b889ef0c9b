/* SPDX-License-Identifier: MIT */
#include "libcachemesh/session/memo.h"

/* What a slot holds, outside of it. */
union words {
        uint64_t words[CMI_MEMO_WORDS];
        struct {
                char id[CMI_SESSION_ID_CHARS];
                struct cmi_lookup keys;
        } named;
};

_Static_assert(sizeof(union words) == CMI_MEMO_WORDS * sizeof(uint64_t), "nothing in between");

/* Ids are random, or made up: then it does not matter where they are. */
static size_t slot_of(const char *id)
{
        uint64_t word;

        memcpy(&word, id, sizeof(word));
        return (size_t)(word * UINT64_C(0x9e3779b97f4a7c15) >> 32) % CMI_MEMO_SLOTS;
}

/* Each word is read after the version before it and before the one after it, by the order of
 * acquiring loads; writers release in the same order. */
bool cmi_memo_find(const struct cmi_memo *memo, const char *id, struct cmi_lookup *ret_keys)
{
        size_t number = slot_of(id);
        uint64_t version = atomic_load_explicit(&memo->slots[number].version, memory_order_acquire);
        uint64_t different = version & 1;
        union words seen;
        union words wanted;

        memcpy(wanted.named.id, id, CMI_SESSION_ID_CHARS);
        for (int i = 0; i < CMI_MEMO_WORDS; i++) {
                seen.words[i] = atomic_load_explicit(
                                &memo->slots[number].words[i], memory_order_acquire);
        }
        for (int i = 0; i < CMI_MEMO_ID_WORDS; i++) { /* an id is a secret: no early end */
                different |= seen.words[i] ^ wanted.words[i];
        }
        if (different != 0 || version == 0 ||
                        atomic_load_explicit(&memo->slots[number].version, memory_order_relaxed) !=
                                        version) {
                return false;
        }
        *ret_keys = seen.named.keys;
        return true;
}

void cmi_memo_set(struct cmi_memo *memo, const char *id, const struct cmi_lookup *keys)
{
        size_t number = slot_of(id);
        _Atomic uint64_t *version = &memo->slots[number].version;
        uint64_t old = atomic_load_explicit(version, memory_order_relaxed);
        union words words;

        if ((old & 1) || !atomic_compare_exchange_strong_explicit(version, &old, old + 1,
                                         memory_order_acquire, memory_order_relaxed)) {
                return;
        }
        memcpy(words.named.id, id, CMI_SESSION_ID_CHARS);
        words.named.keys = *keys;
        for (int i = 0; i < CMI_MEMO_WORDS; i++) {
                atomic_store_explicit(&memo->slots[number].words[i], words.words[i],
                                memory_order_release);
        }
        atomic_store_explicit(version, old + 2, memory_order_release);
}
