/* SPDX-License-Identifier: MIT */
#include "libcachemesh/process.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#ifdef __aarch64__
#define VDSO_CLOCK "__kernel_clock_gettime"
#else
#define VDSO_CLOCK "__vdso_clock_gettime"
#endif

struct cmi_process *cmi_process;
int (*cmi_clock_gettime)(clockid_t clock, struct timespec *ret_time) = clock_gettime;
bool cmi_process_is_strong;

static pthread_once_t once = PTHREAD_ONCE_INIT;
/* Survives a fork, so that a child never takes a parent's number. */
static uint64_t last_generation = 1;
static size_t page_bytes;

static int membarrier(int command)
{
        return (int)syscall(SYS_membarrier, command, 0, 0);
}

static void register_barrier(void)
{
#ifdef CM_SEQ_CST
        cmi_process_is_strong = true;
#else
        cmi_process_is_strong = membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) < 0;
#endif
}

bool cmi_barrier(void)
{
        if (cmi_process_is_strong) {
#ifndef CM_SEQ_CST /* there each access in question is sequentially consistent by itself */
                atomic_thread_fence(memory_order_seq_cst);
#endif
                return true;
        }
        return membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0;
}

/* Where MADV_WIPEONFORK is missing (an emulator, a kernel before 4.14) the child
 * wipes the page itself. */
static void wipe(void)
{
        if (!cmi_process) {
                return;
        }
        memset((void *)cmi_process, 0, page_bytes);
}

/* The kernel's own shared object is loaded in every process; it is only looked at here. */
static void find_clock(void)
{
        void *vdso = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);
        void *function = vdso ? dlsym(vdso, VDSO_CLOCK) : NULL;

        if (function) {
                memcpy(&cmi_clock_gettime, &function, sizeof(function));
        }
}

/* What cannot fail for lack of memory, hence once. */
static void start(void)
{
        page_bytes = (size_t)sysconf(_SC_PAGESIZE);
        register_barrier();
        find_clock();
}

static struct cmi_process *new_page(void)
{
        struct cmi_process *page = mmap(NULL, page_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (page == MAP_FAILED) {
                return NULL;
        }
        if (madvise(page, page_bytes, MADV_WIPEONFORK) < 0 &&
                        pthread_atfork(NULL, NULL, wipe) != 0) {
                munmap(page, page_bytes);
                return NULL;
        }
        atomic_store(&page->generation, last_generation);
        return page;
}

int cmi_process_start(void)
{
        struct cmi_process *none = NULL;
        struct cmi_process *page;

        pthread_once(&once, start);
        if (__atomic_load_n(&cmi_process, __ATOMIC_ACQUIRE)) {
                return 0;
        }
        page = new_page();
        if (!page) {
                return -ENOMEM; /* a later call may find some */
        }
        if (!__atomic_compare_exchange_n(
                            &cmi_process, &none, page, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
                munmap(page, page_bytes);
                return 0;
        }
#ifdef __SANITIZE_ADDRESS__
        /* Else the leak checker takes what only this page names for lost. */
        __lsan_register_root_region(page, page_bytes);
#endif
        return 0;
}

void cmi_process_lock(void)
{
        uint32_t is_free = 0;

        /* Held for a few instructions at a time; a mutex would need a state that
         * survives being wiped. */
        while (!atomic_compare_exchange_weak_explicit(&cmi_process->lock, &is_free, 1,
                        memory_order_acquire, memory_order_relaxed)) {
                is_free = 0;
                sched_yield();
        }
}

void cmi_process_unlock(void)
{
        atomic_store_explicit(&cmi_process->lock, 0, memory_order_release);
}

uint64_t cmi_process_generation(void)
{
        uint64_t generation = atomic_load_explicit(&cmi_process->generation, memory_order_acquire);

        if (generation != 0) {
                return generation;
        }
        cmi_process_lock();
        generation = atomic_load_explicit(&cmi_process->generation, memory_order_relaxed);
        if (generation == 0) {
                register_barrier();
                generation = ++last_generation;
                atomic_store_explicit(&cmi_process->generation, generation, memory_order_release);
        }
        cmi_process_unlock();
        return generation;
}
