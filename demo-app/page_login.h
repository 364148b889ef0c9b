/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The pages of logging in and out.
 */
#include "demo-app/app.h"

void page_login(const struct app *app, const struct request *request, struct answer *answer);

/* A logout that did not succeed: why, and the button once more. */
void page_still_in(const struct app *app, const struct request *request, struct answer *answer,
                const char *text);
