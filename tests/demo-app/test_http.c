/* SPDX-License-Identifier: MIT */
#include "demo-app/http.h"

#include "tests/demo-app/client.h"
#include "tests/demo-app/place.h"

#include <glib.h>
#include <string.h>
#include <unistd.h>

struct fixture {
        struct place place;
        struct app app;
        struct http *http;
        uint16_t port;
};

static void set_up(struct fixture *f, const void *unused)
{
        struct cache_options options = {
                        .name = "node-1", .is_standalone = true, .is_publishing = true};

        place_init(&f->place);
        f->app.node = "node-1";
        f->app.store = place_store(&f->place);
        g_assert_cmpint(cache_open(&f->app.cache, f->app.store, &options), ==, 0);
        g_assert_cmpint(http_start(&f->http, &f->app, 0, &f->port), ==, 0);
}

static void tear_down(struct fixture *f, const void *unused)
{
        http_stop(f->http);
        cache_close(f->app.cache);
        store_close(f->app.store);
        place_deinit(&f->place);
}

static char *exchange_bytes(const struct fixture *f, const char *bytes, size_t n)
{
        return client_exchange(f->port, bytes, n);
}

#define COMMON CLIENT_COMMON
#define FORM CLIENT_FORM

static char *get(const struct fixture *f, const char *path)
{
        g_autofree char *text = g_strdup_printf("GET %s HTTP/1.1\r\n" COMMON "\r\n", path);

        return exchange_bytes(f, text, strlen(text));
}

static char *post(const struct fixture *f, const char *path, const char *body)
{
        g_autofree char *text = g_strdup_printf("POST %s HTTP/1.1\r\n" COMMON FORM
                                                "Content-Length: %zu\r\n\r\n%s",
                        path, strlen(body), body);

        return exchange_bytes(f, text, strlen(text));
}

static void assert_get(const struct fixture *f, const char *path, int status)
{
        g_autofree char *answer = get(f, path);

        g_assert_cmpint(client_status(answer), ==, status);
}

static void assert_post(const struct fixture *f, const char *path, const char *body, int status)
{
        g_autofree char *answer = post(f, path, body);

        g_assert_cmpint(client_status(answer), ==, status);
}

static void assert_raw(const struct fixture *f, const char *text, int status)
{
        g_autofree char *answer = exchange_bytes(f, text, strlen(text));

        g_assert_cmpint(client_status(answer), ==, status);
}

static void each_answer_names_the_node_and_says_hit_or_miss(struct fixture *f, const void *unused)
{
        g_autofree char *first = get(f, "/api/people/anna");
        g_autofree char *second = get(f, "/api/people/anna");
        g_autofree char *page = get(f, "/people/anna");
        g_autofree char *wrong = get(f, "/nowhere");

        client_assert_has(first, "X-Cachemesh: node=node-1, miss\r\n");
        client_assert_has(first, "{\"node\":\"node-1\",\"cache\":\"miss\",\"reason\":\"absent\"");
        client_assert_has(second, "X-Cachemesh: node=node-1, hit\r\n");
        client_assert_has(second, "{\"node\":\"node-1\",\"cache\":\"hit\"");
        client_assert_has(page, "X-Cachemesh: node=node-1, hit\r\n");
        client_assert_has(page, "<b>HIT</b><span>node-1 answered");
        client_assert_has(wrong, "X-Cachemesh: node=node-1, -\r\n");
}

static void a_change_shows_at_the_next_request(struct fixture *f, const void *unused)
{
        g_autofree char *before = get(f, "/api/people/ben");
        g_autofree char *added = post(f, "/api/people/anna/folders", "name=Plans");
        g_autofree char *shared = post(f, "/api/people/anna/folders/1/share", "with=ben");
        g_autofree char *after = get(f, "/api/people/ben");

        client_assert_has(before, "\"folders\":[]");
        client_assert_has(added, "\"folder\":1");
        client_assert_has(shared, "\"told\":\"everywhere\"");
        client_assert_has(after, "\"cache\":\"miss\",\"reason\":\"invalidated\"");
        client_assert_has(after, "\"name\":\"Plans\",\"owner\":\"anna\",\"is_shared\":true");
}

static void a_form_of_a_page_leads_back_to_the_page(struct fixture *f, const void *unused)
{
        g_autofree char *answer = post(f, "/people/anna/folders", "name=a");
        g_autofree char *page = get(f, "/people/anna?notice=0.2.0.0.1234");
        g_autofree char *forged = get(f, "/people/anna?notice=<script>alert(1)</script>");

        g_assert_cmpint(client_status(answer), ==, 303);
        client_assert_has(answer, "Location: /people/anna?notice=0.");
        client_assert_has(page, "told in 1.2 ms. 2 other nodes dropped");
        g_assert_null(strstr(forged, "<script>"));
}

