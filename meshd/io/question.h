/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the files behind admin.h share: one query in work, and its answer. admin.c has the table of
 * verbs, and those about this node and its peers; admin_apps.c those about apps; admin_intents.c
 * the one about open write intents.
 */
#include "meshd/io/service.h"

/* One query in work. */
struct question {
        struct service *service;
        struct guest *guest;
        uint64_t id;
        struct cmi_slice arguments;
        struct cmi_time now;
};

/* The answer to this question, with its document opened. */
struct answer {
        struct cmi_writer writer;
        struct document document;
        size_t begin;
};

void answer_begin(struct answer *answer, const struct question *question, const char *schema);
void answer_send(struct answer *answer, const struct question *question);

/* admin_apps.c */
void question_regions(const struct question *question);
void question_clients(const struct question *question);

/* admin_intents.c */
void question_intents(const struct question *question);
