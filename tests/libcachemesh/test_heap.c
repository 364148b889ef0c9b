/* SPDX-License-Identifier: MIT */
/* The heap of a region by itself: random blocks, their contents, and what goes back. */
#include "libcachemesh/heap.h"

#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#define BUDGET ((size_t)1 << 20)
#define SLOTS 4000

struct supply {
        size_t bytes;
        size_t most;
        int n_left; /* until it refuses; -1: never */
        int n_huge; /* blocks of 2 MiB given */
};

static void *allocate(void *userdata, size_t alignment, size_t size)
{
        struct supply *supply = userdata;

        if (supply->n_left == 0) {
                return NULL;
        }
        supply->n_left -= supply->n_left > 0;
        supply->bytes += size;
        supply->n_huge += size == 2 << 20;
        supply->most = MAX(supply->most, supply->bytes);
        return aligned_alloc(alignment, (size + alignment - 1) & ~(alignment - 1));
}

static void deallocate(void *userdata, void *memory, size_t size)
{
        struct supply *supply = userdata;

        supply->bytes -= size;
        free(memory);
}

static struct cmi_heap *new_heap_for(struct supply *supply, size_t budget)
{
        struct cm_allocator allocator = {allocate, deallocate, supply};
        struct cmi_heap *heap;

        *supply = (struct supply){.n_left = -1};
        heap = cmi_heap_new(&allocator, budget);
        g_assert_nonnull(heap);
        return heap;
}

static struct cmi_heap *new_heap(struct supply *supply)
{
        return new_heap_for(supply, BUDGET);
}

struct slot {
        unsigned char *memory;
        size_t size;
        unsigned char mark;
};

static bool is_whole(const struct slot *slot)
{
        for (size_t i = 0; i < slot->size; i++) {
                if (slot->memory[i] != slot->mark) {
                        return false;
                }
        }
        return true;
}

static void random_blocks_keep_their_contents_and_all_goes_back(void)
{
        struct supply supply;
        struct cmi_heap *heap = new_heap(&supply);
        g_autofree struct slot *slots = g_new0(struct slot, SLOTS);
        size_t in_use = 0;
        size_t most_in_use = 0;
        int n_refused = 0;

        for (int i = 0; i < 400000; i++) {
                struct slot *slot = &slots[g_test_rand_int_range(0, SLOTS)];
                void *memory = NULL;
                int r;

                if (slot->memory) {
                        g_assert_true(is_whole(slot));
                        cmi_heap_give(heap, slot->memory);
                        in_use -= slot->size;
                        slot->memory = NULL;
                        continue;
                }
                slot->size = (size_t)g_test_rand_int_range(1, i % 100 == 0 ? 50000 : 1000);
                slot->mark = (unsigned char)i;
                r = cmi_heap_take(heap, slot->size, BUDGET, &memory);
                if (r < 0) {
                        g_assert_cmpint(r, ==, -ENOSPC);
                        n_refused++;
                        continue;
                }
                slot->memory = memory;
                g_assert_cmpuint((uintptr_t)memory % 16, ==, 0);
                memset(memory, slot->mark, slot->size);
                in_use += slot->size;
                most_in_use = MAX(most_in_use, in_use);
                g_assert_cmpuint(heap->bytes, <=, BUDGET);
                g_assert_cmpuint(heap->bytes + sizeof(*heap), ==, supply.bytes);
        }
        g_test_message("%d refused, %.2f of the budget in use at most", n_refused,
                        (double)most_in_use / BUDGET);
        g_assert_cmpuint(most_in_use, >, BUDGET / 10 * 8);
        for (int i = 0; i < SLOTS; i++) {
                if (slots[i].memory) {
                        g_assert_true(is_whole(&slots[i]));
                        cmi_heap_give(heap, slots[i].memory);
                }
        }
        g_assert_cmpuint(heap->n_blocks, ==, 0);
        g_assert_cmpuint(heap->bytes, ==, heap->chunk_size); /* the last chunk stays */
        g_assert_null(cmi_heap_free(heap));
        g_assert_cmpuint(supply.bytes, ==, 0);
        g_assert_null(cmi_heap_free(NULL));
}

static void neighbours_merge_in_any_order(void)
{
        struct supply supply;
        struct cmi_heap *heap = new_heap(&supply);
        const int orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

        for (int i = 0; i < 6; i++) {
                void *blocks[3];
                void *all;

                for (int k = 0; k < 3; k++) {
                        g_assert_cmpint(cmi_heap_take(heap, 10000, BUDGET, &blocks[k]), ==, 0);
                }
                for (int k = 0; k < 3; k++) {
                        cmi_heap_give(heap, blocks[orders[i][k]]);
                }
                g_assert_cmpuint(heap->bytes, ==, heap->chunk_size);
                g_assert_cmpint(cmi_heap_take(heap, 30000, heap->bytes, &all), ==, 0);
                cmi_heap_give(heap, all);
        }
        cmi_heap_free(heap);
}

static void an_allocator_that_refuses_is_told_from_a_full_heap(void)
{
        struct supply supply;
        struct cmi_heap *heap = new_heap(&supply);
        void *memory = NULL;

        supply.n_left = 0;
        g_assert_cmpint(cmi_heap_take(heap, 100, BUDGET, &memory), ==, -ENOMEM);
        g_assert_cmpint(cmi_heap_take(heap, 100000, BUDGET, &memory), ==, -ENOMEM);
        g_assert_cmpint(cmi_heap_take(heap, 100, 0, &memory), ==, -ENOSPC);
        g_assert_cmpint(cmi_heap_take(heap, 100000, 0, &memory), ==, -ENOSPC);
        g_assert_null(memory);
        g_assert_cmpuint(heap->n_blocks, ==, 0);
        cmi_heap_free(heap);
}

/* How many blocks of 2 MiB a heap has that was filled up to bytes_max, which it then has used. */
static int fill_up(size_t budget, size_t bytes_max)
{
        g_autoptr(GPtrArray) blocks = g_ptr_array_new();
        struct supply supply;
        struct cmi_heap *heap = new_heap_for(&supply, budget);
        void *memory = NULL;

        while (cmi_heap_take(heap, 5000, bytes_max, &memory) == 0) {
                g_ptr_array_add(blocks, memory);
                if (heap->bytes <= (size_t)8 << 20) {
                        g_assert_cmpint(supply.n_huge, ==, 0);
                }
        }
        g_assert_cmpuint(heap->bytes, ==, bytes_max);
        for (guint i = 0; i < blocks->len; i++) {
                cmi_heap_give(heap, g_ptr_array_index(blocks, i));
        }
        cmi_heap_free(heap);
        g_assert_cmpuint(supply.bytes, ==, 0);
        return supply.n_huge;
}

static void a_large_heap_takes_huge_chunks_once_it_has_grown(void)
{
        const size_t mib = (size_t)1 << 20;

        g_assert_cmpint(fill_up(64 * mib, 64 * mib), ==, 28);
        g_assert_cmpint(fill_up(64 * mib, 63 * mib), ==, 27);
        g_assert_cmpint(fill_up(32 * mib, 32 * mib), ==, 0);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/heap/random", random_blocks_keep_their_contents_and_all_goes_back);
        g_test_add_func("/heap/merge", neighbours_merge_in_any_order);
        g_test_add_func("/heap/refuse", an_allocator_that_refuses_is_told_from_a_full_heap);
        g_test_add_func("/heap/huge", a_large_heap_takes_huge_chunks_once_it_has_grown);
        return g_test_run();
}
