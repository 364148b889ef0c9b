/* SPDX-License-Identifier: MIT */
#include "wire/page.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

static const struct cmi_page_geometry small = {256, 256, 256};

static struct cmi_page *new_page(void)
{
        size_t size = cmi_page_size(&small);
        struct cmi_page *page = aligned_alloc(4096, size);

        memset(page, 0, size);
        cmi_page_init(page, &small, 7, 11, 1000000000);
        return page;
}

static void a_count_that_is_no_power_of_two_has_no_size(void)
{
        g_assert_cmpuint(cmi_page_size(&(struct cmi_page_geometry){300, 256, 256}), ==, 0);
        g_assert_cmpuint(cmi_page_size(&(struct cmi_page_geometry){256, 128, 256}), ==, 0);
        g_assert_cmpuint(cmi_page_size(&(struct cmi_page_geometry){256, 256, 0}), ==, 0);
        g_assert_cmpuint(cmi_page_size(&small), >, 0);
}

static void a_fresh_page_passes_its_own_check(void)
{
        g_autofree struct cmi_page *page = new_page();

        g_assert_cmpint(cmi_page_check(page, cmi_page_size(&small)), ==, 0);
        g_assert_cmpuint(page->lease_end_mono_ns, ==, 0);
}

static void a_page_that_lies_about_its_sizes_is_refused(void)
{
        size_t size = cmi_page_size(&small);

        for (size_t i = 0; i < sizeof(struct cmi_page) / 2; i++) {
                g_autofree struct cmi_page *page = new_page();
                bool is_free_word = (i >= offsetof(struct cmi_page, epoch) &&
                                                    i < offsetof(struct cmi_page, key_slots)) ||
                                    i >= offsetof(struct cmi_page, owners_offset) + 8 ||
                                    (i >= offsetof(struct cmi_page, lease_ns) &&
                                                    i < offsetof(struct cmi_page, owners_offset)) ||
                                    (i >= offsetof(struct cmi_page, keys_offset) + 8 &&
                                                    i < offsetof(struct cmi_page, tags_offset));

                ((unsigned char *)page)[i] ^= 0x55;
                if (!is_free_word) {
                        g_assert_cmpint(cmi_page_check(page, size), <, 0);
                }
        }
        g_autofree struct cmi_page *page = new_page();
        g_assert_cmpint(cmi_page_check(page, size - 8), ==, -EBADMSG);
        g_assert_cmpint(cmi_page_check(page, 100), ==, -EBADMSG);
}

static void a_session_has_a_slot_that_is_no_keys(void)
{
        g_autofree struct cmi_page *page = new_page();
        struct cmi_page_view view = cmi_page_view(page);
        static const char key[16] = "0123456789abcdef";
        uint32_t slot = cmi_page_session_slot(&view, key);
        uint64_t seq = cmi_page_begin(&view);

        cmi_page_stamp_session(&view, key, seq);
        cmi_page_publish(&view, seq);
        g_assert_cmpuint(slot, <=, view.session_mask);
        for (uint32_t i = 0; i <= view.session_mask; i++) {
                g_assert_cmpuint(view.sessions[i], ==, i == slot ? seq : 0);
        }
        for (uint32_t i = 0; i <= view.key_mask; i++) {
                g_assert_cmpuint(view.keys[i], ==, 0);
        }
}

static void an_owner_is_no_stamp(void)
{
        g_autofree struct cmi_page *page = new_page();
        struct cmi_page_view view = cmi_page_view(page);

        cmi_page_set_owner(&view, CMI_PAGE_REGIONS - 1, 99);
        cmi_page_stamp_region(&view, CMI_PAGE_REGIONS - 1, 7);
        cmi_page_stamp_region(&view, 0, 8);
        g_assert_cmpuint(cmi_page_owner(&view, CMI_PAGE_REGIONS - 1), ==, 99);
        g_assert_cmpuint(cmi_page_owner(&view, 0), ==, 0);
        g_assert_cmpuint(view.regions[CMI_PAGE_REGIONS - 1], ==, 7);
        g_assert_cmpuint(page->owners_offset, >=,
                        page->regions_offset + CMI_PAGE_REGIONS * sizeof(uint64_t));
        g_assert_cmpuint(page->owners_offset + CMI_PAGE_REGIONS * sizeof(uint64_t), <=,
                        page->keys_offset);
}

static void a_stamp_is_larger_than_every_token_from_before(void)
{
        g_autofree struct cmi_page *page = new_page();
        struct cmi_page_view view = cmi_page_view(page);
        uint64_t token = page->apply_seq;
        uint64_t seq = cmi_page_begin(&view);
        XXH128_hash_t hash = cmi_page_hash(view.seed, CMI_PAGE_KEY, 3, "k", 1);

        cmi_page_stamp_key(&view, 3, "k", 1, seq);
        cmi_page_publish(&view, seq);
        g_assert_cmpuint(view.keys[cmi_page_slot(hash, view.key_mask)], >, token);
        g_assert_cmpuint(view.keys[cmi_page_slot(hash, view.key_mask)], <=, page->apply_seq);
}

static void a_stamp_keeps_the_intent_flag(void)
{
        _Atomic uint64_t slot = CMI_PAGE_INTENT_FLAG | 4;

        cmi_page_stamp(&slot, 9);
        g_assert_cmpuint(slot, ==, CMI_PAGE_INTENT_FLAG | 9);
}

static void kinds_and_regions_hash_apart(void)
{
        XXH128_hash_t a = cmi_page_hash(1, CMI_PAGE_KEY, 0, "key", 3);
        XXH128_hash_t b = cmi_page_hash(1, CMI_PAGE_TAG, 0, "key", 3);
        XXH128_hash_t c = cmi_page_hash(1, CMI_PAGE_KEY, 1, "key", 3);

        g_assert_true(a.high64 != b.high64 && a.high64 != c.high64 && b.high64 != c.high64);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/page/odd_counts", a_count_that_is_no_power_of_two_has_no_size);
        g_test_add_func("/page/fresh", a_fresh_page_passes_its_own_check);
        g_test_add_func("/page/session_slot", a_session_has_a_slot_that_is_no_keys);
        g_test_add_func("/page/owners", an_owner_is_no_stamp);
        g_test_add_func("/page/lies", a_page_that_lies_about_its_sizes_is_refused);
        g_test_add_func("/page/stamp", a_stamp_is_larger_than_every_token_from_before);
        g_test_add_func("/page/flag", a_stamp_keeps_the_intent_flag);
        g_test_add_func("/page/kinds", kinds_and_regions_hash_apart);
        return g_test_run();
}
