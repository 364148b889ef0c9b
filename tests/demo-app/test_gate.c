/* SPDX-License-Identifier: MIT */
#include "demo-app/gate.h"

#include "tests/demo-app/site.h"

#include <errno.h>
#include <string.h>

/* What a call may fail with, and what the browser is answered. */
static const struct {
        int outcome;
        int status;
} failures[] = {{-ENOTCONN, 503}, {CM_E_TIMEOUT, 503}, {CM_E_BUSY, 503}, {CM_E_UNCONFIRMED, 503},
                {CM_E_FULL, 503}, {CM_E_STALE, 503}, {CM_E_READ_ONLY, 503}, {-ENOMEM, 503},
                {CM_E_SEALED, 500}, {-EOPNOTSUPP, 500}, {-EINVAL, 500}, {CM_E_FORKED, 500}};

static void assert_state(struct browser *browser, const char *state)
{
        g_autofree char *seen = browser_state(browser);

        g_assert_cmpstr(seen, ==, state);
}

static void a_login_form_has_a_session_in_a_careful_cookie(struct site *site, const void *unused)
{
        struct browser browser = {.site = site};
        g_autofree char *plain = browser_get(&browser, "/login");
        g_autofree char *again = browser_get(&browser, "/login");
        struct browser other = {.site = site};
        g_autofree char *secure = NULL;

        client_assert_has(plain, "Set-Cookie: demo_session=");
        client_assert_has(plain, ".node-1; Path=/; HttpOnly; SameSite=Lax\r\n");
        g_assert_cmpuint(strlen(browser.token), ==, VISIT_TOKEN_LEN);
        client_assert_lacks(again, "Set-Cookie: demo_session=");
        g_assert_cmpuint(fake_n_alive(), ==, 1);
        site->app.is_cookie_secure = true;
        secure = browser_get(&other, "/login");
        client_assert_has(secure, ".node-1; Path=/; HttpOnly; SameSite=Lax; Secure\r\n");
}

static void to_read_makes_no_session(struct site *site, const void *unused)
{
        struct browser browser = {.site = site};
        g_autofree char *page = browser_get(&browser, "/people/anna");

        client_assert_has(page, "Not logged in.");
        client_assert_has(page, "Only anna may change these.");
        client_assert_lacks(page, "Set-Cookie");
        client_assert_lacks(page, "action=\"/people/anna");
        browser_assert_get(&browser, "/", 200);
        browser_assert_get(&browser, "/api/session", 200);
        browser_assert_get(&browser, "/steps", 401);
        g_assert_cmpuint(fake_n_alive(), ==, 0);
}

static void a_login_has_a_new_id_and_a_new_token(struct site *site, const void *unused)
{
        struct browser browser = browser_visit(site);
        struct browser before = browser;
        g_autofree char *answer = browser_post(&browser, "/login", "name=anna");
        g_autofree char *page = browser_get(&browser, "/people/anna?notice=logged-in");

        g_assert_cmpint(client_status(answer), ==, 303);
        client_assert_has(answer, "Location: /people/anna?notice=logged-in\r\n");
        g_assert_cmpstr(browser.id, !=, before.id);
        g_assert_cmpstr(browser.token, !=, before.token);
        client_assert_has(page, "Logged in as <a href=\"/people/anna\"><b>anna</b></a> for ");
        client_assert_has(page, " s, over in 1"); /* 11 h 59 min, or 12 h in the first moment */
        client_assert_has(page,
                        " min or when not used for 30 min. Begun on node-1, answered by node-1.");
        client_assert_has(page, "You are logged in.");
        assert_state(&before, "ended");
        g_assert_cmpuint(fake_n_alive(), ==, 1);
}

