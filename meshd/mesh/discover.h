/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Discovery at work: feeds beacons from the multicast sockets, configured peers, the addresses
 * of DNS names and peers on disk to the candidate table, has the core dial what the table says,
 * and sends the own beacon on schedule. What makes a candidate worth a dial is decided in
 * discovery/, who is a member in the core.
 *
 * Nothing of it is needed to run: an interface that is missing or a socket that cannot be opened is
 * told once, with what to do, and tried again.
 */
#include "discovery/candidate_table.h"
#include "discovery/multicast.h"
#include "discovery/schedule.h"
#include "meshd/core/core.h"
#include "meshd/io/poller.h"
#include "meshd/mesh/key_ring.h"
#include "meshd/mesh/lookup.h"
#include "meshd/options/config.h"

#define DISCOVER_DATAGRAMS_PER_TURN 64
#define DISCOVER_FDS 3

struct discover_counters {
        uint64_t beacons_sent; /* datagrams, one for each interface and family */
        uint64_t received;
        uint64_t errors[BEACON_N_ERRORS];
        uint64_t others_ns;                 /* mono, newest beacon of another node; 0: never */
        uint64_t foreign_ns;                /* newest one of another mesh */
        struct cmi_endpoint foreign_source; /* and where it came from */
        uint64_t bad_seal_ns;               /* likewise, of this mesh without a key of ours */
        struct cmi_endpoint bad_seal_source;
};

struct discover {
        struct poller *poller;
        struct core *core;
        const struct config *config;
        const struct key_ring *ring; /* NULL: beacons have no MAC, and stay on loopback */
        struct multicast *multicast; /* NULL: not wanted, or not possible yet */
        uv_poll_t polls[DISCOVER_FDS];
        uint32_t n_polls;
        int fds[DISCOVER_FDS];
        uv_timer_t timer;
        bool is_changed; /* the timer is to be set anew */
        uint64_t refreshed_ns;
        struct schedule schedule;
        struct candidate_table table;
        struct candidate *slots;
        struct lookup lookup;
        struct beacon beacon;             /* the own one */
        char text[MULTICAST_ADVICE_SIZE]; /* on, off, or what it waits for */
        struct discover_counters counters;
};

struct discover_options {
        struct poller *poller;
        struct core *core;
        const struct config *config;
        const struct key_ring *ring; /* NULL: none */
        struct cmi_id id;
        uint64_t incarnation;
        const struct cmi_endpoint *advertised; /* copied */
        uint32_t n_advertised;
};

/**
 * discover_start() - begin to look for other nodes
 * @discover: zeroed
 * @options:  borrowed for the call, but for what it points to except @advertised
 *
 * Return: 0, -ENOMEM.
 */
int discover_start(struct discover *discover, const struct discover_options *options);

/* A peer of an earlier life, from the disk. */
void discover_add(struct discover *discover, const struct cmi_id *id,
                const struct cmi_endpoint *endpoint);

/* Somebody made the core forget this node: it is not dialled any more, until it is heard of. */
void discover_forget(struct discover *discover, const struct cmi_id *id);

/* core_sink.event: MET, LINK_FAILED, SELF, MEMBER, INCARNATION. Called from inside the core,
 * so it calls no core. */
void discover_event(struct discover *discover, const struct core_event *event);

/* Set the timer anew if something changed; call it each turn. */
void discover_turn(struct discover *discover);

/* Send no beacons and dial nobody any more. Run the loop until its handles are closed,
 * then discover_deinit(). */
void discover_stop(struct discover *discover);
void discover_deinit(struct discover *discover);
