/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The pages of the form in three steps.
 */
#include "demo-app/app.h"

/* @problem: why the step that was sent was not taken; NULL: nothing was sent. */
void page_steps(const struct app *app, const struct request *request, struct answer *answer,
                const char *problem);

/* Another tab was faster: what there is, what was brought, and both ways on. */
void page_conflict(const struct app *app, const struct request *request, struct answer *answer);
