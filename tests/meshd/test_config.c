/* SPDX-License-Identifier: MIT */
#include "meshd/options/config.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

static const char *environment[8]; /* name, value, name, value ... NULL */

static char *get(const char *name)
{
        for (int i = 0; environment[i]; i += 2) {
                if (strcmp(environment[i], name) == 0) {
                        return (char *)environment[i + 1];
                }
        }
        return NULL;
}

static int load(struct config *config, struct fault *fault, char *first, char *second, char *third,
                char *fourth)
{
        char *argv[] = {(char *)"meshd", first, second, third, fourth, NULL};

        memset(fault, 0, sizeof(*fault));
        return config_load(config, argv, get, fault);
}

static void clear(void)
{
        memset(environment, 0, sizeof(environment));
}

static void nothing_given_is_a_node_of_its_host_alone(void)
{
        static struct config config;
        struct fault fault;

        clear();
        g_assert_cmpint(load(&config, &fault, NULL, NULL, NULL, NULL), ==, 0);
        g_assert_cmpstr(config.mesh, ==, "cachemesh");
        g_assert_true(config.name[0] != '\0');
        g_assert_true(cmi_endpoint_is_loopback(&config.listen));
        g_assert_cmpuint(config.listen.port, ==, 6781);
        g_assert_false(config.is_listen_chosen);
        g_assert_cmpuint(config.gone_ms, ==, 3 * config.lease_ms);
        g_assert_cmpstr(config.runtime_dir, ==, "/run/cachemesh");
        g_assert_true(config.is_multicast);
}

static void a_flag_goes_before_the_environment_and_that_before_the_default(void)
{
        static struct config config;
        struct fault fault;

        clear();
        environment[0] = "MESHD_LEASE_MS";
        environment[1] = "300";
        g_assert_cmpint(load(&config, &fault, NULL, NULL, NULL, NULL), ==, 0);
        g_assert_cmpuint(config.lease_ms, ==, 300);
        g_assert_cmpint(load(&config, &fault, (char *)"--lease-ms", (char *)"200", NULL, NULL), ==,
                        0);
        g_assert_cmpuint(config.lease_ms, ==, 200);
        g_assert_cmpint(load(&config, &fault, (char *)"--lease-ms=250", NULL, NULL, NULL), ==, 0);
        g_assert_cmpuint(config.lease_ms, ==, 250);
}

static void a_list_of_flags_replaces_the_one_from_the_environment(void)
{
        static struct config config;
        struct fault fault;

        clear();
        environment[0] = "MESHD_PEER";
        environment[1] = " 127.0.0.1:1, [::1]:2 ";
        g_assert_cmpint(load(&config, &fault, NULL, NULL, NULL, NULL), ==, 0);
        g_assert_cmpuint(config.n_peers, ==, 2);
        g_assert_cmpuint(config.peers[1].family, ==, 6);
        g_assert_cmpint(load(&config, &fault, (char *)"--peer", (char *)"127.0.0.1:3",
                                        (char *)"--peer", (char *)"localhost:4"),
                        ==, 0);
        g_assert_cmpuint(config.n_peers, ==, 2);
        g_assert_cmpuint(config.peers[0].port, ==, 3);
        g_assert_cmpuint(config.peers[1].port, ==, 4);
}

static void expect_refused(const char *flag, const char *value, int status, const char *word)
{
        static struct config config;
        struct fault fault;

        clear();
        g_assert_cmpint(load(&config, &fault, (char *)flag, (char *)value, NULL, NULL), ==,
                        -EINVAL);
        g_assert_cmpint(fault.status, ==, status);
        if (!strstr(fault.text, word)) {
                g_test_message("%s %s: %s", flag, value, fault.text);
                g_test_fail();
        }
}

static void without_a_key_nothing_but_loopback_passes(void)
{
        expect_refused("--listen", "0.0.0.0:6781", 78, "mesh key");
        expect_refused("--listen", "10.0.0.1:0", 78, "mesh key");
        expect_refused("--listen", "[::]:6781", 78, "mesh key");
        expect_refused("--advertise", "192.0.2.1:6781", 78, "mesh key");
        expect_refused("--peer", "192.0.2.1:6781", 78, "mesh key");
        expect_refused("--interface", "eth0", 78, "mesh key");
}

