/* SPDX-License-Identifier: MIT */
#include "discovery/beacon.h"

#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define MAJOR 1
#define MINOR 0
#define ENDPOINT_SIZE 20

enum offset {
        AT_MAGIC = 0,
        AT_MAJOR = 4,
        AT_MINOR = 5,
        AT_BODY_SIZE = 6,
        AT_MESH = 8,
        AT_ID = 16,
        AT_INCARNATION = 32,
        AT_COUNTER = 40,
        AT_N_ENDPOINTS = 48,
        AT_MAC_SIZE = 49,
        AT_RESERVED = 50,
        AT_ENDPOINTS = 52,
        BODY_SIZE = AT_ENDPOINTS + BEACON_ENDPOINTS_MAX * ENDPOINT_SIZE,
};

static const uint8_t magic[4] = {'c', 'm', 'b', '!'};

_Static_assert(BODY_SIZE + BEACON_MAC_SIZE <= BEACON_SIZE_MAX, "a beacon fits its datagram");

static void put_u16(uint8_t *out, uint16_t value)
{
        out[0] = (uint8_t)(value >> 8);
        out[1] = (uint8_t)value;
}

static void put_u64(uint8_t *out, uint64_t value)
{
        for (int i = 7; i >= 0; i--) {
                out[i] = (uint8_t)value;
                value >>= 8;
        }
}

static uint16_t get_u16(const uint8_t *in)
{
        return (uint16_t)(in[0] << 8 | in[1]);
}

static uint64_t get_u64(const uint8_t *in)
{
        uint64_t value = 0;

        for (int i = 0; i < 8; i++) {
                value = value << 8 | in[i];
        }
        return value;
}

static bool is_zero(const uint8_t *bytes, size_t n)
{
        uint8_t all = 0;

        for (size_t i = 0; i < n; i++) {
                all |= bytes[i];
        }
        return all == 0;
}

/* The IPv4-mapped form is refused too: one endpoint has one form, or comparing
 * endpoints would mean little. */
static bool is_mapped(const struct cmi_endpoint *endpoint)
{
        return endpoint->family == 6 && is_zero(endpoint->address, 10) &&
               endpoint->address[10] == 0xff && endpoint->address[11] == 0xff;
}

static bool is_dialable(const struct cmi_endpoint *endpoint)
{
        if (endpoint->family == 4) {
                if (!is_zero(endpoint->address + 4, 12)) {
                        return false;
                }
        } else if (endpoint->family != 6 || is_mapped(endpoint)) {
                return false;
        }
        return endpoint->port != 0 && !cmi_endpoint_is_unspecified(endpoint) &&
               !cmi_endpoint_is_multicast(endpoint);
}

static bool has_identity(const struct beacon *beacon)
{
        return !cmi_id_is_zero(&beacon->id) && beacon->incarnation != 0 && beacon->counter != 0;
}

uint64_t beacon_mesh_hash(const char *name)
{
        return XXH3_64bits(name, strlen(name));
}

static void put_endpoint(uint8_t *out, const struct cmi_endpoint *endpoint)
{
        out[0] = endpoint->family;
        put_u16(out + 2, endpoint->port);
        memcpy(out + 4, endpoint->address, sizeof(endpoint->address));
}

int beacon_encode(const struct beacon *beacon, uint8_t ret_bytes[BEACON_SIZE_MAX], size_t *ret_size)
{
        uint8_t bytes[BODY_SIZE + BEACON_MAC_SIZE] = {0};
        size_t size = BODY_SIZE;

        if (!has_identity(beacon)) {
                return BEACON_BAD_IDENTITY;
        }
        if (beacon->n_endpoints == 0 || beacon->n_endpoints > BEACON_ENDPOINTS_MAX) {
                return BEACON_BAD_ENDPOINT;
        }
        for (int i = 0; i < beacon->n_endpoints; i++) {
                if (!is_dialable(&beacon->endpoints[i])) {
                        return BEACON_BAD_ENDPOINT;
                }
                put_endpoint(bytes + AT_ENDPOINTS + i * ENDPOINT_SIZE, &beacon->endpoints[i]);
        }
        memcpy(bytes + AT_MAGIC, magic, sizeof(magic));
        bytes[AT_MAJOR] = MAJOR;
        bytes[AT_MINOR] = MINOR;
        put_u16(bytes + AT_BODY_SIZE, BODY_SIZE);
        put_u64(bytes + AT_MESH, beacon->mesh);
        memcpy(bytes + AT_ID, beacon->id.bytes, CMI_ID_SIZE);
        put_u64(bytes + AT_INCARNATION, beacon->incarnation);
        put_u64(bytes + AT_COUNTER, beacon->counter);
        bytes[AT_N_ENDPOINTS] = beacon->n_endpoints;
        if (beacon->has_mac) {
                bytes[AT_MAC_SIZE] = BEACON_MAC_SIZE;
                memcpy(bytes + BODY_SIZE, beacon->mac, BEACON_MAC_SIZE);
                size += BEACON_MAC_SIZE;
        }
        memcpy(ret_bytes, bytes, size);
        *ret_size = size;
        return BEACON_OK;
}

