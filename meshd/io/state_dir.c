/* SPDX-License-Identifier: MIT */
#include "meshd/io/state_dir.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <uuid/uuid.h>

#define FILE_MAX 128
/* A stored incarnation that lies a century ahead is damage: the others would not believe it. */
#define INCARNATION_AHEAD_MS (UINT64_C(100) * 365 * 24 * 3600 * 1000)

/*
 * Without a stored id: the same one after a restart, another one for another machine, mesh or
 * name. A random one would leave a member behind at each restart, which the others would wait
 * for and count as missing.
 */
static void make_temporary_id(const struct state_dir_options *options, struct cmi_id *ret_id)
{
        char machine[64] = "";
        CM_CLEANUP(cmi_close_p) int fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC);
        crypto_generichash_state hash;

        if (fd < 0 || read(fd, machine, sizeof(machine) - 1) <= 0) {
                gethostname(machine, sizeof(machine) - 1);
        }
        crypto_generichash_init(&hash, NULL, 0, CMI_ID_SIZE);
        crypto_generichash_update(&hash, (const unsigned char *)machine, sizeof(machine));
        /* With the final NUL, so that "ab" "c" and "a" "bc" differ. */
        crypto_generichash_update(
                        &hash, (const unsigned char *)options->mesh, strlen(options->mesh) + 1);
        crypto_generichash_update(
                        &hash, (const unsigned char *)options->name, strlen(options->name) + 1);
        crypto_generichash_final(&hash, ret_id->bytes, CMI_ID_SIZE);
}

/* Reads a small text file without its newline. Return: 0, -ENOENT, -EBADMSG (too
 * long), another errno. */
static int read_text(int dir, const char *name, char ret_text[FILE_MAX])
{
        CM_CLEANUP(cmi_close_p)
        int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        ssize_t n;

        if (fd < 0) {
                return -errno;
        }
        n = read(fd, ret_text, FILE_MAX);
        if (n < 0) {
                return -errno;
        }
        if (n == FILE_MAX) {
                return -EBADMSG;
        }
        ret_text[n] = '\0';
        ret_text[strcspn(ret_text, "\n")] = '\0';
        return 0;
}

static int write_text(int dir, const char *name, const char *text)
{
        int r = cmi_file_replace(dir, name, cmi_slice_str(text));

        return r == CMI_FILE_UNSYNCED ? -EIO : r;
}

static void note(struct state_dir *dir, const char *what, int error)
{
        snprintf(dir->why, sizeof(dir->why), "%s: %s", what, strerror(-error));
}

static bool is_lack(int error)
{
        return error == -EACCES || error == -EROFS || error == -ENOSPC || error == -EDQUOT ||
               error == -ENOENT || error == -EPERM || error == -EIO || error == -EMFILE;
}

/* Return: 0, -errno; with @fault only where meshd must not go on. */
static int open_directory(struct state_dir *dir, struct fault *fault)
{
        CM_CLEANUP(cmi_close_p) int fd = -1;
        struct stat status;

        if (mkdir(dir->path, 0700) < 0 && errno != EEXIST) {
                return -errno;
        }
        fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 && errno == ENOTDIR) {
                return fault_set(fault, FAULT_CONFIG, -ENOTDIR,
                                "State directory %.300s: is not a directory. Name another one with "
                                "--state-dir.",
                                dir->path);
        }
        if (fd < 0 && errno != EACCES) {
                return -errno;
        }
        /* Files of two users in one directory would lock each other out at the next start. */
        if ((fd >= 0 ? fstat(fd, &status) : stat(dir->path, &status)) < 0) {
                return -errno;
        }
        if (status.st_uid != geteuid()) {
                return fault_set(fault, FAULT_CONFIG, -EPERM,
                                "State directory %.300s: belongs to user %u, and meshd runs as "
                                "user %u. Run it as that user, change the owner (chown -R %u), or "
                                "name another directory with --state-dir.",
                                dir->path, status.st_uid, geteuid(), geteuid());
        }
        /* Whoever may write there decides which node this is; a sticky bit does not help, since a
         * missing file may be made by anybody. */
        if (status.st_mode & (S_IWGRP | S_IWOTH)) {
                return fault_set(fault, FAULT_CONFIG, -EPERM,
                                "State directory %.300s: has mode %04o, so others than user %u may "
                                "write to it. Look at what lies there, take the right away (chmod "
                                "go-w %.300s), or name another directory with --state-dir.",
                                dir->path, status.st_mode & 07777u, geteuid(), dir->path);
        }
        if (fd < 0) {
                return -EACCES;
        }
        dir->fd = cmi_take_fd(&fd);
        return 0;
}

