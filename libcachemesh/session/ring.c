/* SPDX-License-Identifier: MIT */
/*
 * Key rings: from a file into memory that is locked, kept out of core dumps and read-only; and new
 * files of them. Who may read such a file is decided here.
 */
#include "libcachemesh/session/ring.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "libcachemesh/cachemesh-session.h"
#include "libcachemesh/extension.h"

#include <errno.h>
#include <sodium.h>
#include <sys/stat.h>

_Static_assert(CMI_KEY_SIZE == crypto_generichash_KEYBYTES, "an index key is a key of BLAKE2b");

static int check_file(int fd, const char *path)
{
        struct stat status;

        if (fstat(fd, &status) < 0) {
                int error = -errno;

                return cmi_ext_fail(error, "%s: %s", path, cm_strerror(error));
        }
        if (!S_ISREG(status.st_mode)) {
                return cmi_ext_fail(-EACCES, "%s is no file", path);
        }
        if (status.st_uid != geteuid() && status.st_uid != 0) {
                return cmi_ext_fail(-EACCES, "%s belongs to another user", path);
        }
        if (status.st_mode & (S_IRWXG | S_IRWXO)) {
                return cmi_ext_fail(-EACCES,
                                "%s may be used by others than its owner: chmod 600 it", path);
        }
        return 0;
}

static const char *what_is_wrong(int error)
{
        switch (-error) {
        case EPROTONOSUPPORT:
                return "no key ring, or one of another version";
        case EEXIST:
                return "a key twice, or a second use of a kind";
        case E2BIG:
                return "too many keys of a kind, or too long";
        case ENOKEY:
                return "no key to use, of one kind or both";
        default:
                return "no line of a key ring";
        }
}

static int parse(const char *path, struct cmi_slice text, struct cmi_session_keys *ret_keys)
{
        uint32_t line = 0;
        int r = cmi_session_keys_parse(text, ret_keys, &line);

        return r < 0 ? cmi_ext_fail(r, "%s:%u: %s", path, line, what_is_wrong(r)) : 0;
}

static int read_keys(const char *path, struct cmi_session_keys *ret_keys)
{
        CM_CLEANUP(cmi_close_p) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        char text[CMI_KEY_FILE_MAX + 1];
        ssize_t n = fd < 0 ? -errno : 0;
        int r = 0;

        if (n == 0) {
                r = check_file(fd, path);
                n = r < 0 ? 0 : cmi_file_read(fd, text, sizeof(text));
        }
        if (n < 0) {
                r = cmi_ext_fail((int)n, "%s: %s", path, cm_strerror((int)n));
        } else if (r == 0) {
                r = parse(path, cmi_slice(text, (size_t)n), ret_keys);
        }
        sodium_memzero(text, sizeof(text));
        return r;
}

static void name_keys(struct cmi_ring *ring)
{
        struct cmi_id name;

        for (uint32_t i = 0; i < ring->keys.n_seal; i++) {
                (void)crypto_generichash(name.bytes, sizeof(name.bytes),
                                (const unsigned char *)"name", 4, ring->keys.seal[i], CMI_KEY_SIZE);
                memcpy(ring->names[i], name.bytes, CMI_SEAL_NAME_SIZE);
        }
}

int cmi_ring_open(const char *path, struct cmi_ring **ret_ring)
{
        struct cmi_session_keys keys;
        struct cmi_ring *ring;
        int r = sodium_init() < 0 ? cmi_ext_fail(-EIO, "no random numbers") : 0;

        if (r == 0) {
                r = read_keys(path, &keys);
        }
        if (r < 0) {
                return r;
        }
        ring = sodium_malloc(sizeof(*ring));
        if (ring) {
                *ring = (struct cmi_ring){.keys = keys};
                name_keys(ring);
                randombytes_buf(ring->memo_secret, sizeof(ring->memo_secret));
                (void)sodium_mprotect_readonly(ring);
                *ret_ring = ring;
        }
        sodium_memzero(&keys, sizeof(keys));
        return ring ? 0 : cmi_ext_fail(-ENOMEM, "no memory for the key ring");
}

struct cmi_ring *cmi_ring_close(struct cmi_ring *ring)
{
        sodium_free(ring); /* wipes it */
        return NULL;
}

uint32_t cmi_ring_n_index(const struct cmi_ring *ring)
{
        return ring->keys.n_index;
}

const void *cmi_ring_memo_secret(const struct cmi_ring *ring)
{
        return ring->memo_secret;
}

int cm_session_keys_new(const char *path)
{
        struct cmi_session_keys keys = {.n_seal = 1, .n_index = 1};
        char text[CMI_SESSION_KEYS_TEXT_SIZE];
        size_t len;
        int r;

        if (!path || !*path) {
                return cmi_ext_fail(-EINVAL, "a key ring needs a path");
        }
        if (sodium_init() < 0) {
                return cmi_ext_fail(-EIO, "no random numbers");
        }
        randombytes_buf(keys.seal[0], CMI_KEY_SIZE);
        randombytes_buf(keys.index[0], CMI_KEY_SIZE);
        len = cmi_session_keys_format(&keys, text);
        r = cmi_file_create(AT_FDCWD, path, cmi_slice(text, len));
        sodium_memzero(&keys, sizeof(keys));
        sodium_memzero(text, sizeof(text));
        return r < 0 ? cmi_ext_fail(r, "%s: %s", path, cm_strerror(r)) : 0;
}
