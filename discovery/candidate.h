/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Candidate: one node that may be worth a dial: what is known of it, its endpoints, and its pauses.
 * What becomes of it among others is candidate_table.h's part, which is the only user of these
 * functions; meshd reads the struct.
 */
#include "base/random.h"
#include "discovery/beacon.h"

enum candidate_number {
        CANDIDATE_ENDPOINTS_MAX = 5,     /* one given by hand and those of a beacon */
        CANDIDATE_PAUSE_FIRST_MS = 1000, /* longest pause after the first failure, */
        CANDIDATE_PAUSE_MAX_MS = 60000,  /* doubled with each one up to this */
        CANDIDATE_GAP_MS = 500,          /* from one dial to the next of one candidate, at least */
};

/* Where a candidate is known from; more than one is possible. */
enum candidate_origin {
        CANDIDATE_BEACON = 1, /* anybody could have said so */
        CANDIDATE_STATIC = 2, /* configured */
        CANDIDATE_DISK = 4,   /* was a member in an earlier life of this node */
        CANDIDATE_PEER = 8,   /* an authenticated peer named it, or said HELLO */
        CANDIDATE_DNS = 16,   /* a configured name has its address: who answers for DNS said so */
};

enum candidate_state {
        CANDIDATE_PAUSED = 0,
        CANDIDATE_DIALLING,
        CANDIDATE_CONNECTED,
};

/* Why a dial ended without a link. */
enum candidate_failure {
        CANDIDATE_UNREACHABLE = 0, /* no answer, or no connection: the pause grows */
        CANDIDATE_REFUSED, /* it answered with a reason: the longest pause, until it is restarted */
        CANDIDATE_SELF,    /* this node itself answered: the longest pause */
};

struct candidate {
        bool is_used;
        bool is_refused;      /* beacons of this incarnation do not shorten the pause */
        bool was_connected;   /* once at least */
        bool is_met;          /* there came a link by another way while the dial runs */
        bool is_unknown_dial; /* the running dial counts as one to an unknown node */
        bool is_withdrawn; /* nobody vouches for it any more: it goes if the running dial fails */
        uint8_t state;     /* enum candidate_state */
        uint8_t origins;   /* enum candidate_origin, or'ed */
        uint8_t n_fixed;   /* endpoints at the front that no beacon replaces */
        uint8_t n_endpoints;
        uint8_t next_endpoint;       /* they are tried in turn */
        struct cmi_endpoint dialled; /* by the newest dial */
        uint32_t n_failures;         /* since the last link or the last reset of the pause */
        struct cmi_id id;            /* zero: not known yet */
        uint64_t incarnation;        /* of the newest beacon, 0: none was heard */
        uint64_t counter;            /* of the newest beacon */
        uint64_t heard_ns;           /* when it came, or when the candidate was added */
        uint64_t dialled_ns;         /* start of the newest dial, 0: none yet */
        uint64_t due_ns;             /* while PAUSED: when to dial */
        struct cmi_endpoint endpoints[CANDIDATE_ENDPOINTS_MAX];
};

/* Nothing but beacons and DNS, which anybody on the way can forge, speaks for it. */
bool candidate_is_unknown(const struct candidate *candidate);

/* Somebody better than a beacon said its id. */
bool candidate_has_proven_id(const struct candidate *candidate);

bool candidate_has_endpoint(const struct candidate *candidate, const struct cmi_endpoint *endpoint);

/**
 * candidate_append_endpoint() - one more place to try, behind those that are there
 * @candidate: to change
 * @endpoint:  a full list loses its last one for it, unless that is a fixed one
 */
void candidate_append_endpoint(struct candidate *candidate, const struct cmi_endpoint *endpoint);

/* Whether a beacon of its id is no replay. */
bool candidate_is_news(const struct candidate *candidate, const struct beacon *beacon);

/**
 * candidate_refresh() - take over what a beacon says
 * @candidate: whose id the beacon bears
 * @beacon:    newer than all before
 * @endpoints: the usable ones of the beacon; they replace all that are not fixed
 * @n:         how many, not 0
 * @now_ns:    a pause ends now, but not for a node that refused in this incarnation
 *
 * Return: whether the node has a higher incarnation than it had in the beacon before.
 */
bool candidate_refresh(struct candidate *candidate, const struct beacon *beacon,
                const struct cmi_endpoint *endpoints, uint8_t n, uint64_t now_ns);

/* Takes the next endpoint and draws a pause after a failed dial. */
void candidate_begin_pause(struct candidate *candidate, enum candidate_failure failure,
                uint64_t *random, uint64_t now_ns);

/* A HELLO of @id came from the endpoint that was dialled. */
void candidate_prove(struct candidate *candidate, const struct cmi_id *id);

/* There is a link to its node. */
void candidate_rest(struct candidate *candidate);

/* @from turned out to be the same node: takes over what it knew. */
void candidate_absorb(struct candidate *candidate, const struct candidate *from);
