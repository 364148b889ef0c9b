/* SPDX-License-Identifier: MIT */
/*
 * A disk that takes its time, and fails in a directory that has a file of the name "no-sync":
 * fsync() of the program that this is linked into. It stands in front of the C library's.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SLOW_NS 700000000 /* longer than half a lease of the test */

int fsync(int fd)
{
        const struct timespec pause = {.tv_nsec = SLOW_NS};

        nanosleep(&pause, NULL);
        if (faccessat(fd, "no-sync", F_OK, 0) == 0) {
                errno = EIO;
                return -1;
        }
        return (int)syscall(SYS_fsync, fd);
}