static void names_are_escaped_in_pages_and_json(struct fixture *f, const void *unused)
{
        g_autofree char *page = NULL;
        g_autofree char *json = NULL;

        assert_post(f, "/api/people/anna/folders", "name=%3Cb%3E%22%26'%5C%3C/b%3E", 200);
        page = get(f, "/people/anna");
        json = get(f, "/api/people/anna");
        client_assert_has(page, "&lt;b&gt;&quot;&amp;&#39;\\&lt;/b&gt;");
        g_assert_null(strstr(page, "<b>\""));
        client_assert_has(json, "\"name\":\"<b>\\\"&'\\\\</b>\"");
}

static void what_does_not_exist_is_404(struct fixture *f, const void *unused)
{
        static const char *const paths[] = {"/nowhere", "/api", "/api/nowhere", "/people/dora",
                        "/api/people/dora", "/people/anna/folders", "/api/people/anna/x",
                        "/favicon.ico", "/api/api/people", "/api/people/..%2f..%2fetc"};

        for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
                assert_get(f, paths[i], 404);
        }
        assert_post(f, "/api/people/anna/folders/9/rename", "name=x", 404);
        assert_post(f, "/api/people/anna/folders/9/explode", "", 404);
        assert_post(f, "/api/people/anna/folders/9", "", 404);
        assert_post(f, "/api/status", "", 404);
        assert_post(f, "/api/people/dora/folders", "name=x", 404);
}

static void numbers_that_are_none_are_404(struct fixture *f, const void *unused)
{
        static const char *const ids[] = {"0", "-1", "1x", "01", "1.0", "0x1", "+1", "%201",
                        "99999999999999999999999999", "9223372036854775808"};

        for (size_t i = 0; i < G_N_ELEMENTS(ids); i++) {
                g_autofree char *path =
                                g_strdup_printf("/api/people/anna/folders/%s/remove", ids[i]);
                g_autofree char *body = g_strdup_printf("name=x&parent=%s", ids[i]);

                assert_post(f, path, "", 404);
                assert_post(f, "/api/people/anna/folders", body, 404);
        }
}

static void names_that_are_none_are_400(struct fixture *f, const void *unused)
{
        g_autofree char *longer = g_strnfill(NAME_FOLDER_MAX + 1, 'x');
        g_autofree char *body = g_strdup_printf("name=%s", longer);

        assert_get(f, "/api/people/Anna", 400);
        assert_get(f, "/people/%3Cscript%3E", 400);
        assert_post(f, "/api/people", "name=Anna", 400);
        assert_post(f, "/api/people", "", 400);
        assert_post(f, "/api/people/anna/folders", "name=", 400);
        assert_post(f, "/api/people/anna/folders", "name=%ff%fe", 400);
        assert_post(f, "/api/people/anna/folders", "name=a%0ab", 400);
        assert_post(f, "/api/people/anna/folders", "name=a%00b", 400);
        assert_post(f, "/api/people/anna/folders", body, 400);
        assert_post(f, "/api/people/Anna/folders", "name=x", 400);
}

static void what_others_own_is_403_and_what_is_taken_409(struct fixture *f, const void *unused)
{
        assert_post(f, "/api/people/anna/folders", "name=a", 200);
        assert_post(f, "/api/people/anna/folders", "name=a", 409);
        assert_post(f, "/api/people/ben/folders/1/rename", "name=b", 403);
        assert_post(f, "/api/people/ben/folders", "name=b&parent=1", 403);
}

static void only_get_head_and_post_are_possible(struct fixture *f, const void *unused)
{
        static const char *const methods[] = {
                        "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"};

        for (size_t i = 0; i < G_N_ELEMENTS(methods); i++) {
                g_autofree char *text =
                                g_strdup_printf("%s / HTTP/1.1\r\n" COMMON "\r\n", methods[i]);
                g_autofree char *answer = exchange_bytes(f, text, strlen(text));

                g_assert_cmpint(client_status(answer), ==, 405);
                client_assert_has(answer, "Allow: GET, HEAD, POST\r\n");
        }
}

static void head_has_no_body(struct fixture *f, const void *unused)
{
        static const char text[] = "HEAD /api/people/anna HTTP/1.1\r\n" COMMON "\r\n";
        g_autofree char *answer = exchange_bytes(f, text, strlen(text));

        g_assert_cmpint(client_status(answer), ==, 200);
        g_assert_true(g_str_has_suffix(answer, "\r\n\r\n"));
}

