/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What all pages have in common: the top with the links to other nodes, who is logged in, a notice
 * of what was just done, and the end.
 */
#include "demo-app/app.h"

/* Text from people, harmless in HTML and in quoted attributes. */
void frame_text(FILE *out, const char *text);

/**
 * frame_begin() - all of a page above its content
 * @path: of the page, for the links to other nodes; made of names that need no escaping
 */
void frame_begin(const struct app *app, const struct request *request, FILE *out, const char *title,
                const char *path);
void frame_end(FILE *out);

/* The token of the session's forms, as a field of one. */
void frame_token(FILE *out, const struct request *request);

/* A form that is a button only: @path gets @name=@value. */
void frame_button(FILE *out, const struct request *request, const char *path, const char *name,
                const char *value, const char *label);

/* What a notice's word says; NULL: it is none. */
const char *frame_notice_text(const char *word);
