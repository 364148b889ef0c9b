/* SPDX-License-Identifier: MIT */
#include "demo-app/http.h"

#include "demo-app/gate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 128
#define IDLE_S 10
#define CONNECTION_BYTES (32 * 1024)

struct http {
        struct MHD_Daemon *daemon;
        const struct app *app;
};

/* A request while it is being read. */
struct exchange {
        struct request request;
        struct MHD_PostProcessor *form;
        size_t body_len;
        unsigned int refusal; /* status, once it is clear that the answer is an error */
        const char *refusal_text;
        const char *allow;
};

static void refuse(struct exchange *exchange, unsigned int status, const char *text)
{
        if (!exchange->refusal) {
                exchange->refusal = status;
                exchange->refusal_text = text;
        }
}

static const char *header(struct MHD_Connection *connection, const char *name)
{
        return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* A name of this host, so that no page from elsewhere can bring its visitors'
 * browsers to ask here. */
static bool is_own_host(const char *host)
{
        static const char *const names[] = {"127.0.0.1", "localhost"};

        for (size_t i = 0; host && i < sizeof(names) / sizeof(names[0]); i++) {
                size_t n = strlen(names[i]);

                if (strncasecmp(host, names[i], n) == 0 && (host[n] == ':' || host[n] == '\0')) {
                        return true;
                }
        }
        return false;
}

/* A browser that sends the cookie over TLS only knows the pages by that. */
static bool is_own_origin(const struct app *app, const char *origin, const char *host)
{
        const char *scheme = app->is_cookie_secure ? "https://" : "http://";
        size_t n = strlen(scheme);

        return !origin || (strncmp(origin, scheme, n) == 0 && strcmp(origin + n, host) == 0);
}

static bool is_form(const char *type)
{
        static const char form[] = "application/x-www-form-urlencoded";

        return type && strncasecmp(type, form, sizeof(form) - 1) == 0;
}

static void check_headers(
                struct exchange *exchange, const struct app *app, struct MHD_Connection *connection)
{
        const char *host = header(connection, "Host");
        const char *length = header(connection, "Content-Length");

        if (!is_own_host(host)) {
                refuse(exchange, MHD_HTTP_MISDIRECTED_REQUEST,
                                "This app answers to 127.0.0.1 and localhost only.");
        } else if (exchange->request.is_post &&
                        !is_own_origin(app, header(connection, "Origin"), host)) {
                refuse(exchange, MHD_HTTP_FORBIDDEN,
                                "A page from elsewhere may not change anything.");
        } else if (exchange->request.is_post && !is_form(header(connection, "Content-Type"))) {
                refuse(exchange, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
                                "A change is sent as application/x-www-form-urlencoded.");
        } else if (length && strtoull(length, NULL, 10) > APP_BODY_MAX) {
                refuse(exchange, MHD_HTTP_CONTENT_TOO_LARGE, "The body is longer than 4096 bytes.");
        }
}

static void check_method(struct exchange *exchange, const char *method)
{
        exchange->request.is_post = strcmp(method, MHD_HTTP_METHOD_POST) == 0;
        if (!exchange->request.is_post && strcmp(method, MHD_HTTP_METHOD_GET) != 0 &&
                        strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
                exchange->allow = "GET, HEAD, POST";
                refuse(exchange, MHD_HTTP_METHOD_NOT_ALLOWED,
                                "Only GET, HEAD and POST are possible.");
        }
}

static char *field_of(struct request_fields *fields, const char *name)
{
        const struct {
                const char *name;
                char *target;
        } known[] = {{"name", fields->name}, {"parent", fields->parent}, {"with", fields->with},
                        {"token", fields->token}, {"where", fields->where},
                        {"revision", fields->revision}, {"step", fields->step}, {"go", fields->go}};

        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
                if (strcmp(name, known[i].name) == 0) {
                        return known[i].target;
                }
        }
        return NULL;
}