static void only_who_is_on_the_list_logs_in(struct site *site, const void *unused)
{
        struct browser browser = browser_visit(site);

        browser_assert_post(&browser, "/login", "name=dora", 404);
        browser_assert_post(&browser, "/login", "name=", 400);
        browser_assert_post(&browser, "/login", "name=%3Cb%3E", 400);
        browser_assert_post(&browser, "/login", "", 400);
        assert_state(&browser, "visitor");
        browser_assert_post(&browser, "/people", "name=dora", 303);
        browser_assert_post(&browser, "/login", "name=dora", 303);
        assert_state(&browser, "person");
        browser_assert_post(&browser, "/login", "name=ben", 303);
        browser_assert_post(&browser, "/people/dora/folders", "name=x", 403);
        browser_assert_post(&browser, "/people/ben/folders", "name=x", 303);
}

static void who_changes_what_needs_that_login(struct site *site, const void *unused)
{
        struct browser nobody = {.site = site};
        struct browser visitor = browser_visit(site);
        struct browser ben = browser_log_in(site, "ben");
        struct browser anna = browser_log_in(site, "anna");

        browser_assert_post(&nobody, "/people/anna/folders", "name=x", 401);
        browser_assert_post(&nobody, "/people", "name=eve", 401);
        browser_assert_post(&nobody, "/login", "name=anna", 401);
        browser_assert_post(&nobody, "/logout", "", 401);
        browser_assert_post(&visitor, "/people/anna/folders", "name=x", 401);
        browser_assert_post(&visitor, "/steps", "step=1", 401);
        browser_assert_post(&visitor, "/logout", "where=everywhere", 401);
        browser_assert_post(&ben, "/api/people/anna/folders", "name=x", 403);
        browser_assert_post(&anna, "/api/people/anna/folders", "name=x", 200);
        browser_assert_post(&ben, "/api/people/anna/folders/1/remove", "", 403);
        browser_assert_post(&anna, "/api/people/anna/folders/1/remove", "", 200);
}

static void a_form_without_the_sessions_token_does_nothing(struct site *site, const void *unused)
{
        static const char *const paths[] = {"/people", "/people/anna/folders", "/login", "/logout",
                        "/steps", "/api/logout", "/api/steps"};
        struct browser anna = browser_log_in(site, "anna");
        struct browser other = browser_log_in(site, "anna");

        for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
                struct browser forged = anna;

                strcpy(forged.token, "");
                browser_assert_post(&forged, paths[i], "name=x&step=1&revision=1", 403);
                forged = anna;
                strcpy(forged.token, other.token);
                browser_assert_post(&forged, paths[i], "name=x&step=1&revision=1", 403);
                forged = anna;
                forged.token[0] ^= 1;
                browser_assert_post(&forged, paths[i], "name=x&step=1&revision=1", 403);
        }
        assert_state(&anna, "person");
}

static void a_logout_takes_the_cookie_back_and_the_old_one_is_refused(
                struct site *site, const void *unused)
{
        struct browser anna = browser_log_in(site, "anna");
        struct browser thief = anna;
        g_autofree char *answer = browser_post(&anna, "/logout", "");
        g_autofree char *home = browser_get(&anna, "/?notice=logged-out");
        g_autofree char *refused = browser_post(&thief, "/people/anna/folders", "name=x");

        g_assert_cmpint(client_status(answer), ==, 303);
        client_assert_has(answer, "Location: /?notice=logged-out\r\n");
        client_assert_has(answer, "demo_session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0\r\n");
        client_assert_has(home, "You are logged out.");
        g_assert_cmpint(client_status(refused), ==, 401);
        client_assert_has(refused, "nothing was done");
        client_assert_has(refused, "Max-Age=0");
}

static void a_logout_everywhere_ends_all_of_the_person(struct site *site, const void *unused)
{
        struct browser anna = browser_log_in(site, "anna");
        struct browser other = browser_log_in(site, "anna");
        struct browser ben = browser_log_in(site, "ben");
        g_autofree char *answer = browser_post(&anna, "/logout", "where=everywhere");

        client_assert_has(answer, "Location: /?notice=logged-out-everywhere\r\n");
        assert_state(&other, "ended");
        assert_state(&ben, "person");
}

