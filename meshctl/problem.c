/* SPDX-License-Identifier: MIT */
#include "meshctl/problem.h"

#include "meshctl/table.h"
#include "wire/local.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int problem_set(struct problem *problem, enum status status, const char *advice, const char *format,
                ...)
{
        va_list list;

        problem->status = status;
        snprintf(problem->advice, sizeof(problem->advice), "%s", advice ? advice : "");
        va_start(list, format);
        vsnprintf(problem->text, sizeof(problem->text), format, list);
        va_end(list);
        return (int)status;
}

static const char *reason(long code)
{
        switch (code) {
        case CMI_E_CONFIG:
                return "options differ";
        case CMI_E_TIMEOUT:
                return "not in time";
        case CMI_E_BUSY:
                return "too much is going on";
        default:
                return code < 0 && code > -1000 ? strerror((int)-code) : "unknown error";
        }
}

int problem_from_error(struct problem *problem, const char *verb, long code, const char *text)
{
        const char *why = text[0] ? text : reason(code);

        switch (code) {
        case -EPERM:
        case -EACCES:
                return problem_set(problem, STATUS_REFUSED,
                                "run it as root or as the user that meshd runs as", "%s", why);
        case -ETIMEDOUT:
        case CMI_E_TIMEOUT:
                return problem_set(problem, STATUS_INCOMPLETE,
                                "meshctl peers shows who does not answer; --timeout waits longer",
                                "not in time: %s", why);
        case -EINVAL:
                return problem_set(problem, STATUS_USAGE, "see meshctl VERB --help", "%s", why);
        case -EOPNOTSUPP:
                return problem_set(problem, STATUS_FAILED,
                                "it is older than this meshctl: meshctl version",
                                "this meshd does not know the verb %s: %s", verb, why);
        case -ENOENT:
                return problem_set(problem, STATUS_FAILED, "meshctl peers -o name lists them", "%s",
                                why);
        case -ENOKEY:
        case -EEXIST:
        case -ENOTUNIQ:
        case -ENOSPC:
        case -EBUSY:
        case CMI_E_BUSY:
                return problem_set(problem, STATUS_FAILED, NULL, "%s", why);
        case -EMFILE:
                return problem_set(problem, STATUS_UNREACHABLE,
                                "end some of them (as root, meshctl clients lists them), or start "
                                "meshd with a higher --max-clients",
                                "meshd takes no more connections: %s", why);
        case -ESHUTDOWN:
                return problem_set(
                                problem, STATUS_UNREACHABLE, "try again when it is up", "%s", why);
        default:
                return problem_set(problem, STATUS_FAILED, NULL, "%s (%ld)", why, code);
        }
}

void problem_print(const struct problem *problem, FILE *file, const char *verb)
{
        char *text = table_printable(problem->text);

        fprintf(file, "meshctl%s%s: %s\n", verb ? " " : "", verb ? verb : "", text);
        if (problem->advice[0]) {
                fprintf(file, "  next: %s\n", problem->advice);
        }
        free(text);
}
