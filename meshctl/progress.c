/* SPDX-License-Identifier: MIT */
#include "meshctl/progress.h"

#include "meshctl/deadline.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define FIRST_MS 1000
#define EVERY_MS 250

void progress_start(struct progress *progress, const char *what, ...)
{
        va_list list;

        progress_stop(progress);
        progress->since_ns = deadline_now_ns();
        va_start(list, what);
        vsnprintf(progress->what, sizeof(progress->what), what, list);
        va_end(list);
}

int progress_draw(struct progress *progress)
{
        uint64_t ms;

        if (!progress->is_shown || progress->since_ns == 0) {
                return -1;
        }
        ms = (deadline_now_ns() - progress->since_ns) / CMI_NS_PER_MS;
        if (ms < FIRST_MS) {
                return (int)(FIRST_MS - ms);
        }
        fprintf(stderr, "\r%s, %" PRIu64 " s\033[K", progress->what, ms / 1000);
        fflush(stderr);
        progress->is_visible = true;
        return EVERY_MS;
}

void progress_stop(struct progress *progress)
{
        if (progress->is_visible) {
                fputs("\r\033[K", stderr);
                fflush(stderr);
        }
        progress->is_visible = false;
        progress->since_ns = 0;
}
