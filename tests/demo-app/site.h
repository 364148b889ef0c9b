/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * An app with logins over fake_sessions.c, and browsers that ask it.
 */
#include "demo-app/http.h"

#include "tests/demo-app/client.h"
#include "tests/demo-app/fake_sessions.h"
#include "tests/demo-app/place.h"

#include <glib.h>

struct site {
        struct place place;
        struct app app;
        struct http *http;
        uint16_t port;
};

/* It keeps the id, the time of its end and the token of forms, as a browser does. */
struct browser {
        const struct site *site;
        char id[160];
        char end[32];
        char token[40];
};

/* As g_test_add() wants them. */
void site_set_up(struct site *site, const void *unused);
void site_tear_down(struct site *site, const void *unused);

/* The answer; to be freed with g_free(). The token is sent with each form. */
char *browser_get(struct browser *browser, const char *path);
char *browser_post(struct browser *browser, const char *path, const char *body);

void browser_assert_get(struct browser *browser, const char *path, int status);
void browser_assert_post(struct browser *browser, const char *path, const char *body, int status);

/* A browser with the login form open. */
struct browser browser_visit(const struct site *site);
struct browser browser_log_in(const struct site *site, const char *person);

/* "person", "ended", ...: what the app says of the browser's session; to be freed with g_free(). */
char *browser_state(struct browser *browser);
