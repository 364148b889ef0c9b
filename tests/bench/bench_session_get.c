/* SPDX-License-Identifier: MIT */
/*
 * What it costs to get a session that this process has a copy of: cm_session_get() and its release,
 * against a hit of the cache (cm_get() and cm_release()) with the same ids as keys and the same
 * data, and against the floor (floor.h); in one process, in alternating rounds, beside a real
 * meshd. Sessions are idle after half an hour, as an app's are. All is read completely.
 *
 * Times are processor time of the thread. A round's figure is the median of its batches, so that a
 * lease that ran out on a busy machine does not count. Prints one JSON document.
 */
#include "libcachemesh/cachemesh-session.h"
#include "tests/bench/floor.h"
#include "tests/bench/mesh.h"

#include <stdlib.h>
#include <string.h>

#define SESSIONS_MAX 10000
#define DATA_LEN 200
#define ID_LEN 32
#define BATCH 512
#define ROUNDS_MAX 101
#define LIVE_NS UINT64_C(90000000000) /* alone, 12 s without an interruption */

enum kind { FLOOR = 0, HIT = 1, SESSION = 2, N_KINDS = 3 };

static const char *const names[N_KINDS] = {"floor", "hit", "session"};

struct app {
        struct cm *cm;
        struct cm_region *region;
        struct cm_session_space *space;
        struct floor *floor;
        unsigned n_sessions;
        char ids[SESSIONS_MAX][CM_SESSION_ID_SIZE];
        struct cm_session session;
        uint64_t sum;
};

static struct mesh mesh;

static void check(const char *what, int r)
{
        if (r != 0) {
                bench_die("%s: %s: %s", what, cm_strerror(r), cm_error_detail(NULL));
        }
}

static void await_live(struct app *app)
{
        struct cm_state now = {0};
        uint64_t end_ns = bench_now_ns() + LIVE_NS;

        while (cm_state(app->cm, &now) == 0 && now.mode != CM_LIVE) {
                if (bench_now_ns() > end_ns) {
                        bench_die("the node does not become live: %s", now.reason);
                }
                bench_nap(1000000);
        }
}

static void open_app(struct app *app)
{
        const struct cm_options options = {
                        .size = sizeof(options), .socket_path = mesh.nodes[0].socket};
        struct cm_session_space_options space = {.size = sizeof(space), .idle_ms = 1800000};
        char keys[BENCH_PATH_MAX + 8];

        snprintf(keys, sizeof(keys), "%s/keys", mesh.nodes[0].directory);
        check("keys", cm_session_keys_new(keys));
        space.key_file = keys;
        check("open", cm_open(&app->cm, &options));
        check("space", cm_session_space_open(&app->space, app->cm, "bench", &space));
        check("region", cm_region_open(&app->region, app->cm, "bench", NULL));
        await_live(app);
        app->floor = floor_new(app->n_sessions, 1u << 20, false);
}

static void fill(struct app *app)
{
        char data[DATA_LEN];

        for (unsigned i = 0; i < app->n_sessions; i++) {
                memset(data, (int)('a' + i % 26), sizeof(data));
                check("create", cm_session_create(app->space, data, sizeof(data), NULL, app->ids[i],
                                                NULL));
                check("put", cm_put(app->region, app->ids[i], ID_LEN, data, sizeof(data),
                                             cm_token(app->cm), NULL));
                check("floor", floor_put(app->floor, app->ids[i], ID_LEN, "tag", 3, data,
                                               sizeof(data)));
        }
}

static uint64_t read_all(const void *data, size_t len)
{
        const char *bytes = data;
        uint64_t sum = 0;
        uint64_t word;

        for (size_t i = 0; i + sizeof(word) <= len; i += sizeof(word)) {
                memcpy(&word, bytes + i, sizeof(word));
                sum += word;
        }
        return sum;
}

static void run_floor(struct app *app, const char *id)
{
        char data[DATA_LEN];
        long len = floor_get(app->floor, id, ID_LEN, data);

        if (len < 0) {
                bench_die("the floor has no %s", id);
        }
        app->sum += read_all(data, (size_t)len);
}

/* One that misses is put again: a lease may run out. */
static void run_hit(struct app *app, const char *id)
{
        static const char data[DATA_LEN] = "again";
        struct cm_value value = {0};

        if (cm_get(app->region, id, ID_LEN, &value) != 0) {
                await_live(app);
                (void)cm_put(app->region, id, ID_LEN, data, sizeof(data), cm_token(app->cm), NULL);
                return;
        }
        app->sum += read_all(value.data, value.len);
        cm_release(&value);
}

