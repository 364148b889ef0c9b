/* SPDX-License-Identifier: MIT */
#include "libcachemesh/session/memo.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

_Static_assert(CMI_MEMO_SECRET_SIZE >= XXH3_SECRET_SIZE_MIN, "XXH3 reads no more");
_Static_assert(sizeof(((struct cmi_memo *)NULL)->slots[0]) == 64, "a line");

struct cmi_memo_mark cmi_memo_mark(const void *secret, const char *id)
{
        XXH128_hash_t hash = XXH3_128bits_withSecret(
                        id, CMI_SESSION_ID_CHARS, secret, CMI_MEMO_SECRET_SIZE);

        return (struct cmi_memo_mark){hash.low64, hash.high64};
}

/* Each word is read after the version before it and before the one after it, by the order of
 * acquiring loads; writers release in the same order. */
bool cmi_memo_find(const struct cmi_memo *memo, const struct cmi_memo_mark *mark,
                struct cmi_lookup *ret_keys)
{
        size_t number = mark->low % CMI_MEMO_SLOTS;
        uint64_t version = atomic_load_explicit(&memo->slots[number].version, memory_order_acquire);
        uint64_t different = version & 1;
        uint64_t keys[CMI_MEMO_KEY_WORDS];

        different |= atomic_load_explicit(&memo->slots[number].low, memory_order_acquire) ^
                     mark->low;
        different |= atomic_load_explicit(&memo->slots[number].high, memory_order_acquire) ^
                     mark->high;
        for (int i = 0; i < CMI_MEMO_KEY_WORDS; i++) {
                keys[i] = atomic_load_explicit(&memo->slots[number].keys[i], memory_order_acquire);
        }
        if (different != 0 || version == 0 ||
                        atomic_load_explicit(&memo->slots[number].version, memory_order_relaxed) !=
                                        version) {
                return false;
        }
        memcpy(ret_keys, keys, sizeof(keys));
        return true;
}

void cmi_memo_set(struct cmi_memo *memo, const struct cmi_memo_mark *mark,
                const struct cmi_lookup *keys)
{
        size_t number = mark->low % CMI_MEMO_SLOTS;
        _Atomic uint64_t *version = &memo->slots[number].version;
        uint64_t old = atomic_load_explicit(version, memory_order_relaxed);
        uint64_t words[CMI_MEMO_KEY_WORDS];

        if ((old & 1) || !atomic_compare_exchange_strong_explicit(version, &old, old + 1,
                                         memory_order_acquire, memory_order_relaxed)) {
                return;
        }
        memcpy(words, keys, sizeof(words));
        atomic_store_explicit(&memo->slots[number].low, mark->low, memory_order_release);
        atomic_store_explicit(&memo->slots[number].high, mark->high, memory_order_release);
        for (int i = 0; i < CMI_MEMO_KEY_WORDS; i++) {
                atomic_store_explicit(&memo->slots[number].keys[i], words[i], memory_order_release);
        }
        atomic_store_explicit(version, old + 2, memory_order_release);
}