static void end_session(void *userdata)
{
        struct browser *browser = userdata;

        fake_end(browser->id);
}

static void a_logout_says_how_far_it_went(struct site *site, const void *unused)
{
        struct browser anna = browser_log_in(site, "anna");
        struct browser ben = browser_log_in(site, "ben");
        struct browser cleo = browser_log_in(site, "cleo");
        g_autofree char *pending = NULL;
        g_autofree char *here = NULL;
        g_autofree char *over = NULL;

        fake_fail(FAKE_DESTROY, CM_PENDING, 1);
        pending = browser_post(&anna, "/api/logout", "");
        client_assert_has(pending, "\"left\":\"logged-out-pending\"");
        fake_before(FAKE_DESTROY_PRINCIPAL, end_session, &ben);
        fake_fail(FAKE_DESTROY_PRINCIPAL, CM_E_UNCONFIRMED, 1);
        here = browser_post(&ben, "/api/logout", "where=everywhere");
        client_assert_has(here, "\"left\":\"logged-out-here\"");
        fake_before(FAKE_DESTROY, end_session, &cleo);
        fake_fail(FAKE_DESTROY, CM_E_UNCONFIRMED, 1);
        over = browser_post(&cleo, "/api/logout", "");
        client_assert_has(over, "\"left\":\"logged-out\"");
}

/* Whoever has the cookie may still be logged in: it stays, and the button is there once more. */
static void a_logout_that_did_not_succeed_says_so(struct site *site, const void *unused)
{
        struct browser anna = browser_log_in(site, "anna");
        struct browser before = anna;

        for (size_t i = 0; i < G_N_ELEMENTS(failures); i++) {
                g_autofree char *answer = NULL;
                g_autofree char *everywhere = NULL;

                fake_fail(FAKE_DESTROY, failures[i].outcome, 2);
                fake_fail(FAKE_DESTROY_PRINCIPAL, failures[i].outcome, 2);
                answer = browser_post(&anna, "/logout", "");
                everywhere = browser_post(&anna, "/logout", "where=everywhere");
                g_assert_cmpint(client_status(answer), ==, failures[i].status);
                g_assert_cmpint(client_status(everywhere), ==, failures[i].status);
                client_assert_has(answer, "Logging out did not work");
                client_assert_has(answer, "<button>Log out</button>");
                client_assert_has(everywhere, "<button>Log out everywhere</button>");
                client_assert_lacks(answer, "Max-Age=0");
                fake_fail(FAKE_DESTROY, 0, 0);
                fake_fail(FAKE_DESTROY_PRINCIPAL, 0, 0);
        }
        g_assert_cmpstr(anna.id, ==, before.id);
        assert_state(&anna, "person");
        fake_fail(FAKE_DESTROY, CM_E_TIMEOUT, 1);
        browser_assert_post(&anna, "/logout", "", 303);
        assert_state(&before, "ended");
}

/* Reading goes on, nothing is changed, and nobody is logged out by it. */
static void while_nobody_can_tell_reading_goes_on_and_the_cookie_stays(
                struct site *site, const void *unused)
{
        struct browser anna = browser_log_in(site, "anna");
        struct browser before = anna;

