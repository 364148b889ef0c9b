/* SPDX-License-Identifier: MIT */
/* Skipping ends inside the bytes, and gives one value that can be skipped again. */
#include "tests/fuzz/fuzz.h"
#include "wire/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct cmi_reader reader = cmi_reader(cmi_slice(data, size));

        while (cmi_read_type(&reader) != CMI_TYPE_END) {
                struct cmi_slice value = cmi_read_value(&reader);
                struct cmi_reader again = cmi_reader(value);

                fuzz_require((value.len > 0) == (reader.error == 0));
                if (value.len > 0) {
                        cmi_read_skip(&again);
                        fuzz_require(cmi_read_done(&again) == 0);
                }
        }
        fuzz_require(reader.at == reader.end || reader.error == 0);
        return 0;
}
