/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One key on the command line, for the verbs that ask about it: is it one that an app can have?
 */
#include "meshctl/problem.h"

/**
 * target_check() - may these be sent?
 * @region: value of --region; NULL: not given
 * @tag:    NULL: none
 *
 * Return: 0, or STATUS_USAGE with the problem set.
 */
int target_check(struct problem *problem, const char *region, const char *key, const char *tag);
