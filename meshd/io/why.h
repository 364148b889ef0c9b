/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The verb "why": would a cached entry of this key be served on this node, and if not, what stands
 * in the way. It looks at the page as an app's get does, and at the history for who put the stamps
 * there. What is in the apps' caches it does not know: it says which token an entry would need.
 */
#include "meshd/io/service.h"

/* Answer the query; errors are told to the client. */
void why_answer(struct service *service, struct guest *guest, uint64_t id,
                struct cmi_slice arguments, struct cmi_time now);
