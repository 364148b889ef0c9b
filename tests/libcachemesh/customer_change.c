/* SPDX-License-Identifier: MIT */
#include "tests/libcachemesh/customer_calls.h"

#include <errno.h>
#include <unistd.h>

#define N_TAGS CUSTOMER_TAGS
#define N_MEMBERS 500

/* The first app's call about this row has come to r. */
static void note(struct customer *customer, int region, int key, enum cm_wait wait, int r)
{
        uint32_t version = customer->versions[region][key];

        if (r == -ENOMEM) {
                return; /* nothing has happened, and the app knows it */
        }
        customer->told[region][key] = customer->floors[0][region][key] = version;
        if (r == 0 && wait != CM_WAIT_NONE) {
                customer->floors[1][region][key] = version;
        }
}

void customer_expect_told(const struct customer *customer, int r)
{
        customer_expect(customer, r, 0, CM_PENDING);
}

int customer_change(struct customer *customer, int region, int key, enum cm_wait wait)
{
        struct cm_result result = {0};
        int r;

        customer->versions[region][key]++;
        r = CALL(cm_invalidate(customer->regions[0][region], &key, sizeof(key), wait, &result));
        note(customer, region, key, wait, r);
        if (r == CM_PENDING) {
                /* Nothing bounded is served before it is known to be in the stream. */
                EXPECT(customer_get(customer, 0, 0, (key + 1) % N_KEYS) == CM_MISS);
        }
        EXPECT((result.n_members == 0) == (result.members == NULL));
        supply_enter();
        cm_result_clear(&result);
        supply_leave();
        return r;
}

void customer_change_all(struct customer *customer, int region, int tag, enum cm_wait wait)
{
        struct cm_region *opened = customer->regions[0][region];
        struct cm_bytes name = customer_tag(tag < 0 ? 0 : tag);
        int r;

        for (int key = 0; key < N_KEYS; key++) {
                customer->versions[region][key] += tag < 0 || key % N_TAGS == tag;
        }
        r = tag < 0 ? CALL(cm_invalidate_region(opened, wait, NULL))
                    : CALL(cm_invalidate_tag(opened, name.data, name.len, wait, NULL));
        customer_expect_told(customer, r);
        for (int key = 0; key < N_KEYS; key++) {
                if (tag < 0 || key % N_TAGS == tag) {
                        note(customer, region, key, wait, r);
                }
        }
}

static int fill_batch(struct customer *customer, struct cm_batch *batch)
{
        struct cm_bytes tag = customer_tag(1);
        int r = 0;

        for (int i = 0; i < 3 * N_KEYS && r == 0; i++) { /* more than it first has room for */
                int key = i % N_KEYS;

                r = CALL(cm_batch_add_key(batch, customer->regions[0][0], &key, sizeof(key)));
        }
        if (r == 0) {
                r = CALL(cm_batch_add_tag(batch, customer->regions[0][1], tag.data, tag.len));
        }
        return r == 0 ? CALL(cm_batch_add_region(batch, customer->regions[0][1])) : r;
}

static void change_by_batch(struct customer *customer)
{
        struct cm_batch *batch = NULL;
        int r = CALL(cm_batch_new(&batch, customer->cm[0]));

        customer_expect(customer, r, 0, 0);
        if (r == 0) {
                r = fill_batch(customer, batch);
                customer_expect(customer, r, 0, 0);
        }
        if (r == 0) {
                for (int key = 0; key < N_KEYS; key++) {
                        customer->versions[0][key]++;
                        customer->versions[1][key]++;
                }
                r = CALL(cm_batch_publish(batch, CM_WAIT_NODE, 0, NULL));
                customer_expect_told(customer, r);
                for (int key = 0; key < N_KEYS; key++) {
                        note(customer, 0, key, CM_WAIT_NODE, r);
                        note(customer, 1, key, CM_WAIT_NODE, r);
                }
        }
        CALL(cm_batch_free(batch));
}

void customer_change_without_proof(struct customer *customer)
{
        struct fake_meshd_script script = customer_script();
        struct cm_result result = {0};
        int key = 8;
        int r;

        script.mesh_outcome = CM_PARTIAL;
        script.n_members = N_MEMBERS;
        fake_meshd_set_script(customer->meshd, &script);
        customer->versions[0][key]++;
        r = CALL(cm_invalidate(customer->regions[0][0], &key, sizeof(key), CM_WAIT_MESH, &result));
        customer_expect(customer, r, CM_PARTIAL, CM_PENDING);
        note(customer, 0, key, CM_WAIT_MESH, r);
        EXPECT(r != CM_PARTIAL || result.n_unconfirmed == N_MEMBERS);
        EXPECT(result.n_members == (result.members ? N_MEMBERS : 0));
        EXPECT(!customer->is_strict || result.members);
        supply_enter();
        cm_result_clear(&result);
        supply_leave();
        script = customer_script();
        fake_meshd_set_script(customer->meshd, &script);
}

void customer_change_rows(struct customer *customer)
{
        enum cm_wait farthest = customer->meshd ? CM_WAIT_MESH : CM_WAIT_NODE;

        for (int key = 0; key < 6; key++) {
                enum cm_wait wait = (enum cm_wait)(key % ((int)farthest + 1));

                customer_expect_told(customer, customer_change(customer, key % 2, key, wait));
                customer_get(customer, 0, key % 2, key);
                customer_get(customer, customer->n_apps - 1, key % 2, key);
        }
        customer_read_all(customer);
        customer_change_all(customer, 1, 2, CM_WAIT_NODE);
        customer_read_all(customer);
        change_by_batch(customer);
        customer_read_all(customer);
        customer_change_all(customer, 0, -1, CM_WAIT_NODE);
        customer_read_all(customer);
}
