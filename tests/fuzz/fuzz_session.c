/* SPDX-License-Identifier: MIT */
/*
 * Records, chunks, tombstones and principals: what is accepted can be written, and what is written
 * is accepted and written alike. The first byte chooses the decoder.
 */
#include "tests/fuzz/round_trip.h"
#include "wire/session.h"

static void check_session(struct cmi_slice body)
{
        static struct cmi_session session;

        ROUND_TRIP(session, body);
        if (cmi_session_decode(body, &session) >= 0) {
                struct cmi_session_version version = session.version;

                fuzz_require(session.blob_len <= CMI_SESSION_BLOB_MAX);
                fuzz_require(cmi_session_has_ancestor(&session, &version));
                if (version.epoch.counter < UINT64_MAX) {
                        version.epoch.counter++;
                        fuzz_require(!cmi_session_has_ancestor(&session, &version));
                        cmi_session_advance(&session, &version);
                        fuzz_require(cmi_session_check(&session) == 0);
                }
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct cmi_slice body = cmi_slice(data + 1, size - 1);

        if (size == 0) {
                return 0;
        }
        switch (data[0] % 4) {
        case 0:
                check_session(body);
                break;
        case 1:
                ROUND_TRIP(session_chunk, body);
                break;
        case 2:
                ROUND_TRIP(tombstone, body);
                break;
        default:
                ROUND_TRIP(principal, body);
        }
        return 0;
}
