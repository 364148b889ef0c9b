/* SPDX-License-Identifier: MIT */
/*
 * SESSION between two meshd: a message of one session plane to another. What is in it is theirs.
 */
#include "wire/frame_fields.h"

#include <errno.h>

enum {
        POST_NUMBER = 1,
        POST_MESSAGE = 2,
};

void cmi_post_write(struct cmi_writer *writer, const struct cmi_post *post)
{
        cmi_write_map(writer, 2);
        cmi_write_field_uint(writer, POST_NUMBER, post->number);
        cmi_write_field_bin(writer, POST_MESSAGE, post->message);
}

int cmi_post_decode(struct cmi_slice body, struct cmi_post *ret_post)
{
        struct cmi_reader reader = cmi_frame_body(body);
        struct cmi_fields fields = cmi_fields(&reader, POST_MESSAGE);
        uint64_t key;
        int r;

        *ret_post = (struct cmi_post){0};
        while (cmi_fields_next(&fields, &key)) {
                switch (key) {
                case POST_NUMBER:
                        ret_post->number = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case POST_MESSAGE:
                        ret_post->message = cmi_read_bin(&reader, CMI_POST_MAX);
                        break;
                }
        }
        r = cmi_fields_done(&fields);
        if (r >= 0 && (ret_post->number == 0 || ret_post->message.len == 0)) {
                return -EBADMSG;
        }
        return r;
}
