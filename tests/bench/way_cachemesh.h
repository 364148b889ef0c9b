/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * cachemesh as a way: an app with libcachemesh.so on the first node of a mesh; the receivers are
 * the other meshd processes, whose pages all processes of their nodes read.
 */
#include "libcachemesh/cachemesh.h"
#include "tests/bench/mesh.h"
#include "tests/bench/way.h"

struct way_cachemesh {
        struct mesh mesh;
        struct cm *cm;
        struct cm_region *region;
        struct cm_batch *batch;
};

size_t way_cachemesh_key(char ret_key[WAY_KEY_LEN + 1], uint64_t number);

/* Invalidate one key and wait for the whole mesh. Return: its position in the stream; dies
 * unless all have it. */
uint64_t way_cachemesh_wait(struct way *way, uint64_t number);
