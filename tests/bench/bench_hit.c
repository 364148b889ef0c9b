/* SPDX-License-Identifier: MIT */
/*
 * What a hit costs: get, read, release through libcachemesh.so against the floor (floor.h), in one
 * process, in alternating rounds. 24-byte keys, 100-byte values, one tag each (a tag for 100 keys).
 * Four ways of choosing keys, with one thread and with two. Both sides' values are read completely
 * by the caller. Measured twice: with all keys known beforehand, so that the processor works at
 * several gets at once (ratio: throughput), and with each key known only after the value before was
 * read (ratio_dependent: latency).
 *
 * The library puts large regions into huge pages, which plain malloc does not; floor_huge is the
 * same floor in huge pages, and ratio_huge compares with that one.
 *
 * Times are processor time of the thread, since the machine may be busy. Prints one JSON document;
 * ratios are what counts, medians over the rounds; and user instructions of a get, 0 where the
 * kernel does not let them be counted.
 */
#include "libcachemesh/cachemesh.h"
#include "tests/bench/floor.h"
#include "tests/bench/instructions.h"

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define KEY_LEN 24
#define VALUE_LEN 100
#define KEYS_PER_TAG 100
#define ROUNDS_MAX 31
#define THREADS 2
#define SLOTS (1u << 20)
#define BATCH 512

struct workload {
        const char *name;
        size_t n_keys;
        double zipf; /* exponent; 0: uniform */
        size_t n_ops;
};

static const struct workload workloads[] = {
                {"1k hot", 1000, 0, 2000000},
                {"10k Zipf", 10000, 0.99, 2000000},
                {"1M Zipf", 1000000, 0.99, 1000000},
                {"1M uniform", 1000000, 0, 1000000},
};

struct bench {
        struct cm *cm;
        struct cm_region *region;
        struct floor *floor;
        struct floor *floor_huge;
        char (*keys)[KEY_LEN];
        uint32_t *order[THREADS]; /* which keys, drawn beforehand */
        size_t n_ops;
};

enum kind {
        FLOOR,
        FLOOR_DEPENDENT,
        FLOOR_HUGE,
        CACHE,
        CACHE_DEPENDENT,
        N_KINDS,
};

struct run {
        const struct bench *bench;
        unsigned number;
        enum kind kind;
        pthread_barrier_t *barrier;
        uint64_t ns;
        uint64_t n_ops;
        uint64_t n_missed;
        uint64_t sum;
        bool is_counted; /* instructions, which costs time */
        uint64_t instructions;
};

