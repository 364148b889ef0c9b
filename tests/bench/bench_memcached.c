/* SPDX-License-Identifier: MIT */
/*
 * A hit in the process's own cache against a GET of memcached on a Unix socket, in one process, in
 * alternating slices that are too short to be interrupted often, of which the median counts:
 * 24-byte keys, 100-byte values, keys drawn beforehand, Zipf with exponent 0.99. One request at a
 * time, as code that needs the value asks.
 */
#include "libcachemesh/cachemesh.h"
#include "tests/bench/bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEY_LEN 24
#define KEY_SIZE 40 /* of the text that is made */
#define VALUE_LEN 100
#define ZIPF 0.99
#define ROUNDS 5
#define SLICES 101 /* of each kind and round */
#define HITS_PER_GET 100
#define FILL_AT_ONCE 256

struct bench {
        int fd;
        struct cm *cm;
        struct cm_region *region;
        char (*keys)[KEY_SIZE];
        size_t n_keys;
        uint32_t *order; /* which keys, drawn beforehand */
        size_t n_order;
};

/* A number from 0 to below 1; the same ones in each run. */
static double next_random(uint64_t *state)
{
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        return (double)(*state >> 11) / (double)(UINT64_C(1) << 53);
}

/* Frequent keys are spread over all: their number is hashed, else they would lie side by side. */
static void draw(struct bench *bench)
{
        double *sums = calloc(bench->n_keys, sizeof(*sums));
        uint64_t state = UINT64_C(0x9e3779b97f4a7c15);
        double sum = 0;

        for (size_t i = 0; i < bench->n_keys; i++) {
                sum += pow((double)(i + 1), -ZIPF);
                sums[i] = sum;
        }
        for (size_t n = 0; n < bench->n_order; n++) {
                double wanted = next_random(&state) * sum;
                size_t low = 0;
                size_t high = bench->n_keys - 1;

                while (low < high) {
                        size_t middle = (low + high) / 2;

                        if (sums[middle] < wanted) {
                                low = middle + 1;
                        } else {
                                high = middle;
                        }
                }
                bench->order[n] = (uint32_t)(low * UINT64_C(2654435761) % bench->n_keys);
        }
        free(sums);
}

static void send_all(int fd, const char *text, size_t len)
{
        for (size_t at = 0; at < len;) {
                ssize_t n = send(fd, text + at, len - at, MSG_NOSIGNAL);

                if (n < 0) {
                        bench_die("memcached: %m");
                }
                at += (size_t)n;
        }
}

/* Read until the text that ends an answer. */
static size_t read_until(int fd, char *text, size_t size, const char *end)
{
        size_t len = 0;
        size_t end_len = strlen(end);

        while (len < end_len || memcmp(text + len - end_len, end, end_len) != 0) {
                ssize_t n = recv(fd, text + len, size - len, 0);

                if (n <= 0) {
                        bench_die("memcached: an answer without %s", end);
                }
                len += (size_t)n;
        }
        return len;
}

static void fill_memcached(const struct bench *bench)
{
        static char text[FILL_AT_ONCE * (VALUE_LEN + 64)];
        char value[VALUE_LEN + 1];

        memset(value, 'v', VALUE_LEN);
        value[VALUE_LEN] = '\0';
        for (size_t i = 0; i < bench->n_keys;) {
                size_t len = 0;

                for (size_t n = 0; n < FILL_AT_ONCE && i < bench->n_keys; n++, i++) {
                        int is_last = n + 1 == FILL_AT_ONCE || i + 1 == bench->n_keys;

                        len += (size_t)snprintf(text + len, sizeof(text) - len,
                                        "set %s 0 0 %d%s\r\n%s\r\n", bench->keys[i], VALUE_LEN,
                                        is_last ? "" : " noreply", value);
                }
                send_all(bench->fd, text, len);
                read_until(bench->fd, text, sizeof(text), "STORED\r\n");
        }
}

static void fill_cache(struct bench *bench)
{
        struct cm_options options = {.size = sizeof(options), .flags = CM_OPEN_STANDALONE};
        struct cm_region_options region = {.size = sizeof(region), .budget_bytes = 1u << 30};
        char value[VALUE_LEN];
        int r = cm_open(&bench->cm, &options);

        memset(value, 'v', VALUE_LEN);
        r = r == 0 ? cm_region_open(&bench->region, bench->cm, "bench", &region) : r;
        for (size_t i = 0; r == 0 && i < bench->n_keys; i++) {
                r = cm_put(bench->region, bench->keys[i], KEY_LEN, value, VALUE_LEN,
                                cm_token(bench->cm), NULL);
        }
        if (r != 0) {
                bench_die("libcachemesh: %s", cm_strerror(r));
        }
}

