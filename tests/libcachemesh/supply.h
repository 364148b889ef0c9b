/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the library asks the system for (memory, mappings, descriptors, room in sockets), counted,
 * and refused at a point of the test's choice. The linker puts the functions of supply.c in the
 * place of libc's (supply_wraps in meson.build). Only calls that a thread makes between
 * supply_enter() and supply_leave() count, so a meshd that a test plays in another thread always
 * gets what it wants.
 */
#include <stdbool.h>
#include <stdint.h>

/* What can be refused; the numbers are bits of a set. */
enum supply_kind {
        SUPPLY_BLOCK = 1,      /* malloc() and its like */
        SUPPLY_MAP = 2,        /* mmap() */
        SUPPLY_DESCRIPTOR = 4, /* socket(), open(), eventfd(), epoll_create1(), one in a message */
        SUPPLY_WATCH = 8,      /* epoll_ctl() */
        SUPPLY_SOCKET = 16,    /* the kernel's memory for connect() and send() */
        SUPPLY_THREAD_WORD = 32, /* pthread_setspecific() */
        SUPPLY_BARRIER = 64,     /* membarrier(2), after it was granted once */
        SUPPLY_DISK = 128,       /* room for what is written to a file */
};

#define SUPPLY_KINDS 8

/* Shared with forked children, so that one count runs through all of them. */
struct supply_report {
        int64_t n_asked;                 /* since supply_begin() */
        int64_t n_refused[SUPPLY_KINDS]; /* in the order of enum supply_kind; never reset */
};

/* Before the first fork. */
void supply_init(void);

/* From now on the n-th call (from 0) is refused; @is_for_ever: and all after it. -1: none. */
void supply_begin(int64_t n, bool is_for_ever);

/* The n-th call and the one that comes @distance after it are refused. */
void supply_begin_pair(int64_t n, int64_t distance);

/* As supply_begin(); from now on one call of @n is refused, by chance. */
void supply_begin_by_chance(uint32_t seed, uint32_t n);

/* After supply_begin(): only these kinds count, a set of enum supply_kind. */
void supply_only(unsigned kinds);

/* Nothing is refused any more, in this process and its later children. */
void supply_end(void);

/* Was something refused since supply_begin()? */
bool supply_has_refused(void);
struct supply_report supply_report(void);

void supply_enter(void);
void supply_leave(void);

/* Blocks of malloc() that this process holds, and bytes that it has mapped. */
int64_t supply_n_blocks(void);
int64_t supply_n_mapped(void);
