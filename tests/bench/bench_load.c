/* SPDX-License-Identifier: MIT */
/*
 * What it costs to share loads: a miss in a region that does not, and in one that does, where
 *
 *   led     nobody else wants the key: this process is told to load, and tells what it found
 *   kept    another process has loaded it before: meshd gives the value
 *   handed  another process loads it now: from the end of its loader to the return of the call here
 *
 * One node with real processes: meshd, this one and the other one. The loaders do nothing but copy
 * 100 bytes, so what is measured is the library, meshd and the sockets between. The four kinds take
 * turns, one call each, so that what else the machine does meets all of them.
 */
#include "libcachemesh/cachemesh.h"
#include "tests/bench/mesh.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define VALUE_LEN 100
#define KEY_MAX 32
#define LIVE_NS UINT64_C(90000000000) /* alone, 12 s without an interruption */
#define LOAD_NS 500000 /* of the other process's loader, while this one begins to wait */
#define WARM_UP 50     /* of each kind, not counted */

enum kind {
        PLAIN = 0,
        LED = 1,
        KEPT = 2,
        HANDED = 3,
        N_KINDS = 4,
};

static const char *const names[N_KINDS] = {"plain", "led", "kept", "handed"};

/* The two processes' common memory. */
struct common {
        _Atomic uint64_t began;    /* loads of the other process */
        _Atomic uint64_t ended_ns; /* when the last one did */
};

struct app {
        struct cm *cm;
        struct cm_region *plain;
        struct cm_region *shared;
        uint64_t n_loads;
};

static struct mesh mesh;
static struct common *common;

static void open_app(struct app *app, const char *name)
{
        const struct cm_options options = {
                        .size = sizeof(options),
                        .socket_path = mesh.nodes[0].socket,
                        .name = name,
        };
        const struct cm_region_options shared = {
                        .size = sizeof(shared), .flags = CM_REGION_SHARE_LOADS};
        struct cm_state now = {0};
        uint64_t end_ns = bench_now_ns() + LIVE_NS;
        int r = cm_open(&app->cm, &options);

        r = r == 0 ? cm_region_open(&app->plain, app->cm, "plain", NULL) : r;
        r = r == 0 ? cm_region_open(&app->shared, app->cm, "shared", &shared) : r;
        if (r != 0) {
                bench_die("libcachemesh: %s", cm_strerror(r));
        }
        while (cm_state(app->cm, &now) == 0 && now.mode != CM_LIVE) {
                if (bench_now_ns() > end_ns) {
                        bench_die("the node does not become live: %s", now.reason);
                }
                bench_nap(1000000);
        }
}

static int load_now(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        static const char value[VALUE_LEN];

        ((struct app *)userdata)->n_loads++;
        return cm_load_set_value(load, value, sizeof(value));
}

/* The other process's: long enough that this one waits for it. */
static int load_slowly(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        int r = load_now(userdata, load, key, key_len);

        atomic_fetch_add(&common->began, 1);
        bench_nap(LOAD_NS);
        atomic_store(&common->ended_ns, bench_now_ns());
        return r;
}

static void get(struct app *app, enum kind kind, uint64_t number, cm_load_fn load)
{
        struct cm_value value = {0};
        char key[KEY_MAX];
        int len = snprintf(key, sizeof(key), "%s:%016llx", names[kind], (unsigned long long)number);
        int r = cm_get_or_load(kind == PLAIN ? app->plain : app->shared, key, (size_t)len, load,
                        app, &value);

        if (r != 0 || value.len != VALUE_LEN) {
                bench_die("cm_get_or_load: %s", cm_strerror(r));
        }
        cm_release(&value);
}

/* What to load, as it is told through the pipe. */
struct order {
        enum kind kind;
        uint64_t number;
};

/* Loads what it is told to, until the pipe ends; says when a load that is kept is done. */
static void be_the_other(int orders, int done)
{
        struct app app = {0};
        struct order order;

        open_app(&app, "bench-other");
        while (read(orders, &order, sizeof(order)) == sizeof(order)) {
                get(&app, order.kind, order.number, order.kind == KEPT ? load_now : load_slowly);
                if (write(done, "", 1) != 1) {
                        break;
                }
        }
        _exit(0);
}

