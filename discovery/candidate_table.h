/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Candidate table: whom to dial, and when. Fed by beacons, by static peers, by the addresses of
 * DNS names, by peers on disk and by peers of peers. This file decides which of these is worth a
 * dial; it leaves dialling to meshd's I/O, and membership to meshd's core. A candidate's id is a
 * hint until a HELLO says it.
 *
 * A beacon can add a candidate, refresh its endpoints and end its pause. It removes nobody and
 * proves no liveness. What holds beacons back: the id, incarnation and counter that were seen
 * before (replay); a token bucket for each source; the size of the table; a gap between two dials
 * of one candidate; and a share of the handshakes.
 *
 * States of a candidate:
 *
 *     PAUSED --next_dial()--> DIALLING --connected()--> CONNECTED
 *       ^ ^                       |                         |
 *       | +-------failed()--------+                         |
 *       +--------------------disconnected()-----------------+
 *
 * A candidate that was not only heard of in a beacon, or that was connected once, is dialled for
 * ever. One that never answered and is no longer heard makes room when the table is full. One
 * that DNS named is dialled as long as it is named, and from then on as what else is known of it
 * allows.
 *
 * All times are nanoseconds of one monotonic clock. One thread.
 */
#include "base/random.h"
#include "discovery/address_filter.h"
#include "discovery/beacon.h"
#include "discovery/candidate.h"
#include "discovery/source_limit.h"

enum candidate_table_number {
        CANDIDATE_DIALS_MAX = 8,         /* handshakes at once */
        CANDIDATE_UNKNOWN_DIALS_MAX = 6, /* of these, to nodes known by beacons alone */
        CANDIDATE_UNHEARD_MS = 60000,    /* silence after which an unknown one may lose its place */
};

/* What candidate_table_feed() made of a beacon. */
enum candidate_outcome {
        CANDIDATE_REFRESHED = 0, /* known; its endpoints and its pause were renewed */
        CANDIDATE_ADDED,         /* new */
        CANDIDATE_RESTARTED,     /* known, with a higher incarnation than its last beacon had */
        CANDIDATE_OWN,           /* the own beacon came back */
        CANDIDATE_CLONE,     /* the own id with a higher incarnation: a copied state directory */
        CANDIDATE_DUPLICATE, /* the newest one again, by another interface; ignored */
        CANDIDATE_REPLAYED,  /* older than what was seen before; ignored */
        CANDIDATE_LIMITED,   /* too many from this source; ignored */
        CANDIDATE_UNUSABLE,  /* no endpoint that this node may dial; ignored */
        CANDIDATE_FULL,      /* new, and there is no room; ignored */
        CANDIDATE_N_OUTCOMES,
};

struct candidate_table {
        struct candidate *slots; /* borrowed */
        uint32_t n_slots;
        uint32_t n_used;
        uint32_t n_dialling;
        uint32_t n_unknown_dialling; /* of these, known by beacons alone */
        struct cmi_id own_id;
        uint64_t own_incarnation;
        struct address_filter filter;
        uint64_t random;
        struct source_limit limit;
        uint64_t n_outcomes[CANDIDATE_N_OUTCOMES]; /* beacons fed, by outcome */
        uint64_t n_dials;                          /* begun */
};

/* One dial to begin. */
struct candidate_dial {
        uint32_t slot;    /* names it in candidate_table_connected() and candidate_table_failed() */
        struct cmi_id id; /* expected, or zero; HELLO decides */
        struct cmi_endpoint endpoint;
};

/**
 * candidate_table_init() - an empty table in the caller's memory
 * @table:   to set up
 * @slots:   room for @n_slots candidates; kept by the table, owned by the caller
 * @n_slots: twice max_peers
 * @own_id:  of this node, whose beacons are dropped
 * @seed:    random; a test that repeats it repeats each pause
 */
void candidate_table_init(struct candidate_table *table, struct candidate *slots, uint32_t n_slots,
                const struct cmi_id *own_id, uint64_t seed);

/**
 * candidate_table_set_own() - what this node says about itself in its own beacons
 * @table:       initialized
 * @incarnation: own; call again when a refusal raised it
 * @endpoints:   own ones, advertised and listened on: never dialled
 * @n_endpoints: of which those over ADDRESS_FILTER_OWN_MAX are ignored (HELLO finds out by id)
 */
void candidate_table_set_own(struct candidate_table *table, uint64_t incarnation,
                const struct cmi_endpoint *endpoints, uint8_t n_endpoints);

/**
 * candidate_table_set_loopback_only() - without a mesh key nothing leaves this host
 * @table:            initialized
 * @is_loopback_only: from now on endpoints that are not loopback are unusable; true
 *                    after a start without a key
 */
void candidate_table_set_loopback_only(struct candidate_table *table, bool is_loopback_only);

/**
 * candidate_table_add() - add or confirm a candidate from a source that is
 * trusted more than a beacon, or from DNS
 * @table:    to add to
 * @origin:   CANDIDATE_STATIC, CANDIDATE_DISK, CANDIDATE_PEER or CANDIDATE_DNS
 * @id:       NULL if unknown; ignored for a static one and one of DNS, whose ids only HELLO tells
 * @endpoint: where to dial; a static one and one of DNS are never replaced by a beacon
 * @now_ns:   due at once if new; a known one keeps its pause
 *
 * A candidate that only beacons or DNS know, and is not being dialled, gives way in a full
 * table; to one of DNS only if it was not heard of for long.
 *
 * Return: 0 if added or known already; -ENOSPC if the table is full; -EADDRNOTAVAIL if this node
 *         may not dial the endpoint (not loopback, without a key; of DNS, see address_filter.h);
 *         -EINVAL for an endpoint that nobody can dial (port 0, multicast); -ELOOP if it is this
 *         node itself.
 */