/* Everything about sizes, so that the rest may read at fixed places. */
static int check_frame(const uint8_t *bytes, size_t size)
{
        size_t body_size, total;

        if (size < BODY_SIZE) {
                return BEACON_TOO_SHORT;
        }
        if (size > BEACON_SIZE_MAX) {
                return BEACON_TOO_LONG;
        }
        if (memcmp(bytes + AT_MAGIC, magic, sizeof(magic)) != 0) {
                return BEACON_BAD_MAGIC;
        }
        if (bytes[AT_MAJOR] != MAJOR) {
                return BEACON_VERSION;
        }
        body_size = get_u16(bytes + AT_BODY_SIZE);
        total = body_size + bytes[AT_MAC_SIZE];
        if (total > size) {
                return BEACON_TOO_SHORT;
        }
        return total < size ? BEACON_TOO_LONG : BEACON_OK;
}

static bool has_good_layout(const uint8_t *bytes)
{
        size_t body_size = get_u16(bytes + AT_BODY_SIZE);
        uint8_t mac_size = bytes[AT_MAC_SIZE];

        if (body_size < BODY_SIZE || (mac_size != 0 && mac_size != BEACON_MAC_SIZE)) {
                return false;
        }
        return bytes[AT_MINOR] > MINOR ||
               (body_size == BODY_SIZE && is_zero(bytes + AT_RESERVED, 2));
}

static int read_endpoints(const uint8_t *bytes, struct beacon *beacon)
{
        const uint8_t *in = bytes + AT_ENDPOINTS;

        beacon->n_endpoints = bytes[AT_N_ENDPOINTS];
        if (beacon->n_endpoints == 0 || beacon->n_endpoints > BEACON_ENDPOINTS_MAX) {
                return BEACON_BAD_ENDPOINT;
        }
        for (int i = 0; i < BEACON_ENDPOINTS_MAX; i++, in += ENDPOINT_SIZE) {
                struct cmi_endpoint *endpoint = &beacon->endpoints[i];

                if (i >= beacon->n_endpoints) {
                        if (!is_zero(in, ENDPOINT_SIZE)) {
                                return BEACON_BAD_ENDPOINT;
                        }
                        continue;
                }
                endpoint->family = in[0];
                endpoint->port = get_u16(in + 2);
                memcpy(endpoint->address, in + 4, sizeof(endpoint->address));
                if (in[1] != 0 || !is_dialable(endpoint)) {
                        return BEACON_BAD_ENDPOINT;
                }
        }
        return BEACON_OK;
}

int beacon_decode(const void *datagram, size_t size, uint64_t mesh, struct beacon *ret_beacon)
{
        struct beacon beacon = {0};
        const uint8_t *bytes = datagram;
        int r;

        r = check_frame(bytes, size);
        if (r != BEACON_OK) {
                return r;
        }
        beacon.mesh = get_u64(bytes + AT_MESH);
        if (beacon.mesh != mesh) {
                return BEACON_FOREIGN;
        }
        if (!has_good_layout(bytes)) {
                return BEACON_BAD_LAYOUT;
        }
        memcpy(beacon.id.bytes, bytes + AT_ID, CMI_ID_SIZE);
        beacon.incarnation = get_u64(bytes + AT_INCARNATION);
        beacon.counter = get_u64(bytes + AT_COUNTER);
        if (!has_identity(&beacon)) {
                return BEACON_BAD_IDENTITY;
        }
        r = read_endpoints(bytes, &beacon);
        if (r != BEACON_OK) {
                return r;
        }
        beacon.has_mac = bytes[AT_MAC_SIZE] == BEACON_MAC_SIZE;
        if (beacon.has_mac) {
                memcpy(beacon.mac, bytes + get_u16(bytes + AT_BODY_SIZE), BEACON_MAC_SIZE);
        }
        *ret_beacon = beacon;
        return BEACON_OK;
}

size_t beacon_body_size(const void *bytes)
{
        return get_u16((const uint8_t *)bytes + AT_BODY_SIZE);
}

const char *beacon_error_text(int error)
{
        switch ((enum beacon_error)error) {
        case BEACON_OK:
                return "ok";
        case BEACON_TOO_SHORT:
                return "too_short";
        case BEACON_TOO_LONG:
                return "too_long";
        case BEACON_BAD_MAGIC:
                return "bad_magic";
        case BEACON_VERSION:
                return "other_version";
        case BEACON_FOREIGN:
                return "foreign_mesh";
        case BEACON_BAD_LAYOUT:
                return "bad_layout";
        case BEACON_BAD_IDENTITY:
                return "bad_identity";
        case BEACON_BAD_ENDPOINT:
                return "bad_endpoint";
        case BEACON_BAD_SEAL:
                return "bad_seal";
        case BEACON_N_ERRORS:
                break;
        }
        return "unknown";
}
