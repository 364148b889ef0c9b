/* SPDX-License-Identifier: MIT */
/*
 * tags: entries that belong together. A shop caches its pages. Each is made of several rows, and
 * exists in several languages, so who changes a row does not know the keys of the pages that show
 * it. The key of a page is composed of all that selects it; its tags name the rows that were looked
 * at, also those that are not there. Without $CACHEMESH_SOCKET the cache is a private one.
 */
#include <cachemesh.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_PAGES 4

struct product {
        int price;
        const char *category;
};

struct key {
        unsigned char bytes[CM_KEY_MAX];
        size_t len;
};

struct page {
        const char *language;
        const char *product;
};

/* The database: products "0", "1" and, later, "2"; one category has a discount, later. */
static struct product products[] = {{50, "shoes"}, {20, "hats"}, {70, "shoes"}};
static int n_products = 2;
static int hats_discount = 0;
static bool was_loaded;

static const struct page pages_shown[N_PAGES] = {
                {"en", "0"}, {"de", "0"}, {"en", "1"}, {"en", "2"}};

/* One more part: its length, then its bytes. So ("ab", "c") and ("a", "bc") are two keys. */
static bool key_add(struct key *key, const char *part)
{
        size_t len = strlen(part);

        if (len > 255 || key->len + 1 + len > sizeof(key->bytes)) {
                return false; /* too long: add a hash of it, of 16 bytes or more */
        }
        key->bytes[key->len++] = (unsigned char)len;
        memcpy(key->bytes + key->len, part, len);
        key->len += len;
        return true;
}

static bool key_of(struct key *ret_key, const struct page *page)
{
        ret_key->len = 0;
        return key_add(ret_key, "product") && key_add(ret_key, page->language) &&
               key_add(ret_key, page->product);
}

static int add_tag(struct cm_load *load, const char *kind, const char *name)
{
        char tag[64];
        int n = snprintf(tag, sizeof(tag), "%s:%s", kind, name);

        return cm_load_add_tag(load, tag, (size_t)n);
}

static int load_page(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        const struct page *page = userdata;
        const struct product *product = &products[atoi(page->product)];
        int price;

        (void)key;
        (void)key_len;
        was_loaded = true;
        /* A tag that cannot be added fails the load, so its result need not be looked at. */
        add_tag(load, "product", page->product);
        if (product >= products + n_products) {
                return cm_load_set_negative(load);
        }
        add_tag(load, "category", product->category);
        price = product->price - (strcmp(product->category, "hats") == 0 ? hats_discount : 0);
        return cm_load_set_value(load, &price, sizeof(price));
}

static int show(struct cm_region *pages, const struct page *page)
{
        struct cm_value value = {0};
        struct key key;
        const char *from;
        int price, r;

        was_loaded = false;
        if (!key_of(&key, page)) {
                return CM_MISS;
        }
        r = cm_get_or_load(pages, key.bytes, key.len, load_page, (void *)page, &value);
        from = was_loaded ? "loaded" : "cached";
        if (r == CM_NEGATIVE) {
                printf("%s/%s: none, %s\n", page->language, page->product, from);
                return 0;
        }
        if (r == CM_OK) {
                memcpy(&price, value.data, sizeof(price));
                cm_release(&value);
                printf("%s/%s: %d, %s\n", page->language, page->product, price, from);
        }
        return r;
}

static int show_all(struct cm_region *pages)
{
        int r = 0;

        for (int i = 0; i < N_PAGES && r == 0; i++) {
                r = show(pages, &pages_shown[i]);
        }
        return r;
}

/* How many of the pages would be hits? No loader is called. */
static int count_hits(struct cm_region *pages)
{
        struct cm_value values[N_PAGES] = {{0}};
        struct cm_bytes names[N_PAGES];
        struct key keys[N_PAGES];
        int outcomes[N_PAGES];
        int n_hits;

        for (int i = 0; i < N_PAGES; i++) {
                if (!key_of(&keys[i], &pages_shown[i])) {
                        return -1;
                }
                names[i] = (struct cm_bytes){keys[i].bytes, keys[i].len};
        }
        n_hits = cm_get_many(pages, names, N_PAGES, values, outcomes);
        for (int i = 0; i < N_PAGES; i++) {
                cm_release(&values[i]); /* does nothing to those that are no hits */
        }
        return n_hits;
}

/* One row: every page that was made of it, in whatever language, is dead. */
static int change_price(struct cm_region *pages, int price)
{
        products[0].price = price; /* commit */
        return cm_invalidate_tag(pages, "product:0", 9, CM_WAIT_MESH, NULL);
}

/* One transaction, one batch, one wait. A new row has a tag too: it ends "there is none". */
static int open_sale(struct cm *cm, struct cm_region *pages)
{
        struct cm_batch *batch;
        int r = cm_batch_new(&batch, cm);

        if (r < 0) {
                return r;
        }
        r = cm_batch_add_tag(batch, pages, "product:2", 9);
        if (r == 0) {
                r = cm_batch_add_tag(batch, pages, "category:hats", 13);
        }
        if (r == 0) {
                n_products = 3; /* commit */
                hats_discount = 5;
                r = cm_batch_publish(batch, CM_WAIT_MESH, 0, NULL);
        }
        batch = cm_batch_free(batch);
        return r;
}

static int run(struct cm *cm, struct cm_region *pages)
{
        int r = show_all(pages);

        if (r == 0) {
                r = change_price(pages, 40);
        }
        if (r == 0) {
                printf("the price of product 0 changes: %d hits left\n", count_hits(pages));
                r = show_all(pages);
        }
        if (r == 0) {
                r = open_sale(cm, pages);
        }
        if (r == 0) {
                printf("hats are cheaper, and product 2 is new: %d hits left\n", count_hits(pages));
                r = show_all(pages);
        }
        return r;
}

int main(void)
{
        struct cm_options options = {
                        .size = sizeof(options),
                        .flags = getenv("CACHEMESH_SOCKET") ? 0 : CM_OPEN_STANDALONE,
        };
        struct cm_region_options region_options = {
                        .size = sizeof(region_options),
                        .ttl_ms = 3600000,
                        .negative_ttl_ms = 60000,
        };
        struct cm_region *pages;
        struct cm *cm;
        int r = cm_open(&cm, &options);

        if (r < 0) {
                fprintf(stderr, "tags: cm_open: %s\n", cm_strerror(r));
                return 1;
        }
        r = cm_region_open(&pages, cm, "pages", &region_options);
        if (r == 0) {
                r = run(cm, pages);
        }
        if (r != 0) {
                fprintf(stderr, "tags: %s: %s\n", cm_strerror(r), cm_error_detail(cm));
        }
        cm = cm_close(cm);
        return r != 0;
}