static uint64_t now_ns(void)
{
        struct timespec ts;

        /* Of this thread: what else runs on the machine costs cache lines, but not time. */
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
        return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

static uint64_t next_random(uint64_t *state)
{
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        return *state;
}

static void die(const char *what)
{
        fprintf(stderr, "bench_hit: %s\n", what);
        exit(1);
}

/* Ranks by inversion of the summed weights; rank to key is a fixed shuffle, so that hot keys
 * do not lie together. */
static void draw(const struct workload *workload, uint32_t *order, uint64_t seed)
{
        size_t n = workload->n_keys;
        double *sums = malloc(n * sizeof(*sums));
        uint32_t *shuffle = malloc(n * sizeof(*shuffle));
        uint64_t fixed = 0x9e3779b97f4a7c15;
        double sum = 0;

        for (size_t i = 0; i < n; i++) {
                sum += workload->zipf > 0 ? 1 / pow((double)(i + 1), workload->zipf) : 1;
                sums[i] = sum;
                shuffle[i] = (uint32_t)i;
        }
        for (size_t i = n - 1; i > 0; i--) {
                size_t k = next_random(&fixed) % (i + 1);
                uint32_t other = shuffle[k];

                shuffle[k] = shuffle[i];
                shuffle[i] = other;
        }
        for (size_t i = 0; i < workload->n_ops; i++) {
                double x = (double)(next_random(&seed) >> 11) / (double)(1ULL << 53) * sum;
                size_t low = 0;
                size_t high = n - 1;

                while (low < high) {
                        size_t middle = (low + high) / 2;

                        if (sums[middle] < x) {
                                low = middle + 1;
                        } else {
                                high = middle;
                        }
                }
                order[i] = shuffle[low];
        }
        free(sums);
        free(shuffle);
}

static uint64_t read_all(const void *data, size_t len)
{
        const char *bytes = data;
        uint64_t sum = 0;
        uint64_t word;
        size_t i = 0;

        for (; i + sizeof(word) <= len; i += sizeof(word)) {
                memcpy(&word, bytes + i, sizeof(word));
                sum += word;
        }
        return sum + (unsigned char)bytes[len - 1];
}

/*
 * An app has just made its key, so the keys of a batch are copied into near memory before its time
 * is taken; else the first thing measured would be a cache miss of this program.
 */
struct batch {
        char keys[BATCH][KEY_LEN];
};

static void copy_keys(const struct run *run, size_t first, struct batch *batch)
{
        const uint32_t *order = run->bench->order[run->number] + first;

        for (size_t i = 0; i < BATCH; i++) {
                memcpy(batch->keys[i], run->bench->keys[order[i]], KEY_LEN);
        }
}

/* 0, but the compiler cannot know. */
static volatile uint64_t nothing;

/* Dependent: the next key is known only when the value was read, as for an app
 * that uses what it got. */
static inline __attribute__((always_inline)) void run_floor(struct run *run,
                const struct floor *floor, const struct batch *batch, bool is_dependent)
{
        uint64_t zero = nothing;
        char value[VALUE_LEN];
        uint64_t sum = 0;

        for (size_t i = 0; i < BATCH; i++) {
                const char *key = batch->keys[is_dependent ? i + (sum & zero) : i];
                long len = floor_get(floor, key, KEY_LEN, value);

                if (len < 0) {
                        run->n_missed++;
                        continue;
                }
                sum += read_all(value, (size_t)len);
        }
        run->sum += sum;
}

static inline __attribute__((always_inline)) void run_cache(
                struct run *run, const struct batch *batch, bool is_dependent)
{
        struct cm_region *region = run->bench->region;
        struct cm_value value = {0};
        uint64_t zero = nothing;
        uint64_t sum = 0;

        for (size_t i = 0; i < BATCH; i++) {
                const char *key = batch->keys[is_dependent ? i + (sum & zero) : i];

                if (cm_get(region, key, KEY_LEN, &value) != 0) {
                        run->n_missed++;
                        continue;
                }
                sum += read_all(value.data, value.len);
                cm_release(&value);
        }
        run->sum += sum;
}

static void run_batch(struct run *run, const struct batch *batch)
{
        switch (run->kind) {
        case FLOOR:
                run_floor(run, run->bench->floor, batch, false);
                break;
        case FLOOR_DEPENDENT:
                run_floor(run, run->bench->floor, batch, true);
                break;
        case FLOOR_HUGE:
                run_floor(run, run->bench->floor_huge, batch, false);
                break;
        case CACHE:
                run_cache(run, batch, false);
                break;
        case CACHE_DEPENDENT:
                run_cache(run, batch, true);
                break;
        case N_KINDS:
                break;
        }
}

static void *run_thread(void *argument)
{
        struct run *run = argument;
        int counter = run->is_counted ? instructions_open() : -1;
        struct batch batch;
        uint64_t begin_ns;
        uint64_t before;

        pthread_barrier_wait(run->barrier);
        for (size_t i = 0; i + BATCH <= run->bench->n_ops; i += BATCH) {
                copy_keys(run, i, &batch);
                before = instructions_read(counter);
                begin_ns = now_ns();
                run_batch(run, &batch);
                run->ns += now_ns() - begin_ns;
                run->instructions += instructions_read(counter) - before;
                run->n_ops += BATCH;
        }
        instructions_close(counter);
        return NULL;
}

/* Nanoseconds per operation and thread. */
static double run_threads(const struct bench *bench, enum kind kind, unsigned n_threads)
{
        pthread_t threads[THREADS];
        struct run runs[THREADS];
        pthread_barrier_t barrier;
        double ns = 0;

        pthread_barrier_init(&barrier, NULL, n_threads);
        for (unsigned i = 0; i < n_threads; i++) {
                runs[i] = (struct run){
                                .bench = bench, .number = i, .kind = kind, .barrier = &barrier};
                if (pthread_create(&threads[i], NULL, run_thread, &runs[i]) != 0) {
                        die("no thread");
                }
        }
        for (unsigned i = 0; i < n_threads; i++) {
                pthread_join(threads[i], NULL);
                if (runs[i].n_missed > 0 || runs[i].sum == 0) {
                        die("a get missed");
                }
                ns += (double)runs[i].ns / (double)runs[i].n_ops / n_threads;
        }
        pthread_barrier_destroy(&barrier);
        return ns;
}

/* User instructions per operation; 0 if they cannot be counted here. */
static double count_instructions(const struct bench *bench, enum kind kind)
{
        pthread_barrier_t barrier;
        struct run run = {.bench = bench, .kind = kind, .barrier = &barrier, .is_counted = true};

        pthread_barrier_init(&barrier, NULL, 1);
        run_thread(&run);
        pthread_barrier_destroy(&barrier);
        return (double)run.instructions / (double)run.n_ops;
}

/* Every slot that is read was written: untouched memory is one page of zeros, and too fast. */
static void touch_page(struct bench *bench, size_t n_keys)
{
        char tag[32];

        for (size_t i = 0; i < n_keys; i++) {
                int tag_len = snprintf(tag, sizeof(tag), "tag-%zu", i / KEYS_PER_TAG);

                snprintf(bench->keys[i], KEY_LEN, "user:profile:%010u", (unsigned)i);
                if (cm_invalidate(bench->region, bench->keys[i], KEY_LEN, CM_WAIT_NODE, NULL) !=
                                                0 ||
                                cm_invalidate_tag(bench->region, tag, (size_t)tag_len, CM_WAIT_NODE,
                                                NULL) != 0) {
                        die("cannot invalidate");
                }
        }
}

static void fill(struct bench *bench, size_t n_keys)
{
        char value[VALUE_LEN];
        char tag[32];

        for (size_t i = 0; i < n_keys; i++) {
                int tag_len = snprintf(tag, sizeof(tag), "tag-%zu", i / KEYS_PER_TAG);
                struct cm_bytes tags = {tag, (size_t)tag_len};
                struct cm_put_options options = {
                                .size = sizeof(options), .tags = &tags, .n_tags = 1};

                memset(value, (int)('a' + i % 26), sizeof(value));
                memcpy(value, &i, sizeof(i));
                if (cm_put(bench->region, bench->keys[i], KEY_LEN, value, VALUE_LEN,
                                    cm_token(bench->cm), &options) != 0 ||
                                floor_put(bench->floor, bench->keys[i], KEY_LEN, tag,
                                                (size_t)tag_len, value, VALUE_LEN) != 0 ||
                                floor_put(bench->floor_huge, bench->keys[i], KEY_LEN, tag,
                                                (size_t)tag_len, value, VALUE_LEN) != 0) {
                        die("cannot fill the cache");
                }
        }
}

static void open_bench(struct bench *bench, const struct workload *workload)
{
        struct cm_options options = {.size = sizeof(options), .flags = CM_OPEN_STANDALONE};
        struct cm_region_options region = {
                        .size = sizeof(region), .budget_bytes = 64 << 20 | workload->n_keys * 512};

        if (cm_open(&bench->cm, &options) != 0 ||
                        cm_region_open(&bench->region, bench->cm, "bench", &region) != 0) {
                die("cannot open");
        }
        bench->floor = floor_new(workload->n_keys, SLOTS, false);
        bench->floor_huge = floor_new(workload->n_keys, SLOTS, true);
        bench->keys = malloc(workload->n_keys * KEY_LEN);
        bench->n_ops = workload->n_ops;
        for (unsigned i = 0; i < THREADS; i++) {
                bench->order[i] = malloc(workload->n_ops * sizeof(uint32_t));
                draw(workload, bench->order[i], 88172645463325252u + i);
        }
        touch_page(bench, workload->n_keys);
        fill(bench, workload->n_keys);
}

static void close_bench(struct bench *bench)
{
        cm_close(bench->cm);
        floor_free(bench->floor);
        floor_free(bench->floor_huge);
        free(bench->keys);
        for (unsigned i = 0; i < THREADS; i++) {
                free(bench->order[i]);
        }
}

static int compare(const void *a, const void *b)
{
        double left = *(const double *)a;
        double right = *(const double *)b;

        return left < right ? -1 : left > right;
}

static double print_figure(const char *name, double *samples, unsigned n, bool is_last)
{
        qsort(samples, n, sizeof(*samples), compare);
        printf("     \"%s\": {\"median\": %.3f, \"min\": %.3f, \"max\": %.3f}%s\n", name,
                        samples[n / 2], samples[0], samples[n - 1], is_last ? "" : ",");
        return samples[n / 2];
}

static void measure(const struct workload *workload, unsigned n_rounds, bool is_last)
{
        double ns[N_KINDS][ROUNDS_MAX];
        double two_ns[ROUNDS_MAX];
        double ratio[ROUNDS_MAX];
        double ratio_huge[ROUNDS_MAX];
        double dependent[ROUNDS_MAX];
        double scale[ROUNDS_MAX];
        struct bench bench = {0};

        open_bench(&bench, workload);
        run_threads(&bench, FLOOR, 1);
        run_threads(&bench, CACHE, 1);
        for (unsigned i = 0; i < n_rounds; i++) {
                for (unsigned kind = FLOOR; kind < N_KINDS; kind++) {
                        ns[kind][i] = run_threads(&bench, (enum kind)kind, 1);
                }
                two_ns[i] = run_threads(&bench, CACHE, 2);
                ratio[i] = ns[CACHE][i] / ns[FLOOR][i];
                ratio_huge[i] = ns[CACHE][i] / ns[FLOOR_HUGE][i];
                dependent[i] = ns[CACHE_DEPENDENT][i] / ns[FLOOR_DEPENDENT][i];
                scale[i] = 2 * ns[CACHE][i] / two_ns[i];
        }
        printf("    {\"keys\": \"%s\",\n", workload->name);
        printf("     \"floor_instructions\": %.1f,\n", count_instructions(&bench, FLOOR));
        printf("     \"hit_instructions\": %.1f,\n", count_instructions(&bench, CACHE));
        print_figure("floor_ns", ns[FLOOR], n_rounds, false);
        print_figure("hit_ns", ns[CACHE], n_rounds, false);
        print_figure("ratio", ratio, n_rounds, false);
        print_figure("floor_huge_ns", ns[FLOOR_HUGE], n_rounds, false);
        print_figure("ratio_huge", ratio_huge, n_rounds, false);
        print_figure("floor_dependent_ns", ns[FLOOR_DEPENDENT], n_rounds, false);
        print_figure("hit_dependent_ns", ns[CACHE_DEPENDENT], n_rounds, false);
        print_figure("ratio_dependent", dependent, n_rounds, false);
        print_figure("hit_two_threads_ns", two_ns, n_rounds, false);
        print_figure("two_threads_over_one", scale, n_rounds, true);
        printf("    }%s\n", is_last ? "" : ",");
        fflush(stdout);
        close_bench(&bench);
}

/* For a test of this program: fewer keys and gets, whose figures mean nothing. */
static struct workload reduce(struct workload workload, size_t by)
{
        workload.n_keys = workload.n_keys / by + 100;
        workload.n_ops = workload.n_ops / by + 100;
        return workload;
}

int main(int argc, char **argv)
{
        unsigned n = sizeof(workloads) / sizeof(workloads[0]);
        unsigned n_rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 7;
        unsigned by = argc > 2 ? (unsigned)atoi(argv[2]) : 0;

        if (n_rounds < 1 || n_rounds > ROUNDS_MAX || (argc > 2 && by < 1)) {
                fprintf(stderr, "usage: bench_hit [ROUNDS [REDUCE_BY]]   (1 to %d rounds)\n",
                                ROUNDS_MAX);
                return 2;
        }
        printf("{\n  \"schema\": \"cachemesh.bench.hit.v1\",\n  \"rounds\": %u,\n  \"runs\": [\n",
                        n_rounds);
        for (unsigned i = 0; i < n; i++) {
                struct workload workload = by ? reduce(workloads[i], by) : workloads[i];

                measure(&workload, n_rounds, i + 1 == n);
        }
        printf("  ]\n}\n");
        return 0;
}
