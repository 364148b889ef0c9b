/* SPDX-License-Identifier: MIT */
#include "demo-app/store.h"

#include "demo-app/database.h"
#include "tests/demo-app/place.h"

#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

struct fixture {
        struct place place;
        struct store *store;
};

static void set_up(struct fixture *f, const void *unused)
{
        place_init(&f->place);
        f->store = place_store(&f->place);
}

static void tear_down(struct fixture *f, const void *unused)
{
        f->store = store_close(f->store);
        place_deinit(&f->place);
}

static void assert_tree(struct store *store, const char *person, const char *expected)
{
        g_autofree char *seen = place_tree(store, person);

        g_assert_cmpstr(seen, ==, expected);
}

static bool touches_person(const struct store_change *change, const char *person)
{
        for (size_t i = 0; i < change->n_people; i++) {
                if (strcmp(change->people[i], person) == 0) {
                        return true;
                }
        }
        return false;
}

static bool touches_folder(const struct store_change *change, int64_t folder)
{
        for (size_t i = 0; i < change->n_folders; i++) {
                if (change->folders[i] == folder) {
                        return true;
                }
        }
        return false;
}

static int share(struct store *store, int64_t folder, const char *with)
{
        struct store_change change;

        return store_share_folder(store, "anna", folder, with, &change);
}

static void a_tree_is_read_depth_first_and_by_name(struct fixture *f, const void *unused)
{
        int64_t b = place_folder(f->store, 0, "b");
        int64_t a = place_folder(f->store, 0, "a");
        int64_t c = place_folder(f->store, b, "c");

        place_folder(f->store, a, "z");
        place_folder(f->store, c, "d");
        place_folder(f->store, b, "bb");
        assert_tree(f->store, "anna", "a(z) b(bb c(d))");
        assert_tree(f->store, "ben", "");
}

static void a_shared_folder_shows_with_all_below_it(struct fixture *f, const void *unused)
{
        int64_t top = place_folder(f->store, 0, "top");
        int64_t middle = place_folder(f->store, top, "middle");

        place_folder(f->store, middle, "leaf");
        g_assert_cmpint(share(f->store, middle, "ben"), ==, 0);
        assert_tree(f->store, "ben", "middle(leaf)");
        assert_tree(f->store, "cleo", "");
}

static void sharing_touches_both_people(struct fixture *f, const void *unused)
{
        int64_t top = place_folder(f->store, 0, "top");
        struct store_change change;

        g_assert_cmpint(store_share_folder(f->store, "anna", top, "ben", &change), ==, 0);
        g_assert_true(touches_person(&change, "anna"));
        g_assert_true(touches_person(&change, "ben"));
        g_assert_cmpint(store_unshare_folder(f->store, "anna", top, "ben", &change), ==, 0);
        g_assert_true(touches_person(&change, "anna"));
        g_assert_true(touches_person(&change, "ben"));
        assert_tree(f->store, "ben", "");
}

static void a_change_touches_each_folder_above_it(struct fixture *f, const void *unused)
{
        int64_t top = place_folder(f->store, 0, "top");
        int64_t middle = place_folder(f->store, top, "middle");
        int64_t aside = place_folder(f->store, top, "aside");
        struct store_change change;

        g_assert_cmpint(store_rename_folder(f->store, "anna", middle, "other", &change), ==, 0);
        g_assert_true(touches_person(&change, "anna"));
        g_assert_true(touches_folder(&change, top));
        g_assert_true(touches_folder(&change, middle));
        g_assert_false(touches_folder(&change, aside));
        g_assert_cmpint(store_add_folder(f->store, "anna", middle, "leaf", &change), ==, 0);
        g_assert_true(touches_folder(&change, top));
        g_assert_true(touches_folder(&change, middle));
}

