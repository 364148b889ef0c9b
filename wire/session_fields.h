/* SPDX-License-Identifier: MIT */
#pragma once
/* What the codecs of session messages share. Not for other folders. */
#include "wire/fields.h"
#include "wire/session.h"

void cmi_write_field_id(struct cmi_writer *writer, uint64_t key, const struct cmi_id *id);

/* [counter, opener, incarnation] */
void cmi_read_epoch(struct cmi_reader *reader, struct cmi_session_epoch *ret_epoch);
void cmi_write_field_epoch(
                struct cmi_writer *writer, uint64_t key, const struct cmi_session_epoch *epoch);

/* [counter, opener, incarnation, seq, writer] */
void cmi_read_version(struct cmi_reader *reader, struct cmi_session_version *ret_version);
void cmi_write_version(struct cmi_writer *writer, const struct cmi_session_version *version);
void cmi_write_field_version(
                struct cmi_writer *writer, uint64_t key, const struct cmi_session_version *version);

/* [node, incarnation, number] */
void cmi_read_holder(struct cmi_reader *reader, struct cmi_session_holder *ret_holder);
void cmi_write_field_holder(
                struct cmi_writer *writer, uint64_t key, const struct cmi_session_holder *holder);
