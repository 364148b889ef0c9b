/* SPDX-License-Identifier: MIT */
#include "meshd/mesh/advertise.h"

#include "discovery/interface.h"

#include <string.h>

static bool is_of_use(const struct cmi_endpoint *address, const struct cmi_endpoint *bound)
{
        return address->family != 0 && (address->family == 4 || bound->family == 6) &&
               !cmi_endpoint_is_link_local(address) && !cmi_endpoint_is_loopback(address);
}

static void add(struct cmi_endpoint *endpoints, uint32_t *n, const struct cmi_endpoint *address,
                const struct cmi_endpoint *bound)
{
        if (*n < CMI_ENDPOINTS_MAX && is_of_use(address, bound)) {
                endpoints[*n] = *address;
                endpoints[(*n)++].port = bound->port;
        }
}

uint32_t advertise_list(const struct cmi_endpoint *bound,
                struct cmi_endpoint ret_endpoints[CMI_ENDPOINTS_MAX])
{
        static struct interface_list list;
        uint32_t n = 0;

        ret_endpoints[0] = *bound;
        if (!cmi_endpoint_is_unspecified(bound)) {
                return 1;
        }
        if (interface_list_read(&list) == 0) {
                for (size_t i = 0; i < list.n; i++) {
                        if (list.items[i].is_up) {
                                add(ret_endpoints, &n, &list.items[i].v4, bound);
                                add(ret_endpoints, &n, &list.items[i].v6, bound);
                        }
                }
        }
        if (n == 0) {
                memset(ret_endpoints[0].address, 0, sizeof(ret_endpoints[0].address));
                if (bound->family == 4) {
                        ret_endpoints[0].address[0] = 127;
                        ret_endpoints[0].address[3] = 1;
                } else {
                        ret_endpoints[0].address[15] = 1;
                }
                n = 1;
        }
        return n;
}
