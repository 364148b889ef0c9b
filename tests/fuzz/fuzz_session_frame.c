/* SPDX-License-Identifier: MIT */
/*
 * Messages between session planes: what is accepted can be written, and what is written is accepted
 * and written alike; what their lists and parts say is within the limits.
 */
#include "tests/fuzz/round_trip.h"
#include "wire/session_frame.h"

static void write_news(struct cmi_writer *writer, const struct cmi_peer_message *message)
{
        static struct cmi_principal principal;
        static struct cmi_tombstone tombstone;
        struct cmi_reader list = message->news.list;

        for (uint32_t i = 0; i < message->news.n; i++) {
                if (message->kind == CMI_PEER_DEAD) {
                        fuzz_require(cmi_peer_next_tombstone(&list, &tombstone) >= 0);
                        cmi_peer_write_tombstone(writer, &tombstone);
                } else {
                        fuzz_require(cmi_peer_next_principal(&list, &principal) >= 0);
                        cmi_peer_write_principal(writer, &principal);
                }
        }
        fuzz_require(cmi_read_done(&list) == 0);
}

static void write_refusals(struct cmi_writer *writer, const struct cmi_peer_message *message)
{
        struct cmi_reader list = message->noted.list;
        struct cmi_peer_refusal refusal;

        for (uint32_t i = 0; i < message->noted.n; i++) {
                cmi_peer_next_refusal(&list, &refusal);
                cmi_peer_write_refusal(writer, &refusal);
        }
        fuzz_require(cmi_read_done(&list) == 0);
}

static void write_whole(struct cmi_writer *writer, const struct cmi_peer_message *message)
{
        cmi_peer_write(writer, message);
        switch (message->kind) {
        case CMI_PEER_DEAD:
        case CMI_PEER_COUNTS:
                write_news(writer, message);
                break;
        case CMI_PEER_DEAD_OK:
        case CMI_PEER_COUNTS_OK:
                write_refusals(writer, message);
                break;
        }
}

static void check_bounds(const struct cmi_peer_message *message)
{
        switch (message->kind) {
        case CMI_PEER_STATE:
                fuzz_require(message->state.weight <= CMI_PEER_WEIGHT_MAX);
                break;
        case CMI_PEER_ASK:
                fuzz_require(message->ask.user <= UINT32_MAX);
                break;
        case CMI_PEER_ORDER:
                fuzz_require(cmi_session_check(&message->order.found.record) == 0);
                fuzz_require(message->order.found.blob.len <= message->order.found.record.blob_len);
                break;
        case CMI_PEER_PART:
                fuzz_require(message->part.offset + message->part.bytes.len <=
                                CMI_SESSION_BLOB_MAX);
                break;
        case CMI_PEER_DEAD:
        case CMI_PEER_COUNTS:
                fuzz_require(message->news.n <= CMI_PEER_DEAD_MAX);
                break;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct cmi_peer_message message;
        struct cmi_writer first = cmi_writer(fuzz_once, sizeof(fuzz_once));
        struct cmi_writer second = cmi_writer(fuzz_twice, sizeof(fuzz_twice));

        if (cmi_peer_decode(cmi_slice(data, size), &message) >= 0 &&
                        message.kind <= CMI_PEER_KIND_LAST) {
                check_bounds(&message);
                write_whole(&first, &message);
                fuzz_require(first.error == 0);
                fuzz_require(cmi_peer_decode(cmi_written(&first), &message) == 0);
                write_whole(&second, &message);
                fuzz_require(cmi_slice_equal(cmi_written(&first), cmi_written(&second)));
        }
        return 0;
}
