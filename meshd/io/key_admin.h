/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The verbs of QUERY about mesh keys. A key comes in by key_install and never goes out: answers
 * name keys by their fingerprints.
 */
#include "meshd/io/service.h"

/**
 * key_admin_answer() - answer a query if it is one about keys
 *
 * After a change the answer is the list as it is then, once it is on the disk; whatever is wrong is
 * told to the client.
 *
 * Return: whether the verb is one of these; else nothing was done.
 */
bool key_admin_answer(struct service *service, struct guest *guest, uint64_t id,
                const struct cmi_local_query *query);

/* The guest is gone: what it asked for goes on, and is told to nobody. */
void key_admin_cancel(struct service *service, const struct guest *guest);