static void a_wrong_value_is_named_with_its_option(void)
{
        expect_refused("--lease-ms", "49", 78, "--lease-ms 49: want a number from 50 to 60000");
        expect_refused("--lease-ms", "60001", 78, "60000");
        expect_refused("--lease-ms", "99999999999999999999999", 78, "60000");
        expect_refused("--lease-ms", "", 78, "--lease-ms \"\"");
        expect_refused("--lease-ms", "1s", 78, "number");
        expect_refused("--key-slots", "1000", 78, "power of two");
        expect_refused("--multicast", "yes", 78, "on or off");
        expect_refused("--log-level", "loud", 78, "debug");
        expect_refused("--group", "10.0.0.1", 78, "multicast");
        expect_refused("--name", "", 78, "empty");
        expect_refused("--name", "a\nb", 78, "control");
        expect_refused("--gone-ms", "1999", 78, "twice");
        expect_refused("--advertise", "127.0.0.1:0", 78, "port");
}

static void a_socket_path_over_107_bytes_is_refused(void)
{
        static struct config config;
        struct fault fault;
        char path[110] = "/";

        clear();
        memset(path + 1, 'x', 106);
        g_assert_cmpint(load(&config, &fault, (char *)"--socket", path, NULL, NULL), ==, 0);
        memset(path + 1, 'x', 107);
        g_assert_cmpint(load(&config, &fault, (char *)"--socket", path, NULL, NULL), ==, -EINVAL);
        g_assert_cmpint(fault.status, ==, 78);
        g_assert_nonnull(strstr(fault.text, "107"));
}

static void an_unknown_flag_is_a_usage_error_that_names_the_nearest_one(void)
{
        expect_refused("--lisen", "x", 64, "--listen");
        expect_refused("--leasems", "x", 64, "--lease-ms");
        expect_refused("name", "x", 64, "--help");
        expect_refused("--", "x", 64, "--help");
        expect_refused("--lease-ms", NULL, 64, "needs a value");
}

static void names_for_dns_are_read_and_not_looked_up(void)
{
        static struct config config;
        struct fault fault;

        clear();
        environment[0] = "MESHD_DNS";
        environment[1] = "a.test,b.test:1,_c._tcp.test d.test";
        environment[2] = "MESHD_DNS_SERVER";
        environment[3] = "192.0.2.1:53";
        g_assert_cmpint(load(&config, &fault, NULL, NULL, NULL, NULL), ==, 0);
        g_assert_cmpuint(config.n_dns, ==, CONFIG_DNS_MAX);
        g_assert_cmpstr(config.dns[2].service, ==, "_c._tcp.test");
        g_assert_cmpuint(config.dns_server.port, ==, 53);
        environment[1] = "a.test b.test c.test d.test e.test";
        g_assert_cmpint(load(&config, &fault, NULL, NULL, NULL, NULL), ==, -EINVAL);
        g_assert_cmpint(load(&config, &fault, (char *)"--dns", (char *)"x.test:7", NULL, NULL), ==,
                        -EINVAL);
        environment[0] = NULL;
        expect_refused("--dns", "192.0.2.1:6781", 78, "--peer");
        expect_refused("--dns", "a b", 78, "labels");
        expect_refused("--dns-server", "localhost:53", 78, "--dns-server");
        expect_refused("--dns-server", "192.0.2.1:0", 78, "nobody");
        expect_refused("--dns-server", "224.0.0.1:53", 78, "nobody");
}

static void too_many_peers_are_refused(void)
{
        static struct config config;
        struct fault fault;
        g_autoptr(GString) list = g_string_new(NULL);

        clear();
        for (int i = 0; i < CONFIG_PEERS_MAX; i++) {
                g_string_append_printf(list, "127.0.0.1:%d ", 1000 + i);
        }
        environment[0] = "MESHD_PEER";
        environment[1] = list->str;
        g_assert_cmpint(load(&config, &fault, NULL, NULL, NULL, NULL), ==, 0);
        g_string_append(list, "127.0.0.1:999");
        environment[1] = list->str;
        g_assert_cmpint(load(&config, &fault, NULL, NULL, NULL, NULL), ==, -EINVAL);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/config/defaults", nothing_given_is_a_node_of_its_host_alone);
        g_test_add_func("/config/order",
                        a_flag_goes_before_the_environment_and_that_before_the_default);
        g_test_add_func("/config/lists", a_list_of_flags_replaces_the_one_from_the_environment);
        g_test_add_func("/config/loopback", without_a_key_nothing_but_loopback_passes);
        g_test_add_func("/config/values", a_wrong_value_is_named_with_its_option);
        g_test_add_func("/config/socket", a_socket_path_over_107_bytes_is_refused);
        g_test_add_func("/config/unknown",
                        an_unknown_flag_is_a_usage_error_that_names_the_nearest_one);
        g_test_add_func("/config/dns", names_for_dns_are_read_and_not_looked_up);
        g_test_add_func("/config/peers", too_many_peers_are_refused);
        return g_test_run();
}
