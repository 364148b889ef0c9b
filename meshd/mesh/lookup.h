/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Lookup: keeps asking DNS for the configured names, and the candidate table in step with the
 * answers. What is asked and what counts is decided in discovery/dns_source.h, how packets go in
 * resolver.h; here is who calls whom, and what is told.
 *
 * Nothing of it is needed to run, and nothing waits for it. One thread.
 */
#include "discovery/candidate_table.h"
#include "discovery/dns_source.h"
#include "meshd/io/document.h"
#include "meshd/mesh/resolver.h"
#include "meshd/options/config.h"

struct lookup;

struct lookup_name {
        struct lookup *lookup;
        struct dns_source source;
        struct resolver resolver;
        uint64_t n_rounds; /* taken over */
        uint8_t told;      /* enum dns_health */
};

struct lookup {
        struct poller *poller;
        struct candidate_table *table;
        void (*changed)(void *context); /* there may be someone to dial */
        void *context;
        uv_timer_t timer;
        uint32_t n_names;
        struct lookup_name names[CONFIG_DNS_MAX];
};

/**
 * lookup_start() - begin to ask
 * @lookup: zeroed, but for poller, table, changed and context
 * @config: borrowed for its life
 * @seed:   random
 */
void lookup_start(struct lookup *lookup, const struct config *config, uint64_t seed);

/* Rows of {name, state, why, addresses, ...}. */
void lookup_write(const struct lookup *lookup, struct document *document, const char *key);

/* Ask no more. Run the loop until its handles are closed. */
void lookup_stop(struct lookup *lookup);
