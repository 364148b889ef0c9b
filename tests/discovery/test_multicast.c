/* SPDX-License-Identifier: MIT */
/*
 * In a network namespace of its own where that is allowed, else on the host's lo, on a port of its
 * own either way. What needs to change interfaces is skipped without a namespace.
 */
#include "discovery/multicast.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEADLINE_US (5 * G_USEC_PER_SEC)

static bool has_namespace;
static uint16_t port;
static char group4[32];

/* Without being root: root of a user namespace, so that the programs it starts keep the right
 * to change interfaces. */
static bool enter_namespace(void)
{
        g_autofree char *map = g_strdup_printf("0 %u 1", (unsigned int)geteuid());
        int fd;
        bool is_root;

        if (unshare(CLONE_NEWNET) == 0) {
                return true;
        }
        if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
                return false;
        }
        fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
        is_root = fd >= 0 && write(fd, map, strlen(map)) > 0;
        close(fd);
        return is_root;
}

/* Skips the case and says so where interfaces cannot be changed. */
static bool cannot_change_interfaces(void)
{
        g_autofree char *ip = g_find_program_in_path("ip");

        if (!has_namespace || !ip) {
                g_test_skip(ip ? "no network namespace allowed" : "no ip program");
                return true;
        }
        return false;
}

static bool run(const char *line)
{
        int status = -1;

        return g_spawn_command_line_sync(line, NULL, NULL, &status, NULL) && status == 0;
}

static void set_lo(bool is_up)
{
        struct ifreq request = {.ifr_name = "lo", .ifr_flags = is_up ? IFF_UP : 0};
        int fd = socket(AF_INET, SOCK_DGRAM, 0);

        g_assert_cmpint(ioctl(fd, SIOCSIFFLAGS, &request), ==, 0);
        close(fd);
}

static struct multicast *open_on(const char *interface)
{
        struct multicast_options options = {
                        .group4 = group4,
                        .port = port,
                        .is_loopback_only = !interface,
                        .interfaces = &interface,
                        .n_interfaces = 1,
        };
        struct multicast *multicast = NULL;

        g_assert_cmpint(multicast_open(&options, &multicast), ==, 0);
        return multicast;
}

static bool wait_for(int fd, gint64 deadline_us)
{
        struct pollfd wanted = {.fd = fd, .events = POLLIN};
        gint64 left_us = deadline_us - g_get_monotonic_time();

        return left_us > 0 && poll(&wanted, 1, (int)(left_us / 1000) + 1) == 1;
}

/* Waits until a datagram that says @text came in by @family. */
static bool hears(struct multicast *multicast, uint8_t family, const char *text,
                struct multicast_datagram *ret_datagram)
{
        gint64 deadline_us = g_get_monotonic_time() + DEADLINE_US;
        int fds[3];

        multicast_get_fds(multicast, fds);
        for (;;) {
                while (multicast_receive(multicast, ret_datagram)) {
                        if (ret_datagram->source.family == family &&
                                        ret_datagram->size == strlen(text) &&
                                        memcmp(ret_datagram->bytes, text, strlen(text)) == 0) {
                                return true;
                        }
                }
                if (!wait_for(fds[family == 6], deadline_us)) {
                        return false;
                }
        }
}

static const struct multicast_link *get_link(
                const struct multicast *multicast, const char *name, uint8_t family)
{
        struct multicast_status status;

        multicast_get_status(multicast, &status);
        for (size_t i = 0; i < status.n_links; i++) {
                if (strcmp(status.links[i].interface, name) == 0 &&
                                status.links[i].family == family) {
                        return &status.links[i];
                }
        }
        return NULL;
}

static void assert_advice(const struct multicast_link *link, const char *part)
{
        char advice[MULTICAST_ADVICE_SIZE];

        multicast_advise(link, advice);
        g_test_message("%s", advice);
        if (part) {
                g_assert_nonnull(strstr(advice, part));
        } else {
                g_assert_cmpstr(advice, ==, "");
        }
}

/* Waits for news of interfaces, and takes them. */
static int refresh_on_news(struct multicast *multicast)
{
        int fds[3];

        multicast_get_fds(multicast, fds);
        g_assert_true(wait_for(fds[2], g_get_monotonic_time() + DEADLINE_US));
        g_assert_cmpint(multicast_take_changes(multicast), ==, 1);
        return multicast_refresh(multicast);
}

/* News may come in several parts. */
static bool refresh_until_joined(struct multicast *multicast, const char *name)
{
        for (int i = 0; i < 20 && !get_link(multicast, name, 4)->is_joined; i++) {
                refresh_on_news(multicast);
        }
        return get_link(multicast, name, 4)->is_joined;
}

