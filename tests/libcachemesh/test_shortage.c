/* SPDX-License-Identifier: MIT */
/*
 * Memory, mappings and descriptors that run out anywhere in the library: a customer that uses the
 * whole interface is run again and again, each time with another request refused, once, or from
 * there on until it recovers, or to the end. Nothing may crash or leak, no row may be served that
 * an invalidation has made old, and afterwards the same handles must work.
 */
#include "tests/libcachemesh/customer.h"
#include "tests/libcachemesh/supply.h"

#include "libcachemesh/orphan.h"
#include "libcachemesh/pin.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEEDS 200

enum shortage {
        ONCE,
        BY_CHANCE,
        UNTIL_RECOVERY,
        TO_THE_END,
};

static int n_open_files(void)
{
        DIR *directory = opendir("/proc/self/fd");
        int n = 0;

        while (readdir(directory)) {
                n++;
        }
        closedir(directory);
        return n;
}

/* Blocks beside what the library keeps for the life of the process: a record for each thread. */
static int64_t n_blocks(void)
{
        struct cmi_thread *thread = atomic_load(&cmi_threads);
        int64_t n = 0;

        for (; thread; thread = thread->next) {
                for (struct cmi_pins *pins = &thread->pins; pins; pins = atomic_load(&pins->next)) {
                        n++;
                }
        }
        return supply_n_blocks() - n;
}

/* Beside the page of the process. */
static int64_t n_mapped(void)
{
        return supply_n_mapped() - (cmi_process ? sysconf(_SC_PAGESIZE) : 0);
}

static void use_and_end(int64_t n, enum shortage shortage, bool is_standalone)
{
        struct customer customer;
        int64_t n_blocks_before = n_blocks();
        int64_t n_mapped_before = n_mapped();
        int n_files = n_open_files();

        customer_init(&customer, is_standalone);
        if (shortage == BY_CHANCE) {
                supply_begin_by_chance((uint32_t)n, 2 + n % 20);
        } else {
                supply_begin(n, shortage != ONCE);
        }
        customer_use(&customer);
        if (shortage != TO_THE_END) {
                supply_end();
                customer_recover(&customer);
                customer.is_strict = true;
                customer_use(&customer);
        }
        customer_close(&customer);
        supply_end();
        supply_enter();
        if (cmi_process) {
                cmi_orphans_reclaim(); /* what could not be freed without the kernel's barrier */
        }
        supply_leave();
        customer_deinit(&customer);
        CUSTOMER_EXPECT(n_blocks() == n_blocks_before);
        CUSTOMER_EXPECT(n_mapped() == n_mapped_before);
        CUSTOMER_EXPECT(n_open_files() == n_files);
}

static void use_connected(int64_t n, int64_t shortage)
{
        use_and_end(n, (enum shortage)shortage, false);
}

static void use_alone(int64_t n, int64_t shortage)
{
        use_and_end(n, (enum shortage)shortage, true);
}

static void in_child(void (*use)(int64_t n, int64_t how), int64_t n, int64_t how)
{
        int status = -1;
        pid_t child = fork();

        if (child == 0) {
                alarm(60);
                use(n, how);
                _exit(0);
        }
        g_assert_cmpint(waitpid(child, &status, 0), ==, child);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
                g_test_message("request %" G_GINT64_FORMAT ", %" G_GINT64_FORMAT ": status 0x%x", n,
                                how, (unsigned)status);
                g_test_fail();
        }
}

/* Returns whether something was refused. */
static bool try(int64_t n, enum shortage shortage, bool is_standalone)
{
        in_child(is_standalone ? use_alone : use_connected, n, (int64_t)shortage);
        return supply_has_refused();
}

