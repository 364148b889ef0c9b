/* SPDX-License-Identifier: MIT */
#include "discovery/beacon.h"

#include <glib.h>
#include <string.h>

#define MESH UINT64_C(0x1122334455667788)
#define BODY_SIZE 132
#define N_RANDOM 200000

/* The layout of beacon.h, byte by byte; a change of it is a change of the protocol. */
static const uint8_t golden[BODY_SIZE + BEACON_MAC_SIZE] = {
                'c',
                'm',
                'b',
                '!',
                1,
                0,
                0,
                132, /* magic, version, body size */
                0x11,
                0x22,
                0x33,
                0x44,
                0x55,
                0x66,
                0x77,
                0x88, /* mesh */
                1,
                2,
                3,
                4,
                5,
                6,
                7,
                8,
                9,
                10,
                11,
                12,
                13,
                14,
                15,
                16, /* id */
                0,
                0,
                1,
                0x9a,
                0xbc,
                0xde,
                0xf0,
                0x12, /* incarnation */
                0,
                0,
                0,
                0,
                0,
                0,
                2,
                1, /* counter */
                2,
                32,
                0,
                0, /* endpoints, MAC, reserved */
                4,
                0,
                0x1a,
                0x7d,
                10,
                0,
                0,
                1,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                6,
                0,
                0x1a,
                0x7e,
                0xfe,
                0x80,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                5,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0xa0,
                0xa1,
                0xa2,
                0xa3,
                0xa4,
                0xa5,
                0xa6,
                0xa7,
                0xa8,
                0xa9,
                0xaa,
                0xab,
                0xac,
                0xad,
                0xae,
                0xaf,
                0xb0,
                0xb1,
                0xb2,
                0xb3,
                0xb4,
                0xb5,
                0xb6,
                0xb7,
                0xb8,
                0xb9,
                0xba,
                0xbb,
                0xbc,
                0xbd,
                0xbe,
                0xbf,
};

static struct beacon golden_beacon(void)
{
        struct beacon beacon = {.mesh = MESH, .incarnation = 0x19abcdef012, .counter = 0x201};

        for (uint8_t i = 0; i < CMI_ID_SIZE; i++) {
                beacon.id.bytes[i] = (uint8_t)(i + 1);
        }
        beacon.n_endpoints = 2;
        beacon.endpoints[0] = (struct cmi_endpoint){4, 6781, 0, {10, 0, 0, 1}};
        beacon.endpoints[1] = (struct cmi_endpoint){6, 6782, 0, {0xfe, 0x80, [15] = 5}};
        beacon.has_mac = true;
        for (uint8_t i = 0; i < BEACON_MAC_SIZE; i++) {
                beacon.mac[i] = (uint8_t)(0xa0 + i);
        }
        return beacon;
}

static void assert_equal(const struct beacon *a, const struct beacon *b)
{
        g_assert_cmphex(a->mesh, ==, b->mesh);
        g_assert_true(cmi_id_equal(&a->id, &b->id));
        g_assert_cmphex(a->incarnation, ==, b->incarnation);
        g_assert_cmphex(a->counter, ==, b->counter);
        g_assert_cmpuint(a->n_endpoints, ==, b->n_endpoints);
        for (int i = 0; i < a->n_endpoints; i++) {
                g_assert_true(cmi_endpoint_equal(&a->endpoints[i], &b->endpoints[i]));
        }
        g_assert_cmpint(a->has_mac, ==, b->has_mac);
        g_assert_cmpmem(a->mac, BEACON_MAC_SIZE, b->mac, BEACON_MAC_SIZE);
}

static void a_beacon_is_these_bytes_and_no_others(void)
{
        struct beacon beacon = golden_beacon(), decoded;
        uint8_t bytes[BEACON_SIZE_MAX];
        size_t size;

        g_assert_cmpint(beacon_encode(&beacon, bytes, &size), ==, BEACON_OK);
        g_assert_cmpmem(bytes, size, golden, sizeof(golden));
        g_assert_cmpint(beacon_decode(golden, sizeof(golden), MESH, &decoded), ==, BEACON_OK);
        assert_equal(&decoded, &beacon);
        g_assert_cmpuint(beacon_body_size(golden), ==, BODY_SIZE);
}

