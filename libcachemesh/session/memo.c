/* SPDX-License-Identifier: MIT */
#include "libcachemesh/session/memo.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

_Static_assert(CMI_MEMO_SECRET_SIZE >= XXH3_SECRET_SIZE_MIN, "XXH3 reads no more");
_Static_assert(sizeof(struct cmi_memo_slot) == 64, "a line");

struct cmi_memo_mark cmi_memo_mark(const void *secret, const char *id)
{
        XXH128_hash_t hash = XXH3_128bits_withSecret(
                        id, CMI_SESSION_ID_CHARS, secret, CMI_MEMO_SECRET_SIZE);

        return (struct cmi_memo_mark){hash.low64, hash.high64};
}

/* Each word is read after the version before it and before the one after it, by the order of
 * acquiring loads; writers release in the same order. */
static bool read_slot(const struct cmi_memo_slot *slot, const struct cmi_memo_mark *mark,
                struct cmi_lookup *ret_keys)
{
        uint64_t version = atomic_load_explicit(&slot->version, memory_order_acquire);
        uint64_t low = atomic_load_explicit(&slot->low, memory_order_acquire);
        uint64_t high = atomic_load_explicit(&slot->high, memory_order_acquire);
        uint64_t keys[CMI_MEMO_KEY_WORDS];

        for (int i = 0; i < CMI_MEMO_KEY_WORDS; i++) {
                keys[i] = atomic_load_explicit(&slot->keys[i], memory_order_acquire);
        }
        if (low != mark->low || high != mark->high || (version & 1) || version == 0 ||
                        atomic_load_explicit(&slot->version, memory_order_relaxed) != version) {
                return false;
        }
        memcpy(ret_keys, keys, sizeof(keys));
        return true;
}

bool cmi_memo_find(const struct cmi_memo *memo, const struct cmi_memo_mark *mark,
                struct cmi_lookup *ret_keys)
{
        const struct cmi_memo_slot *set = memo->slots[mark->low % CMI_MEMO_SETS];

        for (int i = 0; i < CMI_MEMO_WAYS; i++) {
                if (atomic_load_explicit(&set[i].low, memory_order_relaxed) == mark->low &&
                                read_slot(&set[i], mark, ret_keys)) {
                        return true;
                }
        }
        return false;
}

/* An empty one, or each in turn. */
static struct cmi_memo_slot *choose(struct cmi_memo *memo, const struct cmi_memo_mark *mark)
{
        struct cmi_memo_slot *set = memo->slots[mark->low % CMI_MEMO_SETS];

        for (int i = 0; i < CMI_MEMO_WAYS; i++) {
                if (atomic_load_explicit(&set[i].version, memory_order_relaxed) == 0) {
                        return &set[i];
                }
        }
        return &set[atomic_fetch_add_explicit(&memo->n_set, 1, memory_order_relaxed) %
                        CMI_MEMO_WAYS];
}

void cmi_memo_set(struct cmi_memo *memo, const struct cmi_memo_mark *mark,
                const struct cmi_lookup *keys)
{
        struct cmi_memo_slot *slot = choose(memo, mark);
        uint64_t old = atomic_load_explicit(&slot->version, memory_order_relaxed);
        uint64_t words[CMI_MEMO_KEY_WORDS];

        if ((old & 1) || !atomic_compare_exchange_strong_explicit(&slot->version, &old, old + 1,
                                         memory_order_acquire, memory_order_relaxed)) {
                return;
        }
        memcpy(words, keys, sizeof(words));
        atomic_store_explicit(&slot->low, mark->low, memory_order_release);
        atomic_store_explicit(&slot->high, mark->high, memory_order_release);
        for (int i = 0; i < CMI_MEMO_KEY_WORDS; i++) {
                atomic_store_explicit(&slot->keys[i], words[i], memory_order_release);
        }
        atomic_store_explicit(&slot->version, old + 2, memory_order_release);
}
