/* SPDX-License-Identifier: MIT */
/* Key rings, ids, hashes and sealed blobs. */
#include "libcachemesh/cachemesh-session.h"
#include "libcachemesh/session/ring.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <sodium.h>
#include <sys/stat.h>

#define DATA "what only the app may read"
#define BLOB_LEN (sizeof(DATA) + CMI_SEAL_OVERHEAD)

struct fixture {
        char *directory;
        char *path;
        struct cmi_ring *ring;
};

static void set_up(struct fixture *f, const void *unused)
{
        f->directory = g_dir_make_tmp("cm-seal-XXXXXX", NULL);
        f->path = g_build_filename(f->directory, "keys", NULL);
        g_assert_cmpint(cm_session_keys_new(f->path), ==, 0);
        g_assert_cmpint(cmi_ring_open(f->path, &f->ring), ==, 0);
}

static void tear_down(struct fixture *f, const void *unused)
{
        cmi_ring_close(f->ring);
        g_unlink(f->path);
        g_rmdir(f->directory);
        g_free(f->path);
        g_free(f->directory);
}

static void write_file(struct fixture *f, const struct cmi_session_keys *keys)
{
        char text[CMI_SESSION_KEYS_TEXT_SIZE];

        cmi_session_keys_format(keys, text);
        g_assert_true(g_file_set_contents_full(
                        f->path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL));
}

static struct cmi_session_version version(uint64_t counter, uint64_t seq)
{
        return (struct cmi_session_version){
                        .epoch = {.counter = counter, .opener = {{1}}, .incarnation = 1},
                        .seq = seq,
                        .writer = {{2}},
        };
}

static struct cmi_seal seal_data(struct fixture *f, uint8_t ret_blob[BLOB_LEN])
{
        struct cmi_seal seal = {.key = {{7}}, .base = version(1, 4)};

        cmi_seal(f->ring, &seal, cmi_slice(DATA, sizeof(DATA)), ret_blob);
        return seal;
}

static int open_blob(const struct cmi_ring *ring, const struct cmi_seal *seal, uint64_t seq,
                const uint8_t *blob, size_t len)
{
        struct cmi_session_version now = version(1, seq);
        uint8_t data[sizeof(DATA)] = "untouched";
        int r = cmi_unseal(ring, seal, &now, cmi_slice(blob, len), data);

        if (r == 0) {
                g_assert_cmpmem(data, sizeof(DATA), DATA, sizeof(DATA));
        } else {
                g_assert_null(memmem(data, sizeof(data), "only", 4));
        }
        return r;
}

static void a_blob_opens_for_what_it_was_sealed(struct fixture *f, const void *unused)
{
        uint8_t blob[BLOB_LEN];
        uint8_t again[BLOB_LEN];
        struct cmi_seal seal = seal_data(f, blob);
        struct cmi_seal second = seal_data(f, again);

        g_assert_cmpint(open_blob(f->ring, &seal, 5, blob, BLOB_LEN), ==, 0);
        g_assert_null(memmem(blob, BLOB_LEN, "only", 4));
        g_assert_false(cmi_id_is_zero(&seal.save_id));
        g_assert_false(cmi_id_equal(&seal.save_id, &second.save_id));
        g_assert_cmpint(memcmp(blob + 5, again + 5, BLOB_LEN - 5), !=, 0);
}

static void nothing_of_it_can_be_changed(struct fixture *f, const void *unused)
{
        uint8_t blob[BLOB_LEN];
        struct cmi_seal seal = seal_data(f, blob);

        for (size_t i = 0; i < BLOB_LEN; i++) {
                blob[i] ^= 0x10;
                g_assert_cmpint(open_blob(f->ring, &seal, 5, blob, BLOB_LEN), ==, CM_E_SEALED);
                blob[i] ^= 0x10;
                g_assert_cmpint(open_blob(f->ring, &seal, 5, blob, i), ==, CM_E_SEALED);
        }
        g_assert_cmpint(open_blob(f->ring, &seal, 5, blob, BLOB_LEN), ==, 0);
}

