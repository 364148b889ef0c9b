/* SPDX-License-Identifier: MIT */
/*
 * Loads that processes share, as a connection speaks about them: what is asked, what is answered
 * when, and what is said later since there was no room or nobody to hear it.
 */
#include "tests/libcachemesh/connection_fixture.h"

#include "libcachemesh/connection.h"
#include "wire/load.h"

#include <errno.h>
#include <sys/socket.h>

#define LOADS_MAX 2048

/* meshd's side of loads. */
struct desk {
        _Atomic unsigned first_answer; /* enum cmi_load_outcome */
        _Atomic bool is_silent;        /* no answers */
        _Atomic bool grants_late;      /* also what was given up, once */
        _Atomic unsigned n_asked;
        _Atomic unsigned n_ended;
        _Atomic int64_t outcomes[LOADS_MAX]; /* of LOADED, by the LOAD's id; 99: none */
};

static struct desk desk;

static void answer(int fd, uint64_t id, enum cmi_load_outcome outcome)
{
        uint8_t bytes[128];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        struct cmi_load_state state = {.outcome = outcome, .arrival = 7, .error = -EIO};
        size_t begin = cmi_local_begin(&writer, CMI_LOCAL_LOAD_STATE, id);

        cmi_load_state_write(&writer, &state);
        cmi_local_end(&writer, begin);
        g_assert_cmpint(send(fd, writer.data, writer.len, MSG_NOSIGNAL), ==, (gssize)writer.len);
}

static void on_other(void *context, int fd, const struct cmi_local_head *head)
{
        struct cmi_loaded loaded;

        if (head->type == CMI_LOCAL_LOAD) {
                atomic_fetch_add(&desk.n_asked, 1);
                if (!atomic_load(&desk.is_silent)) {
                        answer(fd, head->id, atomic_load(&desk.first_answer));
                }
        } else if (head->type == CMI_LOCAL_LOADED) {
                g_assert_cmpint(cmi_loaded_decode(head->fields, &loaded), ==, 0);
                g_assert_cmpuint(loaded.load, <, LOADS_MAX);
                g_assert_cmpint(desk.outcomes[loaded.load], ==, 99);
                desk.outcomes[loaded.load] = loaded.outcome;
                if (atomic_exchange(&desk.grants_late, false)) {
                        desk.outcomes[loaded.load] = 99;
                        answer(fd, loaded.load, CMI_LOAD_GRANTED);
                }
                atomic_fetch_add(&desk.n_ended, 1);
        }
}

static void start(struct fixture *f, enum cmi_load_outcome first_answer)
{
        struct fake_meshd_script script = fake_meshd_script();

        script.other = on_other;
        desk = (struct desk){.first_answer = first_answer};
        for (int i = 0; i < LOADS_MAX; i++) {
                desk.outcomes[i] = 99;
        }
        fixture_start_region(f, &script);
}

static int ask_within(
                struct fixture *f, struct cmi_share *share, bool is_hasty, uint64_t timeout_ms)
{
        *share = (struct cmi_share){
                        .region = &f->cm->regions[0],
                        .key = cmi_slice_str("k"),
                        .deadline_ns = cmi_connection_now_ns() + cmi_ms(timeout_ms),
                        .is_hasty = is_hasty,
        };
        return f->cm->ops->share_begin(f->cm, share);
}

static int ask(struct fixture *f, struct cmi_share *share, bool is_hasty)
{
        return ask_within(f, share, is_hasty, 10000);
}

static void end(struct fixture *f, const struct cmi_share *share, int error)
{
        f->cm->ops->share_end(f->cm, share, error, cmi_slice(NULL, 0));
}

static bool has_ended(struct cm *cm, void *n)
{
        return atomic_load(&desk.n_ended) >= GPOINTER_TO_UINT(n);
}

