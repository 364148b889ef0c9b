/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A way by which the news that a key has changed gets from one process to N others: cachemesh, its
 * floors, and other programs that people use for this. Each receiver is a process of its own and
 * writes into its test page.
 */
#include "tests/bench/host.h"
#include "tests/bench/stamps.h"

#include <stdbool.h>

#define WAY_RECEIVERS_MAX 127
#define WAY_KEY_LEN 10 /* "b:" and 8 hex digits */
#define WAY_BATCH_MAX 64

struct way_options {
        unsigned n_receivers;
        const char *meshd;   /* of cachemesh: the program with a witness, or the plain one */
        const char *meshctl; /* of cachemesh */
        const char *address; /* of redis and nats: the server's TCP port, or ADDRESS:PORT */
        const char *local;   /* of redis: its Unix socket; NULL: TCP, as for the receivers */
        struct hosts hosts;  /* the sender is on the first one, the receivers on the next ones */
};

struct way {
        const char *name;
        void (*start)(struct way *way, const struct way_options *options);
        void (*stop)(struct way *way);
        /* One call for one key. @number: 0 and growing. */
        void (*send)(struct way *way, uint64_t number);
        /* NULL: only single ones. n <= WAY_BATCH_MAX keys in one publication. */
        void (*send_batch)(struct way *way, uint64_t first, unsigned n);

        struct stamps *stamps[WAY_RECEIVERS_MAX]; /* made by way_start() */
        int stamp_fds[WAY_RECEIVERS_MAX];
        uint64_t base; /* the first message, number 0, is recorded under this one */
        void *state;
};

extern const struct way way_unix;  /* floor: one receiver on a Unix socket */
extern const struct way way_zmq;   /* floor: one DEALER for each receiver's ROUTER */
extern const struct way way_chain; /* both floors in a row, with an idle process between them */
extern const struct way way_cachemesh;
extern const struct way way_redis; /* client tracking in broadcast mode */
extern const struct way way_nats;

/* Arguments for getopt_long(), read by way_option(). */
#define WAY_OPTIONS                                                                                \
        {"receivers", required_argument, NULL, 'r'}, {"meshd", required_argument, NULL, 'd'},      \
                        {"meshctl", required_argument, NULL, 'm'},                                 \
                        {"address", required_argument, NULL, 'a'},                                 \
                        {"hosts", required_argument, NULL, 'h'},                                   \
        {                                                                                          \
                "local", required_argument, NULL, 'l'                                              \
        }

/* One of these arguments; false if it is none of them, or its value is wrong. */
bool way_option(struct way_options *options, int option, const char *value);

/* A copy of the way of this name, which may be NULL. False if there is none. */
bool way_find(const struct way *const *ways, size_t n_ways, const char *name, struct way *ret_way);

/* Makes the pages of the receivers, and starts it. */
void way_start(struct way *way, const struct way_options *options);

/* Read text that holds keys, in pieces of any length, until it ends; record each key. For a
 * receiver's process. */
void way_scan(int fd, struct stamps *stamps) __attribute__((noreturn));

/* @address: a port on loopback, or ADDRESS:PORT. */
int way_connect_tcp(const char *address);
void way_write(int fd, const void *data, size_t len);