static void try_all(enum shortage shortage, bool is_standalone)
{
        struct supply_report before = supply_report();
        struct supply_report after;
        int64_t n = 0;

        while (try(n, shortage, is_standalone) && !g_test_failed()) {
                n++;
        }
        after = supply_report();
        g_test_message("%" G_GINT64_FORMAT " requests refused first, one after the other; of all "
                       "refusals %" G_GINT64_FORMAT " blocks, %" G_GINT64_FORMAT
                       " mappings, %" G_GINT64_FORMAT " descriptors, %" G_GINT64_FORMAT
                       " in sockets",
                        n, after.n_refused[0] - before.n_refused[0],
                        after.n_refused[1] - before.n_refused[1],
                        after.n_refused[2] - before.n_refused[2],
                        after.n_refused[4] - before.n_refused[4]);
        g_assert_cmpint(n, >, 50);
}

static void a_customer_with_enough_gets_everything_and_leaves_nothing(void)
{
        g_assert_false(try(-1, ONCE, false));
        g_assert_false(try(-1, ONCE, true));
}

static void any_request_may_be_refused_once(void)
{
        try_all(ONCE, false);
}

static void all_requests_may_be_refused_for_a_while(void)
{
        try_all(UNTIL_RECOVERY, false);
}

static void all_requests_may_be_refused_to_the_end(void)
{
        try_all(TO_THE_END, false);
}

/* What a child holds after its first calls: 20 without memory from the n-th request on, and one
 * with enough. */
static void count_in_child(struct customer *customer, int64_t n, int out)
{
        struct cm_value value = {0};
        int64_t held[2];

        supply_begin(n, true);
        for (int i = 0; i < 20; i++) {
                supply_enter();
                cm_get(customer->regions[0][0], "x", 1, &value);
                supply_leave();
        }
        supply_end();
        supply_enter();
        CUSTOMER_EXPECT(cm_get(customer->regions[0][0], "x", 1, &value) == CM_MISS);
        supply_leave();
        held[0] = supply_n_blocks();
        held[1] = supply_n_mapped();
        CUSTOMER_EXPECT(write(out, held, sizeof(held)) == sizeof(held));
}

/* Returns whether something was refused. */
static bool fork_and_count(struct customer *customer, int64_t n, int64_t ret_held[2])
{
        int status = -1;
        int ends[2];
        pid_t child;

        g_assert_cmpint(pipe(ends), ==, 0);
        child = fork();
        if (child == 0) {
                alarm(60);
                count_in_child(customer, n, ends[1]);
                _exit(0);
        }
        close(ends[1]);
        g_assert_cmpint(read(ends[0], ret_held, 2 * sizeof(*ret_held)), ==, 2 * sizeof(*ret_held));
        close(ends[0]);
        g_assert_cmpint(waitpid(child, &status, 0), ==, child);
        g_assert_cmpint(status, ==, 0);
        return supply_has_refused();
}

/* Each call in a child tries again what the last one could not. */
static void a_child_that_gets_no_memory_keeps_none(void)
{
        struct customer customer;
        int64_t enough[2];
        int64_t held[2];
        int64_t n = 0;

        supply_begin(-1, false);
        customer_init(&customer, true);
        customer.is_strict = true;
        g_assert_true(customer_open(&customer));
        g_assert_false(fork_and_count(&customer, -1, enough));
        while (fork_and_count(&customer, n, held)) {
                g_assert_cmpint(held[0], ==, enough[0]);
                g_assert_cmpint(held[1], ==, enough[1]);
                n++;
        }
        g_assert_cmpint(n, >, 5);
        customer_close(&customer);
        customer_deinit(&customer);
}

/* The region is open, and of no use until meshd finds memory for it. */
static void a_region_for_which_meshd_has_no_memory_is_asked_for_again(void)
{
        gint64 end_us = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;
        struct fake_meshd_script script = fake_meshd_script();
        struct customer customer;
        struct cm_state state;
        int r;

        supply_begin(-1, false);
        customer_init(&customer, false);
        customer.is_strict = true;
        script.region_error = -ENOMEM;
        fake_meshd_set_script(customer.meshd, &script);
        g_assert_true(customer_open(&customer));
        r = cm_put(customer.regions[0][1], "k", 1, "v", 1, cm_token(customer.cm[0]), NULL);
        g_assert_cmpint(r, ==, CM_REFUSED);
        script.region_error = 0;
        fake_meshd_set_script(customer.meshd, &script);
        do {
                g_assert_cmpint(cm_state(customer.cm[0], &state), ==, 0);
                r = cm_put(customer.regions[0][1], "k", 1, "v", 1, cm_token(customer.cm[0]), NULL);
        } while (r == CM_REFUSED && g_get_monotonic_time() < end_us);
        g_assert_cmpint(r, ==, 0);
        g_assert_cmpuint(fake_meshd_n_accepted(customer.meshd), ==, 2);
        customer_close(&customer);
        customer_deinit(&customer);
}

