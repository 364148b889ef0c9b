/* SPDX-License-Identifier: MIT */
#include "tests/e2e/app.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 16
#define NAP_NS 200000
#define SAMPLES 32 /* in the time after which something is late */

/* Between two looks at something that another process changes. */
static void nap(void)
{
        nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
}

static bool is_hit(struct cm_region *region, const char *key)
{
        struct cm_value value = {0};
        int r = cm_get(region, key, strlen(key), &value);

        cm_release(&value);
        return r == 0;
}

/* last-hit REGION KEY MS|FILE: ask all the time, for so long or until there is such a file; when
 * was the last hit begun? */
void app_last_hit(struct app *app, char **words)
{
        struct cm_region *region = app_region(app, words[1]);
        const char *file = words[3][0] == '%' ? app_path(words[3]) : NULL;
        uint64_t end_ns = app_now_ns() +
                          (file ? APP_LIMIT_NS : strtoul(words[3], NULL, 10) * 1000000u);
        uint64_t last_ns = 0, n_hits = 0, n_misses = 0, now_ns;

        while ((now_ns = app_now_ns()) < end_ns && !(file && access(file, F_OK) == 0)) {
                if (is_hit(region, words[2])) {
                        last_ns = now_ns;
                        n_hits++;
                } else {
                        n_misses++;
                        nap();
                }
        }
        printf("last_hit_ns=%lu hits=%lu misses=%lu", last_ns, n_hits, n_misses);
}

/* await FILE: until there is one */
void app_await(struct app *app, char **words)
{
        const char *file = app_path(words[1]);
        uint64_t end_ns = app_now_ns() + APP_LIMIT_NS;
        int r;

        while ((r = access(file, F_OK)) < 0 && app_now_ns() < end_ns) {
                nap();
        }
        printf("rc=%d", r);
}

/* until REGION KEY hit|miss|stored MS: the deadline is the test's; stored: store it
 * again until it is a hit */
void app_until(struct app *app, char **words)
{
        struct cm_region *region = app_region(app, words[1]);
        uint64_t began_ns = app_now_ns();
        uint64_t end_ns = began_ns + strtoul(words[4], NULL, 10) * 1000000u;
        bool is_stored = strcmp(words[3], "stored") == 0;
        bool wanted = is_stored || strcmp(words[3], "hit") == 0;
        bool is_so;

        while ((is_so = is_hit(region, words[2])) != wanted && app_now_ns() < end_ns) {
                if (is_stored) {
                        cm_put(region, words[2], strlen(words[2]), "again", 5, cm_token(app->cm),
                                        NULL);
                }
                nap();
        }
        printf("rc=%d ms=%.1f", is_so == wanted ? 0 : 1, (double)(app_now_ns() - began_ns) / 1e6);
}

/* Invalidations one after the other, in a thread. */
static struct {
        pthread_t thread;
        struct cm_region *region;
        char prefix[64];
        enum cm_wait wait;
        _Atomic bool is_ending;
        uint64_t n;
        struct app_tally tally;
} pump;

static void *pump_run(void *unused)
{
        char key[128];

        while (!atomic_load(&pump.is_ending)) {
                int len = snprintf(key, sizeof(key), "%s%lu", pump.prefix, pump.n++);
                uint64_t began_ns = app_now_ns();

                app_tally_add(&pump.tally,
                                cm_invalidate(pump.region, key, (size_t)len, pump.wait, NULL),
                                began_ns);
                nap();
        }
        return unused;
}

/* pump-start REGION PREFIX WAIT */
void app_pump_start(struct app *app, char **words)
{
        memset(&pump, 0, sizeof(pump));
        pump.region = app_region(app, words[1]);
        snprintf(pump.prefix, sizeof(pump.prefix), "%s", words[2]);
        pump.wait = app_wait(words[3]);
        printf("rc=%d", pthread_create(&pump.thread, NULL, pump_run, NULL));
}

void app_pump_stop(struct app *app, char **words)
{
        atomic_store(&pump.is_ending, true);
        pthread_join(pump.thread, NULL);
        printf("n=%lu ", pump.n);
        app_tally_print(&pump.tally);
}

/*
 * mix: threads that read through the cache and change rows of the database, each change announced.
 * A read is stale if it returns an older version than one whose invalidation had returned before
 * the read began: done everywhere, or with any outcome in this process. It is late if it returns an
 * older one than was in a stream a lease, and a little, before: by then it has arrived, or its
 * origin is silent and the lease is over.
 */
struct mix {
        struct app *app;
        struct cm_region *region;
        unsigned n_rows;
        const char *wait; /* or "any": another one each time */
        uint64_t end_ns;
        uint64_t late_ns; /* 0: nothing is late */
        bool is_load;     /* with a loader, whose results the node's processes share */
};