static void two_on_one_host_hear_each_other_and_themselves(void)
{
        struct multicast *a = open_on(NULL), *b = open_on(NULL);
        struct multicast_datagram got;

        g_assert_cmpint(multicast_send(a, "from a", 6), >=, 1);
        g_assert_true(hears(a, 4, "from a", &got));
        g_assert_true(hears(b, 4, "from a", &got));
        g_assert_cmpuint(got.ifindex, ==, if_nametoindex("lo"));
        g_assert_true(cmi_endpoint_is_loopback(&got.source));
        g_assert_cmpuint(got.source.port, ==, port);
        g_assert_cmpint(multicast_send(b, "from b", 6), >=, 1);
        g_assert_true(hears(a, 4, "from b", &got));
        g_assert_cmpuint(get_link(a, "lo", 4)->n_sent, ==, 1);
        g_assert_cmpuint(get_link(a, "lo", 4)->n_received, ==, 2);
        assert_advice(get_link(a, "lo", 4), NULL);
        multicast_free(a);
        multicast_free(b);
}

static void another_join_of_the_same_changes_nothing(void)
{
        struct multicast *a = open_on(NULL);
        struct multicast_datagram got;

        g_assert_cmpint(multicast_refresh(a), ==, 0);
        g_assert_cmpint(multicast_refresh(a), ==, 0);
        multicast_send(a, "x", 1);
        g_assert_true(hears(a, 4, "x", &got));
        g_assert_cmpint(multicast_refresh(a), ==, 0);
        g_assert_cmpuint(get_link(a, "lo", 4)->n_received, ==, 1);
        g_assert_cmpint(get_link(a, "lo", 4)->error, ==, 0);
        multicast_free(a);
}

static void a_long_datagram_tells_its_true_size(void)
{
        struct multicast *a = open_on(NULL);
        struct multicast_datagram got;
        char bytes[1000] = "long";
        int fds[3];

        multicast_get_fds(a, fds);
        g_assert_cmpint(multicast_send(a, bytes, sizeof(bytes)), >=, 1);
        g_assert_true(wait_for(fds[0], g_get_monotonic_time() + DEADLINE_US));
        g_assert_cmpint(multicast_receive(a, &got), ==, 1);
        g_assert_cmpuint(got.size, ==, sizeof(bytes));
        g_assert_cmpmem(got.bytes, sizeof(got.bytes), bytes, sizeof(got.bytes));
        multicast_free(a);
}

static void send_unicast(const struct sockaddr *to, socklen_t n)
{
        int fd = socket(to->sa_family, SOCK_DGRAM, 0);

        g_assert_cmpint(sendto(fd, "unicast", 7, 0, to, n), >, 0);
        close(fd);
}

static void unicast_does_not_get_in(void)
{
        struct sockaddr_in6 to6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
        struct sockaddr_in to4 = {.sin_family = AF_INET, .sin_port = htons(port)};
        struct multicast *a = open_on(NULL);
        struct multicast_status status;
        struct multicast_datagram got;
        int fds[3];

        multicast_get_fds(a, fds);
        to4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        to6.sin6_addr = in6addr_loopback;
        send_unicast((struct sockaddr *)&to4, sizeof(to4));
        multicast_send(a, "group", 5);
        g_assert_true(hears(a, 4, "group", &got));
        g_assert_cmpuint(get_link(a, "lo", 4)->n_received, ==, 1);
        if (fds[1] >= 0 && get_link(a, "lo", 6)->address.family == 6) {
                send_unicast((struct sockaddr *)&to6, sizeof(to6));
                g_assert_false(wait_for(fds[0], g_get_monotonic_time() + 1));
                g_assert_true(wait_for(fds[1], g_get_monotonic_time() + DEADLINE_US));
                while (multicast_receive(a, &got)) {
                        g_assert_cmpuint(got.size, ==, 5);
                }
                multicast_get_status(a, &status);
                g_assert_cmpuint(status.n_astray, ==, 1);
        }
        multicast_free(a);
}

static int try_options(struct multicast_options options)
{
        struct multicast *multicast = NULL;
        int r;

        options.is_loopback_only = options.n_interfaces == 0;
        r = multicast_open(&options, &multicast);
        multicast_free(multicast);
        return r;
}