static void it_is_bound_to_key_base_and_save(struct fixture *f, const void *unused)
{
        uint8_t blob[BLOB_LEN];
        struct cmi_seal seal = seal_data(f, blob);
        struct cmi_seal others[] = {seal, seal, seal, seal, seal, seal, seal};

        others[0].key.bytes[15] ^= 1;
        others[1].save_id.bytes[0] ^= 1;
        others[2].base.seq--;
        others[3].base.epoch.counter = 0;
        others[4].base.epoch.incarnation--;
        others[5].base.epoch.opener.bytes[0] = 0;
        others[6].base.writer.bytes[0]--;
        for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
                g_assert_cmpint(open_blob(f->ring, &others[i], 5, blob, BLOB_LEN), ==, CM_E_SEALED);
        }
}

static void it_is_later_than_what_it_was_made_over(struct fixture *f, const void *unused)
{
        uint8_t blob[BLOB_LEN];
        struct cmi_seal seal = seal_data(f, blob);

        g_assert_cmpint(open_blob(f->ring, &seal, 4, blob, BLOB_LEN), ==, CM_E_SEALED);
        g_assert_cmpint(open_blob(f->ring, &seal, 3, blob, BLOB_LEN), ==, CM_E_SEALED);
        g_assert_cmpint(open_blob(f->ring, &seal, 9, blob, BLOB_LEN), ==, 0);
}

static void accepted_keys_open_and_removed_ones_do_not(struct fixture *f, const void *unused)
{
        struct cmi_session_keys keys = f->ring->keys;
        struct cmi_ring *rotated = NULL;
        uint8_t blob[BLOB_LEN];
        struct cmi_seal seal = seal_data(f, blob);

        memcpy(keys.seal[1], keys.seal[0], CMI_KEY_SIZE);
        memset(keys.seal[0], 9, CMI_KEY_SIZE);
        keys.n_seal = 2;
        write_file(f, &keys);
        g_assert_cmpint(cmi_ring_open(f->path, &rotated), ==, 0);
        g_assert_cmpint(open_blob(rotated, &seal, 5, blob, BLOB_LEN), ==, 0);
        cmi_ring_close(rotated);
        keys.n_seal = 1;
        write_file(f, &keys);
        g_assert_cmpint(cmi_ring_open(f->path, &rotated), ==, 0);
        g_assert_cmpint(open_blob(rotated, &seal, 5, blob, BLOB_LEN), ==, CM_E_SEALED);
        cmi_ring_close(rotated);
}

static void an_empty_session_is_sealed_as_well(struct fixture *f, const void *unused)
{
        struct cmi_seal seal = {.key = {{7}}};
        struct cmi_session_version now = version(1, 1);
        uint8_t blob[CMI_SEAL_OVERHEAD];
        uint8_t data[1];

        cmi_seal(f->ring, &seal, cmi_slice(NULL, 0), blob);
        g_assert_cmpint(cmi_unseal(f->ring, &seal, &now, cmi_slice(blob, sizeof(blob)), data), ==,
                        0);
}

static void a_new_ring_is_for_its_owner_and_never_over_another(
                struct fixture *f, const void *unused)
{
        struct stat status;

        g_assert_cmpint(stat(f->path, &status), ==, 0);
        g_assert_cmpuint(status.st_mode & 07777, ==, 0600);
        g_assert_cmpint(cm_session_keys_new(f->path), ==, -EEXIST);
        g_assert_cmpint(cm_session_keys_new(""), ==, -EINVAL);
        g_assert_cmpint(cm_session_keys_new(NULL), ==, -EINVAL);
        g_assert_cmpint(cm_session_keys_new("/nowhere/at/all"), ==, -ENOENT);
}

static void a_ring_that_others_may_read_is_refused(struct fixture *f, const void *unused)
{
        static const mode_t modes[] = {0640, 0604, 0620, 0601};
        struct cmi_ring *ring = NULL;

        for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
                g_assert_cmpint(chmod(f->path, modes[i]), ==, 0);
                g_assert_cmpint(cmi_ring_open(f->path, &ring), ==, -EACCES);
        }
        g_assert_cmpint(cmi_ring_open(f->directory, &ring), ==, -EACCES);
        g_assert_cmpint(cmi_ring_open("/nowhere/at/all", &ring), ==, -ENOENT);
        g_assert_null(ring);
        g_assert_cmpint(chmod(f->path, 0400), ==, 0);
        g_assert_cmpint(cmi_ring_open(f->path, &ring), ==, 0);
        cmi_ring_close(ring);
        g_assert_cmpint(chmod(f->path, 0600), ==, 0);
}