struct mixer {
        const struct mix *mix;
        bool is_reader; /* only: a write may wait, and what is not read is not judged */
        uint64_t random;
        uint64_t n_hits;
        uint64_t n_misses;
        uint64_t n_stale;
        uint64_t n_stale_here;
        uint64_t n_late;
        struct app_tally reads;
        struct app_tally writes;
};

static uint64_t draw(struct mixer *mixer)
{
        mixer->random ^= mixer->random << 13;
        mixer->random ^= mixer->random >> 7;
        mixer->random ^= mixer->random << 17;
        return mixer->random;
}

static void raise_to(_Atomic uint64_t *value, uint64_t wanted)
{
        uint64_t seen = atomic_load(value);

        while (seen < wanted && !atomic_compare_exchange_weak(value, &seen, wanted)) {
        }
}

static int row_key(char key[32], unsigned row)
{
        return snprintf(key, 32, "row%u", row);
}

/* What a read returned against what it must at least be. */
static void judge(struct mixer *mixer, struct cm_value *value, const uint64_t at_least[3])
{
        uint64_t version;

        memcpy(&version, value->data, sizeof(version));
        mixer->n_hits++;
        mixer->n_stale += version < at_least[0];
        mixer->n_stale_here += version < at_least[1];
        mixer->n_late += version < at_least[2];
        cm_release(value);
}

struct row_load {
        const struct app_row *row;
        bool is_run;
};

static int load_row(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        struct row_load *row_load = userdata;
        uint64_t version = atomic_load(&row_load->row->version);

        row_load->is_run = true;
        sched_yield(); /* a load takes a while */
        return cm_load_set_value(load, &version, sizeof(version));
}

/* Through a loader: what another thread or process has loaded is judged, too. */
static void mix_load(struct mixer *mixer, unsigned row)
{
        struct app *app = mixer->mix->app;
        uint64_t at_least[3] = {atomic_load(&app->rows[row].done), atomic_load(&app->own_done[row]),
                        atomic_load(&app->due[row])};
        struct row_load row_load = {.row = &app->rows[row]};
        uint64_t began_ns = app_now_ns();
        struct cm_value value = {0};
        char key[32];
        int len = row_key(key, row);
        int r = cm_get_or_load(mixer->mix->region, key, (size_t)len, load_row, &row_load, &value);

        app_tally_add(&mixer->reads, r, began_ns);
        mixer->n_misses += row_load.is_run;
        if (r == 0) {
                judge(mixer, &value, at_least);
        }
}

static void mix_read(struct mixer *mixer, unsigned row)
{
        struct app *app = mixer->mix->app;
        uint64_t at_least[3] = {atomic_load(&app->rows[row].done), atomic_load(&app->own_done[row]),
                        atomic_load(&app->due[row])};
        uint64_t began_ns = app_now_ns(), version;
        struct cm_value value = {0};
        char key[32];
        int len = row_key(key, row);
        int r = cm_get(mixer->mix->region, key, (size_t)len, &value);

        app_tally_add(&mixer->reads, r, began_ns);
        if (r == CM_MISS) {
                mixer->n_misses++;
                version = atomic_load(&app->rows[row].version);
                sched_yield(); /* a load takes a while */
                cm_put(mixer->mix->region, key, (size_t)len, &version, sizeof(version), value.token,
                                NULL);
                return;
        }
        if (r == 0) {
                judge(mixer, &value, at_least);
        }
}

static enum cm_wait draw_wait(struct mixer *mixer)
{
        static const enum cm_wait waits[] = {CM_WAIT_NONE, CM_WAIT_NODE, CM_WAIT_MESH};
        const char *word = mixer->mix->wait;

        return strcmp(word, "any") == 0 ? waits[(draw(mixer) >> 16) % 3] : app_wait(word);
}

/* Without a wait the outcome says only that it was handed over. */
static bool is_in_stream(enum cm_wait wait, int outcome)
{
        return wait != CM_WAIT_NONE &&
               (outcome == 0 || outcome == CM_PARTIAL || outcome == CM_E_TIMEOUT);
}

static void mix_write(struct mixer *mixer, unsigned row)
{
        struct app *app = mixer->mix->app;
        enum cm_wait wait = draw_wait(mixer);
        uint64_t version = atomic_fetch_add(&app->rows[row].version, 1) + 1;
        uint64_t began_ns = app_now_ns();
        char key[32];
        int len = row_key(key, row);
        int r = cm_invalidate(mixer->mix->region, key, (size_t)len, wait, NULL);

        app_tally_add(&mixer->writes, r, began_ns);
        if (r >= 0 || r == CM_E_TIMEOUT) {
                raise_to(&app->own_done[row], version);
        }
        if (is_in_stream(wait, r)) {
                raise_to(&app->rows[row].published, version);
        }
        if (r == 0 && wait == CM_WAIT_MESH) {
                raise_to(&app->rows[row].done, version);
        }
}

