/* SPDX-License-Identifier: MIT */
#include "tests/lab/frame_queue.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool is_before(const struct queued_frame *a, const struct queued_frame *b)
{
        return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->serial < b->serial;
}

static void swap(struct frame_queue *queue, uint32_t a, uint32_t b)
{
        struct queued_frame *frame = queue->frames[a];

        queue->frames[a] = queue->frames[b];
        queue->frames[b] = frame;
}

static void sift_up(struct frame_queue *queue, uint32_t at)
{
        while (at > 0 && is_before(queue->frames[at], queue->frames[(at - 1) / 2])) {
                swap(queue, at, (at - 1) / 2);
                at = (at - 1) / 2;
        }
}

static void sift_down(struct frame_queue *queue, uint32_t at)
{
        for (;;) {
                uint32_t first = at;

                for (uint32_t child = 2 * at + 1; child <= 2 * at + 2; child++) {
                        if (child < queue->n_frames &&
                                        is_before(queue->frames[child], queue->frames[first])) {
                                first = child;
                        }
                }
                if (first == at) {
                        return;
                }
                swap(queue, at, first);
                at = first;
        }
}

int frame_queue_put(struct frame_queue *queue, uint64_t due_ns, uint32_t from, uint32_t to,
                const uint8_t *data, size_t len)
{
        struct queued_frame *frame;

        if (queue->n_frames == FRAME_QUEUE_MAX) {
                return -ENOSPC;
        }
        frame = malloc(sizeof(*frame) + len);
        if (!frame) {
                return -ENOMEM;
        }
        *frame = (struct queued_frame){due_ns, queue->next_serial++, from, to, len};
        memcpy(frame->data, data, len);
        queue->frames[queue->n_frames] = frame;
        sift_up(queue, queue->n_frames++);
        return 0;
}

struct queued_frame *frame_queue_take(struct frame_queue *queue, uint64_t now_ns)
{
        struct queued_frame *frame;

        if (frame_queue_next_ns(queue) > now_ns) {
                return NULL;
        }
        frame = queue->frames[0];
        queue->frames[0] = queue->frames[--queue->n_frames];
        sift_down(queue, 0);
        return frame;
}

uint64_t frame_queue_next_ns(const struct frame_queue *queue)
{
        return queue->n_frames > 0 ? queue->frames[0]->due_ns : UINT64_MAX;
}

void frame_queue_deinit(struct frame_queue *queue)
{
        while (queue->n_frames > 0) {
                free(queue->frames[--queue->n_frames]);
        }
}
