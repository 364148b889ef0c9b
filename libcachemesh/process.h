/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a process has once, whatever handles it opens: the values pinned beyond the end of their
 * handle, and the word that tells a forked child that it is one.
 *
 * It lives in one page marked MADV_WIPEONFORK. A child finds zeros there: free locks, and
 * generation 0, which no record and no handle carries. So each call notices a fork by comparing two
 * words, without a system call, and no lock of the parent can block the child.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct cmi_orphanage;

struct cmi_process {
        _Atomic uint64_t generation; /* grows with each fork below this process; 0 until noticed */
        _Atomic uint32_t n_orphanages; /* read by each release, hence beside the above */

        /* For what follows, for noticing a fork, and for which thread awaits which load. */
        _Alignas(64) _Atomic uint32_t lock;
        struct cmi_orphanage *orphanages;
};

/* clock_gettime() without libc's wrapper where the kernel offers it: a hit reads two
 * clocks. Never NULL. */
extern int (*cmi_clock_gettime)(clockid_t clock, struct timespec *ret_time);

/* NULL until cmi_process_start(). */
extern struct cmi_process *cmi_process;

/**
 * cmi_process_start() - make the page and ask the kernel for its barrier
 *
 * Any thread, any number of times; every cm_open() calls it.
 *
 * Return: 0 or -ENOMEM.
 */
int cmi_process_start(void);

/* The generation of this process; after a fork it is made up by the first caller. */
uint64_t cmi_process_generation(void);

void cmi_process_lock(void);
void cmi_process_unlock(void);

/* Do readers order their own stores and loads? Otherwise cmi_barrier() does it for them. */
extern bool cmi_process_is_strong;

/**
 * cmi_barrier() - order every thread's earlier stores before its later loads
 *
 * membarrier(2), PRIVATE_EXPEDITED: what the reclaimer pays so that readers need not.
 *
 * Return: true if it is done; false (the system call was forbidden later) means
 *         that nothing may be freed.
 */
bool cmi_barrier(void);
