/* SPDX-License-Identifier: MIT */
#include "meshctl/spool.h"

#include "base/cleanup.h"
#include "base/time.h"
#include "meshctl/document.h"
#include "meshctl/memory.h"
#include "wire/spool.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define PATH_SIZE 4200

static json_int_t age_ms(const struct stat *status)
{
        struct timespec now;
        int64_t ms;

        clock_gettime(CLOCK_REALTIME, &now);
        ms = ((int64_t)now.tv_sec - (int64_t)status->st_mtim.tv_sec) * 1000 +
             (now.tv_nsec - status->st_mtim.tv_nsec) / (int64_t)CMI_NS_PER_MS;
        return ms > 0 ? ms : 0;
}

/* Counts the records. Return: the file's state. */
static const char *count(struct cmi_slice file, uint32_t *ret_pid, json_int_t *ret_n)
{
        struct cmi_slice op;
        int r = cmi_spool_open(&file, ret_pid);

        if (r < 0) {
                return r == -ENODATA ? "cut off" : r == -EPROTO ? "damaged" : "foreign";
        }
        while ((r = cmi_spool_next(&file, &op)) == 1) {
                ++*ret_n;
        }
        return r < 0 ? "damaged" : file.len > 0 ? "cut off" : "complete";
}

static const char *examine(
                int directory, const char *name, off_t size, uint32_t *ret_pid, json_int_t *ret_n)
{
        CM_CLEANUP(cmi_close_p)
        int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        CM_CLEANUP(cmi_free_p) void *buffer = NULL;
        bool is_large = size > CMI_SPOOL_FILE_MAX;
        size_t n_wanted = is_large ? CMI_SPOOL_HEADER_SIZE : (size_t)size;
        const char *state;
        ssize_t n;

        if (fd < 0) {
                return "unreadable";
        }
        buffer = memory_got(malloc(n_wanted + 1));
        n = read(fd, buffer, n_wanted);
        if (n < 0) {
                return "unreadable";
        }
        state = count(cmi_slice(buffer, (size_t)n), ret_pid, ret_n);
        return is_large && strcmp(state, "foreign") != 0 ? "damaged" : state;
}

static json_t *make_row(int directory, const char *name, json_int_t *ret_n)
{
        const char *state = "foreign";
        struct stat status;
        uint32_t pid = 0;

        if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) < 0) {
                return NULL; /* gone meanwhile */
        }
        if (S_ISREG(status.st_mode)) {
                state = examine(directory, name, status.st_size, &pid, ret_n);
        }
        return memory_got(json_pack("{so si sI sI sI sI ss}", "name",
                        document_text(cmi_slice_str(name)), "pid", (int)pid, "uid",
                        (json_int_t)status.st_uid, "operations", *ret_n, "bytes",
                        (json_int_t)status.st_size, "age_ms", age_ms(&status), "state", state));
}

static int refuse(struct problem *problem, const char *path, int error)
{
        switch (error) {
        case EACCES:
        case EPERM:
                return problem_set(problem, STATUS_REFUSED,
                                "run it as root or as a user whom the socket's permissions admit",
                                "may not read the spool %s: %s", path, strerror(error));
        case ENOENT:
        case ENOTDIR:
        case ELOOP:
                return problem_set(problem, STATUS_FAILED,
                                "meshd makes it at its start; --socket or CACHEMESH_SOCKET names "
                                "another socket",
                                "there is no spool %s", path);
        default:
                return problem_set(problem, STATUS_FAILED, NULL, "cannot read the spool %s: %s",
                                path, strerror(error));
        }
}

int spool_read(const char *socket, json_t **ret_document, struct problem *problem)
{
        char path[PATH_SIZE];
        CM_CLEANUP(json_decref_p) json_t *rows = memory_got(json_array());
        const struct dirent *entry;
        json_int_t n_operations = 0;
        DIR *directory;
        int fd;

        snprintf(path, sizeof(path), "%.4000s" CMI_SPOOL_SUFFIX, socket);
        fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        directory = fd < 0 ? NULL : fdopendir(fd);
        if (!directory) {
                return refuse(problem, path, errno);
        }
        while ((entry = readdir(directory))) {
                json_int_t n = 0;
                json_t *row = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0
                                              ? NULL
                                              : make_row(fd, entry->d_name, &n);

                n_operations += n;
                if (row) {
                        json_array_append_new(rows, row);
                }
        }
        closedir(directory);
        *ret_document = memory_got(json_pack("{ss so sI sO}", "schema", "cachemesh.spool/1",
                        "directory", document_text(cmi_slice_str(path)), "operations", n_operations,
                        "files", rows));
        return STATUS_OK;
}

void spool_mention(const char *socket, struct problem *problem)
{
        CM_CLEANUP(json_decref_p) json_t *document = NULL;
        struct problem ignored = {0};
        size_t at = strlen(problem->text);
        json_int_t n;

        if (spool_read(socket, &document, &ignored) != STATUS_OK) {
                return;
        }
        n = document_int(document, "operations", 0);
        if (n > 0) {
                snprintf(problem->text + at, sizeof(problem->text) - at,
                                "; %" JSON_INTEGER_FORMAT
                                " invalidations wait in its spool (meshctl spool)",
                                n);
        }
}
