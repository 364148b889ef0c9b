/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What all benchmarks share: ending with a reason, clocks, percentiles, and children that never
 * outlive the program. A benchmark measures one thing once and prints one line of JSON;
 * tests/bench/run repeats it, compares and judges.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>

#define BENCH_PATH_MAX 100 /* a Unix socket's name must fit */

/* Print the reason and exit with status 1; children and directories go with the program. */
void bench_die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

static inline uint64_t bench_now_ns(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Sleep about this long; with a timer slack of 1 ns, which bench_start() asks for. */
void bench_nap(uint64_t ns);

/* First call of main(): precise sleeps, and an end in order on SIGINT and SIGTERM. */
void bench_start(void);

/* fork(), and the child dies with its parent. */
pid_t bench_fork(void);
void bench_kill(pid_t *pid); /* SIGKILL and reap; sets it to 0 */

/* A directory below $TMPDIR that is removed, with the files in it, at exit. */
const char *bench_directory(void);

/* A stream to a server of this host. */
int bench_connect_unix(const char *path);

/**
 * bench_sort() - sort samples
 * bench_percentile() - of sorted samples, nearest rank
 */
void bench_sort(uint64_t *samples, size_t n);
uint64_t bench_percentile(const uint64_t *sorted, size_t n, double percent);

/* User and system time of a process so far. */
uint64_t bench_cpu_ns(pid_t pid);

/* A number of /proc/PID/smaps_rollup, in KiB, such as "Rss". */
uint64_t bench_memory_kib(pid_t pid, const char *name);