static void *end_write(void *data)
{
        static int r;

        supply_enter();
        r = cm_write_end(data);
        supply_leave();
        return &r;
}

/* Its first call: there is no memory for the thread's record. */
static void a_write_can_be_ended_by_a_thread_that_gets_no_memory(void)
{
        const struct cm_bytes key = {"k", 1};
        const struct cm_write_options options = {
                        .size = sizeof(options), .keys = &key, .n_keys = 1};
        struct fake_meshd_script script = fake_meshd_script();
        struct cm_value value = {0};
        struct customer customer;
        struct cm_region *region;
        struct cm_write *write = NULL;
        pthread_t thread;
        void *r = NULL;

        supply_begin(-1, false);
        customer_init(&customer, false);
        customer.is_strict = true;
        g_assert_true(customer_open(&customer));
        region = customer.regions[0][1];
        fake_meshd_set_script(customer.meshd, &script); /* stamps nothing */
        g_assert_cmpint(cm_write_begin(&write, region, &options, NULL), ==, 0);
        g_assert_cmpint(cm_put(region, "k", 1, "v", 1, cm_token(customer.cm[0]), NULL), ==, 0);
        supply_begin(0, true);
        supply_only(SUPPLY_THREAD_WORD);
        pthread_create(&thread, NULL, end_write, write);
        pthread_join(thread, &r);
        g_assert_true(supply_has_refused());
        supply_end();
        g_assert_cmpint(*(int *)r, ==, 0);
        g_assert_cmpuint(fake_meshd_n_published(customer.meshd), ==, 2);
        g_assert_cmpint(cm_get(region, "k", 1, &value), ==, CM_MISS);
        g_assert_cmpint(cm_put(region, "k", 1, "v", 1, value.token, NULL), ==, 0);
        g_assert_cmpint(cm_get(region, "k", 1, &value), ==, 0);
        cm_release(&value);
        customer_close(&customer);
        customer_deinit(&customer);
}

static void loop_until_live(struct customer *customer)
{
        gint64 end_us = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;
        struct cm *cm = customer->cm[0];
        struct cm_state state;
        struct pollfd watched = {.fd = cm_fd(cm), .events = POLLIN};

        do {
                int timeout_ms = cm_timeout_ms(cm);

                g_assert_cmpint(timeout_ms, >=, 0);
                poll(&watched, 1, timeout_ms < 0 ? 100 : timeout_ms);
                g_assert_cmpint(cm_dispatch(cm), ==, 0);
                g_assert_cmpint(cm_state(cm, &state), ==, 0);
        } while (state.mode != CM_LIVE && g_get_monotonic_time() < end_us);
        g_assert_cmpint(state.mode, ==, CM_LIVE);
}

static void a_loop_that_cannot_watch_the_socket_looks_at_it(void)
{
        struct customer customer;

        supply_begin(-1, false);
        customer_init(&customer, false);
        customer.is_strict = true;
        g_assert_true(customer_open(&customer));
        g_assert_cmpint(cm_fd(customer.cm[0]), >=, 0);
        supply_begin(0, true);
        supply_only(SUPPLY_WATCH);
        fake_meshd_hang_up(customer.meshd);
        supply_enter();
        g_assert_cmpint(cm_dispatch(customer.cm[0]), ==, 0);
        loop_until_live(&customer);
        supply_leave();
        g_assert_true(supply_has_refused());
        supply_end();
        customer_close(&customer);
        customer_deinit(&customer);
}

