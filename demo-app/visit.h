/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the app keeps in a session: who has logged in, when and where, the token of its forms, and
 * the form in three steps as far as it is filled in. It decides how that is written and what is
 * valid; where it is kept is left to login.c.
 *
 * It is text, so that processes of another build or byte order read it.
 */
#include "demo-app/name.h"

#include <stddef.h>
#include <stdint.h>

#define VISIT_TOKEN_LEN 32 /* hexadecimal digits: 128 random bits */
#define VISIT_NODE_MAX 64
#define VISIT_STEPS 3
#define VISIT_PACKED_MAX 512

/* A folder to be made: step 1 asks for its name, step 2 with whom to share it, step 3 whether to do
 * it. Every save counts @revision, so that a page knows the form that it was made of. */
struct visit_form {
        uint32_t revision;
        uint32_t step;                  /* the one to be filled in: 1 to VISIT_STEPS */
        char name[NAME_FOLDER_MAX + 1]; /* "" before step 1 is done */
        char with[NAME_PERSON_MAX + 1]; /* "": nobody */
};

struct visit {
        char person[NAME_PERSON_MAX + 1]; /* "": a visitor who has not logged in */
        char token[VISIT_TOKEN_LEN + 1];  /* what each form has to bring */
        uint64_t begin_ms;                /* UTC of the login */
        char node[VISIT_NODE_MAX + 1];    /* where that was */
        struct visit_form form;
};

/**
 * visit_begin() - a visit without anything filled in, with a new token
 * @person: "" for a visitor
 *
 * Return: 0, or -EIO (no random numbers).
 */
int visit_begin(struct visit *ret_visit, const char *person, const char *node, uint64_t now_ms);

/* Whether a form brought the visit's token; of one as long as that, the time tells nothing. */
bool visit_has_token(const struct visit *visit, const char *token);

/* Returns the length; @ret_packed is no text that ends with a NUL. */
size_t visit_pack(const struct visit *visit, char ret_packed[VISIT_PACKED_MAX]);

/* Whether @packed is the work of visit_pack(), and valid in each part. */
bool visit_unpack(const void *packed, size_t len, struct visit *ret_visit);
