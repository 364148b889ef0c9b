/* SPDX-License-Identifier: MIT */
#include "tests/meshd/counted.h"

#include <assert.h>
#include <stdlib.h>

void *counted_alloc(void *context, size_t size)
{
        struct counted *memory = context;

        memory->n_allocs++;
        if (memory->fail_at != 0 &&
                        (memory->n_allocs == memory->fail_at ||
                                        (memory->fail_on && memory->n_allocs > memory->fail_at))) {
                return NULL;
        }
        memory->n_blocks++;
        memory->n_bytes += size;
        return malloc(size);
}

void counted_free(void *context, void *memory, size_t size)
{
        struct counted *counted = context;

        assert(counted->n_blocks > 0 && counted->n_bytes >= size);
        counted->n_blocks--;
        counted->n_bytes -= size;
        free(memory);
}
