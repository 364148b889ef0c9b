/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Who may have one more connection to the local socket. One user gets half of --max-clients, all
 * together get all of it. Beyond that there is a small reserve, so that meshctl gets in when apps
 * have taken everything: on its connections nothing is served but what meshctl asks for (no page,
 * no region), which service.c sees to. Each user has a part of the reserve; root and the user of
 * meshd find theirs whatever others do.
 */
#include "meshd/io/local.h"

#define ADMISSION_RESERVE_USER 4   /* of one user, beyond the share */
#define ADMISSION_RESERVE_OTHERS 8 /* of all but root and the user of meshd */
#define ADMISSION_RESERVE (ADMISSION_RESERVE_OTHERS + 2 * ADMISSION_RESERVE_USER)
#define ADMISSION_TEXT_MAX 192

enum admission {
        ADMISSION_GRANTED = 0,
        ADMISSION_RESERVED = 1,
};

/**
 * admission_check() - may this user have one more connection?
 * @local: whose clients are counted, and whose counters say who was refused
 *
 * Return: ADMISSION_GRANTED, ADMISSION_RESERVED, or -EMFILE.
 */
int admission_check(struct local *local, uid_t uid);

/* Why this user has no connection but one of the reserve, for people. */
void admission_describe(const struct local *local, uid_t uid, char ret_text[ADMISSION_TEXT_MAX]);

/* Say no, as a courtesy that is not waited for, and close the descriptor. */
void admission_refuse(int fd, const char *text);
