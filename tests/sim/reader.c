/* SPDX-License-Identifier: MIT */
#include "tests/sim/reader.h"

#include "meshd/core/mutant.h"

uint8_t reader_tag(uint32_t key, uint32_t n_tags)
{
        return (uint8_t)(key % n_tags);
}

void reader_map(struct reader_cache *cache, const struct cmi_page_view *view, uint32_t region,
                uint32_t n_keys, uint32_t n_tags)
{
        cache->view = *view;
        cache->has_page = true;
        cache->region = region;
        cache->owner = cmi_page_owner(view, region);
        for (uint32_t i = 0; i < n_keys; i++) {
                uint8_t key = (uint8_t)i;
                uint8_t tag = reader_tag(i, n_tags);
                XXH128_hash_t hash = cmi_page_hash(view->seed, CMI_PAGE_KEY, region, &key, 1);

                cache->slots[i].key = cmi_page_slot(hash, view->key_mask);
                hash = cmi_page_hash(view->seed, CMI_PAGE_TAG, region, &tag, 1);
                cache->slots[i].tag = cmi_page_slot(hash, view->tag_mask);
                cache->slots[i].region = region;
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
static bool is_ours(const struct reader_cache *cache)
{
        return cmi_page_owner(&cache->view, cache->region) == cache->owner ||
               MUTANT(OWNER_UNCHECKED);
}

static void load_lease(struct reader_get *get)
{
        get->lease_end.mono_ns = load(&get->view.page->lease_end_mono_ns);
        get->lease_end.real_ns = load(&get->view.page->lease_end_real_ns);
}

bool reader_get_begin(const struct reader_cache *cache, uint32_t key, struct reader_get *ret_get)
{
        if (!cache->has_page || !cache->entries[key].is_present) {
                return false;
        }
        ret_get->view = cache->view;
        ret_get->slots = cache->slots[key];
        ret_get->entry = cache->entries[key];
        ret_get->tick_ns = cache->tick_ns;
        ret_get->is_killed = false; /* it would be no entry */
        load_lease(ret_get);
        return true;
}

void reader_get_result(const struct reader_cache *cache, uint32_t key, uint64_t version,
                struct reader_token token, struct reader_get *ret_get)
{
        ret_get->view = cache->view;
        ret_get->slots = cache->slots[key];
        ret_get->entry = (struct reader_entry){true, version, token};
        ret_get->tick_ns = cache->tick_ns;
        ret_get->is_killed = cache->killed[key] > token.serial || !is_ours(cache);
        load_lease(ret_get);
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

/*
 * A good entry is never replaced: a slow loader must not bring its older value back. It follows
 * that hits never go back, though a caller whose value was refused may have seen a newer one.
 */
bool reader_put(struct reader_cache *cache, uint32_t key, uint64_t version,
                struct reader_token token)
{
        const struct reader_slots *slots = &cache->slots[key];
        struct reader_entry *entry = &cache->entries[key];

        if (!is_ours(cache) || cache->killed[key] > token.serial ||
                        !is_good(&cache->view, slots, &token)) {
                return false;
        }
        if (entry->is_present && is_good(&cache->view, slots, &entry->token) &&
                        !MUTANT(PUT_REPLACES)) {
                return false;
        }
        *entry = (struct reader_entry){true, version, token};
        return true;
}

void reader_kill(struct reader_cache *cache, uint32_t key)
{
        cache->entries[key].is_present = false;
        cache->killed[key] = ++cache->serial;
}
