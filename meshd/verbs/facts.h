/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Facts for `meshctl doctor` that no other verb tells: what discovery hears and cannot reach, which
 * interfaces take part, what could not be stored, how many descriptors there are. meshd only says
 * what is; what is wrong with it, and what to do, is decided in meshctl.
 */
#include "meshd/daemon.h"

#define FACTS_CANDIDATES_MAX 64 /* that have no link, in one answer */

/* Write them into an open document. */
void facts_write(const struct daemon *daemon, struct document *document);