static void a_beacon_without_a_mac_is_shorter(void)
{
        struct beacon beacon = golden_beacon(), decoded;
        uint8_t bytes[BEACON_SIZE_MAX];
        size_t size;

        beacon.has_mac = false;
        memset(beacon.mac, 0, sizeof(beacon.mac));
        g_assert_cmpint(beacon_encode(&beacon, bytes, &size), ==, BEACON_OK);
        g_assert_cmpuint(size, ==, BODY_SIZE);
        g_assert_cmpint(beacon_decode(bytes, size, MESH, &decoded), ==, BEACON_OK);
        assert_equal(&decoded, &beacon);
}

static void a_scope_stays_at_home(void)
{
        struct beacon beacon = golden_beacon();
        uint8_t bytes[BEACON_SIZE_MAX];
        size_t size;

        beacon.endpoints[1].scope = 7;
        g_assert_cmpint(beacon_encode(&beacon, bytes, &size), ==, BEACON_OK);
        g_assert_cmpmem(bytes, size, golden, sizeof(golden));
}

static void the_mesh_hash_is_the_same_everywhere(void)
{
        g_assert_cmphex(beacon_mesh_hash(""), ==, UINT64_C(0x2d06800538d394c2));
        g_assert_cmphex(beacon_mesh_hash("default"), !=, beacon_mesh_hash("Default"));
}

static void what_cannot_be_dialled_is_not_sent(void)
{
        uint8_t bytes[BEACON_SIZE_MAX];
        struct beacon beacon;
        size_t size = 99;

        beacon = golden_beacon();
        beacon.n_endpoints = 0;
        g_assert_cmpint(beacon_encode(&beacon, bytes, &size), ==, BEACON_BAD_ENDPOINT);
        beacon.n_endpoints = BEACON_ENDPOINTS_MAX + 1;
        g_assert_cmpint(beacon_encode(&beacon, bytes, &size), ==, BEACON_BAD_ENDPOINT);
        beacon = golden_beacon();
        beacon.endpoints[1].port = 0;
        g_assert_cmpint(beacon_encode(&beacon, bytes, &size), ==, BEACON_BAD_ENDPOINT);
        beacon = golden_beacon();
        beacon.incarnation = 0;
        g_assert_cmpint(beacon_encode(&beacon, bytes, &size), ==, BEACON_BAD_IDENTITY);
        g_assert_cmpuint(size, ==, 99);
}

/* One change to the golden bytes, and what it leads to. */
struct change {
        const char *name;
        size_t at;
        uint8_t value;
        int error;
};

static const struct change changes[] = {
                {"magic", 0, 'C', BEACON_BAD_MAGIC},
                {"magic, last byte", 3, '?', BEACON_BAD_MAGIC},
                {"major version", 4, 2, BEACON_VERSION},
                {"major version 0", 4, 0, BEACON_VERSION},
                {"body one longer", 7, 133, BEACON_TOO_SHORT},
                {"body one shorter", 7, 131, BEACON_TOO_LONG},
                {"body far longer", 6, 255, BEACON_TOO_SHORT},
                {"mesh", 8, 0, BEACON_FOREIGN},
                {"mesh, last byte", 15, 0, BEACON_FOREIGN},
                {"no endpoint", 48, 0, BEACON_BAD_ENDPOINT},
                {"a used endpoint beyond the count", 48, 1, BEACON_BAD_ENDPOINT},
                {"a counted endpoint of zeros", 48, 3, BEACON_BAD_ENDPOINT},
                {"five endpoints", 48, 5, BEACON_BAD_ENDPOINT},
                {"MAC cut", 49, 31, BEACON_TOO_LONG},
                {"no MAC, but its bytes", 49, 0, BEACON_TOO_LONG},
                {"MAC longer", 49, 33, BEACON_TOO_SHORT},
                {"reserved", 50, 1, BEACON_BAD_LAYOUT},
                {"reserved, last byte", 51, 1, BEACON_BAD_LAYOUT},
                {"family 0", 52, 0, BEACON_BAD_ENDPOINT},
                {"family 5", 52, 5, BEACON_BAD_ENDPOINT},
                {"endpoint's zero byte", 53, 1, BEACON_BAD_ENDPOINT},
                {"IPv4 with a tail", 71, 1, BEACON_BAD_ENDPOINT},
                {"multicast", 56, 239, BEACON_BAD_ENDPOINT},
                {"IPv6 multicast", 76, 0xff, BEACON_BAD_ENDPOINT},
                {"another minor version", 5, 1, BEACON_OK},
                {"another id", 16, 9, BEACON_OK},
                {"another MAC", 132, 9, BEACON_OK},
};

