/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Names on the command line: can a node, a region or an app's key be called so? What cannot be is
 * refused here, since a request that meshd cannot read ends the connection.
 */
#include "meshctl/problem.h"

/**
 * target_check_peer() - the name or the id of a node
 *
 * Return: 0, or STATUS_USAGE with the problem set.
 */
int target_check_peer(struct problem *problem, const char *peer);

/* The same for the value of --region; NULL: not given, which is a problem, too. */
int target_check_region(struct problem *problem, const char *region);

/**
 * target_check() - may these be sent?
 * @region: value of --region; NULL: not given
 * @tag:    NULL: none
 *
 * Return: 0, or STATUS_USAGE with the problem set.
 */
int target_check(struct problem *problem, const char *region, const char *key, const char *tag);