static int lock(struct state_dir *dir, struct fault *fault)
{
        char holder[FILE_MAX] = "";
        char own[24];
        CM_CLEANUP(cmi_close_p)
        int fd = openat(dir->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

        if (fd < 0) {
                return -errno;
        }
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
                if (errno != EWOULDBLOCK) {
                        return -errno;
                }
                read_text(dir->fd, "lock", holder);
                return fault_set(fault, FAULT_RETRY, -EBUSY,
                                "State directory %.300s: in use by another meshd (process %.20s). "
                                "Stop that one, or name another directory with --state-dir.",
                                dir->path, holder[0] ? holder : "unknown");
        }
        snprintf(own, sizeof(own), "%d\n", (int)getpid());
        /* Only for people: on a full disk the lock is held all the same. */
        if (ftruncate(fd, 0) == 0 && write(fd, own, strlen(own)) < 0) {
                errno = 0;
        }
        dir->lock = cmi_take_fd(&fd);
        return 0;
}

static bool is_number(const char *text)
{
        return text[0] && text[strspn(text, "0123456789")] == '\0';
}

static int check_format(struct state_dir *dir, struct fault *fault)
{
        char text[FILE_MAX] = "";
        int r = read_text(dir->fd, "format", text);

        if (r == -ENOENT) {
                return write_text(dir->fd, "format", "1\n");
        }
        if (r < 0 && r != -EBADMSG) {
                return r;
        }
        if (r == -EBADMSG || !is_number(text)) {
                return fault_set(fault, FAULT_CONFIG, -EBADMSG,
                                "State directory %.300s: the file format holds no format number. "
                                "Look at what else lies there. If only meshds of this format ran "
                                "with it, write the number anew (echo %d >%.300s/format); if not, "
                                "name another directory with --state-dir: to the others this is a "
                                "new node then.",
                                dir->path, STATE_DIR_FORMAT, dir->path);
        }
        if (strcmp(text, "1") != 0) {
                return fault_set(fault, FAULT_CONFIG, -EPROTO,
                                "State directory %.300s: has format \"%.20s\", and this meshd "
                                "knows format %d. Run the version that wrote it, or name an empty "
                                "directory.",
                                dir->path, text, STATE_DIR_FORMAT);
        }
        return 0;
}

static int make_id(struct state_dir *dir)
{
        char text[CMI_ID_TEXT_SIZE + 1];
        struct cmi_id id;
        int r;

        uuid_generate_random(id.bytes);
        cmi_id_format(&id, text);
        strcat(text, "\n");
        r = write_text(dir->fd, "node_id", text);
        if (r == 0) {
                dir->id = id;
        }
        return r;
}

static int load_id(struct state_dir *dir, bool is_new, struct fault *fault)
{
        char text[FILE_MAX];
        int r = is_new ? -ENOENT : read_text(dir->fd, "node_id", text);

        if (r == -ENOENT) {
                return make_id(dir);
        }
        if (r == 0 && uuid_parse(text, dir->id.bytes) == 0 && !cmi_id_is_zero(&dir->id)) {
                return 0;
        }
        if (r < 0 && r != -EBADMSG) {
                return r;
        }
        return fault_set(fault, FAULT_CONFIG, -EBADMSG,
                        "State directory %.300s: the file node_id holds no node id. Restore it, or "
                        "start once with --new-identity: to the others this is a new node then.",
                        dir->path);
}

/* The highest there was, or 0: there is none, or only damage, which is noted. */
static uint64_t load_incarnation(struct state_dir *dir, uint64_t unix_ms)
{
        char text[FILE_MAX] = "";
        const char *damage = NULL;
        uint64_t stored = 0;
        int r = dir->fd >= 0 ? read_text(dir->fd, "incarnation", text) : -ENOENT;

        if (r == -ENOENT) {
                return 0;
        }
        errno = 0;
        if (r < 0 && r != -EBADMSG) {
                damage = strerror(-r);
        } else if (r < 0 || !is_number(text)) {
                damage = "it holds no number";
        } else {
                stored = strtoull(text, NULL, 10);
                if (errno == ERANGE || stored > unix_ms + INCARNATION_AHEAD_MS) {
                        damage = "its number lies more than a century ahead of the clock";
                }
        }
        if (damage) {
                snprintf(dir->damage, sizeof(dir->damage), "%s", damage);
        }
        return damage ? 0 : stored;
}

