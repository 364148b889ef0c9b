/* SPDX-License-Identifier: MIT */
#include "demo-app/steps.h"

#include "tests/demo-app/site.h"

#include <errno.h>
#include <string.h>

#define N_TABS 8

/* Sends a step as the page of this revision would. */
static char *send_step(struct browser *browser, int revision, int step, const char *fields)
{
        g_autofree char *body = g_strdup_printf("revision=%d&step=%d&%s", revision, step, fields);

        return browser_post(browser, "/steps", body);
}

static void assert_step(
                struct browser *browser, int revision, int step, const char *fields, int status)
{
        g_autofree char *answer = send_step(browser, revision, step, fields);

        if (client_status(answer) != status) {
                g_test_message("step %d, %s: want %d, have %s", step, fields, status, answer);
                g_test_fail();
        }
}

static void assert_form(struct browser *browser, const char *want)
{
        g_autofree char *answer = browser_get(browser, "/api/steps");

        client_assert_has(answer, want);
}

static void three_steps_make_a_folder_and_share_it(struct site *site, const void *unused)
{
        struct browser anna = browser_log_in(site, "anna");
        g_autofree char *last = NULL;
        g_autofree char *tree = NULL;
        g_autofree char *summary = NULL;

        assert_step(&anna, 1, 1, "name=Pl%3Cns", 303);
        assert_form(&anna, "\"step\":2,\"revision\":2,\"name\":\"Pl<ns\",\"with\":\"\"");
        assert_step(&anna, 2, 2, "with=ben", 303);
        summary = browser_get(&anna, "/steps");
        client_assert_has(summary, "<td>Pl&lt;ns</td>");
        client_assert_has(summary, "<td>ben</td>");
        last = send_step(&anna, 3, 3, "go=next");
        g_assert_cmpint(client_status(last), ==, 303);
        client_assert_has(last, "Location: /people/anna?notice=0.");
        tree = place_tree(site->app.store, "ben");
        g_assert_cmpstr(tree, ==, "Pl<ns");
        assert_form(&anna, "\"step\":1,\"revision\":5,\"name\":\"\",\"with\":\"\"");
}

static void one_can_go_back_and_begin_anew(struct site *site, const void *unused)
{
        struct browser anna = browser_log_in(site, "anna");

        assert_step(&anna, 1, 1, "name=a", 303);
        assert_step(&anna, 2, 2, "with=ben", 303);
        assert_step(&anna, 3, 3, "go=back", 303);
        assert_form(&anna, "\"step\":2,\"revision\":4,\"name\":\"a\",\"with\":\"ben\"");
        assert_step(&anna, 4, 2, "go=back", 303);
        assert_step(&anna, 5, 1, "name=b", 303);
        assert_step(&anna, 6, 2, "with=", 303);
        assert_form(&anna, "\"step\":3,\"revision\":7,\"name\":\"b\",\"with\":\"\"");
        assert_step(&anna, 7, 3, "go=again", 303);
        assert_form(&anna, "\"step\":1,\"revision\":8,\"name\":\"\",\"with\":\"\"");
}

static void of_two_tabs_one_wins_and_the_other_is_shown_both(struct site *site, const void *unused)
{
        struct browser anna = browser_log_in(site, "anna");
        g_autofree char *conflict = NULL;
        g_autofree char *json = NULL;

        assert_step(&anna, 1, 1, "name=first", 303);
        conflict = send_step(&anna, 1, 1, "name=%22second%3E");
        json = browser_post(&anna, "/api/steps", "revision=1&step=1&name=third");
        g_assert_cmpint(client_status(conflict), ==, 409);
        client_assert_has(conflict, "Nothing was overwritten");
        client_assert_has(conflict, "<td>first</td>");
        client_assert_has(conflict, "name=\"name\" value=\"&quot;second&gt;\"");
        client_assert_has(conflict, "name=\"revision\" value=\"2\"");
        g_assert_cmpint(client_status(json), ==, 409);
        client_assert_has(json, "\"name\":\"first\"");
        assert_form(&anna, "\"name\":\"first\"");
        /* "Use this" */
        assert_step(&anna, 2, 1, "name=second", 303);
        assert_form(&anna, "\"step\":2,\"revision\":3,\"name\":\"second\"");
}

static void what_was_sent_twice_is_no_conflict(struct site *site, const void *unused)
{
        struct browser anna = browser_log_in(site, "anna");

        assert_step(&anna, 1, 1, "name=a", 303);
        assert_step(&anna, 1, 1, "name=a", 303);
        assert_step(&anna, 2, 2, "with=ben", 303);
        assert_step(&anna, 2, 2, "with=ben", 303);
        assert_step(&anna, 2, 2, "with=cleo", 409);
        assert_form(&anna, "\"step\":3,\"revision\":3,\"name\":\"a\",\"with\":\"ben\"");
        assert_step(&anna, 3, 3, "", 303);
        assert_step(&anna, 3, 3, "", 409);
}

