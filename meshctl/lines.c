/* SPDX-License-Identifier: MIT */
#include "meshctl/lines.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static bool has_come(int fd)
{
        struct pollfd fds = {.fd = fd, .events = POLLIN};

        return poll(&fds, 1, 0) != 0;
}

/* Return: 0, or a negative errno; at the end is_ended is set. */
static int fill(struct lines *lines)
{
        ssize_t n;

        memmove(lines->data, lines->data + lines->begin, lines->end - lines->begin);
        lines->end -= lines->begin;
        lines->begin = 0;
        if (lines->end == LINES_SIZE) {
                return -EMSGSIZE;
        }
        do {
                n = read(lines->fd, lines->data + lines->end, LINES_SIZE - lines->end);
        } while (n < 0 && errno == EINTR);
        if (n < 0) {
                return -errno;
        }
        lines->end += (size_t)n;
        lines->is_ended = n == 0;
        lines->is_quiet = false;
        return 0;
}

static void give(struct lines *lines, size_t len, size_t end_len, struct cmi_slice *ret_line)
{
        *ret_line = cmi_slice(lines->data + lines->begin, len);
        lines->begin += len + end_len;
}

int lines_next(struct lines *lines, struct cmi_slice *ret_line)
{
        for (;;) {
                const char *at = lines->data + lines->begin;
                size_t left = lines->end - lines->begin;
                const char *end = memchr(at, '\n', left);
                int r;

                if (end) {
                        give(lines, (size_t)(end - at), 1, ret_line);
                        return LINES_LINE;
                }
                if (lines->is_ended && left > 0) {
                        give(lines, left, 0, ret_line);
                        return LINES_LINE;
                }
                if (lines->is_ended) {
                        return LINES_END;
                }
                if (!lines->is_quiet && !has_come(lines->fd)) {
                        lines->is_quiet = true;
                        return LINES_QUIET;
                }
                r = fill(lines);
                if (r < 0) {
                        return r;
                }
        }
}
