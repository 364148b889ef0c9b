/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into meshd or meshctl: malloc() and its like fail where a test wants it. The test
 * writes what it wants into a file that is mapped here (SHORT_SUPPLY), at any time, and reads there
 * what was refused. The program's own requests and those of libraries are told apart by the address
 * that a call returns to: libzmq, libuv and parts of libc end the process when they get nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* In the order of test_shortage.py's fields. */
struct supply {
        _Atomic int64_t n_left;      /* requests until the refusal; negative: none is refused */
        _Atomic int64_t is_for_ever; /* all from there on */
        _Atomic int64_t are_others;  /* those of libraries count, the own ones do not */
        _Atomic int64_t n_asked;
        _Atomic int64_t n_refused;
        _Atomic uint64_t caller; /* of the first refusal: offset in its file */
};

struct range {
        uintptr_t begin;
        uintptr_t end;
};

static struct supply unused = {.n_left = -1};
static struct supply *supply = &unused;
static struct range program;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

/* The first one is the program. */
static int note_program(struct dl_phdr_info *info, size_t size, void *context)
{
        for (int i = 0; i < info->dlpi_phnum; i++) {
                const ElfW(Phdr) *part = &info->dlpi_phdr[i];

                if (part->p_type == PT_LOAD && (part->p_flags & PF_X)) {
                        program.begin = info->dlpi_addr + part->p_vaddr;
                        program.end = program.begin + part->p_memsz;
                }
        }
        return 1;
}

__attribute__((constructor)) static void start(void)
{
        const char *path = getenv("SHORT_SUPPLY");
        int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
        void *memory = MAP_FAILED;

        dl_iterate_phdr(note_program, NULL);
        if (fd >= 0) {
                memory = mmap(NULL, sizeof(*supply), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
                close(fd);
        }
        if (memory != MAP_FAILED) {
                supply = memory;
        }
}

static bool is_in(const struct range *range, uintptr_t address)
{
        return address >= range->begin && address < range->end;
}

static bool refuses(const void *caller)
{
        uintptr_t address = (uintptr_t)caller;
        bool is_own = is_in(&program, address);
        int64_t n_left;

        if (supply->n_left < 0 && !(supply->is_for_ever && supply->n_refused > 0)) {
                return false;
        }
        if (is_own == (supply->are_others != 0)) {
                return false;
        }
        supply->n_asked++;
        n_left = atomic_fetch_sub(&supply->n_left, 1);
        if (n_left > 0 || (n_left < 0 && !(supply->is_for_ever && supply->n_refused > 0))) {
                return false;
        }
        if (supply->n_refused++ == 0) {
                supply->caller = is_in(&program, address) ? address - program.begin : 0;
        }
        errno = ENOMEM;
        return true;
}

#define CALLER __builtin_return_address(0)
#define EXPORTED __attribute__((visibility("default")))

EXPORTED void *malloc(size_t size)
{
        return refuses(CALLER) ? NULL : __libc_malloc(size);
}

EXPORTED void *calloc(size_t n, size_t size)
{
        return refuses(CALLER) ? NULL : __libc_calloc(n, size);
}

EXPORTED void *realloc(void *block, size_t size)
{
        return refuses(CALLER) ? NULL : __libc_realloc(block, size);
}

EXPORTED void *reallocarray(void *block, size_t n, size_t size)
{
        size_t total;

        if (__builtin_mul_overflow(n, size, &total)) {
                errno = ENOMEM;
                return NULL;
        }
        return refuses(CALLER) ? NULL : __libc_realloc(block, total);
}

EXPORTED void *aligned_alloc(size_t alignment, size_t size)
{
        return refuses(CALLER) ? NULL : __libc_memalign(alignment, size);
}

EXPORTED int posix_memalign(void **ret_block, size_t alignment, size_t size)
{
        void *block = refuses(CALLER) ? NULL : __libc_memalign(alignment, size);

        if (!block) {
                return ENOMEM;
        }
        *ret_block = block;
        return 0;
}