static void each_damage_has_its_own_error(void)
{
        for (size_t i = 0; i < G_N_ELEMENTS(changes); i++) {
                struct beacon decoded = {.counter = 99};
                uint8_t bytes[sizeof(golden)];

                memcpy(bytes, golden, sizeof(golden));
                bytes[changes[i].at] = changes[i].value;
                g_test_message("%s", changes[i].name);
                g_assert_cmpint(beacon_decode(bytes, sizeof(bytes), MESH, &decoded), ==,
                                changes[i].error);
                g_assert_cmpuint(decoded.counter, ==, changes[i].error ? 99 : 0x201);
                g_assert_cmpstr(beacon_error_text(changes[i].error), !=, "unknown");
        }
}

/* A range of bytes set to zero. */
static int decode_without(size_t at, size_t n)
{
        struct beacon decoded;
        uint8_t bytes[sizeof(golden)];

        memcpy(bytes, golden, sizeof(golden));
        memset(bytes + at, 0, n);
        return beacon_decode(bytes, sizeof(bytes), MESH, &decoded);
}

static void zeros_name_nobody(void)
{
        g_assert_cmpint(decode_without(16, 16), ==, BEACON_BAD_IDENTITY);
        g_assert_cmpint(decode_without(32, 8), ==, BEACON_BAD_IDENTITY);
        g_assert_cmpint(decode_without(40, 8), ==, BEACON_BAD_IDENTITY);
        g_assert_cmpint(decode_without(54, 2), ==, BEACON_BAD_ENDPOINT);
        g_assert_cmpint(decode_without(56, 4), ==, BEACON_BAD_ENDPOINT);
        g_assert_cmpint(decode_without(76, 16), ==, BEACON_BAD_ENDPOINT);
}

static void a_mapped_address_is_refused(void)
{
        static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1};
        uint8_t bytes[sizeof(golden)];
        struct beacon decoded;

        memcpy(bytes, golden, sizeof(golden));
        memcpy(bytes + 76, mapped, sizeof(mapped));
        g_assert_cmpint(beacon_decode(bytes, sizeof(bytes), MESH, &decoded), ==,
                        BEACON_BAD_ENDPOINT);
}

static void a_cut_beacon_is_too_short_and_a_longer_one_too_long(void)
{
        uint8_t bytes[BEACON_SIZE_MAX + 1] = {0};
        struct beacon decoded;

        memcpy(bytes, golden, sizeof(golden));
        for (size_t size = 0; size < sizeof(golden); size++) {
                /* A copy of just that size, so that a sanitizer sees a read beyond it. */
                g_autofree uint8_t *cut = g_memdup2(golden, size);

                g_assert_cmpint(beacon_decode(cut, size, MESH, &decoded), ==, BEACON_TOO_SHORT);
        }
        for (size_t size = sizeof(golden) + 1; size <= sizeof(bytes); size++) {
                g_assert_cmpint(beacon_decode(bytes, size, MESH, &decoded), ==, BEACON_TOO_LONG);
        }
}