static void await_ended(struct fixture *f, unsigned n)
{
        g_assert_true(fake_handle_await(f->cm, has_ended, GUINT_TO_POINTER(n)));
        g_assert_cmpuint(desk.n_ended, ==, n);
}

static void what_was_found_and_what_failed_is_told(struct fixture *f, const void *unused)
{
        struct cmi_share shares[3];

        start(f, CMI_LOAD_GRANTED);
        for (int i = 0; i < 3; i++) {
                g_assert_cmpint(ask(f, &shares[i], false), ==, CMI_SHARE_LEAD);
                g_assert_cmpuint(shares[i].arrival, ==, 7);
        }
        end(f, &shares[0], -EIO);
        end(f, &shares[1], 0);
        f->cm->ops->share_give_up(f->cm, &shares[2]);
        await_ended(f, 3);
        g_assert_cmpint(desk.outcomes[shares[0].id], ==, -EIO);
        g_assert_cmpint(desk.outcomes[shares[1].id], ==, CMI_LOADED_APART);
        g_assert_cmpint(desk.outcomes[shares[2].id], ==, CMI_LOADED_NOTHING);
}

static void the_error_of_another_process_is_the_calls(struct fixture *f, const void *unused)
{
        struct cmi_share share;

        start(f, CMI_LOAD_FAILED);
        g_assert_cmpint(ask(f, &share, false), ==, -EIO);
}

static void a_hasty_call_does_not_wait_and_gives_up(struct fixture *f, const void *unused)
{
        struct cmi_share share;

        start(f, CMI_LOAD_WAIT);
        g_assert_cmpint(ask(f, &share, true), ==, CM_E_BUSY);
        await_ended(f, 1);
        g_assert_cmpint(desk.outcomes[share.id], ==, CMI_LOADED_NOTHING);
}

/* Of a meshd that is stopped; 500 ms is what a call with time to spare grants it. */
static void a_call_with_little_time_waits_less_for_an_answer(struct fixture *f, const void *unused)
{
        static const struct {
                bool is_hasty;
                uint64_t timeout_ms;
        } cases[] = {{true, 10000}, {false, 20}};

        start(f, CMI_LOAD_GRANTED);
        atomic_store(&desk.is_silent, true);
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                uint64_t begin_ns = cmi_connection_now_ns();
                struct cmi_share share;

                cmi_connection(f->cm)->loads_stalled_at = 0; /* as after a word of meshd */
                g_assert_cmpint(ask_within(f, &share, cases[i].is_hasty, cases[i].timeout_ms), ==,
                                CMI_SHARE_ALONE);
                g_assert_cmpuint(cmi_connection_now_ns() - begin_ns, <, 400 * CMI_NS_PER_MS);
                g_assert_cmpuint(cmi_connection(f->cm)->loads_stalled_at, !=, 0);
        }
        await_ended(f, G_N_ELEMENTS(cases));
}

/* More than its socket and the buffer before it take. */
static void fill(struct fixture *f)
{
        static char key[1000];

        memset(key, 'x', sizeof(key) - 1);
        for (int i = 0; i < 2000 && !cmi_connection(f->cm)->pending.unwritten; i++) {
                fake_handle_invalidate(f->cm, "r", key, CM_WAIT_NONE, 20, NULL);
        }
        g_assert_nonnull(cmi_connection(f->cm)->pending.unwritten);
}

