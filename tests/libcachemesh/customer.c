/* SPDX-License-Identifier: MIT */
#include "tests/libcachemesh/customer_calls.h"

#include "libcachemesh/connection.h"
#include "tests/libcachemesh/supply.h"
#include "wire/spool.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_US (10 * G_USEC_PER_SEC)

static void log_line(void *userdata, enum cm_log_level level, const char *message)
{
        struct customer *customer = userdata;

        __atomic_fetch_add(&customer->n_lines, 1, __ATOMIC_RELAXED);
}

struct fake_meshd_script customer_script(void)
{
        struct fake_meshd_script script = fake_meshd_script();

        script.applies = true;
        return script;
}

static struct fake_meshd *start_meshd(const char *path)
{
        struct fake_meshd_script script = customer_script();

        return fake_meshd_start(path, &script);
}

void customer_init(struct customer *customer, bool is_standalone)
{
        memset(customer, 0, sizeof(*customer));
        customer->n_apps = is_standalone ? 1 : 2;
        if (!is_standalone) {
                customer->path = fake_path_new();
                customer->spool = g_strconcat(customer->path, CMI_SPOOL_SUFFIX, NULL);
                EXPECT(mkdir(customer->spool, 0700) == 0);
                customer->meshd = start_meshd(customer->path);
        }
}

static void remove_spool(struct customer *customer)
{
        GDir *directory = g_dir_open(customer->spool, 0, NULL);
        const char *name;

        EXPECT(directory);
        while ((name = g_dir_read_name(directory))) {
                g_autofree char *path = g_build_filename(customer->spool, name, NULL);

                EXPECT(unlink(path) == 0);
        }
        g_dir_close(directory);
        EXPECT(rmdir(customer->spool) == 0);
        g_free(customer->spool);
}

void customer_deinit(struct customer *customer)
{
        if (customer->meshd) {
                customer->meshd = fake_meshd_kill(customer->meshd);
                remove_spool(customer);
                fake_path_free(customer->path);
        }
}

/* Opening and closing */

static void open_region(struct customer *customer, int app, int number)
{
        static const char *const names[CUSTOMER_REGIONS] = {"rows", "pages"};
        const struct cm_region_options options = {
                        .size = sizeof(options),
                        .fresh = number ? CM_FRESH_TTL : CM_FRESH_BOUNDED,
                        .ttl_ms = number ? 3600000 : 0,
                        .budget_bytes = number ? 0 : 64 << 10,
                        .stale_if_error_ms = number ? 3600000 : 0,
        };
        struct cm_region **region = &customer->regions[app][number];

        if (customer->cm[app] && !*region) {
                customer_expect(customer,
                                CALL(cm_region_open(region, customer->cm[app], names[number],
                                                &options)),
                                0, 0);
        }
}

bool customer_open(struct customer *customer)
{
        struct cm_options options = {
                        .size = sizeof(options),
                        .socket_path = customer->path,
                        .flags = customer->meshd ? 0 : CM_OPEN_STANDALONE,
                        .log = log_line,
                        .log_userdata = customer,
        };
        bool is_open = true;

        for (int app = 0; app < customer->n_apps; app++) {
                if (!customer->cm[app]) {
                        customer_expect(customer, CALL(cm_open(&customer->cm[app], &options)), 0,
                                        customer->meshd ? 0 : -EMFILE);
                }
                for (int number = 0; number < CUSTOMER_REGIONS; number++) {
                        open_region(customer, app, number);
                        is_open = is_open && customer->regions[app][number];
                }
        }
        return is_open;
}

void customer_close(struct customer *customer)
{
        for (int app = 0; app < customer->n_apps; app++) {
                customer->cm[app] = CALL(cm_close(customer->cm[app]));
        }
        memset(customer->regions, 0, sizeof(customer->regions));
}

/* More than fits, beside a value that is pinned. */
static void outgrow_budget(struct customer *customer)
{
        struct cm_region *region = customer->regions[0][0];
        struct cm_value pinned = {0};
        struct cm_token token = CALL(cm_token(customer->cm[0]));
        char bytes[3000] = "many";
        int key = 7;

        customer_put(customer, 0, 0, key);
        (void)CALL(cm_get(region, &key, sizeof(key), &pinned));
        for (int i = 1000; i < 1300; i++) {
                size_t size = i % 10 ? 40 : sizeof(bytes);

                customer_expect_stored(customer,
                                CALL(cm_put(region, &i, sizeof(i), bytes, size, token, NULL)));
        }
        if (pinned.data) {
                customer_check_row(customer, 0, key, 0, &pinned);
        }
        customer_release(&pinned);
        EXPECT(CALL(cm_region_clear(region)) == 0 || !customer->is_strict);
        customer_read_all(customer);
}

/* State and loop */

static void look_around(struct customer *customer, int app)
{
        struct cm_region_stats stats = {.size = sizeof(stats)};
        struct cm *cm = customer->cm[app];
        struct pollfd watched = {.events = POLLIN};
        struct cm_event event;
        struct cm_state state;
        int r;

        watched.fd = CALL(cm_fd(cm));
        EXPECT(watched.fd >= 0 ||
                        (!customer->is_strict && (watched.fd == -EMFILE || watched.fd == -ENOMEM)));
        EXPECT(watched.fd < 0 || poll(&watched, 1, 0) >= 0);
        EXPECT(CALL(cm_events(cm)) == POLLIN);
        EXPECT(CALL(cm_timeout_ms(cm)) >= -1);
        EXPECT(CALL(cm_dispatch(cm)) == 0);
        do {
                r = CALL(cm_next_event(cm, &event));
        } while (r == 0);
        EXPECT(r == CM_NO_EVENT);
        customer_expect(customer, CALL(cm_state(cm, &state)), 0, 0);
        customer_expect(customer, CALL(cm_region_stats(customer->regions[app][0], &stats)), 0, 0);
}

