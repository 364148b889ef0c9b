/* SPDX-License-Identifier: MIT */
/* What happened, as text for people and as a digest that tells whether a seed is a history. */
#include "tests/sim/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void *sim_allocate(size_t size)
{
        void *memory = aligned_alloc(64, (size + 63) & ~(size_t)63);

        if (!memory) {
                perror("meshsim");
                exit(1);
        }
        return memset(memory, 0, size);
}

void trace_line(struct world *world, const char *format, ...)
{
        char *line = world->lines[world->n_lines++ % TRACE_LINES];
        va_list args;
        int n = snprintf(line, TRACE_LINE_SIZE, "%12.6f  ", (double)world->now_ns / 1e9);

        va_start(args, format);
        vsnprintf(line + n, TRACE_LINE_SIZE - (size_t)n, format, args);
        va_end(args);
        if (world->is_tracing && world->now_ns <= world->until_ns) {
                puts(line);
        }
}

static void describe(char *text, size_t size, uint64_t type, struct cmi_slice body)
{
        struct cmi_beat beat;
        struct cmi_ops ops;
        struct cmi_nack nack;
        struct cmi_reset reset;
        struct cmi_goodbye goodbye;
        static struct cmi_hello hello;

        snprintf(text, size, "type %llu", (unsigned long long)type);
        if (type == CMI_FRAME_HELLO && cmi_hello_decode(body, &hello) == 0) {
                snprintf(text, size, "HELLO stream %04llx %llu to %llu, applied %04llx %llu, %s%s",
                                (unsigned long long)hello.newest.stream & 0xffff,
                                (unsigned long long)hello.oldest,
                                (unsigned long long)hello.newest.number,
                                (unsigned long long)hello.applied.stream & 0xffff,
                                (unsigned long long)hello.applied.number,
                                hello.echo_token ? "echo " : "",
                                hello.wants_answer ? "answer!" : "");
        } else if (type == CMI_FRAME_BEAT && cmi_beat_decode(body, &beat) == 0) {
                snprintf(text, size,
                                "BEAT at %llu, sent %llu, applied %llu, clock %.6f, echo "
                                "%.6f%s%s%s",
                                (unsigned long long)beat.newest.number,
                                (unsigned long long)beat.sent,
                                (unsigned long long)beat.applied.number,
                                (double)beat.clock.mono_ns / 1e9, (double)beat.echo.mono_ns / 1e9,
                                beat.is_grant ? " grant" : "", beat.counts_you ? " counts" : "",
                                beat.is_live ? " live" : "");
        } else if (type == CMI_FRAME_OPS && cmi_ops_decode(body, &ops) == 0) {
                snprintf(text, size, "OPS %llu and %u more", (unsigned long long)ops.first,
                                ops.count - 1);
        } else if (type == CMI_FRAME_NACK && cmi_nack_decode(body, &nack) == 0) {
                snprintf(text, size, "NACK after %llu", (unsigned long long)nack.after);
        } else if (type == CMI_FRAME_RESET && cmi_reset_decode(body, &reset) == 0) {
                snprintf(text, size, "RESET at %llu", (unsigned long long)reset.at.number);
        } else if (type == CMI_FRAME_GOODBYE && cmi_goodbye_decode(body, &goodbye) == 0) {
                snprintf(text, size, "GOODBYE at %llu", (unsigned long long)goodbye.final.number);
        }
}

void trace_frame(struct world *world, const char *verb, uint32_t from, uint32_t to,
                struct cmi_slice header_bytes, struct cmi_slice body)
{
        struct cmi_frame_header header;
        char text[150];

        if (cmi_frame_header_decode(header_bytes, &header) == 0) {
                describe(text, sizeof(text), header.type, body);
                trace_line(world, "node%u %s node%u: %s", from, verb, to, text);
        }
}

void trace_digest(struct world *world, uint64_t value)
{
        world->digest = (world->digest ^ value) * UINT64_C(0x100000001b3);
        world->digest ^= world->digest >> 29;
}

void trace_story(struct world *world, uint64_t value)
{
        world->story = (world->story ^ value) * UINT64_C(0x100000001b3) + world->now_ns;
        trace_digest(world, value);
}

void violation(struct world *world, const char *format, ...)
{
        va_list args;

        if (world->is_violated) {
                return;
        }
        world->is_violated = true;
        va_start(args, format);
        vsnprintf(world->violation, sizeof(world->violation), format, args);
        va_end(args);
        trace(world, "VIOLATION %s", world->violation);
}
