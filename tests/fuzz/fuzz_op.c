/* SPDX-License-Identifier: MIT */
/* An operation that was accepted gives all its keys and tags, each within its limits. */
#include "tests/fuzz/fuzz.h"
#include "wire/op.h"

static void check_list(struct cmi_reader *list, uint32_t n, size_t max)
{
        for (uint32_t i = 0; i < n; i++) {
                struct cmi_slice item = cmi_op_next(list);

                fuzz_require(item.len >= 1 && item.len <= max);
        }
        fuzz_require(cmi_read_done(list) == 0);
}

static void check_op(struct cmi_slice bytes)
{
        struct cmi_op op;

        if (cmi_op_decode(bytes, &op) == 0) {
                check_list(&op.keys, op.n_keys, CMI_KEY_MAX);
                check_list(&op.tags, op.n_tags, CMI_TAG_MAX);
                fuzz_require(op.n_keys + op.n_tags <= CMI_OP_TARGETS_MAX);
                if (op.kind == CMI_OP_SESSION) {
                        fuzz_require(op.n_keys >= 1 && op.n_keys <= CMI_OP_SESSIONS_MAX);
                }
                if (op.kind == CMI_OP_SESSION_TAKEN) {
                        fuzz_require(op.incarnation != 0 && !cmi_id_is_zero(&op.node));
                }
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct cmi_slice run = cmi_slice(data, size);
        struct cmi_slice op;

        check_op(run);
        while (cmi_op_run_next(&run, &op) == 1) {
                check_op(op);
        }
        return 0;
}
