/* SPDX-License-Identifier: MIT */
#pragma once
/* Names of hosts. */
#include "base/endpoint.h"

/**
 * host_resolve() - look "HOST:PORT" up
 * @text:         NUL-terminated
 * @ret_endpoint: the first address of the host
 * @ret_why:      on failure: a static text
 *
 * Asks the system's resolver, and may take as long as that does.
 *
 * Return: 0, -EINVAL.
 */
int host_resolve(const char *text, struct cmi_endpoint *ret_endpoint, const char **ret_why);
