/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A new folder in three steps: its name, with whom to share it, and whether to do it. What is
 * filled in is kept in the session, so it outlives the app and is the same in each tab. Each step
 * is a save over the version that was read, and each page names the revision of the form that it
 * was made of: of two tabs one wins, and the other one is told, with what it brought.
 */
#include "demo-app/app.h"

/* GET /steps, POST /steps. */
void steps_show(const struct app *app, const struct request *request, struct answer *answer);
void steps_do(const struct app *app, struct request *request, struct answer *answer);

/* The step that a form was sent for; 0: none. */
uint32_t steps_sent(const struct request *request);
