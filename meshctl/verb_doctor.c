/* SPDX-License-Identifier: MIT */
/* doctor: collects what the checks of doctor.h look at, and shows what they found. */
#include "meshctl/doctor.h"
#include "meshctl/document.h"
#include "meshctl/memory.h"
#include "meshctl/verbs.h"

#include "base/cleanup.h"
#include "base/endpoint.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define LINKS_MS 1000
#define PROBE_MS 500
#define PROBES_MAX 8
#define SPACE_MIN_BYTES (1u << 20) /* a list of 512 peers takes a tenth of it */

static const struct view_column check_columns[] = {
                {"CHECK", "check", VIEW_TEXT},
                {"STATE", "state", VIEW_STATE},
                {"ABOUT", "about", VIEW_TEXT},
                {"FINDING", "finding", VIEW_TEXT},
                {NULL},
};

static const struct view checks_view = {"checks", "check", check_columns};

/* "open", or the error of a connection to it. */
static const char *probe(const struct cmi_endpoint *endpoint)
{
        struct sockaddr_storage address;
        socklen_t size = cmi_endpoint_to_sockaddr(endpoint, &address);
        int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        struct pollfd polled = {.fd = fd, .events = POLLOUT};
        socklen_t error_size = sizeof(int);
        int error = 0;

        if (fd < 0) {
                return strerror(errno);
        }
        if (connect(fd, (struct sockaddr *)&address, size) < 0) {
                error = errno;
        }
        if (error == EINPROGRESS) {
                error = poll(&polled, 1, PROBE_MS) == 1 ? 0 : ETIMEDOUT;
                if (error == 0) {
                        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_size);
                }
        }
        close(fd);
        return error == 0 ? "open" : strerror(error);
}

static void probe_all(const json_t *facts)
{
        json_t *row;
        size_t i, n = 0;

        json_array_foreach(json_object_get(facts, "candidates"), i, row)
        {
                struct cmi_endpoint endpoint;

                if (n < PROBES_MAX && document_int(row, "dialled_ms", -1) >= 0 &&
                                cmi_endpoint_parse(document_str(row, "address", ""), &endpoint) ==
                                                0) {
                        json_object_set_new(
                                        row, "probe", memory_got(json_string(probe(&endpoint))));
                        n++;
                }
        }
}

/* The directory is on this host; if this user may not see it, nothing is said. */
static const char *look_at_storage(const json_t *facts)
{
        struct statvfs status;

        if (statvfs(document_str(facts, "state_dir", ""), &status) < 0) {
                return errno == ENOENT ? "it is not there any more" : "";
        }
        if (status.f_flag & ST_RDONLY) {
                return "its file system is read-only";
        }
        if ((uint64_t)status.f_bavail * status.f_frsize < SPACE_MIN_BYTES) {
                return "its file system is full";
        }
        return status.f_favail == 0 && status.f_files != 0 ? "its file system has no free inodes"
                                                           : "";
}

static int ask_links(struct call *call, json_t **ret_document)
{
        struct call_arguments arguments;

        call_arguments_begin(&arguments, 1);
        call_arguments_uint(&arguments, "timeout_ms", LINKS_MS);
        return call_query_within(call, "links", call_arguments_end(&arguments),
                        LINKS_MS + CALL_GRACE_MS, ret_document);
}

/* In a table the advice stands on a line of its own, below the finding. */
static json_t *with_advice(const json_t *checks)
{
        json_t *rows = memory_got(json_array()), *row;
        size_t i;

        json_array_foreach(checks, i, row)
        {
                const char *advice = document_str(row, "advice", "");

                json_array_append(rows, row);
                if (advice[0]) {
                        json_array_append_new(rows,
                                        memory_got(json_pack("{s:s, s:s, s:s, s:o}", "check", " ",
                                                        "state", " ", "about", " ", "finding",
                                                        json_sprintf("do: %s", advice))));
                }
        }
        return memory_got(json_pack("{s:o}", "checks", rows));
}

static void show(const json_t *document, const struct output *output)
{
        CM_CLEANUP(json_decref_p) json_t *table = NULL;
        bool is_table = output->format == FORMAT_TABLE || output->format == FORMAT_WIDE;

        if (is_table) {
                table = with_advice(json_object_get(document, "checks"));
        }
        view_rows(&checks_view, is_table ? table : document, output);
}

int verb_doctor(struct call *call)
{
        CM_CLEANUP(json_decref_p) json_t *status_document = NULL;
        CM_CLEANUP(json_decref_p) json_t *peers = NULL;
        CM_CLEANUP(json_decref_p) json_t *links = NULL;
        CM_CLEANUP(json_decref_p) json_t *regions = NULL;
        CM_CLEANUP(json_decref_p) json_t *facts = NULL;
        CM_CLEANUP(json_decref_p) json_t *document = NULL;
        const struct cmi_slice nothing = cmi_slice(NULL, 0);
        int status = call_query(call, "status", nothing, &status_document);

        status = status ? status : call_query(call, "facts", nothing, &facts);
        status = status ? status : call_query(call, "peers", nothing, &peers);
        status = status ? status : call_query(call, "regions", nothing, &regions);
        status = status ? status : ask_links(call, &links);
        if (status != 0) {
                return status;
        }
        probe_all(facts);
        document = doctor_examine(&(struct doctor_case){.status = status_document,
                        .peers = peers,
                        .links = links,
                        .regions = regions,
                        .facts = facts,
                        .storage = look_at_storage(facts)});
        show(document, &call->output);
        return document_int(document, "problems", 0) > 0 ? STATUS_DEGRADED : STATUS_OK;
}
