/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Two apps of one node that use the whole interface on rows of a database, and a model of what each
 * may still serve. While memory is short (is_strict is false) any documented outcome will do, but
 * no wrong value; with enough of it each call must do what it is for. Runs in a forked child, whose
 * exit status says where an expectation failed. The linker counts what the library asks for
 * (supply.h).
 */
#include "tests/libcachemesh/fake_meshd.h"

#include "libcachemesh/cachemesh.h"

#include <stdio.h>

#define CUSTOMER_KEYS 24
#define CUSTOMER_REGIONS 2 /* bounded, and by TTL */

struct customer {
        struct fake_meshd *meshd; /* NULL: a standalone handle, and one app */
        char *path;
        char *spool;
        int n_apps;
        bool is_strict;
        struct cm *cm[2];
        struct cm_region *regions[2][CUSTOMER_REGIONS];
        /* Of each row: in the database, told by the first app, oldest that an app may serve. */
        uint32_t versions[CUSTOMER_REGIONS][CUSTOMER_KEYS];
        uint32_t told[CUSTOMER_REGIONS][CUSTOMER_KEYS];
        uint32_t floors[2][CUSTOMER_REGIONS][CUSTOMER_KEYS];
        unsigned n_lines; /* of the library's log */
};

/* Of a forked child: says where, and ends it. */
#define CUSTOMER_EXPECT(condition)                                                                 \
        do {                                                                                       \
                if (!(condition)) {                                                                \
                        dprintf(2, "# %s:%d: %s\n", __FILE__, __LINE__, #condition);               \
                        _exit(__LINE__ % 200 + 1);                                                 \
                }                                                                                  \
        } while (0)

void customer_init(struct customer *customer, bool is_standalone);
void customer_deinit(struct customer *customer);

/* Open what is not open yet. Return: whether everything is. */
bool customer_open(struct customer *customer);
void customer_close(struct customer *customer);

/* Rows that both apps have, and what the first one tells the other about some of them. */
void customer_fill(struct customer *customer);
void customer_tell(struct customer *customer);

/* Every kind of call, once or more. */
void customer_use(struct customer *customer);

/* There is enough again: the same handles come back to life, and what was told is known to all. */
void customer_recover(struct customer *customer);
