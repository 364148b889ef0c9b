/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A query of a client in work, and its answer: what each verb is given, and what it answers with.
 */
#include "meshd/local/service.h"

struct question {
        struct service *service;
        struct guest *guest;
        uint64_t id;
        struct cmi_slice arguments; /* borrowed for the call */
        struct cmi_time now;
};

/* The answer to a question, with its document opened. */
struct answer {
        struct cmi_writer writer;
        struct document document;
        size_t begin;
};

/* Nothing else may be answered between the two. @schema: "status" and so on. */
void answer_begin(struct answer *answer, const struct question *question, const char *schema);
void answer_send(struct answer *answer, const struct question *question);

/* Answer by ERROR. */
void question_refuse(const struct question *question, int64_t code, const char *format, ...)
                __attribute__((format(printf, 3, 4)));

/**
 * question_find_member() - a member by name, or by id in its text form
 *
 * A node that lost its state directory came back as another one of the same name. So of several the
 * one that is there is meant, rather than one that is gone.
 *
 * Return: 0, -ENOENT.
 */
int question_find_member(const struct question *question, struct cmi_slice name,
                struct core_member *ret_member);

/**
 * question_find_over() - the same for who wants one that is gone, has left or was only seen
 *
 * If no member is like this also of the nodes that have no place among the members.
 *
 * Return: 0, also if it is there, since there is no other one of this name; -ENOENT.
 */
int question_find_over(const struct question *question, struct cmi_slice name,
                struct core_member *ret_member);
