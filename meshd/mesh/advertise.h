/* SPDX-License-Identifier: MIT */
#pragma once
/* Where others reach this node, if nobody said so: where it listens, or, if that is everywhere, its
 * addresses. */
#include "base/endpoint.h"
#include "wire/frame.h"

/**
 * advertise_list() - addresses for the own beacon and HELLO
 * @bound:         what is listened on
 * @ret_endpoints: at least one; for 0.0.0.0 and [::] those of interfaces that are up, but no
 *                 link-local ones, and loopback only if there is no other
 *
 * Return: how many there are.
 */
uint32_t advertise_list(const struct cmi_endpoint *bound,
                struct cmi_endpoint ret_endpoints[CMI_ENDPOINTS_MAX]);