static void a_ring_that_makes_no_sense_is_refused(struct fixture *f, const void *unused)
{
        struct cmi_ring *ring = NULL;

        g_assert_true(g_file_set_contents_full(f->path, "cachemesh-session-keys 1\nseal\n", -1,
                        G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL));
        g_assert_cmpint(cmi_ring_open(f->path, &ring), ==, -EBADMSG);
        g_assert_null(ring);
}

static void an_id_has_one_way_to_be_written(struct fixture *f, const void *unused)
{
        static const char *const none[] = {
                        "",
                        ".",
                        "x",
                        "0123456789012345678901234567890",
                        "012345678901234567890123456789012",
                        "0123456789012345678901234567890=",
                        "0123456789012345678901234567890+",
                        "0123456789012345678901234567890 ",
                        "0123456789\n01234567890123456789 1",
                        "0123456789012345678901234567890.1",
                        "01234567890123456789012345678901 ",
        };
        char id[CMI_SESSION_ID_CHARS + 1] = {0};
        char other[CMI_SESSION_ID_CHARS + 1] = {0};
        uint8_t bytes[CMI_SESSION_ID_BYTES];
        uint8_t routed[CMI_SESSION_ID_BYTES];
        g_autofree char *with_route = NULL;

        cmi_session_id_make(id);
        cmi_session_id_make(other);
        g_assert_cmpuint(strlen(id), ==, CMI_SESSION_ID_CHARS);
        g_assert_cmpstr(id, !=, other);
        with_route = g_strdup_printf("%s.node-1", id);
        g_assert_cmpint(cmi_session_id_parse(id, bytes), ==, 0);
        g_assert_cmpint(cmi_session_id_parse(with_route, routed), ==, 0);
        g_assert_cmpmem(bytes, sizeof(bytes), routed, sizeof(routed));
        for (size_t i = 0; i < G_N_ELEMENTS(none); i++) {
                g_assert_cmpint(cmi_session_id_parse(none[i], bytes), ==, -EINVAL);
        }
}

/* By hand as seal.h says, with nothing of libcachemesh-session. */
static void hashes_are_what_the_page_says(struct fixture *f, const void *unused)
{
        static const uint8_t space_key[32] = "cachemesh session space";
        uint8_t bytes[4 + 16 + CMI_SESSION_ID_BYTES] = "id";
        struct cmi_id expected;
        struct cmi_id space;
        struct cmi_id key;

        cmi_space_key(cmi_slice_str("shop"), &space);
        crypto_generichash(expected.bytes, 16, (const uint8_t *)"shop", 4, space_key, 32);
        g_assert_true(cmi_id_equal(&space, &expected));
        expected = (struct cmi_id){{0x62, 0xe1, 0x80, 0x5b, 0x70, 0x07, 0x8b, 0xb8, 0x7d, 0x22,
                        0xf2, 0x9d, 0x9e, 0x2a, 0x9c, 0x87}};
        g_assert_true(cmi_id_equal(&space, &expected)); /* see test_sessions.c */
        memcpy(bytes + 2, space.bytes, 16);
        memset(bytes + 18, 3, CMI_SESSION_ID_BYTES);
        crypto_generichash(expected.bytes, 16, bytes, 18 + CMI_SESSION_ID_BYTES,
                        f->ring->keys.index[0], 32);
        cmi_session_key(f->ring, 0, &space, bytes + 18, &key);
        g_assert_true(cmi_id_equal(&key, &expected));
        cmi_principal_key(f->ring, 0, &space, cmi_slice(bytes + 18, CMI_SESSION_ID_BYTES), &key);
        g_assert_false(cmi_id_equal(&key, &expected));
}

#define CASE(name) g_test_add("/seal/" #name, struct fixture, NULL, set_up, name, tear_down)

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        CASE(a_blob_opens_for_what_it_was_sealed);
        CASE(nothing_of_it_can_be_changed);
        CASE(it_is_bound_to_key_base_and_save);
        CASE(it_is_later_than_what_it_was_made_over);
        CASE(accepted_keys_open_and_removed_ones_do_not);
        CASE(an_empty_session_is_sealed_as_well);
        CASE(a_new_ring_is_for_its_owner_and_never_over_another);
        CASE(a_ring_that_others_may_read_is_refused);
        CASE(a_ring_that_makes_no_sense_is_refused);
        CASE(an_id_has_one_way_to_be_written);
        CASE(hashes_are_what_the_page_says);
        return g_test_run();
}