static void *mix_run(void *argument)
{
        struct mixer *mixer = argument;

        while (app_now_ns() < mixer->mix->end_ns) {
                uint64_t number = draw(mixer);
                unsigned row = (unsigned)(number >> 16) % mixer->mix->n_rows;

                if (number % 64 == 0 && !mixer->is_reader) {
                        mix_write(mixer, row);
                } else if (mixer->mix->is_load) {
                        mix_load(mixer, row);
                } else {
                        mix_read(mixer, row);
                }
        }
        return NULL;
}

/* What was published when, as it was seen; the time is from after the look. */
struct sample {
        uint64_t at_ns;
        uint64_t published[APP_ROWS];
};

static void take_sample(const struct mix *mix, struct sample *sample)
{
        for (unsigned row = 0; row < mix->n_rows; row++) {
                sample->published[row] = atomic_load(&mix->app->rows[row].published);
        }
        sample->at_ns = app_now_ns();
}

static void *sampler_run(void *argument)
{
        const struct mix *mix = argument;
        static struct sample samples[SAMPLES];
        uint64_t n = 0, next_due = 0;

        while (app_now_ns() < mix->end_ns) {
                if (n < next_due + SAMPLES) {
                        take_sample(mix, &samples[n++ % SAMPLES]);
                }
                for (; next_due < n &&
                                samples[next_due % SAMPLES].at_ns + mix->late_ns < app_now_ns();
                                next_due++) {
                        for (unsigned row = 0; row < mix->n_rows; row++) {
                                raise_to(&mix->app->due[row],
                                                samples[next_due % SAMPLES].published[row]);
                        }
                }
                nanosleep(&(struct timespec){.tv_nsec = (long)(mix->late_ns / SAMPLES)}, NULL);
        }
        return NULL;
}

static void add_mixer(struct mixer *sum, const struct mixer *mixer)
{
        const struct app_tally *from[] = {&mixer->reads, &mixer->writes};
        struct app_tally *to[] = {&sum->reads, &sum->writes};

        sum->n_hits += mixer->n_hits;
        sum->n_misses += mixer->n_misses;
        sum->n_stale += mixer->n_stale;
        sum->n_stale_here += mixer->n_stale_here;
        sum->n_late += mixer->n_late;
        for (int i = 0; i < 2; i++) {
                for (int j = 0; j <= CM_PARTIAL; j++) {
                        to[i]->n_by_outcome[j] += from[i]->n_by_outcome[j];
                }
                to[i]->n_timeouts += from[i]->n_timeouts;
                to[i]->n_errors += from[i]->n_errors;
                to[i]->last_error = from[i]->last_error ? from[i]->last_error : to[i]->last_error;
                if (from[i]->longest_ns > to[i]->longest_ns) {
                        to[i]->longest_ns = from[i]->longest_ns;
                }
        }
}

/* mix REGION THREADS ROWS WAIT MS LATE_MS */
void app_mix(struct app *app, char **words)
{
        struct mix mix = {
                        .app = app,
                        .region = app_region(app, words[1]),
                        .n_rows = (unsigned)atoi(words[3]),
                        .wait = words[4],
                        .end_ns = app_now_ns() + strtoul(words[5], NULL, 10) * 1000000u,
                        .late_ns = strtoul(words[6], NULL, 10) * 1000000u,
                        .is_load = strcmp(words[1], APP_SHARED) == 0,
        };
        struct mixer mixers[THREADS_MAX] = {0};
        struct mixer sum = {0};
        pthread_t threads[THREADS_MAX];
        pthread_t sampler = 0;
        int n = atoi(words[2]);

        if (mix.late_ns > 0) {
                pthread_create(&sampler, NULL, sampler_run, &mix);
        }
        for (int i = 0; i < n && i < THREADS_MAX; i++) {
                mixers[i] = (struct mixer){
                                .mix = &mix,
                                .is_reader = i == 0 && mix.late_ns > 0,
                                .random = app_now_ns() * 2 + 1,
                };
                pthread_create(&threads[i], NULL, mix_run, &mixers[i]);
        }
        for (int i = 0; i < n && i < THREADS_MAX; i++) {
                pthread_join(threads[i], NULL);
                add_mixer(&sum, &mixers[i]);
        }
        if (mix.late_ns > 0) {
                pthread_join(sampler, NULL);
        }
        printf("hits=%lu misses=%lu stale=%lu stale_here=%lu late=%lu longest_read_ms=%.1f "
               "read_errors=%lu ",
                        sum.n_hits, sum.n_misses, sum.n_stale, sum.n_stale_here, sum.n_late,
                        (double)sum.reads.longest_ns / 1e6, sum.reads.n_errors);
        app_tally_print(&sum.writes);
}
