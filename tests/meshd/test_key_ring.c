/* SPDX-License-Identifier: MIT */
#include "meshd/mesh/key_ring.h"
#include "meshd/mesh/key_store.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

static struct cmi_key_file make_file(uint32_t n)
{
        struct cmi_key_file file = {.n_keys = n};

        for (uint32_t i = 0; i < n; i++) {
                memset(file.keys[i], (int)i + 1, CMI_KEY_SIZE);
        }
        return file;
}

static struct key_ring *make_ring(uint32_t n)
{
        struct cmi_key_file file = make_file(n);
        struct key_ring *ring = NULL;

        g_assert_cmpint(key_ring_new(&ring, &file), ==, 0);
        return ring;
}

/* Computed once with Python's hashlib: blake2b(b'', digest_size=n, key=key, salt=number as 16
 * little-endian bytes, person=b'cmeshkey' and zeros), as libsodium's documentation says. */
static void what_is_derived_does_not_change_between_versions(void)
{
        static const char fingerprint[] = "12cdf0c0d88535ae";
        struct key_ring *ring = make_ring(1);

        g_assert_cmpstr(ring->entries[0].fingerprint, ==, fingerprint);
        g_assert_cmpuint(ring->entries[0].beacon[0], ==, 0x0e);
        key_ring_free(ring);
}

static void nothing_that_is_derived_equals_another_thing(void)
{
        struct key_ring *ring = make_ring(2);
        const struct key_ring_entry *one = &ring->entries[0];
        const struct key_ring_entry *other = &ring->entries[1];
        const uint8_t *all[] = {one->server_public, one->server_secret, one->client_public,
                        one->client_secret, one->beacon, other->server_public, other->server_secret,
                        other->client_public, other->client_secret, other->beacon,
                        ring->file.keys[0], ring->file.keys[1]};

        for (size_t i = 0; i < G_N_ELEMENTS(all); i++) {
                for (size_t j = 0; j < i; j++) {
                        g_assert_cmpint(memcmp(all[i], all[j], CMI_KEY_SIZE), !=, 0);
                }
        }
        g_assert_cmpstr(one->fingerprint, !=, other->fingerprint);
        key_ring_free(ring);
}

static void a_key_is_found_by_its_first_digits(void)
{
        struct key_ring *ring = make_ring(3);
        const char *text = ring->entries[2].fingerprint;

        g_assert_cmpint(key_ring_find(ring, cmi_slice(text, 16)), ==, 2);
        g_assert_cmpint(key_ring_find(ring, cmi_slice(text, 6)), ==, 2);
        g_assert_cmpint(key_ring_find(ring, cmi_slice(text, 3)), ==, -ENOKEY);
        g_assert_cmpint(key_ring_find(ring, cmi_slice_str("zzzzzz")), ==, -ENOKEY);
        memcpy(ring->entries[1].fingerprint, text, 5);
        g_assert_cmpint(key_ring_find(ring, cmi_slice(text, 5)), ==, -ENOTUNIQ);
        g_assert_true(key_ring_has(ring, text));
        g_assert_false(key_ring_has(ring, "0123456789abcdef"));
        g_assert_false(key_ring_has(ring, ""));
        g_assert_false(key_ring_has(ring, NULL));
        key_ring_free(ring);
}

static void a_key_is_exchanged_in_three_steps(void)
{
        struct key_ring *ring = make_ring(1);
        struct cmi_key_file want = make_file(2);
        struct cmi_key_file file;

        g_assert_cmpint(key_ring_plan_install(ring, want.keys[0], &file), ==, -EEXIST);
        g_assert_cmpint(key_ring_plan_install(ring, want.keys[1], &file), ==, 0);
        key_ring_set(ring, &file);
        g_assert_cmpuint(ring->file.used, ==, 0);
        key_ring_plan_use(ring, 1, &file);
        key_ring_set(ring, &file);
        g_assert_true(key_ring_used(ring) == &ring->entries[1]);
        g_assert_cmpint(key_ring_plan_remove(ring, 1, &file), ==, -EBUSY);
        g_assert_cmpint(key_ring_plan_remove(ring, 0, &file), ==, 0);
        key_ring_set(ring, &file);
        g_assert_cmpuint(ring->file.n_keys, ==, 1);
        g_assert_cmpuint(ring->file.used, ==, 0);
        g_assert_cmpmem(ring->file.keys[0], CMI_KEY_SIZE, want.keys[1], CMI_KEY_SIZE);
        key_ring_free(ring);
}

static void a_fourth_key_is_one_too_many(void)
{
        struct key_ring *ring = make_ring(CMI_KEYS_MAX);
        struct cmi_key_file file;
        uint8_t key[CMI_KEY_SIZE] = {77};

        g_assert_cmpint(key_ring_plan_install(ring, key, &file), ==, -ENOSPC);
        key_ring_free(ring);
}

/* A place for key files. */
struct place {
        char *directory;
        char path[120];
};

