/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Who may ask for what, and the way in and out: login, logout, "log out everywhere". It decides
 * cookies and the answers to each outcome of a login; what the outcomes are is left to login.c, how
 * they look to page_login.c.
 *
 * Everybody may read. A form brings the token of the session that it was made for; folders are
 * changed by who is logged in as their person. Only a session that is over means that somebody is
 * not logged in: while nobody can tell, the cookie stays.
 */
#include "demo-app/app.h"

#define GATE_COOKIE "demo_session"
#define GATE_END_COOKIE "demo_session_end" /* when it was to end: only to say why it did */

/* Reads the session of a request that has to do with it, into request->login. */
void gate_read(const struct app *app, struct request *request);
void gate_release(struct request *request);

/* Whether a form of this request's pages can be sent. */
bool gate_has_token(const struct app *app, const struct request *request);

/* Whether the one who asks is this person. */
bool gate_is_person(const struct app *app, const struct request *request, const char *person);

/**
 * gate_admit() - whether a form may be done
 * @person: whose things it changes; NULL: a visitor may send it, too
 *
 * Return: true, or false with @answer filled.
 */
bool gate_admit(const struct app *app, const struct request *request, struct answer *answer,
                const char *person);

/* As gate_admit() for the page of a form: false if nobody has logged in. */
bool gate_admit_page(const struct app *app, const struct request *request, struct answer *answer);

/* What a page says of the session besides its body: the cookies, once all is decided. */
void gate_finish(const struct app *app, const struct request *request, struct answer *answer);

/* An error of a login, with the status that belongs to it. */
void gate_fail(const struct app *app, const struct request *request, struct answer *answer,
                int outcome);

/* GET /login, GET /api/session, POST /login, POST /logout. */
void gate_show_login(const struct app *app, struct request *request, struct answer *answer);
void gate_show_session(const struct app *app, const struct request *request, struct answer *answer);
void gate_enter(const struct app *app, struct request *request, struct answer *answer);
void gate_leave(const struct app *app, struct request *request, struct answer *answer);