/* Between this request's get and its save somebody else saves. */
static void overtake(void *userdata)
{
        struct browser *browser = userdata;
        struct browser other = *browser;

        assert_step(&other, 1, 1, "name=faster", 303);
}

static void touch(void *userdata)
{
        struct browser *browser = userdata;

        fake_write(browser->id, NULL);
}

static void a_lost_race_is_seen_by_what_was_changed(struct site *site, const void *unused)
{
        struct browser anna = browser_log_in(site, "anna");
        struct browser ben = browser_log_in(site, "ben");

        fake_before(FAKE_SAVE, overtake, &anna);
        assert_step(&anna, 1, 1, "name=slower", 409);
        assert_form(&anna, "\"name\":\"faster\"");
        /* A new version with the same form is no reason to ask anybody. */
        fake_before(FAKE_SAVE, touch, &ben);
        assert_step(&ben, 1, 1, "name=mine", 303);
        assert_form(&ben, "\"name\":\"mine\"");
        fake_fail(FAKE_SAVE, CM_E_STALE, 1);
        assert_step(&ben, 2, 2, "with=", 303);
}

static void a_save_that_fails_changes_nothing(struct site *site, const void *unused)
{
        static const struct {
                int outcome;
                int status;
        } failures[] = {{CM_CONFLICT, 503}, {CM_E_STALE, 503}, {CM_E_TIMEOUT, 503},
                        {CM_E_BUSY, 503}, {CM_E_FULL, 503}, {CM_E_UNCONFIRMED, 503},
                        {-ENOTCONN, 503}, {CM_E_READ_ONLY, 503}, {CM_E_TOO_BIG, 500},
                        {CM_E_SEALED, 500}};
        struct browser anna = browser_log_in(site, "anna");

        for (size_t i = 0; i < G_N_ELEMENTS(failures); i++) {
                fake_fail(FAKE_SAVE, failures[i].outcome, 100);
                assert_step(&anna, 1, 1, "name=a", failures[i].status);
        }
        fake_fail(FAKE_SAVE, 0, 0);
        assert_form(&anna, "\"step\":1,\"revision\":1,\"name\":\"\"");
}

/* Saved, and the answer lost: who sends it again is where it led. */
static void an_answer_that_got_lost_is_found_out(struct site *site, const void *unused)
{
        struct browser anna = browser_log_in(site, "anna");

        fake_lose_answer(FAKE_SAVE, CM_E_TIMEOUT);
        assert_step(&anna, 1, 1, "name=a", 503);
        assert_step(&anna, 1, 1, "name=a", 303);
        assert_form(&anna, "\"step\":2,\"revision\":2,\"name\":\"a\"");
}

static void log_out(void *userdata)
{
        struct browser *browser = userdata;

        fake_end(browser->id);
}

static void a_logout_overtakes_a_step_and_nothing_is_made(struct site *site, const void *unused)
{
        struct browser anna = browser_log_in(site, "anna");
        g_autofree char *answer = NULL;
        g_autofree char *tree = NULL;

        assert_step(&anna, 1, 1, "name=a", 303);
        assert_step(&anna, 2, 2, "with=ben", 303);
        fake_before(FAKE_SAVE, log_out, &anna);
        answer = send_step(&anna, 3, 3, "");
        g_assert_cmpint(client_status(answer), ==, 401);
        client_assert_has(answer, "Max-Age=0");
        tree = place_tree(site->app.store, "anna");
        g_assert_cmpstr(tree, ==, "");
}

static void what_no_page_sends_is_refused(struct site *site, const void *unused)
{
        static const char *const steps[] = {"0", "2", "3", "4", "-1", "x", "", "1x", "99999999999"};
        static const char *const names[] = {"", "+", "%0a", "%ff", "%00"};
        struct browser anna = browser_log_in(site, "anna");
        g_autofree char *longer = g_strnfill(NAME_FOLDER_MAX + 1, 'x');
        g_autofree char *name = g_strdup_printf("name=%s", longer);

        for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
                g_autofree char *body = g_strdup_printf("revision=1&step=%s&name=a", steps[i]);

                browser_assert_post(&anna, "/steps", body, 400);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autofree char *fields = g_strdup_printf("name=%s", names[i]);

                assert_step(&anna, 1, 1, fields, 400);
        }
        assert_step(&anna, 1, 1, name, 400);
        browser_assert_post(&anna, "/steps", "revision=x&step=1&name=a", 409);
        browser_assert_post(&anna, "/steps", "step=1&name=a", 409);
        browser_assert_post(&anna, "/steps", "revision=4294967297&step=1&name=a", 409);
        assert_step(&anna, 1, 1, "name=a", 303);
        assert_step(&anna, 2, 2, "with=anna", 400);
        assert_step(&anna, 2, 2, "with=dora", 404);
        assert_step(&anna, 2, 2, "with=%3Cb%3E", 400);
        assert_form(&anna, "\"step\":2,\"revision\":2,\"name\":\"a\",\"with\":\"\"");
}

