/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a fake meshd says, written into a client's socket; for fake_meshd.c, which decides what to
 * say and when. A client that is gone is not told.
 */
#include "tests/libcachemesh/fake_meshd.h"
#include "tests/libcachemesh/fake_page.h"

/* Several messages in one write. */
void fake_answer_send(int fd, const struct cmi_writer *writer);
void fake_answer_write_error(struct cmi_writer *writer, uint64_t id, const struct cmi_error *error);

/* With the page; or what the script says in its place. */
void fake_answer_attach(int fd, uint64_t id, const struct fake_meshd_script *script,
                const struct fake_page *page);
void fake_answer_error(int fd, uint64_t id, int64_t code);
void fake_answer_region(int fd, uint64_t id, uint32_t index);
/* Of two that applied it, and @n_members that are not proven to have. */
void fake_answer_result(
                int fd, uint64_t id, int64_t outcome, uint64_t position, unsigned n_members);
