/* SPDX-License-Identifier: MIT */
#pragma once
/* A candidate table with a clock of its own, and nodes that are known by a number. */
#include "base/time.h"
#include "discovery/candidate_table.h"

#include <glib.h>
#include <string.h>

#define START cmi_ms(1000000)
#define N_SLOTS 64

struct fixture {
        struct candidate_table table;
        struct candidate slots[N_SLOTS];
        uint64_t now_ns;
};

static inline struct cmi_id id(uint32_t n)
{
        struct cmi_id made = {{0xaa}};

        memcpy(made.bytes + 8, &n, sizeof(n));
        return made;
}

static const struct cmi_endpoint lan = {4, 6780, 0, {10, 9, 0, 1}};

static inline struct cmi_endpoint endpoint(uint32_t n)
{
        return (struct cmi_endpoint){
                        4, 6781, 0, {10, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}};
}

static inline struct beacon beacon(uint32_t n, uint64_t incarnation, uint64_t counter)
{
        return (struct beacon){.id = id(n),
                        .incarnation = incarnation,
                        .counter = counter,
                        .n_endpoints = 1,
                        .endpoints = {endpoint(n)}};
}

static inline void set_up(struct fixture *f, gconstpointer data)
{
        struct cmi_id own = id(0);
        struct cmi_endpoint own_endpoint = endpoint(0);

        candidate_table_init(&f->table, f->slots, N_SLOTS, &own, 42);
        candidate_table_set_own(&f->table, 100, &own_endpoint, 1);
        f->now_ns = START;
}

static inline int feed(struct fixture *f, struct beacon heard)
{
        return candidate_table_feed(&f->table, &heard, &lan, 2, f->now_ns);
}

static inline int add(struct fixture *f, enum candidate_origin origin, uint32_t n)
{
        struct cmi_endpoint where = endpoint(n);
        struct cmi_id who = id(n);

        return candidate_table_add(&f->table, origin, origin == CANDIDATE_STATIC ? NULL : &who,
                        &where, f->now_ns);
}

/* The next dial, which must be due now. */
static inline struct candidate_dial dial(struct fixture *f)
{
        struct candidate_dial dial = {.slot = UINT32_MAX};

        g_assert_cmpint(candidate_table_next_dial(&f->table, f->now_ns, &dial), ==, 1);
        return dial;
}

static inline void assert_no_dial(struct fixture *f)
{
        struct candidate_dial dial;

        g_assert_cmpint(candidate_table_next_dial(&f->table, f->now_ns, &dial), ==, 0);
        g_assert_cmpuint(candidate_table_deadline(&f->table), >, f->now_ns);
}

static inline void connect_to(struct fixture *f, uint32_t n)
{
        struct candidate_dial begun = dial(f);
        struct cmi_id who = id(n);

        candidate_table_connected(&f->table, begun.slot, &who);
}

static const struct candidate *find(struct fixture *f, uint32_t n)
{
        struct cmi_id who = id(n);

        return candidate_table_find(&f->table, &who);
}

/* Fails dials for @ms of pauses and returns how many there were. */
static inline unsigned int fail_dials(struct fixture *f, uint64_t ms)
{
        uint64_t end_ns = f->now_ns + cmi_ms(ms);
        unsigned int n = 0;

        while (candidate_table_deadline(&f->table) < end_ns) {
                struct candidate_dial begun;

                f->now_ns = MAX(f->now_ns, candidate_table_deadline(&f->table));
                begun = dial(f);
                candidate_table_failed(&f->table, begun.slot, CANDIDATE_UNREACHABLE, f->now_ns);
                n++;
        }
        f->now_ns = end_ns;
        return n;
}

#define CASE(path, function) g_test_add(path, struct fixture, NULL, set_up, function, NULL)
