/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the calls of a customer share: rows with their checks (customer_row.c), changes of rows
 * (customer_change.c), loads of rows (customer_load.c). customer.c puts them together.
 */
#include "tests/libcachemesh/customer.h"
#include "tests/libcachemesh/supply.h"

#include <unistd.h>

#define N_KEYS CUSTOMER_KEYS
#define CUSTOMER_TAGS 3
#define CUSTOMER_ROW_MAX 6000

#define EXPECT CUSTOMER_EXPECT

/* A call that counts. */
#define CALL(expression)                                                                           \
        __extension__({                                                                            \
                supply_enter();                                                                    \
                __typeof__(expression) result_ = (expression);                                     \
                supply_leave();                                                                    \
                result_;                                                                           \
        })

struct customer_row {
        uint32_t region;
        uint32_t key;
        uint32_t version;
        char rest[CUSTOMER_ROW_MAX - 12];
};

/* customer_row.c */

/* What an outcome must be with enough memory, and what it may also be without: -ENOMEM or this. */
void customer_expect(const struct customer *customer, int r, int wanted, int allowed);

/* Of a put. Without a page it is refused, and without the kernel's barrier nothing is freed. */
void customer_expect_stored(const struct customer *customer, int r);

size_t customer_row_size(int key);
struct cm_bytes customer_tag(int key);

/* As it is in the database. */
struct customer_row customer_row(const struct customer *customer, int region, int key);

/* @floor: the oldest version that was allowed when the call began. */
void customer_check_row(const struct customer *customer, int region, int key, uint32_t floor,
                const struct cm_value *value);

void customer_release(struct cm_value *value);
int customer_get(struct customer *customer, int app, int region, int key);
int customer_put(struct customer *customer, int app, int region, int key);
void customer_put_and_get(struct customer *customer, int app, int region);
void customer_get_many(struct customer *customer, int app, int region);
void customer_pin_often(struct customer *customer, int app, int region, int key);
void customer_read_all(struct customer *customer);

/* customer_change.c: the first app changes the database, then tells the mesh. */

/* The outcome of an invalidation. */
void customer_expect_told(const struct customer *customer, int r);
int customer_change(struct customer *customer, int region, int key, enum cm_wait wait);

/* All rows with this tag, or with -1 the whole region. */
void customer_change_all(struct customer *customer, int region, int tag, enum cm_wait wait);

/* A list so long that the library needs more room to receive it. */
void customer_change_without_proof(struct customer *customer);
void customer_change_rows(struct customer *customer);

/* customer_load.c */

int customer_load(struct customer *customer, int region, int key);
void customer_load_rows(struct customer *customer);

/* customer.c */

struct fake_meshd_script customer_script(void);
