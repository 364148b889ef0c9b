/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Node ids: 16 bytes that name a node across restarts. Making a random one belongs to meshd
 * (libuuid); this file compares and prints them.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define CMI_ID_SIZE 16
#define CMI_ID_TEXT_SIZE 37 /* 8-4-4-4-12 and the final NUL */

struct cmi_id {
        uint8_t bytes[CMI_ID_SIZE];
};

static inline bool cmi_id_equal(const struct cmi_id *a, const struct cmi_id *b)
{
        return memcmp(a->bytes, b->bytes, CMI_ID_SIZE) == 0;
}

static inline int cmi_id_compare(const struct cmi_id *a, const struct cmi_id *b)
{
        return memcmp(a->bytes, b->bytes, CMI_ID_SIZE);
}

static inline bool cmi_id_is_zero(const struct cmi_id *id)
{
        static const struct cmi_id zero;

        return cmi_id_equal(id, &zero);
}

/**
 * cmi_id_format() - write an id in the usual 8-4-4-4-12 form
 * @id:       id to print
 * @ret_text: CMI_ID_TEXT_SIZE bytes, NUL-terminated on return
 */
void cmi_id_format(const struct cmi_id *id, char ret_text[CMI_ID_TEXT_SIZE]);

/**
 * cmi_id_parse() - read what cmi_id_format() wrote
 * @text:   NUL-terminated; hexadecimal digits of either case
 * @ret_id: stored on success
 *
 * Return: 0, or -EINVAL.
 */
int cmi_id_parse(const char *text, struct cmi_id *ret_id);
