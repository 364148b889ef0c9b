/* SPDX-License-Identifier: MIT */
/*
 * epoll_loop: cachemesh in an event loop. The loop is for events and prompt reconnection only: gets
 * and invalidations work without it. This one invalidates each key that it reads from its standard
 * input, one a line, and prints what happens to the connection, until the input ends.
 */
#include <cachemesh.h>

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static const char *const modes[] = {"live", "bypass", "offline", "standalone"};

static void print_events(struct cm *cm)
{
        struct cm_event event;

        while (cm_next_event(cm, &event) == CM_OK) {
                printf("event %d, %s: %s\n", (int)event.kind, modes[event.mode], event.detail);
        }
        fflush(stdout);
}

/* Return: 0 at the end of the input. */
static int read_keys(struct cm_region *region)
{
        static char input[4096]; /* what has come since the last newline */
        static size_t n;
        ssize_t got = read(STDIN_FILENO, input + n, sizeof(input) - n);
        char *line = input;
        char *end;

        if (got <= 0) {
                return 0;
        }
        n += (size_t)got;
        while ((end = memchr(line, '\n', n))) {
                int r = cm_invalidate(region, line, (size_t)(end - line), CM_WAIT_NODE, NULL);

                printf("%.*s: %s\n", (int)(end - line), line, cm_strerror(r));
                fflush(stdout);
                n -= (size_t)(end + 1 - line);
                line = end + 1;
        }
        memmove(input, line, n);
        return n < sizeof(input);
}

int main(void)
{
        struct epoll_event event = {.events = EPOLLIN, .data.fd = STDIN_FILENO};
        struct cm_region *region;
        struct cm *cm;
        int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        int fd;

        if (cm_open(&cm, NULL) < 0 || cm_region_open(&region, cm, "keys", NULL) < 0) {
                fprintf(stderr, "epoll_loop: cannot open the cache\n");
                return 1;
        }
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &event);
        /* The same descriptor for the life of the handle, whatever becomes of the connection. */
        fd = cm_fd(cm);
        event.events = (uint32_t)cm_events(cm);
        event.data.fd = fd;
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
        for (;;) {
                int n = epoll_wait(epoll_fd, &event, 1, cm_timeout_ms(cm));

                if (n == 1 && event.data.fd == STDIN_FILENO && !read_keys(region)) {
                        break;
                }
                cm_dispatch(cm); /* cheap when there is nothing to do */
                print_events(cm);
        }
        cm_close(cm);
        return 0;
}
