/* SPDX-License-Identifier: MIT */
#include "discovery/dns_name.h"

#include <glib.h>
#include <string.h>

static void a_port_makes_it_a_name_of_addresses(void)
{
        struct dns_name name;

        g_assert_cmpint(dns_name_parse("mesh.example:7000", &name), ==, DNS_NAME_OK);
        g_assert_cmpstr(name.text, ==, "mesh.example:7000");
        g_assert_cmpstr(name.host, ==, "mesh.example");
        g_assert_cmpstr(name.service, ==, "");
        g_assert_cmpuint(name.port, ==, 7000);
}

static void without_one_the_service_below_it_is_meant_too(void)
{
        struct dns_name name;

        g_assert_cmpint(dns_name_parse("mesh.example.", &name), ==, DNS_NAME_OK);
        g_assert_cmpstr(name.host, ==, "mesh.example.");
        g_assert_cmpstr(name.service, ==, "_cachemesh._tcp.mesh.example.");
        g_assert_cmpuint(name.port, ==, DNS_PORT);
}

static void a_name_of_a_service_has_no_addresses_of_its_own(void)
{
        struct dns_name name;

        g_assert_cmpint(dns_name_parse("_mesh._tcp.example", &name), ==, DNS_NAME_OK);
        g_assert_cmpstr(name.host, ==, "");
        g_assert_cmpstr(name.service, ==, "_mesh._tcp.example");
}

static void nonsense_is_refused_with_the_reason(void)
{
        static const struct {
                const char *text;
                int error;
        } cases[] = {
                        {"", DNS_NAME_EMPTY},
                        {".", DNS_NAME_EMPTY},
                        {":1", DNS_NAME_EMPTY},
                        {"a..b:1", DNS_NAME_BAD_LABEL},
                        {".a:1", DNS_NAME_BAD_LABEL},
                        {"a b:1", DNS_NAME_BAD_LABEL},
                        {"[::1]:1", DNS_NAME_BAD_LABEL},
                        {"a:", DNS_NAME_BAD_PORT},
                        {"a:0", DNS_NAME_BAD_PORT},
                        {"a:65536", DNS_NAME_BAD_PORT},
                        {"a:99999999999999999999", DNS_NAME_BAD_PORT},
                        {"a:1x", DNS_NAME_BAD_PORT},
                        {"10.0.0.1:6781", DNS_NAME_NUMERIC},
                        {"10.0.0.1", DNS_NAME_NUMERIC},
                        {"_mesh._tcp.example:1", DNS_NAME_SERVICE_PORT},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                struct dns_name name = {.port = 9};

                g_test_message("%s", cases[i].text);
                g_assert_cmpint(dns_name_parse(cases[i].text, &name), ==, cases[i].error);
                g_assert_cmpuint(name.port, ==, 9);
                g_assert_cmpstr(dns_name_error_text(cases[i].error), !=, "unknown error");
        }
}

/* @n bytes of labels of 50. */
static char *long_name(size_t n)
{
        char *text = g_strnfill(n, 'a');

        for (size_t i = 50; i + 1 < n; i += 51) {
                text[i] = '.';
        }
        return text;
}

static void the_longest_names_fit_and_longer_ones_do_not(void)
{
        static const struct {
                size_t n;
                const char *port;
                int error;
        } cases[] = {
                        {253, ":65535", DNS_NAME_OK},
                        {254, ":1", DNS_NAME_TOO_LONG},
                        {400, ":1", DNS_NAME_TOO_LONG},
                        {253 - 16, "", DNS_NAME_OK},
                        {253 - 15, "", DNS_NAME_TOO_LONG},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *host = long_name(cases[i].n);
                g_autofree char *text = g_strconcat(host, cases[i].port, NULL);
                struct dns_name name;

                g_assert_cmpint(dns_name_parse(text, &name), ==, cases[i].error);
                if (cases[i].error == DNS_NAME_OK) {
                        g_assert_cmpstr(name.text, ==, text);
                        g_assert_cmpstr(name.host, ==, host);
                        g_assert_true(!name.service[0] || g_str_has_suffix(name.service, host));
                }
        }
}

static void a_label_has_63_bytes_at_most(void)
{
        g_autofree char *fits = g_strnfill(63, 'a');
        g_autofree char *does_not = g_strnfill(64, 'a');

        g_assert_true(dns_name_is_valid(fits));
        g_assert_false(dns_name_is_valid(does_not));
        g_assert_false(dns_name_is_valid("a\\001.b"));
        g_assert_true(dns_name_is_valid("a-1._b."));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/dns_name/port", a_port_makes_it_a_name_of_addresses);
        g_test_add_func("/dns_name/no_port", without_one_the_service_below_it_is_meant_too);
        g_test_add_func("/dns_name/service", a_name_of_a_service_has_no_addresses_of_its_own);
        g_test_add_func("/dns_name/nonsense", nonsense_is_refused_with_the_reason);
        g_test_add_func("/dns_name/long", the_longest_names_fit_and_longer_ones_do_not);
        g_test_add_func("/dns_name/label", a_label_has_63_bytes_at_most);
        return g_test_run();
}
