/* SPDX-License-Identifier: MIT */
#include "tests/libcachemesh/supply.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

struct shared {
        _Atomic int64_t n_left;
        _Atomic int64_t n_asked;
        _Atomic int64_t n_refused[SUPPLY_KINDS];
        _Atomic unsigned kinds;
        _Atomic int64_t distance; /* of a second refusal; 0: none */
        _Atomic uint32_t chance;  /* one of so many; 0: none */
        _Atomic uint32_t random;
        _Atomic bool is_for_ever;
        _Atomic bool has_refused;
};

static struct shared *shared;
static _Atomic bool is_over; /* of this process and its later children */
static _Atomic int64_t n_blocks;
static _Atomic int64_t n_mapped;
static __thread bool is_counted;

void *__real_mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *address, size_t size);

void supply_init(void)
{
        shared = __real_mmap64(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (shared == MAP_FAILED) {
                abort();
        }
}

void supply_begin(int64_t n, bool is_for_ever)
{
        is_over = false;
        shared->n_asked = 0;
        shared->kinds = ~0u;
        shared->chance = 0;
        shared->distance = 0;
        shared->is_for_ever = is_for_ever;
        shared->has_refused = false;
        shared->n_left = n < 0 ? INT64_MAX : n;
}

void supply_begin_pair(int64_t n, int64_t distance)
{
        supply_begin(n, false);
        shared->distance = distance;
}

void supply_begin_by_chance(uint32_t seed, uint32_t n)
{
        supply_begin(-1, false);
        shared->random = seed;
        shared->chance = n;
}

void supply_only(unsigned kinds)
{
        shared->kinds = kinds;
}

void supply_end(void)
{
        is_over = true;
}

bool supply_has_refused(void)
{
        return shared->has_refused;
}

struct supply_report supply_report(void)
{
        struct supply_report report = {.n_asked = shared->n_asked};

        for (int i = 0; i < SUPPLY_KINDS; i++) {
                report.n_refused[i] = shared->n_refused[i];
        }
        return report;
}

void supply_enter(void)
{
        is_counted = true;
}

void supply_leave(void)
{
        is_counted = false;
}

int64_t supply_n_blocks(void)
{
        return n_blocks;
}

int64_t supply_n_mapped(void)
{
        return n_mapped;
}

/* Numerical Recipes' linear congruence; its upper half is random enough. */
static bool is_unlucky(void)
{
        shared->random = shared->random * 1664525u + 1013904223u;
        return (shared->random >> 16) % shared->chance == 0;
}

/* @n_left: granted calls that are left before the first refusal; it goes below 0. */
static bool is_refused(int64_t n_left)
{
        if (shared->chance > 0) {
                return is_unlucky();
        }
        return n_left == 0 || (n_left < 0 && (shared->is_for_ever || n_left == -shared->distance));
}

static bool refuses(enum supply_kind kind)
{
        if (!is_counted || is_over || !(shared->kinds & kind)) {
                return false;
        }
        shared->n_asked++;
        if (!is_refused(atomic_fetch_sub(&shared->n_left, 1))) {
                return false;
        }
        shared->has_refused = true;
        shared->n_refused[__builtin_ctz(kind)]++;
        return true;
}

static void *counted(void *block)
{
        n_blocks += is_counted && block;
        return block;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
        return refuses(SUPPLY_BLOCK) ? NULL : counted(__real_malloc(size));
}

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
        return refuses(SUPPLY_BLOCK) ? NULL : counted(__real_calloc(n, size));
}

void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
        return refuses(SUPPLY_BLOCK) ? NULL : counted(__real_aligned_alloc(alignment, size));
}

void __real_free(void *block);
void __wrap_free(void *block);
void __wrap_free(void *block)
{
        n_blocks -= is_counted && block;
        __real_free(block);
}

void *__wrap_mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
        void *memory = MAP_FAILED;

        if (refuses(SUPPLY_MAP)) {
                errno = ENOMEM;
                return memory;
        }
        memory = __real_mmap64(address, size, protection, flags, fd, offset);
        if (is_counted && memory != MAP_FAILED) {
                n_mapped += (int64_t)size;
        }
        return memory;
}

int __wrap_munmap(void *address, size_t size);
int __wrap_munmap(void *address, size_t size)
{
        if (is_counted) {
                n_mapped -= (int64_t)size;
        }
        return __real_munmap(address, size);
}

