/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What waits in the spool beside a socket (wire/spool.h): read here, since it matters when meshd is
 * away. Nothing in it is changed.
 */
#include "meshctl/problem.h"

#include <jansson.h>

/**
 * spool_read() - the document of `meshctl spool`
 * @socket:       path of meshd's socket
 * @ret_document: schema cachemesh.spool/1: directory, operations, and files, rows of {name, pid,
 *                uid, operations, bytes, age_ms, state}; new reference
 *
 * State of a row: "complete"; "cut off": its writer was killed in the middle of a record;
 * "damaged"; "foreign": no file that an app makes; "unreadable".
 *
 * Return: 0, or an exit status with the problem set: STATUS_REFUSED, STATUS_FAILED (there is no
 *         spool).
 */
int spool_read(const char *socket, json_t **ret_document, struct problem *problem);

/* When meshd is away: what waits, added to the problem's text; nothing if that is nothing. */
void spool_mention(const char *socket, struct problem *problem);
