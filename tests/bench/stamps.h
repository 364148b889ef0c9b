/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The test page: a receiver writes here when it has applied what; the benchmark, which sleeps
 * between looks, reads it. Shared memory of one receiver and the benchmark; the writer pays
 * one clock and two stores.
 */
#include "tests/bench/bench.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#define STAMPS_SIZE (1u << 20) /* numbers are taken modulo this */

struct stamps {
        _Atomic uint64_t n; /* how many were recorded */
        uint64_t pad[7];
        _Atomic uint64_t at_ns[STAMPS_SIZE]; /* CLOCK_MONOTONIC; 0: not yet */
};

static inline void stamps_record(struct stamps *stamps, uint64_t number, uint64_t now_ns)
{
        atomic_store_explicit(&stamps->at_ns[number % STAMPS_SIZE], now_ns, memory_order_release);
        atomic_store_explicit(&stamps->n,
                        atomic_load_explicit(&stamps->n, memory_order_relaxed) + 1,
                        memory_order_release);
}

/* @fd: of a memfd of at least this size. */
static inline struct stamps *stamps_map(int fd)
{
        void *memory = mmap(NULL, sizeof(struct stamps), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

        return memory == MAP_FAILED ? NULL : memory;
}

/* @ret_fd: inherited by children, also over exec. */
static inline struct stamps *stamps_new(int *ret_fd)
{
        int fd = memfd_create("stamps", 0);
        struct stamps *stamps = NULL;

        if (fd >= 0 && ftruncate(fd, sizeof(struct stamps)) == 0) {
                stamps = stamps_map(fd);
        }
        if (!stamps) {
                bench_die("no test page: %m");
        }
        *ret_fd = fd;
        return stamps;
}
