/* SPDX-License-Identifier: MIT */
#include "meshd/local/kept.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHAINS 4096

struct value {
        struct value *next; /* in its chain */
        struct value *older, *newer;
        uint64_t hash;
        uint64_t token;
        struct load_name name; /* its key is the first of the bytes */
        size_t record_len;
        char bytes[]; /* key, record */
};

struct kept {
        struct cmi_page_view view;
        struct value *oldest, *newest;
        uint64_t n_bytes;
        struct value *chains[CHAINS];
};

int kept_new(struct kept **ret_kept, struct cmi_page *page)
{
        struct kept *kept = calloc(1, sizeof(*kept));

        if (!kept) {
                return -ENOMEM;
        }
        kept->view = cmi_page_view(page);
        *ret_kept = kept;
        return 0;
}

static size_t size_of(const struct value *value)
{
        return sizeof(*value) + value->name.key.len + value->record_len;
}

/* Where the pointer to it is; one to NULL if there is none. */
static struct value **place_of(struct kept *kept, uint64_t hash, const struct load_name *name)
{
        struct value **place = &kept->chains[hash % CHAINS];

        while (*place && ((*place)->hash != hash || !load_name_equal(&(*place)->name, name))) {
                place = &(*place)->next;
        }
        return place;
}

static void drop(struct kept *kept, struct value **place)
{
        struct value *value = *place;

        *place = value->next;
        *(value->older ? &value->older->newer : &kept->oldest) = value->newer;
        *(value->newer ? &value->newer->older : &kept->newest) = value->older;
        kept->n_bytes -= size_of(value);
        free(value);
}

static void drop_oldest(struct kept *kept)
{
        struct value **place = &kept->chains[kept->oldest->hash % CHAINS];

        while (*place != kept->oldest) {
                place = &(*place)->next;
        }
        drop(kept, place);
}

struct kept *kept_free(struct kept *kept)
{
        while (kept && kept->oldest) {
                drop_oldest(kept);
        }
        free(kept);
        return NULL;
}

void kept_put(struct kept *kept, const struct load_name *name, uint64_t token,
                struct cmi_slice record)
{
        uint64_t hash = load_name_hash(name);
        struct value **place = place_of(kept, hash, name);
        struct value *value = malloc(sizeof(*value) + name->key.len + record.len);

        if (*place) {
                drop(kept, place);
        }
        if (!value) {
                return;
        }
        *value = (struct value){
                        .next = kept->chains[hash % CHAINS],
                        .older = kept->newest,
                        .hash = hash,
                        .token = token,
                        .name = *name,
                        .record_len = record.len,
        };
        value->name.key.data = value->bytes;
        memcpy(value->bytes, name->key.data, name->key.len);
        memcpy(value->bytes + name->key.len, record.data, record.len);
        kept->chains[hash % CHAINS] = value;
        *(kept->newest ? &kept->newest->newer : &kept->oldest) = value;
        kept->newest = value;
        kept->n_bytes += size_of(value);
        while (kept->oldest && kept->n_bytes > KEPT_BYTES_MAX) {
                drop_oldest(kept);
        }
}

/* Tags are not known here: their stamps are left to who gets it. */
static bool is_dead(const struct kept *kept, const struct value *value)
{
        const struct cmi_page_view *view = &kept->view;
        XXH128_hash_t hash = cmi_page_hash(view->seed, CMI_PAGE_KEY, value->name.index,
                        value->bytes, value->name.key.len);

        return atomic_load(&view->page->floor) > value->token ||
               atomic_load(&view->regions[value->name.index]) > value->token ||
               atomic_load(&view->keys[cmi_page_slot(hash, view->key_mask)]) > value->token;
}

struct cmi_slice kept_find(struct kept *kept, const struct load_name *name)
{
        struct value **place = place_of(kept, load_name_hash(name), name);

        if (!*place) {
                return cmi_slice(NULL, 0);
        }
        if (is_dead(kept, *place)) {
                drop(kept, place);
                return cmi_slice(NULL, 0);
        }
        return cmi_slice((*place)->bytes + (*place)->name.key.len, (*place)->record_len);
}

void kept_drop(struct kept *kept, const struct load_name *name)
{
        struct value **place = place_of(kept, load_name_hash(name), name);

        if (*place) {
                drop(kept, place);
        }
}

uint64_t kept_bytes(const struct kept *kept)
{
        return kept->n_bytes;
}