        for (size_t i = 0; i < G_N_ELEMENTS(failures); i++) {
                g_autofree char *page = NULL;
                g_autofree char *change = NULL;

                fake_fail(FAKE_GET, failures[i].outcome, 100);
                page = browser_get(&anna, "/people/anna");
                g_assert_cmpint(client_status(page), ==, 200);
                client_assert_has(page, "Who you are cannot be told just now.");
                client_assert_lacks(page, "Set-Cookie");
                browser_assert_get(&anna, "/api/people/anna", 200);
                change = browser_post(&anna, "/people/anna/folders", "name=x");
                g_assert_cmpint(client_status(change), ==, failures[i].status);
                client_assert_lacks(change, "Set-Cookie");
                g_assert_cmpint(!!strstr(change, "Retry-After: 1\r\n"), ==,
                                failures[i].status == 503);
                browser_assert_get(&anna, "/steps", failures[i].status);
                browser_assert_get(&anna, "/login", failures[i].status);
                browser_assert_get(&anna, "/api/session", failures[i].status);
                browser_assert_post(&anna, "/login", "name=ben", failures[i].status);
                browser_assert_post(&anna, "/logout", "", failures[i].status);
        }
        fake_fail(FAKE_GET, 0, 0);
        g_assert_cmpstr(anna.id, ==, before.id);
        assert_state(&anna, "person");
}

static void a_login_that_fails_sets_no_cookie(struct site *site, const void *unused)
{
        struct browser visitor = browser_visit(site);
        struct browser before = visitor;

        for (size_t i = 0; i < G_N_ELEMENTS(failures); i++) {
                struct browser nobody = {.site = site};

                fake_fail(FAKE_CREATE, failures[i].outcome, 100);
                fake_fail(FAKE_ROTATE, failures[i].outcome, 100);
                browser_assert_get(&nobody, "/login", failures[i].status);
                g_assert_cmpstr(nobody.id, ==, "");
                browser_assert_post(&visitor, "/login", "name=anna", failures[i].status);
                g_assert_cmpstr(visitor.id, ==, before.id);
        }
        fake_fail(FAKE_CREATE, 0, 0);
        fake_fail(FAKE_ROTATE, 0, 0);
        browser_assert_post(&visitor, "/login", "name=anna", 303);
}

static void overtake(void *userdata)
{
        struct browser *browser = userdata;

        fake_write(browser->id, NULL);
}

static void a_login_goes_on_whatever_happens_to_the_visitors_session(
                struct site *site, const void *unused)
{
        struct browser overtaken = browser_visit(site);
        struct browser ended = browser_visit(site);
        struct browser slow = browser_visit(site);
        struct browser lost = browser_visit(site);

        fake_before(FAKE_ROTATE, overtake, &overtaken);
        browser_assert_post(&overtaken, "/login", "name=anna", 303);
        fake_before(FAKE_ROTATE, end_session, &ended);
        browser_assert_post(&ended, "/login", "name=anna", 303);
        fake_fail(FAKE_ROTATE, CM_E_TIMEOUT, 1);
        browser_assert_post(&slow, "/login", "name=anna", 303);
        assert_state(&overtaken, "person");
        assert_state(&ended, "person");
        assert_state(&slow, "person");
        /* Done, but nobody knows the new id. */
        fake_lose_answer(FAKE_ROTATE, CM_E_TIMEOUT);
        browser_assert_post(&lost, "/login", "name=anna", 401);
        fake_fail(FAKE_ROTATE, CM_CONFLICT, LOGIN_TRIES);
        browser_assert_post(&slow, "/login", "name=ben", 503);
}

static void it_says_whether_a_login_expired_or_was_ended(struct site *site, const void *unused)
{
        static const char *const ends[] = {"", "9999999999999", "x", "-1", "99999999999999999999"};
        struct browser anna = browser_log_in(site, "anna");
        g_autofree char *expired = NULL;
        struct browser late = anna;

        end_session(&anna);
        strcpy(late.end, "1000");
        expired = browser_get(&late, "/people/anna");
        client_assert_has(expired, "Your login has expired");
        client_assert_has(expired, "Max-Age=0");
        for (size_t i = 0; i < G_N_ELEMENTS(ends); i++) {
                struct browser early = anna;
                g_autofree char *ended = NULL;

                strcpy(early.end, ends[i]);
                ended = browser_get(&early, "/people/anna");
                client_assert_has(ended, "Your login was ended");
        }
}

