/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The answers as JSON, for programs. Each names the node.
 */
#include "demo-app/app.h"

void json_people(const struct app *app, struct answer *answer, const struct cache_answer *people);
void json_nodes(const struct app *app, struct answer *answer, const struct cache_answer *nodes);
void json_tree(const struct app *app, struct answer *answer, const char *person,
                const struct cache_answer *tree);
void json_status(const struct app *app, struct answer *answer);
void json_change(const struct app *app, struct answer *answer, const struct store_change *change,
                const struct cache_report *report);
void json_error(const struct app *app, struct answer *answer, const char *text);

/* The session of who asks, with the token for forms. */
void json_session(const struct app *app, const struct request *request, struct answer *answer);
/* How a logout went, in a word. */
void json_left(const struct app *app, struct answer *answer, const char *word);
/* The form in three steps; @conflict: why what was sent was not saved, NULL if it was. */
void json_steps(const struct app *app, const struct request *request, struct answer *answer,
                const char *conflict);
