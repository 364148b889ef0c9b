/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The verbs of QUERY: one table of names and functions. Each looks at the core and at the shell
 * and writes one document (docs/reference/local-verbs.md); those that must ask other nodes or
 * wait go on in inquiry.h.
 */
#include "meshd/io/document.h"
#include "meshd/io/service.h"

/**
 * admin_answer() - answer a query, or begin to
 *
 * Return: 0; whatever is wrong with verb or arguments is told to the client.
 */
int admin_answer(struct service *service, struct guest *guest, uint64_t id,
                const struct cmi_local_query *query);

/**
 * admin_find_member() - a member by name, or by id in its text form
 *
 * Return: 0, -ENOENT.
 */
int admin_find_member(struct service *service, struct cmi_slice name, struct cmi_time now,
                struct core_member *ret_member);

/* "live" and so on. */
const char *admin_member_state(enum member_state state);
const char *admin_core_state(enum core_state state);
