/* SPDX-License-Identifier: MIT */
/*
 * All operations at once from several threads, on few keys and a small budget, with memory that is
 * poisoned when it is given back: a reader of a freed entry sees it, and so do the sanitizers. Each
 * value repeats its key's number and a checksum.
 */
#include "tests/libcachemesh/fixture.h"

#include <errno.h>
#include <string.h>

#define THREADS 4
#define KEYS 3000
#define PINS 100
#define LARGE 30000 /* nearly half a chunk of MOVING_BUDGET */
#define MOVING_BUDGET ((size_t)1 << 20)

static _Atomic bool is_over;
static _Atomic uint64_t n_torn;
static _Atomic uint64_t n_checked;
static _Atomic int64_t n_allocated;
static _Atomic uint32_t n_made;
static _Atomic uint64_t n_moved;

static void *poison_allocate(void *userdata, size_t alignment, size_t size)
{
        void *memory = aligned_alloc(alignment, (size + alignment - 1) & ~(alignment - 1));

        atomic_fetch_add(&n_allocated, (int64_t)size);
        return memory;
}

static void poison_deallocate(void *userdata, void *memory, size_t size)
{
        memset(memory, 0xdd, size);
        atomic_fetch_sub(&n_allocated, (int64_t)size);
        free(memory);
}

struct content {
        uint32_t number;
        uint32_t len;
        uint32_t serial; /* no two are the same */
        unsigned char bytes[LARGE];
};

static size_t fill(struct content *content, uint32_t number, uint32_t len)
{
        content->number = number;
        content->len = len;
        content->serial = atomic_fetch_add(&n_made, 1);
        memset(content->bytes, (int)(number % 200), len);
        return offsetof(struct content, bytes) + len;
}

static void check(const struct cm_value *value, uint32_t number)
{
        const struct content *content = value->data;
        bool is_whole = content->number == number &&
                        value->len == offsetof(struct content, bytes) + content->len;

        for (uint32_t i = 0; is_whole && i < content->len; i++) {
                is_whole = content->bytes[i] == number % 200;
        }
        atomic_fetch_add(&n_checked, 1);
        if (!is_whole) {
                atomic_fetch_add(&n_torn, 1);
        }
}

struct worker {
        struct fixture *fixture;
        GRand *random;
        struct cm_value pins[PINS];
        uint32_t numbers[PINS];
};

static void put(struct worker *worker, const char *key, size_t len, uint32_t number, gint32 largest)
{
        char tag[8];
        struct cm_bytes tags = {tag, (size_t)g_snprintf(tag, sizeof(tag), "t%u", number % 50)};
        struct cm_put_options options = {.size = sizeof(options), .tags = &tags, .n_tags = 1};
        struct content content;

        cm_put(worker->fixture->region, key, len, &content,
                        fill(&content, number,
                                        (uint32_t)g_rand_int_range(worker->random, 0, largest)),
                        cm_token(worker->fixture->cm), &options);
}

static int load(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        struct content content;
        uint32_t number = *(uint32_t *)userdata;

        if (number % 7 == 0) {
                return -EIO;
        }
        return cm_load_set_value(load, &content, fill(&content, number, number % 300));
}

static void step(struct worker *worker)
{
        struct cm_region *region = worker->fixture->region;
        unsigned place = (unsigned)g_rand_int_range(worker->random, 0, PINS);
        uint32_t number = (uint32_t)g_rand_int_range(worker->random, 0, KEYS);
        struct cm_value *value = &worker->pins[place];
        char key[16];
        size_t len = (size_t)g_snprintf(key, sizeof(key), "key%u", number);
        int what = g_rand_int_range(worker->random, 0, 1000);

        if (value->data) {
                check(value, worker->numbers[place]);
                cm_release(value);
        }
        worker->numbers[place] = number;
        if (what < 500) {
                if (cm_get(region, key, len, value) == 0) {
                        check(value, number);
                }
        } else if (what < 800) {
                put(worker, key, len, number, 400);
        } else if (what < 900) {
                cm_get_or_load(region, key, len, load, &number, value);
        } else if (what < 990) {
                cm_invalidate(region, key, len, CM_WAIT_NONE, NULL);
        } else if (what < 998) {
                key[0] = 't';
                cm_invalidate_tag(region, key,
                                1 + (size_t)g_snprintf(key + 1, 8, "%u", number % 50), CM_WAIT_NONE,
                                NULL);
        } else if (what < 999) {
                cm_invalidate_region(region, CM_WAIT_NONE, NULL);
        } else {
                cm_region_clear(region);
        }
}

static void *work(void *data)
{
        struct worker *worker = data;

        while (!atomic_load(&is_over)) {
                step(worker);
        }
        for (unsigned i = 0; i < PINS; i++) {
                if (worker->pins[i].data) {
                        check(&worker->pins[i], worker->numbers[i]);
                        cm_release(&worker->pins[i]);
                }
        }
        return NULL;
}

/* Comes, pins, and goes, for records that change hands. */
static void *visit(void *data)
{
        struct worker *worker = data;

        for (int i = 0; i < 20; i++) {
                step(worker);
        }
        for (unsigned i = 0; i < PINS; i++) {
                cm_release(&worker->pins[i]);
        }
        return NULL;
}

