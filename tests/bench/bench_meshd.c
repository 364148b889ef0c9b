/* SPDX-License-Identifier: MIT */
/*
 * meshd with a witness: the same objects, linked so that what the core says after applying
 * an operation (its page is published by then) also goes into the test page whose
 * descriptor is in $BENCH_STAMPS.
 */
#include "tests/bench/stamps.h"

#include "meshd/verbs/monitor.h"

#include <stdlib.h>

void __real_monitor_applied(struct monitor *monitor, const char *source, uint64_t number,
                const struct cmi_op *op);
void __wrap_monitor_applied(struct monitor *monitor, const char *source, uint64_t number,
                const struct cmi_op *op);

void bench_die(const char *format, ...)
{
        abort(); /* never called: the page is only mapped here */
}

void __wrap_monitor_applied(struct monitor *monitor, const char *source, uint64_t number,
                const struct cmi_op *op)
{
        static struct stamps *stamps;
        static int is_sought;

        if (!is_sought) {
                const char *text = getenv("BENCH_STAMPS");

                is_sought = 1;
                stamps = text ? stamps_map(atoi(text)) : NULL;
        }
        if (stamps) {
                stamps_record(stamps, number, bench_now_ns());
        }
        __real_monitor_applied(monitor, source, number, op);
}
