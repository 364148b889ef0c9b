/* SPDX-License-Identifier: MIT */
#include "demo-app/cache.h"

#include "tests/demo-app/place.h"

#include <errno.h>
#include <glib.h>

struct fixture {
        struct place place;
        struct store *store;
        struct cache *cache;
};

static struct cache *open_cache(struct store *store, bool is_publishing)
{
        struct cache_options options = {
                        .name = "node-1", .is_standalone = true, .is_publishing = is_publishing};
        struct cache *cache = NULL;

        g_assert_cmpint(cache_open(&cache, store, &options), ==, 0);
        return cache;
}

static void set_up(struct fixture *f, const void *unused)
{
        place_init(&f->place);
        f->store = place_store(&f->place);
        f->cache = open_cache(f->store, true);
}

static void tear_down(struct fixture *f, const void *unused)
{
        f->cache = cache_close(f->cache);
        f->store = store_close(f->store);
        place_deinit(&f->place);
}

/* "hit: a(b)", "miss absent: " and so on. */
static char *look(struct cache *cache, const char *person)
{
        struct cache_answer answer;
        int r = cache_tree(cache, person, &answer);
        g_autofree char *tree = NULL;
        char *text;

        if (r < 0) {
                return g_strdup_printf("error %d", r);
        }
        tree = r == 0 ? place_describe(answer.rows, answer.n) : g_strdup("nobody");
        text = answer.is_hit ? g_strdup_printf("hit: %s", tree)
                             : g_strdup_printf("miss %s: %s", answer.reason, tree);
        if (r == 0) {
                cache_release(&answer);
        }
        return text;
}

static void assert_look(struct cache *cache, const char *person, const char *expected)
{
        g_autofree char *seen = look(cache, person);

        g_assert_cmpstr(seen, ==, expected);
}

static void publish(struct fixture *f, const struct store_change *change)
{
        struct cache_report report;

        cache_publish(f->cache, change, &report);
        g_assert_cmpint(report.outcome, ==, 0);
}

static void share(struct fixture *f, int64_t folder, const char *with)
{
        struct store_change change;

        g_assert_cmpint(store_share_folder(f->store, "anna", folder, with, &change), ==, 0);
        publish(f, &change);
}

static void a_tree_is_loaded_once(struct fixture *f, const void *unused)
{
        place_folder(f->store, 0, "a");
        assert_look(f->cache, "anna", "miss absent: a");
        assert_look(f->cache, "anna", "hit: a");
        assert_look(f->cache, "ben", "miss absent: ");
        assert_look(f->cache, "ben", "hit: ");
}

static void without_telling_the_old_tree_stays(struct fixture *f, const void *unused)
{
        assert_look(f->cache, "anna", "miss absent: ");
        place_folder(f->store, 0, "a");
        assert_look(f->cache, "anna", "hit: ");
}

static void a_share_reaches_the_one_it_is_for_and_nobody_else(struct fixture *f, const void *unused)
{
        int64_t a = place_folder(f->store, 0, "a");

        assert_look(f->cache, "ben", "miss absent: ");
        assert_look(f->cache, "cleo", "miss absent: ");
        share(f, a, "ben");
        assert_look(f->cache, "ben", "miss invalidated: a");
        assert_look(f->cache, "cleo", "hit: ");
}

static void a_change_deep_below_a_shared_folder_reaches_all_who_see_it(
                struct fixture *f, const void *unused)
{
        int64_t a = place_folder(f->store, 0, "a");
        int64_t b = place_folder(f->store, a, "b");
        struct store_change change;

