/* SPDX-License-Identifier: MIT */
/*
 * What a loader gives: a value or the knowledge that there is none, tags and a TTL. Kept in the
 * load until it returns, in memory of its own.
 */
#include "libcachemesh/load.h"

#include <errno.h>

void cmi_load_free_given(struct cm_load *load)
{
        struct cm *cm = load->region->cm;

        if (load->value) {
                cmi_handle_deallocate(cm, load->value, load->value_len);
        }
        for (uint32_t i = 0; i < load->n_tags; i++) {
                cmi_handle_deallocate(cm, (void *)load->tags[i].data, load->tags[i].len);
        }
        load->value = NULL;
        load->n_tags = 0;
}

/* The first error is what the load fails with. */
static int set_error(struct cm_load *load, int error, const char *text)
{
        if (load && load->error == 0) {
                load->error = error;
        }
        return cmi_fail(error, "%s", text);
}

static void *copy(struct cm_load *load, const void *data, size_t len)
{
        void *bytes = cmi_handle_allocate(load->region->cm, 16, len);

        if (bytes) {
                memcpy(bytes, data, len);
        }
        return bytes;
}

int cm_load_set_value(struct cm_load *load, const void *data, size_t len)
{
        void *value = NULL;

        if (!load || (len > 0 && !data)) {
                return set_error(load, -EINVAL, "a value has data if it has a length");
        }
        if (len > CMI_VALUE_MAX) {
                return set_error(load, -E2BIG, "a value has less than 4 GiB");
        }
        if (len > 0) {
                value = copy(load, data, len);
                if (!value) {
                        return set_error(load, -ENOMEM, "no memory for the loaded value");
                }
        }
        if (load->value) {
                cmi_handle_deallocate(load->region->cm, load->value, load->value_len);
        }
        load->value = value;
        load->value_len = len;
        load->has_value = true;
        load->is_negative = false;
        return 0;
}

int cm_load_set_negative(struct cm_load *load)
{
        if (!load) {
                return cmi_fail(-EINVAL, "there is no load");
        }
        if (load->value) {
                cmi_handle_deallocate(load->region->cm, load->value, load->value_len);
        }
        load->value = NULL;
        load->value_len = 0;
        load->has_value = false;
        load->is_negative = true;
        return 0;
}

int cm_load_add_tag(struct cm_load *load, const void *tag, size_t tag_len)
{
        void *bytes;

        if (!load || !tag || tag_len - 1 >= CM_TAG_MAX) {
                return set_error(load, -EINVAL, "a tag has 1 to 255 bytes");
        }
        if (load->n_tags == CM_TAGS_MAX) {
                return set_error(load, -E2BIG, "an entry has at most 16 tags");
        }
        bytes = copy(load, tag, tag_len);
        if (!bytes) {
                return set_error(load, -ENOMEM, "no memory for a tag");
        }
        load->tags[load->n_tags++] = (struct cm_bytes){bytes, tag_len};
        return 0;
}

int cm_load_set_ttl(struct cm_load *load, uint32_t ttl_ms)
{
        if (!load) {
                return cmi_fail(-EINVAL, "there is no load");
        }
        load->ttl_ms = ttl_ms;
        return 0;
}