static void what_the_store_refuses_leaves_the_form_as_it_was(struct site *site, const void *unused)
{
        struct browser anna = browser_log_in(site, "anna");
        g_autofree char *answer = NULL;

        place_folder(site->app.store, 0, "taken");
        assert_step(&anna, 1, 1, "name=taken", 303);
        assert_step(&anna, 2, 2, "with=", 303);
        answer = send_step(&anna, 3, 3, "");
        g_assert_cmpint(client_status(answer), ==, 409);
        client_assert_has(answer, "That name is taken.");
        client_assert_has(answer, "name=\"revision\" value=\"4\"");
        assert_form(&anna, "\"step\":3,\"revision\":4,\"name\":\"taken\"");
        assert_step(&anna, 4, 1, "name=free", 303);
        assert_step(&anna, 5, 2, "with=", 303);
        assert_step(&anna, 6, 3, "", 303);
}

static void a_form_that_is_too_long_is_refused(struct site *site, const void *unused)
{
        struct browser anna = browser_log_in(site, "anna");
        g_autofree char *longer = g_strnfill(APP_BODY_MAX, 'x');
        g_autofree char *field = g_strnfill(APP_FIELD_MAX + 1, 'x');
        g_autofree char *body = g_strdup_printf("name=%s", field);
        g_autofree char *step = g_strdup_printf("step=%s", field);

        browser_assert_post(&anna, "/steps", longer, 413);
        browser_assert_post(&anna, "/login", longer, 413);
        browser_assert_post(&anna, "/logout", longer, 413);
        browser_assert_post(&anna, "/steps", body, 400);
        browser_assert_post(&anna, "/steps", step, 400);
        assert_form(&anna, "\"step\":1,\"revision\":1");
}

struct tab {
        struct browser browser;
        int revision;
        int step;
        char fields[32];
        int status;
};

static gpointer use_tab(gpointer userdata)
{
        struct tab *tab = userdata;
        g_autofree char *answer = send_step(&tab->browser, tab->revision, tab->step, tab->fields);

        tab->status = client_status(answer);
        return NULL;
}

/* All at once; returns how many got each status. */
static void use_tabs(const struct browser *browser, int revision, int step, const char *format,
                int *ret_n_done, int *ret_n_conflicts)
{
        struct tab tabs[N_TABS];
        GThread *threads[N_TABS];

        for (int i = 0; i < N_TABS; i++) {
                tabs[i] = (struct tab){.browser = *browser, .revision = revision, .step = step};
                g_snprintf(tabs[i].fields, sizeof(tabs[i].fields), "%s%d", format, i);
                threads[i] = g_thread_new(NULL, use_tab, &tabs[i]);
        }
        *ret_n_done = *ret_n_conflicts = 0;
        for (int i = 0; i < N_TABS; i++) {
                g_thread_join(threads[i]);
                *ret_n_done += tabs[i].status == 303;
                *ret_n_conflicts += tabs[i].status == 409;
        }
}

static void of_many_tabs_at_once_one_wins(struct site *site, const void *unused)
{
        struct browser anna = browser_log_in(site, "anna");
        g_autofree char *tree = NULL;
        int n_done, n_conflicts;

        use_tabs(&anna, 1, 1, "name=tab-", &n_done, &n_conflicts);
        g_assert_cmpint(n_done, ==, 1);
        g_assert_cmpint(n_conflicts, ==, N_TABS - 1);
        assert_step(&anna, 2, 1, "name=tab", 303);
        assert_step(&anna, 3, 2, "with=", 303);
        /* The last step makes one folder, whoever presses the button. */
        use_tabs(&anna, 4, 3, "parent=", &n_done, &n_conflicts);
        g_assert_cmpint(n_done, ==, 1);
        g_assert_cmpint(n_conflicts, ==, N_TABS - 1);
        tree = place_tree(site->app.store, "anna");
        g_assert_cmpstr(tree, ==, "tab");
}

#define ADD(function)                                                                              \
        g_test_add("/steps/" #function, struct site, NULL, site_set_up, function, site_tear_down)

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        ADD(three_steps_make_a_folder_and_share_it);
        ADD(one_can_go_back_and_begin_anew);
        ADD(of_two_tabs_one_wins_and_the_other_is_shown_both);
        ADD(what_was_sent_twice_is_no_conflict);
        ADD(a_lost_race_is_seen_by_what_was_changed);
        ADD(a_save_that_fails_changes_nothing);
        ADD(an_answer_that_got_lost_is_found_out);
        ADD(a_logout_overtakes_a_step_and_nothing_is_made);
        ADD(what_no_page_sends_is_refused);
        ADD(what_the_store_refuses_leaves_the_form_as_it_was);
        ADD(a_form_that_is_too_long_is_refused);
        ADD(of_many_tabs_at_once_one_wins);
        return g_test_run();
}
