/* SPDX-License-Identifier: MIT */
/*
 * The lab's hub: a switch between the ends of veth pairs, which delays, loses, doubles and reorders
 * frames in each direction as path.c decides. It learns no addresses: a frame for one station
 * goes to the port that this station was last heard on, all others to every port of the segment.
 * hosts.py makes the interfaces, starts it (hub SEED) and talks to it, a line a command, a line an
 * answer:
 *
 *   port NAME SEGMENT     use this interface, also again after it was made anew: "rc=0 port=N"
 *   path FROM TO DELAY_US JITTER_US LOSS_PPM TWICE_PPM REORDER_PPM REORDER_US: see path.h
 *   cut FROM TO, mend FROM TO    one direction
 *   count FROM TO                what became of the frames
 *
 * It ends with its standard input.
 */
#include "tests/lab/frame_queue.h"
#include "tests/lab/path.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORTS_MAX 32
#define STATIONS_MAX 256
#define LINE_SIZE 256
#define FRAME_MAX 2048
#define BUDGET 256 /* frames of one port in one turn */
#define BUFFER_BYTES (8 << 20)

struct port {
        char name[IF_NAMESIZE];
        unsigned segment;
        int fd; /* -1: it went away */
};

struct station {
        uint8_t address[ETH_ALEN];
        uint32_t port;
};

struct hub {
        struct port ports[PORTS_MAX];
        uint32_t n_ports;
        struct path paths[PORTS_MAX][PORTS_MAX];
        struct station stations[STATIONS_MAX];
        uint32_t n_stations;
        struct frame_queue queue;
        uint64_t seed;
        char line[LINE_SIZE];
        size_t line_len;
};

static uint64_t now_ns(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int open_port(const char *name)
{
        struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
        int one = 1, bytes = BUFFER_BYTES, r;
        int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        address.sll_ifindex = (int)if_nametoindex(name);
        if (fd < 0) {
                return -errno;
        }
        setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
        if (address.sll_ifindex == 0 ||
                        setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) < 0 ||
                        bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
                r = -errno;
                close(fd);
                return r;
        }
        return fd;
}

static struct port *find_port(struct hub *hub, const char *name)
{
        for (uint32_t i = 0; i < hub->n_ports; i++) {
                if (strcmp(hub->ports[i].name, name) == 0) {
                        return &hub->ports[i];
                }
        }
        return NULL;
}

static struct port *new_port(struct hub *hub, const char *name)
{
        struct port *port;

        if (hub->n_ports == PORTS_MAX) {
                return NULL;
        }
        port = &hub->ports[hub->n_ports++];
        snprintf(port->name, sizeof(port->name), "%s", name);
        port->fd = -1;
        return port;
}

static void do_port(struct hub *hub, const char *name, unsigned segment)
{
        struct port *port = find_port(hub, name);
        int fd = open_port(name);

        if (fd < 0) {
                printf("rc=%d\n", fd);
                return;
        }
        port = port ? port : new_port(hub, name);
        if (!port) {
                close(fd);
                printf("rc=%d\n", -ENOSPC);
                return;
        }
        if (port->fd >= 0) {
                close(port->fd);
        }
        port->fd = fd;
        port->segment = segment;
        printf("rc=0 port=%u\n", (unsigned)(port - hub->ports));
}

static uint32_t *find_station(struct hub *hub, const uint8_t address[ETH_ALEN])
{
        for (uint32_t i = 0; i < hub->n_stations; i++) {
                if (memcmp(hub->stations[i].address, address, ETH_ALEN) == 0) {
                        return &hub->stations[i].port;
                }
        }
        return NULL;
}

static void learn(struct hub *hub, const uint8_t address[ETH_ALEN], uint32_t port)
{
        uint32_t *known = find_station(hub, address);

        if (known) {
                *known = port;
        } else if (hub->n_stations < STATIONS_MAX) {
                memcpy(hub->stations[hub->n_stations].address, address, ETH_ALEN);
                hub->stations[hub->n_stations++].port = port;
        }
}

/* ARP and IGMP come whenever the kernel likes: drawn too, they would shift all that follows. */
static bool is_drawn(const uint8_t *data, size_t len)
{
        const struct ether_header *ether = (const struct ether_header *)data;
        struct iphdr ip;

        if (len < sizeof(*ether) + sizeof(ip) || ether->ether_type != htons(ETHERTYPE_IP)) {
                return false;
        }
        memcpy(&ip, data + sizeof(*ether), sizeof(ip)); /* it lies at no multiple of four */
        return ip.protocol == IPPROTO_TCP || ip.protocol == IPPROTO_UDP;
}

static void pass(struct hub *hub, uint32_t from, uint32_t to, const uint8_t *data, size_t len)
{
        struct path *path = &hub->paths[from][to];
        uint64_t due_ns[2];
        int n = path_pass(path, is_drawn(data, len), now_ns(), due_ns);

        for (int i = 0; i < n; i++) {
                if (frame_queue_put(&hub->queue, due_ns[i], from, to, data, len) < 0) {
                        path->n_full++;
                }
        }
}

static void receive(struct hub *hub, uint32_t from, const uint8_t *data, size_t len)
{
        const struct ether_header *ether = (const struct ether_header *)data;
        const uint32_t *known;

        if (len < sizeof(*ether)) {
                return;
        }
        learn(hub, ether->ether_shost, from);
        known = ether->ether_dhost[0] & 1 ? NULL : find_station(hub, ether->ether_dhost);
        for (uint32_t to = 0; to < hub->n_ports; to++) {
                bool is_wanted = known ? to == *known
                                       : hub->ports[to].segment == hub->ports[from].segment;

                if (is_wanted && to != from) {
                        pass(hub, from, to, data, len);
                }
        }
}

