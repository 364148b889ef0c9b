/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What no app may say, on whatever way it comes: by a connection (service.c) or by a file that was
 * left (spool.c). Which sessions are dead elsewhere only meshd says.
 */
#include "wire/op.h"
#include "wire/session_local.h"

static inline bool app_op_is_of_meshd(const struct cmi_op *op)
{
        return cmi_op_is_of_sessions(op) ||
               cmi_slice_equal(op->region, cmi_slice_str(CMI_SESSION_REGION));
}