static void removing_touches_each_folder_below_it(struct fixture *f, const void *unused)
{
        int64_t top = place_folder(f->store, 0, "top");
        int64_t middle = place_folder(f->store, top, "middle");
        int64_t leaf = place_folder(f->store, middle, "leaf");
        struct store_change change;

        g_assert_cmpint(share(f->store, leaf, "cleo"), ==, 0);
        g_assert_cmpint(store_remove_folder(f->store, "anna", middle, &change), ==, 0);
        g_assert_true(touches_folder(&change, top));
        g_assert_true(touches_folder(&change, middle));
        g_assert_true(touches_folder(&change, leaf));
        assert_tree(f->store, "anna", "top");
        assert_tree(f->store, "cleo", "");
}

static void sharing_a_folder_above_replaces_the_share_below(struct fixture *f, const void *unused)
{
        int64_t top = place_folder(f->store, 0, "top");
        int64_t leaf = place_folder(f->store, top, "leaf");

        g_assert_cmpint(share(f->store, leaf, "ben"), ==, 0);
        g_assert_cmpint(share(f->store, top, "ben"), ==, 0);
        assert_tree(f->store, "ben", "top(leaf)");
        g_assert_cmpint(share(f->store, leaf, "ben"), ==, STORE_ALREADY_SEEN);
}

static void only_the_owner_changes_a_folder(struct fixture *f, const void *unused)
{
        int64_t top = place_folder(f->store, 0, "top");
        struct store_change change = {.n_people = 77};

        g_assert_cmpint(share(f->store, top, "ben"), ==, 0);
        g_assert_cmpint(store_add_folder(f->store, "ben", top, "x", &change), ==, STORE_NOT_OWNER);
        g_assert_cmpint(store_rename_folder(f->store, "ben", top, "x", &change), ==,
                        STORE_NOT_OWNER);
        g_assert_cmpint(store_remove_folder(f->store, "ben", top, &change), ==, STORE_NOT_OWNER);
        g_assert_cmpint(store_share_folder(f->store, "ben", top, "cleo", &change), ==,
                        STORE_NOT_OWNER);
        g_assert_cmpint(store_unshare_folder(f->store, "ben", top, "ben", &change), ==,
                        STORE_NOT_OWNER);
        g_assert_cmpuint(change.n_people, ==, 77);
        assert_tree(f->store, "ben", "top");
}

static void what_does_not_exist_is_named(struct fixture *f, const void *unused)
{
        g_autofree char *endless = g_strnfill(1000, 'x');
        int64_t top = place_folder(f->store, 0, "top");
        struct store_change change;

        g_assert_cmpint(store_add_folder(f->store, "nobody", 0, "x", &change), ==, STORE_NO_PERSON);
        g_assert_cmpint(store_add_folder(f->store, endless, top, "x", &change), ==,
                        STORE_NO_PERSON);
        g_assert_cmpint(store_add_folder(f->store, "anna", 99, "x", &change), ==, STORE_NO_FOLDER);
        g_assert_cmpint(store_rename_folder(f->store, "anna", -1, "x", &change), ==,
                        STORE_NO_FOLDER);
        g_assert_cmpint(share(f->store, top, "nobody"), ==, STORE_NO_PERSON);
        g_assert_cmpint(share(f->store, top, "anna"), ==, STORE_OWN_FOLDER);
        g_assert_cmpint(share(f->store, top, endless), ==, STORE_BAD_NAME);
        g_assert_cmpint(store_unshare_folder(f->store, "anna", top, "ben", &change), ==,
                        STORE_NO_SHARE);
}

static void a_name_is_taken_once_among_siblings(struct fixture *f, const void *unused)
{
        int64_t top = place_folder(f->store, 0, "top");
        struct store_change change;

        place_folder(f->store, top, "top");
        g_assert_cmpint(store_add_folder(f->store, "anna", 0, "top", &change), ==, STORE_EXISTS);
        g_assert_cmpint(store_add_folder(f->store, "anna", top, "top", &change), ==, STORE_EXISTS);
        g_assert_cmpint(store_add_person(f->store, "anna", &change), ==, STORE_EXISTS);
        g_assert_cmpint(store_add_folder(f->store, "ben", 0, "top", &change), ==, 0);
}

static void statements_are_not_made_of_names(struct fixture *f, const void *unused)
{
        static const char name[] = "x'); DELETE FROM folder; --";

        place_folder(f->store, 0, name);
        assert_tree(f->store, "anna", name);
}