static void nothing_freed_is_ever_read(void)
{
        struct cm_options options = {
                        .size = sizeof(options),
                        .flags = CM_OPEN_STANDALONE,
                        .allocator = {poison_allocate, poison_deallocate, NULL},
        };
        struct cm_region_options small = {.size = sizeof(small), .budget_bytes = 256 << 10};
        struct fixture f = {NULL, NULL};
        g_autofree struct worker *workers = g_new0(struct worker, THREADS + 1);
        GThread *threads[THREADS];
        gint64 end = g_get_monotonic_time() + 4 * G_USEC_PER_SEC;
        struct cm_region_stats stats = {.size = sizeof(stats)};

        g_assert_cmpint(cm_open(&f.cm, &options), ==, 0);
        g_assert_cmpint(cm_region_open(&f.region, f.cm, "region", &small), ==, 0);
        for (unsigned i = 0; i <= THREADS; i++) {
                workers[i].fixture = &f;
                workers[i].random = g_rand_new_with_seed((guint32)g_test_rand_int());
                if (i < THREADS) {
                        threads[i] = g_thread_new("worker", work, &workers[i]);
                }
        }
        while (g_get_monotonic_time() < end) {
                g_thread_join(g_thread_new("visitor", visit, &workers[THREADS]));
                g_assert_cmpint(cm_region_stats(f.region, &stats), ==, 0);
                g_assert_cmpuint(stats.bytes, <=, stats.budget_bytes + 16384);
        }
        atomic_store(&is_over, true);
        for (unsigned i = 0; i < THREADS; i++) {
                g_thread_join(threads[i]);
        }
        cm_region_stats(f.region, &stats);
        g_test_message("%" G_GUINT64_FORMAT " values checked, %" G_GUINT64_FORMAT
                       " hits, %" G_GUINT64_FORMAT " puts, %" G_GUINT64_FORMAT " evicted",
                        n_checked, stats.n_hits, stats.n_puts, stats.n_evicted);
        g_assert_cmpuint(n_torn, ==, 0);
        g_assert_cmpuint(stats.n_hits, >, 0);
        g_assert_cmpuint(stats.n_evicted, >, 0);
        g_assert_cmpuint(stats.n_pinned, ==, 0);
        for (unsigned i = 0; i <= THREADS; i++) {
                g_rand_free(workers[i].random);
        }
        fixture_close(&f);
        g_assert_cmpint(n_allocated, ==, 0);
}

/* The same value at another address was moved. */
static void look(const struct cm_value *value, const void **address, uint32_t *serial)
{
        const struct content *content = value->data;

        if (*serial == content->serial && *address != content) {
                atomic_fetch_add(&n_moved, 1);
        }
        *serial = content->serial;
        *address = content;
}

static void *get_and_put(void *data)
{
        struct worker *worker = data;
        const void **addresses = g_new0(const void *, KEYS);
        uint32_t *serials = g_new0(uint32_t, KEYS);

        while (!atomic_load(&is_over)) {
                uint32_t number = (uint32_t)g_rand_int_range(worker->random, 0, KEYS);
                struct cm_value value = {0};
                char key[16];
                size_t len = (size_t)g_snprintf(key, sizeof(key), "key%u", number);

                if (cm_get(worker->fixture->region, key, len, &value) == 0) {
                        look(&value, &addresses[number], &serials[number]);
                        g_thread_yield();
                        check(&value, number);
                        cm_release(&value);
                } else {
                        put(worker, key, len, number, number % 50 ? 400 : LARGE);
                }
        }
        g_free((void *)addresses);
        g_free(serials);
        return NULL;
}

static void what_is_moved_stays_readable_where_it_was(void)
{
        struct cm_options options = {
                        .size = sizeof(options),
                        .flags = CM_OPEN_STANDALONE,
                        .allocator = {poison_allocate, poison_deallocate, NULL},
        };
        struct cm_region_options budget = {.size = sizeof(budget), .budget_bytes = MOVING_BUDGET};
        struct fixture f = {NULL, NULL};
        g_autofree struct worker *workers = g_new0(struct worker, THREADS);
        GThread *threads[THREADS];
        gint64 end = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;

        atomic_store(&is_over, false);
        g_assert_cmpint(cm_open(&f.cm, &options), ==, 0);
        g_assert_cmpint(cm_region_open(&f.region, f.cm, "region", &budget), ==, 0);
        for (unsigned i = 0; i < THREADS; i++) {
                workers[i].fixture = &f;
                workers[i].random = g_rand_new_with_seed((guint32)g_test_rand_int());
                threads[i] = g_thread_new("worker", get_and_put, &workers[i]);
        }
        while (atomic_load(&n_moved) < 1000 && g_get_monotonic_time() < end) {
                g_thread_yield();
        }
        atomic_store(&is_over, true);
        for (unsigned i = 0; i < THREADS; i++) {
                g_thread_join(threads[i]);
                g_rand_free(workers[i].random);
        }
        g_test_message("%" G_GUINT64_FORMAT " values seen to have moved", n_moved);
        g_assert_cmpuint(n_moved, >=, 1000);
        g_assert_cmpuint(n_torn, ==, 0);
        fixture_close(&f);
        g_assert_cmpint(n_allocated, ==, 0);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/stress/poison", nothing_freed_is_ever_read);
        g_test_add_func("/stress/moved", what_is_moved_stays_readable_where_it_was);
        return g_test_run();
}
