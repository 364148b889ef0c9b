/* SPDX-License-Identifier: MIT */
#include "tests/demo-app/site.h"

#include <string.h>

void site_set_up(struct site *site, const void *unused)
{
        struct cache_options cache_options = {
                        .name = "node-1", .is_standalone = true, .is_publishing = true};
        struct login_options login_options = {
                        .node = "node-1", .idle_ms = 1800 * 1000, .life_ms = 43200 * 1000};

        fake_reset();
        place_init(&site->place);
        site->app.node = "node-1";
        site->app.store = place_store(&site->place);
        g_assert_cmpint(cache_open(&site->app.cache, site->app.store, &cache_options), ==, 0);
        g_assert_cmpint(login_open(&site->app.logins, cache_handle(site->app.cache),
                                        &login_options),
                        ==, 0);
        g_assert_cmpint(http_start(&site->http, &site->app, 0, &site->port), ==, 0);
}

void site_tear_down(struct site *site, const void *unused)
{
        http_stop(site->http);
        login_close(site->app.logins);
        cache_close(site->app.cache);
        store_close(site->app.store);
        place_deinit(&site->place);
}

/* What stands between two texts, if it is there and fits. */
static void take(
                const char *answer, const char *before, const char *after, char *value, size_t size)
{
        const char *at = strstr(answer, before);
        size_t n;

        if (at) {
                at += strlen(before);
                n = strcspn(at, after);
                if (n < size) {
                        memcpy(value, at, n);
                        value[n] = '\0';
                }
        }
}

static char *ask(struct browser *browser, const char *request, const char *rest)
{
        g_autofree char *text = g_strdup_printf("%s HTTP/1.1\r\n" CLIENT_COMMON
                                                "Cookie: demo_session=%s; demo_session_end=%s\r\n"
                                                "%s",
                        request, browser->id, browser->end, rest);
        char *answer = client_exchange(browser->site->port, text, strlen(text));

        take(answer, "Set-Cookie: demo_session=", ";", browser->id, sizeof(browser->id));
        take(answer, "Set-Cookie: demo_session_end=", ";", browser->end, sizeof(browser->end));
        take(answer, "name=\"token\" value=\"", "\"", browser->token, sizeof(browser->token));
        take(answer, "\"token\":\"", "\"", browser->token, sizeof(browser->token));
        return answer;
}

char *browser_get(struct browser *browser, const char *path)
{
        g_autofree char *request = g_strdup_printf("GET %s", path);

        return ask(browser, request, "\r\n");
}

char *browser_post(struct browser *browser, const char *path, const char *body)
{
        g_autofree char *request = g_strdup_printf("POST %s", path);
        g_autofree char *form = g_strdup_printf("token=%s&%s", browser->token, body);
        g_autofree char *rest = g_strdup_printf(
                        CLIENT_FORM "Content-Length: %zu\r\n\r\n%s", strlen(form), form);

        return ask(browser, request, rest);
}

static void assert_status(const char *what, const char *path, const char *answer, int status)
{
        if (client_status(answer) != status) {
                g_test_message("%s %s: want %d, have %s", what, path, status, answer);
                g_test_fail();
        }
}

void browser_assert_get(struct browser *browser, const char *path, int status)
{
        g_autofree char *answer = browser_get(browser, path);

        assert_status("GET", path, answer, status);
}

void browser_assert_post(struct browser *browser, const char *path, const char *body, int status)
{
        g_autofree char *answer = browser_post(browser, path, body);

        assert_status(body, path, answer, status);
}

struct browser browser_visit(const struct site *site)
{
        struct browser browser = {.site = site};

        browser_assert_get(&browser, "/login", 200);
        return browser;
}

struct browser browser_log_in(const struct site *site, const char *person)
{
        struct browser browser = browser_visit(site);
        g_autofree char *body = g_strdup_printf("name=%s", person);

        browser_assert_post(&browser, "/api/login", body, 200);
        return browser;
}

char *browser_state(struct browser *browser)
{
        g_autofree char *answer = browser_get(browser, "/api/session");
        char state[32] = "";

        take(answer, "\"state\":\"", "\"", state, sizeof(state));
        return g_strdup(state);
}