static void place_open(struct place *place, mode_t mode)
{
        struct cmi_key_file file = make_file(2);
        char text[CMI_KEY_FILE_TEXT_SIZE];

        place->directory = g_dir_make_tmp("keys-XXXXXX", NULL);
        g_assert_nonnull(place->directory);
        snprintf(place->path, sizeof(place->path), "%s/key", place->directory);
        cmi_key_file_format(&file, text);
        g_assert_true(g_file_set_contents(place->path, text, -1, NULL));
        g_assert_cmpint(chmod(place->path, mode), ==, 0);
}

static void place_close(struct place *place)
{
        g_assert_cmpint(unlink(place->path), ==, 0);
        g_assert_cmpint(rmdir(place->directory), ==, 0); /* nothing is left beside it */
        g_free(place->directory);
}

static void a_file_that_others_can_read_is_refused(void)
{
        static const mode_t modes[] = {0644, 0640, 0604, 0660, 0610, 0601};

        for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
                struct cmi_key_file file;
                struct fault fault = {0};
                struct place place;

                place_open(&place, modes[i]);
                g_assert_cmpint(key_store_read(place.path, &file, &fault), ==, -EPERM);
                g_assert_cmpint(fault.status, ==, FAULT_CONFIG);
                g_assert_nonnull(strstr(fault.text, "chmod 600"));
                place_close(&place);
        }
}

static void a_file_of_another_user_is_refused(void)
{
        struct cmi_key_file file;
        struct fault fault = {0};
        struct place place;

        if (geteuid() != 0) {
                g_test_skip("needs root, to give a file away");
                return;
        }
        place_open(&place, 0600);
        g_assert_cmpint(chown(place.path, 65534, 65534), ==, 0);
        g_assert_cmpint(key_store_read(place.path, &file, &fault), ==, -EPERM);
        g_assert_nonnull(strstr(fault.text, "belongs to user 65534"));
        place_close(&place);
}

static void what_is_no_file_is_refused(void)
{
        struct cmi_key_file file;
        struct fault fault = {0};
        struct place place;

        place_open(&place, 0600);
        g_assert_cmpint(key_store_read(place.directory, &file, &fault), ==, -EINVAL);
        g_assert_cmpint(key_store_read("/dev/zero", &file, &fault), ==, -EINVAL);
        g_assert_cmpint(key_store_read("/nowhere/key", &file, &fault), ==, -ENOENT);
        g_assert_nonnull(strstr(fault.text, "meshctl key new"));
        place_close(&place);
}

static void a_file_is_replaced_whole_and_stays_secret(void)
{
        struct cmi_key_file file = make_file(3);
        struct cmi_key_file read;
        struct fault fault = {0};
        struct stat status;
        struct place place;

        place_open(&place, 0600);
        file.used = 2;
        g_assert_cmpint(key_store_write(place.path, &file), ==, 0);
        g_assert_cmpint(stat(place.path, &status), ==, 0);
        g_assert_cmpint(status.st_mode & 07777, ==, 0600);
        g_assert_cmpint(key_store_read(place.path, &read, &fault), ==, 0);
        g_assert_cmpmem(&read, sizeof(read), &file, sizeof(file));
        place_close(&place);
}

static void a_link_to_the_file_stays_one(void)
{
        struct cmi_key_file file = make_file(3);
        struct cmi_key_file read;
        struct fault fault = {0};
        struct stat status;
        struct place place;
        char link_path[128];

        place_open(&place, 0600);
        snprintf(link_path, sizeof(link_path), "%s/link", place.directory);
        g_assert_cmpint(symlink("key", link_path), ==, 0);
        g_assert_cmpint(key_store_write(link_path, &file), ==, 0);
        g_assert_cmpint(lstat(link_path, &status), ==, 0);
        g_assert_true(S_ISLNK(status.st_mode));
        g_assert_cmpint(key_store_read(place.path, &read, &fault), ==, 0);
        g_assert_cmpuint(read.n_keys, ==, 3);
        unlink(link_path);
        place_close(&place);
}

static void a_file_that_cannot_be_replaced_stays_as_it_is(void)
{
        struct cmi_key_file file = make_file(3);
        struct cmi_key_file read;
        struct fault fault = {0};
        struct place place;
        char blocker[128];

        place_open(&place, 0600);
        /* A directory where the new file would be made, which also root cannot unlink. */
        snprintf(blocker, sizeof(blocker), "%s.new", place.path);
        g_assert_cmpint(mkdir(blocker, 0700), ==, 0);
        g_assert_cmpint(key_store_write(place.path, &file), <, 0);
        g_assert_cmpint(key_store_read(place.path, &read, &fault), ==, 0);
        g_assert_cmpuint(read.n_keys, ==, 2);
        rmdir(blocker);
        place_close(&place);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add_func("/key_ring/" #name, name)
        CASE(what_is_derived_does_not_change_between_versions);
        CASE(nothing_that_is_derived_equals_another_thing);
        CASE(a_key_is_found_by_its_first_digits);
        CASE(a_key_is_exchanged_in_three_steps);
        CASE(a_fourth_key_is_one_too_many);
        CASE(a_file_that_others_can_read_is_refused);
        CASE(a_file_of_another_user_is_refused);
        CASE(what_is_no_file_is_refused);
        CASE(a_file_is_replaced_whole_and_stays_secret);
        CASE(a_link_to_the_file_stays_one);
        CASE(a_file_that_cannot_be_replaced_stays_as_it_is);
        return g_test_run();
}
