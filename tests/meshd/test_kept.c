/* SPDX-License-Identifier: MIT */
/* What was loaded lately: whose it is, how long it is given, what goes when it is too much. */
#include "meshd/local/kept.h"

#define XXH_INLINE_ALL
#include <glib.h>
#include <string.h>
#include <xxhash.h>

struct rig {
        struct cmi_page *page;
        struct cmi_page_view view;
        struct kept *kept;
};

static struct rig rig_new(void)
{
        const struct cmi_page_geometry geometry = {
                        CMI_PAGE_SLOTS_MIN, CMI_PAGE_SLOTS_MIN, CMI_PAGE_SLOTS_MIN};
        size_t size = cmi_page_size(&geometry);
        struct rig rig = {.page = aligned_alloc(4096, size)};

        memset((void *)rig.page, 0, size);
        cmi_page_init(rig.page, &geometry, 5, 6, 1000);
        rig.view = cmi_page_view(rig.page);
        g_assert_cmpint(kept_new(&rig.kept, rig.page), ==, 0);
        return rig;
}

static void rig_free(struct rig *rig)
{
        kept_free(rig->kept);
        free(rig->page);
}

static struct load_name name_of(const char *key)
{
        return (struct load_name){.uid = 1, .index = 2, .version = 3, .key = cmi_slice_str(key)};
}

static uint64_t token_now(const struct rig *rig)
{
        return atomic_load(&rig->page->apply_seq);
}

/* Under the token of now. */
static void put(struct rig *rig, const char *key, const char *record)
{
        struct load_name name = name_of(key);

        kept_put(rig->kept, &name, token_now(rig), cmi_slice_str(record));
}

static void expect(struct rig *rig, const struct load_name *name, const char *record)
{
        struct cmi_slice found = kept_find(rig->kept, name);

        g_assert_cmpmem(found.data, found.len, record, strlen(record));
}

static void expect_key(struct rig *rig, const char *key, const char *record)
{
        struct load_name name = name_of(key);

        expect(rig, &name, record);
}

static void the_newest_of_a_key_is_given_as_often_as_it_is_asked_for(void)
{
        struct rig rig = rig_new();
        uint64_t n_bytes;

        expect_key(&rig, "k", "");
        put(&rig, "k", "first");
        put(&rig, "l", "other");
        expect_key(&rig, "k", "first");
        expect_key(&rig, "k", "first");
        n_bytes = kept_bytes(rig.kept);
        put(&rig, "k", "newer");
        expect_key(&rig, "k", "newer");
        g_assert_cmpuint(kept_bytes(rig.kept), ==, n_bytes);
        expect_key(&rig, "l", "other");
        rig_free(&rig);
}

static void it_is_given_to_the_same_user_for_the_same_region_version_and_key_only(void)
{
        struct rig rig = rig_new();
        struct load_name names[4] = {name_of("k"), name_of("k"), name_of("k"), name_of("kk")};

        names[0].uid = 9;
        names[1].index = 9;
        names[2].version = 9;
        put(&rig, "k", "record");
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                expect(&rig, &names[i], "");
                kept_drop(rig.kept, &names[i]);
        }
        expect_key(&rig, "k", "record");
        rig_free(&rig);
}

static void stamp_key(struct rig *rig, uint64_t seq)
{
        cmi_page_stamp_key(&rig->view, 2, "k", 1, seq);
}

static void stamp_region(struct rig *rig, uint64_t seq)
{
        cmi_page_stamp_region(&rig->view, 2, seq);
}

static void stamp_floor(struct rig *rig, uint64_t seq)
{
        cmi_page_stamp_floor(&rig->view, seq);
}

/* As a write intent that is open does. */
static void flag_key(struct rig *rig, uint64_t seq)
{
        XXH128_hash_t hash = cmi_page_hash(rig->view.seed, CMI_PAGE_KEY, 2, "k", 1);

        cmi_page_stamp_flag(&rig->view.keys[cmi_page_slot(hash, rig->view.key_mask)], seq, true);
}