static int no_descriptor(void)
{
        errno = EMFILE;
        return -1;
}

int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol)
{
        return refuses(SUPPLY_DESCRIPTOR) ? no_descriptor() : __real_socket(domain, type, protocol);
}

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
        return refuses(SUPPLY_DESCRIPTOR) ? no_descriptor() : __real_open64(path, flags);
}

int __real_openat64(int directory, const char *path, int flags, ...);
int __wrap_openat64(int directory, const char *path, int flags, ...);
int __wrap_openat64(int directory, const char *path, int flags, ...)
{
        va_list list;
        mode_t mode;

        va_start(list, flags);
        mode = va_arg(list, mode_t);
        va_end(list);
        return refuses(SUPPLY_DESCRIPTOR) ? no_descriptor()
                                          : __real_openat64(directory, path, flags, mode);
}

/* A part of it, as a disk that is nearly full does. */
ssize_t __real_writev(int fd, const struct iovec *parts, int n);
ssize_t __wrap_writev(int fd, const struct iovec *parts, int n);
ssize_t __wrap_writev(int fd, const struct iovec *parts, int n)
{
        return refuses(SUPPLY_DISK) ? __real_writev(fd, parts, 1) : __real_writev(fd, parts, n);
}

int __real_ftruncate64(int fd, off_t size);
int __wrap_ftruncate64(int fd, off_t size);
int __wrap_ftruncate64(int fd, off_t size)
{
        if (refuses(SUPPLY_DISK)) {
                errno = EIO;
                return -1;
        }
        return __real_ftruncate64(fd, size);
}

int __real_eventfd(unsigned count, int flags);
int __wrap_eventfd(unsigned count, int flags);
int __wrap_eventfd(unsigned count, int flags)
{
        return refuses(SUPPLY_DESCRIPTOR) ? no_descriptor() : __real_eventfd(count, flags);
}

int __real_epoll_create1(int flags);
int __wrap_epoll_create1(int flags);
int __wrap_epoll_create1(int flags)
{
        return refuses(SUPPLY_DESCRIPTOR) ? no_descriptor() : __real_epoll_create1(flags);
}

int __real_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
        if (operation == EPOLL_CTL_ADD && refuses(SUPPLY_WATCH)) {
                errno = ENOMEM;
                return -1;
        }
        return __real_epoll_ctl(epoll, operation, fd, event);
}

int __real_connect(int fd, const struct sockaddr *address, socklen_t size);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size)
{
        if (refuses(SUPPLY_SOCKET)) {
                errno = ENOMEM;
                return -1;
        }
        return __real_connect(fd, address, size);
}

ssize_t __real_send(int fd, const void *bytes, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t size, int flags)
{
        if (refuses(SUPPLY_SOCKET)) {
                errno = ENOBUFS;
                return -1;
        }
        return __real_send(fd, bytes, size, flags);
}

/* A process without a free number gets the bytes, and is told that something was left out. */
ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags)
{
        ssize_t n = __real_recvmsg(fd, message, flags);
        struct cmsghdr *part = n >= 0 ? CMSG_FIRSTHDR(message) : NULL;
        int number;

        if (part && part->cmsg_type == SCM_RIGHTS && refuses(SUPPLY_DESCRIPTOR)) {
                for (size_t at = CMSG_LEN(0); at < part->cmsg_len; at += sizeof(number)) {
                        memcpy(&number, (char *)part + at, sizeof(number));
                        close(number);
                }
                message->msg_controllen = 0;
                message->msg_flags |= MSG_CTRUNC;
        }
        return n;
}

int __real_pthread_setspecific(pthread_key_t key, const void *value);
int __wrap_pthread_setspecific(pthread_key_t key, const void *value);
int __wrap_pthread_setspecific(pthread_key_t key, const void *value)
{
        return refuses(SUPPLY_THREAD_WORD) ? ENOMEM : __real_pthread_setspecific(key, value);
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
        long values[3];
        va_list list;

        va_start(list, number);
        for (int i = 0; i < 3; i++) {
                values[i] = va_arg(list, long);
        }
        va_end(list);
        if (number == SYS_membarrier && (int)values[0] == MEMBARRIER_CMD_PRIVATE_EXPEDITED &&
                        refuses(SUPPLY_BARRIER)) {
                errno = ENOMEM;
                return -1;
        }
        return __real_syscall(number, values[0], values[1], values[2]);
}
