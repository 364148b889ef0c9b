/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Which nodes are to have the copies of a session: by its key and the list of who can have some,
 * alone, so that all who have the same list agree without asking. It decides nothing of who is in
 * that list, and nothing of who orders: that is who opened the newest epoch of the key.
 *
 * Rendezvous hashing (D. Thaler, C. Ravishankar, "Using name-based mappings to increase hit rates",
 * IEEE/ACM Transactions on Networking 6(1), 1998): each candidate draws a number for the key, the
 * best ones are the owners. So when a candidate comes or goes, no key moves but those that it owns.
 * Weighted by the logarithmic method (C. Schindelhauer, G. Schomaker, "Weighted distributed hash
 * tables", SPAA 2005): the draw is exponentially distributed, -ln(hash) / weight, and the lowest
 * wins, with a probability in proportion to the weight. The hash is XXH3 of node id and key
 * (cmi_session_sum()), without a secret, since all nodes have to find the same for as long as a
 * session lives. So a program that may attach to a meshd, which makes the keys, can choose some
 * that all have the same owners: what one user may take is limited in the stores, not here.
 *
 * Integers only: all builds find the same owners. Some 10 to 20 ns for each candidate
 * (tests/bench/bench_owners, by hand). The meshd of this version keeps no copies and asks nobody
 * here: tests do.
 */
#include "base/id.h"

#define OWNERS_MAX 16 /* of one key */
#define OWNERS_WEIGHT_MAX 65535

struct owner_candidate {
        struct cmi_id id;
        uint32_t weight; /* up to OWNERS_WEIGHT_MAX; 0: owns nothing */
        uint64_t host;   /* names its host; 0: unknown, taken for one of its own */
};

/**
 * owners_find() - the owners of a key
 * @key:          of the session
 * @candidates:   in any order, no id twice
 * @n_candidates: how many
 * @n_wanted:     copies that there are to be, up to OWNERS_MAX
 * @ret_owners:   room for n_wanted indices into @candidates
 *
 * The first one is who should decide about a new key. The best of each host come first, by their
 * draws; only when there are fewer hosts than copies, others follow, by theirs.
 *
 * Return: how many there are: fewer than n_wanted if fewer candidates have a weight.
 */
uint32_t owners_find(const struct cmi_id *key, const struct owner_candidate *candidates,
                uint32_t n_candidates, uint32_t n_wanted, uint32_t ret_owners[]);

/**
 * owners_draw() - the exponentially distributed number that a hash stands for
 * @hash: uniformly distributed
 *
 * Return: -log2((hash | 1) / 2^64) in units of 2^-31, at least 1; too large by up to 3e-6 (not of
 *         it, of 1).
 */
uint64_t owners_draw(uint64_t hash);