static void a_login_of_another_node_is_sent_there_and_kept(struct site *site, const void *unused)
{
        struct browser browser = {.site = site, .id = "AAAAAAAABBBBBBBBCCCCCCCC-_-_0000.node-2"};
        struct browser before = browser;
        g_autofree char *page = NULL;
        g_autofree char *login = NULL;

        g_assert_cmpint(store_add_node(site->app.store, "node-2", 4711), ==, 0);
        page = browser_get(&browser, "/people/anna");
        client_assert_has(page, "You have logged in on <b>node-2</b>");
        client_assert_has(page, "<a href=\"http://127.0.0.1:4711/\">Go there</a>");
        assert_state(&browser, "elsewhere");
        browser_assert_post(&browser, "/people/anna/folders", "name=x", 401);
        login = browser_get(&browser, "/login");
        client_assert_has(login, "Log in here all the same");
        client_assert_lacks(login, "Set-Cookie");
        g_assert_cmpstr(browser.id, ==, before.id);
        browser_assert_get(&browser, "/login?notice=here", 200);
        browser_assert_post(&browser, "/login", "name=anna", 303);
        assert_state(&browser, "person");
}

static void a_session_that_cannot_be_read_is_no_login(struct site *site, const void *unused)
{
        struct browser anna = browser_log_in(site, "anna");
        g_autofree char *page = NULL;

        fake_write(anna.id, "demo-visit 2\nroot\n");
        page = browser_get(&anna, "/people/anna");
        g_assert_cmpint(client_status(page), ==, 200);
        client_assert_has(page, "cannot be read here");
        browser_assert_post(&anna, "/people/anna/folders", "name=x", 500);
        browser_assert_get(&anna, "/steps", 500);
}