static void folders_go_eight_levels_deep(struct fixture *f, const void *unused)
{
        struct store_change change;
        int64_t parent = 0;

        for (int i = 0; i < STORE_DEPTH_MAX; i++) {
                parent = place_folder(f->store, parent, "x");
        }
        g_assert_cmpint(store_add_folder(f->store, "anna", parent, "x", &change), ==,
                        STORE_TOO_DEEP);
}

static void the_limits_hold(struct fixture *f, const void *unused)
{
        struct store_change change;
        char name[32];

        for (int i = 0; i < STORE_FOLDERS_MAX; i++) {
                g_snprintf(name, sizeof(name), "f%d", i);
                place_folder(f->store, 0, name);
        }
        g_assert_cmpint(store_add_folder(f->store, "anna", 0, "x", &change), ==,
                        STORE_TOO_MANY_FOLDERS);
        for (int i = 1; i <= STORE_RECEIVED_MAX; i++) {
                g_assert_cmpint(share(f->store, i, "ben"), ==, 0);
        }
        g_assert_cmpint(share(f->store, STORE_RECEIVED_MAX + 1, "ben"), ==,
                        STORE_TOO_MANY_RECEIVED);
        for (int i = 3; i < STORE_PEOPLE_MAX; i++) {
                g_snprintf(name, sizeof(name), "p%d", i);
                g_assert_cmpint(store_add_person(f->store, name, &change), ==, 0);
        }
        g_assert_cmpint(store_add_person(f->store, "x", &change), ==, STORE_TOO_MANY_PEOPLE);
        for (int i = 0; i < STORE_SHARES_MAX; i++) {
                g_snprintf(name, sizeof(name), "p%d", i + 3);
                g_assert_cmpint(share(f->store, 100, name), ==, 0);
        }
        g_assert_cmpint(share(f->store, 100, "ben"), ==, STORE_TOO_MANY_SHARES);
}

static void removing_the_largest_tree_touches_all_of_it(struct fixture *f, const void *unused)
{
        int64_t top = place_folder(f->store, 0, "top");
        struct store_change change;
        char name[32];

        for (int i = 1; i < STORE_FOLDERS_MAX; i++) {
                g_snprintf(name, sizeof(name), "f%d", i);
                place_folder(f->store, top, name);
        }
        g_assert_cmpint(store_remove_folder(f->store, "anna", top, &change), ==, 0);
        g_assert_cmpuint(change.n_folders, ==, STORE_FOLDERS_MAX);
        assert_tree(f->store, "anna", "");
}

static void nodes_and_people_are_listed_by_name(struct fixture *f, const void *unused)
{
        struct store_person *people = NULL;
        struct store_node *nodes = NULL;
        size_t n = 0;

        g_assert_cmpint(store_people(f->store, &people, &n), ==, 0);
        g_assert_cmpuint(n, ==, 3);
        g_assert_cmpstr(people[2].name, ==, "cleo");
        free(people);
        g_assert_cmpint(store_add_node(f->store, "b", 1), ==, 0);
        g_assert_cmpint(store_add_node(f->store, "a", 2), ==, 0);
        g_assert_cmpint(store_add_node(f->store, "b", 3), ==, 0);
        g_assert_cmpint(store_nodes(f->store, &nodes, &n), ==, 0);
        g_assert_cmpuint(n, ==, 2);
        g_assert_cmpuint(nodes[0].port, ==, 2);
        g_assert_cmpuint(nodes[1].port, ==, 3);
        free(nodes);
}

static void another_connection_sees_a_change_at_once(struct fixture *f, const void *unused)
{
        struct store *other = NULL;

        g_assert_cmpint(store_open(&other, f->place.db), ==, 0);
        for (int i = 0; i < 20; i++) {
                char name[8];
                g_autofree char *expected = NULL;

                g_snprintf(name, sizeof(name), "%02d", i);
                place_folder(f->store, 0, name);
                expected = place_tree(f->store, "anna");
                assert_tree(other, "anna", expected);
        }
        store_close(other);
}

