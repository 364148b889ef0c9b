/* SPDX-License-Identifier: MIT */
#ifndef CACHEMESH_SESSION_H
#define CACHEMESH_SESSION_H
/*
 * libcachemesh-session: sessions of logged-in users that outlive a process and, once the mesh holds
 * copies of them, a node.
 *
 * A session is an opaque blob of your app under a random id that this library makes: give the id to
 * the browser, and nothing else. Who has changed a session since you read it is noticed: a save
 * names the version that it was made over, and loses if there is another one. What was ended stays
 * ended, whatever was on its way. Blobs are sealed with keys that only your app has, and the id
 * itself never leaves the process: meshd sees a keyed hash.
 *
 *     struct cm_session session = {.size = sizeof(session)};
 *
 *     r = cm_session_get(space, cookie, NULL, &session);
 *     if (r == 0) {
 *             ... session.data, session.len ...
 *             r = cm_session_save(&session, data, len, NULL);
 *     }
 *     cm_session_release(&session);
 *
 * A session in use is kept in the process, valid by the same stamps and lease as any cached value:
 * a repeated get of an unchanged session costs no request.
 *
 * Conventions, threads and forks are those of cachemesh.h: 0, a positive outcome, or a negative
 * error; cm_strerror() names each code, cm_error_detail() says more; nothing is stored through a
 * ret_ argument on failure. Every function may be called from any thread at any time, but one
 * struct cm_session belongs to one thread at a time. A forked child goes on with the parent's
 * spaces, and may read and release what was got before the fork. Beside what its comment lists, a
 * call may fail with -EINVAL (an argument), -ENOMEM and CM_E_FORKED. After -ENOMEM nothing has
 * happened, and an object is as it was: what a change needs of memory to show what it has done, it
 * takes before it asks meshd. Only a call that ends sessions may have ended some of them.
 *
 * Every call ends by its deadline, whatever meshd does: cm_session_call_options.timeout_ms, else
 * the handle's.
 */
#include "cachemesh.h" /* installed beside it */

