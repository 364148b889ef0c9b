/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a request and its answer are, between http.c, which speaks HTTP, and route.c, which
 * knows what there is to ask.
 */
#include "demo-app/cache.h"
#include "demo-app/login.h"
#include "demo-app/store.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define APP_PATH_MAX 256
#define APP_SEGMENTS_MAX 6
#define APP_FIELD_MAX 256 /* bytes of a form field's value */
#define APP_BODY_MAX 4096 /* bytes of a request's body */
#define APP_COOKIE_MAX 224

struct app {
        struct store *store;
        struct cache *cache;
        struct login_space *logins; /* NULL: the app does without; whoever is named acts */
        const char *node;           /* name */
        bool is_cookie_secure;      /* browsers send it over TLS only */
};

/* Fields of forms; each is "" if it was not sent. */
struct request_fields {
        char name[APP_FIELD_MAX + 1];
        char parent[APP_FIELD_MAX + 1];
        char with[APP_FIELD_MAX + 1];
        char token[APP_FIELD_MAX + 1];    /* of the session's forms */
        char where[APP_FIELD_MAX + 1];    /* of a logout */
        char revision[APP_FIELD_MAX + 1]; /* of the form in three steps */
        char step[APP_FIELD_MAX + 1];
        char go[APP_FIELD_MAX + 1];
};

struct request {
        bool is_post; /* else GET or HEAD */
        bool is_api;  /* the answer is JSON, else a page */
        char path[APP_PATH_MAX + 1];
        char *segments[APP_SEGMENTS_MAX]; /* of the path, without "api"; point into it */
        size_t n_segments;
        struct request_fields fields;
        char notice[96]; /* the page's notice: a report, as report_pack() wrote it, or a word */
        char cookie[LOGIN_COOKIE_MAX + 1];
        uint64_t known_end_ms; /* when the session was to end, by the browser's word; 0: unknown */
        struct login login;
};

/* @out collects the body. */
struct answer {
        FILE *out;
        char *body;
        size_t len;
        unsigned int status;
        const char *allow;                 /* NULL, or the methods that are possible */
        const char *cache;                 /* "hit", "miss", "-" if nothing was looked up */
        const char *reason;                /* of a miss; "" if there is none */
        char location[APP_PATH_MAX + 128]; /* of a redirect; "" if it is none */
        char cookies[2][APP_COOKIE_MAX];   /* to be set; "" if there is none */
        bool is_for_later;                 /* the same may succeed in a moment: Retry-After */
};

/**
 * route_answer() - answer a request
 * @answer: out is open; all else is to be filled
 */
void route_answer(const struct app *app, struct request *request, struct answer *answer);

/**
 * route_split() - find the segments of a path
 *
 * Return: 0, -ENAMETOOLONG (APP_PATH_MAX, APP_SEGMENTS_MAX).
 */
int route_split(struct request *request, const char *path);

/* Fills @answer with an error: JSON or a page, as the request is. */
void route_fail(const struct app *app, const struct request *request, struct answer *answer,
                unsigned int status, const char *text);

/* The same for what the store, or a load from it, returned: an enum store_outcome or an error. */
void route_fail_store(
                const struct app *app, const struct request *request, struct answer *answer, int r);

/* Its status, and a sentence for people. Static. */
unsigned int route_status(int r);
const char *route_store_text(int r);

/* After a change: JSON says how it was told, a browser is sent to the person's page, which does. */
void route_changed(const struct app *app, const struct request *request, struct answer *answer,
                const char *person, const struct store_change *change,
                const struct cache_report *report);