static void a_body_that_is_too_long_is_refused(struct fixture *f, const void *unused)
{
        g_autofree char *body = g_strnfill(APP_BODY_MAX + 1, 'x');
        g_autofree char *chunked = g_strdup_printf("POST /api/people HTTP/1.1\r\n" COMMON FORM
                                                   "Transfer-Encoding: chunked\r\n\r\n"
                                                   "%x\r\n%s\r\n0\r\n\r\n",
                        APP_BODY_MAX + 1, body);

        assert_raw(f,
                        "POST /api/people HTTP/1.1\r\n" COMMON FORM
                        "Content-Length: 18446744073709551615\r\n\r\n",
                        413);
        assert_raw(f, "POST /api/people HTTP/1.1\r\n" COMMON FORM "Content-Length: 4097\r\n\r\n",
                        413);
        assert_raw(f, chunked, 413);
}

static void a_body_without_end_is_cut_off(struct fixture *f, const void *unused)
{
        static const char head[] = "POST /api/people HTTP/1.1\r\n" COMMON FORM
                                   "Transfer-Encoding: chunked\r\n\r\n";
        g_autofree char *chunk = g_strnfill(0x1000, 'x');
        int fd = client_connect(f->port);
        int n = 0;

        g_assert_true(client_send(fd, head, sizeof(head) - 1));
        /* What the kernel buffers counts as sent, so far more than the limit may go out. */
        while (n < 10000 && client_send(fd, "1000\r\n", 6) && client_send(fd, chunk, 0x1000) &&
                        client_send(fd, "\r\n", 2)) {
                n++;
        }
        g_assert_cmpint(n, <, 10000);
        g_free(client_read(fd));
        assert_get(f, "/api/status", 200);
}

static void only_forms_are_read(struct fixture *f, const void *unused)
{
        assert_raw(f,
                        "POST /api/people HTTP/1.1\r\n" COMMON
                        "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
                        415);
        assert_raw(f, "POST /api/people HTTP/1.1\r\n" COMMON "Content-Length: 6\r\n\r\nname=x",
                        415);
}

static void pages_from_elsewhere_change_nothing(struct fixture *f, const void *unused)
{
        assert_raw(f,
                        "POST /api/people HTTP/1.1\r\n" COMMON FORM
                        "Origin: http://evil.example\r\nContent-Length: 6\r\n\r\nname=x",
                        403);
        assert_raw(f,
                        "POST /api/people HTTP/1.1\r\n" COMMON FORM
                        "Origin: null\r\nContent-Length: 6\r\n\r\nname=x",
                        403);
        assert_raw(f,
                        "POST /api/people HTTP/1.1\r\n" COMMON FORM
                        "Origin: http://127.0.0.1\r\nContent-Length: 6\r\n\r\nname=x",
                        200);
        assert_raw(f, "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", 421);
        assert_raw(f, "GET / HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\nConnection: close\r\n\r\n",
                        421);
        assert_raw(f, "GET / HTTP/1.1\r\nHost: localhost:1234\r\nConnection: close\r\n\r\n", 200);
}

static void behind_a_proxy_with_tls_its_pages_are_not_from_elsewhere(
                struct fixture *f, const void *unused)
{
        f->app.is_cookie_secure = true;
        assert_raw(f,
                        "POST /api/people HTTP/1.1\r\n" COMMON FORM
                        "Origin: https://127.0.0.1\r\nContent-Length: 6\r\n\r\nname=x",
                        200);
        assert_raw(f,
                        "POST /api/people HTTP/1.1\r\n" COMMON FORM
                        "Origin: http://127.0.0.1\r\nContent-Length: 6\r\n\r\nname=y",
                        403);
        assert_raw(f,
                        "POST /api/people HTTP/1.1\r\n" COMMON FORM
                        "Origin: https://evil.example\r\nContent-Length: 6\r\n\r\nname=y",
                        403);
}

static void without_logins_there_is_nothing_to_log_in_to(struct fixture *f, const void *unused)
{
        static const char text[] = "GET /people/anna HTTP/1.1\r\n" COMMON
                                   "Cookie: demo_session=whatever\r\n\r\n";
        g_autofree char *page = exchange_bytes(f, text, strlen(text));

        g_assert_cmpint(client_status(page), ==, 200);
        client_assert_has(page, "does without logins");
        client_assert_lacks(page, "Set-Cookie");
        assert_get(f, "/login", 404);
        assert_get(f, "/steps", 404);
        assert_get(f, "/api/session", 404);
        assert_post(f, "/login", "name=anna", 404);
        assert_post(f, "/logout", "", 404);
        assert_post(f, "/steps", "step=1", 404);
}

