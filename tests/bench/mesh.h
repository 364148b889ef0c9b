/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A mesh of meshd processes on loopback or on the hosts of a lab, with the defaults that ship: own
 * directories, ports and name, no multicast; all nodes are told of the first one and learn of the
 * others from it.
 */
#include "tests/bench/bench.h"
#include "tests/bench/host.h"

#define MESH_NODES_MAX 128

struct mesh_node {
        pid_t pid;
        unsigned port;
        const char *directory;
        char socket[BENCH_PATH_MAX];
        char name[16];
};

struct mesh {
        const char *program;
        const char *meshctl;
        const struct hosts *hosts; /* node i is on host i */
        unsigned n_nodes;
        struct mesh_node nodes[MESH_NODES_MAX];
};

/**
 * mesh_start() - start the nodes, and wait until each one counts all others as live
 * @program:  meshd, or the meshd with a witness; kept
 * @meshctl:  kept
 * @hosts:    kept; NULL: loopback
 * @stamp_fds: NULL, or the test page of each node; -1: none
 */
void mesh_start(struct mesh *mesh, unsigned n_nodes, const char *program, const char *meshctl,
                const struct hosts *hosts, const int *stamp_fds);

/* One more node without a test page; returns when it and all others count each other as live. */
void mesh_join(struct mesh *mesh);
void mesh_stop(struct mesh *mesh);

/* meshctl stats of this node: one counter. */
uint64_t mesh_counter(const struct mesh *mesh, unsigned node, const char *name);
