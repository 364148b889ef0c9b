/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Address filter: which endpoints this node may dial. Not its own ones, not those that nobody can
 * dial, and without a mesh key nothing but loopback. Whether a dial is worth it is
 * candidate_table.h's part.
 */
#include "discovery/beacon.h"

enum address_filter_number {
        ADDRESS_FILTER_OWN_MAX = 8,
};

struct address_filter {
        bool is_loopback_only;
        uint8_t n_own;
        struct cmi_endpoint own[ADDRESS_FILTER_OWN_MAX];
};

/* Remembers at most ADDRESS_FILTER_OWN_MAX of them. */
void address_filter_set_own(
                struct address_filter *filter, const struct cmi_endpoint *endpoints, uint8_t n);

/**
 * address_filter_check() - may this be dialled?
 * @filter:   to ask
 * @endpoint: any
 *
 * Return: 0; -EINVAL for what nobody can dial (port 0, multicast, no family); -EADDRNOTAVAIL for
 *         what is not loopback, in a node without a key; -ELOOP for an own one.
 */
int address_filter_check(const struct address_filter *filter, const struct cmi_endpoint *endpoint);

/**
 * address_filter_check_dns() - may this be dialled, since DNS names it?
 * @filter:   to ask
 * @endpoint: any
 *
 * Who answers for DNS, or stands on the way, must not be able to make this node dial services of
 * its own host: loopback counts only in a node that is itself reached there.
 *
 * Return: as address_filter_check(); -EADDRNOTAVAIL also for loopback in a node that is reached
 *         elsewhere; -EINVAL also for a link-local address, since DNS names no interface.
 */
int address_filter_check_dns(
                const struct address_filter *filter, const struct cmi_endpoint *endpoint);

/**
 * address_filter_pick() - the endpoints of a beacon that may be dialled
 * @filter:     to ask
 * @beacon:     borrowed
 * @source:     of the datagram; loopback endpoints count from a loopback source only, or anybody
 *              could make this node dial its own services
 * @ifindex:    scope for link-local endpoints; with 0 they do not count
 * @ret_picked: the good ones, with scopes
 *
 * Return: how many.
 */
uint8_t address_filter_pick(const struct address_filter *filter, const struct beacon *beacon,
                const struct cmi_endpoint *source, uint32_t ifindex,
                struct cmi_endpoint ret_picked[BEACON_ENDPOINTS_MAX]);
