/* SPDX-License-Identifier: MIT */
#include "discovery/address_filter.h"

#include <errno.h>
#include <string.h>

void address_filter_set_own(
                struct address_filter *filter, const struct cmi_endpoint *endpoints, uint8_t n)
{
        filter->n_own = n < ADDRESS_FILTER_OWN_MAX ? n : ADDRESS_FILTER_OWN_MAX;
        for (uint8_t i = 0; i < filter->n_own; i++) {
                filter->own[i] = endpoints[i];
        }
}

static bool is_own(const struct address_filter *filter, const struct cmi_endpoint *endpoint)
{
        for (uint8_t i = 0; i < filter->n_own; i++) {
                if (cmi_endpoint_equal(&filter->own[i], endpoint)) {
                        return true;
                }
        }
        return false;
}

int address_filter_check(const struct address_filter *filter, const struct cmi_endpoint *endpoint)
{
        if (endpoint->port == 0 || cmi_endpoint_is_unspecified(endpoint) ||
                        cmi_endpoint_is_multicast(endpoint) ||
                        (endpoint->family != 4 && endpoint->family != 6)) {
                return -EINVAL;
        }
        if (filter->is_loopback_only && !cmi_endpoint_is_loopback(endpoint)) {
                return -EADDRNOTAVAIL;
        }
        return is_own(filter, endpoint) ? -ELOOP : 0;
}

static bool is_on_loopback(const struct address_filter *filter)
{
        for (uint8_t i = 0; i < filter->n_own; i++) {
                if (cmi_endpoint_is_loopback(&filter->own[i])) {
                        return true;
                }
        }
        return filter->is_loopback_only;
}

int address_filter_check_dns(
                const struct address_filter *filter, const struct cmi_endpoint *endpoint)
{
        if (cmi_endpoint_is_link_local(endpoint)) {
                return -EINVAL;
        }
        if (cmi_endpoint_is_loopback(endpoint) && !is_on_loopback(filter)) {
                return -EADDRNOTAVAIL;
        }
        return address_filter_check(filter, endpoint);
}

uint8_t address_filter_pick(const struct address_filter *filter, const struct beacon *beacon,
                const struct cmi_endpoint *source, uint32_t ifindex,
                struct cmi_endpoint ret_picked[BEACON_ENDPOINTS_MAX])
{
        uint8_t n = 0;

        for (int i = 0; i < beacon->n_endpoints; i++) {
                struct cmi_endpoint endpoint = beacon->endpoints[i];

                if (cmi_endpoint_is_link_local(&endpoint)) {
                        endpoint.scope = ifindex;
                        if (ifindex == 0) {
                                continue;
                        }
                }
                if (cmi_endpoint_is_loopback(&endpoint) && !cmi_endpoint_is_loopback(source)) {
                        continue;
                }
                if (address_filter_check(filter, &endpoint) == 0) {
                        ret_picked[n++] = endpoint;
                }
        }
        return n;
}