static void read_port(struct hub *hub, uint32_t from)
{
        uint8_t data[FRAME_MAX];

        for (int i = 0; i < BUDGET; i++) {
                ssize_t len = recv(hub->ports[from].fd, data, sizeof(data), MSG_TRUNC);

                if (len > (ssize_t)sizeof(data)) {
                        fprintf(stderr,
                                        "hub: %s: a frame of %zd bytes: is segmentation offload "
                                        "on?\n",
                                        hub->ports[from].name, len);
                } else if (len >= 0) {
                        receive(hub, from, data, (size_t)len);
                } else if (errno == ENETDOWN || errno == EINTR) {
                        continue; /* told once when the link goes down; it may come up again */
                } else {
                        return;
                }
        }
}

static void send_due(struct hub *hub)
{
        struct queued_frame *frame;

        while ((frame = frame_queue_take(&hub->queue, now_ns()))) {
                /* A cut holds for what is on its way, too. */
                struct path *path = &hub->paths[frame->from][frame->to];

                if (path->is_cut) {
                        path->n_cut++;
                } else if (send(hub->ports[frame->to].fd, frame->data, frame->len, 0) < 0) {
                        path->n_full++;
                }
                free(frame);
        }
}

static void print_count(const struct path *path)
{
        printf("rc=0 passed=%lu lost=%lu twice=%lu reordered=%lu cut=%lu full=%lu\n",
                        path->n_passed, path->n_lost, path->n_twice, path->n_reordered, path->n_cut,
                        path->n_full);
}

static void run_line(struct hub *hub, const char *line)
{
        char word[16], name[IF_NAMESIZE];
        struct path_rules rules;
        struct path *path;
        unsigned from, to;

        if (sscanf(line, "port %15s %u", name, &to) == 2) {
                do_port(hub, name, to);
                return;
        }
        if (sscanf(line, "%15s %u %u", word, &from, &to) != 3 || from >= hub->n_ports ||
                        to >= hub->n_ports) {
                printf("rc=%d\n", -EINVAL);
                return;
        }
        path = &hub->paths[from][to];
        if (sscanf(line, "path %u %u %u %u %u %u %u %u", &from, &to, &rules.delay_us,
                            &rules.jitter_us, &rules.loss_ppm, &rules.twice_ppm, &rules.reorder_ppm,
                            &rules.reorder_us) == 8) {
                path->rules = rules;
                printf("rc=0\n");
        } else if (strcmp(word, "cut") == 0 || strcmp(word, "mend") == 0) {
                path->is_cut = word[0] == 'c';
                printf("rc=0\n");
        } else if (strcmp(word, "count") == 0) {
                print_count(path);
        } else {
                printf("rc=%d\n", -EINVAL);
        }
}

/* Return: whether there may be more commands. */
static bool read_commands(struct hub *hub)
{
        char *end;
        ssize_t len = read(STDIN_FILENO, hub->line + hub->line_len,
                        sizeof(hub->line) - 1 - hub->line_len);

        if (len <= 0) {
                return len < 0 && errno == EINTR;
        }
        hub->line_len += (size_t)len;
        hub->line[hub->line_len] = '\0';
        while ((end = strchr(hub->line, '\n'))) {
                *end = '\0';
                run_line(hub, hub->line);
                hub->line_len -= (size_t)(end + 1 - hub->line);
                memmove(hub->line, end + 1, hub->line_len + 1);
        }
        fflush(stdout);
        return hub->line_len < sizeof(hub->line) - 1;
}

static void wait_for_work(struct hub *hub, struct pollfd *polls)
{
        uint64_t next_ns = frame_queue_next_ns(&hub->queue), now = now_ns();
        uint64_t left_ns = next_ns > now ? next_ns - now : 0;
        struct timespec timeout = {(time_t)(left_ns / 1000000000u), (long)(left_ns % 1000000000u)};

        polls[0] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
        for (uint32_t i = 0; i < hub->n_ports; i++) {
                polls[i + 1] = (struct pollfd){.fd = hub->ports[i].fd, .events = POLLIN};
        }
        ppoll(polls, hub->n_ports + 1, next_ns == UINT64_MAX ? NULL : &timeout, NULL);
}

static void run(struct hub *hub)
{
        struct pollfd polls[PORTS_MAX + 1] = {0};

        do {
                uint32_t n_ports = hub->n_ports;

                send_due(hub);
                wait_for_work(hub, polls);
                for (uint32_t i = 0; i < n_ports; i++) {
                        if (polls[i + 1].revents) {
                                read_port(hub, i);
                        }
                }
        } while (!polls[0].revents || read_commands(hub));
}

int main(int argc, char **argv)
{
        static struct hub hub;

        if (argc != 2) {
                fprintf(stderr, "usage: hub SEED\n");
                return 64;
        }
        hub.seed = strtoull(argv[1], NULL, 10);
        for (uint32_t from = 0; from < PORTS_MAX; from++) {
                for (uint32_t to = 0; to < PORTS_MAX; to++) {
                        path_init(&hub.paths[from][to], hub.seed, from, to);
                }
        }
        run(&hub);
        frame_queue_deinit(&hub.queue);
        return 0;
}
