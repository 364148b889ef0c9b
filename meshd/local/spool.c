/* SPDX-License-Identifier: MIT */
#include "meshd/local/spool.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "meshd/io/clock.h"
#include "meshd/io/logger.h"
#include "meshd/local/app_op.h"
#include "wire/op.h"
#include "wire/spool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>

#define MODE 03770
#define NAME_SIZE 256
#define NAME_KEPT 64 /* of a file's own name, when it is taken: all of an app's */

static int refuse(struct spool *spool, int error, const char *what)
{
        snprintf(spool->why, sizeof(spool->why), "%s: %s", spool->path, what);
        return error;
}

static int check(struct spool *spool, int fd)
{
        struct stat status;

        if (fstat(fd, &status) < 0) {
                return refuse(spool, -errno, strerror(errno));
        }
        if (status.st_uid != geteuid()) {
                return refuse(spool, -EPERM, "belongs to another user: change its owner");
        }
        /* Always, since a group's right may have been taken away with the set-gid bit. */
        if (fchmod(fd, MODE) < 0) {
                return refuse(spool, -errno, strerror(errno));
        }
        return 0;
}

int spool_open(struct spool *ret_spool, const char *socket)
{
        struct spool spool = {.fd = -1};
        CM_CLEANUP(cmi_close_p) int fd = -1;
        int r = 0;

        snprintf(spool.path, sizeof(spool.path), "%s" CMI_SPOOL_SUFFIX, socket);
        if (mkdir(spool.path, 0700) < 0 && errno != EEXIST) {
                r = refuse(&spool, -errno, strerror(errno));
        }
        if (r == 0) {
                fd = open(spool.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                r = fd < 0 ? refuse(&spool, -errno, strerror(errno)) : check(&spool, fd);
        }
        if (r == 0) {
                spool.directory = fdopendir(fd);
                r = spool.directory ? 0 : refuse(&spool, -errno, strerror(errno));
        }
        if (r == 0) {
                spool.fd = cmi_take_fd(&fd);
        }
        *ret_spool = spool;
        return r;
}

void spool_close(struct spool *spool)
{
        if (spool->fd >= 0) {
                closedir(spool->directory);
        }
        spool->directory = NULL;
        spool->fd = -1;
}

/* One file that was taken. */

struct taking {
        struct spool *spool;
        const struct spool_sink *sink;
        bool is_old_only;
        uint32_t n_entries;
        uint32_t n_taken; /* of these; the others are not read */
        uint32_t n_files; /* of these; handed on */
        uint64_t n_bytes;
};

/*
 * For each one anew, and before the file is removed: what is in it may have been committed after
 * another node had loaded the old row with a token that is newer than the last forgetting.
 */
static void tell_damage(struct taking *taking, const char *name, uid_t uid, const char *why)
{
        taking->spool->n_damaged++;
        logger(LOGGER_WARNING, "spool.damaged", L_TEXT("file", name), L_UINT("uid", uid),
                        L_TEXT("error", why),
                        L_TEXT("msg", "invalidations may be missing, so every node forgets "
                                      "everything"));
        taking->sink->forget(taking->sink->context);
}

static void tell_refusal(struct taking *taking, const char *name, const char *why)
{
        taking->spool->n_refused++;
        logger(LOGGER_WARNING, "spool.refused", L_TEXT("file", name), L_TEXT("error", why),
                        L_TEXT("msg", "not made by an app: removed, without effect"));
}

/*
 * Apps do not keep the beginning of a write: it is worth nothing later. From here it would be
 * nobody's, and count against no connection's share. What cannot be decoded is for the sink.
 */
static bool is_of_no_app(struct cmi_slice op)
{
        struct cmi_op decoded;

        return cmi_op_decode(op, &decoded) == 0 &&
               (decoded.kind == CMI_OP_INTENT_BEGIN || app_op_is_of_meshd(&decoded));
}

static void hand_on(struct taking *taking, const char *name, const struct stat *status,
                struct cmi_slice file)
{
        struct spool *spool = taking->spool;
        struct cmi_slice op;
        uint32_t pid;
        int r = cmi_spool_open(&file, &pid);

        if (r == -ENODATA) {
                return; /* killed before it had written anything */
        }
        if (r == -EBADMSG) {
                tell_refusal(taking, name, "not a spool file");
                return;
        }
        if (r < 0 || status->st_size > CMI_SPOOL_FILE_MAX) {
                tell_damage(taking, name, status->st_uid,
                                r < 0 ? "of another version" : "larger than apps make it");
                return;
        }
        taking->n_files++;
        spool->n_files++;
        while ((r = cmi_spool_next(&file, &op)) == 1) {
                r = is_of_no_app(op) ? -EBADMSG : taking->sink->publish(taking->sink->context, op);
                if (r < 0) {
                        break;
                }
                spool->n_operations++;
        }
        if (r < 0) {
                tell_damage(taking, name, status->st_uid, "a record that cannot be read");
        }
}

/*
 * From here on the file is meshd's: nobody appends to it and believes that it counts. Of what is
 * too large only the header is read, to know whether it is a spool file at all.
 */
static void read_taken(struct taking *taking, const char *name, int fd, const struct stat *status)
{
        CM_CLEANUP(cmi_free_p) uint8_t *buffer = NULL;
        size_t size = status->st_size > CMI_SPOOL_FILE_MAX ? CMI_SPOOL_HEADER_SIZE
                                                           : (size_t)status->st_size;
        ssize_t n;

        buffer = malloc(size + 1);
        n = buffer ? cmi_file_read(fd, buffer, size) : -ENOMEM;
        if (n < 0) {
                tell_damage(taking, name, status->st_uid, strerror((int)-n));
                return;
        }
        taking->n_bytes += (uint64_t)n;
        hand_on(taking, name, status, cmi_slice(buffer, (size_t)n));
}

static bool has_suffix(const char *name, const char *suffix)
{
        size_t len = strlen(name);
        size_t suffix_len = strlen(suffix);

        return len > suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

/*
 * Under a name that nobody could have put there before: a rename replaces what has the new name,
 * which may be what a meshd that was killed had taken and not published. Return: 0, or a negative
 * errno.
 */
static int rename_taken(const struct spool *spool, char name[NAME_SIZE])
{
        char taken[NAME_SIZE];
        uint64_t random;

        if (has_suffix(name, CMI_SPOOL_TAKEN)) {
                return 0; /* by a meshd that was killed */
        }
        if (getrandom(&random, sizeof(random), 0) != sizeof(random)) {
                return -EIO;
        }
        snprintf(taken, sizeof(taken), "%.*s.%016" PRIx64 CMI_SPOOL_TAKEN, NAME_KEPT, name, random);
        if (renameat(spool->fd, name, spool->fd, taken) < 0) {
                return -errno;
        }
        memcpy(name, taken, sizeof(taken));
        return 0;
}

/* What cannot be removed, as a directory with something in it, is told once for each start. */
static void refuse_entry(struct taking *taking, const char *name)
{
        int fd = taking->spool->fd;
        bool is_removed = unlinkat(fd, name, 0) == 0 || unlinkat(fd, name, AT_REMOVEDIR) == 0;

        if (is_removed || !taking->is_old_only) {
                tell_refusal(taking, name, "not a plain file");
        }
}

static bool is_young(const struct stat *status)
{
        uint64_t now_ns = clock_read_ns(CLOCK_REALTIME);
        uint64_t then_ns = (uint64_t)status->st_mtim.tv_sec * CMI_NS_PER_S +
                           (uint64_t)status->st_mtim.tv_nsec;

        /* A clock that was set back keeps nothing for ever. */
        return then_ns <= now_ns && now_ns - then_ns < cmi_ms(SPOOL_AGE_MS);
}

/* What cannot be removed would be handed on again, or forgotten, at each look. */
static void remove_taken(struct spool *spool, const char *name)
{
        if (unlinkat(spool->fd, name, 0) < 0 && errno != ENOENT && errno != EISDIR) {
                spool->stuck_until_ns = clock_read_ns(CLOCK_MONOTONIC) + cmi_ms(SPOOL_STUCK_MS);
        }
}

/*
 * After it was taken, so what is read is all that its app believes to be kept. Its size first: an
 * app lets meshd read the file before it writes there. Return: 0, -ENODATA (empty, and its app was
 * killed before that), or another negative errno.
 */
static int open_taken(const struct spool *spool, const char *name, int *ret_fd)
{
        struct stat status;
        int fd;

        if (fstatat(spool->fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0) {
                return -errno;
        }
        fd = openat(spool->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0) {
                return errno == EACCES && status.st_size == 0 ? -ENODATA : -errno;
        }
        *ret_fd = fd;
        return 0;
}

static void take_file(struct taking *taking, const char *entry, const struct stat *before)
{
        struct spool *spool = taking->spool;
        char name[NAME_SIZE];
        struct stat status;
        CM_CLEANUP(cmi_close_p) int fd = -1;
        int r;

        snprintf(name, sizeof(name), "%s", entry);
        r = rename_taken(spool, name);
        if (r == -ENOENT) {
                return; /* its app has just removed it */
        }
        taking->n_taken++;
        r = r < 0 ? r : open_taken(spool, name, &fd);
        if (r < 0 && r != -ENODATA) {
                tell_damage(taking, name, before->st_uid, strerror(-r));
        } else if (r == 0 && (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))) {
                tell_refusal(taking, name, "not a plain file");
        } else if (r == 0) {
                read_taken(taking, name, fd, &status);
        }
        remove_taken(spool, name);
}

static void take_one(struct taking *taking, const char *name)
{
        struct stat status;

        taking->n_entries++;
        if (fstatat(taking->spool->fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
                        (taking->is_old_only && is_young(&status))) {
                return;
        }
        /* One with a second link as well, which a backup or another user may have made, is read. */
        if (S_ISREG(status.st_mode)) {
                take_file(taking, name, &status);
        } else {
                refuse_entry(taking, name);
        }
}

/*
 * Return: whether one more is looked at now; the next take goes on. Only before the first app is
 * served must nothing be left: what is late then is made up for. Later nothing that somebody puts
 * there makes anybody forget by being much.
 */
static bool has_time(struct taking *taking)
{
        if (taking->is_old_only) {
                return taking->n_entries < SPOOL_ENTRIES_TURN && taking->n_bytes < SPOOL_BYTES_TURN;
        }
        if (taking->n_entries >= SPOOL_ENTRIES_MAX || taking->n_taken >= SPOOL_FILES_MAX ||
                        taking->n_bytes >= SPOOL_BYTES_MAX) {
                tell_damage(taking, "", 0, "more than is read at once");
                return false;
        }
        return true;
}

uint32_t spool_take(struct spool *spool, bool is_old_only, const struct spool_sink *sink)
{
        struct taking taking = {.spool = spool, .sink = sink, .is_old_only = is_old_only};
        const struct dirent *entry;

        if (spool->fd < 0 ||
                        (is_old_only && clock_read_ns(CLOCK_MONOTONIC) < spool->stuck_until_ns)) {
                return 0;
        }
        if (!is_old_only || spool->is_at_end) {
                rewinddir(spool->directory);
                spool->is_at_end = false;
        }
        while (has_time(&taking)) {
                entry = readdir(spool->directory);
                if (!entry) {
                        spool->is_at_end = true;
                        break;
                }
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
                        take_one(&taking, entry->d_name);
                }
        }
        return taking.n_files;
}
