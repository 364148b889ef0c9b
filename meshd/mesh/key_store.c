/* SPDX-License-Identifier: MIT */
#include "meshd/mesh/key_store.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Follows links and never blocks, also where somebody put a pipe or a device. */
static int open_file(const char *path, int *ret_fd, struct stat *ret_status)
{
        CM_CLEANUP(cmi_close_p) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

        if (fd < 0 || fstat(fd, ret_status) < 0) {
                return -errno;
        }
        *ret_fd = cmi_take_fd(&fd);
        return 0;
}

static int refuse_missing(const char *path, int error, struct fault *fault)
{
        const char *advice =
                        error == -ENOENT ? "Make one with \"meshctl key new\", once for the whole "
                                           "mesh, and copy it to each node."
                                         : "meshd must be able to read it.";

        return fault_set(fault, FAULT_CONFIG, error, "--key %.300s: %s. %s", path, strerror(-error),
                        advice);
}

static int check_owner(const char *path, const struct stat *status, struct fault *fault)
{
        if (!S_ISREG(status->st_mode)) {
                return fault_set(fault, FAULT_CONFIG, -EINVAL, "--key %.300s: is no regular file.",
                                path);
        }
        if (status->st_uid != geteuid() && status->st_uid != 0) {
                return fault_set(fault, FAULT_CONFIG, -EPERM,
                                "--key %.300s: belongs to user %u, who could change it; meshd runs "
                                "as user %u. Change the owner: chown %u %.300s",
                                path, status->st_uid, geteuid(), geteuid(), path);
        }
        if (status->st_mode & 077) {
                return fault_set(fault, FAULT_CONFIG, -EPERM,
                                "--key %.300s: has mode %04o, so that others can read or change "
                                "it. Make a new key if they may have: meshctl key new. Else: chmod "
                                "600 %.300s",
                                path, status->st_mode & 07777, path);
        }
        return 0;
}

static const char *problem_text(int error)
{
        switch (-error) {
        case EPROTONOSUPPORT:
                return "its first line is not \"cachemesh-keys 1\"";
        case EBADMSG:
                return "want \"use\" or \"key\" and 64 hex digits, or a comment";
        case E2BIG:
                return "more than three keys, or longer than 4096 bytes";
        case EEXIST:
                return "a key, or \"use\", for the second time";
        case ENOKEY:
                return "it has no \"use\" line";
        default:
                return strerror(-error);
        }
}

static int refuse_text(const char *path, int error, uint32_t line, struct fault *fault)
{
        char where[16] = "";

        if (line > 0) {
                snprintf(where, sizeof(where), ":%u", line);
        }
        return fault_set(fault, FAULT_CONFIG, error,
                        "--key %.300s%s: %s. \"meshctl key new\" makes a key file.", path, where,
                        problem_text(error));
}

int key_store_read(const char *path, struct cmi_key_file *ret_file, struct fault *fault)
{
        CM_CLEANUP(cmi_close_p) int fd = -1;
        char text[CMI_KEY_FILE_MAX + 1];
        struct stat status = {0};
        uint32_t line = 0;
        ssize_t n;
        int r = open_file(path, &fd, &status);

        if (r < 0) {
                return refuse_missing(path, r, fault);
        }
        r = check_owner(path, &status, fault);
        if (r < 0) {
                return r;
        }
        n = read(fd, text, sizeof(text));
        r = n < 0 ? -errno : cmi_key_file_parse(cmi_slice(text, (size_t)n), ret_file, &line);
        sodium_memzero(text, sizeof(text));
        return r < 0 ? refuse_text(path, r, line, fault) : 0;
}

int key_store_write(const char *path, const struct cmi_key_file *file)
{
        CM_CLEANUP(cmi_close_p) int directory = -1;
        char text[CMI_KEY_FILE_TEXT_SIZE];
        char real[PATH_MAX];
        char *name;
        size_t n;
        int r;

        if (!realpath(path, real)) {
                return -errno;
        }
        name = strrchr(real, '/');
        *name++ = '\0';
        directory = open(real[0] ? real : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (directory < 0) {
                return -errno;
        }
        n = cmi_key_file_format(file, text);
        r = cmi_file_replace(directory, name, cmi_slice(text, n));
        sodium_memzero(text, sizeof(text));
        return r;
}
