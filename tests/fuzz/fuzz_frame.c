/* SPDX-License-Identifier: MIT */
/*
 * The header and all bodies: what is accepted can be written, and what is written is accepted and
 * written alike. The first byte chooses the decoder.
 */
#include "tests/fuzz/round_trip.h"
#include "wire/frame.h"

/* A RESET's intents are written one by one. */
static void write_reset(struct cmi_writer *writer, const struct cmi_reset *reset)
{
        struct cmi_reset list = *reset;

        cmi_reset_write(writer, reset);
        for (uint32_t i = 0; i < reset->n_intents; i++) {
                struct cmi_intent intent = cmi_reset_next(&list);

                cmi_reset_write_intent(writer, &intent);
        }
}

static void check_ops(struct cmi_slice body)
{
        struct cmi_ops ops;
        struct cmi_slice op;
        uint32_t n = 0;

        if (cmi_ops_decode(body, &ops) >= 0) {
                while (cmi_op_run_next(&ops.run, &op) == 1) {
                        n++;
                }
                fuzz_require(n == ops.count && n > 0 && ops.run.len == 0);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct cmi_slice body = cmi_slice(data + 1, size - 1);

        if (size == 0) {
                return 0;
        }
        switch (data[0] % 13) {
        case 0:
                ROUND_TRIP(frame_header, body);
                break;
        case CMI_FRAME_HELLO:
                ROUND_TRIP(hello, body);
                break;
        case CMI_FRAME_BEAT:
                ROUND_TRIP(beat, body);
                break;
        case CMI_FRAME_OPS:
                check_ops(body);
                break;
        case CMI_FRAME_NACK:
                ROUND_TRIP(nack, body);
                break;
        case CMI_FRAME_RESET:
                ROUND_TRIP_WITH(reset, body, write_reset);
                break;
        case CMI_FRAME_GOODBYE:
                ROUND_TRIP(goodbye, body);
                break;
        case CMI_FRAME_REFUSE:
                ROUND_TRIP(refuse, body);
                break;
        case CMI_FRAME_MEMBERS:
                ROUND_TRIP(members, body);
                break;
        case CMI_FRAME_QUERY:
                ROUND_TRIP(query, body);
                break;
        case CMI_FRAME_REGIONS:
                ROUND_TRIP(regions, body);
                break;
        case CMI_FRAME_SESSION:
                ROUND_TRIP(post, body);
                break;
        default:
                ROUND_TRIP(answer, body);
        }
        return 0;
}