static void wrong_options_are_refused(void)
{
        const char *long_name = "abcdefghijklmnop", *empty = "";
        const char *many[MULTICAST_INTERFACES_MAX + 1];

        for (size_t i = 0; i < G_N_ELEMENTS(many); i++) {
                many[i] = "lo";
        }
        g_assert_cmpint(try_options((struct multicast_options){.group4 = "10.0.0.1"}), ==, -EINVAL);
        g_assert_cmpint(try_options((struct multicast_options){.group4 = "nonsense"}), ==, -EINVAL);
        g_assert_cmpint(try_options((struct multicast_options){.group6 = "fe80::1"}), ==, -EINVAL);
        g_assert_cmpint(try_options((struct multicast_options){.ttl = 33}), ==, -EINVAL);
        g_assert_cmpint(try_options((struct multicast_options){.group4 = "", .group6 = ""}), ==,
                        -EAFNOSUPPORT);
        g_assert_cmpint(try_options((struct multicast_options){
                                        .interfaces = &long_name, .n_interfaces = 1}),
                        ==, -EINVAL);
        g_assert_cmpint(try_options((struct multicast_options){
                                        .interfaces = &empty, .n_interfaces = 1}),
                        ==, -EINVAL);
        g_assert_cmpint(try_options((struct multicast_options){
                                        .interfaces = many, .n_interfaces = G_N_ELEMENTS(many)}),
                        ==, -E2BIG);
        multicast_free(NULL);
}

static void a_port_that_another_program_keeps_is_told(void)
{
        struct sockaddr_in address = {.sin_family = AF_INET};
        socklen_t n = sizeof(address);
        int fd = socket(AF_INET, SOCK_DGRAM, 0);

        g_assert_cmpint(bind(fd, (struct sockaddr *)&address, n), ==, 0);
        g_assert_cmpint(getsockname(fd, (struct sockaddr *)&address, &n), ==, 0);
        g_assert_cmpint(try_options((struct multicast_options){
                                        .group6 = "", .port = ntohs(address.sin_port)}),
                        ==, -EADDRINUSE);
        close(fd);
}

static void its_descriptors_are_closed_with_it(void)
{
        struct multicast *a = open_on(NULL);
        int fds[3];

        multicast_get_fds(a, fds);
        g_assert_cmpint(fcntl(fds[0], F_GETFD), ==, FD_CLOEXEC);
        multicast_free(a);
        for (int i = 0; i < 3; i++) {
                g_assert_cmpint(fcntl(fds[i], F_GETFD), ==, -1);
        }
}

static void lo_may_come_up_later(void)
{
        struct multicast_datagram got;
        struct multicast *a;

        if (cannot_change_interfaces()) {
                return;
        }
        set_lo(false);
        a = open_on(NULL);
        assert_advice(get_link(a, "lo", 4), "ip link set lo up");
        multicast_send(a, "void", 4);
        set_lo(true);
        g_assert_true(refresh_until_joined(a, "lo"));
        assert_advice(get_link(a, "lo", 4), NULL);
        g_assert_cmpint(multicast_send(a, "up", 2), >=, 1);
        g_assert_true(hears(a, 4, "up", &got));
        multicast_free(a);
}

static void ipv6_on_lo_works_or_says_which_route_it_needs(void)
{
        struct multicast_datagram got;
        struct multicast *a;

        if (cannot_change_interfaces()) {
                return;
        }
        a = open_on(NULL);
        if (!get_link(a, "lo", 6) || get_link(a, "lo", 6)->address.family == 0) {
                g_test_skip("no IPv6 here");
                multicast_free(a);
                return;
        }
        for (int i = 0; i < 4; i++) {
                multicast_send(a, "four", 4);
                g_assert_true(hears(a, 4, "four", &got));
        }
        if (get_link(a, "lo", 6)->n_received == 0) {
                assert_advice(get_link(a, "lo", 6),
                                "ip -6 route add local ff00::/8 dev lo table local");
                g_assert_true(run("ip -6 route add local ff00::/8 dev lo table local"));
        }
        multicast_send(a, "six", 3);
        g_assert_true(hears(a, 6, "six", &got));
        assert_advice(get_link(a, "lo", 6), NULL);
        multicast_free(a);
}

static void an_interface_may_come_and_go_and_come_again(void)
{
        struct multicast_datagram got;
        struct multicast *a;

        if (cannot_change_interfaces()) {
                return;
        }
        a = open_on("cm-a");
        g_assert_cmpint(get_link(a, "cm-a", 4)->error, ==, ENODEV);
        assert_advice(get_link(a, "cm-a", 4), "there is no interface cm-a");
        g_assert_cmpint(multicast_send(a, "void", 4), ==, 0);
        g_assert_true(run("ip link add cm-a index 1000 type veth peer name cm-b"));
        refresh_on_news(a);
        assert_advice(get_link(a, "cm-a", 4), "ip link set cm-a up");
        g_assert_true(run("ip link set cm-b up"));
        g_assert_true(run("ip link set cm-a up"));
        multicast_take_changes(a);
        multicast_refresh(a);
        assert_advice(get_link(a, "cm-a", 4), "ip address add");
        g_assert_true(run("ip address add 10.77.0.1/24 dev cm-a"));
        g_assert_true(refresh_until_joined(a, "cm-a"));
        multicast_send(a, "one", 3);
        g_assert_true(hears(a, 4, "one", &got));
        g_assert_cmpuint(got.source.address[0], ==, 10);
        g_assert_cmpuint(got.ifindex, ==, 1000);
        /* The same name and the same index: only the news of the deletion can tell. */
        g_assert_true(run("ip link delete cm-a"));
        g_assert_true(run("ip link add cm-a index 1000 type veth peer name cm-b"));
        g_assert_true(run("ip link set cm-b up"));
        g_assert_true(run("ip link set cm-a up"));
        g_assert_true(run("ip address add 10.77.0.1/24 dev cm-a"));
        g_assert_cmpint(refresh_on_news(a), >=, 1);
        multicast_send(a, "two", 3);
        g_assert_true(hears(a, 4, "two", &got));
        g_assert_true(run("ip link delete cm-a"));
        refresh_on_news(a);
        assert_advice(get_link(a, "cm-a", 4), "there is no interface cm-a");
        multicast_free(a);
}

