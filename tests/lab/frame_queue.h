/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Frames that wait for their time, the next one first; those of one time in the order they came.
 * It copies what it is given. A binary heap of at most FRAME_QUEUE_MAX frames.
 */
#include <stddef.h>
#include <stdint.h>

#define FRAME_QUEUE_MAX 8192 /* of 1.5 KiB: 12 MiB; a real switch has less */

struct queued_frame {
        uint64_t due_ns;
        uint64_t serial;
        uint32_t from;
        uint32_t to;
        size_t len;
        uint8_t data[];
};

struct frame_queue {
        struct queued_frame *frames[FRAME_QUEUE_MAX];
        uint32_t n_frames;
        uint64_t next_serial;
};

/**
 * frame_queue_put() - keep a copy until its time
 * @queue:  to be added to
 * @due_ns: its time
 * @from:   port it came in by
 * @to:     port it is to leave by
 * @data:   borrowed for the call
 * @len:    bytes
 *
 * Return: 0, -ENOSPC if it is full, -ENOMEM.
 */
int frame_queue_put(struct frame_queue *queue, uint64_t due_ns, uint32_t from, uint32_t to,
                const uint8_t *data, size_t len);

/**
 * frame_queue_take() - the next frame whose time has come
 * @queue:  to be taken from
 * @now_ns: frames of later than this stay
 *
 * Return: the frame, for free(); NULL if there is none yet.
 */
struct queued_frame *frame_queue_take(struct frame_queue *queue, uint64_t now_ns);

/* When the next frame is due; UINT64_MAX: none waits. */
uint64_t frame_queue_next_ns(const struct frame_queue *queue);

/* Drop all frames. */
void frame_queue_deinit(struct frame_queue *queue);