/* Growing with each start, also if the clock was set back meanwhile. */
static void raise_incarnation(struct state_dir *dir, uint64_t unix_ms)
{
        uint64_t stored = load_incarnation(dir, unix_ms);
        int r;

        dir->previous = stored;
        dir->incarnation = stored >= unix_ms ? stored + 1 : unix_ms;
        r = state_dir_store_incarnation(dir, dir->incarnation);
        if (r < 0 && !dir->why[0]) {
                note(dir, "incarnation", r);
        }
}

static int load(struct state_dir *dir, const struct state_dir_options *options, struct fault *fault)
{
        int r = open_directory(dir, fault);

        r = r < 0 ? r : lock(dir, fault);
        r = r < 0 ? r : check_format(dir, fault);
        return r < 0 ? r : load_id(dir, options->is_new_identity, fault);
}

int state_dir_open(struct state_dir *ret_dir, const struct state_dir_options *options,
                struct fault *fault)
{
        struct state_dir dir = {.fd = -1, .lock = -1, .path = options->path};
        bool is_wanted = strcmp(options->path, STATE_DIR_NONE) != 0;
        int r = 0;

        fault->status = 0;
        if (is_wanted) {
                r = load(&dir, options, fault);
        }
        if (r < 0 && (fault->status != 0 || !is_lack(r))) {
                if (fault->status == 0) {
                        fault_set(fault, FAULT_CONFIG, r, "State directory %.300s: %s.",
                                        options->path, strerror(-r));
                }
                state_dir_close(&dir);
                return r;
        }
        if (r < 0 || !is_wanted) {
                make_temporary_id(options, &dir.id);
                dir.is_temporary = true;
        }
        if (r < 0) {
                note(&dir, options->path, r);
        }
        raise_incarnation(&dir, options->unix_ms);
        *ret_dir = dir;
        return !is_wanted ? STATE_DIR_UNWANTED : dir.why[0] ? STATE_DIR_UNSTORED : STATE_DIR_OPENED;
}

int state_dir_store_incarnation(struct state_dir *dir, uint64_t incarnation)
{
        char text[24];

        dir->incarnation = incarnation;
        if (dir->fd < 0) {
                return 0;
        }
        snprintf(text, sizeof(text), "%" PRIu64 "\n", incarnation);
        return write_text(dir->fd, "incarnation", text);
}

static uint64_t kept_ms(const struct state_dir *dir, const char *name)
{
        char text[FILE_MAX] = "";
        char *end;
        uint64_t ms;

        if (dir->fd < 0 || read_text(dir->fd, name, text) < 0 || text[0] < '0' || text[0] > '9') {
                return 0;
        }
        ms = strtoull(text, &end, 10);
        return *end == '\0' ? ms : 0;
}

static int keep_ms(struct state_dir *dir, const char *name, uint64_t ms)
{
        char text[24];

        if (dir->fd < 0 || kept_ms(dir, name) == ms) {
                return 0;
        }
        snprintf(text, sizeof(text), "%" PRIu64 "\n", ms);
        return write_text(dir->fd, name, text);
}

uint64_t state_dir_lease(const struct state_dir *dir)
{
        return kept_ms(dir, "lease");
}

int state_dir_store_lease(struct state_dir *dir, uint64_t lease_ms)
{
        return keep_ms(dir, "lease", lease_ms);
}

uint64_t state_dir_gone(const struct state_dir *dir)
{
        return kept_ms(dir, "gone");
}

int state_dir_store_gone(struct state_dir *dir, uint64_t gone_ms)
{
        return keep_ms(dir, "gone", gone_ms);
}

void state_dir_close(struct state_dir *dir)
{
        cmi_close_p(&dir->fd);
        cmi_close_p(&dir->lock);
        dir->fd = -1;
        dir->lock = -1;
}