static void cookies_that_are_none_are_taken_back(struct site *site, const void *unused)
{
        static const char *const ids[] = {"x", "-", "00000000000000000000000000000001",
                        "00000000000000000000000000000001.node-1", "../../etc/passwd", "%00%01",
                        "<script>", "AAAAAAAABBBBBBBBCCCCCCCC-_-_0000.<b>",
                        "AAAAAAAABBBBBBBBCCCCCCCC-_-_0000.",
                        "AAAAAAAABBBBBBBBCCCCCCCC-_-_000.node-2", "\"quoted\"", "a=b=c"};

        for (size_t i = 0; i < G_N_ELEMENTS(ids); i++) {
                struct browser browser = {.site = site};
                g_autofree char *page = NULL;

                g_strlcpy(browser.id, ids[i], sizeof(browser.id));
                page = browser_get(&browser, "/people/anna");
                g_assert_cmpint(client_status(page), ==, 200);
                client_assert_has(page, "Your login was ended");
                client_assert_has(page, "demo_session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
                client_assert_lacks(page, "<script>");
        }
}

static void huge_and_random_cookies_harm_nobody(struct site *site, const void *unused)
{
        static const size_t lengths[] = {LOGIN_COOKIE_MAX, LOGIN_COOKIE_MAX + 1, 4000, 20000};
        struct browser anna = browser_log_in(site, "anna");
        GRand *random = g_rand_new_with_seed(5);

        for (size_t i = 0; i < G_N_ELEMENTS(lengths); i++) {
                g_autofree char *value = g_strnfill(lengths[i], 'x');
                g_autofree char *text = g_strdup_printf("GET / HTTP/1.1\r\n" CLIENT_COMMON
                                                        "Cookie: demo_session=%s\r\n\r\n",
                                value);
                g_autofree char *answer = client_exchange(site->port, text, strlen(text));

                g_assert_true(lengths[i] > 10000 || client_status(answer) == 200);
        }
        for (int round = 0; round < 200; round++) {
                GString *text = g_string_new("GET / HTTP/1.1\r\n" CLIENT_COMMON "Cookie: ");

                for (int i = g_rand_int_range(random, 0, 300); i > 0; i--) {
                        int c = g_rand_int_range(random, 1, 256);

                        g_string_append_c(text, (char)(c == '\r' || c == '\n' ? '=' : c));
                        if (i % 40 == 0) {
                                g_string_append(text, "; demo_session=");
                        }
                }
                g_string_append(text, "\r\n\r\n");
                client_hang_up(site->port, text->str, text->len);
                g_string_free(text, TRUE);
        }
        g_rand_free(random);
        assert_state(&anna, "person");
}

/* With a good cookie and a good token: whatever is in the form, the answer is a decent one. */
static void random_forms_harm_nobody(struct site *site, const void *unused)
{
        static const char *const paths[] = {
                        "/login", "/steps", "/people", "/people/anna/folders", "/api/steps"};
        static const char *const names[] = {"name", "with", "where", "step", "revision", "go",
                        "token", "parent", "%00"};
        struct browser anna = browser_log_in(site, "anna");
        GRand *random = g_rand_new_with_seed(6);

        for (int round = 0; round < 300; round++) {
                GString *body = g_string_new("x=y");
                struct browser browser = anna;
                g_autofree char *answer = NULL;

                for (int i = g_rand_int_range(random, 0, 6); i > 0; i--) {
                        g_string_append_printf(body, "&%s=",
                                        names[g_rand_int_range(random, 0, G_N_ELEMENTS(names))]);
                        for (int n = g_rand_int_range(random, 0, 300); n > 0; n--) {
                                g_string_append_printf(
                                                body, "%%%02x", g_rand_int_range(random, 0, 256));
                        }
                }
                answer = browser_post(&browser,
                                paths[g_rand_int_range(random, 0, G_N_ELEMENTS(paths))], body->str);
                if (client_status(answer) < 200 || client_status(answer) >= 500) {
                        g_test_message("%s: %s", body->str, answer);
                        g_test_fail();
                }
                g_string_free(body, TRUE);
        }
        g_rand_free(random);
        assert_state(&anna, "person");
}

static void notices_are_words_of_ours(struct site *site, const void *unused)
{
        struct browser browser = {.site = site};
        g_autofree char *forged = browser_get(&browser, "/?notice=You+have+won");
        g_autofree char *known = browser_get(&browser, "/?notice=logged-out-here");

        client_assert_lacks(forged, "class=\"notice\"");
        client_assert_has(known, "Other nodes were neither asked nor told");
}

#define ADD(function)                                                                              \
        g_test_add("/gate/" #function, struct site, NULL, site_set_up, function, site_tear_down)

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        ADD(a_login_form_has_a_session_in_a_careful_cookie);
        ADD(to_read_makes_no_session);
        ADD(a_login_has_a_new_id_and_a_new_token);
        ADD(only_who_is_on_the_list_logs_in);
        ADD(who_changes_what_needs_that_login);
        ADD(a_form_without_the_sessions_token_does_nothing);
        ADD(a_logout_takes_the_cookie_back_and_the_old_one_is_refused);
        ADD(a_logout_everywhere_ends_all_of_the_person);
        ADD(a_logout_says_how_far_it_went);
        ADD(a_logout_that_did_not_succeed_says_so);
        ADD(while_nobody_can_tell_reading_goes_on_and_the_cookie_stays);
        ADD(a_login_that_fails_sets_no_cookie);
        ADD(a_login_goes_on_whatever_happens_to_the_visitors_session);
        ADD(it_says_whether_a_login_expired_or_was_ended);
        ADD(a_login_of_another_node_is_sent_there_and_kept);
        ADD(a_session_that_cannot_be_read_is_no_login);
        ADD(cookies_that_are_none_are_taken_back);
        ADD(huge_and_random_cookies_harm_nobody);
        ADD(random_forms_harm_nobody);
        ADD(notices_are_words_of_ours);
        return g_test_run();
}
