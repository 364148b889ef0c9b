/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Messages between nodes: who posts how much to whom, and the judge of what arrives. Lossless is
 * promised by nobody.
 */
#include "base/bytes.h"
#include "base/id.h"
#include "tests/sim/random.h"

#define POSTING_NODES 9 /* NODES_MAX */

struct act;
struct connection;
struct node;
struct world;

struct posting {
        struct random random;
        uint64_t n_posted; /* by all */
        /* By sender and receiver. */
        struct {
                uint64_t life;    /* of the sender, */
                uint64_t beat_ns; /* and when that sent its newest beat, on its clock; 0: none */
        } beats[POSTING_NODES][POSTING_NODES];
        struct {
                uint64_t life, from_life; /* processes at both ends */
                uint64_t number;          /* of the newest message between them */
        } heard[POSTING_NODES][POSTING_NODES];
};

void post_set_up(struct world *world, struct random random);
void post_event(struct world *world);
void post_many(struct node *node, const struct act *act); /* inside of a call */
/* Sinks. */
void post_message(void *context, const struct cmi_id *id, uint64_t incarnation,
                struct cmi_slice message);
void post_postable(void *context, const struct cmi_id *id);
/* A frame that the connection is about to take. */
void post_frame(struct node *node, const struct connection *connection, struct cmi_slice header);