/* Called by libmicrohttpd for each piece of a field. */
static enum MHD_Result read_field(void *userdata, enum MHD_ValueKind kind, const char *name,
                const char *filename, const char *type, const char *encoding, const char *data,
                uint64_t offset, size_t size)
{
        struct exchange *exchange = userdata;
        struct request_fields *fields = &exchange->request.fields;
        char *target = field_of(fields, name);

        if (!target) {
                return MHD_YES;
        }
        if (offset + size > APP_FIELD_MAX || memchr(data, 0, size)) {
                refuse(exchange, MHD_HTTP_BAD_REQUEST, "A field is too long or holds a zero byte.");
                return MHD_YES;
        }
        memcpy(target + offset, data, size);
        target[offset + size] = '\0';
        return MHD_YES;
}

static struct exchange *exchange_free(struct exchange *exchange)
{
        if (exchange && exchange->form) {
                MHD_destroy_post_processor(exchange->form);
        }
        free(exchange);
        return NULL;
}

/* One that is too long is kept as something that can be no id. */
static void read_cookies(struct exchange *exchange, struct MHD_Connection *connection)
{
        const char *id = MHD_lookup_connection_value(connection, MHD_COOKIE_KIND, GATE_COOKIE);
        const char *end = MHD_lookup_connection_value(connection, MHD_COOKIE_KIND, GATE_END_COOKIE);

        if (id) {
                snprintf(exchange->request.cookie, sizeof(exchange->request.cookie), "%s",
                                strlen(id) <= LOGIN_COOKIE_MAX ? id : "-");
        }
        if (end && strlen(end) <= 15 && end[strspn(end, "0123456789")] == '\0') {
                exchange->request.known_end_ms = strtoull(end, NULL, 10);
        }
}

static struct exchange *exchange_new(const struct app *app, struct MHD_Connection *connection,
                const char *url, const char *method)
{
        struct exchange *exchange = calloc(1, sizeof(*exchange));
        const char *notice =
                        MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "notice");

        if (!exchange) {
                return NULL;
        }
        if (route_split(&exchange->request, url) < 0) {
                refuse(exchange, MHD_HTTP_URI_TOO_LONG, "The address is too long.");
        }
        if (notice && strlen(notice) < sizeof(exchange->request.notice)) {
                strcpy(exchange->request.notice, notice);
        }
        read_cookies(exchange, connection);
        check_method(exchange, method);
        check_headers(exchange, app, connection);
        if (exchange->request.is_post && !exchange->refusal) {
                exchange->form = MHD_create_post_processor(connection, 1024, read_field, exchange);
                return exchange->form ? exchange : exchange_free(exchange);
        }
        return exchange;
}

static void add_headers(struct MHD_Response *response, const struct app *app,
                const struct request *request, const struct answer *answer)
{
        char text[160];
        const char *type = request->is_api ? "application/json" : "text/html; charset=utf-8";

        snprintf(text, sizeof(text), "node=%s, %s", app->node, answer->cache);
        MHD_add_response_header(response, "X-Cachemesh", text);
        MHD_add_response_header(response, "Content-Type", type);
        MHD_add_response_header(response, "Cache-Control", "no-store");
        MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
        MHD_add_response_header(response, "Referrer-Policy", "same-origin");
        MHD_add_response_header(response, "Content-Security-Policy",
                        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
                        "base-uri 'none'; frame-ancestors 'none'");
        if (answer->location[0]) {
                MHD_add_response_header(response, "Location", answer->location);
        }
        for (size_t i = 0; i < sizeof(answer->cookies) / sizeof(answer->cookies[0]); i++) {
                if (answer->cookies[i][0]) {
                        MHD_add_response_header(response, "Set-Cookie", answer->cookies[i]);
                }
        }
        if (answer->is_for_later) {
                MHD_add_response_header(response, "Retry-After", "1");
        }
        if (answer->allow) {
                MHD_add_response_header(response, "Allow", answer->allow);
        }
}

static enum MHD_Result send_answer(struct MHD_Connection *connection, const struct app *app,
                const struct request *request, struct answer *answer)
{
        struct MHD_Response *response;
        enum MHD_Result r;

        if (fclose(answer->out) != 0) {
                free(answer->body);
                return MHD_NO;
        }
        response = MHD_create_response_from_buffer(
                        answer->len, answer->body, MHD_RESPMEM_MUST_FREE);
        if (!response) {
                free(answer->body);
                return MHD_NO;
        }
        add_headers(response, app, request, answer);
        r = MHD_queue_response(connection, answer->status, response);
        MHD_destroy_response(response);
        return r;
}