/* meshd ends: its page's lease, too. What is changed meanwhile waits for the next one. */
static void lose_meshd(struct customer *customer)
{
        struct cmi_page *page = fake_meshd_page(customer->meshd);
        int r;

        fake_meshd_hang_up(customer->meshd);
        r = customer_change(customer, 0, 11, CM_WAIT_NODE);
        EXPECT(r == CM_PENDING || r == 0 || (!customer->is_strict && r == -ENOMEM));
        customer_read_all(customer);
        page->lease_end_mono_ns = page->lease_end_real_ns = 0;
        fake_meshd_kill(customer->meshd);
        for (int key = 12; key < 16; key++) {
                r = customer_change(customer, key % 2, key, (enum cm_wait)(key % 3));
                EXPECT(r == CM_PENDING || (r == 0 && key % 3 == CM_WAIT_NONE) ||
                                (!customer->is_strict && r == -ENOMEM));
        }
        customer_read_all(customer);
        customer->meshd = start_meshd(customer->path);
        customer_read_all(customer);
}

static void fork_off(struct customer *customer)
{
        pid_t child = fork();
        int status = -1;

        if (child == 0) {
                int r = CALL(cm_get(customer->regions[0][0], "x", 1, &(struct cm_value){0}));

                alarm(20);
                customer_expect(customer, r, CM_MISS, 0);
                customer_expect(customer, customer_load(customer, 0, 2), 0, 0);
                r = CALL(cm_invalidate(customer->regions[0][1], "x", 1, CM_WAIT_NONE, NULL));
                customer_expect(customer, r, 0, CM_PENDING);
                supply_end();
                customer_recover(customer);
                customer->is_strict = true;
                customer_change_rows(customer);
                customer_put_and_get(customer, 0, 1);
                customer_close(customer);
                _exit(0);
        }
        EXPECT(waitpid(child, &status, 0) == child);
        EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* An app that tries again and again; without the pauses between, which would only take time. */
static bool is_well(struct customer *customer, int app)
{
        struct cm *cm = customer->cm[app];
        struct cm_state state;

        if (customer->meshd) {
                struct cmi_connection *connection = cmi_connection(cm);

                cmi_connection_lock(connection);
                connection->next_try_ns = 0;
                connection->backoff_ns = CMI_BACKOFF_MIN_NS;
                cmi_connection_unlock(connection);
        }
        EXPECT(CALL(cm_dispatch(cm)) == 0);
        EXPECT(CALL(cm_state(cm, &state)) == 0);
        return state.n_pending == 0 && state.mode == (customer->meshd ? CM_LIVE : CM_STANDALONE);
}

void customer_fill(struct customer *customer)
{
        for (int app = 0; app < customer->n_apps; app++) {
                customer_put_and_get(customer, app, 0);
                customer_put_and_get(customer, app, 1);
        }
}

void customer_tell(struct customer *customer)
{
        for (int key = 0; key < 4; key++) {
                customer_expect_told(
                                customer, customer_change(customer, key % 2, key, CM_WAIT_NODE));
                for (int i = 0; i < 4; i++) {
                        (void)is_well(customer, 0);
                }
        }
        customer_read_all(customer);
}

void customer_use(struct customer *customer)
{
        if (!customer_open(customer)) {
                return;
        }
        for (int app = 0; app < customer->n_apps; app++) {
                look_around(customer, app);
                customer_put_and_get(customer, app, 0);
                customer_put_and_get(customer, app, 1);
                customer_get_many(customer, app, 1);
                customer_pin_often(customer, app, 1, 3);
        }
        customer_change_rows(customer);
        customer_load_rows(customer);
        outgrow_budget(customer);
        if (customer->meshd) {
                customer_change_without_proof(customer);
                lose_meshd(customer);
        }
        for (int app = 0; app < customer->n_apps; app++) {
                look_around(customer, app);
        }
        fork_off(customer);
}

void customer_recover(struct customer *customer)
{
        gint64 end_us = g_get_monotonic_time() + WAIT_US;
        bool was_strict = customer->is_strict;
        int r = 0;

        customer->is_strict = true;
        EXPECT(customer_open(customer));
        for (int app = 0; app < customer->n_apps; app++) {
                while (!is_well(customer, app)) {
                        EXPECT(g_get_monotonic_time() < end_us);
                        sched_yield();
                }
        }
        /* It follows all earlier ones in the stream. */
        r = CALL(cm_invalidate(customer->regions[0][0], "last", 4, CM_WAIT_NODE, NULL));
        EXPECT(r == 0);
        memcpy(customer->floors[1], customer->told, sizeof(customer->told));
        customer_read_all(customer);
        for (int region = 0; region < CUSTOMER_REGIONS; region++) {
                customer_change_all(customer, region, -1, CM_WAIT_NODE);
        }
        customer_read_all(customer);
        customer->is_strict = was_strict;
}