static double time_memcached(const struct bench *bench, size_t first, size_t n)
{
        uint64_t begin_ns = bench_now_ns();
        char text[VALUE_LEN + 256];

        for (size_t i = 0; i < n; i++) {
                size_t len = (size_t)snprintf(text, sizeof(text), "get %s\r\n",
                                bench->keys[bench->order[first + i]]);

                send_all(bench->fd, text, len);
                if (read_until(bench->fd, text, sizeof(text), "END\r\n") < VALUE_LEN) {
                        bench_die("memcached has lost a key: give it more memory");
                }
        }
        return (double)(bench_now_ns() - begin_ns) / (double)n;
}

static double time_cache(const struct bench *bench, size_t first, size_t n)
{
        uint64_t begin_ns = bench_now_ns();
        char copy[VALUE_LEN];
        uint64_t sum = 0;

        for (size_t i = 0; i < n; i++) {
                struct cm_value value = {0};

                if (cm_get(bench->region, bench->keys[bench->order[first + i]], KEY_LEN, &value) !=
                                0) {
                        bench_die("the cache has lost a key");
                }
                memcpy(copy, value.data, VALUE_LEN);
                sum += (uint64_t)copy[i % VALUE_LEN];
                cm_release(&value);
        }
        if (sum != n * (uint64_t)'v') {
                bench_die("wrong values");
        }
        return (double)(bench_now_ns() - begin_ns) / (double)n;
}

static int compare(const void *a, const void *b)
{
        double x = *(const double *)a;
        double y = *(const double *)b;

        return (x > y) - (x < y);
}

static double median(double *samples, size_t n)
{
        qsort(samples, n, sizeof(*samples), compare);
        return samples[n / 2];
}

static void run(const struct bench *bench, size_t n_gets, double *ret_get_ns, double *ret_hit_ns)
{
        double get_ns[SLICES];
        double hit_ns[SLICES];
        size_t n_hits = HITS_PER_GET * n_gets;

        for (size_t i = 0; i < SLICES; i++) {
                get_ns[i] = time_memcached(bench, i * n_gets, n_gets);
                hit_ns[i] = time_cache(bench, i * n_hits, n_hits);
        }
        *ret_get_ns = median(get_ns, SLICES);
        *ret_hit_ns = median(hit_ns, SLICES);
}

int main(int argc, char **argv)
{
        struct bench bench = {0};
        size_t n_gets = argc > 3 ? (size_t)atol(argv[3]) : 200;

        bench_start();
        bench.n_keys = argc > 2 ? (size_t)atol(argv[2]) : 0;
        if (bench.n_keys == 0 || n_gets == 0) {
                bench_die("usage: bench_memcached SOCKET KEYS [GETS OF A SLICE]");
        }
        bench.fd = bench_connect_unix(argv[1]);
        bench.keys = calloc(bench.n_keys, sizeof(*bench.keys));
        bench.n_order = SLICES * HITS_PER_GET * n_gets;
        bench.order = calloc(bench.n_order, sizeof(*bench.order));
        if (!bench.keys || !bench.order) {
                bench_die("no memory");
        }
        draw(&bench);
        for (size_t i = 0; i < bench.n_keys; i++) {
                snprintf(bench.keys[i], sizeof(bench.keys[i]), "user:profile:%011zu", i);
        }
        fill_memcached(&bench);
        fill_cache(&bench);
        time_cache(&bench, 0, bench.n_order);
        printf("[");
        for (int i = 0; i < ROUNDS; i++) {
                double get_ns;
                double hit_ns;

                run(&bench, n_gets, &get_ns, &hit_ns);
                printf("%s{\"keys\": %zu, \"memcached_ns\": %.0f, \"hit_ns\": %.1f, "
                       "\"ratio\": %.1f}",
                                i ? ",\n " : "", bench.n_keys, get_ns, hit_ns, get_ns / hit_ns);
        }
        printf("]\n");
        cm_close(bench.cm);
        free(bench.keys);
        free(bench.order);
        return 0;
}
