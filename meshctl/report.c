/* SPDX-License-Identifier: MIT */
#include "meshctl/report.h"

#include "meshctl/document.h"
#include "meshctl/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FINDING_MAX 400

void report_tell(struct report *report, const char *state, const char *about, const char *advice,
                const char *format, ...)
{
        char finding[FINDING_MAX];
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(finding, sizeof(finding), format, arguments);
        va_end(arguments);
        report->n_problems += strcmp(state, "problem") == 0;
        report->n_notes += strcmp(state, "note") == 0;
        json_array_append_new(report->checks,
                        memory_got(json_pack("{s:s, s:s, s:s, s:o, s:s}", "check", report->check,
                                        "state", state, "about", about, "finding",
                                        document_text(cmi_slice_str(finding)), "advice", advice)));
}

bool report_is_true(const json_t *map, const char *key)
{
        return json_is_true(json_object_get(map, key));
}

bool report_is_recent(const json_t *map, const char *key, json_int_t max_ms)
{
        json_int_t age = document_int(map, key, -1);

        return age >= 0 && age <= max_ms;
}
