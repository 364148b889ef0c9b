/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Who is asking, through libcachemesh-session: it decides what each outcome of the library means
 * for a login, and what is repeated. It is all that knows that library. Who may do what is left to
 * gate.c, what is in a session to visit.c.
 *
 * Any thread may call any function; a struct login belongs to one request.
 */
#include "demo-app/visit.h"

#include "libcachemesh/cachemesh-session.h"

#include <stdbool.h>

#define LOGIN_COOKIE_MAX 127 /* bytes of a cookie that are looked at */
#define LOGIN_TRIES 5        /* saves of one change, while others are faster */

struct login_space;

struct login_options {
        const char *node;
        const char *key_file; /* NULL: the library's default */
        uint64_t idle_ms;     /* a login that is not used for so long is over; 0: never */
        uint64_t life_ms;     /* and so long after it began at the latest; 0: 12 h */
};

enum login_state {
        LOGIN_UNREAD = 0, /* nobody has looked, or the app does without logins */
        LOGIN_NONE,       /* no cookie */
        LOGIN_VISITOR,    /* a session of somebody who has not logged in */
        LOGIN_PERSON,
        LOGIN_ENDED,     /* there was a session */
        LOGIN_ELSEWHERE, /* another node gave the id, and this one does not know it */
        LOGIN_UNKNOWN,   /* nobody can tell just now: never to be taken for "not logged in" */
};

/* @visit and @session are of LOGIN_VISITOR and LOGIN_PERSON. */
struct login {
        enum login_state state;
        int outcome; /* of the library's last call */
        struct visit visit;
        struct cm_session session;
        char id[CM_SESSION_ID_SIZE];
        char home[CM_SESSION_ROUTE_MAX + 1]; /* of LOGIN_ELSEWHERE: the node that gave the id */
};

/**
 * login_open() - open the app's sessions
 * @cm:      borrowed until login_close(), which comes before the end of the handle
 * @options: borrowed for the call
 *
 * Return: 0, -ENOMEM, or as cm_session_space_open().
 */
int login_open(struct login_space **ret_space, struct cm *cm, const struct login_options *options);
struct login_space *login_close(struct login_space *space);

/**
 * login_read() - who brought this cookie
 * @cookie:    whatever came; NULL: none
 * @ret_login: to be released by login_release(), in each state
 */
void login_read(struct login_space *space, const char *cookie, struct login *ret_login);
void login_release(struct login *login);

/**
 * login_begin() - give a visitor a session
 * @login: 0: it is LOGIN_VISITOR, with a new id for the cookie
 *
 * Return: 0, or what cm_session_create() returns, with login as it was.
 */
int login_begin(struct login_space *space, struct login *login);

/**
 * login_enter() - log in: the session gets a new id and the person as its principal
 * @login: LOGIN_VISITOR or LOGIN_PERSON; 0: it is LOGIN_PERSON, with a new id for the cookie
 *
 * A session that has ended meanwhile is replaced by a new one; the old id is dead in any case.
 *
 * Return: 0, CM_GONE (after a timeout: perhaps done, but the new id is lost), CM_CONFLICT (others
 *         were faster each time), or what cm_session_rotate() and cm_session_create() return.
 */
int login_enter(struct login_space *space, struct login *login, const char *person);

/**
 * login_save() - write a visit over the version that was read
 * @login: 0: as written; CM_CONFLICT: as somebody else has written it meanwhile
 *
 * Return: 0, CM_CONFLICT, CM_GONE (login is LOGIN_ENDED then), or what cm_session_save() returns.
 */
int login_save(struct login_space *space, struct login *login, const struct visit *visit);

/**
 * login_leave() - log out
 *
 * Return: 0 (also if only this node could be asked, and says that the session is over), CM_PENDING
 *         (the other nodes will learn it), or an error of cm_session_destroy(): then whoever has
 *         the cookie may still be logged in.
 */
int login_leave(struct login_space *space, const struct login *login);

/**
 * login_leave_everywhere() - end all logins of the person
 * @login:            LOGIN_PERSON
 * @ret_is_here_only: whether the other nodes of the mesh were not told
 *
 * Return: as login_leave().
 */
int login_leave_everywhere(
                struct login_space *space, const struct login *login, bool *ret_is_here_only);

/* When the session is over if nothing more is asked, in ms UTC. */
uint64_t login_end_ms(const struct login *login);

/* Milliseconds of UTC. */
uint64_t login_now_ms(void);

/* A sentence on an outcome that is no success, for people. Static. */
const char *login_outcome_text(int outcome);

/* The HTTP status that says the same. */
unsigned int login_outcome_status(int outcome);
