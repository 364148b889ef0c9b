/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A fuzz target is one function over any bytes; what it must not do is crash, read outside, or
 * break what it asserts. tests/fuzz/run looks for new inputs with libFuzzer; tests/fuzz/replay.c
 * gives known ones to it in each test run.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void fuzz_require(int condition)
{
        if (!condition) {
                abort();
        }
}