static void a_newer_minor_version_may_say_more(void)
{
        uint8_t bytes[BEACON_SIZE_MAX];
        struct beacon beacon = golden_beacon(), decoded;
        size_t body_size = sizeof(bytes) - BEACON_MAC_SIZE;

        memset(bytes, 0x77, sizeof(bytes));
        memcpy(bytes, golden, BODY_SIZE);
        memcpy(bytes + body_size, golden + BODY_SIZE, BEACON_MAC_SIZE);
        bytes[5] = 1;
        bytes[7] = (uint8_t)body_size;
        bytes[50] = 0x80;
        g_assert_cmpint(beacon_decode(bytes, sizeof(bytes), MESH, &decoded), ==, BEACON_OK);
        assert_equal(&decoded, &beacon);
        g_assert_cmpuint(beacon_body_size(bytes), ==, body_size);
        bytes[5] = 0;
        bytes[50] = 0;
        g_assert_cmpint(beacon_decode(bytes, sizeof(bytes), MESH, &decoded), ==, BEACON_BAD_LAYOUT);
}

static void only_one_form_of_a_beacon_is_taken(void)
{
        guint32 seed = (guint32)g_test_rand_int();
        g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
        unsigned int n_ok = 0;

        g_test_message("seed %u", seed);
        for (int i = 0; i < N_RANDOM; i++) {
                uint8_t bytes[sizeof(golden)], again[BEACON_SIZE_MAX];
                int n_changes = g_rand_int_range(rand, 1, 4);
                struct beacon decoded;
                size_t size;

                memcpy(bytes, golden, sizeof(golden));
                while (n_changes--) {
                        bytes[g_rand_int_range(rand, 0, sizeof(bytes))] = (uint8_t)g_rand_int(rand);
                }
                if (beacon_decode(bytes, sizeof(bytes), MESH, &decoded) != BEACON_OK) {
                        continue;
                }
                n_ok++;
                g_assert_cmpint(beacon_encode(&decoded, again, &size), ==, BEACON_OK);
                again[5] = bytes[5];
                if (bytes[5] != 0) { /* a newer minor version: reserved bytes are not ours */
                        memcpy(again + 50, bytes + 50, 2);
                }
                g_assert_cmpmem(again, size, bytes, sizeof(bytes));
        }
        g_test_message("%u of %d mutants were good beacons", n_ok, N_RANDOM);
        g_assert_cmpuint(n_ok, >, N_RANDOM / 10);
}

static void noise_is_refused(void)
{
        guint32 seed = (guint32)g_test_rand_int();
        g_autoptr(GRand) rand = g_rand_new_with_seed(seed);

        g_test_message("seed %u", seed);
        for (int i = 0; i < N_RANDOM; i++) {
                size_t size = (size_t)g_rand_int_range(rand, 0, BEACON_SIZE_MAX + 1);
                g_autofree uint8_t *bytes = g_malloc(size);
                struct beacon decoded;

                for (size_t j = 0; j < size; j++) {
                        bytes[j] = (uint8_t)g_rand_int(rand);
                }
                if (size >= 5 && g_rand_boolean(rand)) {
                        memcpy(bytes, golden, MIN(size, 16)); /* past the first checks */
                }
                g_assert_cmpint(beacon_decode(bytes, size, MESH, &decoded), !=, BEACON_OK);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/beacon/golden", a_beacon_is_these_bytes_and_no_others);
        g_test_add_func("/beacon/without_mac", a_beacon_without_a_mac_is_shorter);
        g_test_add_func("/beacon/scope", a_scope_stays_at_home);
        g_test_add_func("/beacon/mesh_hash", the_mesh_hash_is_the_same_everywhere);
        g_test_add_func("/beacon/unsendable", what_cannot_be_dialled_is_not_sent);
        g_test_add_func("/beacon/damage", each_damage_has_its_own_error);
        g_test_add_func("/beacon/zeros", zeros_name_nobody);
        g_test_add_func("/beacon/mapped", a_mapped_address_is_refused);
        g_test_add_func("/beacon/sizes", a_cut_beacon_is_too_short_and_a_longer_one_too_long);
        g_test_add_func("/beacon/newer_minor", a_newer_minor_version_may_say_more);
        g_test_add_func("/beacon/mutants", only_one_form_of_a_beacon_is_taken);
        g_test_add_func("/beacon/noise", noise_is_refused);
        return g_test_run();
}
