/* SPDX-License-Identifier: MIT */
/*
 * Opening and closing namespaces.
 */
#include "libcachemesh/session/space.h"

#include "wire/text.h"

#include <errno.h>
#include <stdlib.h>

#define COPIES_DEFAULT ((size_t)64 << 20)
#define COPIES_MIN ((size_t)4 << 20)

_Static_assert((int)CM_SESSION_LOCAL == (int)CMI_SESSION_LOCAL &&
                                (int)CM_SESSION_ONE == (int)CMI_SESSION_ONE &&
                                (int)CM_SESSION_ALL == (int)CMI_SESSION_ALL &&
                                (int)CM_SESSION_DISK == (int)CMI_SESSION_DISK,
                "enum cm_session_level goes over the wire as it is");
_Static_assert(CM_CONFLICT == (int)CMI_CONFLICT && CM_GONE == (int)CMI_GONE &&
                                CM_E_STALE == (int)CMI_E_STALE &&
                                CM_E_TOO_BIG == (int)CMI_E_TOO_BIG &&
                                CM_E_READ_ONLY == (int)CMI_E_READ_ONLY &&
                                CM_E_UNCONFIRMED == (int)CMI_E_UNCONFIRMED,
                "so do outcomes and codes");
_Static_assert(CM_SESSION_TAG_MAX == CMI_SESSION_TAG_MAX &&
                                CM_SESSION_LIFE_MS_MAX == CMI_SESSION_LIFE_MAX_MS,
                "limits are those of records");
_Static_assert(CM_SESSION_ID_SIZE == CMI_SESSION_ID_CHARS + 1 + CM_SESSION_ROUTE_MAX + 1,
                "an id with its route");

int cmi_session_options_copy(void *ours, size_t our_size, const void *theirs)
{
        const unsigned char *bytes = theirs;
        size_t their_size;

        memset(ours, 0, our_size);
        if (!theirs) {
                return 0;
        }
        memcpy(&their_size, theirs, sizeof(their_size));
        if (their_size < sizeof(size_t)) {
                return cmi_ext_fail(-EINVAL, "options begin with their size");
        }
        for (size_t i = our_size; i < their_size; i++) {
                if (bytes[i] != 0) {
                        return cmi_ext_fail(-EINVAL, "an option of a newer version is set");
                }
        }
        memcpy(ours, theirs, their_size < our_size ? their_size : our_size);
        return 0;
}

int cmi_session_check_level(enum cm_session_level level)
{
        return (unsigned)level <= CM_SESSION_DISK
                               ? 0
                               : cmi_ext_fail(-EINVAL, "unknown level %d", (int)level);
}

int cmi_session_check_times(uint64_t life_ms, uint64_t idle_ms)
{
        return life_ms <= CM_SESSION_LIFE_MS_MAX && idle_ms <= CM_SESSION_LIFE_MS_MAX
                               ? 0
                               : cmi_ext_fail(-EINVAL, "a session lives for 7 days at most");
}

int cmi_session_check_call(const struct cm_session_call_options *options, unsigned flags_known)
{
        if (options->flags & ~flags_known) {
                return cmi_ext_fail(-EINVAL, "unknown flags 0x%x", options->flags);
        }
        return cmi_session_check_level(options->level);
}

static bool is_route(const char *route)
{
        size_t len = strnlen(route, CM_SESSION_ROUTE_MAX + 1);

        for (size_t i = 0; i < len; i++) {
                char c = route[i];

                if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                                    c == '_' || c == '-')) {
                        return false;
                }
        }
        return len > 0 && len <= CM_SESSION_ROUTE_MAX;
}

static int check_options(struct cm_session_space_options *options)
{
        int r = cmi_session_check_level(options->level);

        if (r == 0) {
                r = cmi_session_check_times(options->life_ms, options->idle_ms);
        }
        if (r < 0) {
                return r;
        }
        if (options->life_ms == 0) {
                options->life_ms = CM_SESSION_LIFE_MS_DEFAULT;
        }
        if (options->copies_bytes == 0) {
                options->copies_bytes = COPIES_DEFAULT;
        }
        if (options->copies_bytes < COPIES_MIN) {
                return cmi_ext_fail(-EINVAL, "copies have at least %zu bytes", COPIES_MIN);
        }
        if (options->route && !is_route(options->route)) {
                return cmi_ext_fail(-EINVAL, "a route has 1 to %d of A-Z a-z 0-9 _ -",
                                CM_SESSION_ROUTE_MAX);
        }
        return 0;
}

static int open_ring(const char *path, struct cmi_ring **ret_ring)
{
        if (!path) {
                path = secure_getenv("CACHEMESH_SESSION_KEYS");
        }
        if (!path || !*path) {
                return cmi_ext_fail(-ENOKEY, "neither key_file nor $CACHEMESH_SESSION_KEYS names "
                                             "a key ring");
        }
        return cmi_ring_open(path, ret_ring);
}

static int new_space(struct cm *cm, const char *name,
                const struct cm_session_space_options *options, struct cm_session_space **ret_space)
{
        struct cm_session_space *space = cmi_ext_allocate(cm, 64, sizeof(*space));
        int r;

        if (!space) {
                return cmi_ext_fail(-ENOMEM, "no memory for a namespace");
        }
        memset((void *)space, 0, sizeof(*space));
        space->cm = cm;
        space->level = options->level ? options->level : CMI_SESSION_ONE;
        space->life_ms = options->life_ms;
        space->idle_ms = options->idle_ms;
        if (options->route) {
                memcpy(space->route, options->route, strlen(options->route));
        }
        r = open_ring(options->key_file, &space->ring);
        if (r == 0) {
                space->n_index = cmi_ring_n_index(space->ring);
                space->memo_secret = cmi_ring_memo_secret(space->ring);
                r = cmi_ext_copies(cm, options->copies_bytes, &space->copies);
        }
        if (r < 0) {
                cm_session_space_close(space);
                return r;
        }
        cmi_space_key(cmi_slice_str(name), &space->key);
        *ret_space = space;
        return 0;
}

int cm_session_space_open(struct cm_session_space **ret_space, struct cm *cm, const char *name,
                const struct cm_session_space_options *options)
{
        struct cm_session_space_options copy = {0};
        int r;

        if (!ret_space || !cm || !name || !*name || !cmi_text_is_clean(cmi_slice_str(name))) {
                return cmi_ext_fail(-EINVAL,
                                "a namespace has a name of UTF-8 without control characters");
        }
        r = cmi_ext_enter(cm);
        if (r < 0) {
                return r;
        }
        if (strlen(name) > CM_SESSION_SPACE_MAX) {
                return cmi_ext_fail(-ENAMETOOLONG, "a namespace's name has up to %d bytes",
                                CM_SESSION_SPACE_MAX);
        }
        r = cmi_session_options_copy(&copy, sizeof(copy), options);
        if (r == 0) {
                r = check_options(&copy);
        }
        return r < 0 ? r : new_space(cm, name, &copy, ret_space);
}

struct cm_session_space *cm_session_space_close(struct cm_session_space *space)
{
        if (space) {
                cmi_ring_close(space->ring);
                cmi_ext_deallocate(space->cm, space, sizeof(*space));
        }
        return NULL;
}
