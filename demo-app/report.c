/* SPDX-License-Identifier: MIT */
#include "demo-app/report.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

const char *report_word(const struct cache_report *report)
{
        switch (report->outcome) {
        case CM_OK:
                return "everywhere";
        case CM_PARTIAL:
                return "partial";
        case CM_PENDING:
                return "pending";
        case CM_E_TIMEOUT:
                return "timeout";
        case -ECANCELED:
                return "nobody";
        default:
                return "failed";
        }
}

static void describe_members(FILE *out, const struct cache_report *report)
{
        if (report->n_applied + report->n_lapsed + report->n_unconfirmed == 0) {
                fputs("There is no other node to tell.", out);
                return;
        }
        fprintf(out, "%" PRIu32 " other node%s dropped what is out of date", report->n_applied,
                        report->n_applied == 1 ? "" : "s");
        if (report->n_lapsed > 0) {
                fprintf(out, ", %" PRIu32 " did not answer and no longer serves from its cache",
                                report->n_lapsed);
        }
        if (report->n_unconfirmed > 0) {
                fprintf(out,
                                ", %" PRIu32
                                " is unknown: dead, or cut off and still serving what it has",
                                report->n_unconfirmed);
        }
        fputc('.', out);
}

void report_describe(FILE *out, const struct cache_report *report)
{
        if (report->outcome == -ECANCELED) {
                fputs("Saved, but told to nobody: this app was started with --no-publish.", out);
                return;
        }
        if (report->outcome == CM_PENDING) {
                fputs("Saved. meshd does not answer; the others will be told when it does.", out);
                return;
        }
        if (report->outcome < 0 && report->outcome != CM_E_TIMEOUT) {
                fprintf(out, "Saved, but telling the others failed: %s.",
                                cm_strerror(report->outcome));
                return;
        }
        fprintf(out, "Saved and told in %" PRIu32 ".%" PRIu32 " ms. ", report->took_us / 1000,
                        report->took_us % 1000 / 100);
        describe_members(out, report);
}

void report_pack(const struct cache_report *report, char ret_packed[REPORT_PACKED_MAX])
{
        snprintf(ret_packed, REPORT_PACKED_MAX, "%d.%" PRIu32 ".%" PRIu32 ".%" PRIu32 ".%" PRIu32,
                        report->outcome, report->n_applied, report->n_lapsed, report->n_unconfirmed,
                        report->took_us);
}

bool report_unpack(const char *packed, struct cache_report *ret_report)
{
        struct cache_report report;
        char again[REPORT_PACKED_MAX];

        if (strlen(packed) >= sizeof(again) ||
                        sscanf(packed, "%9d.%9" SCNu32 ".%9" SCNu32 ".%9" SCNu32 ".%9" SCNu32,
                                        &report.outcome, &report.n_applied, &report.n_lapsed,
                                        &report.n_unconfirmed, &report.took_us) != 5) {
                return false;
        }
        report_pack(&report, again);
        if (strcmp(packed, again) != 0) {
                return false;
        }
        *ret_report = report;
        return true;
}