static void what_another_process_joined_is_not_heard(void)
{
        struct multicast *a, *b;
        struct multicast_datagram got;

        if (cannot_change_interfaces()) {
                return;
        }
        g_assert_true(run("ip link add cm-a type veth peer name cm-b"));
        g_assert_true(run("ip address add 10.77.0.1/24 dev cm-a"));
        g_assert_true(run("ip link set cm-b up"));
        g_assert_true(run("ip link set cm-a up"));
        a = open_on("cm-a");
        b = open_on(NULL);
        multicast_send(a, "not on lo", 9);
        g_assert_true(hears(a, 4, "not on lo", &got));
        multicast_send(b, "on lo", 5);
        g_assert_true(hears(b, 4, "on lo", &got));
        g_assert_cmpuint(get_link(b, "lo", 4)->n_received, ==, 1);
        multicast_send(a, "again", 5);
        g_assert_true(hears(a, 4, "again", &got));
        g_assert_cmpuint(get_link(a, "cm-a", 4)->n_received, ==, 2);
        multicast_free(a);
        multicast_free(b);
        g_assert_true(run("ip link delete cm-a"));
}

static void without_names_all_that_are_up_take_part(void)
{
        struct multicast_options options = {.group4 = group4, .port = port};
        struct multicast *a = NULL;

        if (cannot_change_interfaces()) {
                return;
        }
        g_assert_true(run("ip link add cm-a type veth peer name cm-b"));
        g_assert_true(run("ip address add 10.77.0.1/24 dev cm-a"));
        g_assert_true(run("ip link set cm-a up"));
        g_assert_cmpint(multicast_open(&options, &a), ==, 0);
        g_assert_true(get_link(a, "lo", 4)->is_joined);
        g_assert_true(get_link(a, "cm-a", 4)->is_joined);
        g_assert_null(get_link(a, "cm-b", 4));
        g_assert_true(run("ip link delete cm-a"));
        refresh_on_news(a);
        g_assert_null(get_link(a, "cm-a", 4));
        multicast_free(a);
}

/* A number that no other test run is likely to use at this moment. */
static void choose_port_and_group(void)
{
        struct sockaddr_in address = {.sin_family = AF_INET};
        socklen_t n = sizeof(address);
        int fd = socket(AF_INET, SOCK_DGRAM, 0);

        g_assert_cmpint(bind(fd, (struct sockaddr *)&address, n), ==, 0);
        g_assert_cmpint(getsockname(fd, (struct sockaddr *)&address, &n), ==, 0);
        close(fd);
        port = ntohs(address.sin_port);
        g_snprintf(group4, sizeof(group4), "239.255.%d.%d", g_random_int_range(1, 255),
                        g_random_int_range(1, 255));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        has_namespace = enter_namespace();
        if (has_namespace) {
                set_lo(true);
        }
        choose_port_and_group();
        g_test_add_func("/multicast/two", two_on_one_host_hear_each_other_and_themselves);
        g_test_add_func("/multicast/again", another_join_of_the_same_changes_nothing);
        g_test_add_func("/multicast/long", a_long_datagram_tells_its_true_size);
        g_test_add_func("/multicast/unicast", unicast_does_not_get_in);
        g_test_add_func("/multicast/options", wrong_options_are_refused);
        g_test_add_func("/multicast/port", a_port_that_another_program_keeps_is_told);
        g_test_add_func("/multicast/close", its_descriptors_are_closed_with_it);
        g_test_add_func("/multicast/lo_later", lo_may_come_up_later);
        g_test_add_func("/multicast/ipv6", ipv6_on_lo_works_or_says_which_route_it_needs);
        g_test_add_func("/multicast/come_and_go", an_interface_may_come_and_go_and_come_again);
        g_test_add_func("/multicast/others", what_another_process_joined_is_not_heard);
        g_test_add_func("/multicast/all", without_names_all_that_are_up_take_part);
        return g_test_run();
}
