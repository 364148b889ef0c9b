/* SPDX-License-Identifier: MIT */
#include "tests/sim/reader.h"

#include "meshd/core/mutant.h"

uint8_t reader_tag(uint32_t key, uint32_t n_tags)
{
        return (uint8_t)(key % n_tags);
}

void reader_map(struct reader_cache *cache, const struct cmi_page_view *view,
                const uint32_t regions[2], uint32_t n_tags)
{
        cache->view = *view;
        cache->has_page = true;
        cache->vouched_ns = 0;
        for (uint32_t i = 0; i < cache->n_keys; i++) {
                uint32_t region = regions[reader_is_ttl(cache, i)];
                uint8_t key = (uint8_t)i;
                uint8_t tag = reader_tag(i, n_tags);
                XXH128_hash_t hash = cmi_page_hash(view->seed, CMI_PAGE_KEY, region, &key, 1);

                cache->slots[i].key = cmi_page_slot(hash, view->key_mask);
                hash = cmi_page_hash(view->seed, CMI_PAGE_TAG, region, &tag, 1);
                cache->slots[i].tag = cmi_page_slot(hash, view->tag_mask);
                cache->slots[i].region = region;
                cache->owners[i] = cmi_page_owner(view, region);
        }
}

static uint64_t load(const _Atomic uint64_t *word)
{
        return atomic_load_explicit(word, memory_order_acquire);
}

static bool is_good(const struct cmi_page_view *view, const struct reader_slots *slots,
                const struct reader_token *token)
{
        if (token->epoch != view->epoch && !MUTANT(EPOCH_UNCHECKED)) {
                return false;
        }
        if (load(&view->page->floor) > token->apply_seq && !MUTANT(FLOOR_UNCHECKED)) {
                return false;
        }
        return load(&view->keys[slots->key]) <= token->apply_seq &&
               load(&view->tags[slots->tag]) <= token->apply_seq &&
               load(&view->regions[slots->region]) <= token->apply_seq;
}

/* Asked after the token: what is older than that is dead by the stamp. */
static bool is_ours(const struct reader_cache *cache, uint32_t key)
{
        return cmi_page_owner(&cache->view, cache->slots[key].region) == cache->owners[key] ||
               MUTANT(OWNER_UNCHECKED);
}

static uint64_t proof_end_ns(const struct reader_cache *cache)
{
        uint64_t lease_ns = load(&cache->view.page->lease_end_mono_ns);

        return lease_ns > cache->vouched_ns ? lease_ns : cache->vouched_ns;
}

static void load_lease(struct reader_get *get)
{
        get->lease_end.mono_ns = load(&get->view.page->lease_end_mono_ns);
        get->lease_end.real_ns = load(&get->view.page->lease_end_real_ns);
}

static void begin(const struct reader_cache *cache, uint32_t key, struct reader_entry entry,
                struct reader_get *ret_get)
{
        *ret_get = (struct reader_get){
                        .view = cache->view,
                        .slots = cache->slots[key],
                        .entry = entry,
                        .tick_ns = cache->tick_ns,
                        .is_ttl = reader_is_ttl(cache, key),
        };
        load_lease(ret_get);
        if (ret_get->is_ttl) {
                ret_get->lease_end.mono_ns = proof_end_ns(cache);
        }
}

bool reader_look_is_due(const struct reader_cache *cache, uint64_t coarse_mono_ns)
{
        return cache->has_page && !MUTANT(TTL_UNVOUCHED) &&
               coarse_mono_ns + cache->tick_ns + cache->view.page->lease_ns / 2 >=
                               proof_end_ns(cache);
}

bool reader_get_begin(const struct reader_cache *cache, uint32_t key, struct reader_get *ret_get)
{
        if (!cache->has_page || !cache->entries[key].is_present) {
                return false;
        }
        begin(cache, key, cache->entries[key], ret_get);
        return true;
}

void reader_get_result(const struct reader_cache *cache, uint32_t key, uint64_t version,
                struct reader_token token, struct reader_get *ret_get)
{
        begin(cache, key, (struct reader_entry){true, version, token, UINT64_MAX}, ret_get);
        ret_get->is_killed = cache->killed[key] > token.serial || !is_ours(cache, key);
}

void reader_get_check(struct reader_get *get)
{
        get->is_good = !get->is_killed && is_good(&get->view, &get->slots, &get->entry.token);
}

/* The coarse clocks lag by up to a tick. */
bool reader_get_end(struct reader_get *get, struct cmi_time coarse)
{
        if (MUTANT(LEASE_AFTER_SLOTS)) {
                load_lease(get);
        }
        if (get->is_ttl) {
                return get->is_good && coarse.mono_ns < get->entry.expires_ns &&
                       (coarse.mono_ns + get->tick_ns < get->lease_end.mono_ns ||
                                       MUTANT(TTL_UNVOUCHED));
        }
        return get->is_good && coarse.mono_ns + get->tick_ns < get->lease_end.mono_ns &&
               coarse.real_ns + get->tick_ns < get->lease_end.real_ns;
}

struct reader_token reader_token(struct reader_cache *cache)
{
        return (struct reader_token){
                        .epoch = cache->view.epoch,
                        .apply_seq = load(&cache->view.page->apply_seq),
                        .serial = ++cache->serial,
        };
}

/* Would a get serve it, once there is a lease, or proof? */
static bool is_kept(const struct reader_cache *cache, uint32_t key, uint64_t coarse_mono_ns)
{
        const struct reader_entry *entry = &cache->entries[key];

        return entry->is_present && is_good(&cache->view, &cache->slots[key], &entry->token) &&
               (!reader_is_ttl(cache, key) || coarse_mono_ns < entry->expires_ns);
}

/*
 * A good entry is never replaced: a slow loader must not bring its older value back. It follows
 * that hits never go back, though a caller whose value was refused may have seen a newer one.
 */
bool reader_put(struct reader_cache *cache, uint32_t key, uint64_t version,
                struct reader_token token, uint64_t coarse_mono_ns)
{
        if (!is_ours(cache, key) || cache->killed[key] > token.serial ||
                        !is_good(&cache->view, &cache->slots[key], &token)) {
                return false;
        }
        if (is_kept(cache, key, coarse_mono_ns) && !MUTANT(PUT_REPLACES)) {
                return false;
        }
        cache->entries[key] =
                        (struct reader_entry){true, version, token, coarse_mono_ns + cache->ttl_ns};
        return true;
}

void reader_kill(struct reader_cache *cache, uint32_t key)
{
        cache->entries[key].is_present = false;
        cache->killed[key] = ++cache->serial;
}