int candidate_table_add(struct candidate_table *table, enum candidate_origin origin,
                const struct cmi_id *id, const struct cmi_endpoint *endpoint, uint64_t now_ns);

/**
 * candidate_table_withdraw() - DNS names an endpoint no more
 * @table:    to update
 * @endpoint: as added with CANDIDATE_DNS; an unknown one is ignored
 *
 * It is not dialled for DNS's sake any longer. A node that was met, or that others vouch for,
 * stays; so does every link.
 */
void candidate_table_withdraw(struct candidate_table *table, const struct cmi_endpoint *endpoint);

/**
 * candidate_table_feed() - account for one beacon
 * @table:   to update
 * @beacon:  decoded, its MAC verified if there is a key; borrowed
 * @source:  where the datagram came from: names the token bucket, and loopback endpoints are
 *           taken from loopback only
 * @ifindex: of the interface that it came in on, which becomes the scope of link-local
 *           endpoints; 0 if unknown
 * @now_ns:  when it was heard
 *
 * Return: an enum candidate_outcome, also counted in table->n_outcomes.
 */
int candidate_table_feed(struct candidate_table *table, const struct beacon *beacon,
                const struct cmi_endpoint *source, uint32_t ifindex, uint64_t now_ns);

/**
 * candidate_table_next_dial() - one dial that is due
 * @table:    to ask; call until it returns 0
 * @now_ns:   now
 * @ret_dial: what to dial; its slot stays this candidate's until the dial's end is reported
 *
 * Each dial must end with candidate_table_connected() or candidate_table_failed(), or it holds one
 * of the CANDIDATE_DIALS_MAX places for ever. The caller limits how long a dial takes.
 *
 * Return: 1 if there is one, else 0.
 */
int candidate_table_next_dial(
                struct candidate_table *table, uint64_t now_ns, struct candidate_dial *ret_dial);

/**
 * candidate_table_deadline() - when candidate_table_next_dial() may have something
 * @table: to ask
 *
 * Return: a time, which may be past; UINT64_MAX if nothing is due before a dial
 *         ends or a candidate comes.
 */
uint64_t candidate_table_deadline(const struct candidate_table *table);

/**
 * candidate_table_connected() - a dial became a link: a HELLO came
 * @table: to update
 * @slot:  from candidate_table_next_dial()
 * @id:    that the HELLO said; replaces an expected one
 *
 * Every candidate of this id rests until candidate_table_disconnected(). Of two that turn out to be
 * one node, one goes, unless both are static or of DNS.
 */
void candidate_table_connected(
                struct candidate_table *table, uint32_t slot, const struct cmi_id *id);

/**
 * candidate_table_failed() - a dial ended without a link
 * @table:   to update
 * @slot:    from candidate_table_next_dial()
 * @failure: why
 * @now_ns:  the pause begins; the next dial tries the candidate's next endpoint
 */
void candidate_table_failed(struct candidate_table *table, uint32_t slot,
                enum candidate_failure failure, uint64_t now_ns);

/**
 * candidate_table_find_dial() - which running dial goes to an endpoint
 * @table:    to look in
 * @endpoint: as candidate_table_next_dial() gave it
 * @ret_slot: its slot
 *
 * For owners that name their dials by endpoint.
 *
 * Return: 1, or 0 if there is none.
 */
int candidate_table_find_dial(const struct candidate_table *table,
                const struct cmi_endpoint *endpoint, uint32_t *ret_slot);

/**
 * candidate_table_met() - there is a link to a node, dialled from here or not
 * @table:    to update
 * @id:       as its HELLO says
 * @endpoint: of the link
 * @now_ns:   now
 *
 * If a dial to @endpoint runs, it is candidate_table_connected() with that one. Else the node is
 * added as by candidate_table_add() with CANDIDATE_PEER, and rests; a dial to another endpoint of
 * it still has to be ended.
 *
 * Return: 0; -EINVAL for an id of zero; or what candidate_table_add() returns.
 */
int candidate_table_met(struct candidate_table *table, const struct cmi_id *id,
                const struct cmi_endpoint *endpoint, uint64_t now_ns);

/**
 * candidate_table_disconnected() - a node has no link any more: it is gone, or forgotten,
 * or its link was closed
 * @table:  to update
 * @id:     as given to candidate_table_connected(); an unknown one is ignored
 * @now_ns: it is due within the first pause
 */
void candidate_table_disconnected(
                struct candidate_table *table, const struct cmi_id *id, uint64_t now_ns);

/**
 * candidate_table_forget() - stop dialling a node that left for good, was forgotten by
 * hand, or was gone for a day
 * @table: to update
 * @id:    an unknown one is ignored
 * @now_ns: now
 *
 * Endpoints that are static or of DNS stay, without the id. A beacon may add the node again.
 */
void candidate_table_forget(
                struct candidate_table *table, const struct cmi_id *id, uint64_t now_ns);

/**
 * candidate_table_is_missing() - whether to look for others eagerly, as schedule_due() asks
 * @table: to look at
 *
 * Return: true if no node is connected, or one is not that more than a beacon vouches for. One that
 *         refused does not count: it is there.
 */
bool candidate_table_is_missing(const struct candidate_table *table);

/**
 * candidate_table_find() - look a node up, for display and for tests
 * @table: to look in
 * @id:    not zero
 *
 * Return: the candidate, borrowed until the next call with this table; NULL if there is none.
 */
const struct candidate *candidate_table_find(
                const struct candidate_table *table, const struct cmi_id *id);

/**
 * candidate_outcome_text() - name of an outcome, for counters and logs
 * @outcome: an enum candidate_outcome
 *
 * Return: a static word.
 */
const char *candidate_outcome_text(int outcome);
