/* SPDX-License-Identifier: MIT */
#include "tests/libcachemesh/customer_calls.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#define N_THREADS 3

enum behaviour {
        GIVES,
        KNOWS_OF_NONE,
        FAILS,
        IS_OVERTAKEN, /* the row changes between the read and the return */
};

struct loader {
        struct customer *customer;
        int app;
        int region;
        int key;
        enum behaviour behaviour;
        unsigned *n_callers; /* NULL: it waits for nobody */
};

static int load(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        const struct loader *loader = userdata;
        struct customer_row row = customer_row(loader->customer, loader->region, loader->key);
        struct cm_bytes tag = customer_tag(loader->key);
        int r;

        for (int i = 0; loader->n_callers && i < 200; i++) {
                sched_yield(); /* the others are to find it running; mostly they do */
        }
        switch (loader->behaviour) {
        case KNOWS_OF_NONE:
                return cm_load_set_negative(load);
        case FAILS:
                return -EIO;
        case IS_OVERTAKEN:
                r = customer_change(loader->customer, loader->region, loader->key, CM_WAIT_NONE);
                supply_enter(); /* which customer_change() has left */
                customer_expect_told(loader->customer, r);
                break;
        case GIVES:
                break;
        }
        cm_load_set_ttl(load, 600000);
        r = cm_load_add_tag(load, tag.data, tag.len);
        return r < 0 ? r : cm_load_set_value(load, &row, customer_row_size(loader->key));
}

static int get_or_load(const struct loader *loader)
{
        struct customer *customer = loader->customer;
        uint32_t floor = customer->floors[loader->app][loader->region][loader->key];
        struct cm_value value = {0};
        int r = CALL(cm_get_or_load(customer->regions[loader->app][loader->region], &loader->key,
                        sizeof(loader->key), load, (void *)loader, &value));

        /* An older value is one that this process has not invalidated. */
        if (r == 0 || r == CM_STALE) {
                customer_check_row(customer, loader->region, loader->key, floor, &value);
                customer_release(&value);
        }
        return r;
}

int customer_load(struct customer *customer, int region, int key)
{
        struct loader loader = {customer, 0, region, key, GIVES, NULL};

        return get_or_load(&loader);
}

static void *get_or_load_in_thread(void *data)
{
        const struct loader *loader = data;

        __atomic_fetch_add(loader->n_callers, 1, __ATOMIC_RELAXED);
        customer_expect(loader->customer, get_or_load(loader), 0, CM_STALE);
        return NULL;
}

static void load_together(struct customer *customer, int region, int key)
{
        unsigned n_callers = 0;
        struct loader loader = {customer, 0, region, key, GIVES, &n_callers};
        pthread_t threads[N_THREADS];

        for (int i = 0; i < N_THREADS; i++) {
                EXPECT(pthread_create(&threads[i], NULL, get_or_load_in_thread, &loader) == 0);
        }
        for (int i = 0; i < N_THREADS; i++) {
                pthread_join(threads[i], NULL);
        }
}

void customer_load_rows(struct customer *customer)
{
        static const int wanted[] = {0, CM_NEGATIVE, -EIO, 0};
        int r;

        for (int key = 0; key < 8; key++) {
                struct loader loader = {customer, 0, key / 4, key, (enum behaviour)(key % 4), NULL};

                r = get_or_load(&loader);
                /* What could not be invalidated is still there. */
                customer_expect(customer, r == CM_STALE && !customer->is_strict ? 0 : r,
                                wanted[key % 4], 0);
                if (loader.behaviour != KNOWS_OF_NONE) {
                        customer_get(customer, 0, loader.region, key);
                }
        }
        load_together(customer, 0, 9);
        load_together(customer, 1, 10);
        customer_expect_told(customer,
                        customer_change(customer, 0, 1, CM_WAIT_NODE)); /* known not to exist */
        customer_expect_told(customer, customer_change(customer, 1, 5, CM_WAIT_NODE));
}
