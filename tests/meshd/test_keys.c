/* SPDX-License-Identifier: MIT */
/* Changes of the keys of a running node: the file is written on another thread. */
#include "meshd/mesh/key_store.h"
#include "meshd/mesh/keys.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
        char *directory;
        char *path;
        uv_loop_t loop;
        struct keys keys;
        struct links links;
        bool is_done;
        int outcome;
};

static const uint8_t second[CMI_KEY_SIZE] = {2};

static void set_up(struct fixture *f, const void *unused)
{
        struct cmi_key_file file = {.n_keys = 1, .keys = {{1}}};
        struct links_options options = {.n_links = 4};
        char text[CMI_KEY_FILE_TEXT_SIZE];
        struct fault fault = {0};

        *f = (struct fixture){.directory = g_dir_make_tmp("keys-XXXXXX", NULL)};
        f->path = g_build_filename(f->directory, "key", NULL);
        g_assert_true(g_file_set_contents(
                        f->path, text, (gssize)cmi_key_file_format(&file, text), NULL));
        g_assert_cmpint(chmod(f->path, 0600), ==, 0);
        g_assert_cmpint(keys_open(&f->keys, f->path, &fault), ==, 0);
        options.ring = f->keys.ring;
        g_assert_cmpint(cmi_endpoint_parse("127.0.0.1:0", &options.listen), ==, CMI_ENDPOINT_OK);
        g_assert_cmpint(links_open(&f->links, &options, &fault), ==, 0);
        g_assert_cmpint(uv_loop_init(&f->loop), ==, 0);
        f->keys.links = &f->links;
        f->keys.loop = &f->loop;
}

static void tear_down(struct fixture *f, const void *unused)
{
        links_close(&f->links, 0);
        keys_close(&f->keys);
        g_assert_cmpint(uv_loop_close(&f->loop), ==, 0);
        g_unlink(f->path);
        g_assert_cmpint(g_rmdir(f->directory), ==, 0);
        g_free(f->path);
        g_free(f->directory);
}

static void on_done(void *context, int r)
{
        struct fixture *f = context;

        f->is_done = true;
        f->outcome = r;
}

/* The loop ends when nothing is under way any more. */
static void expect_done(struct fixture *f, int begun, int outcome)
{
        g_assert_cmpint(begun, ==, KEYS_BEGUN);
        g_assert_false(f->is_done);
        g_assert_cmpint(uv_run(&f->loop, UV_RUN_DEFAULT), ==, 0);
        g_assert_true(f->is_done);
        g_assert_cmpint(f->outcome, ==, outcome);
        f->is_done = false;
}

static struct cmi_slice name_of(const struct fixture *f, uint32_t index)
{
        return cmi_slice_str(f->keys.ring->entries[index].fingerprint);
}

static uint32_t n_stored(const struct fixture *f)
{
        struct cmi_key_file file;
        struct fault fault = {0};

        g_assert_cmpint(key_store_read(f->path, &file, &fault), ==, 0);
        return file.n_keys;
}

static void a_change_counts_when_it_is_in_the_file_and_not_before(
                struct fixture *f, const void *unused)
{
        int begun = keys_install(&f->keys, second, on_done, f);

        g_assert_cmpuint(f->keys.ring->file.n_keys, ==, 1);
        g_assert_cmpint(keys_remove(&f->keys, name_of(f, 0), on_done, f), ==, -EALREADY);
        expect_done(f, begun, 0);
        g_assert_cmpuint(f->keys.ring->file.n_keys, ==, 2);
        g_assert_cmpuint(n_stored(f), ==, 2);
        g_assert_cmpint(keys_install(&f->keys, second, on_done, f), ==, -EEXIST);
        g_assert_cmpint(keys_use(&f->keys, name_of(f, 0), on_done, f), ==, KEYS_UNCHANGED);
        expect_done(f, keys_use(&f->keys, name_of(f, 1), on_done, f), 0);
        g_assert_cmpuint(f->keys.ring->file.used, ==, 1);
        expect_done(f, keys_remove(&f->keys, name_of(f, 0), on_done, f), 0);
        g_assert_cmpuint(f->keys.ring->file.n_keys, ==, 1);
        g_assert_cmpuint(n_stored(f), ==, 1);
}

static void a_file_that_cannot_be_replaced_changes_nothing(struct fixture *f, const void *unused)
{
        g_autofree char *beside = g_strconcat(f->path, ".new", NULL);

        g_assert_cmpint(g_mkdir(beside, 0700), ==, 0);
        expect_done(f, keys_install(&f->keys, second, on_done, f), -EEXIST);
        g_assert_cmpuint(f->keys.ring->file.n_keys, ==, 1);
        g_assert_cmpint(g_rmdir(beside), ==, 0);
        expect_done(f, keys_install(&f->keys, second, on_done, f), 0);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_assert_cmpint(sodium_init(), >=, 0);
#define CASE(path, name) g_test_add(path, struct fixture, NULL, set_up, name, tear_down)
        CASE("/keys/file", a_change_counts_when_it_is_in_the_file_and_not_before);
        CASE("/keys/unchanged", a_file_that_cannot_be_replaced_changes_nothing);
        return g_test_run();
}
