/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One or two whole daemons in one process, turned by the test, and visitors: clients
 * of them on real sockets.
 */
#include "meshd/daemon.h"

#include "meshd/io/clock.h"

#include <glib.h>

#define NODES 2
#define DEADLINE_NS (10 * CMI_NS_PER_S)
#define LATE_NS (CMI_NS_PER_S / 10) /* so that a case that has failed ends soon */

extern struct config configs[NODES];
extern struct daemon nodes[NODES];
extern bool is_up[NODES];         /* clear it to have a node stand still */
extern const char *pair_alone_ms; /* when a node that finds nobody goes live; "1" */
extern bool pair_is_late;         /* a wait was in vain: those after it are short */

/* One connection to a node. */
struct visitor {
        int fd;
        uint64_t id;
        int page_fd;
        uint8_t in[1 << 17];
        size_t n_in;
};

/* The condition may have effects: once it is true it is not asked again. */
#define TURN_UNTIL(condition)                                                                      \
        do {                                                                                       \
                uint64_t end_ns = clock_read_ns(CLOCK_MONOTONIC) +                                 \
                                  (pair_is_late ? LATE_NS : DEADLINE_NS);                          \
                bool is_so = (condition);                                                          \
                while (!is_so && clock_read_ns(CLOCK_MONOTONIC) < end_ns) {                        \
                        pair_turn();                                                               \
                        is_so = (condition);                                                       \
                }                                                                                  \
                pair_is_late |= !is_so;                                                            \
                g_assert_true(is_so);                                                              \
        } while (0)

void pair_start(uint32_t i);
void pair_turn(void);
/* LIVE, with this many live others? */
bool pair_is_live(uint32_t i, uint32_t n_peers);
/* What meshd does at SIGTERM, without the other one being turned. */
void pair_stop(uint32_t i);
void pair_set_up(uint32_t n);
void pair_tear_down(void);
struct visitor *visitor_new(uint32_t node);
void visitor_free(struct visitor *visitor);
/* Take in what has come; a descriptor beside it is kept. Return: false at the end of the stream. */
bool visitor_pull(struct visitor *visitor);
/* The next message, if there is one whole; readable until the next call. */
bool visitor_next(struct visitor *visitor, struct cmi_local_head *ret_head);
struct cmi_local_head visitor_expect(struct visitor *visitor, uint64_t type, uint64_t id);
void visitor_expect_error(struct visitor *visitor, uint64_t id, int64_t code);
void visitor_say(struct visitor *visitor, struct cmi_writer *writer);
struct cmi_attached visitor_attach(struct visitor *visitor, bool wants_page);
void visitor_publish(struct visitor *visitor, const char *key, enum cmi_wait wait);
uint64_t visitor_open_region(struct visitor *visitor, uint64_t ttl_ms);
void visitor_ask(struct visitor *visitor, enum cmi_local_type type, const char *verb,
                const char *key, const char *value);
/* Reads all of a document with the strict reader, and compares its schema. */
void pair_expect_document(struct cmi_slice fields, const char *schema);
