/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Links while mesh keys are exchanged. A node may serve with another key of the ring than this one
 * guesses, and what this one dials with may be replaced: then connections are tried beside the
 * link's own, with the other keys, and the first that is taken in becomes the link. So a link
 * changes its key without being cut, and one that was cut by a new key of the other side is back
 * within a few round trips.
 *
 * There is nothing to do while the ring holds one key and all links use it.
 */
#include "meshd/mesh/link.h"

#define REDIAL_TURN_MS 20     /* how soon a cut is noticed while there are two keys */
#define REDIAL_TRIALS_MAX 64  /* connections tried at once, of all links */
#define REDIAL_TRIAL_MS 1000  /* time that they get, and the pause after it */
#define REDIAL_DOOMED_MS 1000 /* a link of a removed key ends so long after the removal */
#define REDIAL_DRAIN_MS 200   /* for what the replaced connection still holds */

struct redial;

/* Return: 0, -ENOMEM. */
int redial_new(struct redial **ret_redial, uint32_t n_links);
/* Closes what is still tried. Takes NULL, returns NULL. */
struct redial *redial_free(struct redial *redial);

/* Link @link is being dialled with the key in use, for both sides. */
void redial_begin(struct redial *redial, uint32_t link, const struct cmi_endpoint *endpoint,
                const struct key_ring *ring);
void redial_end(struct redial *redial, uint32_t link);

/* The ring holds other keys, or another one is in use. */
void redial_rekey(struct redial *redial, uint64_t now_ns);

/**
 * redial_turn() - look at all links
 *
 * Return: whether it must be called again in REDIAL_TURN_MS.
 */
bool redial_turn(struct links *links, uint64_t now_ns);
