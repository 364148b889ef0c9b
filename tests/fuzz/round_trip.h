/* SPDX-License-Identifier: MIT */
#pragma once
/* What a decoder accepts can be written, and what is written is accepted and written alike. */
#include "tests/fuzz/fuzz.h"
#include "wire/reader.h"
#include "wire/writer.h"

static uint8_t fuzz_once[1 << 17];
static uint8_t fuzz_twice[1 << 17];

/* For cmi_NOUN_decode() and cmi_NOUN_write() of a struct cmi_NOUN; _WITH another writer. */
#define ROUND_TRIP(noun, bytes) ROUND_TRIP_WITH(noun, bytes, cmi_##noun##_write)
#define ROUND_TRIP_WITH(noun, bytes, write)                                                        \
        do {                                                                                       \
                static struct cmi_##noun value;                                                    \
                struct cmi_writer first = cmi_writer(fuzz_once, sizeof(fuzz_once));                \
                struct cmi_writer second = cmi_writer(fuzz_twice, sizeof(fuzz_twice));             \
                                                                                                   \
                if (cmi_##noun##_decode(bytes, &value) >= 0) {                                     \
                        write(&first, &value);                                                     \
                        fuzz_require(first.error == 0);                                            \
                        fuzz_require(cmi_##noun##_decode(cmi_written(&first), &value) == 0);       \
                        write(&second, &value);                                                    \
                        fuzz_require(cmi_slice_equal(cmi_written(&first), cmi_written(&second)));  \
                }                                                                                  \
        } while (0)
