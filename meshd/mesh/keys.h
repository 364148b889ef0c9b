/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The mesh keys of a running node: read at start, changed on request, and told to those who use
 * them. A change is in the file before it counts, so that a restart does not bring back what was
 * removed. The disk may take longer than a lease, so it is written on another thread, one change at
 * a time; all else here is the loop's thread's.
 */
#include "meshd/mesh/key_ring.h"
#include "meshd/mesh/link.h"

#include <uv.h>

struct key_change;

/* A change is over. @r: what key_store_write() says: not negative: it counts; else nothing has
 * changed. The loop's thread, never from inside keys_...(). */
typedef void (*keys_done_fn)(void *context, int r);

struct keys {
        const char *path;
        struct key_ring *ring;     /* NULL: this node runs without a key */
        struct links *links;       /* to be told; set once they are open */
        uv_loop_t *loop;           /* likewise set by the owner */
        struct key_change *change; /* under way; NULL: none */
};

enum keys_outcome {
        KEYS_BEGUN = 0,     /* done() follows */
        KEYS_UNCHANGED = 1, /* it is so already, and nothing follows */
};

/**
 * keys_open() - read the key file
 * @keys:  zeroed
 * @path:  borrowed; "": without a key
 * @fault: filled on failure
 *
 * With a key this process leaves no core files, since libzmq has copies of it.
 *
 * Return: 0, a negative errno with @fault.
 */
int keys_open(struct keys *keys, const char *path, struct fault *fault);
void keys_close(struct keys *keys);

/**
 * keys_install() - hold one key more
 * @key:     borrowed for the call
 * @done:    called when the change is over
 * @context: for it
 *
 * Return: an enum keys_outcome; -EALREADY (another change is under way); what
 * key_ring_plan_install() returns; -ENOMEM.
 */
int keys_install(struct keys *keys, const uint8_t key[CMI_KEY_SIZE], keys_done_fn done,
                void *context);

/* Use another one; drop one. Return: likewise, with what key_ring_find() and key_ring_plan_...()
 * return. */
int keys_use(struct keys *keys, struct cmi_slice fingerprint, keys_done_fn done, void *context);
int keys_remove(struct keys *keys, struct cmi_slice fingerprint, keys_done_fn done, void *context);