static void run_session(struct app *app, const char *id)
{
        struct cm_session *session = &app->session;

        check("get", cm_session_get(app->space, id, NULL, session));
        app->sum += read_all(session->data, session->len);
        cm_session_release(session);
}

static uint64_t thread_ns(void)
{
        struct timespec now;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static uint64_t run_batch(struct app *app, enum kind kind, unsigned first)
{
        uint64_t begin_ns = thread_ns();

        switch (kind) {
        case FLOOR:
                for (unsigned i = 0; i < BATCH; i++) {
                        run_floor(app, app->ids[(first + i) % app->n_sessions]);
                }
                break;
        case HIT:
                for (unsigned i = 0; i < BATCH; i++) {
                        run_hit(app, app->ids[(first + i) % app->n_sessions]);
                }
                break;
        case SESSION:
                for (unsigned i = 0; i < BATCH; i++) {
                        run_session(app, app->ids[(first + i) % app->n_sessions]);
                }
                break;
        case N_KINDS:
                break;
        }
        return thread_ns() - begin_ns;
}

/* Nanoseconds a get. */
static double run_round(struct app *app, enum kind kind, unsigned n_batches)
{
        uint64_t *samples = calloc(n_batches, sizeof(*samples));
        double ns;

        if (!samples) {
                bench_die("no memory");
        }
        for (unsigned i = 0; i < n_batches; i++) {
                samples[i] = run_batch(app, kind, i);
        }
        bench_sort(samples, n_batches);
        ns = (double)bench_percentile(samples, n_batches, 50) / BATCH;
        free(samples);
        return ns;
}

static int compare(const void *a, const void *b)
{
        double left = *(const double *)a;
        double right = *(const double *)b;

        return left < right ? -1 : left > right;
}

static void print_figure(const char *name, double *samples, unsigned n, const char *end)
{
        qsort(samples, n, sizeof(*samples), compare);
        printf(" \"%s\": {\"median\": %.3f, \"min\": %.3f, \"max\": %.3f}%s", name, samples[n / 2],
                        samples[0], samples[n - 1], end);
}

static void measure(struct app *app, unsigned n_rounds, unsigned n_batches)
{
        double ns[N_KINDS][ROUNDS_MAX];
        double ratio[ROUNDS_MAX];
        char name[32];

        for (unsigned i = 0; i < n_rounds; i++) {
                for (unsigned kind = FLOOR; kind < N_KINDS; kind++) {
                        if (i == 0) {
                                (void)run_round(app, (enum kind)kind, n_batches / 4 + 1);
                        }
                        ns[kind][i] = run_round(app, (enum kind)kind, n_batches);
                }
                ratio[i] = ns[SESSION][i] / ns[HIT][i];
        }
        printf("{\"rounds\": %u,", n_rounds);
        for (unsigned kind = FLOOR; kind < N_KINDS; kind++) {
                snprintf(name, sizeof(name), "%s_ns", names[kind]);
                print_figure(name, ns[kind], n_rounds, ",");
        }
        print_figure("ratio", ratio, n_rounds, "}\n");
}

int main(int argc, char **argv)
{
        unsigned n_rounds = argc > 3 ? (unsigned)atoi(argv[3]) : 11;
        unsigned n_batches = argc > 4 ? (unsigned)atoi(argv[4]) : 400;
        static struct app app;

        app.n_sessions = argc > 5 ? (unsigned)atoi(argv[5]) : 200;
        if (argc < 3 || n_rounds < 1 || n_rounds > ROUNDS_MAX || n_batches < 1 ||
                        app.n_sessions < 1 || app.n_sessions > SESSIONS_MAX) {
                bench_die("usage: bench_session_get MESHD MESHCTL [ROUNDS [BATCHES [SESSIONS]]]");
        }
        app.session.size = sizeof(app.session);
        bench_start();
        mesh_start(&mesh, 1, argv[1], argv[2], NULL, NULL);
        open_app(&app);
        fill(&app);
        measure(&app, n_rounds, n_batches);
        if (app.sum == 0) {
                bench_die("nothing was read");
        }
        floor_free(app.floor);
        cm_session_space_close(app.space);
        cm_close(app.cm);
        mesh_stop(&mesh);
        return 0;
}
