/* SPDX-License-Identifier: MIT */
#include "meshd/mesh/resolver.h"

#include "base/time.h"

#include <arpa/nameser.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Sockets and time */

static void on_timer(uv_timer_t *timer);

/* When c-ares wants to repeat a question, or give up. */
static void arm(struct resolver *resolver)
{
        struct timeval longest = {.tv_sec = DNS_ROUND_MAX_MS / 1000};
        struct timeval room;
        const struct timeval *left = ares_timeout(resolver->channel, &longest, &room);
        uint64_t ms = (uint64_t)left->tv_sec * 1000 + (uint64_t)left->tv_usec / 1000 + 1;

        uv_update_time(&resolver->poller->uv);
        uv_timer_start(&resolver->timer, on_timer, ms, 0);
}

static void process(struct resolver *resolver, ares_socket_t readable, ares_socket_t writable)
{
        ares_process_fd(resolver->channel, readable, writable);
        resolver->progressed(resolver->context);
        if (resolver->is_open) {
                arm(resolver);
        }
}

static void on_timer(uv_timer_t *timer)
{
        process(timer->data, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

/* An error is found by who reads. */
static void on_ready(uv_poll_t *poll, int status, int events)
{
        struct resolver_socket *s = poll->data;

        if (status < 0) {
                events = UV_READABLE | UV_WRITABLE;
        }
        process(s->resolver, events & UV_READABLE ? s->fd : ARES_SOCKET_BAD,
                        events & UV_WRITABLE ? s->fd : ARES_SOCKET_BAD);
}

static void on_closed(uv_handle_t *handle)
{
        struct resolver_socket *s = handle->data;

        s->is_used = false;
}

static struct resolver_socket *find_socket(struct resolver *resolver, ares_socket_t fd)
{
        for (int i = 0; i < RESOLVER_SOCKETS_MAX; i++) {
                struct resolver_socket *s = &resolver->sockets[i];

                if (s->is_used && !s->is_closing && s->fd == fd) {
                        return s;
                }
        }
        return NULL;
}

static struct resolver_socket *add_socket(struct resolver *resolver, ares_socket_t fd)
{
        for (int i = 0; i < RESOLVER_SOCKETS_MAX; i++) {
                struct resolver_socket *s = &resolver->sockets[i];

                if (s->is_used || uv_poll_init(&resolver->poller->uv, &s->poll, fd) < 0) {
                        continue;
                }
                s->resolver = resolver;
                s->fd = fd;
                s->is_used = true;
                s->is_closing = false;
                s->poll.data = s;
                return s;
        }
        return NULL;
}

/* c-ares tells what it waits for. A socket that finds no room is not waited for: its questions time
 * out. */
static void on_socket(void *context, ares_socket_t fd, int is_readable, int is_writable)
{
        struct resolver *resolver = context;
        struct resolver_socket *s = find_socket(resolver, fd);
        int events = (is_readable ? UV_READABLE : 0) | (is_writable ? UV_WRITABLE : 0);

        if (!s && events != 0) {
                s = add_socket(resolver, fd);
        }
        if (!s) {
                return;
        }
        poller_watch(resolver->poller, &s->poll, events, on_ready);
        if (events == 0) {
                s->is_closing = true;
                uv_close((uv_handle_t *)&s->poll, on_closed);
        }
}

/* Open, close */

static int set_server(ares_channel channel, const struct cmi_endpoint *server)
{
        struct ares_addr_port_node node = {
                        .family = server->family == 4 ? AF_INET : AF_INET6,
                        .udp_port = server->port,
                        .tcp_port = server->port,
        };

        memcpy(&node.addr, server->address, server->family == 4 ? 4 : 16);
        return ares_set_servers_ports(channel, &node);
}

static int open_channel(struct resolver *resolver)
{
        struct ares_options options = {
                        .flags = ARES_FLAG_NOALIASES | ARES_FLAG_EDNS,
                        .ednspsz = RESOLVER_DATAGRAM_MAX,
                        .timeout = RESOLVER_TRY_MS,
                        .tries = RESOLVER_TRIES,
                        .lookups = (char[]){"b"},
                        .sock_state_cb = on_socket,
                        .sock_state_cb_data = resolver,
        };
        int r = ares_init_options(&resolver->channel, &options,
                        ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
                                        ARES_OPT_SOCK_STATE_CB | ARES_OPT_EDNSPSZ);

        if (r == ARES_SUCCESS && resolver->server->family != 0) {
                r = set_server(resolver->channel, resolver->server);
                if (r != ARES_SUCCESS) {
                        ares_destroy(resolver->channel);
                }
        }
        resolver->is_open = r == ARES_SUCCESS;
        return r;
}

void resolver_init(struct resolver *resolver)
{
        uv_timer_init(&resolver->poller->uv, &resolver->timer);
        resolver->timer.data = resolver;
}

void resolver_close(struct resolver *resolver)
{
        if (resolver->is_open) {
                resolver->is_open = false;
                ares_destroy(resolver->channel);
                uv_timer_stop(&resolver->timer);
        }
}

void resolver_stop(struct resolver *resolver)
{
        assert(!resolver->is_open);
        uv_close((uv_handle_t *)&resolver->timer, NULL);
}

/* Answers */

/* One that is on its way. */
struct request {
        struct resolver *resolver;
        uint32_t number;
        uint8_t type;
};

static const char *failure_text(int status)
{
        switch (status) {
        case ARES_ETIMEOUT:
                return DNS_TOO_LATE;
        /* c-ares asks the next server after each of these, and in the end tells the first. */
        case ARES_ECONNREFUSED:
        case ARES_ESERVFAIL:
        case ARES_EREFUSED:
        case ARES_ENOTIMP:
        case ARES_EFORMERR:
                return "no server gives an answer (SERVFAIL, REFUSED, or none listens)";
        case ARES_EBADRESP:
        case ARES_EBADNAME:
        case ARES_EBADSTR:
                return "the answer makes no sense";
        case ARES_ENOMEM:
                return "there is no memory for the answer";
        case ARES_EFILE:
                return "/etc/resolv.conf cannot be read";
        default:
                return "the question cannot be asked";
        }
}

static struct dns_answer make_answer(int status)
{
        if (status == ARES_SUCCESS) {
                return (struct dns_answer){.result = DNS_FOUND};
        }
        if (status == ARES_ENOTFOUND || status == ARES_ENODATA) {
                return (struct dns_answer){.result = DNS_NOTHING};
        }
        return (struct dns_answer){.result = DNS_FAILED, .why = failure_text(status)};
}

static void finish(const struct request *request, const struct dns_answer *answer)
{
        request->resolver->answered(request->resolver->context, request->number, answer);
}

static void add_address(struct dns_answer *answer, struct cmi_endpoint *endpoints,
                const struct sockaddr *address, int ttl_s)
{
        uint32_t ttl = ttl_s > 0 ? (uint32_t)ttl_s : 0;

        /* An IPv4 address in IPv6's clothes becomes one. */
        if (cmi_endpoint_from_sockaddr(address, &endpoints[answer->n_addresses]) == 0) {
                answer->n_addresses++;
                answer->ttl_s = ttl < answer->ttl_s ? ttl : answer->ttl_s;
        }
}

static int read_v4(const unsigned char *bytes, int size, struct dns_answer *answer,
                struct cmi_endpoint *endpoints)
{
        struct sockaddr_in address = {.sin_family = AF_INET};
        struct ares_addrttl records[RESOLVER_ADDRESSES_MAX];
        int n = RESOLVER_ADDRESSES_MAX;
        int r = ares_parse_a_reply(bytes, size, NULL, records, &n);

        for (int i = 0; r == ARES_SUCCESS && i < n; i++) {
                address.sin_addr = records[i].ipaddr;
                add_address(answer, endpoints, (struct sockaddr *)&address, records[i].ttl);
        }
        return r;
}

static int read_v6(const unsigned char *bytes, int size, struct dns_answer *answer,
                struct cmi_endpoint *endpoints)
{
        struct sockaddr_in6 address = {.sin6_family = AF_INET6};
        struct ares_addr6ttl records[RESOLVER_ADDRESSES_MAX];
        int n = RESOLVER_ADDRESSES_MAX;
        int r = ares_parse_aaaa_reply(bytes, size, NULL, records, &n);

        for (int i = 0; r == ARES_SUCCESS && i < n; i++) {
                memcpy(&address.sin6_addr, &records[i].ip6addr, sizeof(address.sin6_addr));
                add_address(answer, endpoints, (struct sockaddr *)&address, records[i].ttl);
        }
        return r;
}

static void take_addresses(const struct request *request, const unsigned char *bytes, int size)
{
        struct cmi_endpoint endpoints[RESOLVER_ADDRESSES_MAX];
        struct dns_answer found = {.ttl_s = UINT32_MAX, .addresses = endpoints};
        int r = request->type == DNS_A ? read_v4(bytes, size, &found, endpoints)
                                       : read_v6(bytes, size, &found, endpoints);
        struct dns_answer answer = make_answer(r);

        finish(request, r == ARES_SUCCESS && found.n_addresses > 0 ? &found : &answer);
}

/* A final "." alone says that there is no such service here. */
static void take_targets(const struct request *request, const unsigned char *bytes, int size)
{
        struct dns_target targets[DNS_TARGETS_MAX];
        struct ares_srv_reply *list = NULL;
        int r = ares_parse_srv_reply(bytes, size, &list);
        struct dns_answer answer = make_answer(r);

        answer.targets = targets;
        for (struct ares_srv_reply *at = r == ARES_SUCCESS ? list : NULL; at; at = at->next) {
                struct dns_target *target = &targets[answer.n_targets];

                if (at->port == 0 || !dns_name_is_valid(at->host) ||
                                answer.n_targets == DNS_TARGETS_MAX) {
                        continue;
                }
                memset(target, 0, sizeof(*target));
                memcpy(target->host, at->host, strlen(at->host));
                target->port = at->port;
                answer.n_targets++;
        }
        ares_free_data(list);
        finish(request, &answer);
}

static void on_answer(void *context, int status, int timeouts, unsigned char *bytes, int size)
{
        struct request *request = context;
        struct dns_answer answer = make_answer(status);

        if (!request->resolver->is_open) {
                free(request);
                return;
        }
        if (status == ARES_SUCCESS && size > RESOLVER_ANSWER_MAX) {
                answer = (struct dns_answer){
                                .result = DNS_FAILED, .why = "the answer is too large"};
        }
        if (answer.result != DNS_FOUND) {
                finish(request, &answer);
        } else if (request->type == DNS_SRV) {
                take_targets(request, bytes, size);
        } else {
                take_addresses(request, bytes, size);
        }
        free(request);
}

static void send_request(struct request *request, const struct dns_question *question)
{
        static const int types[] = {[DNS_A] = ns_t_a, [DNS_AAAA] = ns_t_aaaa, [DNS_SRV] = ns_t_srv};
        ares_channel channel = request->resolver->channel;
        int type = types[question->type];

        if (question->is_complete) {
                ares_query(channel, question->name, ns_c_in, type, on_answer, request);
        } else {
                ares_search(channel, question->name, ns_c_in, type, on_answer, request);
        }
}

void resolver_ask(struct resolver *resolver, const struct dns_question *question)
{
        struct request *request = malloc(sizeof(*request));
        int r = request ? ARES_SUCCESS : ARES_ENOMEM;
        struct dns_answer answer;

        if (r == ARES_SUCCESS && !resolver->is_open) {
                r = open_channel(resolver);
        }
        if (r != ARES_SUCCESS) {
                free(request);
                answer = make_answer(r);
                resolver->answered(resolver->context, question->number, &answer);
                return;
        }
        resolver->n_questions++;
        *request = (struct request){resolver, question->number, question->type};
        send_request(request, question);
        if (resolver->is_open) {
                arm(resolver);
        }
}
