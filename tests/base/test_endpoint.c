/* SPDX-License-Identifier: MIT */
#include "base/endpoint.h"

#include <errno.h>
#include <glib.h>
#include <netinet/in.h>
#include <string.h>

static struct cmi_endpoint parse(const char *text)
{
        struct cmi_endpoint endpoint = {0};

        g_assert_cmpint(cmi_endpoint_parse(text, &endpoint), ==, CMI_ENDPOINT_OK);
        return endpoint;
}

static void assert_same_text(const char *text, const char *expected)
{
        struct cmi_endpoint endpoint = parse(text);
        char back[CMI_ENDPOINT_TEXT_SIZE];

        cmi_endpoint_format(&endpoint, back);
        g_assert_cmpstr(back, ==, expected);
}

static void what_is_printed_can_be_read_again(void)
{
        assert_same_text("10.0.0.1:6781", "10.0.0.1:6781");
        assert_same_text("255.255.255.255:65535", "255.255.255.255:65535");
        assert_same_text("0.0.0.0:0", "0.0.0.0:0");
        assert_same_text("[::1]:6781", "[::1]:6781");
        assert_same_text("[fd00:0:0::2]:1", "[fd00::2]:1");
        assert_same_text("[fe80::1%lo]:6781", "[fe80::1%lo]:6781");
        assert_same_text("[fe80::1%999999999]:6781", "[fe80::1%999999999]:6781");
}

static void an_index_names_its_interface(void)
{
        struct cmi_endpoint endpoint = parse("[fe80::1%lo]:6781");

        g_assert_cmpuint(endpoint.family, ==, 6);
        g_assert_cmpuint(endpoint.scope, ==, 1);
        assert_same_text("[fe80::1%1]:6781", "[fe80::1%lo]:6781");
}

static void each_mistake_has_its_own_error(void)
{
        static const struct {
                const char *text;
                int error;
        } cases[] = {
                        {"", CMI_ENDPOINT_NO_PORT},
                        {"10.0.0.1", CMI_ENDPOINT_NO_PORT},
                        {"::1:6781", CMI_ENDPOINT_NO_PORT},
                        {"[::1]", CMI_ENDPOINT_NO_PORT},
                        {"[::1", CMI_ENDPOINT_NO_PORT},
                        {"[::1]6781", CMI_ENDPOINT_NO_PORT},
                        {"10.0.0.1:", CMI_ENDPOINT_BAD_PORT},
                        {"10.0.0.1:65536", CMI_ENDPOINT_BAD_PORT},
                        {"10.0.0.1:000001", CMI_ENDPOINT_BAD_PORT},
                        {"10.0.0.1:-1", CMI_ENDPOINT_BAD_PORT},
                        {"10.0.0.1:+1", CMI_ENDPOINT_BAD_PORT},
                        {"10.0.0.1: 1", CMI_ENDPOINT_BAD_PORT},
                        {"10.0.0.1:1x", CMI_ENDPOINT_BAD_PORT},
                        {":6781", CMI_ENDPOINT_NO_HOST},
                        {"[]:6781", CMI_ENDPOINT_NO_HOST},
                        {"node-2:6781", CMI_ENDPOINT_NOT_NUMERIC},
                        {"10.0.0:6781", CMI_ENDPOINT_NOT_NUMERIC},
                        {"10.0.0.256:6781", CMI_ENDPOINT_NOT_NUMERIC},
                        {"[10.0.0.1]:6781", CMI_ENDPOINT_BAD_ADDRESS},
                        {"[node-2]:6781", CMI_ENDPOINT_BAD_ADDRESS},
                        {"[::1::2]:6781", CMI_ENDPOINT_BAD_ADDRESS},
                        {"[fe80::1]:6781", CMI_ENDPOINT_NO_SCOPE},
                        {"[fe80::1%]:6781", CMI_ENDPOINT_BAD_SCOPE},
                        {"[fe80::1%0]:6781", CMI_ENDPOINT_BAD_SCOPE},
                        {"[fe80::1%no-such-dev]:6781", CMI_ENDPOINT_BAD_SCOPE},
                        {"[fe80::1%1234567890]:6781", CMI_ENDPOINT_BAD_SCOPE},
                        {"[fd00::1%lo]:6781", CMI_ENDPOINT_BAD_SCOPE},
                        {"[::ffff:10.0.0.1%lo]:6781", CMI_ENDPOINT_BAD_SCOPE},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                struct cmi_endpoint endpoint = {.family = 99};

                g_test_message("\"%s\"", cases[i].text);
                g_assert_cmpint(cmi_endpoint_parse(cases[i].text, &endpoint), ==, cases[i].error);
                g_assert_cmpuint(endpoint.family, ==, 99);
                g_assert_cmpstr(cmi_endpoint_error_text(cases[i].error), !=, "unknown error");
        }
}

static void a_host_name_is_handed_to_the_resolver(void)
{
        g_autofree char *long_host = g_strnfill(255, 'a');
        g_autofree char *long_text = g_strconcat(long_host, ":1", NULL);
        g_autofree char *too_long_text = g_strconcat("a", long_host, ":1", NULL);
        char host[CMI_ENDPOINT_HOST_SIZE] = "untouched";
        uint16_t port = 7;

        g_assert_cmpint(cmi_endpoint_split(too_long_text, host, &port), ==,
                        CMI_ENDPOINT_HOST_TOO_LONG);
        g_assert_cmpint(cmi_endpoint_split("node:1:2", host, &port), ==, CMI_ENDPOINT_NO_PORT);
        g_assert_cmpstr(host, ==, "untouched");
        g_assert_cmpuint(port, ==, 7);
        g_assert_cmpint(cmi_endpoint_split("node-2.example:6781", host, &port), ==, 0);
        g_assert_cmpstr(host, ==, "node-2.example");
        g_assert_cmpuint(port, ==, 6781);
        g_assert_cmpint(cmi_endpoint_split("[fe80::1%eth0]:1", host, &port), ==, 0);
        g_assert_cmpstr(host, ==, "fe80::1%eth0");
        g_assert_cmpint(cmi_endpoint_split(long_text, host, &port), ==, 0);
        g_assert_cmpstr(host, ==, long_host);
}

