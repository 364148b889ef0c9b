/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Memory of a short-lived tool: what cannot be had ends it, with exit status 1 and a line that says
 * so. Everything else in meshctl may take it that an allocation succeeded.
 */
#include <stdio.h>
#include <stdlib.h>

/* Pass on what an allocating function returned, or end the program if that is NULL. */
static inline void *memory_got(void *pointer)
{
        if (!pointer) {
                fputs("meshctl: out of memory\n", stderr);
                exit(1);
        }
        return pointer;
}