static enum MHD_Result respond(
                struct MHD_Connection *connection, const struct app *app, struct exchange *exchange)
{
        struct answer answer = {.status = MHD_HTTP_OK, .cache = "-", .reason = ""};

        answer.out = open_memstream(&answer.body, &answer.len);
        if (!answer.out) {
                return MHD_NO;
        }
        if (exchange->refusal) {
                answer.allow = exchange->allow;
                route_fail(app, &exchange->request, &answer, exchange->refusal,
                                exchange->refusal_text);
        } else {
                route_answer(app, &exchange->request, &answer);
        }
        return send_answer(connection, app, &exchange->request, &answer);
}

/* Without a Content-Length it shows only now that a body is too long. */
static enum MHD_Result read_body(struct exchange *exchange, const char *data, size_t *size)
{
        exchange->body_len += *size;
        if (exchange->body_len > APP_BODY_MAX) {
                refuse(exchange, MHD_HTTP_CONTENT_TOO_LARGE, "The body is longer than 4096 bytes.");
        } else if (exchange->form && MHD_post_process(exchange->form, data, *size) != MHD_YES) {
                refuse(exchange, MHD_HTTP_BAD_REQUEST, "The form is not readable.");
        }
        *size = 0;
        /* Somebody who goes on for ever is cut off. */
        return exchange->body_len > 16 * APP_BODY_MAX ? MHD_NO : MHD_YES;
}

static enum MHD_Result handle(void *userdata, struct MHD_Connection *connection, const char *url,
                const char *method, const char *version, const char *data, size_t *size,
                void **context)
{
        struct http *http = userdata;
        struct exchange *exchange = *context;

        if (!exchange) {
                *context = exchange = exchange_new(http->app, connection, url, method);
                if (!exchange) {
                        return MHD_NO;
                }
                /* Before the body is read. */
                return exchange->refusal ? respond(connection, http->app, exchange) : MHD_YES;
        }
        if (*size > 0) {
                return read_body(exchange, data, size);
        }
        return respond(connection, http->app, exchange);
}

static void handle_end(void *userdata, struct MHD_Connection *connection, void **context,
                enum MHD_RequestTerminationCode code)
{
        *context = exchange_free(*context);
}

static int listen_on(uint16_t port, uint16_t *ret_port)
{
        struct sockaddr_in address = {.sin_family = AF_INET,
                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                        .sin_port = htons(port)};
        socklen_t len = sizeof(address);
        int on = 1;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0) {
                return -errno;
        }
        /* A node that returns takes its old port although connections of its former life linger. */
        if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
                        bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, 128) < 0 ||
                        getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
                int r = -errno;

                close(fd);
                return r;
        }
        *ret_port = ntohs(address.sin_port);
        return fd;
}

int http_start(struct http **ret_http, const struct app *app, uint16_t port, uint16_t *ret_port)
{
        struct http *http = calloc(1, sizeof(*http));
        uint16_t taken = 0;
        int fd = http ? listen_on(port, &taken) : -ENOMEM;

        if (fd < 0) {
                free(http);
                return fd;
        }
        http->app = app;
        http->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD |
                                                        MHD_USE_THREAD_PER_CONNECTION |
                                                        MHD_USE_POLL | MHD_USE_ITC,
                        0, NULL, NULL, handle, http, MHD_OPTION_LISTEN_SOCKET, fd,
                        MHD_OPTION_NOTIFY_COMPLETED, handle_end, NULL, MHD_OPTION_CONNECTION_LIMIT,
                        CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S,
                        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
                        MHD_OPTION_END);
        if (!http->daemon) {
                close(fd);
                free(http);
                return -EIO;
        }
        *ret_port = taken;
        *ret_http = http;
        return 0;
}

struct http *http_stop(struct http *http)
{
        if (http) {
                MHD_stop_daemon(http->daemon); /* closes the socket too */
                free(http);
        }
        return NULL;
}