static void a_mapped_address_is_the_ipv4_address(void)
{
        struct cmi_endpoint mapped = parse("[::ffff:10.0.0.1]:6781");
        struct cmi_endpoint plain = parse("10.0.0.1:6781");

        g_assert_true(cmi_endpoint_equal(&mapped, &plain));
}

static void each_part_counts_for_equality(void)
{
        struct cmi_endpoint a = parse("[fe80::1%1]:6781"), b;

        b = parse("[fe80::1%1]:6782");
        g_assert_false(cmi_endpoint_equal(&a, &b));
        b = parse("[fe80::1%2]:6781");
        g_assert_false(cmi_endpoint_equal(&a, &b));
        b = parse("[fe80::2%1]:6781");
        g_assert_false(cmi_endpoint_equal(&a, &b));
        b = parse("0.0.0.0:6781");
        a = parse("[::]:6781");
        g_assert_false(cmi_endpoint_equal(&a, &b));
}

static void kinds_of_addresses_are_told_apart(void)
{
        static const struct {
                const char *text;
                bool is_loopback, is_unspecified, is_multicast, is_link_local;
        } cases[] = {
                        {"127.0.0.1:1", true, false, false, false},
                        {"127.255.0.9:1", true, false, false, false},
                        {"128.0.0.1:1", false, false, false, false},
                        {"0.0.0.0:1", false, true, false, false},
                        {"224.0.0.1:1", false, false, true, false},
                        {"239.255.67.80:1", false, false, true, false},
                        {"240.0.0.1:1", false, false, false, false},
                        {"[::1]:1", true, false, false, false},
                        {"[::2]:1", false, false, false, false},
                        {"[::]:1", false, true, false, false},
                        {"[ff02::1]:1", false, false, true, false},
                        {"[febf::1%1]:1", false, false, false, true},
                        {"[fec0::1]:1", false, false, false, false},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                struct cmi_endpoint endpoint = parse(cases[i].text);

                g_test_message("%s", cases[i].text);
                g_assert_true(cmi_endpoint_is_loopback(&endpoint) == cases[i].is_loopback);
                g_assert_true(cmi_endpoint_is_unspecified(&endpoint) == cases[i].is_unspecified);
                g_assert_true(cmi_endpoint_is_multicast(&endpoint) == cases[i].is_multicast);
                g_assert_true(cmi_endpoint_is_link_local(&endpoint) == cases[i].is_link_local);
        }
}

static void no_family_prints_as_a_dash(void)
{
        char text[CMI_ENDPOINT_TEXT_SIZE];

        cmi_endpoint_format(&(struct cmi_endpoint){0}, text);
        g_assert_cmpstr(text, ==, "-");
}

static void a_socket_address_gives_the_same_endpoint(void)
{
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(6781)};
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(6781)};
        struct cmi_endpoint endpoint, expected = parse("127.0.0.1:6781");
        struct sockaddr local = {.sa_family = AF_UNIX};

        in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        g_assert_cmpint(cmi_endpoint_from_sockaddr((struct sockaddr *)&in, &endpoint), ==, 0);
        g_assert_true(cmi_endpoint_equal(&endpoint, &expected));
        in6.sin6_addr = in6addr_loopback;
        in6.sin6_scope_id = 1;
        expected = parse("[::1]:6781");
        g_assert_cmpint(cmi_endpoint_from_sockaddr((struct sockaddr *)&in6, &endpoint), ==, 0);
        g_assert_true(cmi_endpoint_equal(&endpoint, &expected));
        g_assert_cmpint(cmi_endpoint_from_sockaddr(&local, &endpoint), ==, -EAFNOSUPPORT);
}

static void an_endpoint_comes_back_from_its_socket_address(void)
{
        static const char *const texts[] = {"10.1.2.3:6781", "[2001:db8::1]:80", "[fe80::1%1]:1"};

        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
                struct cmi_endpoint endpoint = parse(texts[i]), back;
                struct sockaddr_storage address;
                uint32_t size = cmi_endpoint_to_sockaddr(&endpoint, &address);

                g_assert_cmpuint(size, ==,
                                endpoint.family == 4 ? sizeof(struct sockaddr_in)
                                                     : sizeof(struct sockaddr_in6));
                g_assert_cmpint(cmi_endpoint_from_sockaddr((struct sockaddr *)&address, &back), ==,
                                0);
                g_assert_true(cmi_endpoint_equal(&endpoint, &back));
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/endpoint/round_trip", what_is_printed_can_be_read_again);
        g_test_add_func("/endpoint/scope", an_index_names_its_interface);
        g_test_add_func("/endpoint/errors", each_mistake_has_its_own_error);
        g_test_add_func("/endpoint/split", a_host_name_is_handed_to_the_resolver);
        g_test_add_func("/endpoint/mapped", a_mapped_address_is_the_ipv4_address);
        g_test_add_func("/endpoint/equal", each_part_counts_for_equality);
        g_test_add_func("/endpoint/kinds", kinds_of_addresses_are_told_apart);
        g_test_add_func("/endpoint/none", no_family_prints_as_a_dash);
        g_test_add_func("/endpoint/to_sockaddr", an_endpoint_comes_back_from_its_socket_address);
        g_test_add_func("/endpoint/sockaddr", a_socket_address_gives_the_same_endpoint);
        return g_test_run();
}
