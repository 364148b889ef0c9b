/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * DNS source: which addresses a name stands for now, from the answers so far and the time. It
 * decides what is asked and when, which addresses count, and what an answer that fails to come
 * changes: nothing. It opens no socket and reads no clock; meshd/mesh/resolver.h asks, and
 * candidate_table.h decides what is dialled. DNS proves nothing: an address that it names is a
 * hint, and one that it names no more is not dialled for its sake any longer, which ends no
 * link.
 *
 * Questions are asked in rounds. A round:
 *
 *     RESTING --due--> service (SRV), if the name has one --> A and AAAA of each host --> RESTING
 *
 * - What was answered replaces what was known. For a family whose question failed (no answer, a
 *   broken one, or a server that says that it cannot tell) the addresses of before stay. "There
 *   is no such name" is an answer.
 * - The next round comes when the shortest TTL of the addresses is over, within bounds; after a
 *   failure, or as long as there is no address, after a growing pause. All pauses are drawn from
 *   their last quarter, so that many nodes do not ask at once.
 *
 * All times are nanoseconds of one monotonic clock. One thread.
 */
#include "base/endpoint.h"
#include "base/random.h"
#include "discovery/dns_name.h"

#include <stdbool.h>
#include <stdint.h>

enum dns_source_number {
        DNS_ADDRESSES_MAX = 64, /* of one name; nodes learn of each other from one */
        DNS_TARGETS_MAX = 64,   /* hosts of one service */
        DNS_RUNNING_MAX = 8,    /* questions at once */
        DNS_QUESTIONS_MAX = 1 + 2 * DNS_TARGETS_MAX,
        DNS_INTERVAL_MIN_MS = 5000,  /* between two rounds, whatever the TTL */
        DNS_INTERVAL_MAX_MS = 30000, /* likewise, and longest pause after failures */
        DNS_PAUSE_FIRST_MS = 1000,   /* after the first failure, then doubled */
        DNS_ROUND_MAX_MS = 15000,    /* what is not answered by then has failed */
};

#define DNS_TOO_LATE "no answer came in time"

enum dns_type {
        DNS_A = 0,
        DNS_AAAA,
        DNS_SRV,
};

struct dns_question {
        uint32_t number;  /* in this round */
        const char *name; /* borrowed until it is answered */
        uint8_t type;     /* enum dns_type */
        bool is_complete; /* not to be looked for in search domains */
};

enum dns_result {
        DNS_FOUND = 0,
        DNS_NOTHING, /* the name does not exist, or has nothing of this type */
        DNS_FAILED,
};

/* A host of a service. */
struct dns_target {
        char host[DNS_NAME_MAX + 2];
        uint16_t port;
};

struct dns_answer {
        uint8_t result;                       /* enum dns_result */
        const char *why;                      /* DNS_FAILED: static text */
        uint32_t ttl_s;                       /* shortest one of the addresses */
        const struct cmi_endpoint *addresses; /* to DNS_A and DNS_AAAA; ports do not count */
        uint32_t n_addresses;
        const struct dns_target *targets; /* to DNS_SRV */
        uint32_t n_targets;
};

enum dns_health {
        DNS_WAITING = 0, /* for the first round to end */
        DNS_GOOD,
        DNS_EMPTY,   /* the name has no address */
        DNS_FAILING, /* no answer; what was known still counts */
};

struct dns_address {
        struct cmi_endpoint endpoint;
        bool is_new;  /* since the newest round */
        bool is_kept; /* of an earlier one, since the newest one failed */
};

struct dns_source {
        const struct dns_name *name; /* borrowed */
        uint64_t random;
        /* What the newest round made of it. */
        uint8_t health;  /* enum dns_health */
        const char *why; /* DNS_FAILING: static text; else "" */
        uint32_t n_addresses;
        struct dns_address addresses[DNS_ADDRESSES_MAX];
        uint32_t n_dropped;
        struct cmi_endpoint dropped[DNS_ADDRESSES_MAX]; /* known before, and no more */
        uint32_t n_surplus;                             /* that found no room */
        uint64_t n_rounds;                              /* ended */
        uint64_t answered_ns; /* when a round last ended without a failure that counts; 0: never */
        uint32_t n_failures;  /* rounds since the last good one */
        uint64_t due_ns;      /* while resting: of the next round */
        /* The round that runs. */
        bool is_asking;
        uint64_t begun_ns;
        uint32_t n_questions; /* known so far */
        uint32_t n_asked;
        uint32_t n_running;
        bool is_running[DNS_QUESTIONS_MAX];
        bool is_failed[DNS_SRV + 1]; /* one of this type */
        const char *failure;         /* of the first that failed */
        uint32_t ttl_s;
        uint32_t n_targets;
        struct dns_target targets[DNS_TARGETS_MAX];
        uint32_t n_found;
        struct cmi_endpoint found[DNS_ADDRESSES_MAX];
        uint32_t n_left_out;
};

/**
 * dns_source_init() - nothing is known yet; the first round is due
 * @source: to set up
 * @name:   borrowed for its life
 * @seed:   random; a test that repeats it repeats each pause
 * @now_ns: now
 */
void dns_source_init(struct dns_source *source, const struct dns_name *name, uint64_t seed,
                uint64_t now_ns);

/**
 * dns_source_next_question() - one more to ask now
 * @source:       to ask; call until it returns 0, and again after each answer
 * @now_ns:       a round begins if it is due
 * @ret_question: answered with dns_source_answer(), or given up at the deadline
 *
 * Return: 1 if there is one, else 0.
 */
int dns_source_next_question(
                struct dns_source *source, uint64_t now_ns, struct dns_question *ret_question);

/**
 * dns_source_answer() - account for an answer, or for its failure
 * @source: the last answer ends the round: is_asking is false then, and n_rounds has grown
 * @number: of the question; one that does not run (any more) is ignored
 * @answer: borrowed for the call
 * @now_ns: now
 */
void dns_source_answer(struct dns_source *source, uint32_t number, const struct dns_answer *answer,
                uint64_t now_ns);

/**
 * dns_source_give_up() - end a round that takes too long
 * @source: to update
 * @now_ns: now
 *
 * Return: whether a round was ended: what was not answered has failed, and answers to it are
 *         ignored.
 */
bool dns_source_give_up(struct dns_source *source, uint64_t now_ns);

/* When there is something to do: a round to begin, or one to give up. */
uint64_t dns_source_deadline(const struct dns_source *source);

/* Does the newest round name this endpoint? */
bool dns_source_has(const struct dns_source *source, const struct cmi_endpoint *endpoint);

/* A static word. */
const char *dns_health_text(int health);
