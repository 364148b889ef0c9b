/* SPDX-License-Identifier: MIT */
#include "meshctl/call.h"

#include "meshctl/deadline.h"

#include <poll.h>

#define OPEN_MS 5000 /* a meshd that accepts and then says nothing for so long hangs */
#define RETRY_MS 100
#define LEFT_MAX_MS (24 * 3600 * 1000)

int call_open(struct call *call)
{
        uint64_t deadline_ns = deadline_in_ms(OPEN_MS);

        if (call->channel) {
                return 0;
        }
        deadline_ns = deadline_ns < call->deadline_ns ? deadline_ns : call->deadline_ns;
        return channel_open(
                        &call->channel, call->socket, deadline_ns, &call->progress, &call->problem);
}

void call_renew(struct call *call)
{
        uint32_t ms = call->arguments->timeout_ms;

        call->deadline_ns = ms ? deadline_in_ms(ms) : DEADLINE_NEVER;
}

void call_pause(struct call *call, unsigned ms)
{
        uint64_t until = deadline_in_ms(ms);

        until = until < call->deadline_ns ? until : call->deadline_ns;
        for (;;) {
                int left = deadline_left_ms(until), next = progress_draw(&call->progress);

                if (left <= 0) {
                        return;
                }
                poll(NULL, 0, next >= 0 && next < left ? next : left);
        }
}

int call_open_patiently(struct call *call)
{
        for (;;) {
                int r;

                call->problem = (struct problem){0};
                r = call_open(call);
                if (r != STATUS_UNREACHABLE || deadline_left_ms(call->deadline_ns) == 0) {
                        return r;
                }
                call_pause(call, RETRY_MS);
        }
}

int call_query(struct call *call, const char *verb, struct cmi_slice arguments,
                json_t **ret_document)
{
        int r = call_open(call);

        if (r != 0) {
                return r;
        }
        return channel_query(call->channel, call->deadline_ns, verb, arguments, ret_document,
                        &call->problem);
}

int call_query_within(struct call *call, const char *verb, struct cmi_slice arguments,
                uint64_t max_ms, json_t **ret_document)
{
        uint64_t deadline_ns = call->deadline_ns;
        int r;

        call->deadline_ns = deadline_in_ms(max_ms);
        r = call_query(call, verb, arguments, ret_document);
        call->deadline_ns = deadline_ns;
        return r;
}

uint64_t call_left_ms(const struct call *call)
{
        int left = deadline_left_ms(call->deadline_ns);

        if (left < 0 || left > LEFT_MAX_MS) {
                return LEFT_MAX_MS;
        }
        return left > 0 ? (uint64_t)left : 1;
}

void call_arguments_begin(struct call_arguments *arguments, uint32_t n)
{
        arguments->writer = cmi_writer(arguments->buffer, sizeof(arguments->buffer));
        cmi_write_map(&arguments->writer, n);
}

void call_arguments_str(struct call_arguments *arguments, const char *key, const char *value)
{
        cmi_write_cstr(&arguments->writer, key);
        cmi_write_cstr(&arguments->writer, value);
}

void call_arguments_uint(struct call_arguments *arguments, const char *key, uint64_t value)
{
        cmi_write_cstr(&arguments->writer, key);
        cmi_write_uint(&arguments->writer, value);
}

void call_arguments_bool(struct call_arguments *arguments, const char *key, bool value)
{
        cmi_write_cstr(&arguments->writer, key);
        cmi_write_bool(&arguments->writer, value);
}

struct cmi_slice call_arguments_end(const struct call_arguments *arguments)
{
        return cmi_written(&arguments->writer);
}