struct writer {
        const char *db;
        int number;
};

static gpointer write_folders(gpointer userdata)
{
        struct writer *writer = userdata;
        struct store *store = NULL;
        int n_added = 0;

        if (store_open(&store, writer->db) < 0) {
                return GINT_TO_POINTER(-1);
        }
        for (int i = 0; i < 40; i++) {
                struct store_change change;
                char name[32];

                g_snprintf(name, sizeof(name), "w%d-%d", writer->number, i);
                n_added += store_add_folder(store, "anna", 0, name, &change) == 0;
        }
        store_close(store);
        return GINT_TO_POINTER(n_added);
}

static void several_writers_wait_for_each_other(struct fixture *f, const void *unused)
{
        struct writer writers[4];
        GThread *threads[4];
        int n_added = 0;

        for (int i = 0; i < 4; i++) {
                writers[i] = (struct writer){f->place.db, i};
                threads[i] = g_thread_new(NULL, write_folders, &writers[i]);
        }
        for (int i = 0; i < 4; i++) {
                n_added += GPOINTER_TO_INT(g_thread_join(threads[i]));
        }
        g_assert_cmpint(n_added, ==, 160);
}

static gpointer open_store(gpointer path)
{
        struct store *store = NULL;
        int r = store_open(&store, path);

        store_close(store);
        return GINT_TO_POINTER(r);
}

static void several_apps_create_the_file_at_once(struct fixture *f, const void *unused)
{
        for (int round = 0; round < 10; round++) {
                g_autofree char *path = g_strdup_printf("%s/new%d.db", f->place.directory, round);
                GThread *threads[6];

                for (int i = 0; i < 6; i++) {
                        threads[i] = g_thread_new(NULL, open_store, path);
                }
                for (int i = 0; i < 6; i++) {
                        g_assert_cmpint(GPOINTER_TO_INT(g_thread_join(threads[i])), ==, 0);
                }
        }
}

static void a_file_that_is_none_of_ours_is_refused(struct fixture *f, const void *unused)
{
        g_autofree char *text = g_strdup_printf("%s/text", f->place.directory);
        g_autofree char *newer = g_strdup_printf("%s/newer.db", f->place.directory);
        g_autofree char *nowhere = g_strdup_printf("%s/no/such.db", f->place.directory);
        g_autofree char *garbage = g_strnfill(5000, 'x');
        struct store *store = NULL;
        sqlite3 *db = NULL;

        g_assert_true(g_file_set_contents(text, garbage, 5000, NULL));
        g_assert_cmpint(database_open(&db, newer), ==, 0);
        g_assert_cmpint(database_run(db, "PRAGMA user_version=2", ""), ==, 0);
        database_close(db);
        g_assert_cmpint(store_open(&store, text), ==, -EIO);
        g_assert_cmpint(store_open(&store, newer), ==, -EPROTO);
        g_assert_cmpint(store_open(&store, nowhere), ==, -EIO);
        g_assert_null(store);
}

#define ADD(function)                                                                              \
        g_test_add("/store/" #function, struct fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        ADD(a_tree_is_read_depth_first_and_by_name);
        ADD(a_shared_folder_shows_with_all_below_it);
        ADD(sharing_touches_both_people);
        ADD(a_change_touches_each_folder_above_it);
        ADD(removing_touches_each_folder_below_it);
        ADD(sharing_a_folder_above_replaces_the_share_below);
        ADD(only_the_owner_changes_a_folder);
        ADD(what_does_not_exist_is_named);
        ADD(a_name_is_taken_once_among_siblings);
        ADD(statements_are_not_made_of_names);
        ADD(folders_go_eight_levels_deep);
        ADD(the_limits_hold);
        ADD(removing_the_largest_tree_touches_all_of_it);
        ADD(nodes_and_people_are_listed_by_name);
        ADD(another_connection_sees_a_change_at_once);
        ADD(several_writers_wait_for_each_other);
        ADD(several_apps_create_the_file_at_once);
        ADD(a_file_that_is_none_of_ours_is_refused);
        return g_test_run();
}
