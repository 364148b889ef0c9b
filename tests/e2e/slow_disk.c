/* SPDX-License-Identifier: MIT */
/*
 * A disk that takes its time: fsync() of the program that this is linked into. It stands in front
 * of the C library's.
 */
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SLOW_NS 700000000 /* longer than half a lease of the test */

int fsync(int fd)
{
        const struct timespec pause = {.tv_nsec = SLOW_NS};

        nanosleep(&pause, NULL);
        return (int)syscall(SYS_fsync, fd);
}