struct other {
        pid_t pid;
        int orders;
        int done;
};

static void start_other(struct other *other)
{
        int orders[2], done[2];

        if (pipe(orders) < 0 || pipe(done) < 0) {
                bench_die("no pipes");
        }
        other->pid = bench_fork();
        if (other->pid == 0) {
                close(orders[1]);
                close(done[0]);
                be_the_other(orders[0], done[1]);
        }
        close(orders[0]);
        close(done[1]);
        other->orders = orders[1];
        other->done = done[0];
}

static void tell(const struct other *other, enum kind kind, uint64_t number)
{
        struct order order = {kind, number};

        if (write(other->orders, &order, sizeof(order)) != sizeof(order)) {
                bench_die("the other process has ended");
        }
}

static void await_done(const struct other *other)
{
        char byte;

        if (read(other->done, &byte, 1) != 1) {
                bench_die("the other process has ended");
        }
}

/* One call; how long it took. */
static uint64_t measure(struct app *app, const struct other *other, enum kind kind, uint64_t number)
{
        uint64_t n_loads = app->n_loads;
        uint64_t n_began = atomic_load(&common->began);
        uint64_t begin_ns, end_ns;

        if (kind == KEPT) {
                tell(other, kind, number);
                await_done(other);
        } else if (kind == HANDED) {
                tell(other, kind, number);
                while (atomic_load(&common->began) == n_began) {
                        bench_nap(1000);
                }
        }
        begin_ns = bench_now_ns();
        get(app, kind, number, load_now);
        end_ns = bench_now_ns();
        if (kind == HANDED) {
                await_done(other);
                begin_ns = atomic_load(&common->ended_ns);
        }
        if ((app->n_loads == n_loads) != (kind == KEPT || kind == HANDED)) {
                bench_die("%s: the load was not where it should be", names[kind]);
        }
        return end_ns - begin_ns;
}

static void print(uint64_t *const samples[N_KINDS], size_t count)
{
        printf("{\"count\": %zu", count);
        for (int kind = 0; kind < N_KINDS; kind++) {
                bench_sort(samples[kind], count);
                printf(", \"%s_p50_us\": %.2f, \"%s_p99_us\": %.2f", names[kind],
                                (double)bench_percentile(samples[kind], count, 50) / 1e3,
                                names[kind],
                                (double)bench_percentile(samples[kind], count, 99) / 1e3);
        }
        printf("}\n");
}

int main(int argc, char **argv)
{
        size_t count = argc > 3 ? (size_t)atol(argv[3]) : 2000;
        uint64_t *samples[N_KINDS];
        struct other other;
        struct app app = {0};

        bench_start();
        if (argc < 3 || count < 1) {
                bench_die("usage: bench_load MESHD MESHCTL [COUNT]");
        }
        common = mmap(NULL, sizeof(*common), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                        0);
        if (common == MAP_FAILED) {
                bench_die("no memory");
        }
        mesh_start(&mesh, 1, argv[1], argv[2], NULL, NULL);
        start_other(&other);
        open_app(&app, "bench");
        for (int kind = 0; kind < N_KINDS; kind++) {
                samples[kind] = calloc(count, sizeof(*samples[kind]));
                if (!samples[kind]) {
                        bench_die("no memory");
                }
        }
        for (size_t i = 0; i < WARM_UP + count; i++) {
                for (int kind = 0; kind < N_KINDS; kind++) {
                        samples[kind][i < WARM_UP ? 0 : i - WARM_UP] =
                                        measure(&app, &other, (enum kind)kind, i);
                }
        }
        print(samples, count);
        for (int kind = 0; kind < N_KINDS; kind++) {
                free(samples[kind]);
        }
        bench_kill(&other.pid);
        cm_close(app.cm);
        mesh_stop(&mesh);
        return 0;
}