        share(f, a, "ben");
        share(f, b, "cleo");
        assert_look(f->cache, "ben", "miss absent: a(b)");
        assert_look(f->cache, "cleo", "miss absent: b");
        g_assert_cmpint(store_add_folder(f->store, "anna", b, "c", &change), ==, 0);
        publish(f, &change);
        assert_look(f->cache, "ben", "miss invalidated: a(b(c))");
        assert_look(f->cache, "cleo", "miss invalidated: b(c)");
        g_assert_cmpint(store_rename_folder(f->store, "anna", a, "z", &change), ==, 0);
        publish(f, &change);
        assert_look(f->cache, "ben", "miss invalidated: z(b(c))");
        assert_look(f->cache, "cleo", "hit: b(c)");
        g_assert_cmpint(store_remove_folder(f->store, "anna", a, &change), ==, 0);
        publish(f, &change);
        assert_look(f->cache, "ben", "miss invalidated: ");
        assert_look(f->cache, "cleo", "miss invalidated: ");
}

static void that_somebody_does_not_exist_is_remembered_until_they_do(
                struct fixture *f, const void *unused)
{
        struct store_change change;
        struct cache_report report;

        assert_look(f->cache, "dora", "miss absent: nobody");
        assert_look(f->cache, "dora", "hit: nobody");
        g_assert_cmpint(store_add_person(f->store, "dora", &change), ==, 0);
        cache_publish_people(f->cache, &change, &report);
        assert_look(f->cache, "dora", "miss invalidated: ");
}

static void as_many_shares_as_are_possible_are_all_tagged(struct fixture *f, const void *unused)
{
        struct store_change change;
        char name[8];
        int64_t last = 0;

        for (int i = 0; i < STORE_RECEIVED_MAX; i++) {
                g_snprintf(name, sizeof(name), "%02d", i);
                last = place_folder(f->store, 0, name);
                share(f, last, "ben");
        }
        g_free(look(f->cache, "ben"));
        g_assert_cmpint(store_remove_folder(f->store, "anna", last, &change), ==, 0);
        publish(f, &change);
        assert_look(f->cache, "ben", "miss invalidated: 00 01 02 03 04 05 06 07 08 09 10 11 12 13");
}

static void lists_are_cached_until_they_change(struct fixture *f, const void *unused)
{
        struct cache_answer answer;
        struct cache_report report;

        for (int i = 0; i < 2; i++) {
                g_assert_cmpint(cache_people(f->cache, &answer), ==, 0);
                g_assert_cmpuint(answer.n, ==, 3);
                g_assert_cmpint(answer.is_hit, ==, i == 1);
                cache_release(&answer);
                g_assert_cmpint(cache_nodes(f->cache, &answer), ==, 0);
                g_assert_cmpuint(answer.n, ==, 0);
                g_assert_cmpint(answer.is_hit, ==, i == 1);
                cache_release(&answer);
        }
        g_assert_cmpint(store_add_node(f->store, "node-1", 1), ==, 0);
        cache_publish_nodes(f->cache, &report);
        g_assert_cmpint(cache_nodes(f->cache, &answer), ==, 0);
        g_assert_cmpuint(answer.n, ==, 1);
        cache_release(&answer);
}

static void an_app_that_does_not_publish_says_so_and_keeps_the_old_tree(
                struct fixture *f, const void *unused)
{
        struct cache *silent = open_cache(f->store, false);
        struct store_change change;
        struct cache_report report;

        assert_look(silent, "anna", "miss absent: ");
        g_assert_cmpint(store_add_folder(f->store, "anna", 0, "a", &change), ==, 0);
        cache_publish(silent, &change, &report);
        g_assert_cmpint(report.outcome, ==, -ECANCELED);
        assert_look(silent, "anna", "hit: ");
        cache_close(silent);
}

#define ADD(function)                                                                              \
        g_test_add("/cache/" #function, struct fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        ADD(a_tree_is_loaded_once);
        ADD(without_telling_the_old_tree_stays);
        ADD(a_share_reaches_the_one_it_is_for_and_nobody_else);
        ADD(a_change_deep_below_a_shared_folder_reaches_all_who_see_it);
        ADD(that_somebody_does_not_exist_is_remembered_until_they_do);
        ADD(as_many_shares_as_are_possible_are_all_tagged);
        ADD(lists_are_cached_until_they_change);
        ADD(an_app_that_does_not_publish_says_so_and_keeps_the_old_tree);
        return g_test_run();
}
