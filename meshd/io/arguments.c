/* SPDX-License-Identifier: MIT */
#include "meshd/io/arguments.h"

#include <errno.h>

#define ARGUMENTS_MAX 32
#define KEY_MAX 64

/* Moves the reader to the value of @key. Return: 1, 0 (there is none), -EINVAL. */
static int find(struct cmi_slice arguments, const char *key, struct cmi_reader *ret_reader)
{
        struct cmi_reader reader = cmi_reader(arguments);
        uint32_t n;

        if (arguments.len == 0) {
                return 0;
        }
        n = cmi_read_map(&reader, ARGUMENTS_MAX);
        while (n-- > 0 && !reader.error) {
                struct cmi_slice name = cmi_read_str(&reader, KEY_MAX);

                if (!reader.error && cmi_slice_equal(name, cmi_slice_str(key))) {
                        *ret_reader = reader;
                        return cmi_read_type(&reader) != CMI_TYPE_NIL;
                }
                cmi_read_skip(&reader);
        }
        return reader.error ? -EINVAL : 0;
}

int arguments_uint(struct cmi_slice arguments, const char *key, uint64_t max, uint64_t *ret_value)
{
        struct cmi_reader reader;
        uint64_t value;
        int r = find(arguments, key, &reader);

        if (r <= 0) {
                return r;
        }
        value = cmi_read_uint(&reader, max);
        if (reader.error) {
                return -EINVAL;
        }
        *ret_value = value;
        return 0;
}

int arguments_bool(struct cmi_slice arguments, const char *key, bool *ret_value)
{
        struct cmi_reader reader;
        bool value;
        int r = find(arguments, key, &reader);

        if (r <= 0) {
                return r;
        }
        value = cmi_read_bool(&reader);
        if (reader.error) {
                return -EINVAL;
        }
        *ret_value = value;
        return 0;
}

int arguments_str(struct cmi_slice arguments, const char *key, size_t max,
                struct cmi_slice *ret_value)
{
        struct cmi_reader reader;
        struct cmi_slice value;
        int r = find(arguments, key, &reader);

        if (r <= 0) {
                return r;
        }
        value = cmi_read_str(&reader, max);
        if (reader.error) {
                return -EINVAL;
        }
        *ret_value = value;
        return 0;
}
