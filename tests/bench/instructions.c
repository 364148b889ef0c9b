/* SPDX-License-Identifier: MIT */
#include "tests/bench/instructions.h"

#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

int instructions_open(void)
{
        struct perf_event_attr attributes = {
                        .type = PERF_TYPE_HARDWARE,
                        .size = sizeof(attributes),
                        .config = PERF_COUNT_HW_INSTRUCTIONS,
                        .exclude_kernel = 1,
                        .exclude_hv = 1,
        };

        return (int)syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

uint64_t instructions_read(int fd)
{
        uint64_t n = 0;

        return fd >= 0 && read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

void instructions_close(int fd)
{
        if (fd >= 0) {
                close(fd);
        }
}
