/* SPDX-License-Identifier: MIT */
#pragma once
/* What the codecs of several frames share. Not for other folders. */
#include "wire/fields.h"
#include "wire/frame.h"

/* A reader that holds -EMSGSIZE if the body is over CMI_FRAME_BODY_MAX. */
struct cmi_reader cmi_frame_body(struct cmi_slice body);

/* [stream, number] */
struct cmi_position cmi_read_position(struct cmi_reader *reader);
void cmi_write_field_position(
                struct cmi_writer *writer, uint64_t key, struct cmi_position position);
