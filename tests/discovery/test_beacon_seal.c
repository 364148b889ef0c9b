/* SPDX-License-Identifier: MIT */
#include "discovery/beacon_seal.h"

#include <glib.h>
#include <string.h>

static struct beacon sample(void)
{
        struct beacon beacon = {
                        .mesh = beacon_mesh_hash("m"),
                        .id = {{1, 2, 3}},
                        .incarnation = 5,
                        .counter = 6,
                        .n_endpoints = 1,
        };

        g_assert_cmpint(cmi_endpoint_parse("127.0.0.1:6781", &beacon.endpoints[0]), ==,
                        CMI_ENDPOINT_OK);
        return beacon;
}

static size_t seal(uint8_t key_byte, uint8_t bytes[BEACON_SIZE_MAX])
{
        struct beacon beacon = sample();
        uint8_t key[BEACON_KEY_SIZE];
        size_t size = 0;

        memset(key, key_byte, sizeof(key));
        g_assert_cmpint(beacon_seal(&beacon, key, bytes, &size), ==, BEACON_OK);
        return size;
}

static bool is_sealed(const uint8_t *bytes, size_t size, uint8_t key_byte)
{
        struct beacon beacon;
        uint8_t key[BEACON_KEY_SIZE];

        memset(key, key_byte, sizeof(key));
        return beacon_decode(bytes, size, beacon_mesh_hash("m"), &beacon) == BEACON_OK &&
               beacon_is_sealed(bytes, &beacon, key);
}

static void a_beacon_is_proven_by_its_key_and_by_no_other(void)
{
        uint8_t bytes[BEACON_SIZE_MAX];
        size_t size = seal(1, bytes);

        g_assert_true(is_sealed(bytes, size, 1));
        g_assert_false(is_sealed(bytes, size, 2));
}

static void a_beacon_without_a_mac_is_not_proven(void)
{
        struct beacon beacon = sample();
        uint8_t bytes[BEACON_SIZE_MAX];
        size_t size;

        g_assert_cmpint(beacon_encode(&beacon, bytes, &size), ==, BEACON_OK);
        g_assert_false(is_sealed(bytes, size, 1));
        g_assert_false(is_sealed(bytes, size, 0));
}

static void no_bit_of_a_beacon_can_be_changed(void)
{
        uint8_t bytes[BEACON_SIZE_MAX];
        size_t size = seal(1, bytes);

        for (size_t i = 0; i < size * 8; i++) {
                bytes[i / 8] ^= (uint8_t)(1 << i % 8);
                g_assert_false(is_sealed(bytes, size, 1));
                bytes[i / 8] ^= (uint8_t)(1 << i % 8);
        }
        g_assert_true(is_sealed(bytes, size, 1));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add_func("/beacon_seal/" #name, name)
        CASE(a_beacon_is_proven_by_its_key_and_by_no_other);
        CASE(a_beacon_without_a_mac_is_not_proven);
        CASE(no_bit_of_a_beacon_can_be_changed);
        return g_test_run();
}