static void addresses_that_are_too_long_are_refused(struct fixture *f, const void *unused)
{
        g_autofree char *longer = g_strnfill(APP_PATH_MAX, 'x');
        g_autofree char *path = g_strdup_printf("/people/%s", longer);
        g_autofree char *endless = g_strnfill(100000, 'x');
        g_autofree char *endless_path = g_strdup_printf("/%s", endless);
        g_autofree char *header =
                        g_strdup_printf("GET / HTTP/1.1\r\n" COMMON "X: %s\r\n\r\n", endless);
        g_autofree char *answer = NULL;

        assert_get(f, path, 414);
        assert_get(f, "/people/anna/folders/1/x/y/z", 414);
        g_free(get(f, endless_path)); /* the library's own answer, or none */
        answer = exchange_bytes(f, header, strlen(header));
        g_assert_cmpint(client_status(answer), !=, 200);
        assert_get(f, "/api/status", 200);
}

static void garbage_harms_nobody_else(struct fixture *f, const void *unused)
{
        static const char zeros[1000];
        g_autofree char *noise = g_malloc(20000);
        GRand *random = g_rand_new_with_seed(7);

        for (int round = 0; round < 50; round++) {
                for (int i = 0; i < 20000; i++) {
                        noise[i] = (char)g_rand_int(random);
                }
                client_hang_up(f->port, noise, (size_t)g_rand_int_range(random, 1, 20000));
        }
        g_rand_free(random);
        client_hang_up(f->port, zeros, sizeof(zeros));
        client_hang_up(f->port, "\r\n\r\n\r\n\r\nGET", 11);
        assert_get(f, "/api/people/anna", 200);
}

static void those_who_say_nothing_do_not_keep_others_waiting(struct fixture *f, const void *unused)
{
        int silent[64];

        for (size_t i = 0; i < G_N_ELEMENTS(silent); i++) {
                silent[i] = client_connect(f->port);
                g_assert_true(client_send(silent[i], "GET / HT", 8));
        }
        assert_get(f, "/api/people/anna", 200);
        for (size_t i = 0; i < G_N_ELEMENTS(silent); i++) {
                close(silent[i]);
        }
}

static gpointer change_and_look(gpointer userdata)
{
        struct fixture *f = userdata;
        int n_wrong = 0;

        for (int i = 0; i < 25; i++) {
                g_autofree char *name = g_strdup_printf("name=%p-%d", (void *)&n_wrong, i);
                g_autofree char *added = post(f, "/api/people/anna/folders", name);
                g_autofree char *seen = get(f, "/api/people/anna");

                n_wrong += client_status(added) != 200 || !strstr(seen, name + strlen("name="));
        }
        return GINT_TO_POINTER(n_wrong);
}

static void whoever_changed_something_sees_it_whatever_others_do(
                struct fixture *f, const void *unused)
{
        GThread *threads[6];

        for (size_t i = 0; i < G_N_ELEMENTS(threads); i++) {
                threads[i] = g_thread_new(NULL, change_and_look, f);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(threads); i++) {
                g_assert_cmpint(GPOINTER_TO_INT(g_thread_join(threads[i])), ==, 0);
        }
}

#define ADD(function)                                                                              \
        g_test_add("/http/" #function, struct fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        ADD(each_answer_names_the_node_and_says_hit_or_miss);
        ADD(a_change_shows_at_the_next_request);
        ADD(a_form_of_a_page_leads_back_to_the_page);
        ADD(names_are_escaped_in_pages_and_json);
        ADD(what_does_not_exist_is_404);
        ADD(numbers_that_are_none_are_404);
        ADD(names_that_are_none_are_400);
        ADD(what_others_own_is_403_and_what_is_taken_409);
        ADD(only_get_head_and_post_are_possible);
        ADD(head_has_no_body);
        ADD(a_body_that_is_too_long_is_refused);
        ADD(a_body_without_end_is_cut_off);
        ADD(only_forms_are_read);
        ADD(pages_from_elsewhere_change_nothing);
        ADD(behind_a_proxy_with_tls_its_pages_are_not_from_elsewhere);
        ADD(without_logins_there_is_nothing_to_log_in_to);
        ADD(addresses_that_are_too_long_are_refused);
        ADD(garbage_harms_nobody_else);
        ADD(those_who_say_nothing_do_not_keep_others_waiting);
        ADD(whoever_changed_something_sees_it_whatever_others_do);
        return g_test_run();
}
