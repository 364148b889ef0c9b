/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Who may have one more connection to the local socket. One user gets half of --max-clients, all
 * together get all of it. Beyond that there is a small reserve, so that meshctl gets in when apps
 * have taken everything: on its connections nothing is served but what meshctl asks for (no page,
 * no region), which service.c sees to. Each user has a part of the reserve; root and the user of
 * meshd find theirs whatever others do.
 */
#include "meshd/local/local.h"

#define CLIENT_LIMIT_RESERVE_USER 4   /* of one user, beyond the share */
#define CLIENT_LIMIT_RESERVE_OTHERS 8 /* of all but root and the user of meshd */
#define CLIENT_LIMIT_RESERVE (CLIENT_LIMIT_RESERVE_OTHERS + 2 * CLIENT_LIMIT_RESERVE_USER)
#define CLIENT_LIMIT_TEXT_MAX 192

enum client_limit {
        CLIENT_LIMIT_GRANTED = 0,
        CLIENT_LIMIT_RESERVED = 1,
};

/**
 * client_limit_check() - may this user have one more connection?
 * @local: whose clients are counted, and whose counters say who was refused
 *
 * Return: CLIENT_LIMIT_GRANTED, CLIENT_LIMIT_RESERVED, or -EMFILE.
 */
int client_limit_check(struct local *local, uid_t uid);

/* Why this user has no connection but one of the reserve, for people. */
void client_limit_describe(
                const struct local *local, uid_t uid, char ret_text[CLIENT_LIMIT_TEXT_MAX]);

/* Say no, as a courtesy that is not waited for, and close the descriptor. */
void client_limit_refuse(int fd, const char *text);
