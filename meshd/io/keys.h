/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The mesh keys of a running node: read at start, changed on request, and told to those who use
 * them. A change is on the disk before it counts, so that a restart does not bring back what was
 * removed.
 */
#include "meshd/io/link.h"
#include "meshd/key_ring.h"

struct keys {
        const char *path;
        struct key_ring *ring; /* NULL: this node runs without a key */
        struct links *links;   /* to be told; set once they are open */
        int write_error;       /* why the file could not be written at the last change, or 0 */
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

/* The three steps. Return: 0; what key_ring_find() and key_ring_plan_...() return; or another
 * negative errno if the file could not be written, in which case nothing has changed. */
int keys_install(struct keys *keys, const uint8_t key[CMI_KEY_SIZE]);
int keys_use(struct keys *keys, struct cmi_slice fingerprint);
int keys_remove(struct keys *keys, struct cmi_slice fingerprint);
