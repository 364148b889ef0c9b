/* SPDX-License-Identifier: MIT */
#include "meshd/mesh/keys.h"

#include "base/file.h"
#include "meshd/io/clock.h"
#include "meshd/io/logger.h"
#include "meshd/mesh/key_store.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
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

enum step {
        STEP_INSTALL,
        STEP_USE,
        STEP_REMOVE,
};

struct key_change {
        uv_work_t work;
        struct keys *keys;
        struct cmi_key_file file; /* as it is to be */
        enum step step;
        char removed[KEY_RING_FINGERPRINT_SIZE]; /* with STEP_REMOVE */
        int r;                                   /* of key_store_write() */
        keys_done_fn done;
        void *context;
};

/* Another thread: only what the change holds, and the path, which never changes. */
static void write_file(uv_work_t *work)
{
        struct key_change *change = work->data;

        change->r = key_store_write(change->keys->path, &change->file);
}

static void free_change(struct key_change *change)
{
        sodium_memzero(change, sizeof(*change));
        free(change);
}

static void log_change(const struct key_change *change)
{
        const struct key_ring *ring = change->keys->ring;

        switch (change->step) {
        case STEP_INSTALL:
                logger(LOGGER_INFO, "key.installed",
                                L_TEXT("key", ring->entries[ring->file.n_keys - 1].fingerprint));
                return;
        case STEP_USE:
                logger(LOGGER_INFO, "key.used", L_TEXT("key", key_ring_used(ring)->fingerprint));
                return;
        case STEP_REMOVE:
                logger(LOGGER_INFO, "key.removed", L_TEXT("key", change->removed));
                return;
        }
}

static void end_change(uv_work_t *work, int status)
{
        struct key_change *change = work->data;
        struct keys *keys = change->keys;

        /* What the file says counts, also if the host's crash might change it: a restart would read
         * it, and what was removed must not go on in memory. */
        if (change->r >= 0) {
                key_ring_set(keys->ring, &change->file);
                links_rekey(keys->links, change->step != STEP_INSTALL,
                                clock_read_ns(CLOCK_MONOTONIC));
                log_change(change);
        }
        if (change->r == CMI_FILE_UNSYNCED) {
                logger(LOGGER_WARNING, "key.unsynced", L_TEXT("file", keys->path),
                                L_TEXT("msg", "the disk does not confirm the change: a crash of "
                                              "the host may undo it"));
        }
        keys->change = NULL;
        change->done(change->context, change->r);
        free_change(change);
}

/* An empty change whose file is to be planned. Return: 0, -EALREADY, -ENOMEM. */
static int new_change(struct keys *keys, enum step step, struct key_change **ret_change)
{
        struct key_change *change;

        if (keys->change) {
                return -EALREADY;
        }
        change = calloc(1, sizeof(*change));
        if (!change) {
                return -ENOMEM;
        }
        change->work.data = change;
        change->keys = keys;
        change->step = step;
        *ret_change = change;
        return 0;
}

static int begin(struct key_change *change, keys_done_fn done, void *context)
{
        struct keys *keys = change->keys;
        int r;

        change->done = done;
        change->context = context;
        r = uv_queue_work(keys->loop, &change->work, write_file, end_change);
        if (r < 0) {
                free_change(change);
                return r;
        }
        keys->change = change;
        return KEYS_BEGUN;
}

int keys_install(struct keys *keys, const uint8_t key[CMI_KEY_SIZE], keys_done_fn done,
                void *context)
{
        struct key_change *change;
        int r = new_change(keys, STEP_INSTALL, &change);

        if (r < 0) {
                return r;
        }
        r = key_ring_plan_install(keys->ring, key, &change->file);
        if (r < 0) {
                free_change(change);
                return r;
        }
        return begin(change, done, context);
}

int keys_use(struct keys *keys, struct cmi_slice fingerprint, keys_done_fn done, void *context)
{
        struct key_change *change;
        int index = key_ring_find(keys->ring, fingerprint);
        int r;

        if (index < 0) {
                return index;
        }
        r = new_change(keys, STEP_USE, &change);
        if (r < 0) {
                return r;
        }
        if ((uint32_t)index == keys->ring->file.used) {
                free_change(change);
                return KEYS_UNCHANGED;
        }
        key_ring_plan_use(keys->ring, (uint32_t)index, &change->file);
        return begin(change, done, context);
}

int keys_remove(struct keys *keys, struct cmi_slice fingerprint, keys_done_fn done, void *context)
{
        struct key_change *change;
        int index = key_ring_find(keys->ring, fingerprint);
        int r = index < 0 ? index : new_change(keys, STEP_REMOVE, &change);

        if (r < 0) {
                return r;
        }
        r = key_ring_plan_remove(keys->ring, (uint32_t)index, &change->file);
        if (r < 0) {
                free_change(change);
                return r;
        }
        memcpy(change->removed, keys->ring->entries[index].fingerprint, sizeof(change->removed));
        return begin(change, done, context);
}