static void it_is_said_what_is_short(void)
{
        static const struct {
                unsigned kinds;
                int64_t n_granted; /* before the first refusal */
                const char *reason;
        } cases[] = {
                        {SUPPLY_BLOCK, 0, "no memory for the connection"},
                        {SUPPLY_MAP, 0, "no memory for meshd's page"},
                        {SUPPLY_DESCRIPTOR, 0, "too many open files"},
                        {SUPPLY_DESCRIPTOR, 1, "too many open files"},
                        {SUPPLY_SOCKET, 0, "no memory for the connection"},
        };
        struct customer customer;
        struct cm_state state;

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                gint64 end_us = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;

                supply_begin(-1, false);
                customer_init(&customer, false);
                customer.is_strict = true;
                g_assert_true(customer_open(&customer));
                fake_meshd_hang_up(customer.meshd);
                cm_token(customer.cm[0]); /* makes the record of this thread */
                supply_begin(cases[i].n_granted, true);
                supply_only(cases[i].kinds);
                do {
                        supply_enter();
                        g_assert_cmpint(cm_state(customer.cm[0], &state), ==, 0);
                        supply_leave();
                } while (strcmp(state.reason, cases[i].reason) != 0 &&
                                g_get_monotonic_time() < end_us);
                g_assert_cmpstr(state.reason, ==, cases[i].reason);
                g_assert_cmpint(state.mode, ==, CM_OFFLINE);
                supply_end();
                customer_close(&customer);
                customer_deinit(&customer);
        }
}

static void requests_may_be_refused_by_chance(void)
{
        for (int seed = 0; seed < SEEDS && !g_test_failed(); seed++) {
                g_assert_true(try(seed, BY_CHANCE, false));
        }
}

static void refuse_twice(int64_t n, int64_t distance)
{
        struct customer customer;

        supply_begin(-1, false);
        customer_init(&customer, false);
        customer.is_strict = true;
        customer_recover(&customer);
        customer_fill(&customer);
        customer.is_strict = false;
        supply_begin_pair(n, distance);
        customer_tell(&customer);
        supply_end();
        customer_recover(&customer);
        customer_close(&customer);
        customer_deinit(&customer);
}

/* The second one while the first is being made good. */
static void two_requests_of_an_invalidation_may_be_refused(void)
{
        int n_pairs = 0;

        for (int64_t distance = 1; distance < 24; distance++) {
                for (int64_t n = 0; n < 12 && !g_test_failed(); n++) {
                        n_pairs++;
                        in_child(refuse_twice, n, distance);
                }
        }
        g_test_message("%d pairs", n_pairs);
}

static void a_standalone_handle_survives_it_too(void)
{
        try_all(ONCE, true);
        try_all(UNTIL_RECOVERY, true);
        try_all(TO_THE_END, true);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        supply_init();
        g_test_add_func("/shortage/none",
                        a_customer_with_enough_gets_everything_and_leaves_nothing);
        g_test_add_func("/shortage/once", any_request_may_be_refused_once);
        g_test_add_func("/shortage/while", all_requests_may_be_refused_for_a_while);
        g_test_add_func("/shortage/end", all_requests_may_be_refused_to_the_end);
        g_test_add_func("/shortage/pairs", two_requests_of_an_invalidation_may_be_refused);
        g_test_add_func("/shortage/chance", requests_may_be_refused_by_chance);
        g_test_add_func("/shortage/standalone", a_standalone_handle_survives_it_too);
        g_test_add_func("/shortage/child", a_child_that_gets_no_memory_keeps_none);
        g_test_add_func("/shortage/loop", a_loop_that_cannot_watch_the_socket_looks_at_it);
        g_test_add_func("/shortage/meshd",
                        a_region_for_which_meshd_has_no_memory_is_asked_for_again);
        g_test_add_func("/shortage/write", a_write_can_be_ended_by_a_thread_that_gets_no_memory);
        g_test_add_func("/shortage/reason", it_is_said_what_is_short);
        return g_test_run();
}
