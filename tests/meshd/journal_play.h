/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Random plays of apps against a plane with a disk, which is slow, breaks and is damaged, while the
 * process is killed at any moment and starts again. What was told is held against what is there
 * afterwards: who was told that a session has ended never finds it, and who was told that it is on
 * the disk does.
 */
#include <stdint.h>

/**
 * journal_play() - one play
 * @seed: the same seed is the same play
 *
 * Return: NULL, or what was broken first (static text).
 */
const char *journal_play(uint64_t seed);
