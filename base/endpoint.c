/* SPDX-License-Identifier: MIT */
#include "base/endpoint.h"

#include <string.h>

bool cmi_endpoint_equal(const struct cmi_endpoint *a, const struct cmi_endpoint *b)
{
        return a->family == b->family && a->port == b->port && a->scope == b->scope &&
               memcmp(a->address, b->address, sizeof(a->address)) == 0;
}

bool cmi_endpoint_is_loopback(const struct cmi_endpoint *endpoint)
{
        static const uint8_t one[16] = {[15] = 1};

        if (endpoint->family == 4) {
                return endpoint->address[0] == 127;
        }
        return endpoint->family == 6 && memcmp(endpoint->address, one, sizeof(one)) == 0;
}

bool cmi_endpoint_is_unspecified(const struct cmi_endpoint *endpoint)
{
        static const uint8_t zero[16];

        return memcmp(endpoint->address, zero, sizeof(zero)) == 0;
}

bool cmi_endpoint_is_multicast(const struct cmi_endpoint *endpoint)
{
        if (endpoint->family == 4) {
                return (endpoint->address[0] & 0xf0) == 0xe0;
        }
        return endpoint->family == 6 && endpoint->address[0] == 0xff;
}

bool cmi_endpoint_is_link_local(const struct cmi_endpoint *endpoint)
{
        return endpoint->family == 6 && endpoint->address[0] == 0xfe &&
               (endpoint->address[1] & 0xc0) == 0x80;
}
