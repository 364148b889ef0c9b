/* SPDX-License-Identifier: MIT */
/* It decides where output goes, what is coloured, and when a watched verb runs
 * again; verbs do the rest. */
#include "meshctl/tool.h"

#include "base/cleanup.h"
#include "meshctl/deadline.h"
#include "meshctl/help.h"
#include "meshctl/memory.h"
#include "meshctl/verbs.h"

#include <errno.h>
#include <locale.h>
#include <string.h>
#include <unistd.h>

static bool is_colored(const struct arguments *arguments)
{
        const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

        switch (arguments->color) {
        case COLOR_ALWAYS:
                return true;
        case COLOR_NEVER:
                return false;
        case COLOR_AUTO:
                break;
        }
        return isatty(STDOUT_FILENO) && !(no_color && no_color[0]) &&
               !(term && strcmp(term, "dumb") == 0);
}

static const char *socket_of(const struct arguments *arguments)
{
        const char *path = getenv("CACHEMESH_SOCKET");

        if (arguments->socket) {
                return arguments->socket;
        }
        return path && path[0] ? path : CHANNEL_SOCKET_DEFAULT;
}

static int complain(const struct arguments *arguments)
{
        struct problem problem;
        char advice[100];

        snprintf(advice, sizeof(advice), "meshctl%s%s --help", arguments->verb ? " " : "",
                        arguments->verb ? arguments->verb->name : "");
        problem_set(&problem, STATUS_USAGE, advice, "%s", arguments->complaint);
        problem_print(&problem, stderr, NULL);
        return STATUS_USAGE;
}

/* Data that could not be written (a full disk) is a failure, though the verb did its work. */
static int flush(int status)
{
        struct problem problem;

        if (fflush(stdout) == 0 && !ferror(stdout)) {
                return status;
        }
        problem_set(&problem, STATUS_FAILED, NULL, "cannot write to standard output: %s",
                        strerror(errno));
        problem_print(&problem, stderr, NULL);
        return status == STATUS_OK ? STATUS_FAILED : status;
}

static int run_once(struct call *call)
{
        int status;

        call->problem = (struct problem){0};
        call_renew(call);
        progress_start(&call->progress, "waiting for meshd");
        status = call->arguments->verb->run(call);
        progress_stop(&call->progress);
        return status;
}

/* A failed connection is of no more use; the next look opens another one. */
static void close_after(struct call *call, int status)
{
        if (status != STATUS_OK && status != STATUS_DEGRADED) {
                call->channel = channel_close(call->channel);
        }
}

/* The screen is wiped only once there is something new to show. */
static void show_look(const struct call *call, const char *text, bool is_first)
{
        bool is_table = call->output.format == FORMAT_TABLE || call->output.format == FORMAT_WIDE;

        if (isatty(STDOUT_FILENO)) {
                fputs("\033[H\033[2J", stdout);
        } else if (is_table && !is_first) {
                fputc('\n', stdout);
        }
        fputs(text, stdout);
        fflush(stdout);
        if (call->problem.text[0]) {
                problem_print(&call->problem, stderr, call->arguments->verb->name);
        }
}

/* Goes on whatever happens to meshd, until somebody ends it; a mistake in the command
 * line cannot get better. */
static int watch(struct call *call)
{
        for (bool is_first = true;; is_first = false) {
                uint64_t next_ns = deadline_in_ms(call->arguments->watch_ms);
                char *text = NULL;
                size_t size;
                int status;

                call->output.file = memory_got(open_memstream(&text, &size));
                status = run_once(call);
                fclose(call->output.file);
                show_look(call, text, is_first);
                free(text);
                if (ferror(stdout) || status == STATUS_USAGE || status == STATUS_CONFIG) {
                        return flush(status);
                }
                close_after(call, status);
                call->deadline_ns = next_ns;
                call_pause(call, call->arguments->watch_ms);
        }
}

static int run(const struct arguments *arguments)
{
        struct call call = {.arguments = arguments, .socket = socket_of(arguments)};
        int status;

        call.output = (struct output){.file = stdout,
                        .format = arguments->format,
                        .has_headers = !arguments->is_without_headers,
                        .is_color = is_colored(arguments),
                        .is_quiet = arguments->is_quiet};
        call.progress.is_shown = isatty(STDERR_FILENO) && !arguments->is_quiet;
        if (arguments->watch_ms) {
                status = watch(&call);
        } else {
                status = run_once(&call);
                fflush(stdout);
                if (call.problem.text[0]) {
                        problem_print(&call.problem, stderr, arguments->verb->name);
                }
        }
        channel_close(call.channel);
        json_decref(call.before);
        return flush(status);
}

int tool_run(int argc, char **argv)
{
        struct arguments arguments;
        int status;

        if (!cmi_standard_fds_open()) {
                return STATUS_FAILED;
        }
        setlocale(LC_CTYPE, "C.UTF-8"); /* what is printable must not depend on who asks */
        if (arguments_parse(&arguments, verbs, argc, argv) != ARGUMENTS_OK) {
                status = complain(&arguments);
        } else if (arguments.wants_help) {
                if (arguments.verb) {
                        help_print_verb(arguments.verb, stdout);
                } else {
                        help_print(verbs, stdout);
                }
                status = flush(STATUS_OK);
        } else if (arguments.wants_version) {
                puts("meshctl " CACHEMESH_VERSION);
                status = flush(STATUS_OK);
        } else {
                status = run(&arguments);
        }
        arguments_deinit(&arguments);
        return status;
}
