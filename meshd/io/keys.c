/* SPDX-License-Identifier: MIT */
#include "meshd/io/keys.h"

#include "meshd/io/clock.h"
#include "meshd/io/key_store.h"
#include "meshd/io/logger.h"

#include <errno.h>
#include <sodium.h>
#include <sys/prctl.h>

/* The leak detector looks at its own process with ptrace, which this forbids. */
#ifdef __SANITIZE_ADDRESS__
#define IS_SECRETIVE 0
#else
#define IS_SECRETIVE 1
#endif

int keys_open(struct keys *keys, const char *path, struct fault *fault)
{
        struct cmi_key_file file;
        int r;

        if (!path[0]) {
                return 0;
        }
        keys->path = path;
        if (IS_SECRETIVE) {
                prctl(PR_SET_DUMPABLE, 0);
        }
        r = key_store_read(path, &file, fault);
        if (r < 0) {
                return r;
        }
        r = key_ring_new(&keys->ring, &file);
        sodium_memzero(&file, sizeof(file));
        return r < 0 ? fault_set(fault, FAULT_FAILED, r, "No memory for the keys.") : 0;
}

void keys_close(struct keys *keys)
{
        keys->ring = key_ring_free(keys->ring);
}

/* Wipes @file. */
static int change(struct keys *keys, struct cmi_key_file *file, bool is_cutting)
{
        int r = key_store_write(keys->path, file);

        keys->write_error = r;
        if (r == 0) {
                key_ring_set(keys->ring, file);
                links_rekey(keys->links, is_cutting, clock_read_ns(CLOCK_MONOTONIC));
        }
        sodium_memzero(file, sizeof(*file));
        return r;
}

int keys_install(struct keys *keys, const uint8_t key[CMI_KEY_SIZE])
{
        struct cmi_key_file file;
        int r = key_ring_plan_install(keys->ring, key, &file);

        if (r < 0) {
                return r;
        }
        r = change(keys, &file, false);
        if (r == 0) {
                uint32_t newest = keys->ring->file.n_keys - 1;

                logger(LOGGER_INFO, "key.installed",
                                L_TEXT("key", keys->ring->entries[newest].fingerprint));
        }
        return r;
}

int keys_use(struct keys *keys, struct cmi_slice fingerprint)
{
        struct cmi_key_file file;
        int index = key_ring_find(keys->ring, fingerprint);
        int r;

        if (index < 0 || (uint32_t)index == keys->ring->file.used) {
                return index < 0 ? index : 0;
        }
        key_ring_plan_use(keys->ring, (uint32_t)index, &file);
        r = change(keys, &file, true);
        if (r == 0) {
                logger(LOGGER_INFO, "key.used",
                                L_TEXT("key", key_ring_used(keys->ring)->fingerprint));
        }
        return r;
}

int keys_remove(struct keys *keys, struct cmi_slice fingerprint)
{
        char removed[KEY_RING_FINGERPRINT_SIZE];
        struct cmi_key_file file;
        int index = key_ring_find(keys->ring, fingerprint);
        int r = index < 0 ? index : key_ring_plan_remove(keys->ring, (uint32_t)index, &file);

        if (r < 0) {
                return r;
        }
        memcpy(removed, keys->ring->entries[index].fingerprint, sizeof(removed));
        r = change(keys, &file, true);
        if (r == 0) {
                logger(LOGGER_INFO, "key.removed", L_TEXT("key", removed));
        }
        return r;
}
