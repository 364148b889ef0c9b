/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Instructions of one thread in user space, as `perf stat -e instructions:u` counts them. Load on
 * the machine changes them hardly, so they compare two builds where times cannot.
 */
#include <stdint.h>

/* Begin to count for the calling thread. Return: a descriptor; -1 where that is not possible. */
int instructions_open(void);

/* How many there were; 0 with -1. */
uint64_t instructions_read(int fd);

void instructions_close(int fd);
