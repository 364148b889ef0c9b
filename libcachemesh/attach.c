/* SPDX-License-Identifier: MIT */
#include "libcachemesh/attach.h"

#include "wire/page.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

static uint64_t clock_ns(clockid_t clock)
{
        struct timespec now;

        clock_gettime(clock, &now);
        return (uint64_t)now.tv_sec * CMI_NS_PER_S + (uint64_t)now.tv_nsec;
}

struct cmi_time cmi_clocks_read(void)
{
        return (struct cmi_time){clock_ns(CLOCK_MONOTONIC), clock_ns(CLOCK_REALTIME)};
}

static bool is_between(uint64_t before, uint64_t x, uint64_t after)
{
        return x + CMI_CLOCK_TOLERANCE_NS >= before && x <= after + CMI_CLOCK_TOLERANCE_NS;
}

enum cmi_clocks cmi_clocks_compare(
                struct cmi_time before, struct cmi_time meshd, struct cmi_time after)
{
        int64_t mono_ns = (int64_t)(meshd.mono_ns - before.mono_ns);
        int64_t real_ns = (int64_t)(meshd.real_ns - before.real_ns);
        int64_t apart_ns = mono_ns - real_ns;

        if (!is_between(before.mono_ns, meshd.mono_ns, after.mono_ns) ||
                        !is_between(before.real_ns, meshd.real_ns, after.real_ns)) {
                return CMI_CLOCKS_DIFFER;
        }
        if (apart_ns > (int64_t)CMI_CLOCK_TOLERANCE_NS ||
                        apart_ns < -(int64_t)CMI_CLOCK_TOLERANCE_NS) {
                return CMI_CLOCKS_UNSURE;
        }
        return CMI_CLOCKS_SAME;
}

/* Without these seals another process could shrink the file, and reading it would be a SIGBUS. */
static bool is_sealed(int fd)
{
        int seals = fcntl(fd, F_GET_SEALS);

        return seals >= 0 &&
               (seals & (F_SEAL_SHRINK | F_SEAL_GROW)) == (F_SEAL_SHRINK | F_SEAL_GROW);
}

int cmi_page_map(int fd, uint64_t size, uint64_t epoch, void **ret_page)
{
        struct stat status;
        void *page;
        int r;

        if (fstat(fd, &status) < 0) {
                return -errno;
        }
        if (!S_ISREG(status.st_mode) || (uint64_t)status.st_size != size || !is_sealed(fd)) {
                return -EBADMSG;
        }
        page = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
        if (page == MAP_FAILED) {
                return -errno;
        }
        r = cmi_page_check(page, size);
        if (r == 0 && ((const struct cmi_page *)page)->epoch != epoch) {
                r = -EBADMSG;
        }
        if (r < 0) {
                munmap(page, size);
                return r;
        }
        *ret_page = page;
        return 0;
}