static void what_finds_no_room_is_given_up_once_there_is_some(struct fixture *f, const void *unused)
{
        struct cmi_share shares[CMI_UNSAID_MAX];
        struct cmi_connection *connection;

        start(f, CMI_LOAD_GRANTED);
        connection = cmi_connection(f->cm);
        for (int i = 0; i < CMI_UNSAID_MAX; i++) {
                g_assert_cmpint(ask(f, &shares[i], false), ==, CMI_SHARE_LEAD);
        }
        fake_meshd_pause(f->meshd);
        fill(f);
        for (int i = 0; i < CMI_UNSAID_MAX; i++) {
                end(f, &shares[i], -EIO);
        }
        g_assert_cmpuint(connection->n_unsaid, >, CMI_UNSAID_MAX / 2);
        g_assert_cmpuint(desk.n_ended, ==, 0);
        fake_meshd_resume(f->meshd);
        await_ended(f, CMI_UNSAID_MAX);
        g_assert_cmpuint(connection->n_unsaid, ==, 0);
        g_assert_cmpint(desk.outcomes[shares[0].id], ==, -EIO);
        g_assert_cmpint(desk.outcomes[shares[CMI_UNSAID_MAX - 1].id], ==, CMI_LOADED_NOTHING);
        g_assert_cmpuint(fake_meshd_n_accepted(f->meshd), ==, 1);
        g_assert_true(fake_handle_await(f->cm, fake_handle_is_flushed, NULL));
}

static void too_many_of_those_cost_the_connection(struct fixture *f, const void *unused)
{
        static struct cmi_share shares[3 * CMI_UNSAID_MAX];

        start(f, CMI_LOAD_GRANTED);
        for (int i = 0; i < 3 * CMI_UNSAID_MAX; i++) {
                g_assert_cmpint(ask(f, &shares[i], false), ==, CMI_SHARE_LEAD);
        }
        fake_meshd_pause(f->meshd);
        fill(f);
        for (int i = 0; i < 3 * CMI_UNSAID_MAX; i++) {
                end(f, &shares[i], -EIO);
        }
        fake_meshd_resume(f->meshd);
        g_assert_true(fake_meshd_await_closed(f->meshd, 1));
        g_assert_true(fake_handle_await(f->cm, fake_handle_is_flushed, NULL));
        g_assert_cmpuint(cmi_connection(f->cm)->n_unsaid, ==, 0);
        g_assert_cmpint(ask(f, &shares[0], false), ==, CMI_SHARE_LEAD);
}

static void what_is_granted_too_late_is_given_up(struct fixture *f, const void *unused)
{
        struct cmi_share share;

        start(f, CMI_LOAD_WAIT);
        atomic_store(&desk.grants_late, true);
        g_assert_cmpint(ask(f, &share, true), ==, CM_E_BUSY);
        await_ended(f, 2);
        g_assert_cmpint(desk.outcomes[share.id], ==, CMI_LOADED_NOTHING);
}

static bool is_asked(void)
{
        return atomic_load(&desk.n_ended) > 0;
}

/* What is to be said about it finds the socket closed, in the middle of reading. */
static void the_last_words_of_a_killed_meshd_may_grant_too_late(
                struct fixture *f, const void *unused)
{
        struct cmi_share share;
        gint64 end_us = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;

        start(f, CMI_LOAD_WAIT);
        atomic_store(&desk.grants_late, true);
        g_assert_cmpint(ask(f, &share, true), ==, CM_E_BUSY);
        while (!is_asked() && g_get_monotonic_time() < end_us) {
                g_thread_yield();
        }
        fake_meshd_hang_up(f->meshd);
        f->cm->ops->dispatch(f->cm);
        g_assert_true(fake_handle_await(f->cm, fake_handle_is_live, NULL));
        g_assert_cmpuint(fake_meshd_n_accepted(f->meshd), ==, 2);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name)                                                                                 \
        g_test_add("/connection_load/" #name, struct fixture, NULL, fixture_set_up, name,          \
                        fixture_tear_down)
        CASE(what_was_found_and_what_failed_is_told);
        CASE(the_error_of_another_process_is_the_calls);
        CASE(a_hasty_call_does_not_wait_and_gives_up);
        CASE(a_call_with_little_time_waits_less_for_an_answer);
        CASE(what_finds_no_room_is_given_up_once_there_is_some);
        CASE(too_many_of_those_cost_the_connection);
        CASE(what_is_granted_too_late_is_given_up);
        CASE(the_last_words_of_a_killed_meshd_may_grant_too_late);
        return g_test_run();
}