static void what_the_page_refuses_is_not_given_and_gone(void)
{
        static void (*const stamps[])(struct rig *, uint64_t) = {
                        stamp_key, stamp_region, stamp_floor, flag_key};

        for (size_t i = 0; i < G_N_ELEMENTS(stamps); i++) {
                struct rig rig = rig_new();
                uint64_t seq;

                put(&rig, "k", "old");
                g_assert_cmpuint(kept_bytes(rig.kept), >, 0);
                seq = cmi_page_begin(&rig.view);
                stamps[i](&rig, seq);
                cmi_page_publish(&rig.view, seq);
                expect_key(&rig, "k", "");
                g_assert_cmpuint(kept_bytes(rig.kept), ==, 0);
                /* Under a token from after it: good again, unless a write is under way. */
                put(&rig, "k", "new");
                expect_key(&rig, "k", stamps[i] == flag_key ? "" : "new");
                rig_free(&rig);
        }
}

static void who_could_not_use_it_takes_it_away(void)
{
        struct rig rig = rig_new();
        struct load_name name = name_of("k");

        kept_drop(rig.kept, &name);
        put(&rig, "k", "record");
        kept_drop(rig.kept, &name);
        expect_key(&rig, "k", "");
        g_assert_cmpuint(kept_bytes(rig.kept), ==, 0);
        rig_free(&rig);
}

static void beyond_the_bound_the_oldest_go(void)
{
        static char record[32 << 10];
        const unsigned n_fit = KEPT_BYTES_MAX / sizeof(record);
        struct rig rig = rig_new();
        unsigned n_kept = 0;
        char key[16];

        for (unsigned i = 0; i < 2 * n_fit; i++) {
                struct load_name name;

                g_snprintf(key, sizeof(key), "k%u", i);
                name = name_of(key);
                kept_put(rig.kept, &name, 0, cmi_slice(record, sizeof(record)));
                g_assert_cmpuint(kept_bytes(rig.kept), <=, KEPT_BYTES_MAX);
        }
        for (unsigned i = 0; i < 2 * n_fit; i++) {
                struct load_name name;
                bool is_kept;

                g_snprintf(key, sizeof(key), "k%u", i);
                name = name_of(key);
                is_kept = kept_find(rig.kept, &name).len == sizeof(record);
                g_assert_true(is_kept || n_kept == 0); /* none is missing among the newest */
                n_kept += is_kept;
        }
        g_assert_cmpuint(n_kept, >, n_fit * 9 / 10);
        rig_free(&rig);
}

static void keys_and_records_may_hold_any_bytes(void)
{
        struct rig rig = rig_new();
        struct load_name names[2] = {name_of(""), name_of("")};

        names[0].key = cmi_slice("a\0b", 3);
        names[1].key = cmi_slice("a\0c", 3);
        kept_put(rig.kept, &names[0], 0, cmi_slice("\0x", 2));
        g_assert_cmpuint(kept_find(rig.kept, &names[1]).len, ==, 0);
        g_assert_cmpuint(kept_find(rig.kept, &names[0]).len, ==, 2);
        g_assert_cmpmem(kept_find(rig.kept, &names[0]).data, 2, "\0x", 2);
        rig_free(&rig);
}

/* Keys that one would choose who knows how XXH3 goes, and all of a name. */
static void chosen_keys_do_not_meet_in_one_chain(void)
{
        bool is_taken[4096] = {false};
        unsigned n_chosen = 0;
        unsigned n_chains = 0;

        for (unsigned i = 0; n_chosen < 64; i++) {
                g_autofree char *key = g_strdup_printf("%u", i);
                struct load_name name = name_of(key);
                uint64_t seed = name.index ^ (uint64_t)name.uid << 32 ^ name.version * 31;

                if (XXH3_64bits_withSeed(key, strlen(key), seed) % 4096 == 0) {
                        uint64_t chain = load_name_hash(&name) % 4096;

                        n_chains += !is_taken[chain];
                        is_taken[chain] = true;
                        n_chosen++;
                }
        }
        g_assert_cmpuint(n_chains, >, 32);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add_func("/kept/" #name, name)
        CASE(the_newest_of_a_key_is_given_as_often_as_it_is_asked_for);
        CASE(it_is_given_to_the_same_user_for_the_same_region_version_and_key_only);
        CASE(what_the_page_refuses_is_not_given_and_gone);
        CASE(who_could_not_use_it_takes_it_away);
        CASE(beyond_the_bound_the_oldest_go);
        CASE(keys_and_records_may_hold_any_bytes);
        CASE(chosen_keys_do_not_meet_in_one_chain);
        return g_test_run();
}
