/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * File descriptors: how many a configuration needs, and who gets those beyond that: inbound
 * connections of strangers and the exchange of keys, and nothing else. So apps and files always
 * find theirs.
 */
#include "meshd/io/fault.h"
#include "meshd/options/config.h"

/* Three descriptors a peer, one a client, and what libzmq, libuv and the files need. */
uint64_t descriptors_needed(const struct config *config);

/**
 * descriptors_take() - raise the process's limit to what is of use, as far as it goes
 * @ret_n_spare: inbound connections that fit beyond the mesh's own
 * @fault:       filled on failure
 *
 * Return: 0, or -EMFILE with @fault: the hard limit is too low.
 */
int descriptors_take(const struct config *config, uint32_t *ret_n_spare, struct fault *fault);
