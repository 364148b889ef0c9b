/* SPDX-License-Identifier: MIT */
#include "tests/libcachemesh/customer_calls.h"

#include <errno.h>
#include <string.h>

#define N_TAGS CUSTOMER_TAGS
#define N_PINS 70 /* more than one block of them */

void customer_expect(const struct customer *customer, int r, int wanted, int allowed)
{
        bool is_good = r == wanted || (!customer->is_strict && (r == -ENOMEM || r == allowed));

        if (!is_good) {
                dprintf(2, "# outcome %d (%s), wanted %d\n", r, cm_strerror(r), wanted);
        }
        EXPECT(is_good);
}

size_t customer_row_size(int key)
{
        return key % 4 == 3 ? CUSTOMER_ROW_MAX : 100 + 40 * (size_t)key;
}

struct customer_row customer_row(const struct customer *customer, int region, int key)
{
        struct customer_row row = {
                        (uint32_t)region, (uint32_t)key, customer->versions[region][key], {0}};

        memset(row.rest, key, sizeof(row.rest));
        return row;
}

void customer_check_row(const struct customer *customer, int region, int key, uint32_t floor,
                const struct cm_value *value)
{
        const struct customer_row *row = value->data;

        EXPECT(value->len == customer_row_size(key));
        EXPECT(row->region == (uint32_t)region && row->key == (uint32_t)key);
        EXPECT(row->rest[customer_row_size(key) - 13] == (char)key);
        EXPECT(row->version <= customer->versions[region][key]);
        EXPECT(row->version >= floor);
}

void customer_release(struct cm_value *value)
{
        supply_enter();
        cm_release(value);
        supply_leave();
        EXPECT(!value->data);
}

int customer_get(struct customer *customer, int app, int region, int key)
{
        uint32_t floor = customer->floors[app][region][key];
        struct cm_value value = {0};
        int r = CALL(cm_get(customer->regions[app][region], &key, sizeof(key), &value));

        EXPECT(r == 0 || r == CM_MISS);
        if (r == 0) {
                customer_check_row(customer, region, key, floor, &value);
                customer_release(&value);
        } else {
                EXPECT(!value.data);
        }
        return r;
}

struct cm_bytes customer_tag(int key)
{
        static const char *const names[N_TAGS] = {"tag0", "tag1", "tag2"};

        return (struct cm_bytes){names[key % N_TAGS], 4};
}

void customer_expect_stored(const struct customer *customer, int r)
{
        customer_expect(customer, r == CM_REFUSED && !customer->is_strict ? 0 : r, 0, CM_E_FULL);
}

int customer_put(struct customer *customer, int app, int region, int key)
{
        struct cm_token token = CALL(cm_token(customer->cm[app]));
        struct cm_bytes tag = customer_tag(key);
        struct cm_put_options options = {.size = sizeof(options), .tags = &tag, .n_tags = 1};
        struct customer_row row = customer_row(customer, region, key);
        int r = CALL(cm_put(customer->regions[app][region], &key, sizeof(key), &row,
                        customer_row_size(key), token, &options));

        customer_expect_stored(customer, r);
        return r;
}

void customer_put_and_get(struct customer *customer, int app, int region)
{
        for (int key = 0; key < N_KEYS; key++) {
                int r = customer_put(customer, app, region, key);

                EXPECT(!customer->is_strict || r == 0);
                r = customer_get(customer, app, region, key);
                EXPECT(!customer->is_strict || r == 0);
        }
}

void customer_get_many(struct customer *customer, int app, int region)
{
        struct cm_value values[N_KEYS] = {0};
        struct cm_bytes keys[N_KEYS];
        int outcomes[N_KEYS];
        int numbers[N_KEYS];
        int n_hits = 0;
        int r;

        for (int i = 0; i < N_KEYS; i++) {
                numbers[i] = i;
                keys[i] = (struct cm_bytes){&numbers[i], sizeof(numbers[i])};
        }
        r = CALL(cm_get_many(customer->regions[app][region], keys, N_KEYS, values, outcomes));
        for (int i = 0; i < N_KEYS; i++) {
                if (outcomes[i] == 0) {
                        customer_check_row(customer, region, i, customer->floors[app][region][i],
                                        &values[i]);
                        n_hits++;
                }
                customer_release(&values[i]);
        }
        EXPECT(r == n_hits && (!customer->is_strict || n_hits > 0));
}

void customer_pin_often(struct customer *customer, int app, int region, int key)
{
        struct cm_value values[N_PINS] = {0};
        int n_hits = 0;

        for (int i = 0; i < N_PINS; i++) {
                n_hits += CALL(cm_get(customer->regions[app][region], &key, sizeof(key),
                                          &values[i])) == 0;
        }
        EXPECT(!customer->is_strict || n_hits == N_PINS);
        for (int i = 0; i < N_PINS; i++) {
                if (values[i].data) {
                        customer_check_row(customer, region, key, 0, &values[i]);
                }
                customer_release(&values[i]);
        }
}

void customer_read_all(struct customer *customer)
{
        for (int app = 0; app < customer->n_apps; app++) {
                for (int key = 0; key < N_KEYS; key++) {
                        customer_get(customer, app, 0, key);
                        customer_get(customer, app, 1, key);
                }
        }
}
