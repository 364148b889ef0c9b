/* SPDX-License-Identifier: MIT */
/*
 * Users: what keys and principals of each take of the budget of keys, dead or alive. What a user
 * may take is decided in entry.c.
 */
#include "meshd/session/state.h"

#include <assert.h>

/* One place is shared by all that find no other. */
#define OWN_MAX (STORE_USERS_MAX - 1)

/* Return: the place that this user has, or would be given; what has one goes on having it. */
static uint8_t find_place(const struct store *store, uint32_t user)
{
        uint8_t place = STORE_USERS_MAX;

        for (uint8_t i = OWN_MAX; i > 0; i--) {
                const struct user *one = &store->users[i - 1];

                if (one->key_bytes == 0) {
                        place = i;
                } else if (one->user == user) {
                        return i;
                }
        }
        return place;
}

uint8_t user_join(struct store *store, uint64_t space, size_t size)
{
        uint8_t place = find_place(store, store_user(space));
        struct user *user = &store->users[place - 1];

        user->user = store_user(space);
        user->key_bytes += size;
        return place;
}

void user_grow(struct store *store, uint8_t place, size_t size)
{
        if (place != 0) {
                store->users[place - 1].key_bytes += size;
        }
}

void user_shrink(struct store *store, uint8_t place, size_t size)
{
        if (place != 0) {
                assert(size <= store->users[place - 1].key_bytes);
                store->users[place - 1].key_bytes -= size;
        }
}

bool user_has_keys(const struct store *store, uint64_t space, size_t size)
{
        const struct user *user = &store->users[find_place(store, store_user(space)) - 1];
        uint64_t share = store->options.user_key_bytes;

        return share == 0 || user->key_bytes + size <= share || SESSION_MUTANT(KEYS_UNSHARED);
}

bool user_is_any(const struct store *store)
{
        for (uint32_t i = 0; i < STORE_USERS_MAX; i++) {
                if (store->users[i].key_bytes != 0) {
                        return true;
                }
        }
        return false;
}
