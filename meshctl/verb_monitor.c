/* SPDX-License-Identifier: MIT */
/* monitor: invalidations as this node applies them, sampled by meshd, which never waits for us. */
#include "meshctl/deadline.h"
#include "meshctl/document.h"
#include "meshctl/memory.h"
#include "meshctl/target.h"
#include "meshctl/verbs.h"

#include "base/cleanup.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define RATE_MAX 10000
#define RATE_DEFAULT 100

struct monitor {
        struct call *call;
        const char *region; /* NULL: all */
        uint64_t count;     /* 0: without end */
        uint64_t rate;
        uint64_t n_shown;
        bool has_headline;
};

static int read_flags(struct monitor *monitor)
{
        const struct arguments *arguments = monitor->call->arguments;
        const char *count = arguments_value(arguments, "count");
        const char *rate = arguments_value(arguments, "rate");

        monitor->region = arguments_value(arguments, "region");
        monitor->rate = RATE_DEFAULT;
        if (count && arguments_number(count, 1, UINT64_MAX, &monitor->count) < 0) {
                return problem_set(&monitor->call->problem, STATUS_USAGE, NULL,
                                "--count=%s: a number from 1", count);
        }
        if (rate && arguments_number(rate, 1, RATE_MAX, &monitor->rate) < 0) {
                return problem_set(&monitor->call->problem, STATUS_USAGE, NULL,
                                "--rate=%s: events a second, 1 to %d", rate, RATE_MAX);
        }
        return monitor->region ? target_check_region(&monitor->call->problem, monitor->region) : 0;
}

static int subscribe(struct monitor *monitor, uint64_t *ret_id)
{
        struct call *call = monitor->call;
        uint64_t deadline_ns = deadline_in_ms(5000);
        struct call_arguments arguments;
        int status = call_open(call);

        if (status != 0) {
                return status;
        }
        channel_watch_reader(call->channel, STDOUT_FILENO);
        call_arguments_begin(&arguments, 2);
        call_arguments_uint(&arguments, "rate", monitor->rate);
        call_arguments_bool(&arguments, "show_keys", arguments_has(call->arguments, "show-keys"));
        return channel_ask(call->channel, deadline_ns, CMI_LOCAL_SUBSCRIBE, "monitor",
                        call_arguments_end(&arguments), ret_id, &call->problem);
}

/* Whole words into a line that ends with how many were left out. */
static void add_targets(char *text, size_t size, const json_t *event, const char *list_key,
                const char *count_key, const char *word)
{
        const json_t *list = json_object_get(event, list_key), *target;
        json_int_t n = document_int(event, count_key, 0);
        json_int_t rest = n - (json_int_t)json_array_size(list);
        size_t used = strlen(text), i;

        json_array_foreach(list, i, target)
        {
                used += (size_t)snprintf(text + used, size - used, "%s%s:%s", used > 0 ? " " : "",
                                word, json_is_string(target) ? json_string_value(target) : "?");
                used = used < size ? used : size - 1;
        }
        if (rest > 0) {
                snprintf(text + used, size - used, "%s+%" JSON_INTEGER_FORMAT " %ss",
                                used > 0 ? " " : "", rest, word);
        }
}

static void print_line(struct monitor *monitor, const json_t *event)
{
        const struct output *output = &monitor->call->output;
        time_t s = (time_t)(document_int(event, "time_ms", 0) / 1000);
        char targets[8192] = "", when[16] = "";
        char *source, *region, *printable;
        struct tm local;

        if (json_is_true(json_object_get(event, "whole_region"))) {
                strcpy(targets, "whole-region");
        }
        add_targets(targets, sizeof(targets), event, "keys", "n_keys", "key");
        add_targets(targets, sizeof(targets), event, "tags", "n_tags", "tag");
        strftime(when, sizeof(when), "%H:%M:%S", localtime_r(&s, &local));
        source = table_printable(document_str(event, "source", "?"));
        region = table_printable(document_str(event, "region", "-"));
        printable = table_printable(targets);
        if (output->has_headers && !monitor->has_headline) {
                fprintf(output->file, "%-12s  %-12s  %10s  %-10s  %-16s  %s\n", "TIME", "SOURCE",
                                "POSITION", "KIND", "REGION", "TARGETS");
                monitor->has_headline = true;
        }
        fprintf(output->file, "%s.%03d  %-12s  %10" JSON_INTEGER_FORMAT "  %-10s  %-16s  %s\n",
                        when, (int)(document_int(event, "time_ms", 0) % 1000), source,
                        document_int(event, "position", 0), document_str(event, "kind", "?"),
                        region[0] ? region : "-", printable);
        free(source);
        free(region);
        free(printable);
}

/* What is not about one region is about each. */
static bool is_wanted(const struct monitor *monitor, const json_t *event)
{
        return !monitor->region || strcmp(document_str(event, "kind", ""), "invalidate") != 0 ||
               strcmp(monitor->region, document_str(event, "region", "")) == 0;
}

static void show(struct monitor *monitor, const json_t *event)
{
        const struct output *output = &monitor->call->output;
        json_int_t skipped = document_int(event, "skipped", 0);

        if (!is_wanted(monitor, event)) {
                return;
        }
        monitor->n_shown++;
        if (output->is_quiet) {
                return;
        }
        if (output->format == FORMAT_JSON || output->format == FORMAT_JSONL) {
                view_json(event, output, false);
        } else if (output->format == FORMAT_NAME) {
                view_name(event, "region", output);
        } else {
                if (skipped > 0) {
                        fprintf(stderr,
                                        "meshctl monitor: %" JSON_INTEGER_FORMAT
                                        " events skipped\n",
                                        skipped);
                }
                print_line(monitor, event);
        }
        fflush(output->file);
}

static int next_event(struct monitor *monitor, uint64_t id, json_t **ret_event)
{
        struct call *call = monitor->call;
        struct cmi_local_head head = {0};
        int status = channel_await(call->channel, call->deadline_ns, "monitor", id, CMI_LOCAL_EVENT,
                        &head, &call->problem);

        return status == 0 ? channel_document(&head, ret_event, &call->problem) : status;
}

/* --timeout says how long to watch: its end is a failure only if a number of events was wanted. */
static int ended(const struct monitor *monitor, int status)
{
        bool is_over = deadline_left_ms(monitor->call->deadline_ns) == 0;

        if (monitor->call->channel && !channel_has_reader(monitor->call->channel)) {
                /* "| head": whoever reads has seen enough, and wants no message about it. */
                monitor->call->problem = (struct problem){0};
                return STATUS_OK;
        }
        if (status != STATUS_INCOMPLETE || !is_over) {
                return status;
        }
        monitor->call->problem = (struct problem){0};
        if (monitor->count == 0) {
                return STATUS_OK;
        }
        return problem_set(&monitor->call->problem, STATUS_INCOMPLETE, "--timeout waits longer",
                        "the time was over after %" PRIu64 " of %" PRIu64 " events",
                        monitor->n_shown, monitor->count);
}

int verb_monitor(struct call *call)
{
        struct monitor monitor = {.call = call};
        uint64_t id = 0;
        int status = read_flags(&monitor);

        if (status == 0) {
                status = subscribe(&monitor, &id);
        }
        while (status == 0 && (monitor.count == 0 || monitor.n_shown < monitor.count)) {
                CM_CLEANUP(json_decref_p) json_t *event = NULL;

                status = next_event(&monitor, id, &event);
                if (status == 0) {
                        show(&monitor, event);
                }
        }
        return ended(&monitor, status);
}
