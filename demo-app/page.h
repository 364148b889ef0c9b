/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The answers as pages for people: which node answered, hit or miss, the folders, and forms to
 * change them. No script, nothing from elsewhere.
 */
#include "demo-app/app.h"

void page_home(const struct app *app, const struct request *request, struct answer *answer,
                const struct cache_answer *people);
void page_person(const struct app *app, const struct request *request, struct answer *answer,
                const char *person, const struct cache_answer *tree);
void page_error(const struct app *app, const struct request *request, struct answer *answer,
                const char *text);

/* The form that adds a person. */
void page_person_form(const struct request *request, FILE *out);