#ifdef __cplusplus
extern "C" {
#endif

/* Limits */

/** define CM_SESSION_DATA_MAX - bytes of a session: 256 KiB less what sealing adds */
#define CM_SESSION_DATA_MAX 262080
/** define CM_SESSION_SPACE_MAX - bytes of a namespace's name, without the NUL */
#define CM_SESSION_SPACE_MAX 64
/** define CM_SESSION_TAG_MAX - bytes of a session's tag */
#define CM_SESSION_TAG_MAX 32
/** define CM_SESSION_PRINCIPAL_MAX - bytes of a principal */
#define CM_SESSION_PRINCIPAL_MAX 1024
/** define CM_SESSION_ROUTE_MAX - bytes of a route, without the dot and the NUL */
#define CM_SESSION_ROUTE_MAX 63
/** define CM_SESSION_ID_SIZE - bytes for an id: 32 characters, a dot, the route and the NUL */
#define CM_SESSION_ID_SIZE 97
/** define CM_SESSION_LIFE_MS_DEFAULT - a session ends so long after its creation: 12 h */
#define CM_SESSION_LIFE_MS_DEFAULT 43200000
/** define CM_SESSION_LIFE_MS_MAX - and not later than this: 7 d */
#define CM_SESSION_LIFE_MS_MAX 604800000
/** define CM_SESSION_GRACE_MS_MAX - longest grace of a rotated session */
#define CM_SESSION_GRACE_MS_MAX 60000

/* Outcomes beyond enum cm_outcome */

/** define CM_CONFLICT - somebody else saved first: the session is the present one now */
#define CM_CONFLICT 8
/** define CM_GONE - there is no such session, or no more: log in anew */
#define CM_GONE 9

/* Errors beyond those of cachemesh.h. CM_E_FULL: a limit of the node, the namespace or the
 * principal is reached; the detail says which, nothing was evicted, and what is stored stays.
 * CM_E_TIMEOUT: it may or may not be done. CM_E_BUSY: too much at a time. */

/** define CM_E_STALE - another node has taken the session over: get it anew */
#define CM_E_STALE (-1009)
/** define CM_E_TOO_BIG - over CM_SESSION_DATA_MAX; the old version stands */
#define CM_E_TOO_BIG (-1010)
/** define CM_E_READ_ONLY - the id was rotated: it may be read for a while, not saved */
#define CM_E_READ_ONLY (-1011)
/** define CM_E_UNCONFIRMED - no node that can be reached is able to say. Nothing has happened; but
 * a destroy may be done on this node, and only there: the others were not told */
#define CM_E_UNCONFIRMED (-1012)
/** define CM_E_SEALED - no key of the ring opens it, or it was tampered with */
#define CM_E_SEALED (-1013)

/** enum cm_session_level - how many copies are written before a change is acknowledged */
enum cm_session_level {
        CM_SESSION_DEFAULT = 0, /* of the space; there: CM_SESSION_ONE */
        CM_SESSION_LOCAL = 1,   /* in this node's memory */
        CM_SESSION_ONE = 2,     /* and in that of one other node, if the mesh has one */
        CM_SESSION_ALL = 3,     /* in that of every node that is to have it */
        CM_SESSION_DISK = 4,    /* and on the disk of each of these */
};

/** struct cm_session_space - a namespace on a handle: keys, defaults and limits */
struct cm_session_space;

/** struct cm_session_space_options - how to open a namespace; zero it and set @size */
struct cm_session_space_options {
        size_t size;          /* sizeof(struct cm_session_space_options) */
        const char *key_file; /* the app's key ring; NULL: $CACHEMESH_SESSION_KEYS. The same on
                                    all nodes; see cm_session_keys_new() */
        enum cm_session_level level; /* CM_SESSION_DEFAULT: CM_SESSION_ONE */
        uint64_t life_ms;            /* of new sessions; 0: CM_SESSION_LIFE_MS_DEFAULT */
        uint64_t idle_ms;    /* an unused session ends after so long; 0: never before its life
                                    is over */
        size_t copies_bytes; /* memory for sessions in use in this process, of all spaces of the
                                    handle (the first one decides); 0: 64 MiB; at least 4 MiB */
        const char *route;   /* put after each new id, with a dot, for a load balancer with
                                    sticky routes; [A-Za-z0-9_-]; NULL: none */
};

/** struct cm_session_call_options - what one call wants; zero it and set @size */
struct cm_session_call_options {
        size_t size;                 /* sizeof(struct cm_session_call_options) */
        uint32_t timeout_ms;         /* 0: the handle's */
        enum cm_session_level level; /* of changes */
        unsigned flags;              /* CM_SESSION_PEEK */
};

/** define CM_SESSION_PEEK - cm_session_get(): to look is not to use: it idles on */
#define CM_SESSION_PEEK 1u

/** struct cm_session_create_options - what a new session is; zero it and set @size */
struct cm_session_create_options {
        size_t size;                 /* sizeof(struct cm_session_create_options) */
        uint32_t timeout_ms;         /* 0: the handle's */
        enum cm_session_level level; /* CM_SESSION_DEFAULT: the space's */
        uint64_t life_ms; /* 0: the space's; cm_session_rotate(): it goes on with that of the old */
        uint64_t idle_ms; /* likewise. CM_SESSION_LIFE_MS_MAX is as good as none */
        const void *principal; /* whose it is, such as a user's number; NULL: nobody's, with
                                  cm_session_rotate() whose it was */
        size_t principal_len;  /* 0 to CM_SESSION_PRINCIPAL_MAX */
        const void *tag;       /* of the app: not sealed, shown to people. NULL: none, or the old */
        size_t tag_len;        /* 0 to CM_SESSION_TAG_MAX */
        uint64_t grace_ms; /* cm_session_rotate(): so long the old id still reads what it had, for
                              requests on their way; 0, as at a login: it is dead at once */
};

/**
 * struct cm_session - a session as it was read or written
 *
 * Zero it and set @size; cm_session_release() makes it reusable. Later versions append members. It
 * pins what it shows, which stays readable whatever becomes of the session. One that holds
 * something is released by whatever fills it anew. It may be moved, but of two copies only one be
 * released.
 */
struct cm_session {
        size_t size;         /* sizeof(struct cm_session) */
        const void *data;    /* aligned to 16; not NULL while it holds something */
        size_t len;          /* bytes */
        uint64_t created_ms; /* UTC, since 1970 */
        uint64_t end_ms;     /* it is over then, whatever happens */
        uint64_t idle_ms;    /* it is over when unused for so long; 0: not so */
        unsigned char tag[CM_SESSION_TAG_MAX];
        size_t tag_len;
        uint32_t n_copies;  /* after a change: nodes that have written it, this one included */
        int is_read_only;   /* of an id that was rotated, in its grace */
        uint64_t opaque[8]; /* the library's */
};

/* Spaces */

/**
 * cm_session_space_open() - open a namespace
 * @ret_space: close it with cm_session_space_close(), before cm_close()
 * @cm:        the handle; not one of CM_OPEN_STANDALONE
 * @name:      1 to CM_SESSION_SPACE_MAX bytes of UTF-8 without control characters; copied
 * @options:   borrowed; NULL for all defaults
 *
 * Does not need a running meshd. Only processes of one user (uid) share a namespace, on all nodes
 * those of the same one. The key file is read once, now.
 *
 * Return: 0, -EINVAL (name, options), -ENAMETOOLONG, -EOPNOTSUPP (a standalone handle), -ENOMEM;
 *         of the key file: -ENOKEY (none is named), -EACCES (others than its owner may read it), an
 *         errno of reading it, -EBADMSG and what cm_session_keys_new() writes otherwise not.
 */
CM_API int cm_session_space_open(struct cm_session_space **ret_space, struct cm *cm,
                const char *name, const struct cm_session_space_options *options);

/**
 * cm_session_space_close() - end a namespace, and wipe its keys
 * @space: taken over; NULL is allowed
 *
 * What was got stays readable until it is released, but can be saved no more. No other call on it
 * may be running or follow.
 *
 * Return: NULL.
 */
CM_API struct cm_session_space *cm_session_space_close(struct cm_session_space *space);

/**
 * cm_session_keys_new() - make a key ring with a new key of each kind
 * @path: must not exist; it is made with mode 0600
 *
 * For development and for the first node: bring the file to every node, on a safe way. Rotation:
 * append the new key to the files of all nodes as an accepted one, restart the apps, make it the
 * used one, restart them, and remove the old one when no session made with it can live any more
 * (the longest life_ms). docs/reference/session-keys.md has the format.
 *
 * Return: 0, -EEXIST, -EIO (no random numbers), or an errno of writing it.
 */
CM_API int cm_session_keys_new(const char *path);

/* Sessions */

/**
 * cm_session_create() - begin a session
 * @space:       where
 * @data:        borrowed; NULL is allowed if @len is 0
 * @len:         up to CM_SESSION_DATA_MAX bytes; warned of in the log from 16 KiB on
 * @options:     borrowed; NULL for all defaults
 * @ret_id:      CM_SESSION_ID_SIZE bytes: the id for the client, a secret as good as a password
 * @ret_session: NULL, or what was created; its n_copies says how safe it is
 *
 * The id is 192 random bits, base64url, and ".route" if the space has one.
 *
 * Return: 0, CM_E_TOO_BIG, CM_E_FULL, CM_E_BUSY, CM_E_TIMEOUT (forget the id: whatever there is of
 *         it ends by itself), CM_E_UNCONFIRMED, -ENOTCONN (meshd is away), -EOPNOTSUPP (this node
 *         holds no sessions, or has no disk; the detail says why).
 */
CM_API int cm_session_create(struct cm_session_space *space, const void *data, size_t len,
                const struct cm_session_create_options *options, char *ret_id,
                struct cm_session *ret_session);

/**
 * cm_session_get() - read a session
 * @space:       where
 * @id:          as the client brought it: anything. What cannot be an id is CM_GONE
 * @options:     borrowed; NULL for all defaults
 * @ret_session: 0: filled; to be released
 *
 * The copy in this process if its stamp and lease hold, else meshd is asked. It counts as a use,
 * which is told to meshd now and then (a twentieth of idle_ms, at most 60 s). What finds no room in
 * copies_bytes is given all the same; the next get asks for it again.
 *
 * Return: 0, CM_GONE, CM_E_SEALED, CM_E_UNCONFIRMED, CM_E_BUSY, CM_E_TIMEOUT, -ENOTCONN,
 *         -EOPNOTSUPP; as with cm_session_create().
 */
CM_API int cm_session_get(struct cm_session_space *space, const char *id,
                const struct cm_session_call_options *options, struct cm_session *ret_session);

/**
 * cm_session_save() - write a session over the version that was read
 * @session: from a get, a create, or an earlier save; on 0 and CM_CONFLICT it is filled anew
 * @data:    borrowed; may be a part of what @session shows
 * @len:     up to CM_SESSION_DATA_MAX bytes
 * @options: borrowed; NULL for all defaults
 *
 * Of two saves over one version one wins. 0: @session is what was written. CM_CONFLICT: nothing was
 * written, and @session is what somebody else has saved meanwhile: merge, and save again. Otherwise
 * it is as it was. A save never creates, and is a use of the session. After CM_E_TIMEOUT get it
 * anew: it may have been written.
 *
 * Return: 0, CM_CONFLICT, CM_GONE, CM_E_STALE, CM_E_READ_ONLY, CM_E_TOO_BIG, CM_E_FULL, CM_E_SEALED
 *         (what is there now cannot be opened), CM_E_UNCONFIRMED, CM_E_BUSY, CM_E_TIMEOUT,
 *         -ENOTCONN, -EOPNOTSUPP.
 */
CM_API int cm_session_save(struct cm_session *session, const void *data, size_t len,
                const struct cm_session_call_options *options);

/**
 * cm_session_touch() - say that a session is in use
 * @session: from a get, a create or a save
 *
 * For who holds one for long without getting it again; a get does it by itself. Never waits, never
 * changes the version, and is told to meshd at most as often as cm_session_get() says.
 *
 * Return: 0, also if meshd could not be told.
 */
CM_API int cm_session_touch(struct cm_session *session);

/**
 * cm_session_destroy() - end a session: logout
 * @space:   where
 * @id:      as the client brought it; what cannot be an id has no session, which is success
 * @options: borrowed; NULL for all defaults
 *
 * 0: it is dead everywhere, in every process of every node, for good, and whatever was still on its
 * way does not bring it back; also if there was none. CM_PENDING: it is dead here, and the others
 * will learn it. After an error repeat it: it does no harm. CM_E_UNCONFIRMED where a get answers
 * CM_GONE: it is dead on this node. In this version other nodes are neither asked nor told, so in a
 * mesh of several nodes that is all there is for a session that this node does not know.
 *
 * Return: 0, CM_PENDING, CM_E_FULL (no room to write it down), CM_E_UNCONFIRMED, CM_E_BUSY,
 *         CM_E_TIMEOUT, -ENOTCONN, -EOPNOTSUPP.
 */
CM_API int cm_session_destroy(struct cm_session_space *space, const char *id,
                const struct cm_session_call_options *options);

/**
 * cm_session_destroy_principal() - end all sessions of somebody: "log out everywhere"
 * @space:         where
 * @principal:     as it was given at the creation
 * @principal_len: 1 to CM_SESSION_PRINCIPAL_MAX
 * @options:       borrowed; NULL for all defaults
 *
 * All that were created before this call, also those of which this node knows nothing, and also
 * those made with the previous index key. One that is created later lives. In this version, in a
 * mesh of several nodes, it ends those on this node, and returns CM_E_UNCONFIRMED each time.
 *
 * Return: as cm_session_destroy().
 */
CM_API int cm_session_destroy_principal(struct cm_session_space *space, const void *principal,
                size_t principal_len, const struct cm_session_call_options *options);

/**
 * cm_session_rotate() - a new id for a session: at each login, against fixed sessions
 * @session: from a get, a create or a save; on 0 and CM_CONFLICT it is filled anew
 * @data:    borrowed; what the session has from now on; NULL: what it has
 * @len:     up to CM_SESSION_DATA_MAX bytes; 0 with NULL
 * @options: borrowed; NULL: all as the old one has it, and no grace
 * @ret_id:  CM_SESSION_ID_SIZE bytes: the new id
 *
 * The old id ends, and never leads to the new one or to what it has; with grace_ms it shows what it
 * had for a while. One winner, as with saves. On anything but 0 there is no new session, but after
 * CM_E_TIMEOUT there may be one that nobody knows, and the old one may be gone: get the old one,
 * and if that is CM_GONE, log in anew.
 *
 * Return: 0, CM_CONFLICT, and as cm_session_save() otherwise.
 */
CM_API int cm_session_rotate(struct cm_session *session, const void *data, size_t len,
                const struct cm_session_create_options *options, char *ret_id);

/**
 * cm_session_release() - give back what a session pins
 * @session: emptied, its size stays; NULL and empty ones are allowed. Any thread
 */
CM_API void cm_session_release(struct cm_session *session);

#ifdef __cplusplus
}
#endif
#endif
